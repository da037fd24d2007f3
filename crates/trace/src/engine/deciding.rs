//! Which victims decide, and what one more would do.

use super::accounts;
use super::case::{Case, hour_start};
use super::populations;
use super::posterior::Posterior;
use crate::history::Explanation;
use crate::numeric::size;
use crate::outcome::{Evidence, NextReport, VictimView};

/// Views of so many leading accounts are listed.
const LISTED_ACCOUNTS: usize = 5;

/// Returns the part of every victim in the verdict.
pub(super) fn evidence(case: &Case, posterior: &Posterior) -> Vec<Evidence> {
    let first = posterior.leading().map_or_else(|| vec![0.0; case.reports.len()], |first| dense(case, first));
    let second = second_route(case, posterior);
    let mut all = Vec::new();
    for (at, report) in case.reports.iter().enumerate() {
        let density = |list: &[f64]| list.get(at).copied().unwrap_or(0.0);
        let mut views = Vec::new();
        for weighted in posterior.accounts.iter().take(LISTED_ACCOUNTS) {
            views.extend(view(case, at, weighted.account));
        }
        all.push(Evidence {
            subject: report.key.clone(),
            seen_by: report.seen_by.len(),
            favours_first: case.favour(at, density(&first), density(&second)),
            views,
        });
    }
    all
}

fn dense(case: &Case, account: u16) -> Vec<f64> {
    let mut densities = vec![0.0; case.reports.len()];
    for (at, density) in accounts::plain(case, account) {
        if let Some(slot) = densities.get_mut(at) {
            *slot = density;
        }
    }
    densities
}

/// Densities under the most probable route besides the first account.
fn second_route(case: &Case, posterior: &Posterior) -> Vec<f64> {
    let account = posterior.accounts.get(1);
    let source = posterior.sources.first();
    match (account, source) {
        (Some(account), Some((_, probability))) if account.probability > *probability => {
            dense(case, account.account)
        }
        (Some(account), None) => dense(case, account.account),
        (_, Some((source, _))) => populations::densities(case, source),
        (None, None) => vec![0.0; case.reports.len()],
    }
}

fn view(case: &Case, at: usize, account: u16) -> Option<VictimView> {
    let hits = case.hits(account);
    let hit = hits.get(hits.binary_search_by_key(&at, |hit| hit.victim).ok()?)?;
    let id = case.reports.get(at)?.id?;
    let of_account = case.history.postings(id).into_iter().filter(|posting| posting.account() == account);
    let mut explained = None;
    for posting in of_account {
        explained = match posting.explanation() {
            Explanation::Unknown => explained,
            Explanation::Explained => Some(explained.unwrap_or(true)),
            Explanation::Unexplained => Some(false),
        };
    }
    Some(VictimView {
        principal: case.history.name(account)?.clone(),
        first: hour_start(hit.first),
        last: hour_start(hit.last),
        explained: if hit.unexplained { Some(false) } else { explained },
    })
}

/// Returns the first account's probability after one more ordinary report. An approximation: the next victim
/// is taken to be like those that the account saw.
pub(super) fn next_report(case: &Case, posterior: &Posterior) -> Option<NextReport> {
    let first = posterior.accounts.first()?;
    let seen: Vec<usize> = case.hits(first.account).iter().map(|hit| hit.victim).collect();
    let typical = |densities: &[f64]| {
        let of = |at: &usize| case.favour(*at, densities.get(*at).copied().unwrap_or(0.0), 0.0).exp();
        seen.iter().map(of).sum::<f64>() / size(seen.len().max(1))
    };
    let (mut others_seen, mut others_not) = (0.0, 0.0);
    let mut rest = 1.0 - first.probability;
    for other in posterior.accounts.iter().skip(1).take(8) {
        others_seen += other.probability * typical(&dense(case, other.account));
        others_not += other.probability;
        rest -= other.probability;
    }
    for (source, probability) in posterior.sources.iter().take(8) {
        let factor = typical(&populations::densities(case, source));
        others_seen += probability * factor;
        // A population shows other victims about as readily as those that the account saw.
        others_not += probability * factor.max(1.0);
        rest -= probability;
    }
    let rest = rest.max(0.0);
    let mine = first.probability * typical(&dense(case, first.account));
    let part = |mine: f64, others: f64| if mine > 0.0 { mine / (mine + others) } else { 0.0 };
    Some(NextReport {
        principal: case.history.name(first.account)?.clone(),
        if_seen: part(mine, others_seen + rest),
        if_not_seen: part(first.probability, others_not + rest),
    })
}
