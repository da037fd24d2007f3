//! The files of the index, and the state of it that sessions read.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use rastro_attribution::HashKey;
use rastro_attribution::value_index::{IndexBuilder, IndexTable, Overlay, OverlayJournal, ValueIndex};

use super::learning::OVERLAY_MAX;
use crate::gateway::{Gateway, metric};

/// The index on disk.
pub(super) struct Store {
    directory: PathBuf,
    key: HashKey,
    print: [u8; 16],
    journal: OverlayJournal,
    // Learned, and not in the journal: the disk failed.
    unkept: Overlay,
}

impl Store {
    /// Joins what an index is kept in.
    pub(super) fn new(directory: PathBuf, key: HashKey, print: [u8; 16], journal: OverlayJournal) -> Store {
        Store { directory, key, print, journal, unkept: Overlay::default() }
    }

    /// Returns the key of the hashes.
    pub(super) fn key(&self) -> HashKey {
        self.key
    }

    /// Begins a new table.
    ///
    /// # Errors
    /// The disk fails.
    pub(super) fn builder(&self) -> anyhow::Result<IndexBuilder> {
        Ok(IndexBuilder::new(&self.directory, self.key, self.print)?)
    }

    /// Puts a new table, with what was known before, in the place of the index.
    ///
    /// # Errors
    /// The disk fails; the index stays as it was.
    pub(super) async fn finish(
        &mut self,
        gateway: &Gateway,
        mut builder: IndexBuilder,
        before: Option<&IndexTable>,
        learned: &Overlay,
    ) -> anyhow::Result<()> {
        if let Some(before) = before {
            builder.add_table(before)?;
        }
        builder.add_overlay(learned)?;
        let path = self.directory.join("index");
        let table = tokio::task::spawn_blocking(move || builder.finish(&path)).await??;
        self.journal.clear()?;
        self.unkept = Overlay::default();
        publish(gateway, ValueIndex::new(Arc::new(table), Arc::default()));
        Ok(())
    }

    /// Adds values to the index; returns whether so many were added that it has to be built anew.
    ///
    /// # Errors
    /// The disk fails; the values are known until a restart, and kept with the next that are learned.
    pub(super) fn learn(&mut self, gateway: &Gateway, learned: &Overlay) -> anyhow::Result<bool> {
        let index = gateway.values.load_full().context("the index is not built yet")?;
        let mut known = index.overlay().len();
        if !learned.is_empty() {
            let mut overlay = (**index.overlay()).clone();
            overlay.unite(learned);
            known = overlay.len();
            publish(gateway, ValueIndex::new(Arc::clone(index.table()), Arc::new(overlay)));
            self.unkept.unite(learned);
        }
        if !self.unkept.is_empty() {
            self.journal.append(&self.unkept).context("a restart would forget changed values")?;
            self.unkept = Overlay::default();
        }
        Ok(known > OVERLAY_MAX)
    }
}

fn publish(gateway: &Gateway, index: ValueIndex) {
    metric::values_indexed(index.table().entries(), index.overlay().len());
    gateway.values.store(Some(Arc::new(index)));
}
