use rand::RngExt;
use rastro_model::{FieldSet, SubjectKey, Timestamp};
use rastro_trace::{Explanation, Interval, TraceOptions, Victim};

use crate::world::{DAY, Desk, name, victims};

const SUBJECTS: i64 = 20_000;

fn options() -> TraceOptions {
    TraceOptions { population: Some(20_000), ..TraceOptions::default() }
}

#[track_caller]
fn check_sums_to_one(trace: &rastro_trace::Trace) {
    let accounts: f64 = trace.accounts.iter().map(|account| account.probability).sum();
    let populations: f64 = trace.populations.iter().map(|population| population.probability).sum();
    let sum = accounts + populations + trace.unknown_route;
    assert!((sum - 1.0).abs() < 1e-9, "{sum}");
    let parts = trace.accounts.iter().map(|account| account.probability).chain([trace.unknown_route]);
    assert!(parts.clone().all(|p| (0.0..=1.0).contains(&p)), "{:?}", parts.collect::<Vec<_>>());
}

#[test]
fn harvester_is_named_from_six_reports_with_one_stray_and_the_day_is_found() {
    for seed in 0..5 {
        let mut desk = Desk::new(80, SUBJECTS, 200, seed);
        let leaked = desk.harvest(7, SUBJECTS, 300, 150);
        let stray = desk.rng.random_range(0..SUBJECTS);
        let history = desk.finish();
        let mut reports = victims(&leaked[..5]);
        reports.extend(victims(&[stray]));
        for (at, report) in reports.iter_mut().enumerate() {
            report.reported_at = Some(Timestamp(200 * DAY));
            let spread = i64::try_from(at).unwrap() * 4 * DAY;
            report.current = Some(Interval {
                from: Some(Timestamp(140 * DAY - spread)),
                until: Some(Timestamp(160 * DAY + spread)),
            });
        }
        let trace = history.trace(&reports, &options());
        check_sums_to_one(&trace);
        let first = &trace.accounts[0];
        assert_eq!(first.principal, name(7), "seed {seed}");
        assert!(first.probability > 0.95, "seed {seed}: {}", first.probability);
        assert!(first.victims_seen >= 5 && first.exposed > 400);
        let window = trace.window.unwrap();
        assert!(window.from <= Timestamp(150 * DAY) && window.until >= Timestamp(150 * DAY + DAY / 2));
        assert!(window.until.0 - window.from.0 < 12 * DAY, "{window:?}");
        let next = trace.next_report.unwrap();
        assert!(next.if_seen > first.probability - 1e-6 && next.if_not_seen < first.probability);
        let deciding = &trace.evidence[0];
        assert!(deciding.favours_first > 0.0 && deciding.views[0].explained == Some(false));
    }
}

#[test]
fn account_that_saw_a_victim_only_after_the_report_or_without_the_field_is_not_counted() {
    let mut desk = Desk::new(30, SUBJECTS, 100, 1);
    let leaked = desk.harvest(3, SUBJECTS, 50, 100);
    let history = desk.finish();
    let mut early = victims(&leaked[..8]);
    for report in &mut early {
        report.reported_at = Some(Timestamp(99 * DAY));
    }
    let mut with_field = victims(&leaked[..8]);
    for report in &mut with_field {
        report.known = FieldSet(0b1000);
    }
    for reports in [early, with_field] {
        let trace = history.trace(&reports, &options());
        check_sums_to_one(&trace);
        let seen =
            trace.accounts.iter().find(|account| account.principal == name(3)).map_or(0, |a| a.victims_seen);
        assert!(seen <= 1, "{seen}");
    }
    assert!(history.trace(&victims(&leaked[..8]), &options()).accounts[0].probability > 0.95);
}

#[test]
fn random_victims_name_nobody() {
    for seed in 0..40 {
        let mut desk = Desk::new(60, 4_000, 150, 100 + seed);
        let called: Vec<i64> = (0..10).map(|_| desk.rng.random_range(0..4_000)).collect();
        let history = desk.finish();
        let trace = history.trace(&victims(&called), &TraceOptions::default());
        check_sums_to_one(&trace);
        assert!(
            trace.accounts.iter().all(|account| account.involved < 0.95),
            "seed {seed}: {:?}",
            trace.accounts[0]
        );
    }
}

#[test]
fn victims_of_a_broad_account_point_to_its_population_not_to_it() {
    let mut desk = Desk::new(60, SUBJECTS, 150, 4);
    let list: Vec<i64> = (0..SUBJECTS / 3).map(|n| n * 3).collect();
    for subject in &list {
        let day = desk.rng.random_range(0..300);
        desk.show(60, *subject, day * DAY, Explanation::Explained);
    }
    let called: Vec<i64> = (0..25).map(|_| list[desk.rng.random_range(0..list.len())]).collect();
    let trace = desk.finish().trace(&victims(&called), &options());
    check_sums_to_one(&trace);
    assert!(trace.accounts.iter().all(|account| account.principal != name(60)));
    let population = &trace.populations[0];
    assert_eq!(population.holders, [name(60)]);
    assert!(population.probability > 0.8, "{population:?}");
}

#[test]
fn slow_harvester_is_an_account_not_a_population() {
    let mut desk = Desk::new(80, SUBJECTS, 40, 5);
    let mut leaked = Vec::new();
    for day in 150..270 {
        leaked.extend(desk.harvest(7, SUBJECTS, 9, day));
    }
    let called: Vec<i64> = leaked.iter().copied().step_by(90).collect();
    let trace = desk.finish().trace(&victims(&called), &options());
    check_sums_to_one(&trace);
    assert_eq!(trace.accounts[0].principal, name(7), "{:?}", trace.populations.first());
    assert!(trace.accounts[0].probability > 0.95, "{}", trace.accounts[0].probability);
}

#[test]
fn two_colluders_are_both_named() {
    let mut desk = Desk::new(80, SUBJECTS, 150, 9);
    let mut leaked = desk.harvest(11, SUBJECTS, 200, 90);
    let other = desk.harvest(42, SUBJECTS, 200, 200);
    leaked.truncate(7);
    leaked.extend(&other[..7]);
    let trace = desk.finish().trace(&victims(&leaked), &options());
    check_sums_to_one(&trace);
    let mut first_two = [trace.accounts[0].principal.clone(), trace.accounts[1].principal.clone()];
    first_two.sort();
    assert_eq!(first_two, [name(11), name(42)]);
    assert!(trace.accounts[1].involved > 0.95, "{}", trace.accounts[1].involved);
    assert_eq!(trace.collusions[0].members.len(), 2);
}

#[test]
fn disclosure_added_later_counts_at_once_and_the_same_after_settling() {
    let mut desk = Desk::new(50, SUBJECTS, 150, 12);
    let leaked = desk.harvest(5, SUBJECTS, 3, 50);
    let mut history = desk.finish();
    let reports = victims(&[leaked[0], leaked[1], leaked[2], 17, 23, 31]);
    let before = history.trace(&reports, &options());
    let principal = history.principal(&name(5)).unwrap();
    for subject in [17, 23, 31] {
        let subject = history.subject(&SubjectKey::Int(subject)).unwrap();
        history.add(rastro_trace::Disclosure {
            principal,
            subject,
            time: Timestamp(51 * DAY),
            fields: FieldSet(7),
            explanation: Explanation::Unexplained,
        });
    }
    let fresh = history.trace(&reports, &options());
    assert_eq!(fresh.accounts[0].victims_seen, 6);
    assert!(fresh.accounts[0].probability >= before.accounts[0].probability);
    history.settle();
    let settled = history.trace(&reports, &options());
    assert_eq!(settled.accounts[0].principal, fresh.accounts[0].principal);
    assert_eq!(settled.accounts[0].exposed, fresh.accounts[0].exposed);
    assert!((settled.accounts[0].probability - fresh.accounts[0].probability).abs() < 0.02);
}

#[test]
fn unreliable_report_weighs_less_than_a_reliable_one() {
    let mut desk = Desk::new(50, SUBJECTS, 150, 13);
    let leaked = desk.harvest(5, SUBJECTS, 100, 50);
    let history = desk.finish();
    let with = |reliability: f64| {
        let report = |subject: &i64| Victim {
            reliability: Some(reliability),
            ..Victim::new(SubjectKey::Int(*subject))
        };
        let reports: Vec<Victim> = leaked[..3].iter().map(report).collect();
        history.trace(&reports, &options()).accounts[0].log10_bayes_factor
    };
    assert!(with(0.95) > with(0.05) + 0.1, "{} {}", with(0.95), with(0.05));
}
