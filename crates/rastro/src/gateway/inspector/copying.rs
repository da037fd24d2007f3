//! COPY … TO STDOUT: where the columns are known its rows are read as those of a SELECT, else as bytes.

use rastro_attribution::copy_rows::{CopyData, CopyKind, CopyReader};
use rastro_attribution::{ColumnDescription, PlanOutcome, RowPlan};
use rastro_wire::{ClientError, Inspector};

use super::sight::Sight;
use super::{Execution, Plan, Reading, SessionInspector};

// In these a byte of a longer character may look like a delimiter.
const EMBEDDING_ASCII: [&[u8]; 7] =
    [b"BIG5", b"GBK", b"GB18030", b"JOHAB", b"SJIS", b"SHIFT_JIS_2004", b"UHC"];

/// How the data of the COPY that runs now is read.
#[derive(Default)]
pub(super) enum Copying {
    /// Nobody knows what it shows: what its values do not tell is counted.
    #[default]
    Unknown,
    /// It comes from nothing protected, though values in it may be known.
    Unprotected,
    /// As rows.
    Rows(Box<(CopyReader, Reading)>),
}

impl SessionInspector {
    /// Takes note of the encoding of what the server sends.
    pub(super) fn note_encoding(&mut self, name: &[u8], value: &[u8]) {
        if name == b"client_encoding" {
            self.embeds_ascii = EMBEDDING_ASCII.iter().any(|encoding| value.eq_ignore_ascii_case(encoding));
        }
    }

    /// Decides how to read what a COPY sends.
    ///
    /// * `response`: the payload of CopyOutResponse.
    pub(super) fn begin_copying(&mut self, execution: &Execution, response: &[u8]) {
        self.scanner.end_stream();
        self.copying = self.how_copied(execution, response).unwrap_or_default();
    }

    fn how_copied(&mut self, execution: &Execution, response: &[u8]) -> Option<Copying> {
        let (generation, lineage) = execution.text.as_ref()?.source.lineage()?;
        let snapshot = self.last_snapshot().filter(|snapshot| snapshot.generation == generation)?;
        if self.ddl_open || self.texts.has_run_unseen() {
            return None;
        }
        let Some(copy) = &lineage.copy else {
            return (execution.sight == Sight::Clear && lineage.is_plain()).then_some(Copying::Unprotected);
        };
        let (format, count) = (i16::from(*response.first()?), response.get(1..)?.first_chunk::<2>()?);
        let count = u16::from_be_bytes(*count);
        let is_binary = copy.format.kind == CopyKind::Binary;
        if is_binary != (format == 1)
            || usize::from(count) != copy.columns.len()
            || (self.embeds_ascii && !is_binary)
        {
            return None;
        }
        let columns = copy.columns.iter().map(|column| ColumnDescription { format, ..*column });
        let scan = self.scan(&snapshot.catalogue, columns.clone());
        let plan = match RowPlan::build(&snapshot.catalogue, columns) {
            PlanOutcome::Protected(plan) => Plan::Read(plan.into()),
            PlanOutcome::Unprotected => Plan::Pass,
            PlanOutcome::Refresh { .. } => return None,
        };
        let mut reading = Reading { plan, scan, one_each: None };
        if self.is_opaque(execution) {
            reading = self.doubt(execution, Some(&reading));
        }
        Some(Copying::Rows(Box::new((CopyReader::new(copy.format.clone(), count), reading))))
    }

    /// Reads one CopyData message, or what a function call returned, as one row.
    ///
    /// # Errors
    /// It cannot be understood.
    #[inline]
    pub(super) fn read_copied(&mut self, payload: &[u8]) -> Result<(), ClientError> {
        match std::mem::take(&mut self.copying) {
            Copying::Rows(mut rows) => {
                let (reader, reading) = &mut *rows;
                let result = match reader.read(payload) {
                    CopyData::Row(row) => self.read_row(reading, row),
                    CopyData::Nothing => {
                        self.batch.begin_row();
                        Ok(())
                    }
                    CopyData::Unreadable => {
                        self.count_row();
                        self.read_chunk(payload);
                        Ok(())
                    }
                };
                self.copying = Copying::Rows(rows);
                return result;
            }
            Copying::Unprotected => {
                self.batch.begin_row();
                self.copying = Copying::Unprotected;
            }
            Copying::Unknown => self.count_row(),
        }
        self.read_chunk(payload);
        Ok(())
    }
}
