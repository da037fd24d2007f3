//! What a reader must know.

use super::case::Case;
use crate::outcome::{Caveat, Trace};
use crate::victim::TraceOptions;

const FEW: usize = 5;
/// What simulated worlds held with which probabilities were calibrated, widened a little.
const VICTIMS_MAX: usize = 100;
const ACCOUNTS_USUAL: std::ops::RangeInclusive<usize> = 10..=10_000;
/// A population so many times what the history shows is worth a second look.
const POPULATION_TIMES_SEEN: u64 = 100;
/// Accounts that saw all but so many of the first one's victims are lookalikes.
const LOOKALIKE_SLACK: usize = 1;

/// Collects the caveats of a trace. `replaced`: a prior was no probability.
pub(super) fn collect(case: &Case, options: &TraceOptions, trace: &Trace, replaced: bool) -> Vec<Caveat> {
    let index = case.history.index();
    let mut caveats = Vec::new();
    let mut count = |number: usize, caveat: fn(usize) -> Caveat| {
        if number > 0 {
            caveats.push(caveat(number));
        }
    };
    let unknown = case.reports.iter().filter(|report| report.seen_by.is_empty()).count();
    let mut hit = vec![false; case.reports.len()];
    for at in case.hits.values().flatten() {
        if let Some(slot) = hit.get_mut(at.victim) {
            *slot = true;
        }
    }
    let reached = hit.iter().filter(|hit| **hit).count();
    count(case.duplicates, Caveat::Duplicates);
    count(unknown, Caveat::UnknownVictims);
    count(case.reports.len() - unknown - reached.min(case.reports.len() - unknown), Caveat::Unexplained);
    count(index.silent_accounts(), Caveat::SilentAccounts);
    if (1..FEW).contains(&case.reports.len()) {
        caveats.push(Caveat::FewVictims(case.reports.len()));
    }
    if case.reports.len() > VICTIMS_MAX {
        caveats.push(Caveat::ManyVictims(case.reports.len()));
    }
    if case.reports.is_empty() {
        caveats.push(Caveat::NoVictims);
    }
    if index.pairs() == 0 {
        caveats.push(Caveat::EmptyHistory);
    } else if !index.reasons_known {
        caveats.push(Caveat::NoReasons);
    }
    let accounts = index.accounts() - index.silent_accounts();
    if index.pairs() > 0 && !ACCOUNTS_USUAL.contains(&accounts) {
        caveats.push(Caveat::UnusualAccounts(accounts));
    }
    let seen = index.seen();
    match options.population {
        None => caveats.push(Caveat::PopulationUnknown),
        Some(given) if given < seen => caveats.push(Caveat::PopulationTooSmall { given, seen }),
        Some(given) if given / POPULATION_TIMES_SEEN >= seen && seen > 0 => {
            caveats.push(Caveat::PopulationLarge { given, seen });
        }
        Some(_) => {}
    }
    if replaced {
        caveats.push(Caveat::BadPrior);
    }
    caveats.extend(lookalikes(trace));
    caveats.push(Caveat::AccountNotPerson);
    caveats
}

fn lookalikes(trace: &Trace) -> Option<Caveat> {
    let first = trace.accounts.first().filter(|first| first.victims_seen > 1)?;
    let alike = trace.accounts.iter().skip(1).filter(|other| {
        other.victims_seen + LOOKALIKE_SLACK >= first.victims_seen
            && other.probability * 100.0 > first.probability
    });
    let others: Vec<_> = alike.map(|other| other.principal.clone()).take(5).collect();
    (!others.is_empty()).then(|| Caveat::Lookalikes { first: first.principal.clone(), others })
}
