mod sums;

use hashbrown::HashMap;

use self::sums::Sums;
use super::calendar::Calendar;
use super::cohorts::{Cohorts, MAX_COHORTS};
use super::fresh::Novelty;
use super::neighbours::{self, Group, Neighbours};
use super::posting::Posting;
use super::shard::Shards;
use super::{Explanation, PrincipalId};
use crate::numeric::{real, size};

/// Which part of what an account was shown is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slice {
    /// Only subjects of this cohort.
    pub(crate) cohort: Option<usize>,
    /// Only disclosures that no reason explains.
    pub(crate) unexplained: bool,
    /// Subjects weigh as many as the accounts that saw them, plus one.
    pub(crate) by_exposure: bool,
}

/// How many subjects, and their exposure.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mass {
    /// Distinct subjects.
    pub(crate) subjects: f64,
    /// Σ over them of how many accounts saw them.
    pub(crate) exposure: f64,
}

/// Sums over the whole history, made anew by every settling.
#[derive(Debug, Default)]
pub(crate) struct Index {
    seen: u64,
    pairs: u64,
    /// Whether any disclosure says whether a reason explains it.
    pub(crate) reasons_known: bool,
    /// Accounts that see so much that they are populations.
    pub(crate) broad: Vec<u16>,
    /// Teams, given or learned.
    pub(crate) groups: Vec<Group>,
    pub(crate) neighbours: Neighbours,
    /// Cohorts and pairs of cohorts (i ≤ j): `cohort_mass[i * MAX_COHORTS + j]`.
    cohort_mass: Vec<Mass>,
    cohorts: usize,
    accounts: usize,
    /// account × (1 + cohorts) × {all, unexplained} × {1, exposure + 1}.
    weights: Vec<f32>,
    exposed: Vec<u32>,
    groups_of: Vec<Vec<usize>>,
    /// How many episodes each account has by when.
    pub(crate) calendar: Calendar,
    fresh: Delta,
}

/// What was added since the sums were made.
#[derive(Debug, Default)]
struct Delta {
    seen: u64,
    pairs: u64,
    accounts: usize,
    exposed: HashMap<u16, u64>,
    weights: HashMap<usize, f64>,
}

impl Index {
    pub(super) fn build(
        shards: &Shards,
        cohorts: &Cohorts,
        accounts: usize,
        teams: &[(PrincipalId, String)],
    ) -> Index {
        let new = || Sums::new(accounts, cohorts.len());
        let parts = shards.fold(new, |sums, subject, list| sums.count(cohorts.of(subject), list));
        let mut sums = new();
        parts.iter().for_each(|part| sums.add(part));
        let mut index = Index {
            seen: sums.seen,
            pairs: sums.pairs,
            reasons_known: sums.reasons_known,
            cohort_mass: sums.cohort_mass(),
            cohorts: cohorts.len(),
            accounts,
            weights: sums.weights(),
            calendar: Calendar::build(shards, accounts, sums.hours),
            exposed: sums.exposed,
            ..Index::default()
        };
        index.broad = index.find_broad();
        let learned = neighbours::learn(shards, &index.exposed, &index.broad, index.pairs, teams);
        index.groups = learned.groups;
        index.neighbours = learned.neighbours;
        index.groups_of = vec![Vec::new(); accounts];
        for (number, group) in index.groups.iter().enumerate() {
            for account in &group.members {
                if let Some(list) = index.groups_of.get_mut(usize::from(*account)) {
                    list.push(number);
                }
            }
        }
        index
    }

    fn cell(&self, account: u16, slice: Slice) -> usize {
        sums::cell(self.cohorts, account, slice)
    }

    /// Counts one disclosure that came after the sums were made.
    pub(super) fn add(&mut self, posting: Posting, novelty: Novelty, cohorts: u64) {
        let account = posting.account();
        self.reasons_known |= posting.explanation() != Explanation::Unknown;
        self.fresh.seen += u64::from(novelty.subject);
        self.calendar.add(posting);
        if novelty.pair {
            self.fresh.pairs += 1;
            *self.fresh.exposed.entry(account).or_default() += 1;
        }
        for cohort in std::iter::once(None).chain(bits(cohorts).filter(|c| *c < self.cohorts).map(Some)) {
            for (unexplained, counts) in [(false, novelty.pair), (true, novelty.unexplained)] {
                for by_exposure in [false, true].into_iter().filter(|_| counts) {
                    let cell = self.cell(account, Slice { cohort, unexplained, by_exposure });
                    let weight = if by_exposure { size(novelty.seen_by) + 1.0 } else { 1.0 };
                    *self.fresh.weights.entry(cell).or_default() += weight;
                }
            }
        }
    }

    /// Forgets what [`Index::add`] counted.
    pub(super) fn forget_fresh(&mut self) {
        let accounts = self.fresh.accounts;
        self.fresh = Delta { accounts, ..Delta::default() };
        self.calendar.forget_fresh();
    }

    /// Counts one more account.
    pub(super) fn note_account(&mut self) {
        self.fresh.accounts += 1;
    }

    /// Returns how many distinct subjects were shown to somebody.
    pub(crate) fn seen(&self) -> u64 {
        self.seen + self.fresh.seen
    }

    /// Returns how many distinct pairs of account and subject there are.
    pub(crate) fn pairs(&self) -> u64 {
        self.pairs + self.fresh.pairs
    }

    /// Returns the weight of all subjects in this slice of `account`; 0 if there are none.
    pub(crate) fn weight(&self, account: u16, slice: Slice) -> f64 {
        let cell = self.cell(account, slice);
        let settled = self.weights.get(cell).copied().map_or(0.0, f64::from);
        settled + self.fresh.weights.get(&cell).copied().unwrap_or(0.0)
    }

    pub(crate) fn exposed(&self, account: u16) -> u64 {
        let settled = self.exposed.get(usize::from(account)).copied().map_or(0, u64::from);
        settled + self.fresh.exposed.get(&account).copied().unwrap_or(0)
    }

    /// Returns the groups that `account` is a member of.
    pub(crate) fn groups_of(&self, account: u16) -> &[usize] {
        self.groups_of.get(usize::from(account)).map_or(&[], Vec::as_slice)
    }

    /// Returns the exposure and the subjects of a group, with what was added since the sums were made.
    pub(crate) fn group_mass(&self, group: &Group) -> Mass {
        let fresh = group.members.iter().filter_map(|member| self.fresh.exposed.get(member));
        let added = real(fresh.sum::<u64>());
        Mass { subjects: group.subjects + added, exposure: group.exposure + added }
    }

    pub(crate) fn accounts(&self) -> usize {
        self.accounts + self.fresh.accounts
    }

    pub(crate) fn silent_accounts(&self) -> usize {
        let accounts = (0..=u16::MAX).take(self.accounts());
        accounts.filter(|account| self.exposed(*account) == 0).count()
    }

    /// Returns the seen subjects that belong to both cohorts.
    pub(crate) fn cohort_mass(&self, a: usize, b: usize) -> Mass {
        self.cohort_mass.get(a.min(b) * MAX_COHORTS + a.max(b)).copied().unwrap_or_default()
    }

    /// An account is broad if it saw more than 2% of all seen subjects and far more than its peers do, all the
    /// time (a harvest of some days or months does not make an account broad); or most of all subjects.
    fn find_broad(&self) -> Vec<u16> {
        let mut sizes: Vec<u32> = self.exposed.iter().copied().filter(|count| *count > 0).collect();
        sizes.sort_unstable();
        let median = sizes.get(sizes.len() / 2).copied().map_or(0.0, f64::from);
        let seen = real(self.seen);
        let is_broad = |account: u16, count: f64| {
            let usual = count * self.calendar.steadiness(account);
            usual > (0.02 * seen).max(10.0 * median) || count > (0.5 * seen).max(2.5 * median)
        };
        let counted = (0..=u16::MAX).zip(&self.exposed);
        let broad =
            counted.filter(|(account, count)| sizes.len() > 2 && is_broad(*account, f64::from(**count)));
        broad.map(|(account, _)| account).collect()
    }
}

/// Iterates over the set bits, rising.
pub(crate) fn bits(mut set: u64) -> impl Iterator<Item = usize> + Clone {
    std::iter::from_fn(move || {
        if set == 0 {
            return None;
        }
        let at = set.trailing_zeros();
        set &= set - 1;
        usize::try_from(at).ok()
    })
}
