//! The distinct subjects of each principal, collected.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rastro_ledger::SUBJECTS_MAX;
use rastro_model::Principal;

use crate::columns::Malformed;
use crate::packed::{self, WAYS_MAX};
use crate::row::{Combination, Disclosed, Exposed, Key, ints_of, set_of};

/// Text keys in one coded set: they are unpacked into bounded memory.
const TEXTS_MAX: usize = 1 << 16;

/// Collects rows of `disclosures` in their order.
#[derive(Debug, Default)]
pub(crate) struct Exposures(HashMap<Principal, Seen>);

impl Exposures {
    pub(crate) fn add(&mut self, principal: &Principal, row: &Disclosed) {
        if matches!(row.key, Key::Unattributed(_)) {
            return;
        }
        if !self.0.contains_key(principal) {
            self.0.insert(principal.clone(), Seen::default());
        }
        if let Some(seen) = self.0.get_mut(principal) {
            seen.add(&row.combination, row.key.class(), std::iter::once(row.key.clone()), 1);
        }
    }

    /// Returns the rows of `exposure`.
    pub(crate) fn finish(self) -> Vec<Exposed> {
        let mut principals: Vec<_> = self.0.into_iter().collect();
        principals.sort_by(|a, b| a.0.cmp(&b.0));
        principals.into_iter().flat_map(|(principal, seen)| seen.rows(&principal)).collect()
    }
}

/// Whom one principal was shown, by kind, type and way.
#[derive(Debug, Default)]
pub(crate) struct Seen(BTreeMap<(Arc<str>, u8), OfKind>);

#[derive(Debug, Default, PartialEq)]
struct OfKind {
    ways: BTreeMap<Arc<Combination>, Vec<Key>>,
    disclosures: u64,
}

impl Seen {
    /// Adds keys, each at most once in a row, that so many rows of `disclosures` are about.
    pub(crate) fn add(
        &mut self,
        way: &Arc<Combination>,
        class: u8,
        keys: impl Iterator<Item = Key>,
        disclosures: u64,
    ) {
        let of_kind = self.0.entry((Arc::clone(&way.kind), class)).or_default();
        of_kind.disclosures += disclosures;
        let known = match of_kind.ways.get_mut(way) {
            Some(known) => known,
            None => of_kind.ways.entry(Arc::clone(way)).or_default(),
        };
        for key in keys {
            if known.last() != Some(&key) {
                known.push(key);
            }
        }
    }

    /// Adds what a row says.
    pub(crate) fn add_row(&mut self, row: &Exposed) -> Result<(), Malformed> {
        let mut disclosures = row.disclosures;
        for (way, subjects) in row.sets()? {
            self.add(&way, row.class, Key::all_of(&subjects), std::mem::take(&mut disclosures));
        }
        Ok(())
    }

    /// Returns whether both say the same, however it is spread over rows.
    pub(crate) fn says(mut self, mut other: Seen) -> bool {
        for seen in [&mut self, &mut other] {
            for of_kind in seen.0.values_mut() {
                of_kind.ways.values_mut().for_each(put_in_order);
                of_kind.ways.retain(|_, keys| !keys.is_empty());
            }
        }
        self.0 == other.0
    }

    /// Returns the rows of `exposure`, as many as are needed.
    pub(crate) fn rows(self, principal: &Principal) -> Vec<Exposed> {
        let mut rows = Vec::new();
        for ((_, class), OfKind { ways, mut disclosures }) in self.0 {
            let mut ways: Vec<(Arc<Combination>, Vec<Key>)> = ways.into_iter().collect();
            ways.iter_mut().for_each(|(_, keys)| put_in_order(keys));
            // Integers are coded with the ways they were shown in: many were in more than one.
            let together = if class == 0 { WAYS_MAX } else { 1 };
            for ways in ways.chunks(together) {
                for (subjects, coded) in coded_sets(class, ways) {
                    rows.push(Exposed {
                        principal: principal.clone(),
                        ways: ways.iter().map(|(way, _)| Arc::clone(way)).collect(),
                        class,
                        subjects,
                        // Counted once, in the first row.
                        disclosures: std::mem::take(&mut disclosures),
                        coded,
                    });
                }
            }
        }
        rows
    }
}

fn put_in_order(keys: &mut Vec<Key>) {
    if !keys.is_sorted() {
        keys.sort_unstable();
    }
    keys.dedup();
}

/// Returns the keys of some ways in as many coded sets as they need, each with the number of its subjects.
fn coded_sets(class: u8, ways: &[(Arc<Combination>, Vec<Key>)]) -> Vec<(u64, Vec<u8>)> {
    if let [(_, keys)] = ways {
        let most = if class == 2 { TEXTS_MAX } else { SUBJECTS_MAX };
        let sets = keys.chunks(most).map(|keys| set_of(class, keys.iter().cloned()));
        return sets.map(|set| (set.len() as u64, packed::encode_least(&set))).collect();
    }
    let mut marked: Vec<(i64, u8)> = Vec::new();
    for (way, (_, keys)) in ways.iter().enumerate() {
        marked.extend(ints_of(keys).map(|key| (key, 1 << way)));
    }
    marked.sort_unstable();
    marked.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 |= next.1;
        }
        same
    });
    let coded = marked.chunks(SUBJECTS_MAX).map(|some| {
        let (keys, marks): (Vec<i64>, Vec<u8>) = some.iter().copied().unzip();
        (keys.len() as u64, packed::encode_ways(&keys, &marks, ways.len()))
    });
    coded.collect()
}
