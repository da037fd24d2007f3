use std::task::Waker;
use std::time::Duration;

use parking_lot::Mutex;
use rastro_model::{KindId, Shown, ShownBatch, SubjectKey, Timestamp};

use crate::admission::{Admission, Answered, Breach, Limit, Mode, Next, Question, ReasonFact};
use crate::identity::{Identifier, SubjectId};
use crate::reasons::{Reasons, Weighed};
use crate::rule::{CompiledRule, ReasonSettings};
use crate::waiting::Answers;
use crate::window::{Added, DistinctWindow, Slice, Span};

/// The window of a principal that no budget binds; only reasons are kept for it.
const UNBOUND_WINDOW: Duration = Duration::from_secs(86_400);

/// What one principal was shown, counted against its budget; shared by all its sessions.
#[derive(Debug)]
pub struct PrincipalBudget {
    names: Identifier,
    window: Duration,
    span: Span,
    /// `None`: nothing is counted and nothing is asked.
    state: Option<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    total: Option<DistinctWindow>,
    reasons: Option<Reasons>,
    reported: [Option<Timestamp>; 2],
    undo_total: Vec<SubjectId>,
    undo_unexplained: Vec<SubjectId>,
}

/// What became of one row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RowVerdict {
    Admitted,
    Passes(Limit),
    Await,
}

struct Moment {
    now: Timestamp,
    slice: Slice,
    mode: Mode,
}

impl PrincipalBudget {
    pub(crate) fn new(
        names: Identifier,
        rule: Option<&CompiledRule>,
        reasons: Option<ReasonSettings>,
    ) -> PrincipalBudget {
        let window = rule.map_or(UNBOUND_WINDOW, |rule| rule.window);
        let total = rule.and_then(|rule| rule.total).map(DistinctWindow::new);
        let unexplained = rule.and_then(|rule| rule.unexplained);
        let reasons = reasons.map(|settings| Reasons::new(settings.grace, unexplained));
        let bound = total.is_some() || reasons.is_some();
        let state = State {
            total,
            reasons,
            reported: [None; 2],
            undo_total: Vec::new(),
            undo_unexplained: Vec::new(),
        };
        PrincipalBudget { names, window, span: Span::new(window), state: bound.then(|| Mutex::new(state)) }
    }

    /// Admits the rows of `batch` from `from_row` on, as far as the budget goes, and counts their subjects.
    ///
    /// A row is admitted if all its subjects fit, else neither it nor any of its subjects is counted. Rows
    /// without a known subject always fit. In [`Mode::Observe`] every row is admitted. About 100 ns a row;
    /// no allocation for a row except where a set grows.
    pub fn admit(&self, batch: &ShownBatch, from_row: u32, now: Timestamp, mode: Mode) -> Admission {
        let asked_for = batch.rows().saturating_sub(from_row);
        let Some(state) = &self.state else {
            return Admission { rows: asked_for, next: Next::All, asked: false, answers_seen: 0 };
        };
        let moment = Moment { now, slice: self.span.slice_of(now), mode };
        let mut state = state.lock();
        state.expire(self.span.oldest_live(now));
        let questions = state.reasons.as_ref().map_or(0, Reasons::questions);
        let (rows, next) = self.admit_rows(&mut state, batch, from_row, &moment);
        let (asked, answers_seen) = state
            .reasons
            .as_ref()
            .map_or((false, 0), |reasons| (reasons.questions() > questions, reasons.answers()));
        Admission { rows, next, asked, answers_seen }
    }

    /// Takes up to `max` questions, oldest first; each must end in [`answer`](Self::answer) or
    /// [`answer_failed`](Self::answer_failed), or rows wait.
    pub fn take_questions(&self, max: usize) -> Vec<Question> {
        self.with_reasons(|reasons| reasons.take_questions(max)).unwrap_or_default()
    }

    /// Settles questions: `reason_of` gives the reason for a subject, `None` if there is none. Wakes who
    /// waits.
    pub fn answer<'r>(
        &self,
        questions: &[Question],
        mut reason_of: impl FnMut(KindId, &SubjectKey) -> Option<&'r str>,
        now: Timestamp,
    ) -> Answered {
        let Some(state) = &self.state else { return Answered::default() };
        let mut state = state.lock();
        state.expire(self.span.oldest_live(now));
        let Some(reasons) = &mut state.reasons else { return Answered::default() };
        let slice = self.span.slice_of(now);
        let mut answered = Answered::default();
        for question in questions {
            let id = self.names.of_key(question.kind, &question.key);
            let reason = reason_of(question.kind, &question.key);
            let until = reasons.settle(id, reason.is_some(), now, slice);
            if let Some(reason) = reason {
                answered.facts.push(ReasonFact {
                    kind: question.kind,
                    key: question.key.clone(),
                    reason: reason.into(),
                    asked_at: question.asked_at,
                    until,
                });
            }
        }
        let limit = reasons.unexplained.as_ref().map(|unexplained| unexplained.limit);
        if reasons.end_round()
            && let Some(allowed) = limit
        {
            answered.breach = state.report(self.breach(Limit::Unexplained, allowed), now);
        }
        answered
    }

    /// Settles questions that could not be asked, as if there were no reason. The caller logs why.
    pub fn answer_failed(&self, questions: &[Question], now: Timestamp) -> Answered {
        self.answer(questions, |_, _| None, now)
    }

    /// Waits until answers have arrived since the admission that gave `answers_seen`. Cancel safe.
    pub fn answered(&self, answers_seen: u64) -> Answers<'_> {
        Answers { budget: self, seen: answers_seen }
    }

    /// Returns how many questions wait to be taken.
    pub fn questions_waiting(&self) -> usize {
        self.with_reasons(|reasons| reasons.questions()).unwrap_or_default()
    }

    /// Returns how many questions were dropped for want of room, since the start.
    pub fn questions_dropped(&self) -> u64 {
        self.with_reasons(|reasons| reasons.dropped()).unwrap_or_default()
    }

    /// Returns how many distinct subjects count against `limit` at `now`; `None` if there is no such limit.
    pub fn counted(&self, limit: Limit, now: Timestamp) -> Option<u64> {
        let mut state = self.state.as_ref()?.lock();
        state.expire(self.span.oldest_live(now));
        match limit {
            Limit::Total => state.total.as_ref().map(DistinctWindow::len),
            Limit::Unexplained => {
                state.reasons.as_ref()?.unexplained.as_ref().map(|unexplained| unexplained.set.len())
            }
        }
    }

    pub(crate) fn is_idle(&self, now: Timestamp) -> bool {
        let Some(state) = &self.state else { return true };
        let mut state = state.lock();
        state.expire(self.span.oldest_live(now));
        state.total.as_ref().is_none_or(|total| total.len() == 0)
            && state.reasons.as_ref().is_none_or(|reasons| reasons.is_idle(now))
    }

    pub(crate) fn replay_disclosure(&self, kind: KindId, key: &SubjectKey, time: Timestamp) {
        let Some(state) = &self.state else { return };
        let mut state = state.lock();
        state.expire(self.span.oldest_live(time));
        let (id, slice) = (self.names.of_key(kind, key), self.span.slice_of(time));
        if let Some(total) = &mut state.total
            && total.add(id, slice) != Added::Full
        {
            total.touch(id, slice);
        }
        if let Some(reasons) = &mut state.reasons {
            reasons.replay_shown(id, time, slice);
        }
    }

    pub(crate) fn replay_ints(&self, kind: KindId, keys: &[i64], time: Timestamp) {
        let Some(state) = &self.state else { return };
        let mut state = state.lock();
        state.expire(self.span.oldest_live(time));
        let slice = self.span.slice_of(time);
        if let Some(total) = &mut state.total {
            total.add_ints(kind, keys, slice);
        }
        if let Some(reasons) = state.reasons.as_mut().filter(|reasons| reasons.unexplained.is_some()) {
            for key in keys {
                reasons.replay_shown(SubjectId::int(kind, *key), time, slice);
            }
        }
    }

    pub(crate) fn replay_reason(
        &self,
        kind: KindId,
        key: &SubjectKey,
        asked_at: Timestamp,
        until: Timestamp,
    ) {
        let id = self.names.of_key(kind, key);
        self.with_reasons(|reasons| reasons.replay(id, asked_at, until));
    }

    pub(crate) fn answers_since(&self, seen: u64, waker: &Waker) -> bool {
        self.with_reasons(|reasons| {
            let arrived = reasons.answers() != seen;
            if !arrived {
                reasons.register(waker);
            }
            arrived
        })
        .unwrap_or(true)
    }

    fn with_reasons<T>(&self, run: impl FnOnce(&mut Reasons) -> T) -> Option<T> {
        self.state.as_ref()?.lock().reasons.as_mut().map(run)
    }

    fn breach(&self, limit: Limit, allowed: u64) -> Breach {
        Breach { limit, allowed, window: self.window }
    }

    fn admit_rows(
        &self,
        state: &mut State,
        batch: &ShownBatch,
        from_row: u32,
        moment: &Moment,
    ) -> (u32, Next) {
        let all = batch.rows().saturating_sub(from_row);
        let skipped = batch.entries_before(from_row).len();
        let mut rest = batch.entries().get(skipped..).unwrap_or_default();
        let mut observed = None;
        while let Some(first) = rest.first() {
            let row = first.row;
            let length = rest.iter().take_while(|shown| shown.row == row).count();
            let (entries, after) = rest.split_at(length);
            let verdict = state.admit_row(&self.names, entries, batch, moment);
            let before = row.saturating_sub(from_row);
            match (verdict, moment.mode) {
                (RowVerdict::Admitted, _) | (RowVerdict::Await, Mode::Observe) => {}
                (RowVerdict::Passes(limit), Mode::Observe) => {
                    observed = observed
                        .or_else(|| state.report(self.breach(limit, state.allowed(limit)), moment.now));
                }
                (RowVerdict::Passes(limit), Mode::Enforce) => {
                    return (before, Next::Breach(self.breach(limit, state.allowed(limit))));
                }
                (RowVerdict::Await, Mode::Enforce) => {
                    // Ask for all that follows in one go, or each row would cost a question of its own.
                    state.ask_ahead(&self.names, rest, batch, moment.now);
                    return (before, Next::AwaitReasons);
                }
            }
            rest = after;
        }
        (all, observed.map_or(Next::All, Next::Breach))
    }
}

/// Iterates over the known subjects of a row. A join shows the same one once for each of its tables: one of several
/// that follow each other will do.
fn subjects<'a>(
    names: &'a Identifier,
    entries: &'a [Shown],
    batch: &'a ShownBatch,
) -> impl Iterator<Item = (SubjectId, &'a Shown)> {
    let mut last = None;
    entries
        .iter()
        .filter_map(move |shown| Some((names.of_shown(shown, batch)?, shown)))
        .filter(move |(id, _)| last.replace(*id) != Some(*id))
}

impl State {
    fn expire(&mut self, oldest: Slice) {
        if let Some(total) = &mut self.total {
            total.expire(oldest);
        }
        if let Some(reasons) = &mut self.reasons {
            reasons.expire(oldest);
        }
    }

    /// Counts the subjects of one row, or none of them; in observe mode those that fit.
    fn admit_row(
        &mut self,
        names: &Identifier,
        entries: &[Shown],
        batch: &ShownBatch,
        moment: &Moment,
    ) -> RowVerdict {
        self.undo_total.clear();
        self.undo_unexplained.clear();
        let mut verdict = RowVerdict::Admitted;
        for (id, shown) in subjects(names, entries, batch) {
            let found = self.count(id, shown, batch, moment);
            if found == RowVerdict::Admitted {
                continue;
            }
            if moment.mode == Mode::Enforce {
                self.undo_row();
                return found;
            }
            if verdict == RowVerdict::Admitted || found != RowVerdict::Await {
                verdict = found;
            }
        }
        for (id, _) in subjects(names, entries, batch) {
            if let Some(total) = &mut self.total {
                total.touch_counted(id, moment.slice);
            }
            if let Some(reasons) = &mut self.reasons {
                reasons.touch(id, moment.slice);
            }
        }
        verdict
    }

    /// Counts one subject against both limits.
    fn count(&mut self, id: SubjectId, shown: &Shown, batch: &ShownBatch, moment: &Moment) -> RowVerdict {
        let mut verdict = RowVerdict::Admitted;
        if let Some(total) = &mut self.total {
            match total.add(id, moment.slice) {
                Added::Present => {}
                Added::New => self.undo_total.push(id),
                Added::Full if moment.mode == Mode::Enforce => return RowVerdict::Passes(Limit::Total),
                Added::Full => verdict = RowVerdict::Passes(Limit::Total),
            }
        }
        if let Some(reasons) = &mut self.reasons {
            match reasons.weigh(id, shown, batch, moment.now, moment.slice, moment.mode) {
                Weighed::Free | Weighed::Counted => {}
                Weighed::New => self.undo_unexplained.push(id),
                Weighed::Await if verdict == RowVerdict::Admitted => verdict = RowVerdict::Await,
                Weighed::Full if verdict != RowVerdict::Passes(Limit::Total) => {
                    verdict = RowVerdict::Passes(Limit::Unexplained);
                }
                Weighed::Await | Weighed::Full => {}
            }
        }
        verdict
    }

    fn undo_row(&mut self) {
        if let Some(total) = &mut self.total {
            self.undo_total.drain(..).rev().for_each(|id| total.undo(id));
        }
        if let Some(reasons) = &mut self.reasons {
            self.undo_unexplained.drain(..).rev().for_each(|id| reasons.undo(id));
        }
    }

    fn ask_ahead(&mut self, names: &Identifier, entries: &[Shown], batch: &ShownBatch, now: Timestamp) {
        let Some(reasons) = &mut self.reasons else { return };
        for shown in entries {
            if let Some(id) = names.of_shown(shown, batch)
                && reasons.ask(id, shown, batch, now)
            {
                return;
            }
        }
    }

    fn allowed(&self, limit: Limit) -> u64 {
        let unexplained = || self.reasons.as_ref()?.unexplained.as_ref().map(|set| set.limit);
        match limit {
            Limit::Total => self.total.as_ref().map(DistinctWindow::limit),
            Limit::Unexplained => unexplained(),
        }
        .unwrap_or_default()
    }

    /// Returns the breach unless one of the same limit was reported within a window.
    fn report(&mut self, breach: Breach, now: Timestamp) -> Option<Breach> {
        let window_micros = i64::try_from(breach.window.as_micros()).unwrap_or(i64::MAX);
        let [total, unexplained] = &mut self.reported;
        let last = match breach.limit {
            Limit::Total => total,
            Limit::Unexplained => unexplained,
        };
        if last.is_some_and(|last| now.0.saturating_sub(last.0) < window_micros) {
            return None;
        }
        *last = Some(now);
        Some(breach)
    }
}
