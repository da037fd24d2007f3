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
/// Pairs that are weighed at all shares.
const REFINED_MAX: usize = 48;

/// Accounts as the route together, with their log-likelihood over stray reports and their shares.
#[derive(Debug, Clone)]
pub(super) struct Together {
    pub(super) members: Vec<(u16, f64)>,
    pub(super) likelihood: f64,
}

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

/// The best single accounts, and those that best explain what the first of them does not.
fn candidates(case: &Case, scored: &[Scored]) -> Vec<u16> {
    let hits: usize = scored.iter().take(CANDIDATES_MAX).map(|s| case.hits(s.account).len()).sum();
    let mean = hits / scored.len().clamp(1, CANDIDATES_MAX);
    let most = (2..=CANDIDATES_MAX).rev().find(|n| n * n * mean.max(1) <= WORK_MAX).unwrap_or(2);
    scored.iter().filter(|s| case.hits(s.account).len() > 1).take(most).map(|s| s.account).collect()
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

fn mix(parts: &[(&Densities, f64)]) -> BTreeMap<usize, f64> {
    let mut mixed = BTreeMap::new();
    for (densities, share) in parts {
        for (victim, density) in *densities {
            *mixed.entry(*victim).or_insert(0.0) += share * density;
        }
    }
    mixed
}

/// Adds the account that explains most, while one explains more than chance would; fits the shares.
fn grow(case: &Case, pair: Together, candidates: &BTreeMap<u16, &Densities>) -> Together {
    let mut best = fit(case, pair.members.iter().map(|(account, _)| *account).collect(), candidates);
    best.likelihood = pair.likelihood;
    // A further member must pay for having been picked from all accounts.
    let price = size(case.history.index().accounts().max(2)).ln();
    while best.members.len() < MEMBERS_MAX {
        let mut next: Option<Together> = None;
        for account in candidates.keys() {
            if best.members.iter().any(|(member, _)| member == account) {
                continue;
            }
            let members = best.members.iter().map(|(member, _)| *member).chain([*account]).collect();
            let fitted = fit(case, members, candidates);
            if next.as_ref().is_none_or(|known| fitted.likelihood > known.likelihood) {
                next = Some(fitted);
            }
        }
        match next {
            Some(mut larger) if larger.likelihood - price - 2.0 > best.likelihood => {
                larger.likelihood -= price + 2.0;
                best = larger;
            }
            _ => break,
        }
    }
    best
}

/// Fits the members' shares by expectation maximisation, with a fifth of the reports stray.
fn fit(case: &Case, members: Vec<u16>, candidates: &BTreeMap<u16, &Densities>) -> Together {
    let even = 1.0 / size(members.len());
    let mut shares: Vec<(u16, f64)> = members.into_iter().map(|member| (member, even)).collect();
    let empty = Densities::new();
    let list = |account: u16| *candidates.get(&account).unwrap_or(&&empty);
    for _ in 0..MIXING_ROUNDS {
        let parts: Vec<_> = shares.iter().map(|(account, share)| (list(*account), *share)).collect();
        let mixed = mix(&parts);
        let mut taken: Vec<f64> = Vec::new();
        for (densities, share) in parts {
            let of = |(victim, density): &(usize, f64)| {
                share * density / mixed.get(victim).copied().unwrap_or(1.0).max(f64::MIN_POSITIVE)
            };
            taken.push(densities.iter().map(of).sum::<f64>() + 0.5);
        }
        let total: f64 = taken.iter().sum();
        for ((_, share), taken) in shares.iter_mut().zip(taken) {
            *share = taken / total;
        }
    }
    let parts: Vec<_> = shares.iter().map(|(account, share)| (list(*account), *share)).collect();
    let likelihood = average(&case.likelihood(mix(&parts).into_iter()));
    Together { members: shares, likelihood }
}
