use std::time::Instant;

use rand::RngExt;
use rastro_model::SubjectKey;
use rastro_trace::{Caveat, HistoryBuilder, Prior, Trace, TraceOptions, Victim};

use crate::world::{Desk, name, victims};

#[track_caller]
fn check(trace: &Trace, expected: &[Caveat]) {
    let sum = trace.accounts.iter().map(|account| account.probability).sum::<f64>()
        + trace.populations.iter().map(|population| population.probability).sum::<f64>()
        + trace.unknown_route;
    assert!((sum - 1.0).abs() < 1e-9, "{sum}");
    assert!(trace.accounts.iter().all(|account| account.log10_bayes_factor.is_finite()));
    assert!(trace.evidence.iter().all(|evidence| evidence.favours_first.is_finite()));
    for caveat in expected {
        assert!(trace.caveats.contains(caveat), "{caveat} not among {:?}", trace.caveats);
    }
    assert!(trace.caveats.iter().all(|caveat| caveat.to_string().len() > 20));
}

#[test]
fn no_victims_and_no_history_give_the_prior_and_caveats() {
    let empty = HistoryBuilder::new().finish();
    let trace = empty.trace(&[], &TraceOptions::default());
    check(&trace, &[Caveat::NoVictims, Caveat::EmptyHistory, Caveat::PopulationUnknown]);
    assert_eq!(trace.unknown_route, 1.0);
    check(&empty.trace(&victims(&[1, 2, 3]), &TraceOptions::default()), &[Caveat::UnknownVictims(3)]);
    let history = Desk::new(20, 1_000, 50, 1).finish();
    let trace = history.trace(&[], &TraceOptions::default());
    check(&trace, &[Caveat::NoVictims]);
}

#[test]
fn unknown_and_duplicate_victims_are_counted_and_change_little() {
    let mut desk = Desk::new(60, 20_000, 200, 2);
    let leaked = desk.harvest(7, 20_000, 200, 100);
    let history = desk.finish();
    let mut list: Vec<i64> = leaked[..8].to_vec();
    let plain = history.trace(&victims(&list), &TraceOptions::default());
    list.extend_from_slice(&leaked[..3]);
    let doubled = history.trace(&victims(&list), &TraceOptions::default());
    check(&doubled, &[Caveat::Duplicates(3)]);
    assert_eq!(doubled.victims, 8);
    assert!((plain.accounts[0].probability - doubled.accounts[0].probability).abs() < 1e-12);
    let mut reports = victims(&leaked[..8]);
    reports.push(Victim::new(SubjectKey::Text("nobody".into())));
    reports.push(Victim::new(SubjectKey::Int(1 << 50)));
    let trace = history.trace(&reports, &TraceOptions::default());
    check(&trace, &[Caveat::UnknownVictims(2)]);
    assert_eq!(trace.accounts[0].principal, name(7));
}

#[test]
fn silent_accounts_wrong_population_and_bad_prior_are_caveats() {
    let mut desk = Desk::new(40, 5_000, 100, 3);
    let leaked = desk.harvest(7, 5_000, 200, 100);
    for silent in 100..130 {
        desk.builder.principal(&name(silent)).unwrap();
    }
    let history = desk.finish();
    let seen = history.subjects_seen();
    let options = TraceOptions {
        population: Some(10),
        prior: Prior { unknown_route: 1.5, several_accounts: f64::NAN },
        ..TraceOptions::default()
    };
    let trace = history.trace(&victims(&leaked[..6]), &options);
    check(
        &trace,
        &[Caveat::SilentAccounts(30), Caveat::PopulationTooSmall { given: 10, seen }, Caveat::BadPrior],
    );
    let huge = TraceOptions { population: Some(u64::MAX), ..TraceOptions::default() };
    let large = Caveat::PopulationLarge { given: u64::MAX, seen };
    check(&history.trace(&victims(&leaked[..6]), &huge), &[large]);
}

#[test]
fn one_account_alone_is_judged_without_failing() {
    let mut desk = Desk::new(1, 100, 30, 4);
    let leaked = desk.harvest(0, 100, 20, 10);
    let history = desk.finish();
    for count in [1, 2, 20] {
        let trace = history.trace(&victims(&leaked[..count]), &TraceOptions::default());
        check(&trace, &[Caveat::UnusualAccounts(1)]);
        assert_eq!(trace.caveats.contains(&Caveat::FewVictims(count)), count < 5);
    }
}

#[test]
fn ten_thousand_victims_are_weighed_in_finite_numbers() {
    let mut desk = Desk::new(300, 100_000, 400, 5);
    let mut leaked = desk.harvest(7, 100_000, 8_000, 100);
    for _ in 0..2_000 {
        leaked.push(desk.rng.random_range(0..100_000));
    }
    let history = desk.finish();
    let began = Instant::now();
    let trace = history.trace(&victims(&leaked), &TraceOptions::default());
    eprintln!("10,000 victims: {:?}", began.elapsed());
    check(&trace, &[Caveat::ManyVictims(trace.victims)]);
    assert!(trace.victims > 9_000);
    assert_eq!(trace.accounts[0].principal, name(7));
    assert!(trace.accounts[0].probability > 0.95);
}

#[test]
fn fifty_thousand_accounts_are_weighed_in_finite_numbers() {
    let mut desk = Desk::new(50_000, 400_000, 8, 6);
    let leaked = desk.harvest(44_444, 400_000, 300, 100);
    let history = desk.finish();
    let began = Instant::now();
    let trace = history.trace(&victims(&leaked[..6]), &TraceOptions::default());
    eprintln!("50,000 accounts: {:?}", began.elapsed());
    check(&trace, &[Caveat::UnusualAccounts(50_000)]);
    assert_eq!(trace.accounts[0].principal, name(44_444));
}
