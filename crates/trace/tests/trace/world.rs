//! A small support desk for tests: accounts with random customers, one of which adds a harvest.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rastro_model::{FieldSet, Principal, SubjectKey, Timestamp};
use rastro_trace::{Disclosure, Explanation, History, HistoryBuilder, Victim};

pub(crate) const DAY: i64 = 86_400_000_000;

pub(crate) struct Desk {
    pub(crate) builder: HistoryBuilder,
    pub(crate) rng: SmallRng,
}

impl Desk {
    /// `accounts` accounts, each shown `each` random subjects of `subjects` over 300 days.
    pub(crate) fn new(accounts: u32, subjects: i64, each: u32, seed: u64) -> Desk {
        let mut desk = Desk { builder: HistoryBuilder::new(), rng: SmallRng::seed_from_u64(seed) };
        for account in 0..accounts {
            desk.builder.principal(&name(account)).unwrap();
            for _ in 0..each {
                let subject = desk.rng.random_range(0..subjects);
                let day = desk.rng.random_range(0..300);
                desk.show(account, subject, day * DAY, Explanation::Explained);
            }
        }
        desk
    }

    pub(crate) fn show(&mut self, account: u32, subject: i64, time: i64, explanation: Explanation) {
        let principal = self.builder.principal(&name(account)).unwrap();
        let subject = self.builder.subject(&SubjectKey::Int(subject)).unwrap();
        let fields = FieldSet(0b111);
        self.builder.add(Disclosure { principal, subject, time: Timestamp(time), fields, explanation });
    }

    /// Account `account` looks up `count` random subjects on `day`; returns them.
    pub(crate) fn harvest(&mut self, account: u32, subjects: i64, count: usize, day: i64) -> Vec<i64> {
        let mut taken = Vec::new();
        while taken.len() < count {
            let subject = self.rng.random_range(0..subjects);
            if taken.contains(&subject) {
                continue;
            }
            let time = day * DAY + self.rng.random_range(0..DAY / 2);
            self.show(account, subject, time, Explanation::Unexplained);
            taken.push(subject);
        }
        taken
    }

    pub(crate) fn finish(self) -> History {
        self.builder.finish()
    }
}

pub(crate) fn name(account: u32) -> Principal {
    Principal::new(format!("a{account}"))
}

pub(crate) fn victims(subjects: &[i64]) -> Vec<Victim> {
    subjects.iter().map(|subject| Victim::new(SubjectKey::Int(*subject))).collect()
}
