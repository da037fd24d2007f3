//! The distinct subjects of each principal, collected.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rastro_ledger::SUBJECTS_MAX;
use rastro_model::Principal;

use crate::packed;
use crate::row::{Combination, Disclosed, Exposed, Key, set_of};

/// Text keys in one coded set: they are unpacked into bounded memory.
const TEXTS_MAX: usize = 1 << 16;

/// Collects rows of `disclosures` in their order.
#[derive(Debug, Default)]
pub(crate) struct Exposures(HashMap<Principal, BTreeMap<(Arc<Combination>, u8), Seen>>);

#[derive(Debug, Default)]
struct Seen {
    keys: Vec<Key>,
    disclosures: u64,
}

impl Exposures {
    pub(crate) fn add(&mut self, principal: &Principal, row: &Disclosed) {
        if matches!(row.key, Key::Unattributed(_)) {
            return;
        }
        if !self.0.contains_key(principal) {
            self.0.insert(principal.clone(), BTreeMap::new());
        }
        let Some(of_principal) = self.0.get_mut(principal) else { return };
        let seen = of_principal.entry((Arc::clone(&row.combination), row.key.class())).or_default();
        seen.disclosures += 1;
        if seen.keys.last() != Some(&row.key) {
            seen.keys.push(row.key.clone());
        }
    }

    /// Returns the rows of `exposure`.
    pub(crate) fn finish(self) -> Vec<Exposed> {
        let mut principals: Vec<_> = self.0.into_iter().collect();
        principals.sort_by(|a, b| a.0.cmp(&b.0));
        let mut rows = Vec::new();
        for (principal, seen) in principals {
            for ((combination, class), Seen { keys, disclosures }) in seen {
                push_rows(&mut rows, &principal, &combination, class, keys, disclosures);
            }
        }
        rows
    }
}

/// Codes the distinct keys of one principal and combination, rising, into as many rows as they need.
pub(crate) fn push_rows(
    rows: &mut Vec<Exposed>,
    principal: &Principal,
    combination: &Arc<Combination>,
    class: u8,
    keys: Vec<Key>,
    disclosures: u64,
) {
    let most = if class == 2 { TEXTS_MAX } else { SUBJECTS_MAX };
    let mut keys = keys.into_iter().peekable();
    let mut left = disclosures;
    while keys.peek().is_some() {
        let subjects = set_of(class, keys.by_ref().take(most));
        rows.push(Exposed {
            principal: principal.clone(),
            combination: Arc::clone(combination),
            class,
            subjects: subjects.len() as u64,
            // Counted once, in the first row.
            disclosures: std::mem::take(&mut left),
            coded: packed::encode_least(&subjects),
        });
    }
}
