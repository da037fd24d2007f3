//! How likely the reports are if several accounts are the route together.

use std::collections::BTreeMap;

use super::accounts::{self, Scored};
use super::case::{Case, average};
use crate::numeric::{log_sum_exp, size};

/// Shares of the first member that are averaged over, the even one first.
const SHARES: [f64; 3] = [0.5, 0.3, 0.7];
/// Members of a group, at most.
const MEMBERS_MAX: usize = 5;
/// Leaks times candidates, at most; keeps the time below some milliseconds.
const WORK_MAX: usize = 40_000;
const CANDIDATES_MAX: usize = 60;
const MIXING_ROUNDS: usize = 12;
/// Further members whose shares are fitted, of those that promise most.
const FITTED_MAX: usize = 8;
/// Pairs that are weighed at all shares.
const REFINED_MAX: usize = 48;

/// Accounts as the route together, with their log-likelihood over stray reports and their shares.
#[derive(Debug, Clone)]
pub(super) struct Together {
    pub(super) members: Vec<(u16, f64)>,
    pub(super) likelihood: f64,
}

/// Victims that a member was shown, rising, with the probability of each.
type Densities = Vec<(usize, f64)>;

/// Scores the pairs of the leading accounts, and grows the best one while that explains more. Best first.
pub(super) fn score(case: &Case, scored: &[Scored]) -> Vec<Together> {
    let candidates: Vec<u16> = candidates(case, scored);
    let all: Vec<Densities> =
        candidates.iter().map(|account| accounts::plain(case, *account).collect()).collect();
    let bare: Vec<Densities> =
        candidates.iter().map(|account| accounts::unexplained(case, *account).collect()).collect();
    // Even shares of everything first; the best of these with the other shares, and the unexplained parts.
    let mut even = Vec::new();
    for (i, first) in all.iter().enumerate() {
        for (j, second) in all.iter().enumerate().skip(i + 1) {
            even.push((average(&case.likelihood(mix_two(first, second, 0.5))), i, j));
        }
    }
    even.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let mut pairs = Vec::new();
    for (likelihood, i, j) in even.into_iter().take(REFINED_MAX) {
        let mut terms = vec![likelihood];
        for (lists, is_all) in [(&all, true), (&bare, false)] {
            let (Some(first), Some(second)) = (lists.get(i), lists.get(j)) else { continue };
            if first.is_empty() || second.is_empty() {
                continue;
            }
            let known = usize::from(is_all);
            terms.extend(
                SHARES
                    .into_iter()
                    .skip(known)
                    .map(|share| average(&case.likelihood(mix_two(first, second, share)))),
            );
        }
        let likelihood = log_sum_exp(terms.iter().copied()) - size(2 * SHARES.len()).ln();
        if let (Some(a), Some(b)) = (candidates.get(i), candidates.get(j)) {
            pairs.push(Together { members: vec![(*a, 0.5), (*b, 0.5)], likelihood });
        }
    }
    pairs.sort_by(|a, b| b.likelihood.total_cmp(&a.likelihood));
    if let Some(best) = pairs.first().cloned() {
        let by_account: BTreeMap<u16, &Densities> = candidates.iter().copied().zip(&all).collect();
        let grown = grow(case, best, &by_account);
        match pairs.first_mut() {
            Some(first) if grown.members.len() == 2 => first.members = grown.members,
            _ => pairs.push(grown),
        }
    }
    pairs.sort_by(|a, b| b.likelihood.total_cmp(&a.likelihood));
    pairs
}

/// The best single accounts, and those that best explain what the first two of them do not.
fn candidates(case: &Case, scored: &[Scored]) -> Vec<u16> {
    let hits: usize = scored.iter().take(CANDIDATES_MAX).map(|s| case.hits(s.account).len()).sum();
    let mean = hits / scored.len().clamp(1, CANDIDATES_MAX);
    let most = (2..=CANDIDATES_MAX).rev().find(|n| n * n * mean.max(1) <= WORK_MAX).unwrap_or(2);
    let several: Vec<u16> =
        scored.iter().map(|s| s.account).filter(|account| case.hits(*account).len() > 1).collect();
    let mut chosen: Vec<u16> = several.iter().copied().take(most - most / 3).collect();
    for first in several.iter().take(2) {
        let densities: Densities = accounts::plain(case, *first).collect();
        let mut beside: Vec<(f64, u16)> = several
            .iter()
            .skip(chosen.len())
            .map(|other| {
                let other_densities: Densities = accounts::plain(case, *other).collect();
                (average(&case.likelihood(mix_two(&densities, &other_densities, 0.5))), *other)
            })
            .collect();
        beside.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        chosen.extend(beside.into_iter().take(most / 6).map(|(_, account)| account));
    }
    let mut met = std::collections::BTreeSet::new();
    chosen.retain(|account| met.insert(*account));
    chosen
}

/// Mixes two lists that rise by victim.
fn mix_two<'a>(
    first: &'a Densities,
    second: &'a Densities,
    share: f64,
) -> impl Iterator<Item = (usize, f64)> + 'a {
    let (mut first, mut second) = (first.iter().peekable(), second.iter().peekable());
    std::iter::from_fn(move || {
        let at = match (first.peek(), second.peek()) {
            (Some((a, _)), Some((b, _))) => *a.min(b),
            (Some((at, _)), None) | (None, Some((at, _))) => *at,
            (None, None) => return None,
        };
        let one = first.next_if(|(victim, _)| *victim == at).map_or(0.0, |(_, density)| share * density);
        let other =
            second.next_if(|(victim, _)| *victim == at).map_or(0.0, |(_, density)| (1.0 - share) * density);
        Some((at, one + other))
    })
}

/// Adds the account that explains most, while one explains more than chance would; fits the shares.
fn grow(case: &Case, pair: Together, candidates: &BTreeMap<u16, &Densities>) -> Together {
    let members = pair.members.iter().filter_map(|(account, _)| Some((*account, *candidates.get(account)?)));
    let mut lists: Vec<(u16, &Densities)> = members.collect();
    let mut best = fit(case, &lists);
    best.likelihood = pair.likelihood;
    // A further member must pay for having been picked from all accounts.
    let price = size(case.history.index().accounts().max(2)).ln();
    while best.members.len() < MEMBERS_MAX {
        let share = 1.0 / size(lists.len() + 1);
        let mixed = mix(case, lists.iter().map(|(_, list)| (*list, share)));
        let mut screened: Vec<(f64, u16, &Densities)> = Vec::new();
        for (account, list) in candidates {
            if lists.iter().any(|(member, _)| member == account) {
                continue;
            }
            let mut with = mixed.clone();
            add(&mut with, list, share);
            screened.push((average(&case.likelihood(with.into_iter().enumerate())), *account, *list));
        }
        screened.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut next: Option<(Together, Vec<(u16, &Densities)>)> = None;
        for (_, account, list) in screened.into_iter().take(FITTED_MAX) {
            let larger: Vec<_> = lists.iter().copied().chain([(account, list)]).collect();
            let fitted = fit(case, &larger);
            if next.as_ref().is_none_or(|(known, _)| fitted.likelihood > known.likelihood) {
                next = Some((fitted, larger));
            }
        }
        match next {
            Some((mut larger, with)) if larger.likelihood - price - 2.0 > best.likelihood => {
                larger.likelihood -= price + 2.0;
                best = larger;
                lists = with;
            }
            _ => break,
        }
    }
    best
}

/// Densities of all victims under a mixture.
fn mix<'a>(case: &Case, parts: impl Iterator<Item = (&'a Densities, f64)>) -> Vec<f64> {
    let mut mixed = vec![0.0; case.reports.len()];
    for (densities, share) in parts {
        add(&mut mixed, densities, share);
    }
    mixed
}

fn add(mixed: &mut [f64], densities: &Densities, share: f64) {
    for (victim, density) in densities {
        if let Some(sum) = mixed.get_mut(*victim) {
            *sum += share * density;
        }
    }
}

/// Fits the members' shares by expectation maximisation, with a fifth of the reports stray.
fn fit(case: &Case, members: &[(u16, &Densities)]) -> Together {
    let mut shares = vec![1.0 / size(members.len().max(1)); members.len()];
    let parts = |shares: &[f64]| {
        let lists = members.iter().map(|(_, list)| *list);
        mix(case, lists.zip(shares.iter().copied()))
    };
    for _ in 0..MIXING_ROUNDS {
        let mixed = parts(&shares);
        let mut total = 0.0;
        for ((_, densities), share) in members.iter().zip(&mut shares) {
            let of = |(victim, density): &(usize, f64)| {
                *share * density / mixed.get(*victim).copied().unwrap_or(1.0).max(f64::MIN_POSITIVE)
            };
            *share = densities.iter().map(of).sum::<f64>() + 0.5;
            total += *share;
        }
        for share in &mut shares {
            *share /= total;
        }
    }
    let likelihood = average(&case.likelihood(parts(&shares).into_iter().enumerate()));
    let members = members.iter().map(|(account, _)| *account).zip(shares).collect();
    Together { members, likelihood }
}
