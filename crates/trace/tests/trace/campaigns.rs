//! Two leaks at once, and worlds in which nobody inside is guilty.

use rand::RngExt;
use rastro_model::{FieldSet, SubjectKey};
use rastro_trace::{History, Mark, TraceOptions, Victim};

use crate::world::{Desk, name};

const SUBJECTS: i64 = 40_000;
const NAME_AND_PHONE: u32 = 0b101;
const NAME_AND_EMAIL: u32 = 0b011;

fn reports(subjects: impl IntoIterator<Item = i64>, known: u32) -> Vec<Victim> {
    let of = |subject| Victim { known: FieldSet(known), ..Victim::new(SubjectKey::Int(subject)) };
    subjects.into_iter().map(of).collect()
}

fn options() -> TraceOptions {
    TraceOptions { population: Some(SUBJECTS as u64), ..TraceOptions::default() }
}

/// A few victims of an account's harvest whose callers knew phones, among many of a leak elsewhere whose callers
/// knew e-mails.
fn mixed(seed: u64) -> (History, Vec<Victim>) {
    let mut desk = Desk::new(80, SUBJECTS, 600, seed);
    let copied = desk.harvest(7, SUBJECTS, 300, 120);
    let elsewhere: Vec<i64> = (0..150).map(|_| desk.rng.random_range(0..SUBJECTS)).collect();
    let mut victims = reports(elsewhere, NAME_AND_EMAIL);
    victims.extend(reports(copied.into_iter().take(5), NAME_AND_PHONE));
    (desk.finish(), victims)
}

#[test]
fn leak_hidden_among_the_victims_of_another_is_found_by_what_its_callers_knew() {
    let (history, victims) = mixed(3);
    let whole = history.trace(&victims, &options());
    assert!(whole.accounts[0].involved < 0.5, "the larger leak does not hide the smaller one");
    let campaigns = history.campaigns(&victims, &options(), &whole);
    let found = campaigns.first().unwrap();
    assert_eq!(found.mark, Mark::Known(2));
    assert_eq!(found.trace.victims, 5);
    assert_eq!(found.trace.accounts[0].principal, name(7));
    assert!(found.trace.accounts[0].involved >= 0.95, "{}", found.trace.accounts[0].involved);
}

#[test]
fn parts_of_guilt_free_victims_name_nobody() {
    for seed in 0..6 {
        let mut desk = Desk::new(80, SUBJECTS, 600, 100 + seed);
        let mut victims = Vec::new();
        for _ in 0..24 {
            let known = 1 << desk.rng.random_range(0..3) | 1;
            let subject = desk.rng.random_range(0..SUBJECTS);
            victims.extend(reports([subject], known));
        }
        let history = desk.finish();
        let whole = history.trace(&victims, &options());
        for campaign in history.campaigns(&victims, &options(), &whole) {
            assert!(campaign.trace.accounts[0].involved < 0.95, "seed {seed}: {:?}", campaign.mark);
        }
    }
}
