//! When the copy was taken: from what the callers knew, and from when the account was shown the victims.
//!
//! What leaves through an account leaves when it is shown. Only while no account is named can the copy have been
//! taken whenever the callers' knowledge was to be had.

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
/// Each end is beyond the copy with this probability at most. 95% of windows shall hold the copy in every kind of
/// case, also where it was not taken evenly and no few views tell, so that more is asked of the model.
const TAIL: f64 = 0.01;
/// Of a report that belongs to the leak over a stray one.
const ODDS: f64 = 4.0;

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
            if let Some(account) = account {
                let shown = while_shown(case, account, &marks, (from, until), end - start);
                windows.extend(shown.map(|(from, until, weight)| (from, until, weight - share)));
            } else {
                windows.push((from, until, at_leisure(&marks, (from, until), end - start) - share));
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
    /// When the account was shown the victim; nothing if none is named.
    views: Vec<(i64, i64)>,
    /// 1 / probability that a stray report is about this subject.
    rarity: f64,
}

fn mark(case: &Case, at: usize, account: Option<u16>, hits: &[Hit]) -> Option<Mark> {
    let report = case.reports.get(at)?;
    let (mut from, until) = report.copy_hours();
    let current = until.saturating_sub(from);
    let mut views = Vec::new();
    if let Some(account) = account {
        let hit = hits.iter().find(|hit| hit.victim == at)?;
        from = from.max(hit.first);
        let postings = case.history.postings(report.id?).into_iter();
        let of_account = postings.filter(|posting| posting.account() == account);
        views.extend(of_account.map(|posting| (posting.first_hour(), posting.last_hour())));
    }
    Some(Mark { from, until, current, views, rarity: 1.0 / report.stray })
}

/// Returns the log-likelihood of copying at any time within the window when what the callers knew could be had.
/// `all`: hours in all.
fn at_leisure(marks: &[Mark], (from, until): (i64, i64), all: i64) -> f64 {
    let mut factors = Factors::default();
    for mark in marks {
        let had = mark.until.min(until).saturating_sub(mark.from.max(from)).max(0);
        factors.add(ODDS * whole(had) / whole(until - from) * mark.rare(all));
    }
    factors.ln()
}

/// Returns the log-likelihood of copying within the window while `account` was being shown the victims; with the
/// hours between which it was, and a margin for what was copied just before and after. `None` if it was shown none.
fn while_shown(
    case: &Case,
    account: u16,
    marks: &[Mark],
    (from, until): (i64, i64),
    all: i64,
) -> Option<(i64, i64, f64)> {
    let calendar = &case.history.index().calendar;
    let slots = (calendar.slot(from), calendar.slot(until - 1) + 1);
    let shown = calendar.count(Some(account), false, slots.0, slots.1).max(size(marks.len()) / 2.0).max(1.0);
    let mut factors = Factors::default();
    // First and last of the times at which it was shown, and how many victims there are to it.
    let mut hull: Option<(i64, i64, i64)> = None;
    for mark in marks {
        let within = mark.views.iter().find(|(first, last)| {
            *last >= from.max(mark.from) && *first < until.min(mark.until.saturating_add(1))
        });
        let Some((first, last)) = within else { continue };
        let (first, last) = (*first.max(&from), *last.min(&(until - 1)));
        hull = Some(match hull {
            None => (first, last, 1),
            Some((least, most, count)) => (least.min(first), most.max(last), count + 1),
        });
        factors.add(ODDS * mark.rare(all) * mark.rarity / shown);
    }
    let (first, last, count) = hull?;
    let margin = margin(count, last - first, until - from);
    Some((first - margin, last + margin, factors.ln()))
}

impl Mark {
    /// Returns how much better the time of what the caller knew fits a copy than a stray report.
    fn rare(&self, all: i64) -> f64 {
        whole(all) / whole(self.current.clamp(DAY, all))
    }
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
