pub mod certificates;
pub mod desk;
pub mod gateway;
pub mod message;
pub mod raw;
pub mod transcript;

/// Repeatable random numbers for test cases: SplitMix64.
pub struct Dice(u64);

impl Dice {
    /// Takes the seed from `RASTRO_SEED`, else from the clock, and prints it.
    pub fn new(what: &str) -> Dice {
        let from_clock = || {
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
            since.as_micros() as u64
        };
        let seed = std::env::var("RASTRO_SEED").map_or_else(|_| from_clock(), |text| text.parse().unwrap());
        println!("{what}: RASTRO_SEED={seed}");
        Dice(seed)
    }

    pub fn fork(&mut self) -> Dice {
        Dice(self.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.between(0, choices.len() as u64 - 1) as usize]
    }
}
