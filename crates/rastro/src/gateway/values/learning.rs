//! What the rows of the guarded database teach that the index does not know yet.

use std::sync::Arc;

use anyhow::ensure;
use rastro_attribution::HashKey;
use rastro_attribution::value_index::{Overlay, Owner, ValueIndex};

use super::source::{Column, Source};
use crate::gateway::catalogues::Snapshot;

/// Past this the changes become part of the table.
pub(super) const OVERLAY_MAX: usize = 500_000;

/// Compares values with an index and keeps those that are new.
pub(super) struct Learner {
    index: Arc<ValueIndex>,
    snapshot: Arc<Snapshot>,
    key: HashKey,
    learned: Overlay,
}

impl Learner {
    /// Begins to learn what `index` does not know; `snapshot` tells the types of keys.
    pub(super) fn new(index: Arc<ValueIndex>, snapshot: Arc<Snapshot>, key: HashKey) -> Learner {
        Learner { index, snapshot, key, learned: Overlay::default() }
    }

    /// Returns one that has learned nothing yet.
    pub(super) fn begin_anew(&self) -> Learner {
        Learner::new(Arc::clone(&self.index), Arc::clone(&self.snapshot), self.key)
    }

    /// Takes the value of a column in the row of `key`.
    ///
    /// # Errors
    /// More was learned than should be held in memory: the index has to be built anew.
    pub(super) fn take(
        &mut self,
        source: &Source,
        column: &Column,
        key: &str,
        value: &str,
    ) -> anyhow::Result<()> {
        let key = self.snapshot.catalogue.subject_key(source.kind(), key);
        let owner = Owner { kind: source.kind(), fields: column.fields, key };
        if !self.index.knows(value, &owner, column.texts) {
            self.learned.add(&self.key, value, owner, column.texts);
            ensure!(!self.is_full(), "more than {OVERLAY_MAX} values changed at once");
        }
        Ok(())
    }

    /// Returns whether more was learned than should be held in memory.
    pub(super) fn is_full(&self) -> bool {
        self.learned.len() > OVERLAY_MAX
    }

    /// Returns what was learned.
    pub(super) fn into_learned(self) -> Overlay {
        self.learned
    }
}
