//! The check that `exposure` says what the entries say.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rastro_ledger::{Content, Entry, Subjects};
use rastro_model::Principal;

use crate::archive::combination_of;
use crate::build::is_in_rows;
use crate::error::ArchiveError;
use crate::exposed::Seen;
use crate::open::OpenSegment;
use crate::row::{Exposed, Key, class_of};
use crate::table::{Combinations, Table, decode_exposure};

/// Collects what the entries of a segment say, principal by principal, and takes what agrees off the table.
pub(super) struct ExposureCheck {
    stored: HashMap<Principal, Vec<Exposed>>,
    seen: BTreeMap<Principal, Seen>,
    agrees: bool,
}

impl ExposureCheck {
    pub(super) fn new(segment: &OpenSegment) -> Result<ExposureCheck, ArchiveError> {
        let mut stored: HashMap<Principal, Vec<Exposed>> = HashMap::new();
        if let Some(table) = segment.table(Table::Exposure) {
            let mut combinations = Combinations::default();
            for batch in table.read(&[], None)? {
                let rows = decode_exposure(&batch?, &mut combinations, |_| true);
                for row in rows.map_err(ArchiveError::malformed(table.file.path()))? {
                    stored.entry(row.principal.clone()).or_default().push(row);
                }
            }
        }
        Ok(ExposureCheck { stored, seen: BTreeMap::new(), agrees: true })
    }

    /// Adds the entries of the next rows, which are in the order of principals.
    pub(super) fn add(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            let Content::Disclosure(disclosure) = entry.content else { continue };
            if !is_in_rows(&disclosure.sets) {
                continue;
            }
            for set in &disclosure.sets {
                let is_rows = set.subjects.len() <= crate::build::ROWS_MAX;
                if !is_rows || matches!(set.subjects, Subjects::Unattributed { .. }) {
                    continue;
                }
                let way = Arc::new(combination_of(set.kind, set.fields, set.certainty, &entry.schema));
                let seen = self.seen.entry(disclosure.principal.clone()).or_default();
                let keys = Key::all_of(&set.subjects);
                seen.add(&way, class_of(&set.subjects), keys, set.subjects.len() as u64);
            }
        }
        // The last principal may go on in the next rows.
        while self.seen.len() > 1 {
            self.compare_first();
        }
    }

    fn compare_first(&mut self) {
        let Some((principal, seen)) = self.seen.pop_first() else { return };
        let mut stored = Seen::default();
        for row in self.stored.remove(&principal).unwrap_or_default() {
            self.agrees &= row.is_consistent() && stored.add_row(&row).is_ok();
        }
        self.agrees &= stored.says(seen);
    }

    /// Returns whether the table says what all entries say, and nothing else.
    pub(super) fn agrees(mut self) -> bool {
        while !self.seen.is_empty() {
            self.compare_first();
        }
        self.agrees && self.stored.is_empty()
    }
}
