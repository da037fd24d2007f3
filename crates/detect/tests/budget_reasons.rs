//! Questions, answers, grace, observation and eviction, step by step.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use rastro_detect::{BudgetBook, BudgetRule, Limit, Mode, Next, QUESTIONS_MAX, ReasonSettings, RuleError};
use rastro_model::{Certainty, FieldSet, KindId, Principal, ShownBatch, ShownKey, SubjectKey, Timestamp};

const START: i64 = 1_700_000_000_000_000;
const SECOND: i64 = 1_000_000;

fn rule(principals: &[&str], unexplained: Option<u64>, total: Option<u64>) -> BudgetRule {
    let principals = principals.iter().map(|name| (*name).to_owned()).collect();
    BudgetRule { principals, window: Duration::from_secs(86_400), unexplained, total }
}

fn reasons_book(unexplained: Option<u64>, grace_seconds: u64) -> BudgetBook {
    let settings = ReasonSettings { grace: Duration::from_secs(grace_seconds) };
    BudgetBook::new(&[rule(&["*"], unexplained, None)], &BTreeMap::new(), Some(settings)).unwrap()
}

fn agent() -> Principal {
    Principal::new("agent")
}

fn at(seconds: i64) -> Timestamp {
    Timestamp(START + seconds * SECOND)
}

fn ints(keys: impl IntoIterator<Item = i64>) -> ShownBatch {
    let mut batch = ShownBatch::default();
    for key in keys {
        batch.begin_row();
        batch.push(KindId(0), ShownKey::Int(key), FieldSet(1), Certainty::Exact);
    }
    batch
}

#[test]
fn explained_subject_counts_until_its_answer_and_is_asked_again_after_a_minute() {
    let budget = reasons_book(Some(1), 3600).principal(&agent());
    let admission = budget.admit(&ints([1]), 0, at(0), Mode::Enforce);
    assert_eq!((admission.rows, admission.next, admission.asked), (1, Next::All, true));
    assert_eq!(budget.counted(Limit::Unexplained, at(0)), Some(1));
    let questions = budget.take_questions(10);
    let answered = budget.answer(&questions, |_, key| (*key == SubjectKey::Int(1)).then_some("T-1"), at(1));
    assert_eq!(budget.counted(Limit::Unexplained, at(1)), Some(0));
    let fact = answered.facts.first().unwrap();
    assert_eq!((&*fact.reason, fact.asked_at, fact.until), ("T-1", at(0), at(3601)));

    assert!(!budget.admit(&ints([1]), 0, at(60), Mode::Enforce).asked);
    assert!(budget.admit(&ints([1]), 0, at(61), Mode::Enforce).asked);
    assert_eq!(budget.counted(Limit::Unexplained, at(61)), Some(0), "the grace still explains");
    // The ticket is closed by now: the old confirmation explains to its end, not longer.
    budget.answer(&budget.take_questions(10), |_, _| None, at(62));
    budget.admit(&ints([1]), 0, at(3600), Mode::Enforce);
    assert_eq!(budget.counted(Limit::Unexplained, at(3600)), Some(0));
    budget.admit(&ints([1]), 0, at(3601), Mode::Enforce);
    assert_eq!(budget.counted(Limit::Unexplained, at(3601)), Some(1));
}

#[test]
fn unexplained_subject_is_asked_again_after_two_seconds_and_stays_counted() {
    let budget = reasons_book(Some(5), 3600).principal(&agent());
    budget.admit(&ints([1]), 0, at(0), Mode::Enforce);
    budget.answer_failed(&budget.take_questions(10), at(0));
    assert!(!budget.admit(&ints([1]), 0, Timestamp(at(2).0 - 1), Mode::Enforce).asked);
    assert!(budget.admit(&ints([1]), 0, at(2), Mode::Enforce).asked);
    let facts = budget.answer(&budget.take_questions(10), |_, _| Some("T-2"), at(3)).facts;
    assert_eq!(facts.len(), 1);
    assert_eq!(budget.counted(Limit::Unexplained, at(3)), Some(1), "its first showing had no reason");
}

#[test]
fn subject_with_a_reason_passes_though_the_budget_is_used_up() {
    let budget = reasons_book(Some(1), 3600).principal(&agent());
    budget.admit(&ints([1]), 0, at(0), Mode::Enforce);
    budget.answer_failed(&budget.take_questions(10), at(0));
    let batch = ints([10, 11, 12]);
    let first = budget.admit(&batch, 0, at(1), Mode::Enforce);
    assert_eq!((first.rows, first.next), (0, Next::AwaitReasons));
    let questions = budget.take_questions(10);
    assert_eq!(questions.len(), 3, "one round of questions for the whole batch");
    let explains = |_: KindId, key: &SubjectKey| (*key != SubjectKey::Int(12)).then_some("T");
    budget.answer(&questions, explains, at(1));
    let second = budget.admit(&batch, 0, at(1), Mode::Enforce);
    assert_eq!(second.rows, 2);
    assert!(matches!(second.next, Next::Breach(breach) if breach.limit == Limit::Unexplained));
}

#[test]
fn without_an_unexplained_limit_questions_are_raised_and_nobody_waits() {
    let book =
        BudgetBook::new(&[], &BTreeMap::new(), Some(ReasonSettings { grace: Duration::ZERO })).unwrap();
    let budget = book.principal(&agent());
    let many = i64::try_from(QUESTIONS_MAX).unwrap() + 10;
    let admission = budget.admit(&ints(0..many), 0, at(0), Mode::Enforce);
    assert_eq!((i64::from(admission.rows), admission.next), (many, Next::All));
    assert_eq!(budget.questions_waiting(), QUESTIONS_MAX);
    assert_eq!(budget.questions_dropped(), 10);
}

#[test]
fn observation_admits_all_and_reports_once_per_window() {
    let rules = [rule(&["*"], None, Some(2))];
    let budget = BudgetBook::new(&rules, &BTreeMap::new(), None).unwrap().principal(&agent());
    let first = budget.admit(&ints(0..10), 0, at(0), Mode::Observe);
    assert!(first.rows == 10 && matches!(first.next, Next::Breach(breach) if breach.allowed == 2));
    assert_eq!(budget.counted(Limit::Total, at(0)), Some(2), "no more than the limit is stored");
    assert_eq!(budget.admit(&ints(10..20), 0, at(86_399), Mode::Observe).next, Next::All);
    assert!(matches!(budget.admit(&ints(20..30), 0, at(2 * 86_400), Mode::Observe).next, Next::Breach(_)));
}

#[test]
fn observation_reports_a_breach_that_only_the_answers_show() {
    let budget = reasons_book(Some(3), 3600).principal(&agent());
    let admission = budget.admit(&ints(0..10), 0, at(0), Mode::Observe);
    assert_eq!((admission.rows, admission.next), (10, Next::All));
    let first = budget.answer_failed(&budget.take_questions(3), at(1));
    assert_eq!(first.breach, None, "three fit");
    let rest = budget.take_questions(100);
    assert_eq!(rest.len(), 7);
    assert!(budget.answer_failed(&rest, at(1)).breach.is_some());

    let calm = reasons_book(Some(3), 3600).principal(&agent());
    calm.admit(&ints(0..10), 0, at(0), Mode::Observe);
    let answered = calm.answer(&calm.take_questions(100), |_, _| Some("T"), at(1));
    assert_eq!((answered.facts.len(), answered.breach), (10, None));
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Count>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn waiting_session_is_woken_by_answers_and_never_misses_them() {
    let budget = reasons_book(Some(0), 3600).principal(&agent());
    let admission = budget.admit(&ints([1]), 0, at(0), Mode::Enforce);
    assert_eq!(admission.next, Next::AwaitReasons);
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let mut context = Context::from_waker(&waker);
    let mut waiting = pin!(budget.answered(admission.answers_seen));
    assert_eq!(waiting.as_mut().poll(&mut context), Poll::Pending);
    budget.answer_failed(&budget.take_questions(1), at(0));
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
    assert_eq!(waiting.as_mut().poll(&mut context), Poll::Ready(()));
    // Answers that came between the admission and the wait are not missed.
    assert_eq!(pin!(budget.answered(admission.answers_seen)).poll(&mut context), Poll::Ready(()));
}

#[test]
fn replayed_reason_explains_the_showing_that_raised_it_and_no_earlier_one() {
    let book = reasons_book(Some(10), 3600);
    for key in [1, 2, 3] {
        book.replay_disclosures_int(&agent(), KindId(0), &[key], at(0));
    }
    let explain = |key, asked: i64| {
        book.replay_reason(&agent(), KindId(0), &SubjectKey::Int(key), at(asked), at(asked + 3600));
    };
    explain(1, 0);
    explain(2, 5);
    explain(4, 6);
    book.replay_disclosures_int(&agent(), KindId(0), &[4], at(7));
    let budget = book.principal(&agent());
    assert_eq!(budget.counted(Limit::Unexplained, at(10)), Some(2), "2 and 3");
    budget.admit(&ints([1]), 0, at(10), Mode::Enforce);
    assert_eq!(budget.counted(Limit::Unexplained, at(10)), Some(2));
}

#[test]
fn first_matching_rule_applies_and_groups_stand_for_their_globs() {
    let groups = BTreeMap::from([("batch".to_owned(), vec!["job-*".to_owned(), "etl".to_owned()])]);
    let rules = [rule(&["batch"], None, Some(3)), rule(&["a*"], None, Some(2))];
    let book = BudgetBook::new(&rules, &groups, None).unwrap();
    for (name, expected) in [("job-7", 3), ("etl", 3), ("ana", 2), ("zoe", 9), ("batch", 9)] {
        let admission = book.principal(&Principal::new(name)).admit(&ints(0..9), 0, at(0), Mode::Enforce);
        assert_eq!(admission.rows, expected, "{name}");
    }
}

#[test]
fn unusable_rules_are_refused_with_their_number() {
    let good = rule(&["*"], None, None);
    let glob = rule(&["[x"], None, None);
    let window = BudgetRule { window: Duration::ZERO, ..good.clone() };
    let none = BTreeMap::new();
    let error = BudgetBook::new(&[good.clone(), glob], &none, None).unwrap_err();
    assert!(matches!(error, RuleError::Glob { budget: 2, .. }), "{error}");
    assert!(matches!(BudgetBook::new(&[window], &none, None), Err(RuleError::Window { budget: 1, .. })));
}

#[test]
fn idle_principals_are_forgotten_and_busy_ones_kept() {
    let rules = [rule(&["*"], None, Some(5))];
    let book = BudgetBook::new(&rules, &BTreeMap::new(), None).unwrap();
    for name in 0..10_000 {
        book.principal(&Principal::new(format!("made-up-{name}")));
    }
    book.principal(&agent()).admit(&ints([1]), 0, at(0), Mode::Enforce);
    let held = book.principal(&Principal::new("held"));
    assert_eq!(book.evict_idle(at(86_400)), 2);
    assert_eq!(book.evict_idle(at(86_400 + 100)), 1, "the day of the agent is over");
    drop(held);
    assert_eq!(book.evict_idle(at(86_400 + 100)), 0);
}
