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

/// Σ log(1 + x) over many x ≥ 0, with few logarithms: factors are multiplied until they grow large.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Factors {
    product: f64,
    logs: f64,
}

impl Default for Factors {
    fn default() -> Factors {
        Factors { product: 1.0, logs: 0.0 }
    }
}

impl Factors {
    /// Multiplies by 1 + `x`.
    #[inline]
    pub(crate) fn add(&mut self, x: f64) {
        self.product *= 1.0 + x;
        if self.product > 1e150 {
            self.logs += self.product.ln();
            self.product = 1.0;
        }
    }

    /// Returns the logarithm of the product.
    pub(crate) fn ln(self) -> f64 {
        self.logs + self.product.ln()
    }
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
    fn factors_are_the_sum_of_logarithms() {
        let mut factors = Factors::default();
        let mut sum = 0.0;
        for n in 0..5_000u32 {
            let x = f64::from(n % 7) * 1e12 + f64::from(n % 3) * 1e-3;
            factors.add(x);
            sum += x.ln_1p();
        }
        assert!((factors.ln() - sum).abs() < 1e-8 * sum);
    }

    #[test]
    fn log_sum_exp_of_far_apart_terms_is_stable() {
        let terms = [-1e6, -1e6, f64::NEG_INFINITY, f64::NAN];
        assert!((log_sum_exp(terms.iter().copied()) - (-1e6 + 2f64.ln())).abs() < 1e-6);
        assert_eq!(log_sum_exp([].into_iter()), f64::NEG_INFINITY);
        assert_eq!(log_add(f64::NEG_INFINITY, -3.0), -3.0);
    }
}
