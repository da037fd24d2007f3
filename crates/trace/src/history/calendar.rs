//! How many episodes began when, per account.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::Explanation;
use super::posting::Posting;
use super::shard::Shards;

/// Slots the whole time is divided into, at most.
const SLOTS_MAX: i64 = 512;
const DAY_HOURS: i64 = 24;

/// Counts of episodes by account and slot of time (a day, or longer if the history is longer than 512 days).
#[derive(Debug, Default)]
pub(crate) struct Calendar {
    first_hour: i64,
    slot_hours: i64,
    slots: usize,
    /// For each account, then for everyone: {all, unexplained} × running sums over slots, from 0.
    sums: Vec<u32>,
    accounts: usize,
    /// Since the sums were made: episodes by account and slot, {all, unexplained}.
    fresh: HashMap<u16, BTreeMap<usize, [u32; 2]>>,
}

impl Calendar {
    /// `hours`: the first and the last in which an episode begins.
    pub(super) fn build(shards: &Shards, accounts: usize, hours: Option<(i64, i64)>) -> Calendar {
        let Some((first_hour, last)) = hours else { return Calendar::default() };
        let hours = last - first_hour + 1;
        let slot_hours = DAY_HOURS.max((hours + SLOTS_MAX - 1) / SLOTS_MAX);
        let slots = usize::try_from((hours + slot_hours - 1) / slot_hours).unwrap_or(1);
        let (row, sums, fresh) = (slots + 1, Vec::new(), HashMap::new());
        let mut calendar = Calendar { first_hour, slot_hours, slots, sums, accounts, fresh };
        let of_accounts = || vec![0u32; accounts * 2 * row];
        let parts = shards.fold(of_accounts, |sums, _, list| {
            for bits in list {
                let posting = Posting(*bits);
                let slot = calendar.slot(posting.first_hour());
                let unexplained = posting.explanation() == Explanation::Unexplained;
                for kind in (0..2).take(1 + usize::from(unexplained)) {
                    let cell = (usize::from(posting.account()) * 2 + kind) * row + slot + 1;
                    if let Some(sum) = sums.get_mut(cell) {
                        *sum = sum.saturating_add(1);
                    }
                }
            }
        });
        calendar.sums = of_accounts();
        for part in parts {
            calendar.sums.iter_mut().zip(part).for_each(|(sum, part)| *sum = sum.saturating_add(part));
        }
        let mut of_all = vec![0u32; 2 * row];
        for account in calendar.sums.chunks(2 * row) {
            of_all.iter_mut().zip(account).for_each(|(sum, part)| *sum = sum.saturating_add(*part));
        }
        calendar.sums.append(&mut of_all);
        for row in calendar.sums.chunks_mut(row) {
            let mut sum = 0u32;
            for cell in row {
                sum = sum.saturating_add(*cell);
                *cell = sum;
            }
        }
        calendar
    }

    pub(crate) fn slots(&self) -> usize {
        self.slots
    }

    /// Returns the slot of an hour; the nearest for hours outside.
    pub(crate) fn slot(&self, hour: i64) -> usize {
        let slot = (hour - self.first_hour).max(0) / self.slot_hours.max(1);
        usize::try_from(slot).unwrap_or(0).min(self.slots.saturating_sub(1))
    }

    /// Returns the first hour of a slot.
    pub(crate) fn hour_of(&self, slot: usize) -> i64 {
        self.first_hour + i64::try_from(slot).unwrap_or(0) * self.slot_hours
    }

    /// Returns how many episodes of `account` (`None`: of all) began in `from..until`.
    pub(crate) fn count(&self, named: Option<u16>, unexplained: bool, from: usize, until: usize) -> f64 {
        let account = named.map_or(self.accounts, usize::from);
        let row = (account * 2 + usize::from(unexplained)) * (self.slots + 1);
        let at = |slot: usize| self.sums.get(row + slot.min(self.slots)).copied().unwrap_or(0);
        let is_settled = named.is_none_or(|account| usize::from(account) < self.accounts);
        let settled = if is_settled { f64::from(at(until).saturating_sub(at(from))) } else { 0.0 };
        let fresh = named.and_then(|account| self.fresh.get(&account));
        let counts = fresh.into_iter().flat_map(|slots| slots.range(from..until.max(from)));
        settled
            + counts.map(|(_, [all, bare])| f64::from(if unexplained { *bare } else { *all })).sum::<f64>()
    }

    /// Returns how steadily `account` is shown subjects: twice the share of its episodes that began outside the
    /// half of the time (in one piece) in which most did. About 1 if they began at all times, 0 if within a half.
    pub(super) fn steadiness(&self, account: u16) -> f64 {
        let half = self.slots.div_ceil(2);
        let count = |from: usize, until: usize| self.count(Some(account), false, from, until);
        let busiest = (0..=self.slots - half).map(|from| count(from, from + half)).fold(0.0, f64::max);
        2.0 * (1.0 - busiest / count(0, self.slots).max(1.0))
    }

    /// Counts an episode that came after the sums were made, for its account only.
    pub(super) fn add(&mut self, posting: Posting) {
        let slot = self.slot(posting.first_hour());
        let [all, bare] = self.fresh.entry(posting.account()).or_default().entry(slot).or_default();
        *all += 1;
        *bare += u32::from(posting.explanation() == Explanation::Unexplained);
    }

    pub(super) fn forget_fresh(&mut self) {
        self.fresh.clear();
    }
}
