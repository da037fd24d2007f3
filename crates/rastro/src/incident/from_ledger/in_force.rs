//! Reasons in force, and the disclosures that wait for theirs.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use rastro_ledger::{Disclosure, Schema};
use rastro_model::Timestamp;
use rastro_trace::{PrincipalId, SubjectId};

/// A reason is asked for with the rows it explains; their entry may carry a time a little earlier.
const ASKED_LATE_MICROS: i64 = 2_000_000;
/// A reason may be written so long (µs of entry time) after the disclosure it explains.
const WRITTEN_LATE_MICROS: i64 = 30_000_000;
/// At least so many disclosures wait, whatever their times: clocks jump.
const WAITING_MIN: usize = 4_096;
/// No more than so many subjects wait.
const SUBJECTS_MAX: usize = 2_000_000;
/// Reasons are swept when more than so many are kept.
const SWEPT_MIN: usize = 1_000_000;

/// The reasons in force, each forgotten when its time is over.
#[derive(Debug, Default)]
pub(super) struct InForce {
    spans: HashMap<(PrincipalId, SubjectId), Vec<(Timestamp, Timestamp)>>,
    /// Added since the last sweep.
    added: usize,
}

impl InForce {
    pub(super) fn add(&mut self, pair: (PrincipalId, SubjectId), from: Timestamp, until: Timestamp) {
        self.spans.entry(pair).or_default().push((from, until));
        self.added += 1;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    pub(super) fn explains(&self, pair: (PrincipalId, SubjectId), time: Timestamp) -> bool {
        let holds = |(from, until): &(Timestamp, Timestamp)| {
            from.minus_micros(ASKED_LATE_MICROS) <= time && time <= *until
        };
        self.spans.get(&pair).is_some_and(|spans| spans.iter().any(holds))
    }

    /// Sweeps when as many were added as are kept, so that it costs O(1) for each.
    pub(super) fn forget_before(&mut self, time: Timestamp) {
        if self.added < self.spans.len().max(SWEPT_MIN) {
            return;
        }
        self.added = 0;
        self.spans.retain(|_, spans| {
            spans.retain(|(_, until)| *until >= time);
            !spans.is_empty()
        });
    }
}

/// Disclosures in the order of their entries.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    queue: VecDeque<(Arc<Schema>, Disclosure)>,
    subjects: usize,
    /// Greatest time seen.
    seen: Option<Timestamp>,
}

impl Waiting {
    pub(super) fn push(&mut self, schema: Arc<Schema>, disclosure: Disclosure) {
        self.seen = self.seen.max(Some(disclosure.time));
        self.subjects += subjects(&disclosure);
        self.queue.push_back((schema, disclosure));
    }

    /// Takes out what need wait no longer: all of it at the `end`.
    pub(super) fn ready(&mut self, end: bool) -> Vec<(Arc<Schema>, Disclosure)> {
        let mut ready = Vec::new();
        let settled = self.seen.unwrap_or_default().minus_micros(WRITTEN_LATE_MICROS);
        while let Some((_, first)) = self.queue.front() {
            let is_late = self.queue.len() > WAITING_MIN && first.time < settled;
            if !(end || is_late || self.subjects > SUBJECTS_MAX) {
                break;
            }
            self.subjects -= subjects(first);
            ready.extend(self.queue.pop_front());
        }
        ready
    }
}

fn subjects(disclosure: &Disclosure) -> usize {
    disclosure.sets.iter().map(|set| set.subjects.len()).sum()
}

#[cfg(test)]
mod tests {
    use rastro_model::{Principal, SubjectKey};
    use rastro_trace::HistoryBuilder;

    use super::*;

    #[test]
    fn reason_explains_within_its_time_and_is_swept_after_it() {
        let mut builder = HistoryBuilder::new();
        let principal = builder.principal(&Principal::new("a")).unwrap();
        let mut reasons = InForce::default();
        for number in 0..3_000_000i64 {
            let subject = builder.subject(&SubjectKey::Int(number % 1_000)).unwrap();
            reasons.add((principal, subject), Timestamp(number), Timestamp(number + 5_000));
            assert!(reasons.explains((principal, subject), Timestamp(number + 5_000)));
            reasons.forget_before(Timestamp(number));
        }
        let kept: usize = reasons.spans.values().map(Vec::len).sum();
        assert!(kept <= SWEPT_MIN + 6_000, "{kept}");
        let last = builder.subject(&SubjectKey::Int(999)).unwrap();
        assert!(!reasons.explains((principal, last), Timestamp(3_004_999 + 1)));
        assert!(reasons.explains((principal, last), Timestamp(3_004_999)));
    }
}
