//! The budget against a brute-force model that remembers every showing.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use rastro_detect::{BudgetBook, BudgetRule, Limit, Mode, Next, PrincipalBudget, ReasonSettings};
use rastro_model::{Certainty, FieldSet, KindId, Principal, ShownBatch, ShownKey, SubjectKey, Timestamp};

/// A subject of the test: number and form (0 integer, 1 uuid, 2 text, 3 unknown) and kind.
type Subject = (u8, u8, u8);

fn push(batch: &mut ShownBatch, (number, form, kind): Subject) {
    let key = match form {
        0 => ShownKey::Int(i64::from(number) - 100),
        1 => ShownKey::Uuid(u128::from(number) << 77),
        2 => batch.text_key(format!("subject-{number}").as_bytes()),
        _ => ShownKey::Unknown,
    };
    let certainty = if number % 2 == 0 { Certainty::Exact } else { Certainty::Possible };
    batch.push(KindId(kind), key, FieldSet(1), certainty);
}

fn batch_of(rows: &[Vec<Subject>]) -> ShownBatch {
    let mut batch = ShownBatch::default();
    for row in rows {
        batch.begin_row();
        row.iter().for_each(|subject| push(&mut batch, *subject));
    }
    batch
}

fn book(window: Duration, unexplained: Option<u64>, total: Option<u64>, reasons: bool) -> BudgetBook {
    let rule = BudgetRule { principals: vec!["*".into()], window, unexplained, total };
    let settings = ReasonSettings { grace: Duration::from_secs(3600) };
    BudgetBook::new(&[rule], &BTreeMap::new(), reasons.then_some(settings)).unwrap()
}

fn budget(
    window: Duration,
    unexplained: Option<u64>,
    total: Option<u64>,
    reasons: bool,
) -> Arc<PrincipalBudget> {
    book(window, unexplained, total, reasons).principal(&Principal::new("agent"))
}

/// Every subject and the slice it was last shown in.
#[derive(Default)]
struct Model {
    last: HashMap<Subject, i64>,
}

impl Model {
    fn admit(&mut self, rows: &[Vec<Subject>], now: i64, window: i64, limit: usize) -> u32 {
        let slice_micros = (window / 1024).max(1_000);
        let slice = now.div_euclid(slice_micros);
        self.last.retain(|_, last| (*last + 1) * slice_micros + window > now);
        for (index, row) in rows.iter().enumerate() {
            let known: HashSet<Subject> = row.iter().filter(|subject| subject.1 < 3).copied().collect();
            let new = known.iter().filter(|subject| !self.last.contains_key(*subject)).count();
            if self.last.len() + new > limit {
                return u32::try_from(index).unwrap();
            }
            for subject in known {
                let last = self.last.entry(subject).or_insert(slice);
                *last = slice.max(*last);
            }
        }
        u32::try_from(rows.len()).unwrap()
    }
}

fn subject() -> impl Strategy<Value = Subject> {
    (0u8..24, prop_oneof![4 => Just(0u8), 1 => Just(1), 1 => Just(2), 1 => Just(3)], 0u8..2)
}

fn rows() -> impl Strategy<Value = Vec<Vec<Subject>>> {
    prop::collection::vec(prop::collection::vec(subject(), 0..4), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn prop_total_budget_admits_what_the_model_admits(
        steps in prop::collection::vec((rows(), 0i64..400_000), 1..30),
        limit in 0u64..40,
        window_ms in prop_oneof![1u64..5, 100u64..2_000, Just(1_048_576)],
    ) {
        let window = Duration::from_millis(window_ms);
        let window_micros = i64::try_from(window.as_micros()).unwrap();
        let budget = budget(window, None, Some(limit), false);
        let mut model = Model::default();
        let mut now = 1_700_000_000_000_000;
        for (rows, step) in steps {
            now += step * window_micros / 200_000;
            let admission = budget.admit(&batch_of(&rows), 0, Timestamp(now), Mode::Enforce);
            let expected = model.admit(&rows, now, window_micros, usize::try_from(limit).unwrap());
            prop_assert_eq!(admission.rows, expected);
            let whole = usize::try_from(expected).unwrap() == rows.len();
            prop_assert_eq!(admission.next == Next::All, whole);
            prop_assert_eq!(budget.counted(Limit::Total, Timestamp(now)), Some(model.last.len() as u64));
        }
    }

    #[test]
    fn prop_unexplained_budget_cuts_at_the_exact_row(
        batches in prop::collection::vec(rows(), 1..6),
        explained in prop::collection::btree_set((0u8..24, 0u8..3, 0u8..2), 0..80),
        limit in 0u64..20,
        take in 1usize..10,
    ) {
        let budget = budget(Duration::from_secs(86_400), Some(limit), None, true);
        let names: BTreeSet<(u8, String)> = explained.iter().map(|subject| named(*subject)).collect();
        let now = Timestamp(1_700_000_000_000_000);
        let mut counted: BTreeSet<Subject> = BTreeSet::new();
        for rows in batches {
            let mut expected = 0;
            for row in &rows {
                let mut with: BTreeSet<Subject> = counted.clone();
                with.extend(row.iter().filter(|subject| subject.1 < 3 && !explained.contains(*subject)));
                if with.len() as u64 > limit {
                    break;
                }
                counted = with;
                expected += 1;
            }
            let batch = batch_of(&rows);
            let mut admitted = 0;
            loop {
                let admission = budget.admit(&batch, admitted, now, Mode::Enforce);
                admitted += admission.rows;
                match admission.next {
                    Next::All => prop_assert_eq!(usize::try_from(admitted).unwrap(), rows.len()),
                    Next::Breach(breach) => prop_assert_eq!(breach.allowed, limit),
                    Next::AwaitReasons => {
                        let questions = budget.take_questions(take);
                        prop_assert!(!questions.is_empty(), "waits though nothing is asked");
                        budget.answer(&questions, |kind, key| {
                            names.contains(&(kind.0, key.to_string())).then_some("ticket")
                        }, now);
                        continue;
                    }
                }
                break;
            }
            prop_assert_eq!(admitted, expected);
            // What is left in doubt is settled before the next batch.
            while budget.questions_waiting() > 0 {
                let questions = budget.take_questions(take);
                budget.answer(&questions, |kind, key| {
                    names.contains(&(kind.0, key.to_string())).then_some("ticket")
                }, now);
            }
            prop_assert_eq!(budget.counted(Limit::Unexplained, now), Some(counted.len() as u64));
        }
    }

    #[test]
    fn prop_replay_rebuilds_the_same_counts(
        steps in prop::collection::vec((rows(), 0i64..200_000), 1..20),
        limit in 1u64..40,
    ) {
        let window = Duration::from_secs(1);
        let (live, after) = (book(window, None, Some(limit), false), book(window, None, Some(limit), false));
        let agent = Principal::new("agent");
        let mut now = 1_700_000_000_000_000;
        for (rows, step) in steps {
            now += step;
            let batch = batch_of(&rows);
            let admitted = live.principal(&agent).admit(&batch, 0, Timestamp(now), Mode::Enforce).rows;
            for shown in batch.entries_before(admitted) {
                match (shown.key, batch.subject_key(shown.key)) {
                    (ShownKey::Int(value), _) => {
                        after.replay_disclosures_int(&agent, shown.kind, &[value], Timestamp(now));
                    }
                    (_, Some(key)) => after.replay_disclosure(&agent, shown.kind, &key, Timestamp(now)),
                    (_, None) => {}
                }
            }
        }
        for later in [0, 300_000, 900_000, 1_002_000] {
            let at = Timestamp(now + later);
            prop_assert_eq!(
                live.principal(&agent).counted(Limit::Total, at),
                after.principal(&agent).counted(Limit::Total, at)
            );
        }
    }
}

fn named((number, form, kind): Subject) -> (u8, String) {
    let key = match form {
        0 => SubjectKey::Int(i64::from(number) - 100),
        1 => SubjectKey::Uuid(u128::from(number) << 77),
        _ => SubjectKey::Text(format!("subject-{number}").into()),
    };
    (kind, key.to_string())
}

#[test]
fn window_expires_a_subject_at_the_exact_microsecond() {
    // Window 1,024 s: slices of 1 s. Shown 0.3 s into a slice, so it leaves 0.7 s after the window.
    let start = 1_700_000_000_000_000;
    for (offset, form) in [(300_000, 0), (300_000, 2), (0, 0), (999_999, 1)] {
        let budget = budget(Duration::from_secs(1024), None, Some(1), false);
        let shown = start + offset;
        let first = batch_of(&[vec![(1, form, 0)]]);
        assert_eq!(budget.admit(&first, 0, Timestamp(shown), Mode::Enforce).rows, 1);
        let other = batch_of(&[vec![(2, form, 0)]]);
        let leaves = start + 1_000_000 + 1_024_000_000;
        assert!(leaves - shown > 1_024_000_000 && leaves - shown <= 1_025_000_000);
        assert_eq!(budget.admit(&other, 0, Timestamp(leaves - 1), Mode::Enforce).rows, 0);
        assert_eq!(budget.admit(&other, 0, Timestamp(leaves), Mode::Enforce).rows, 1);
    }
}

#[test]
fn showing_again_keeps_a_subject_counted() {
    for form in 0..3 {
        let budget = budget(Duration::from_secs(1024), None, Some(1), false);
        let same = batch_of(&[vec![(1, form, 0)]]);
        let other = batch_of(&[vec![(2, form, 0)]]);
        let mut now = 1_700_000_000_000_000;
        for _ in 0..5 {
            assert_eq!(budget.admit(&same, 0, Timestamp(now), Mode::Enforce).rows, 1);
            now += 1_000_000_000;
            assert_eq!(budget.admit(&other, 0, Timestamp(now), Mode::Enforce).rows, 0);
        }
    }
}

#[test]
fn concurrent_sessions_share_exactly_one_budget() {
    const LIMIT: u64 = 5_000;
    for (total, reasons) in [(Some(LIMIT), false), (None, true)] {
        let unexplained = reasons.then_some(LIMIT);
        let budget = budget(Duration::from_secs(86_400), unexplained, total, reasons);
        let released = AtomicU64::new(0);
        let now = Timestamp(1_700_000_000_000_000);
        std::thread::scope(|scope| {
            for session in 0..8i64 {
                let (budget, released) = (&budget, &released);
                scope.spawn(move || {
                    for start in 0..100 {
                        let mut batch = ShownBatch::default();
                        for row in 0..13 {
                            batch.begin_row();
                            let key = ShownKey::Int(session * 10_000 + start * 13 + row);
                            batch.push(KindId(0), key, FieldSet(1), Certainty::Exact);
                        }
                        let mut from = 0;
                        loop {
                            let admission = budget.admit(&batch, from, now, Mode::Enforce);
                            from += admission.rows;
                            released.fetch_add(u64::from(admission.rows), Ordering::Relaxed);
                            if admission.next != Next::AwaitReasons {
                                break;
                            }
                            let questions = budget.take_questions(100);
                            budget.answer_failed(&questions, now);
                            std::thread::yield_now();
                        }
                    }
                });
            }
        });
        assert_eq!(released.load(Ordering::Relaxed), LIMIT);
    }
}
