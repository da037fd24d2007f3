//! Reasons in force, and the disclosures that wait for theirs.

use std::collections::VecDeque;

use hashbrown::HashMap;
use rastro_model::Timestamp;

use super::{Explanation, PrincipalId, SubjectId};

/// A reason is asked for with the rows it explains; their entry may carry a time a little earlier.
const ASKED_LATE_MICROS: i64 = 2_000_000;
/// A reason may be written so long (µs of entry time) after the disclosure it explains.
const WRITTEN_LATE_MICROS: i64 = 30_000_000;
/// At least so many disclosures wait, whatever their times: clocks jump.
const WAITING_MIN: usize = 256;
/// No more wait.
const WAITING_MAX: usize = 16_384;
/// Reasons are swept when more than so many are kept.
const SWEPT_MIN: usize = 512;

/// Finds out which disclosures a reason explains, where reasons may be written some seconds after what they
/// explain. Each reason is forgotten when its time is over, so memory is that of the reasons in force.
#[derive(Debug)]
pub struct Settling<T> {
    reasons: HashMap<(PrincipalId, SubjectId), Spans>,
    /// Added since the last sweep.
    added: usize,
    waiting: VecDeque<Waiting<T>>,
}

/// When reasons hold; most pairs have one at a time.
#[derive(Debug)]
struct Spans {
    last: (Timestamp, Timestamp),
    more: Vec<(Timestamp, Timestamp)>,
}

#[derive(Debug)]
struct Waiting<T> {
    pair: (PrincipalId, SubjectId),
    time: Timestamp,
    reasons_known: bool,
    what: T,
}

impl<T> Default for Settling<T> {
    fn default() -> Settling<T> {
        Settling { reasons: HashMap::new(), added: 0, waiting: VecDeque::new() }
    }
}

impl<T> Settling<T> {
    /// Adds a reason for every disclosure of the pair in a span of time, both ends included.
    pub fn explain(&mut self, pair: (PrincipalId, SubjectId), from: Timestamp, until: Timestamp) {
        let span = (from, until);
        self.added += 1;
        self.reasons
            .entry(pair)
            .and_modify(|spans| spans.more.push(std::mem::replace(&mut spans.last, span)))
            .or_insert(Spans { last: span, more: Vec::new() });
    }

    /// Adds a disclosure. `reasons_known`: without a reason, it is one that nothing explains.
    pub fn show(&mut self, pair: (PrincipalId, SubjectId), time: Timestamp, reasons_known: bool, what: T) {
        self.waiting.push_back(Waiting { pair, time, reasons_known, what });
    }

    /// Calls `each` with the disclosures, in the order they were added in, whose reasons must have been added.
    ///
    /// * `seen`: the greatest time of a disclosure read so far, also elsewhere; `None` when all was read.
    pub fn settle(
        &mut self,
        seen: Option<Timestamp>,
        mut each: impl FnMut((PrincipalId, SubjectId), Timestamp, T, Explanation),
    ) {
        let settled = seen.map(|seen| seen.minus_micros(WRITTEN_LATE_MICROS));
        while let Some(first) = self.waiting.front() {
            let is_late = |settled| self.waiting.len() > WAITING_MIN && first.time < settled;
            if !settled.is_none_or(is_late) && self.waiting.len() <= WAITING_MAX {
                break;
            }
            let Some(Waiting { pair, time, reasons_known, what }) = self.waiting.pop_front() else { break };
            let explanation = if self.explains(pair, time) {
                Explanation::Explained
            } else if reasons_known {
                Explanation::Unexplained
            } else {
                Explanation::Unknown
            };
            each(pair, time, what, explanation);
        }
        if let Some(settled) = settled {
            self.forget_before(self.waiting.front().map_or(settled, |first| first.time.min(settled)));
        }
    }

    fn explains(&self, pair: (PrincipalId, SubjectId), time: Timestamp) -> bool {
        if self.reasons.is_empty() {
            return false;
        }
        let holds = |(from, until): &(Timestamp, Timestamp)| {
            from.minus_micros(ASKED_LATE_MICROS) <= time && time <= *until
        };
        let spans = self.reasons.get(&pair);
        spans.is_some_and(|spans| holds(&spans.last) || spans.more.iter().any(holds))
    }

    /// Sweeps when as many were added as are kept, so that it costs O(1) for each.
    fn forget_before(&mut self, time: Timestamp) {
        if self.added < self.reasons.len().max(SWEPT_MIN) {
            return;
        }
        self.added = 0;
        self.reasons.retain(|_, spans| {
            spans.more.retain(|(_, until)| *until >= time);
            if spans.last.1 < time {
                let Some(other) = spans.more.pop() else { return false };
                spans.last = other;
            }
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANA: PrincipalId = PrincipalId(3);

    fn settled(settling: &mut Settling<i64>, seen: Option<i64>) -> Vec<(i64, Explanation)> {
        let mut found = Vec::new();
        settling.settle(seen.map(Timestamp), |_, _, what, explanation| found.push((what, explanation)));
        found
    }

    #[test]
    fn reason_explains_within_its_time_and_is_swept_after_it() {
        let mut settling = Settling::default();
        for number in 0..100_000i64 {
            let pair = (ANA, SubjectId(u32::try_from(number % 1_000).unwrap()));
            settling.explain(pair, Timestamp(number), Timestamp(number + 5_000));
            settling.show(pair, Timestamp(number + 5_000), true, number);
            let late = number + WRITTEN_LATE_MICROS - 10_000;
            for (_, explanation) in settled(&mut settling, Some(late)) {
                assert_eq!(explanation, Explanation::Explained);
            }
        }
        let kept: usize = settling.reasons.values().map(|spans| 1 + spans.more.len()).sum();
        assert!(kept <= SWEPT_MIN + 26_000, "{kept}");
        settled(&mut settling, None);
        let last = (ANA, SubjectId(999));
        settling.show(last, Timestamp(104_999 + 1), true, 0);
        settling.show(last, Timestamp(104_999), true, 1);
        let expected = [(0, Explanation::Unexplained), (1, Explanation::Explained)];
        assert_eq!(settled(&mut settling, None), expected);
    }

    #[test]
    fn disclosure_waits_for_a_reason_that_is_written_after_it() {
        let mut settling = Settling::default();
        let pair = (ANA, SubjectId(0));
        let second = 1_000_000;
        let count = i64::try_from(WAITING_MIN).unwrap() + 10;
        for number in 0..count {
            settling.show(pair, Timestamp(number * second), number > 0, number);
        }
        let early = settled(&mut settling, Some(count * second));
        assert_eq!(early.len(), 10);
        assert_eq!((early[0].1, early[1].1), (Explanation::Unknown, Explanation::Unexplained));
        settling.explain(pair, Timestamp(12 * second), Timestamp(13 * second));
        let late = settled(&mut settling, None);
        // From 2 s before it was asked for.
        let explained: Vec<i64> =
            late.iter().filter(|(_, why)| *why == Explanation::Explained).map(|(what, _)| *what).collect();
        assert_eq!(explained, [10, 11, 12, 13]);
    }

    #[test]
    fn no_more_wait_than_the_bound() {
        let mut settling = Settling::default();
        for number in 0..40_000 {
            settling.show((ANA, SubjectId(1)), Timestamp(0), false, number);
        }
        assert_eq!(settled(&mut settling, Some(0)).len(), 40_000 - WAITING_MAX);
    }
}
