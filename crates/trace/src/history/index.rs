use super::cohorts::{Cohorts, MAX_COHORTS};
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
    /// Distinct subjects shown to somebody.
    pub(crate) seen: u64,
    /// Distinct pairs of account and subject.
    pub(crate) pairs: u64,
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
}

impl Index {
    pub(super) fn build(
        shards: &Shards,
        cohorts: &Cohorts,
        accounts: usize,
        teams: &[(PrincipalId, String)],
    ) -> Index {
        let mut index = Index { cohorts: cohorts.len(), accounts, ..Index::default() };
        index.weights = vec![0.0; accounts * (1 + cohorts.len()) * 4];
        index.exposed = vec![0; accounts];
        if cohorts.len() > 0 {
            index.cohort_mass = vec![Mass::default(); MAX_COHORTS * MAX_COHORTS];
        }
        let mut distinct: Vec<(u16, bool)> = Vec::new();
        shards.each(|subject, list| {
            distinct.clear();
            for bits in list {
                let posting = Posting(*bits);
                let explanation = posting.explanation();
                index.reasons_known |= explanation != Explanation::Unknown;
                let unexplained = explanation == Explanation::Unexplained;
                match distinct.last_mut() {
                    Some((account, flag)) if *account == posting.account() => *flag |= unexplained,
                    _ => distinct.push((posting.account(), unexplained)),
                }
            }
            index.count(cohorts.of(subject), &distinct);
        });
        index.broad = index.find_broad();
        let learned = neighbours::learn(shards, &index.exposed, &index.broad, index.pairs, teams);
        index.groups = learned.groups;
        index.neighbours = learned.neighbours;
        index
    }

    fn count(&mut self, cohorts: u64, accounts: &[(u16, bool)]) {
        self.seen += 1;
        self.pairs += u64::try_from(accounts.len()).unwrap_or(0);
        let seen_by = size(accounts.len());
        for i in bits(cohorts) {
            for j in bits(cohorts).filter(|j| *j >= i) {
                if let Some(mass) = self.cohort_mass.get_mut(i * MAX_COHORTS + j) {
                    mass.subjects += 1.0;
                    mass.exposure += seen_by;
                }
            }
        }
        #[expect(clippy::cast_possible_truncation, reason = "a weight needs no more digits")]
        let by_exposure = (seen_by + 1.0) as f32;
        for (account, unexplained) in accounts {
            if let Some(count) = self.exposed.get_mut(usize::from(*account)) {
                *count += 1;
            }
            for cohort in std::iter::once(None).chain(bits(cohorts).map(Some)) {
                for unexplained in [false, true].into_iter().take(1 + usize::from(*unexplained)) {
                    for (weighted, weight) in [(false, 1.0), (true, by_exposure)] {
                        let slice = Slice { cohort, unexplained, by_exposure: weighted };
                        let cell = self.cell(*account, slice);
                        if let Some(sum) = self.weights.get_mut(cell) {
                            *sum += weight;
                        }
                    }
                }
            }
        }
    }

    fn cell(&self, account: u16, slice: Slice) -> usize {
        let cohort = slice.cohort.map_or(0, |cohort| cohort + 1);
        let row = usize::from(account) * (1 + self.cohorts) + cohort;
        row * 4 + usize::from(slice.unexplained) * 2 + usize::from(slice.by_exposure)
    }

    /// Returns the weight of all subjects in this slice of `account`; 0 if there are none.
    pub(crate) fn weight(&self, account: u16, slice: Slice) -> f64 {
        self.weights.get(self.cell(account, slice)).copied().map_or(0.0, f64::from)
    }

    pub(crate) fn exposed(&self, account: u16) -> u64 {
        self.exposed.get(usize::from(account)).copied().map_or(0, u64::from)
    }

    pub(crate) fn accounts(&self) -> usize {
        self.accounts
    }

    pub(crate) fn silent_accounts(&self) -> usize {
        self.exposed.iter().filter(|count| **count == 0).count()
    }

    /// Returns the seen subjects that belong to both cohorts.
    pub(crate) fn cohort_mass(&self, a: usize, b: usize) -> Mass {
        self.cohort_mass.get(a.min(b) * MAX_COHORTS + a.max(b)).copied().unwrap_or_default()
    }

    /// An account is broad if it saw more than 2% of all seen subjects and far more than its peers do.
    fn find_broad(&self) -> Vec<u16> {
        let mut sizes: Vec<u32> = self.exposed.iter().copied().filter(|count| *count > 0).collect();
        sizes.sort_unstable();
        let median = sizes.get(sizes.len() / 2).copied().map_or(0.0, f64::from);
        let seen = real(self.seen);
        let is_broad = |count: u32| {
            let count = f64::from(count);
            (count > 0.02 * seen && count > 10.0 * median) || (count > 0.5 * seen && count > 2.5 * median)
        };
        let broad = (0u16..).zip(&self.exposed).filter(|(_, count)| sizes.len() > 2 && is_broad(**count));
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
