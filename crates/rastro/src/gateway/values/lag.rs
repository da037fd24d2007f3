//! How far the index of values is behind the guarded database.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rastro_model::{Clock, SystemClock};
use tokio::time::Instant;

use crate::freshness::LagRecord;
use crate::gateway::metric;

const TELL_EVERY: Duration = Duration::from_secs(1);

/// How old a change can be that the index does not know.
pub(super) struct Lag(Mutex<State>);

struct State {
    /// Every change before is known.
    known: Instant,
    /// The lag just before that was learned: the greatest of the last round.
    peak: Duration,
}

impl Lag {
    /// Begins with an index that knows every change before `known`, and tells the lag from now on: as a metric, and
    /// to `record`.
    pub(super) fn watch(known: Instant, mut record: LagRecord) -> Arc<Lag> {
        let lag = Arc::new(Lag(Mutex::new(State { known, peak: Duration::ZERO })));
        let told = Arc::downgrade(&lag);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(TELL_EVERY);
            loop {
                ticks.tick().await;
                let Some(lag) = told.upgrade() else { return };
                let lag = lag.at(Instant::now());
                metric::values_lag(lag);
                if let Err(error) = record.note(SystemClock.now(), lag) {
                    tracing::warn!(%error, "lag of the value index was not recorded");
                }
            }
        });
        lag
    }

    /// Takes note, at `now`, that every change before `known` is known.
    pub(super) fn note(&self, known: Instant, now: Instant) {
        let mut state = self.0.lock();
        if known > state.known {
            state.peak = now.saturating_duration_since(state.known);
            state.known = known;
        }
    }

    /// Returns the greatest lag since the round before the last.
    pub(super) fn at(&self, now: Instant) -> Duration {
        let state = self.0.lock();
        state.peak.max(now.saturating_duration_since(state.known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_the_greatest_of_a_round_and_grows_while_nothing_is_read() {
        let begun = Instant::now();
        let at = |millis| begun + Duration::from_millis(millis);
        let lag = Lag(Mutex::new(State { known: begun, peak: Duration::ZERO }));
        assert_eq!(lag.at(at(900)), Duration::from_millis(900));
        // A round that began at 1,000 ms and ended at 1,200.
        lag.note(at(1_000), at(1_200));
        assert_eq!(lag.at(at(1_300)), Duration::from_millis(1_200));
        lag.note(at(1_400), at(1_500));
        assert_eq!(lag.at(at(1_500)), Duration::from_millis(500));
        // What is known does not become less.
        lag.note(at(1_100), at(1_600));
        assert_eq!(lag.at(at(9_400)), Duration::from_secs(8));
    }
}
