//! What explains that a principal sees a subject: a cache of answers, and the questions not yet answered.

use std::collections::VecDeque;
use std::task::Waker;

use hashbrown::HashMap;
use rastro_model::{Shown, ShownBatch, Timestamp};

use crate::admission::{Mode, Question};
use crate::identity::{IdBuildHasher, SubjectId};
use crate::window::{HashedWindow, Slice};

/// A subject without a reason is asked for again on its next showing, this long after the answer.
pub const ASK_AGAIN_MICROS: i64 = 2_000_000;
/// A reason is confirmed again on the next showing, this long after it was confirmed.
pub const RECONFIRM_MICROS: i64 = 60_000_000;
/// A question without an answer for this long is asked again: the one who took it is gone.
pub const ASK_LOST_MICROS: i64 = 30_000_000;
/// Questions waiting to be taken, per principal (about 4 MB of integer keys). Past it, enforced rows wait
/// for room; where nothing waits for answers, the question is dropped and no reason is recorded.
pub const QUESTIONS_MAX: usize = 65_536;
/// Subjects whose answer is kept, per principal (about 100 MB). Past it, answered ones are forgotten, which
/// costs a question each.
pub const REASONS_MAX: usize = 1 << 20;
/// Sessions of one principal that wait for answers; past it, all are woken and wait anew.
const WAKERS_MAX: usize = 4_096;

const NEVER: i64 = i64::MIN;

#[derive(Clone, Copy, Debug)]
struct Standing {
    explained_until: i64,
    answered_at: i64,
    /// When the question that is open was raised.
    asked_at: i64,
    /// When a replayed disclosure put the subject into the unexplained set.
    replayed_at: i64,
    pending: bool,
    /// The open question put the subject into the unexplained set.
    placed: bool,
    /// Observe mode: shown when the set was full and the answer was not known.
    overflowed: bool,
}

impl Default for Standing {
    fn default() -> Standing {
        Standing {
            explained_until: NEVER,
            answered_at: NEVER,
            asked_at: NEVER,
            replayed_at: NEVER,
            pending: false,
            placed: false,
            overflowed: false,
        }
    }
}

impl Standing {
    fn wants_question(&self, now: i64) -> bool {
        if self.pending {
            return now.saturating_sub(self.asked_at) >= ASK_LOST_MICROS;
        }
        let pause = if now < self.explained_until { RECONFIRM_MICROS } else { ASK_AGAIN_MICROS };
        now.saturating_sub(self.answered_at) >= pause
    }
}

/// What a subject of the row at hand means for the unexplained budget.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Weighed {
    /// Explained, or nothing is limited.
    Free,
    /// Counted before.
    Counted,
    /// Counted now.
    New,
    /// Does not fit unless an answer makes room.
    Await,
    /// Does not fit.
    Full,
}

#[derive(Debug)]
pub(crate) struct Unexplained {
    pub(crate) limit: u64,
    pub(crate) set: HashedWindow,
}

#[derive(Debug)]
pub(crate) struct Reasons {
    grace_micros: i64,
    standings: HashMap<SubjectId, Standing, IdBuildHasher>,
    queue: VecDeque<Question>,
    pub(crate) unexplained: Option<Unexplained>,
    /// Subjects in the unexplained set whose question is open.
    provisional: u64,
    /// Observe mode: a subject known to have no reason did not fit while some were provisional.
    overflowed: bool,
    answers: u64,
    wakers: Vec<Waker>,
    dropped: u64,
}

impl Reasons {
    pub(crate) fn new(grace: std::time::Duration, limit: Option<u64>) -> Reasons {
        let grace_micros = i64::try_from(grace.as_micros()).unwrap_or(i64::MAX);
        Reasons {
            grace_micros: grace_micros.max(RECONFIRM_MICROS),
            standings: HashMap::default(),
            queue: VecDeque::new(),
            unexplained: limit.map(|limit| Unexplained { limit, set: HashedWindow::default() }),
            provisional: 0,
            overflowed: false,
            answers: 0,
            wakers: Vec::new(),
            dropped: 0,
        }
    }

    /// Weighs one subject and, if it fits, counts it; raises a question where the answer is not known.
    pub(crate) fn weigh(
        &mut self,
        id: SubjectId,
        shown: &Shown,
        batch: &ShownBatch,
        now: Timestamp,
        slice: Slice,
        mode: Mode,
    ) -> Weighed {
        let turned_away = self.ask(id, shown, batch, now);
        let standing = self.standings.entry(id).or_default();
        if now.0 < standing.explained_until {
            return Weighed::Free;
        }
        let Some(unexplained) = &mut self.unexplained else { return Weighed::Free };
        if unexplained.set.contains(id) {
            return Weighed::Counted;
        }
        if turned_away && mode == Mode::Enforce {
            return Weighed::Await;
        }
        if unexplained.set.len() < unexplained.limit {
            unexplained.set.insert(id, slice);
            if standing.pending && !standing.placed {
                standing.placed = true;
                self.provisional += 1;
            }
            return Weighed::New;
        }
        if standing.pending {
            standing.overflowed = mode == Mode::Observe;
            return Weighed::Await;
        }
        if self.provisional > 0 {
            self.overflowed = mode == Mode::Observe;
            return Weighed::Await;
        }
        Weighed::Full
    }

    /// Raises a question if one is due; returns whether the queue had no room for it.
    pub(crate) fn ask(&mut self, id: SubjectId, shown: &Shown, batch: &ShownBatch, now: Timestamp) -> bool {
        if self.standings.len() >= REASONS_MAX && !self.standings.contains_key(&id) {
            self.forget_answered();
        }
        let standing = self.standings.entry(id).or_default();
        if !standing.wants_question(now.0) {
            return false;
        }
        if self.queue.len() >= QUESTIONS_MAX {
            self.dropped = self.dropped.saturating_add(1);
            return true;
        }
        if let Some(key) = batch.subject_key(shown.key) {
            standing.pending = true;
            standing.asked_at = now.0;
            self.queue.push_back(Question { kind: shown.kind, key, asked_at: now });
        }
        false
    }

    /// Takes back what [`weigh`](Self::weigh) counted as new.
    pub(crate) fn undo(&mut self, id: SubjectId) {
        if let Some(unexplained) = &mut self.unexplained {
            unexplained.set.remove(id);
        }
        if let Some(standing) = self.standings.get_mut(&id)
            && std::mem::take(&mut standing.placed)
        {
            self.provisional = self.provisional.saturating_sub(1);
        }
    }

    pub(crate) fn touch(&mut self, id: SubjectId, slice: Slice) {
        if let Some(unexplained) = &mut self.unexplained {
            unexplained.set.touch(id, slice);
        }
    }

    pub(crate) fn expire(&mut self, oldest: Slice) {
        if let Some(unexplained) = &mut self.unexplained {
            unexplained.set.expire(oldest);
        }
    }

    pub(crate) fn take_questions(&mut self, max: usize) -> Vec<Question> {
        self.queue.drain(..max.min(self.queue.len())).collect()
    }

    /// Settles one question; `explained` says whether a reason was found. Returns until when it explains.
    pub(crate) fn settle(
        &mut self,
        id: SubjectId,
        explained: bool,
        now: Timestamp,
        slice: Slice,
    ) -> Timestamp {
        let until = Timestamp(now.0.saturating_add(self.grace_micros));
        let standing = self.standings.entry(id).or_default();
        standing.pending = false;
        standing.answered_at = now.0;
        let placed = std::mem::take(&mut standing.placed);
        let overflowed = std::mem::take(&mut standing.overflowed);
        if explained {
            standing.explained_until = until.0;
        }
        if placed {
            self.provisional = self.provisional.saturating_sub(1);
        }
        let Some(unexplained) = &mut self.unexplained else { return until };
        if placed && explained {
            unexplained.set.remove(id);
        }
        if overflowed && !explained {
            if unexplained.set.len() >= unexplained.limit {
                self.overflowed = true;
            } else {
                unexplained.set.insert(id, slice);
            }
        }
        until
    }

    /// Ends a round of answers: wakes who waits, and returns whether, in observe mode, the limit turned out
    /// to be passed.
    pub(crate) fn end_round(&mut self) -> bool {
        self.answers += 1;
        self.wake_all();
        let full = self.unexplained.as_ref().is_some_and(|set| set.set.len() >= set.limit);
        if self.provisional > 0 && full {
            return false;
        }
        std::mem::take(&mut self.overflowed) && full
    }

    /// Notes a reason found before the start.
    pub(crate) fn replay(&mut self, id: SubjectId, asked_at: Timestamp, until: Timestamp) {
        if self.standings.len() >= REASONS_MAX && !self.standings.contains_key(&id) {
            self.forget_answered();
        }
        let standing = self.standings.entry(id).or_default();
        if until.0 > standing.explained_until {
            standing.explained_until = until.0;
            standing.answered_at = until.0.saturating_sub(self.grace_micros);
        }
        // A question after an answer of no comes at least ASK_AGAIN_MICROS later: an earlier one is the
        // question that the showing itself raised.
        if asked_at.0 < standing.replayed_at.saturating_add(ASK_AGAIN_MICROS) {
            standing.replayed_at = NEVER;
            if let Some(unexplained) = &mut self.unexplained {
                unexplained.set.remove(id);
            }
        }
    }

    /// Counts a disclosure made before the start, unless it was explained.
    pub(crate) fn replay_shown(&mut self, id: SubjectId, time: Timestamp, slice: Slice) {
        let Some(unexplained) = &mut self.unexplained else { return };
        if unexplained.set.contains(id) {
            unexplained.set.touch(id, slice);
            return;
        }
        if unexplained.set.len() >= unexplained.limit {
            return;
        }
        let known = self.standings.get(&id).copied().unwrap_or_default();
        if time.0 < known.explained_until {
            return;
        }
        unexplained.set.insert(id, slice);
        self.standings.entry(id).or_default().replayed_at = time.0;
    }

    pub(crate) fn answers(&self) -> u64 {
        self.answers
    }

    pub(crate) fn questions(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(crate) fn register(&mut self, waker: &Waker) {
        if self.wakers.iter().any(|known| known.will_wake(waker)) {
            return;
        }
        if self.wakers.len() >= WAKERS_MAX {
            self.wake_all();
        }
        self.wakers.push(waker.clone());
    }

    /// Returns whether nothing is worth keeping at `now`.
    pub(crate) fn is_idle(&self, now: Timestamp) -> bool {
        self.queue.is_empty()
            && self.unexplained.as_ref().is_none_or(|unexplained| unexplained.set.len() == 0)
            && self.standings.values().all(|standing| !standing.pending && standing.explained_until <= now.0)
    }

    fn wake_all(&mut self) {
        self.wakers.drain(..).for_each(Waker::wake);
    }

    fn forget_answered(&mut self) {
        self.standings.retain(|_, standing| standing.pending);
    }
}
