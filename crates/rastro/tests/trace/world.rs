use std::fmt::Write;

/// Numbers from a seed: SplitMix64.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// One access.
#[derive(Clone, Debug)]
pub struct Row {
    /// Seconds since 1970.
    pub time: u64,
    pub principal: String,
    pub subject: u64,
    pub reason: Option<String>,
}

pub const START: u64 = 1_767_225_600;
const DAY: u64 = 86_400;

/// Ninety days of a desk of forty agents and 20,000 customers; one of them copies 400 customers on day 30.
pub struct World {
    pub rows: Vec<Row>,
    pub insider: String,
    pub copied: Vec<u64>,
}

impl World {
    pub fn new(seed: u64) -> World {
        let mut dice = Dice::new(seed);
        let mut rows = Vec::new();
        for day in 0..90 {
            for agent in 0..40 {
                for _ in 0..8 {
                    let subject = 1 + dice.below(20_000);
                    let time = START + day * DAY + 30_000 + dice.below(28_000);
                    let reason = (dice.below(10) > 0).then(|| format!("T-{subject}"));
                    rows.push(Row { time, principal: format!("agent_{agent:02}"), subject, reason });
                }
            }
        }
        let insider = format!("agent_{:02}", dice.below(40));
        let copied: Vec<u64> = (0..400).map(|_| 1 + dice.below(20_000)).collect();
        for subject in &copied {
            let time = START + 30 * DAY + 60_000 + dice.below(3_000);
            rows.push(Row { time, principal: insider.clone(), subject: *subject, reason: None });
        }
        rows.sort_by_key(|row| row.time);
        World { rows, insider, copied }
    }

    /// Returns the log as CONTRACT.md has it.
    pub fn log(&self) -> String {
        let mut text = String::from("time,principal,subject,fields,reason\n");
        for row in &self.rows {
            let reason = row.reason.as_deref().unwrap_or_default();
            writeln!(text, "{},{},{},name;email,{reason}", row.time, row.principal, row.subject).unwrap();
        }
        text
    }
}

/// Returns a list of victims who reported on day 80, each a second after the other.
pub fn victims(subjects: impl IntoIterator<Item = u64>) -> String {
    let mut text = String::from("subject,reported_at,fields\n");
    for (place, subject) in subjects.into_iter().enumerate() {
        writeln!(text, "{subject},{},name;email", START + 80 * DAY + place as u64).unwrap();
    }
    text
}
