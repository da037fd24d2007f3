use rastro_model::{Certainty, FieldSet, KindId, ShownBatch, ShownKey, SubjectKey};

use crate::row_scan::Cells;
use crate::tokens::Scanner;
use crate::value_index::ValueIndex;

/// Reads rows that show one subject each, which only values in some of their cells tell. Immutable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SubjectScan {
    kind: KindId,
    fields: FieldSet,
    // For each column, whether it depends on the subject.
    depends: Box<[bool]>,
}

impl SubjectScan {
    pub(crate) fn new(kind: KindId, fields: FieldSet, depends: Box<[bool]>) -> SubjectScan {
        SubjectScan { kind, fields, depends }
    }

    /// Begins a row of `batch` and adds what the row shows. If it shows something and its cells do not tell
    /// whose it is, it is unattributed.
    ///
    /// * `payload`: the DataRow after its length word.
    pub fn read_row(
        &self,
        index: &ValueIndex,
        payload: &[u8],
        scanner: &mut Scanner,
        batch: &mut ShownBatch,
    ) {
        batch.begin_row();
        scanner.clear();
        let (mut shows, mut subjects) = (false, Vec::new());
        let mut cells = Cells::of(payload);
        let mut columns = self.depends.iter();
        for cell in cells.by_ref() {
            let depends = columns.next().copied();
            let Some(cell) = cell else { continue };
            let before = scanner.hits().len();
            scanner.value(index, cell);
            if depends != Some(false) && !cell.is_empty() {
                shows = true;
                self.add_subjects(scanner, before, &mut subjects);
            }
        }
        let told = matches!(subjects.as_slice(), [_]) && cells.is_over() && columns.next().is_none();
        scanner.record(batch);
        match subjects.first() {
            Some(key) if told => {
                let key = batch.subject(key);
                batch.push(self.kind, key, self.fields, Certainty::Derived);
            }
            _ if shows => batch.push(self.kind, ShownKey::Unknown, self.fields, Certainty::Possible),
            _ => {}
        }
    }

    fn add_subjects(&self, scanner: &Scanner, from: usize, subjects: &mut Vec<SubjectKey>) {
        for hit in scanner.hits().get(from..).unwrap_or_default() {
            if hit.certainty == Certainty::Exact
                && hit.owner.kind == self.kind
                && !subjects.contains(&hit.owner.key)
            {
                subjects.push(hit.owner.key.clone());
            }
        }
    }
}
