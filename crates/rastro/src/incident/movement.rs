use serde::Serialize;

use super::{Case, verdict};

/// Reports of which each is traced; before that only the last counts.
const STEPS_MAX: usize = 200;

/// Where the investigation stood after a report.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Step {
    /// Reports so far.
    pub(crate) reports: usize,
    /// Whom the last one was about.
    pub(crate) subject: String,
    /// The most probable account.
    pub(crate) principal: Option<String>,
    /// Its probability.
    pub(crate) probability: f64,
    /// That of no recorded account.
    pub(crate) unknown_route: f64,
    /// That of populations.
    pub(crate) populations: f64,
    /// Accounts named.
    pub(crate) named: Vec<String>,
    /// One sentence.
    pub(crate) verdict: String,
}

impl Case {
    /// Traces after each report from the `known`-th on, at most the last 200.
    pub(crate) fn steps_after(&self, known: usize) -> Vec<Step> {
        let first = known.max(self.victims.len().saturating_sub(STEPS_MAX));
        (first..self.victims.len()).map(|at| self.step(at + 1)).collect()
    }

    /// Traces after the first `reports` reports.
    pub(crate) fn step(&self, reports: usize) -> Step {
        let trace = self.trace_first(reports);
        let said = verdict(&trace);
        let subject = reports.checked_sub(1).and_then(|last| self.victims.get(last));
        let first = trace.accounts.first();
        Step {
            reports,
            subject: subject.map(|victim| victim.subject.to_string()).unwrap_or_default(),
            principal: first.map(|account| account.principal.to_string()),
            probability: first.map_or(0.0, |account| account.involved),
            unknown_route: trace.unknown_route,
            populations: trace.populations.iter().map(|population| population.probability).sum(),
            named: said.named,
            verdict: said.sentence,
        }
    }
}
