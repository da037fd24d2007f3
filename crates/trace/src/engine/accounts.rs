//! How likely the reports are if one account is the route.

use super::case::{ByNoise, Case, Hit, average};
use super::sessions;
use crate::history::Slice;
use crate::numeric::{log_add, log_sum_exp, size};

const ALL: Slice = Slice { cohort: None, unexplained: false, by_exposure: false };
/// What the leak may be a sample of, with the weight of each possibility. The first is the plain one.
const SLICES: [(Slice, f64); 4] = [
    (ALL, 0.5),
    (Slice { by_exposure: true, ..ALL }, 0.15),
    (Slice { unexplained: true, ..ALL }, 0.2),
    (Slice { unexplained: true, by_exposure: true, ..ALL }, 0.05),
];
const COHORT_WEIGHT: f64 = 0.1;
const SESSION_WEIGHT: f64 = 0.15;
/// Only so many accounts, best first, are looked at session by session.
const SESSION_CANDIDATES: usize = 24;

/// One account as the only route.
#[derive(Debug, Clone)]
pub(super) struct Scored {
    pub(super) account: u16,
    /// Log-likelihood over stray reports alone, averaged over noise and slices.
    pub(super) likelihood: f64,
}

/// Scores every account with a hit, best first.
pub(super) fn score(case: &Case) -> Vec<Scored> {
    let cohorts = leading_cohorts(case);
    let broad = &case.history.index().broad;
    let mut scored: Vec<Scored> = case
        .hits
        .iter()
        .filter(|(account, _)| !broad.contains(account))
        .map(|(account, hits)| Scored {
            account: *account,
            likelihood: by_slices(case, *account, hits, &cohorts),
        })
        .collect();
    let best_first =
        |a: &Scored, b: &Scored| b.likelihood.total_cmp(&a.likelihood).then(a.account.cmp(&b.account));
    scored.sort_by(best_first);
    for candidate in scored.iter_mut().take(SESSION_CANDIDATES) {
        let hits = case.hits(candidate.account);
        let in_sessions = sessions::likelihood(case, candidate.account, hits);
        candidate.likelihood =
            log_add(candidate.likelihood + (1.0 - SESSION_WEIGHT).ln(), in_sessions + SESSION_WEIGHT.ln());
    }
    scored.sort_by(best_first);
    scored
}

/// Returns the log-likelihood if an account that saw none of the victims is the route.
pub(super) fn without_hits(case: &Case) -> f64 {
    average(&case.likelihood(std::iter::empty()))
}

/// Cohorts that hold at least half of the victims, at most four.
fn leading_cohorts(case: &Case) -> Vec<usize> {
    let counts =
        |cohort: usize| case.reports.iter().filter(|report| report.cohorts >> cohort & 1 == 1).count();
    let mut leading: Vec<(usize, usize)> = (0..crate::history::MAX_COHORTS)
        .map(|cohort| (counts(cohort), cohort))
        .filter(|(count, _)| *count > 0 && *count * 2 >= case.reports.len())
        .collect();
    leading.sort_unstable_by(|a, b| b.cmp(a));
    leading.into_iter().take(4).map(|(_, cohort)| cohort).collect()
}

fn by_slices(case: &Case, account: u16, hits: &[Hit], cohorts: &[usize]) -> f64 {
    let mut terms: Vec<(f64, f64)> = Vec::with_capacity(SLICES.len() + 2 * cohorts.len());
    let mut push = |slice: Slice, weight: f64| {
        if case.history.index().weight(account, slice) > 0.0 {
            terms.push((weight, average(&in_slice(case, account, hits, slice))));
        }
    };
    for (slice, weight) in SLICES {
        push(slice, weight);
    }
    for cohort in cohorts {
        let share = COHORT_WEIGHT / size(2 * cohorts.len());
        for unexplained in [false, true] {
            push(Slice { cohort: Some(*cohort), unexplained, by_exposure: false }, share);
        }
    }
    let total: f64 = terms.iter().map(|(weight, _)| weight).sum();
    log_sum_exp(terms.iter().map(|(weight, likelihood)| likelihood + (weight / total).ln()))
}

fn in_slice(case: &Case, account: u16, hits: &[Hit], slice: Slice) -> ByNoise {
    case.likelihood(hits.iter().filter_map(|hit| Some((hit.victim, density(case, account, hit, slice)?))))
}

/// Returns the probability that a record of this slice of `account` is the hit's; `None` outside the slice.
fn density(case: &Case, account: u16, hit: &Hit, slice: Slice) -> Option<f64> {
    let report = case.reports.get(hit.victim)?;
    if slice.unexplained && !hit.unexplained
        || slice.cohort.is_some_and(|cohort| report.cohorts >> cohort & 1 == 0)
    {
        return None;
    }
    let weight = if slice.by_exposure { size(report.seen_by.len()) + 1.0 } else { 1.0 };
    Some(weight / case.history.index().weight(account, slice).max(weight))
}

/// Densities of the victims if all that `account` was shown leaked alike.
pub(super) fn plain(case: &Case, account: u16) -> impl Iterator<Item = (usize, f64)> + Clone {
    let hits = case.hits(account).iter();
    hits.filter_map(move |hit| Some((hit.victim, density(case, account, hit, ALL)?)))
}

/// As [`plain`], of what no reason explains.
pub(super) fn unexplained(case: &Case, account: u16) -> impl Iterator<Item = (usize, f64)> + Clone {
    let slice = Slice { unexplained: true, ..ALL };
    let hits = case.hits(account).iter();
    hits.filter_map(move |hit| Some((hit.victim, density(case, account, hit, slice)?)))
}
