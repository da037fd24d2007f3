use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Result;
use rastro_model::{FieldSet, Principal, SubjectKey, Timestamp};
use rastro_sim::worlds::{Draw, LANGUAGES, PRODUCTS, Shown, World};
use rastro_trace::{Disclosure, Explanation, History, HistoryBuilder, PrincipalId};

use crate::options::Options;

/// Accounts whose views are kept, so that they may be cast as insiders.
const CAST: usize = 400;
const HOUR_MICROS: i64 = 3_600_000_000;

/// A world, its history, and the cast.
pub(crate) struct Built {
    pub(crate) world: World,
    pub(crate) history: History,
    pub(crate) cast: BTreeMap<u32, Vec<Shown>>,
    accounts: Vec<PrincipalId>,
    seconds: f64,
    resident_bytes: u64,
}

impl Built {
    pub(crate) fn build(options: &Options, seed: u64) -> Result<Built> {
        let mut size = options.world();
        size.seed = seed;
        let world = World::new(size);
        let mut draw = Draw::new(seed, 0xca57);
        let mut cast = BTreeMap::new();
        let wanted = CAST.min(usize::try_from(world.ordinary())?);
        while cast.len() < wanted {
            cast.insert(draw.below_u32(world.ordinary()), Vec::new());
        }
        let began = Instant::now();
        let mut builder = HistoryBuilder::new();
        let mut accounts = Vec::new();
        for account in 0..size.principals {
            accounts.push(builder.principal(&name(account))?);
        }
        let mut views = Vec::new();
        for id in 0..size.subjects {
            views.clear();
            let customer = world.customer(id);
            world.shown(&customer, &mut views);
            if views.is_empty() {
                continue;
            }
            let subject = builder.subject(&SubjectKey::Int(i64::from(id)))?;
            if !options.without_cohorts {
                let label =
                    |names: &[&str], at: u32| names.get(at as usize).copied().unwrap_or("").to_owned();
                builder.add_cohort(subject, &label(&LANGUAGES, customer.language));
                builder.add_cohort(subject, &label(&PRODUCTS, customer.product));
            }
            for shown in &views {
                if let Some(principal) = accounts.get(shown.account as usize) {
                    builder.add(disclosure(*principal, subject, shown));
                }
                if let Some(list) = cast.get_mut(&shown.account) {
                    list.push(*shown);
                }
            }
        }
        let history = builder.finish();
        let seconds = began.elapsed().as_secs_f64();
        Ok(Built { world, history, cast, accounts, seconds, resident_bytes: resident_bytes("self") })
    }

    /// Adds what a scenario shows beyond ordinary work.
    pub(crate) fn add(&mut self, extra: &[Shown]) -> Result<()> {
        for shown in extra {
            let subject = self.history.subject(&SubjectKey::Int(i64::from(shown.subject)))?;
            if let Some(principal) = self.accounts.get(shown.account as usize) {
                self.history.add(disclosure(*principal, subject, shown));
            }
        }
        Ok(())
    }

    pub(crate) fn summary(&self) -> String {
        format!(
            "{} accounts, {} subjects ({} seen), {} pairs: generated and loaded in {:.1} s, {:.2} GB resident",
            self.history.accounts(),
            self.world.options().subjects,
            self.history.subjects_seen(),
            self.history.pairs(),
            self.seconds,
            self.resident_bytes as f64 / 1e9
        )
    }
}

pub(crate) fn name(account: u32) -> Principal {
    Principal::new(format!("agent-{account:04}"))
}

pub(crate) fn time(hour: u32) -> Timestamp {
    Timestamp(i64::from(hour) * HOUR_MICROS)
}

fn disclosure(principal: PrincipalId, subject: rastro_trace::SubjectId, shown: &Shown) -> Disclosure {
    let explanation = if shown.explained { Explanation::Explained } else { Explanation::Unexplained };
    Disclosure { principal, subject, time: time(shown.hour), fields: FieldSet(shown.fields), explanation }
}

/// Returns the most memory that a process (`self` or a number) has had; 0 if it is gone.
pub(crate) fn resident_bytes(process: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)).and_then(|n| n.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
