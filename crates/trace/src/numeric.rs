//! Sums of likelihoods that never leave the logarithm.

/// Returns log(Σ exp(x)); −∞ for nothing. Terms that are not numbers count as −∞.
pub(crate) fn log_sum_exp(terms: impl Iterator<Item = f64> + Clone) -> f64 {
    let top = terms.clone().filter(|x| !x.is_nan()).fold(f64::NEG_INFINITY, f64::max);
    if !top.is_finite() {
        return top;
    }
    top + terms.filter(|x| !x.is_nan()).map(|x| (x - top).exp()).sum::<f64>().ln()
}

/// Returns log(exp(a) + exp(b)).
pub(crate) fn log_add(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

/// Converts a count to a float; exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^53")]
pub(crate) fn real(count: u64) -> f64 {
    count as f64
}

/// Converts a length to a float; exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "lengths here are far below 2^53")]
pub(crate) fn size(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_sum_exp_of_far_apart_terms_is_stable() {
        let terms = [-1e6, -1e6, f64::NEG_INFINITY, f64::NAN];
        assert!((log_sum_exp(terms.iter().copied()) - (-1e6 + 2f64.ln())).abs() < 1e-6);
        assert_eq!(log_sum_exp([].into_iter()), f64::NEG_INFINITY);
        assert_eq!(log_add(f64::NEG_INFINITY, -3.0), -3.0);
    }
}
