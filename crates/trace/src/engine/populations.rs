//! How likely the reports are if the data left otherwise: from a population, not through one account.

use std::collections::BTreeMap;

use super::accounts::Scored;
use super::case::{Case, average};
use super::sessions;
use crate::history::{MAX_COHORTS, Mass};
use crate::numeric::{log_add, log_sum_exp, real, size};

/// How the belief in "not one ordinary account" is divided.
const WEIGHT_GENERAL: f64 = 0.5;
const WEIGHT_PERIODS: f64 = 0.05;
const WEIGHT_COHORTS: f64 = 0.13;
const WEIGHT_BROAD: f64 = 0.15;
const WEIGHT_GROUPS: f64 = 0.12;
const WEIGHT_NEIGHBOURS: f64 = 0.05;
/// Neighbourhoods of so many leading accounts are weighed, in these sizes.
const NEIGHBOURHOOD_CANDIDATES: usize = 48;
const NEIGHBOURHOOD_SIZES: [usize; 4] = [2, 5, 14, 48];

/// The most that one member may have of what a group saw.
const LARGEST_SHARE_MAX: f64 = 0.6;

/// Where victims come from when no ordinary account is the route.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Source {
    /// Nothing recorded: everyone, everyone seen, or by exposure.
    Unknown,
    Cohorts(usize, usize),
    Broad(u16),
    Group(usize),
    /// An account and those nearest to it.
    Neighbourhood(u16, usize),
}

/// One source with its log joint probability given that no ordinary account is the route.
#[derive(Debug, Clone)]
pub(super) struct Weighed {
    pub(super) source: Source,
    pub(super) joint: f64,
}

/// Weighs every source; `scored` are the accounts, best first.
pub(super) fn weigh(case: &Case, scored: &[Scored]) -> Vec<Weighed> {
    let mut classes = vec![(WEIGHT_GENERAL, vec![(Source::Unknown, general(case))])];
    classes.push((WEIGHT_PERIODS, vec![(Source::Unknown, sessions::everyone(case))]));
    classes.push((WEIGHT_COHORTS, cohorts(case)));
    classes.push((WEIGHT_BROAD, broad(case)));
    classes.push((WEIGHT_GROUPS, groups(case)));
    classes.push((WEIGHT_NEIGHBOURS, neighbourhoods(case, scored)));
    classes.retain(|(_, sources)| !sources.is_empty());
    let total: f64 = classes.iter().map(|(weight, _)| weight).sum();
    let mut weighed = Vec::new();
    for (weight, sources) in classes {
        let share = (weight / total).ln();
        weighed.extend(sources.into_iter().map(|(source, joint)| Weighed { source, joint: joint + share }));
    }
    weighed
}

/// Densities of the victims if they are a sample of `group`, uniform over its subjects.
pub(super) fn densities(case: &Case, source: &Source) -> Vec<f64> {
    let index = case.history.index();
    let each = |density: &dyn Fn(usize) -> f64| (0..case.reports.len()).map(density).collect();
    match source {
        Source::Unknown => each(&|_| 1.0 / case.population),
        Source::Cohorts(a, b) => {
            let subjects = index.cohort_mass(*a, *b).subjects.max(1.0);
            each(&|at| if in_cohorts(case, at, *a, *b) { 1.0 / subjects } else { 0.0 })
        }
        Source::Broad(account) => {
            let subjects = real(index.exposed(*account)).max(1.0);
            each(&|at| if saw(case, at, *account) { 1.0 / subjects } else { 0.0 })
        }
        Source::Group(number) => {
            let Some(group) = index.groups.get(*number) else { return each(&|_| 0.0) };
            let subjects = index.group_mass(group).subjects.max(1.0);
            each(&|at| if count_members(case, at, &group.members) > 0 { 1.0 / subjects } else { 0.0 })
        }
        Source::Neighbourhood(account, nearest) => {
            let (members, exposure) = neighbourhood(case, *account, *nearest);
            each(&|at| size(count_members(case, at, &members)) / exposure)
        }
    }
}

fn likelihood(case: &Case, density: impl Fn(usize) -> f64) -> f64 {
    let all = (0..case.reports.len()).map(|at| (at, density(at))).filter(|(_, density)| *density > 0.0);
    average(&case.likelihood(all))
}

fn general(case: &Case) -> f64 {
    let seen = real(case.history.subjects_seen().max(1));
    let pairs = real(case.history.pairs().max(1));
    let seen_by = |at: usize| case.reports.get(at).map_or(0, |report| report.seen_by.len());
    let kinds = [
        likelihood(case, |_| 1.0 / case.population),
        likelihood(case, |at| if seen_by(at) > 0 { 1.0 / seen } else { 0.0 }),
        likelihood(case, |at| size(seen_by(at)) / pairs),
    ];
    log_sum_exp(kinds.iter().copied()) - size(kinds.len()).ln()
}

fn in_cohorts(case: &Case, at: usize, a: usize, b: usize) -> bool {
    let both = 1u64 << a | 1u64 << b;
    case.reports.get(at).is_some_and(|report| report.cohorts & both == both)
}

fn cohorts(case: &Case) -> Vec<(Source, f64)> {
    let index = case.history.index();
    let mut pairs = Vec::new();
    for a in 0..MAX_COHORTS {
        for b in a..MAX_COHORTS {
            if index.cohort_mass(a, b).subjects > 0.0 {
                pairs.push((a, b));
            }
        }
    }
    let share = size(2 * pairs.len()).ln();
    let mut sources = Vec::new();
    for (a, b) in pairs {
        if !(0..case.reports.len()).any(|at| in_cohorts(case, at, a, b)) {
            continue;
        }
        let mass = index.cohort_mass(a, b);
        let seen_by = |at: usize| case.reports.get(at).map_or(0, |report| report.seen_by.len());
        let inside = |at: usize, density: f64| if in_cohorts(case, at, a, b) { density } else { 0.0 };
        let alike = likelihood(case, |at| inside(at, 1.0 / mass.subjects));
        let by_exposure = likelihood(case, |at| inside(at, size(seen_by(at)) / mass.exposure.max(1.0)));
        sources.push((Source::Cohorts(a, b), log_add(alike, by_exposure) - share));
    }
    sources
}

fn saw(case: &Case, at: usize, account: u16) -> bool {
    case.reports.get(at).is_some_and(|report| report.seen_by.binary_search(&account).is_ok())
}

fn broad(case: &Case) -> Vec<(Source, f64)> {
    let index = case.history.index();
    let share = size(index.broad.len()).ln();
    let of = |account: &u16| {
        let subjects = real(index.exposed(*account)).max(1.0);
        let likelihood = likelihood(case, |at| if saw(case, at, *account) { 1.0 / subjects } else { 0.0 });
        (Source::Broad(*account), likelihood - share)
    };
    index.broad.iter().map(of).collect()
}

fn groups(case: &Case) -> Vec<(Source, f64)> {
    let index = case.history.index();
    // Victims of each group that some victim touches, with how many members saw each.
    let mut touched: BTreeMap<usize, Vec<(usize, f64)>> = BTreeMap::new();
    for (at, report) in case.reports.iter().enumerate() {
        for group in report.seen_by.iter().flat_map(|account| index.groups_of(*account)) {
            let list = touched.entry(*group).or_default();
            match list.last_mut() {
                Some((last, count)) if *last == at => *count += 1.0,
                _ => list.push((at, 1.0)),
            }
        }
    }
    let share = size(2 * index.groups.len()).ln();
    let weigh = |(number, list): (usize, Vec<(usize, f64)>)| {
        let group = index.groups.get(number)?;
        let Mass { exposure, subjects } = index.group_mass(group);
        if is_one_accounts(case, &group.members, exposure) {
            return None;
        }
        let alike = average(&case.likelihood(list.iter().map(|(at, _)| (*at, 1.0 / subjects))));
        let by_exposure = average(&case.likelihood(list.iter().map(|(at, count)| (*at, count / exposure))));
        Some((Source::Group(number), log_add(alike, by_exposure) - share))
    };
    touched.into_iter().filter_map(weigh).collect()
}

/// A group of which one account saw most is that account, not a population.
fn is_one_accounts(case: &Case, members: &[u16], exposure: f64) -> bool {
    let exposed = members.iter().map(|member| case.history.index().exposed(*member));
    real(exposed.max().unwrap_or(0)) > LARGEST_SHARE_MAX * exposure
}

/// Returns the account with its nearest, rising, and the sum of what they saw.
pub(super) fn neighbourhood(case: &Case, account: u16, nearest: usize) -> (Vec<u16>, f64) {
    let index = case.history.index();
    let mut members = vec![account];
    members.extend(index.neighbours.of(account).iter().take(nearest).map(|neighbour| neighbour.account));
    members.sort_unstable();
    let exposure: u64 = members.iter().map(|member| index.exposed(*member)).sum();
    (members, real(exposure).max(1.0))
}

fn count_members(case: &Case, at: usize, members: &[u16]) -> usize {
    let Some(report) = case.reports.get(at) else { return 0 };
    report.seen_by.iter().filter(|account| members.binary_search(account).is_ok()).count()
}

fn neighbourhoods(case: &Case, scored: &[Scored]) -> Vec<(Source, f64)> {
    let index = case.history.index();
    let share = size(NEIGHBOURHOOD_SIZES.len() * index.accounts().max(1)).ln();
    let mut sources = Vec::new();
    for candidate in scored.iter().take(NEIGHBOURHOOD_CANDIDATES) {
        for nearest in NEIGHBOURHOOD_SIZES {
            let (members, exposure) = neighbourhood(case, candidate.account, nearest);
            if members.len() < 2 || is_one_accounts(case, &members, exposure) {
                continue;
            }
            let joint = likelihood(case, |at| size(count_members(case, at, &members)) / exposure) - share;
            sources.push((Source::Neighbourhood(candidate.account, nearest), joint));
        }
    }
    sources
}
