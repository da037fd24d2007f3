//! How many innocent accounts would have seen as many of the victims by chance alone.

use std::collections::BTreeMap;

use super::case::Case;
use crate::numeric::{real, size};

/// The chance is taken to be so many times what independence says: customers and accounts come in teams.
const CAUTION: f64 = 10.0;
/// Where nobody would be named in any case, so many times: there it is right that often. Calibrated on simulated
/// worlds of 608 and 5,008 accounts.
const CAUTION_UNNAMED: f64 = 3.0;
/// The odds against an account that is just not named.
const UNNAMED_ODDS: f64 = 0.07;

/// Expected numbers of accounts that see so many victims, if the victims had been drawn by how many accounts
/// saw them and accounts by how many subjects they saw.
#[derive(Debug)]
pub(super) struct Coincidence {
    /// Expected victims seen, by account size, and how many accounts have about that size.
    means: Vec<(f64, f64)>,
}

impl Coincidence {
    pub(super) fn new(case: &Case) -> Coincidence {
        let index = case.history.index();
        let is_broad = |account: &u16| index.broad.binary_search(account).is_ok();
        let broad: u64 = index.broad.iter().map(|account| index.exposed(*account)).sum();
        let pairs = real(index.pairs().saturating_sub(broad)).max(1.0);
        let seen =
            |report: &super::case::Report| report.seen_by.iter().filter(|account| !is_broad(account)).count();
        let views = size(case.reports.iter().map(seen).sum());
        // Sizes within a tenth of each other are one class.
        let mut classes: BTreeMap<i64, (f64, f64)> = BTreeMap::new();
        for account in (0..=u16::MAX).take(index.accounts()) {
            let exposed = real(index.exposed(account));
            if exposed > 0.0 && !is_broad(&account) {
                #[expect(clippy::cast_possible_truncation, reason = "logarithms of counts are small")]
                let class = (exposed.ln() * 10.0) as i64;
                let (sum, count) = classes.entry(class).or_default();
                *sum += views * exposed / pairs;
                *count += 1.0;
            }
        }
        Coincidence { means: classes.into_values().map(|(sum, count)| (sum / count, count)).collect() }
    }

    /// Returns the most that may be believed of an account that saw `hits` victims, if the unknown route has
    /// the prior probability `unknown`.
    pub(super) fn limit(&self, hits: usize, unknown: f64) -> f64 {
        let expected: f64 = self.means.iter().map(|(mean, count)| count * tail(*mean, hits)).sum();
        let odds = unknown / (1.0 - unknown);
        let against = odds * CAUTION * expected;
        let unnamed = (odds * CAUTION_UNNAMED * expected).max(UNNAMED_ODDS);
        1.0 / (1.0 + against.min(unnamed))
    }
}

/// Returns P(X ≥ k) of a Poisson number.
fn tail(mean: f64, k: usize) -> f64 {
    if k == 0 {
        return 1.0;
    }
    if mean <= 0.0 {
        return 0.0;
    }
    // From the term at k upwards while the sum still grows; from below if k is left of the bulk.
    let k = size(k);
    if k <= mean {
        return 1.0;
    }
    let mut log_term = -mean;
    let mut step = 1.0;
    while step <= k {
        log_term += (mean / step).ln();
        step += 1.0;
    }
    let mut term = log_term.exp();
    let mut sum = 0.0;
    while term > sum * 1e-12 && term > 0.0 {
        sum += term;
        term *= mean / step;
        step += 1.0;
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poisson_tail_matches_the_sum_of_terms() {
        let (mean, mut term, mut below) = (2.5f64, (-2.5f64).exp(), 0.0);
        for k in 0..12u32 {
            if f64::from(k) > mean {
                assert!((tail(mean, k as usize) - (1.0 - below)).abs() < 1e-9, "{k}");
            }
            below += term;
            term *= mean / f64::from(k + 1);
        }
        assert_eq!(tail(0.001, 10_000), 0.0);
        assert_eq!(tail(1e6, 3), 1.0);
    }

    #[test]
    fn limit_rises_with_hits() {
        let chance = Coincidence { means: vec![(0.1, 5_000.0)] };
        let limits: Vec<f64> = (0..8).map(|hits| chance.limit(hits, 0.3)).collect();
        assert!(limits.windows(2).all(|pair| pair[0] <= pair[1]));
        assert!(limits[1] < 0.01 && limits[7] > 0.9999);
    }
}
