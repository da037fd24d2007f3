//! Leaks of what was shown within a short time: a burst of one account, or everyone's of a period.

use std::collections::BTreeMap;

use super::case::{Case, Hit, average};
use crate::numeric::{log_sum_exp, size};

/// Lengths of periods, in slots of the calendar; each is laid out twice, half a length apart.
const LENGTHS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
/// Most periods looked into per account and kind.
const PERIODS_MAX: usize = 256;

/// Two victims on one day are soon found somewhere among many accounts and days.
const VICTIMS_MIN: usize = 3;

/// Returns the log-likelihood if what leaked is what `account` was shown within one period.
pub(super) fn likelihood(case: &Case, account: u16, hits: &[Hit]) -> f64 {
    let calendar = &case.history.index().calendar;
    let mut kinds = Vec::new();
    for unexplained in [false, true] {
        let list = hits.iter().filter(|hit| !unexplained || hit.unexplained);
        let placed: Vec<_> =
            list.map(|hit| (hit.victim, calendar.slot(hit.first), calendar.slot(hit.last))).collect();
        if unexplained && !case.history.index().reasons_known {
            break;
        }
        kinds.push(over_periods(case, Some(account), unexplained, &placed));
    }
    log_sum_exp(kinds.iter().copied()) - size(kinds.len().max(1)).ln()
}

/// Returns the log-likelihood if what leaked is what was shown, to anyone, within one period.
pub(super) fn everyone(case: &Case) -> f64 {
    let calendar = &case.history.index().calendar;
    let mut placed = Vec::new();
    for (victim, report) in case.reports.iter().enumerate() {
        for posting in report.id.into_iter().flat_map(|id| case.history.postings(id)) {
            let slot = calendar.slot(posting.first_hour());
            placed.push((victim, slot, slot));
        }
    }
    placed.sort_unstable();
    over_periods(case, None, false, &placed)
}

fn over_periods(
    case: &Case,
    account: Option<u16>,
    unexplained: bool,
    placed: &[(usize, usize, usize)],
) -> f64 {
    let calendar = &case.history.index().calendar;
    let slots = calendar.slots().max(1);
    let stray = average(&case.likelihood(std::iter::empty()));
    let mut terms = Vec::new();
    for length in LENGTHS.into_iter().filter(|length| *length <= slots) {
        let step = (length / 2).max(1);
        let periods = slots.div_ceil(step);
        let mut by_period: BTreeMap<usize, Vec<(usize, f64)>> = BTreeMap::new();
        for (victim, first, last) in placed {
            let from = (first + step).saturating_sub(length) / step;
            for period in from..=(last / step).min(from + 8) {
                if period * step + length <= *first || period * step > *last {
                    continue;
                }
                let list = by_period.entry(period).or_default();
                match list.last_mut() {
                    Some((same, count)) if same == victim => *count += 1.0,
                    _ => list.push((*victim, 1.0)),
                }
            }
        }
        let level = (size(LENGTHS.len()) * size(periods)).ln();
        let mut busiest: Vec<_> =
            by_period.into_iter().filter(|(_, list)| list.len() >= VICTIMS_MIN).collect();
        busiest.sort_by_key(|(_, list)| std::cmp::Reverse(list.len()));
        busiest.truncate(PERIODS_MAX.min(100_000 / case.reports.len().max(1)).max(4));
        let left = 1.0 - size(busiest.len()) / size(periods);
        terms.push(stray + left.max(1e-9).ln() - size(LENGTHS.len()).ln());
        for (period, list) in busiest {
            let shown = calendar.count(account, unexplained, period * step, period * step + length);
            let densities = list.iter().map(|(victim, count)| {
                let count = if account.is_some() { 1.0 } else { *count };
                (*victim, count / shown.max(count).max(size(list.len())))
            });
            terms.push(average(&case.likelihood(densities)) - level);
        }
    }
    if terms.is_empty() { stray } else { log_sum_exp(terms.iter().copied()) }
}
