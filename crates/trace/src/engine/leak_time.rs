//! When the copy was taken: from what the callers knew, and from when the account was shown the victims.

use super::case::{Case, Hit};
use crate::numeric::{Factors, log_sum_exp, real, size};
use crate::outcome::LeakWindow;
use rastro_model::Timestamp;

const DAY: i64 = 24;
/// Lengths of copying, in days, that are weighed; all equally likely beforehand.
const LENGTHS: [i64; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];
/// Days looked at, the latest ones; and victims.
const DAYS_MAX: i64 = 1_500;
const VICTIMS_MAX: usize = 60;
/// Each end is beyond the copy with this probability at most.
const TAIL: f64 = 0.02;
const STRAY: f64 = 0.2;

/// Bounds the copy. `account`: the one named, if any. `None` if no victim is known to the history.
pub(super) fn bound(case: &Case, account: Option<u16>) -> Option<LeakWindow> {
    let calendar = &case.history.index().calendar;
    let start = calendar.hour_of(0);
    let end = calendar.hour_of(calendar.slots());
    let hits: &[Hit] = account.map_or(&[], |account| case.hits(account));
    let marks: Vec<Mark> =
        (0..case.reports.len()).filter_map(|at| mark(case, at, account, hits)).take(VICTIMS_MAX).collect();
    if marks.is_empty() || start >= end {
        return None;
    }
    let latest = marks.iter().map(|mark| mark.until).filter(|until| *until < i64::MAX / 2).max();
    let end = latest.unwrap_or(end).max(start + DAY);
    let start = start.max(end - DAYS_MAX * DAY);
    let days = (end - start + DAY - 1) / DAY;
    let mut windows = Vec::new();
    for length in LENGTHS.into_iter().filter(|length| *length == 1 || *length <= days) {
        let places = days - length + 1;
        let share = whole(places).ln();
        for day in 0..places {
            let (from, until) = (start + day * DAY, start + (day + length) * DAY);
            let weights = weigh(case, account, &marks, (from, until), end - start);
            windows.push((from, until, weights.at_leisure - share));
            if let Some((weight, hull)) = weights.while_shown {
                windows.push((hull.0, hull.1, weight - share));
            }
        }
    }
    let total = log_sum_exp(windows.iter().map(|(_, _, weight)| *weight));
    let from = quantile(windows.iter().map(|(from, _, weight)| (*from, *weight - total)), TAIL)?;
    let until = -quantile(windows.iter().map(|(_, until, weight)| (-*until, *weight - total)), TAIL)?;
    let micros = |hour: i64| Timestamp(hour.saturating_mul(3_600_000_000));
    Some(LeakWindow { from: micros(from), until: micros(until), confidence: 1.0 - 2.0 * TAIL })
}

/// What one victim says of the time.
struct Mark {
    /// Hours within which the copy can have been taken.
    from: i64,
    until: i64,
    /// Hours for which what the caller knew was current, as far as the report says.
    current: i64,
    /// When the account was shown the victim; `None` if it was not.
    views: Option<Vec<(i64, i64)>>,
    /// 1 / probability that a stray report is about this subject.
    rarity: f64,
}

fn mark(case: &Case, at: usize, account: Option<u16>, hits: &[Hit]) -> Option<Mark> {
    let report = case.reports.get(at)?;
    let (mut from, until) = report.copy_hours();
    let current = until.saturating_sub(from);
    let mut views = None;
    if let Some(account) = account {
        let hit = hits.iter().find(|hit| hit.victim == at)?;
        from = from.max(hit.first);
        let mut list = Vec::new();
        for posting in
            case.history.postings(report.id?).into_iter().filter(|posting| posting.account() == account)
        {
            list.push((posting.first_hour(), posting.last_hour()));
        }
        views = Some(list);
    }
    Some(Mark { from, until, current, views, rarity: 1.0 / report.stray })
}

/// Log-likelihoods of copying within a window.
struct Weights {
    /// At any time when what the callers knew could be had.
    at_leisure: f64,
    /// While the account was being shown the victims; with the hours between which it was, and a margin for
    /// what was copied just before and after.
    while_shown: Option<(f64, (i64, i64))>,
}

fn weigh(case: &Case, account: Option<u16>, marks: &[Mark], window: (i64, i64), all: i64) -> Weights {
    let calendar = &case.history.index().calendar;
    let (from, until) = window;
    let odds = (1.0 - STRAY) / STRAY;
    let exposed = account.map_or(0.0, |account| real(case.history.index().exposed(account)));
    let shown = calendar.count(account, false, calendar.slot(from), calendar.slot(until - 1) + 1).max(1.0);
    let (mut at_leisure, mut while_shown) = (Factors::default(), Factors::default());
    // First and last of the times at which it was shown, and how many victims there are to it.
    let mut hull: Option<(i64, i64, i64)> = None;
    for mark in marks {
        let had = mark.until.min(until).saturating_sub(mark.from.max(from)).max(0);
        // How much better the values' time fits than that of a stray report.
        let rare = whole(all) / whole(mark.current.clamp(DAY, all));
        let fits = whole(had) / whole(until - from) * rare;
        let Some(views) = &mark.views else {
            at_leisure.add(odds * fits);
            continue;
        };
        at_leisure.add(odds * fits * mark.rarity / exposed.max(1.0));
        let within = views.iter().find(|(first, last)| {
            *last >= from.max(mark.from) && *first < until.min(mark.until.saturating_add(1))
        });
        if let Some((first, last)) = within {
            let (first, last) = (*first.max(&from), *last.min(&(until - 1)));
            hull = Some(match hull {
                None => (first, last, 1),
                Some((least, most, count)) => (least.min(first), most.max(last), count + 1),
            });
            let density = rare / shown.max(size(marks.len()) / 2.0);
            while_shown.add(odds * density * mark.rarity);
        }
    }
    let while_shown = hull.map(|(first, last, count)| {
        let margin = margin(count, last - first, until - from);
        (while_shown.ln(), (first - margin, last + margin))
    });
    Weights { at_leisure: at_leisure.ln(), while_shown }
}

/// Returns how many hours beyond the first and the last of `count` views, `range` hours apart, the middle of the
/// copying may lie: it lies before all of n views at random times with probability 2⁻ⁿ, and before them by more
/// than c ranges with 2⁻ⁿ (1 + c)¹⁻ⁿ. A single view bounds nothing but by the `window` looked at.
fn margin(count: i64, range: i64, window: i64) -> i64 {
    if count < 2 {
        return window / 2;
    }
    let n = whole(count);
    let ranges = ((0.5f64.powf(n) / TAIL).powf(1.0 / (n - 1.0)) - 1.0).max(1.0 / n);
    #[expect(clippy::cast_possible_truncation, reason = "some years of hours")]
    let beyond = (ranges * whole(range)) as i64;
    DAY / 2 + beyond
}

/// Returns the least value below which at least `tail` of the probability lies.
fn quantile(weighed: impl Iterator<Item = (i64, f64)>, tail: f64) -> Option<i64> {
    let mut sorted: Vec<(i64, f64)> = weighed.collect();
    sorted.sort_by_key(|(value, _)| *value);
    let mut sum = 0.0;
    for (value, weight) in &sorted {
        sum += weight.exp();
        if sum >= tail {
            return Some(*value);
        }
    }
    sorted.last().map(|(value, _)| *value)
}

fn whole(hours: i64) -> f64 {
    real(hours.max(0).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn margin_holds_the_middle_of_copying_as_often_as_it_says() {
        // Views at random times of a month, from a fixed sequence.
        let mut state = 1u64;
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            i64::try_from((state >> 33) % 720_000).unwrap()
        };
        for count in [2i64, 3, 4, 5, 8, 20] {
            let mut missed = 0;
            for _ in 0..4_000 {
                let times: Vec<i64> = (0..count).map(|_| draw()).collect();
                let (first, last) = (*times.iter().min().unwrap(), *times.iter().max().unwrap());
                let margin = margin(count, last - first, 720_000);
                missed += i32::from(first - margin > 360_000 || last + margin < 360_000);
            }
            assert!(f64::from(missed) / 4_000.0 < 2.5 * TAIL, "{count}: {missed}");
        }
    }
}
