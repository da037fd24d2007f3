/// Random numbers from a seed: splitmix64. Not for secrets.
#[derive(Clone, Debug)]
pub struct Draw(u64);

impl Draw {
    /// Starts a sequence; the same seeds give the same sequence.
    pub fn new(seed: u64, stream: u64) -> Draw {
        let mut draw = Draw(seed ^ stream.wrapping_mul(0xd1b5_4a32_d192_ed03));
        draw.bits();
        draw
    }

    /// Returns the next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number in [0, 1).
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Returns a whole number below `n`; 0 if `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        u64::try_from((u128::from(self.bits()) * u128::from(n)) >> 64).unwrap_or(0)
    }

    /// As [`Draw::below`] for 32 bits.
    pub fn below_u32(&mut self, n: u32) -> u32 {
        u32::try_from(self.below(u64::from(n))).unwrap_or(0)
    }

    /// Returns whether something of probability `p` happens.
    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// Returns a standard normal number.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Returns an exponential number with this mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// Returns a Poisson number with this mean, at most 60.
    pub fn poisson(&mut self, mean: f64) -> u32 {
        let limit = (-mean.min(40.0)).exp();
        let mut product = self.unit();
        let mut count = 0;
        while product > limit && count < 60 {
            product *= self.unit();
            count += 1;
        }
        count
    }

    /// Returns one of `items`; `None` of none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let at = self.below(u64::try_from(items.len()).ok()?);
        items.get(usize::try_from(at).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_the_means_they_should() {
        let mut draw = Draw::new(5, 1);
        let mean = |mut f: Box<dyn FnMut() -> f64>| (0..20_000).map(|_| f()).sum::<f64>() / 20_000.0;
        let mut other = draw.clone();
        assert!((mean(Box::new(move || draw.unit())) - 0.5).abs() < 0.01);
        let mut third = other.clone();
        assert!((mean(Box::new(move || f64::from(other.poisson(3.0)))) - 3.0).abs() < 0.06);
        assert!(mean(Box::new(move || third.normal())).abs() < 0.03);
    }
}
