use super::super::Explanation;
use super::super::posting::Posting;
use super::{MAX_COHORTS, Mass, Slice, bits};
use crate::numeric::real;

/// Sums over a part of the subjects; whole numbers, so that they are the same however the subjects are divided.
#[derive(Debug, Default)]
pub(super) struct Sums {
    pub(super) seen: u64,
    pub(super) pairs: u64,
    pub(super) reasons_known: bool,
    /// First and last hour in which an episode begins.
    pub(super) hours: Option<(i64, i64)>,
    pub(super) exposed: Vec<u32>,
    /// Subjects and their exposure, by pair of cohorts.
    cohort_mass: Vec<(u64, u64)>,
    cohorts: usize,
    weights: Vec<u64>,
    /// Accounts that saw the subject being counted, and whether without a reason.
    distinct: Vec<(u16, bool)>,
}

/// Returns the place of a slice of `account` among weights where there are `cohorts`.
pub(super) fn cell(cohorts: usize, account: u16, slice: Slice) -> usize {
    let cohort = slice.cohort.map_or(0, |cohort| cohort + 1);
    let row = usize::from(account) * (1 + cohorts) + cohort;
    row * 4 + usize::from(slice.unexplained) * 2 + usize::from(slice.by_exposure)
}

impl Sums {
    pub(super) fn new(accounts: usize, cohorts: usize) -> Sums {
        let pairs = if cohorts > 0 { MAX_COHORTS * MAX_COHORTS } else { 0 };
        Sums {
            exposed: vec![0; accounts],
            cohort_mass: vec![(0, 0); pairs],
            cohorts,
            weights: vec![0; accounts * (1 + cohorts) * 4],
            ..Sums::default()
        }
    }

    /// Counts a subject of these `cohorts` with its episodes.
    pub(super) fn count(&mut self, cohorts: u64, list: &[u64]) {
        self.distinct.clear();
        for bits in list {
            let posting = Posting(*bits);
            let explanation = posting.explanation();
            self.reasons_known |= explanation != Explanation::Unknown;
            let unexplained = explanation == Explanation::Unexplained;
            let hour = posting.first_hour();
            let (first, last) = self.hours.unwrap_or((hour, hour));
            self.hours = Some((first.min(hour), last.max(hour)));
            match self.distinct.last_mut() {
                Some((account, flag)) if *account == posting.account() => *flag |= unexplained,
                _ => self.distinct.push((posting.account(), unexplained)),
            }
        }
        let accounts = std::mem::take(&mut self.distinct);
        let seen_by = u64::try_from(accounts.len()).unwrap_or(0);
        self.seen += 1;
        self.pairs += seen_by;
        for i in bits(cohorts) {
            for j in bits(cohorts).filter(|j| *j >= i) {
                if let Some((subjects, exposure)) = self.cohort_mass.get_mut(i * MAX_COHORTS + j) {
                    *subjects += 1;
                    *exposure += seen_by;
                }
            }
        }
        for (account, unexplained) in &accounts {
            if let Some(count) = self.exposed.get_mut(usize::from(*account)) {
                *count += 1;
            }
            for cohort in std::iter::once(None).chain(bits(cohorts).map(Some)) {
                self.weigh(*account, cohort, *unexplained, seen_by + 1);
            }
        }
        self.distinct = accounts;
    }

    fn weigh(&mut self, account: u16, cohort: Option<usize>, unexplained: bool, by_exposure: u64) {
        let first = cell(self.cohorts, account, Slice { cohort, unexplained: false, by_exposure: false });
        let Some(cells) = self.weights.get_mut(first..first + 4) else { return };
        let [all, all_weighed, bare, bare_weighed] = cells else { return };
        *all += 1;
        *all_weighed += by_exposure;
        if unexplained {
            *bare += 1;
            *bare_weighed += by_exposure;
        }
    }

    /// Adds what was counted of other subjects.
    pub(super) fn add(&mut self, other: &Sums) {
        self.seen += other.seen;
        self.pairs += other.pairs;
        self.reasons_known |= other.reasons_known;
        self.hours = match (self.hours, other.hours) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        };
        self.exposed.iter_mut().zip(&other.exposed).for_each(|(sum, part)| *sum += part);
        self.weights.iter_mut().zip(&other.weights).for_each(|(sum, part)| *sum += part);
        for (sum, part) in self.cohort_mass.iter_mut().zip(&other.cohort_mass) {
            *sum = (sum.0 + part.0, sum.1 + part.1);
        }
    }

    pub(super) fn cohort_mass(&self) -> Vec<Mass> {
        let mass =
            |(subjects, exposure): &(u64, u64)| Mass { subjects: real(*subjects), exposure: real(*exposure) };
        self.cohort_mass.iter().map(mass).collect()
    }

    pub(super) fn weights(&self) -> Vec<f32> {
        #[expect(clippy::cast_precision_loss, reason = "a weight needs no more digits")]
        let weight = |sum: &u64| *sum as f32;
        self.weights.iter().map(weight).collect()
    }
}
