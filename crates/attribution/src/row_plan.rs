use rastro_model::{FieldSet, KindId, ShownBatch};

use crate::catalogue::Catalogue;
use crate::row_description::ColumnDescription;

mod attribute;
mod build;
mod key;
#[cfg(test)]
mod tests;

pub(crate) use key::KeyCodec;

/// What the rows of one result need.
#[derive(Clone, Debug)]
pub enum PlanOutcome {
    /// No column is protected; rows need not be read.
    Unprotected,
    /// The result names relations or columns that the catalogue does not know: refresh it, then build again.
    Refresh {
        /// OIDs of the relations, each once.
        oids: Vec<u32>,
    },
    /// Every row must be read with this plan.
    Protected(RowPlan),
}

/// How to read the disclosures out of each row of one result. Immutable; share it, one per RowDescription
/// and result formats.
#[derive(Clone, Debug)]
pub struct RowPlan {
    columns: u16,
    // For each column that is read, how many are skipped before it.
    skips: Box<[u16]>,
    kinds: Box<[KindPlan]>,
}

#[derive(Clone, Debug)]
struct KindPlan {
    kind: KindId,
    groups: Box<[Group]>,
    // Fields that no relation's key belongs to.
    loose: Box<[Field]>,
}

/// The columns of one relation and source; one instance of it unless `repeated`.
#[derive(Clone, Debug, Default)]
struct Group {
    keys: Vec<(u16, key::KeyCodec)>,
    // Sorted by field, then cell.
    fields: Vec<Field>,
    repeated: bool,
}

#[derive(Clone, Copy, Debug)]
struct Field {
    cell: u16,
    fields: FieldSet,
}

/// Why a DataRow cannot be read. The row must not be released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RowError {
    /// The row has another number of columns than its description.
    #[error("row has {found} columns, its description {expected}")]
    Columns {
        /// In the row.
        found: i16,
        /// In the description.
        expected: u16,
    },
    /// The row ends early, or a length in it is impossible.
    #[error("row of {bytes} bytes ends before column {column} is complete")]
    Truncated {
        /// Length of the row.
        bytes: usize,
        /// Which of the columns that are read, counted from 0.
        column: usize,
    },
}

/// A value of a row, `None` for NULL.
type Cell<'a> = Option<&'a [u8]>;

const FEW_CELLS: usize = 8;
const MANY_CELLS: usize = 32;

impl RowPlan {
    /// Decides per column what to read.
    ///
    /// * `columns`: with the formats that the rows will really have (Bind's, not those of a statement's
    ///   description).
    pub fn build(catalogue: &Catalogue, columns: impl Iterator<Item = ColumnDescription>) -> PlanOutcome {
        build::build(catalogue, columns, build::Unknown::Refresh)
    }

    /// Decides like [`RowPlan::build`], but never asks for a refresh: a column of a relation that is unknown
    /// even to a fresh catalogue (made in a transaction still open) may hold anything, so its rows are
    /// recorded as unattributed, with every field of every subject.
    pub fn build_unresolved(
        catalogue: &Catalogue,
        columns: impl Iterator<Item = ColumnDescription>,
    ) -> PlanOutcome {
        build::build(catalogue, columns, build::Unknown::AnyField)
    }

    /// Reads one row and appends to `batch` what it shows; begins a row of the batch in any case but error.
    ///
    /// * `payload`: the DataRow after its length word.
    ///
    /// Does not allocate for up to 32 columns of interest. Stops after the last of them: bytes behind it
    /// are not looked at.
    ///
    /// # Errors
    /// The row is not what its description says; the batch is unchanged, the row must not be released.
    pub fn read_row(&self, payload: &[u8], batch: &mut ShownBatch) -> Result<(), RowError> {
        match self.skips.len() {
            cells if cells <= FEW_CELLS => self.read_cells(payload, &mut [None; FEW_CELLS], batch),
            cells if cells <= MANY_CELLS => self.read_cells(payload, &mut [None; MANY_CELLS], batch),
            cells => self.read_cells(payload, &mut vec![None; cells], batch),
        }
    }

    fn read_cells<'a>(
        &self,
        payload: &'a [u8],
        cells: &mut [Cell<'a>],
        batch: &mut ShownBatch,
    ) -> Result<(), RowError> {
        let bytes = payload.len();
        let (count, mut rest) =
            payload.split_first_chunk::<2>().ok_or(RowError::Truncated { bytes, column: 0 })?;
        let found = i16::from_be_bytes(*count);
        if u16::try_from(found) != Ok(self.columns) {
            return Err(RowError::Columns { found, expected: self.columns });
        }
        for (column, (skip, cell)) in self.skips.iter().zip(cells.iter_mut()).enumerate() {
            let truncated = RowError::Truncated { bytes, column };
            for _ in 0..*skip {
                (_, rest) = next_cell(rest).ok_or(truncated)?;
            }
            (*cell, rest) = next_cell(rest).ok_or(truncated)?;
        }
        batch.begin_row();
        for plan in &self.kinds {
            plan.attribute(cells, batch);
        }
        Ok(())
    }
}

/// Returns the first cell of a row's rest, and what follows it; `None` if a length in it is impossible.
#[inline]
pub(crate) fn next_cell(payload: &[u8]) -> Option<(Cell<'_>, &[u8])> {
    let (len, rest) = payload.split_first_chunk::<4>()?;
    let len = i32::from_be_bytes(*len);
    match usize::try_from(len) {
        Ok(len) => rest.split_at_checked(len).map(|(value, rest)| (Some(value), rest)),
        Err(_) if len == -1 => Some((None, rest)),
        Err(_) => None,
    }
}
