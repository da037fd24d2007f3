use std::path::PathBuf;

use rastro_intake::Report;
use rastro_model::Principal;
use rastro_trace::{Campaign, Trace, TraceOptions, Victim};

use super::from_ledger::read_ledger;
use super::from_logs::{LogSources, read_logs};
use super::kind::{kind_caveat, kind_of};
use super::reports::{settle_reports, victims_of};
use super::{Guarded, Record, Shown};
use crate::config::Config;

/// Accounts and populations that a trace lists; what is below them is summed.
const RANKED_MAX: usize = 1_000;

/// Where the history comes from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// The ledger below this directory.
    Ledger(PathBuf),
    /// Access logs.
    Logs(LogSources),
}

/// A history and the reports against it.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) record: Record,
    /// In the order of their reports; a subject may be there twice.
    pub(crate) victims: Vec<Victim>,
    /// Subjects in all, if known.
    pub(crate) population: Option<u64>,
    /// What reading and resolving have to say.
    pub(crate) caveats: Vec<String>,
}

impl Case {
    /// Reads the history and settles whom the reports are about: subjects of the `kind` given, or of the one that
    /// the reports suggest. `population` as given by a person wins over what the database says.
    ///
    /// # Errors
    /// There is no ledger or no such kind, a file cannot be used, or the database is needed and does not answer.
    pub(crate) fn open(
        source: &Source,
        config: Option<&Config>,
        kind: Option<&str>,
        reports: Vec<Report>,
        population: Option<u64>,
    ) -> anyhow::Result<Case> {
        let subject = config.map(|config| kind_of(config, kind, &reports)).transpose()?;
        let guarded = config.zip(subject).map(|(config, subject)| Guarded::new(config, &subject.name));
        let guarded = guarded.transpose()?;
        let reported = settle_reports(reports, guarded.as_ref())?;
        let mut caveats = reported.caveats;
        let kinds = config.map_or(0, |config| config.subject.len());
        caveats.extend(subject.and_then(|subject| kind_caveat(kinds, kind, &subject.name)));
        let population = population.or_else(|| {
            let counted = guarded.as_ref()?.population();
            counted.map_err(|error| caveats.push(format!("subjects could not be counted: {error:#}"))).ok()
        });
        let keys: Vec<String> = reported.reports.iter().map(|(subject, _)| subject.clone()).collect();
        let record = match source {
            Source::Logs(logs) => read_logs(logs, &keys)?,
            Source::Ledger(data_dir) => {
                let cohorts = guarded.as_ref().map(|guarded| guarded.cohorts(population.unwrap_or_default()));
                let cohorts = cohorts.unwrap_or_else(|| Ok(Vec::new())).unwrap_or_else(|error| {
                    caveats.push(format!("cohorts are not known: {error:#}"));
                    Vec::new()
                });
                let kind = subject.map(|subject| subject.name.as_str()).or(kind);
                read_ledger(data_dir, config, kind, &keys, &cohorts)?
            }
        };
        let victims = victims_of(&reported.reports, &record.fields)?;
        caveats.extend(record.caveats.iter().cloned());
        Ok(Case { record, victims, population, caveats })
    }

    /// Weighs the first `count` reports.
    pub(crate) fn trace_first(&self, count: usize) -> Trace {
        self.weigh(self.victims.get(..count).unwrap_or(&self.victims))
    }

    /// Weighs all reports.
    pub(crate) fn trace(&self) -> Trace {
        self.weigh(&self.victims)
    }

    /// Looks for leaks that go on at the same time; `whole` is the trace of all reports.
    pub(crate) fn campaigns(&self, whole: &Trace) -> Vec<Campaign> {
        self.record.history.campaigns(&self.victims, &self.options(), whole)
    }

    fn weigh(&self, victims: &[Victim]) -> Trace {
        self.record.history.trace(victims, &self.options())
    }

    fn options(&self) -> TraceOptions {
        // Tickets are known to few: a caller who names one has read it somewhere.
        let telling = self.record.fields.find("ticket");
        TraceOptions {
            population: self.population,
            telling,
            ranked_max: RANKED_MAX,
            ..TraceOptions::default()
        }
    }

    /// Returns all caveats: of the reports, of the record, of the model.
    pub(crate) fn all_caveats(&self, trace: &Trace) -> Vec<String> {
        self.caveats.iter().cloned().chain(trace.caveats.iter().map(ToString::to_string)).collect()
    }

    /// Returns the disclosures of victims to `principal`, by time.
    pub(crate) fn behind<'a>(&'a self, principal: &'a Principal) -> impl Iterator<Item = &'a Shown> {
        self.record.noted.iter().filter(move |shown| shown.principal == *principal)
    }

    /// Returns the lowest and the highest probability of each of the first `count` accounts of `trace` when
    /// any one report is left out: how much hangs on a single report. O(victims) traces; with more than
    /// `victims_max` victims, `None`.
    pub(crate) fn spread(&self, trace: &Trace, count: usize, victims_max: usize) -> Option<Vec<(f64, f64)>> {
        if self.victims.len() > victims_max {
            return None;
        }
        let leading: Vec<_> = trace.accounts.iter().take(count).collect();
        let mut spread: Vec<(f64, f64)> = leading.iter().map(|a| (a.involved, a.involved)).collect();
        for left_out in 0..self.victims.len() {
            let mut fewer = self.victims.clone();
            fewer.remove(left_out);
            let other = self.weigh(&fewer);
            for (account, (low, high)) in leading.iter().zip(&mut spread) {
                let found = other.accounts.iter().find(|found| found.principal == account.principal);
                let involved = found.map_or(0.0, |found| found.involved);
                (*low, *high) = (low.min(involved), high.max(involved));
            }
        }
        Some(spread)
    }
}
