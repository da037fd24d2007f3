//! How readily one of a few accounts that share their subjects is shown many of the victims, if what they share
//! left otherwise.

use super::case::Case;
use crate::numeric::{real, size};

/// Accounts are colleagues if their subjects overlap so much (cosine); each circle is looked at.
const CIRCLES: [f64; 3] = [0.2, 0.4, 0.6];

/// Returns the most of `believed` that may be believed of an account, if the unknown route has the prior probability
/// `unknown`: the odds of a route are no better than one to the chance that a colleague looks as guilty.
pub(super) fn limit(case: &Case, account: u16, believed: f64, unknown: f64) -> f64 {
    let odds = unknown / (1.0 - unknown);
    let at = |chance: f64| 1.0 / (1.0 + odds * chance);
    // Not even a certain chance would limit it.
    if believed <= at(1.0) { believed } else { believed.min(at(chance(case, account))) }
}

/// Returns the probability that, of `account` and its colleagues, some one is shown at least as many of the
/// victims as `account` was, if not one of them is the route, but each victim is as it is: shown to so many of
/// them. 0 without colleagues. Cost: O(victims² × colleagues), colleagues being at most 48.
fn chance(case: &Case, account: u16) -> f64 {
    let near = case.history.index().neighbours.of(account);
    let mut most = 0.0f64;
    let mut before = 0;
    for overlap in CIRCLES {
        let circle = near.iter().take_while(|neighbour| neighbour.overlap >= overlap);
        let members: Vec<u16> = circle.map(|neighbour| neighbour.account).chain([account]).collect();
        if members.len() > 1 && members.len() != before {
            most = most.max(within(case, account, &members));
        }
        before = members.len();
    }
    most
}

fn within(case: &Case, account: u16, members: &[u16]) -> f64 {
    let mut shown_to = vec![0.0; case.reports.len()];
    for hit in members.iter().flat_map(|member| case.hits(*member)) {
        if let Some(count) = shown_to.get_mut(hit.victim) {
            *count += 1.0;
        }
    }
    shown_to.retain(|count| *count > 0.0);
    let exposed = |member: &u16| real(case.history.index().exposed(*member));
    let mean = members.iter().map(exposed).sum::<f64>().max(1.0) / size(members.len());
    let hits = case.hits(account).len();
    let nobody = members.iter().map(|member| {
        let share = exposed(member) / mean / size(members.len());
        1.0 - at_least(hits, shown_to.iter().map(|count| (count * share).min(1.0)))
    });
    1.0 - nobody.product::<f64>()
}

/// Returns the probability that at least `count` of independent events happen.
fn at_least(count: usize, events: impl Iterator<Item = f64>) -> f64 {
    // By how many happened, `count` or more in the last.
    let mut by_number = vec![0.0; count + 1];
    if let Some(none) = by_number.first_mut() {
        *none = 1.0;
    }
    for probability in events {
        let mut below = 0.0;
        for (number, mass) in by_number.iter_mut().enumerate() {
            let stays = if number == count { *mass } else { *mass * (1.0 - probability) };
            let rises = below * probability;
            below = *mass;
            *mass = stays + rises;
        }
    }
    by_number.last().copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_least_sums_the_binomial_tail() {
        let binomial = [0.0625, 0.25, 0.375, 0.25, 0.0625];
        for count in 0..=5 {
            let tail: f64 = binomial.iter().skip(count).sum();
            assert!((at_least(count, [0.5; 4].into_iter()) - tail).abs() < 1e-12, "{count}");
        }
        assert_eq!(at_least(2, [1.0, 1.0, 0.0].into_iter()), 1.0);
        assert_eq!(at_least(2, [1.0, 0.0].into_iter()), 0.0);
    }
}
