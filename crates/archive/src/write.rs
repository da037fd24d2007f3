//! Files of tables, written as a stream of batches.

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;

use crate::error::ArchiveError;
use crate::manifest::{TableFile, hex};
use crate::objects::{Objects, Upload};
use crate::table::{BATCH_ROWS, Table};

/// Version of the files' format. In version 1 the log's codings alone code sets; in both before this statements have
/// the numbers of their entries, and exposure a row for each way of being shown.
const FORMAT: &str = "3";

/// Where the files of a segment go, and what their metadata says.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The day or month.
    pub(crate) label: String,
    /// Number of the first entry.
    pub(crate) first_entry: u64,
    /// Makes the names of this attempt its own.
    pub(crate) nonce: u64,
}

impl Place {
    fn path(&self, table: Table) -> String {
        let Place { label, first_entry, nonce } = self;
        format!("{}/{label}/{first_entry:012}-{nonce:016x}.parquet", table.name())
    }
}

/// Writes one table of a segment; there is a file only if there is a row.
pub(crate) struct TableWriter<'a, R> {
    objects: &'a Objects,
    table: Table,
    path: String,
    encode: fn(&[R]) -> Result<RecordBatch, ArrowError>,
    waiting: Vec<R>,
    writer: Option<ArrowWriter<Upload>>,
    rows: u64,
}

impl<'a, R> TableWriter<'a, R> {
    pub(crate) fn new(
        objects: &'a Objects,
        table: Table,
        place: &Place,
        encode: fn(&[R]) -> Result<RecordBatch, ArrowError>,
    ) -> TableWriter<'a, R> {
        let waiting = Vec::with_capacity(BATCH_ROWS);
        TableWriter { objects, table, path: place.path(table), encode, waiting, writer: None, rows: 0 }
    }

    pub(crate) fn push(&mut self, row: R) -> Result<(), ArchiveError> {
        self.waiting.push(row);
        if self.waiting.len() == BATCH_ROWS { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), ArchiveError> {
        let batch =
            (self.encode)(&self.waiting).map_err(|error| ArchiveError::parquet(&self.path)(error.into()))?;
        self.rows += self.waiting.len() as u64;
        self.waiting.clear();
        self.write_batch(&batch)
    }

    fn write_batch(&mut self, batch: &RecordBatch) -> Result<(), ArchiveError> {
        let failed = ArchiveError::parquet(&self.path);
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => {
                let about = vec![KeyValue::new("rastro.format".to_owned(), FORMAT.to_owned())];
                let upload = self.objects.upload(self.path.clone());
                let (columns, layout) = (self.table.columns(), self.table.properties(about));
                match ArrowWriter::try_new(upload, columns, Some(layout)) {
                    Ok(writer) => self.writer.insert(writer),
                    Err(error) => return Err(failed(error)),
                }
            }
        };
        writer.write(batch).map_err(failed)
    }

    /// Ends the file; `None` if there was no row.
    pub(crate) fn finish(mut self) -> Result<Option<TableFile>, ArchiveError> {
        if !self.waiting.is_empty() {
            self.write()?;
        }
        let Some(writer) = self.writer else { return Ok(None) };
        let failed = |error| ArchiveError::parquet(&self.path)(error);
        let uploaded = writer.into_inner().map_err(failed)?.finish()?;
        Ok(Some(TableFile {
            table: self.table,
            path: uploaded.path,
            bytes: uploaded.bytes,
            rows: self.rows,
            sha256: hex(&uploaded.sha256),
        }))
    }
}
