//! From likelihoods to probabilities that sum to 1.

use std::collections::BTreeMap;

use super::accounts::{self, Scored};
use super::belief::Belief;
use super::case::{Case, hour_start};
use super::coincidence::Coincidence;
use super::colleagues;
use super::collusion::{self, Together};
use super::populations::{self, Source, Weighed};
use crate::history::History;
use crate::numeric::{log_sum_exp, real, size};
use crate::outcome::{AccountScore, Collusion, PopulationScore, Trace};
use crate::victim::Prior;

/// Below this a collusion or population is not listed.
const LISTED_MIN: f64 = 1e-4;

/// Every route with its probability.
#[derive(Debug)]
pub(super) struct Posterior {
    /// Accounts with hits, most probable first.
    pub(super) accounts: Vec<Weighted>,
    /// Sources other than single accounts, most probable first; `Unknown` once.
    pub(super) sources: Vec<(Source, f64)>,
    together: Vec<(Together, f64)>,
    /// Probability of all accounts without a hit.
    without_hits: f64,
    /// Log-likelihood if no account is the route.
    otherwise: f64,
}

/// One account.
#[derive(Debug)]
pub(super) struct Weighted {
    pub(super) account: u16,
    pub(super) probability: f64,
    involved: f64,
    likelihood: f64,
}

/// Ties of probability (both underflown) are settled by the likelihood.
fn best_first(a: &Weighted, b: &Weighted) -> std::cmp::Ordering {
    let by_probability = b.probability.total_cmp(&a.probability);
    by_probability.then(b.likelihood.total_cmp(&a.likelihood)).then(a.account.cmp(&b.account))
}

/// Returns the prior, with whatever is not a probability replaced; and whether anything was.
pub(super) fn usable(prior: Prior) -> (Prior, bool) {
    let usual = Prior::default();
    let check = |given: f64, usual: f64| if given > 0.0 && given < 1.0 { given } else { usual };
    let checked = Prior {
        unknown_route: check(prior.unknown_route, usual.unknown_route),
        several_accounts: check(prior.several_accounts, usual.several_accounts),
    };
    (checked, checked != prior)
}

impl Posterior {
    /// Weighs all routes.
    pub(super) fn weigh(case: &Case, prior: Prior) -> Posterior {
        let scored = accounts::score(case);
        let weighed = populations::weigh(case, &scored);
        let together = collusion::score(case, &scored);
        let otherwise = log_sum_exp(weighed.iter().map(|weighed| weighed.joint));
        let belief = Belief::new(case);
        if belief.accounts() < 1.0 {
            let joint = Joint {
                scored: &[],
                shares: &[],
                together: &[],
                single: 0.0,
                several: 0.0,
                otherwise: 0.0,
                silent: None,
            };
            return Posterior::normalise(case, &weighed, &joint);
        }
        let count = belief.accounts();
        let routes = 1.0 - prior.unknown_route;
        let pairs = (count * (count - 1.0) / 2.0).max(1.0);
        let shares: Vec<f64> = scored.iter().map(|scored| belief.share(case, scored.account)).collect();
        let silent = if size(scored.len()) < count { 1.0 - shares.iter().sum::<f64>() } else { 0.0 };
        let joint = Joint {
            scored: &scored,
            together: &together,
            shares: &shares,
            single: (routes * (1.0 - prior.several_accounts)).ln(),
            several: (routes * prior.several_accounts / pairs).ln(),
            otherwise: prior.unknown_route.ln(),
            silent: (silent > 0.0).then(|| silent.ln() + accounts::without_hits(case)),
        };
        let mut posterior = Posterior::normalise(case, &weighed, &joint);
        posterior.otherwise = otherwise;
        posterior.hold_back(case, prior.unknown_route);
        posterior
    }

    fn normalise(case: &Case, weighed: &[Weighed], joint: &Joint) -> Posterior {
        let believed = joint.scored.iter().zip(joint.shares);
        let singles: Vec<f64> = believed.map(|(s, share)| s.likelihood + share.ln() + joint.single).collect();
        let groups: Vec<f64> = joint.together.iter().map(|t| t.likelihood + joint.several).collect();
        let sources: Vec<f64> = weighed.iter().map(|w| w.joint + joint.otherwise).collect();
        let silent = joint.silent.map_or(f64::NEG_INFINITY, |silent| silent + joint.single);
        let every = singles.iter().chain(&groups).chain(&sources).copied().chain([silent]);
        let total = log_sum_exp(every);
        let share = |joint: f64| (joint - total).exp();
        let mut accounts: BTreeMap<u16, Weighted> = BTreeMap::new();
        for (scored, joint) in joint.scored.iter().zip(&singles) {
            let Scored { account, likelihood } = *scored;
            let probability = share(*joint);
            accounts.insert(account, Weighted { account, probability, involved: probability, likelihood });
        }
        let mut together = Vec::new();
        for (group, joint) in joint.together.iter().zip(&groups) {
            let probability = share(*joint);
            for (member, part) in &group.members {
                if let Some(account) = accounts.get_mut(member) {
                    account.probability += part * probability;
                    account.involved += probability;
                }
            }
            together.push((group.clone(), probability));
        }
        let mut accounts: Vec<Weighted> = accounts.into_values().collect();
        accounts.sort_by(best_first);
        together.sort_by(|a, b| b.1.total_cmp(&a.1));
        let sources =
            join(case, weighed.iter().zip(sources).map(|(w, joint)| (w.source.clone(), share(joint))));
        Posterior { accounts, sources, together, without_hits: share(silent), otherwise: 0.0 }
    }

    /// Gives what exceeds the limits set by coincidence and by colleagues back to the unknown route.
    fn hold_back(&mut self, case: &Case, unknown: f64) {
        let chance = Coincidence::new(case);
        let mut returned = 0.0;
        for account in self.accounts.iter_mut().take_while(|account| account.probability > 1e-6) {
            let alone = chance.limit(case.hits(account.account).len(), unknown);
            let limit = colleagues::limit(case, account.account, account.involved.min(alone), unknown);
            if account.involved > limit {
                let kept = account.probability * limit / account.involved;
                returned += account.probability - kept;
                account.probability = kept;
                account.involved = limit;
            }
        }
        if let Some((_, probability)) = self.sources.iter_mut().find(|(source, _)| *source == Source::Unknown)
        {
            *probability += returned;
        }
        self.sources.sort_by(|a, b| b.1.total_cmp(&a.1));
        self.accounts.sort_by(best_first);
    }

    /// Returns the most probable account.
    pub(super) fn leading(&self) -> Option<u16> {
        self.accounts.first().map(|first| first.account)
    }

    /// Lists at most `most` accounts and as many populations.
    pub(super) fn list(&self, case: &Case, most: usize) -> Trace {
        let history = case.history;
        let mut trace = Trace { victims: case.reports.len(), ..Trace::default() };
        for weighted in self.accounts.iter().take(most) {
            trace.accounts.extend(self.account(case, weighted));
        }
        for (source, probability) in &self.sources {
            if *source == Source::Unknown {
                trace.unknown_route += probability;
            } else if *probability >= LISTED_MIN && trace.populations.len() < most {
                trace.populations.push(describe(case, source, *probability));
            }
        }
        let name = |(account, share): &(u16, f64)| Some((history.name(*account)?.clone(), *share));
        for (group, probability) in self.together.iter().filter(|(_, p)| *p >= LISTED_MIN).take(most) {
            let members = group.members.iter().filter_map(name).collect();
            trace.collusions.push(Collusion { members, probability: *probability });
        }
        let listed: f64 = trace.accounts.iter().map(|account| account.probability).sum::<f64>()
            + trace.populations.iter().map(|population| population.probability).sum::<f64>();
        let rest = (1.0 - listed).clamp(0.0, 1.0);
        trace.unlisted = (rest - trace.unknown_route).max(0.0).max(self.without_hits.min(rest));
        trace.unknown_route = rest;
        trace
    }

    fn account(&self, case: &Case, weighted: &Weighted) -> Option<AccountScore> {
        let hits = case.hits(weighted.account);
        Some(AccountScore {
            principal: case.history.name(weighted.account)?.clone(),
            probability: weighted.probability,
            involved: weighted.involved,
            log10_bayes_factor: (weighted.likelihood - self.otherwise) / std::f64::consts::LN_10,
            victims_seen: hits.len(),
            exposed: case.history.index().exposed(weighted.account),
            first: hits.iter().map(|hit| hit.first).min().map(hour_start),
            last: hits.iter().map(|hit| hit.last).max().map(hour_start),
        })
    }
}

/// Logarithms of what goes into the posterior: likelihoods and prior shares.
struct Joint<'a> {
    scored: &'a [Scored],
    /// Of the belief in a single route, by scored account.
    shares: &'a [f64],
    together: &'a [Together],
    single: f64,
    several: f64,
    otherwise: f64,
    /// Log of the sum of likelihoods of accounts without a hit.
    silent: Option<f64>,
}

/// Sums the parts of each source; the unknown route comes first in doubt.
fn join(case: &Case, parts: impl Iterator<Item = (Source, f64)>) -> Vec<(Source, f64)> {
    let mut joined: Vec<(Source, f64)> = Vec::new();
    let mut unknown = 0.0;
    let mut by_members: BTreeMap<Vec<u16>, usize> = BTreeMap::new();
    for (source, probability) in parts {
        if source == Source::Unknown {
            unknown += probability;
            continue;
        }
        let key = holders(case.history, case, &source);
        match by_members.get(&key).and_then(|at| joined.get_mut(*at)).filter(|_| !key.is_empty()) {
            Some((_, sum)) => *sum += probability,
            None => {
                by_members.insert(key, joined.len());
                joined.push((source, probability));
            }
        }
    }
    joined.push((Source::Unknown, unknown));
    joined.sort_by(|a, b| b.1.total_cmp(&a.1));
    joined
}

fn holders(history: &History, case: &Case, source: &Source) -> Vec<u16> {
    match source {
        Source::Unknown | Source::Cohorts(..) => Vec::new(),
        Source::Broad(account) => vec![*account],
        Source::Group(number) => {
            history.index().groups.get(*number).map(|group| group.members.clone()).unwrap_or_default()
        }
        Source::Neighbourhood(account, nearest) => populations::neighbourhood(case, *account, *nearest).0,
    }
}

fn describe(case: &Case, source: &Source, probability: f64) -> PopulationScore {
    let history = case.history;
    let index = history.index();
    let name = |account: &u16| history.name(*account).cloned();
    let members = holders(history, case, source);
    let densities = populations::densities(case, source);
    let (title, subjects) = match source {
        Source::Unknown => ("everyone".to_owned(), case.population),
        Source::Cohorts(a, b) if a == b => {
            (history.cohort_name(*a).to_owned(), index.cohort_mass(*a, *a).subjects)
        }
        Source::Cohorts(a, b) => (
            format!("{} and {}", history.cohort_name(*a), history.cohort_name(*b)),
            index.cohort_mass(*a, *b).subjects,
        ),
        Source::Broad(account) => (
            format!("subjects shown to `{}`", name(account).map_or(String::new(), |p| p.to_string())),
            real(index.exposed(*account)),
        ),
        Source::Group(number) => {
            let group = index.groups.get(*number);
            let title =
                group.and_then(|group| group.name.clone()).map(|team| format!("subjects of team `{team}`"));
            let learned = || format!("subjects that {} accounts share", members.len());
            (title.unwrap_or_else(learned), group.map_or(0.0, |group| group.subjects))
        }
        Source::Neighbourhood(account, _) => (
            format!(
                "subjects of `{}` and {} accounts that share them",
                name(account).map_or(String::new(), |p| p.to_string()),
                members.len().saturating_sub(1)
            ),
            members.iter().map(|member| real(index.exposed(*member))).sum(),
        ),
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of subjects")]
    let subjects = subjects.round() as u64;
    PopulationScore {
        name: title,
        holders: members.iter().filter_map(name).collect(),
        probability,
        victims_seen: densities.iter().filter(|density| **density > 0.0).count(),
        subjects,
    }
}
