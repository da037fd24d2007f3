//! Victims made ready: who could have shown each of them, and how likely a stray report of them is.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use rastro_model::{FieldSet, SubjectKey, Timestamp};

use crate::history::{Explanation, History, Posting};
use crate::numeric::{Factors, log_sum_exp, real, size};
use crate::victim::{TraceOptions, Victim};

/// Shares of stray reports that are averaged over.
pub(super) const NOISE: [f64; 8] = [0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6];
/// Reliability of an ordinary report, for which the shares above are meant.
const ORDINARY: f64 = 0.8;

/// Log-likelihood over that of stray reports alone, for each share of [`NOISE`].
pub(super) type ByNoise = [f64; NOISE.len()];

/// Returns the average over the shares, in the logarithm.
pub(super) fn average(by_noise: &ByNoise) -> f64 {
    log_sum_exp(by_noise.iter().copied()) - size(NOISE.len()).ln()
}

/// One victim, ready.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) key: SubjectKey,
    pub(super) id: Option<u32>,
    /// Distinct accounts that ever saw it, rising.
    pub(super) seen_by: Vec<u16>,
    pub(super) cohorts: u64,
    /// Probability that a stray report is about this subject.
    pub(super) stray: f64,
    /// (1 − ε)/ε for each share.
    odds: ByNoise,
    hour_max: i64,
    current: (i64, i64),
    known: FieldSet,
}

/// A victim that an account was shown in time, with what the caller knew.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit {
    pub(super) victim: usize,
    /// Some such disclosure has no reason.
    pub(super) unexplained: bool,
    /// Hours of the first and the last such disclosure.
    pub(super) first: i64,
    pub(super) last: i64,
}

/// All reports, by victim and by account.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub(super) history: &'a History,
    pub(super) reports: Vec<Report>,
    /// Accounts with a hit, each with its hits by victim.
    pub(super) hits: BTreeMap<u16, Vec<Hit>>,
    /// Subjects in all.
    pub(super) population: f64,
    pub(super) duplicates: usize,
    baseline: ByNoise,
}

impl<'a> Case<'a> {
    pub(super) fn new(history: &'a History, victims: &[Victim], options: &TraceOptions) -> Case<'a> {
        let seen = history.subjects_seen();
        let population = real(options.population.unwrap_or(seen).max(seen).max(1));
        let mut case = Case {
            history,
            reports: Vec::new(),
            hits: BTreeMap::new(),
            population,
            duplicates: 0,
            baseline: [0.0; NOISE.len()],
        };
        let merged = merge(victims);
        case.duplicates = victims.len() - merged.len();
        for victim in merged {
            case.add(&victim, options);
        }
        case
    }

    fn add(&mut self, victim: &Victim, options: &TraceOptions) {
        let at = self.reports.len();
        let id = self.history.find(&victim.subject);
        let mut report = Report {
            key: victim.subject.clone(),
            id,
            seen_by: Vec::new(),
            cohorts: id.map_or(0, |id| self.history.cohorts_of(id)),
            stray: 0.0,
            odds: odds(victim, options),
            hour_max: victim.reported_at.map_or(i64::MAX, hour),
            current: victim.current.map_or((i64::MIN, i64::MAX), |current| {
                (current.from.map_or(i64::MIN, hour), current.until.map_or(i64::MAX, hour))
            }),
            known: victim.known,
        };
        for posting in id.into_iter().flat_map(|id| self.history.postings(id)) {
            let account = posting.account();
            if report.seen_by.last() != Some(&account) {
                report.seen_by.push(account);
            }
            if !report.explained_by(self.history, posting) {
                continue;
            }
            let unexplained = posting.explanation() == Explanation::Unexplained;
            let last = posting.last_hour().min(report.hour_max);
            let hits = self.hits.entry(account).or_default();
            match hits.last_mut() {
                Some(hit) if hit.victim == at => {
                    hit.unexplained |= unexplained;
                    hit.last = hit.last.max(last);
                }
                _ => hits.push(Hit { victim: at, unexplained, first: posting.first_hour(), last }),
            }
        }
        let pairs = real(self.history.pairs().max(1));
        report.stray = 0.5 / self.population + 0.5 * size(report.seen_by.len()) / pairs;
        for (sum, odds) in self.baseline.iter_mut().zip(&report.odds) {
            *sum -= odds.ln_1p();
        }
        self.reports.push(report);
    }

    /// Returns the log-likelihood of all reports under a route that shows victims with the densities given
    /// (victim, probability); victims not given are stray.
    pub(super) fn likelihood(&self, densities: impl Iterator<Item = (usize, f64)>) -> ByNoise {
        let mut sums = self.baseline;
        let mut factors = [Factors::default(); NOISE.len()];
        for (victim, density) in densities {
            let Some(report) = self.reports.get(victim) else { continue };
            let ratio = density / report.stray;
            for (factor, odds) in factors.iter_mut().zip(&report.odds) {
                factor.add(odds * ratio);
            }
        }
        for (sum, factor) in sums.iter_mut().zip(factors) {
            *sum += factor.ln();
        }
        sums
    }

    /// Returns the log of the factor by which one report favours density `one` over density `other`, with an
    /// ordinary share of stray reports.
    pub(super) fn favour(&self, victim: usize, one: f64, other: f64) -> f64 {
        let Some(report) = self.reports.get(victim) else { return 0.0 };
        let odds = report.odds.get(3).copied().unwrap_or(4.0);
        (odds * one / report.stray).ln_1p() - (odds * other / report.stray).ln_1p()
    }

    pub(super) fn hits(&self, account: u16) -> &[Hit] {
        self.hits.get(&account).map_or(&[], Vec::as_slice)
    }
}

impl Report {
    fn explained_by(&self, history: &History, posting: Posting) -> bool {
        let (from, until) = self.current;
        posting.first_hour() <= self.hour_max.min(until)
            && posting.last_hour() >= from
            && (self.known.is_empty() || history.shown(posting).contains(self.known))
    }

    /// Hours between which a copy can have been taken that this report shows.
    pub(super) fn copy_hours(&self) -> (i64, i64) {
        (self.current.0, self.current.1.min(self.hour_max))
    }
}

pub(super) fn hour(time: Timestamp) -> i64 {
    time.0.div_euclid(3_600_000_000)
}

/// Returns the moment at which an hour begins.
pub(super) fn hour_start(hour: i64) -> Timestamp {
    Timestamp(hour.saturating_mul(3_600_000_000))
}

/// One report per subject: the earliest time, all that any caller knew, the narrowest interval.
pub(super) fn merge(victims: &[Victim]) -> Vec<Victim> {
    let mut at: HashMap<String, usize> = HashMap::new();
    let mut merged: Vec<Victim> = Vec::new();
    for victim in victims {
        let place = *at.entry(victim.subject.to_string()).or_insert(merged.len());
        let Some(known) = merged.get_mut(place) else {
            merged.push(victim.clone());
            continue;
        };
        known.known = known.known.union(victim.known);
        known.reported_at = match (known.reported_at, victim.reported_at) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        known.current = known.current.or(victim.current);
        known.reliability = match (known.reliability, victim.reliability) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        };
    }
    merged
}

fn odds(victim: &Victim, options: &TraceOptions) -> ByNoise {
    let strayness = match victim.reliability.filter(|r| r.is_finite()) {
        Some(reliability) => {
            let reliability = reliability.clamp(0.005, 0.995);
            (1.0 - reliability) / reliability * ORDINARY / (1.0 - ORDINARY)
        }
        None if victim.known.0 & options.telling.0 != 0 => 0.4,
        None if !victim.known.is_empty() && !options.telling.is_empty() => 1.3,
        None => 1.0,
    };
    NOISE.map(|share| (1.0 - share) / (share * strayness))
}
