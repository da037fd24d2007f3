//! Which entry came when. Entries are numbered as time goes on, so that a number follows from the time but for a few
//! bits: rows of `statements` say how far their entry is after the last tick at or before their time.

use crate::columns::Malformed;

/// Every so many entries there is a tick.
const STEP: usize = 32;

/// When an entry was; a row of `clock`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tick {
    pub(crate) time: i64,
    pub(crate) entry: u64,
}

/// The ticks of a segment: times and numbers rise, and the first has the least time of all entries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock(Vec<Tick>);

impl Clock {
    /// Makes the clock of entries, given in their order.
    pub(crate) fn of_entries(entries: impl Iterator<Item = Tick>, min_time: i64) -> Clock {
        Clock::of_ticks(entries.step_by(STEP), min_time)
    }

    /// Joins the clocks of segments that follow each other.
    pub(crate) fn join(parts: &[&Clock], min_time: i64) -> Clock {
        Clock::of_ticks(parts.iter().flat_map(|part| part.0.iter().copied()), min_time)
    }

    fn of_ticks(ticks: impl Iterator<Item = Tick>, min_time: i64) -> Clock {
        let mut all: Vec<Tick> = Vec::new();
        for tick in ticks {
            match all.last() {
                None => all.push(Tick { time: min_time, ..tick }),
                Some(last) if last.time < tick.time => all.push(tick),
                Some(_) => {}
            }
        }
        Clock(all)
    }

    /// Takes the rows of a table.
    pub(crate) fn of_rows(rows: Vec<Tick>) -> Result<Clock, Malformed> {
        let rises = rows.is_sorted_by(|a, b| a.time < b.time && a.entry < b.entry);
        if rises { Ok(Clock(rows)) } else { Err("time") }
    }

    pub(crate) fn ticks(&self) -> &[Tick] {
        &self.0
    }

    /// Returns how far an entry of some time is after its tick; `None` where the clock begins later.
    pub(crate) fn after(&self, entry: u64, time: i64) -> Option<i64> {
        Some(entry.wrapping_sub(self.tick(time)?.entry).cast_signed())
    }

    /// Returns the entry that is so far after the tick of its time.
    pub(crate) fn entry(&self, after: i64, time: i64) -> Option<u64> {
        self.tick(time)?.entry.checked_add_signed(after)
    }

    fn tick(&self, time: i64) -> Option<Tick> {
        let at = self.0.partition_point(|tick| tick.time <= time).checked_sub(1)?;
        self.0.get(at).copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn made(times: &[i64], first: u64) -> (Vec<Tick>, i64) {
        let ticks = times.iter().zip((0..).map(|at| first + at * 3));
        let ticks = ticks.map(|(time, entry)| Tick { time: *time, entry }).collect();
        (ticks, times.iter().copied().min().unwrap_or_default())
    }

    proptest! {
        #[test]
        fn prop_entries_are_found_by_their_times(
            (a, b) in (prop::collection::vec(-50i64..400, 1..300), prop::collection::vec(any::<i64>(), 1..100))
        ) {
            let (a, least_a) = made(&a, 7);
            let (b, least_b) = made(&b, 7 + 3 * a.len() as u64);
            let clocks =
                [Clock::of_entries(a.iter().copied(), least_a), Clock::of_entries(b.iter().copied(), least_b)];
            let both = Clock::join(&[&clocks[0], &clocks[1]], least_a.min(least_b));
            for clock in [&clocks[0], &both] {
                prop_assert!(Clock::of_rows(clock.ticks().to_vec()).is_ok());
                for Tick { time, entry } in &a {
                    let after = clock.after(*entry, *time).unwrap();
                    prop_assert_eq!(clock.entry(after, *time), Some(*entry));
                }
            }
            for Tick { time, entry } in &b {
                let after = both.after(*entry, *time).unwrap();
                prop_assert_eq!(both.entry(after, *time), Some(*entry));
            }
            prop_assert_eq!(both.after(7, i64::MIN).is_some(), least_b == i64::MIN);
        }
    }

    #[test]
    fn steady_entries_are_a_few_after_their_tick() {
        let entries = (0..1000u64).map(|entry| Tick { time: entry.cast_signed() * 10, entry });
        let clock = Clock::of_entries(entries.clone(), 0);
        assert!(entries.clone().all(|tick| (0..32).contains(&clock.after(tick.entry, tick.time).unwrap())));
        assert_eq!(clock.ticks().len(), 1000_usize.div_ceil(32));
    }
}
