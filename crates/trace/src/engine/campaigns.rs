//! Leaks that go on at the same time: victims told apart by what their callers knew, and by when they reported.

use rastro_model::{FieldSet, Timestamp};

use super::case::merge;
use crate::history::History;
use crate::outcome::{Campaign, Mark, Trace};
use crate::victim::{TraceOptions, Victim};

/// Fewer victims are not traced by themselves.
const VICTIMS_MIN: usize = 3;
/// Reports are of two times if so many days pass without one, in the middle of more frequent ones.
const QUIET_DAYS: i64 = 21;
const QUIET_TIMES_USUAL: i64 = 4;
const DAY_MICROS: i64 = 86_400_000_000;
/// Accounts and populations listed for each part.
const RANKED_MAX: usize = 5;

impl History {
    /// Traces parts of the victims by themselves: those whose callers knew a field and those whose callers did
    /// not, those who reported before a quiet time and those after it. Two leaks at once otherwise look like one
    /// leak with many stray reports. Only parts that point elsewhere than `whole`, the trace of all of them, are
    /// returned, most certain first.
    ///
    /// The more parts are looked at, the more easily one of them points to somebody by chance: the odds of each
    /// are divided by their number. Cost: as many traces as there are parts, at most 66.
    pub fn campaigns(&self, victims: &[Victim], options: &TraceOptions, whole: &Trace) -> Vec<Campaign> {
        let merged = merge(victims);
        let parts = parts(&merged);
        let looks = parts.len() as f64;
        let options = TraceOptions { ranked_max: RANKED_MAX, ..options.clone() };
        let mut campaigns = Vec::new();
        for (mark, part) in parts {
            let mut trace = self.trace(&part, &options);
            for account in &mut trace.accounts {
                let sure = doubted(account.involved, looks);
                account.probability *= sure / account.involved.max(f64::MIN_POSITIVE);
                account.involved = sure;
            }
            let listed: f64 = trace.accounts.iter().map(|account| account.probability).sum::<f64>()
                + trace.populations.iter().map(|population| population.probability).sum::<f64>();
            trace.unknown_route = (1.0 - listed).clamp(0.0, 1.0);
            let points_elsewhere = trace.accounts.first().is_some_and(|first| {
                let known = whole.accounts.iter().find(|account| account.principal == first.principal);
                first.involved >= 0.5 && known.is_none_or(|known| known.involved < 0.5)
            });
            if points_elsewhere {
                campaigns.push(Campaign { mark, trace });
            }
        }
        let sure = |campaign: &Campaign| campaign.trace.accounts.first().map_or(0.0, |first| first.involved);
        campaigns.sort_by(|a, b| sure(b).total_cmp(&sure(a)));
        campaigns
    }
}

/// Divides the odds of a probability.
fn doubted(probability: f64, by: f64) -> f64 {
    let rest = (1.0 - probability).max(0.0) * by;
    if probability > 0.0 { probability / (probability + rest) } else { 0.0 }
}

/// Parts of the victims, none of them all or nearly none.
fn parts(victims: &[Victim]) -> Vec<(Mark, Vec<Victim>)> {
    let mut marks = Vec::new();
    let told = victims.iter().fold(FieldSet::EMPTY, |all, victim| all.union(victim.known));
    marks.extend(told.iter().map(Mark::Known));
    marks.extend(told.iter().map(Mark::NotKnown));
    if let Some(quiet) = quiet_time(victims) {
        marks.extend([Mark::Before(quiet), Mark::After(quiet)]);
    }
    let mut parts: Vec<(Mark, Vec<Victim>)> = Vec::new();
    for mark in marks {
        let part: Vec<Victim> = victims.iter().filter(|victim| is_of(victim, mark)).cloned().collect();
        let is_new = parts.iter().all(|(_, known)| *known != part);
        if part.len() >= VICTIMS_MIN && part.len() < victims.len() && is_new {
            parts.push((mark, part));
        }
    }
    parts
}

/// A victim of whom nothing is told belongs to every part.
fn is_of(victim: &Victim, mark: Mark) -> bool {
    let knows = |field: usize| victim.known.iter().any(|known| known == field);
    match mark {
        Mark::Known(field) => victim.known.is_empty() || knows(field),
        Mark::NotKnown(field) => victim.known.is_empty() || !knows(field),
        Mark::Before(time) => victim.reported_at.is_none_or(|at| at < time),
        Mark::After(time) => victim.reported_at.is_none_or(|at| at >= time),
    }
}

/// Returns the first report after the longest time without one, if that is long.
fn quiet_time(victims: &[Victim]) -> Option<Timestamp> {
    let mut times: Vec<Timestamp> = victims.iter().filter_map(|victim| victim.reported_at).collect();
    times.sort_unstable();
    let mut gaps: Vec<(i64, Timestamp)> = times
        .windows(2)
        .filter_map(|pair| {
            let [earlier, later] = pair else { return None };
            Some((later.0.saturating_sub(earlier.0), *later))
        })
        .collect();
    gaps.sort_unstable();
    let usual = gaps.get(gaps.len() / 2)?.0;
    let (longest, after) = gaps.last().copied()?;
    (longest >= (QUIET_DAYS * DAY_MICROS).max(usual.saturating_mul(QUIET_TIMES_USUAL))).then_some(after)
}

#[cfg(test)]
mod tests {
    use rastro_model::SubjectKey;

    use super::*;

    fn victim(subject: i64, known: u32, day: i64) -> Victim {
        Victim {
            known: FieldSet(known),
            reported_at: Some(Timestamp(day * DAY_MICROS)),
            ..Victim::new(SubjectKey::Int(subject))
        }
    }

    #[test]
    fn victims_are_told_apart_by_fields_and_by_a_quiet_time() {
        let mut victims: Vec<Victim> = (0..6).map(|n| victim(n, 0b001, n)).collect();
        victims.extend((6..10).map(|n| victim(n, 0b101, 60 + n)));
        let parts = parts(&victims);
        // Field 0 is known to all; field 2 and the quiet time divide them alike.
        let sizes: Vec<(Mark, usize)> = parts.iter().map(|(mark, part)| (*mark, part.len())).collect();
        assert_eq!(sizes, [(Mark::Known(2), 4), (Mark::NotKnown(2), 6)]);
        let steady: Vec<Victim> = (0..10).map(|n| victim(n, 0, n * 10)).collect();
        assert!(super::parts(&steady).is_empty());
        assert_eq!(quiet_time(&victims), Some(Timestamp(66 * DAY_MICROS)));
    }

    #[test]
    fn doubt_divides_the_odds() {
        assert!((doubted(0.98, 1.0) - 0.98).abs() < 1e-12);
        assert!((doubted(0.98, 4.0) - 49.0 / 53.0).abs() < 1e-12);
        assert_eq!((doubted(0.0, 4.0), doubted(1.0, 4.0)), (0.0, 1.0));
    }
}
