//! Few accounts that share their subjects: what one of them is shown by chance, and what it takes.

use rand::RngExt;
use rastro_trace::{Explanation, TraceOptions};

use crate::world::{DAY, Desk, name, victims};

const SUBJECTS: i64 = 20_000;
const TEAM: [u32; 3] = [80, 81, 82];
const TEAM_SUBJECTS: i64 = 150;

/// 80 accounts with 100 subjects each, and a team of three: each member is shown each of the team's 150 subjects
/// with probability 0.7. Returns with it who of the team was shown which.
fn desk_with_team(seed: u64) -> (Desk, Vec<[bool; 3]>) {
    let mut desk = Desk::new(80, SUBJECTS, 100, seed);
    let mut shown = Vec::new();
    for subject in SUBJECTS..SUBJECTS + TEAM_SUBJECTS {
        let sees = [0.7; 3].map(|share| desk.rng.random_bool(share));
        for (member, _) in TEAM.into_iter().zip(sees).filter(|(_, sees)| *sees) {
            let day = desk.rng.random_range(0..300);
            desk.show(member, subject, day * DAY, Explanation::Explained);
        }
        shown.push(sees);
    }
    (desk, shown)
}

fn options() -> TraceOptions {
    TraceOptions { population: Some(20_150), ..TraceOptions::default() }
}

#[test]
fn member_shown_every_victim_of_a_team_by_chance_is_not_named() {
    for seed in 0..8 {
        let (desk, shown) = desk_with_team(seed);
        // Five of the team's subjects, all of which the first member was shown, and each other member about half.
        let of = |first: bool, second: bool| {
            let fits = move |(_, sees): &(i64, &[bool; 3])| sees[0] && sees[1] == first && sees[2] == second;
            (SUBJECTS..).zip(&shown).filter(fits).map(|(subject, _)| subject)
        };
        let reports: Vec<i64> = of(true, false).take(3).chain(of(false, true).take(2)).collect();
        let trace = desk.finish().trace(&victims(&reports), &options());
        let first = &trace.accounts[0];
        assert_eq!((first.principal.clone(), first.victims_seen), (name(TEAM[0]), 5), "seed {seed}");
        assert!(first.involved < 0.95, "seed {seed}: {}", first.involved);
    }
}

#[test]
fn member_of_a_team_who_takes_what_colleagues_are_not_shown_is_named() {
    for seed in 0..8 {
        let (mut desk, _) = desk_with_team(seed);
        let taken = desk.harvest(TEAM[1], SUBJECTS, 100, 200);
        let trace = desk.finish().trace(&victims(&taken[..8]), &options());
        assert_eq!(trace.accounts[0].principal, name(TEAM[1]), "seed {seed}");
        assert!(trace.accounts[0].involved > 0.95, "seed {seed}: {}", trace.accounts[0].involved);
    }
}
