//! Files of tables, opened: their pages read where they are needed.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowPredicateFn, ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder, RowFilter, RowSelection,
};
use parquet::file::metadata::PageIndexPolicy;
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use rastro_ledger::Schema;

use crate::columns::Malformed;
use crate::error::ArchiveError;
use crate::manifest::{Segment, TableFile};
use crate::objects::{ObjectFile, Objects};
use crate::row::{BulkSet, Key};
use crate::table::{BATCH_ROWS, Table};

/// A file of a table.
#[derive(Clone, Debug)]
pub(crate) struct OpenTable {
    pub(crate) file: ObjectFile,
    metadata: ArrowReaderMetadata,
    pub(crate) rows: u64,
}

impl OpenTable {
    /// Opens a file and reads its metadata and page index.
    pub(crate) fn open(objects: &Objects, file: &TableFile) -> Result<OpenTable, ArchiveError> {
        let object = objects.open_file(&file.path, file.bytes)?;
        // Absent columns of later versions are no fault; those of this one are found missing when read.
        let options = ArrowReaderOptions::new()
            .with_page_index_policy(PageIndexPolicy::Optional)
            .with_schema(file.table.columns());
        let metadata =
            ArrowReaderMetadata::load(&object, options).map_err(ArchiveError::parquet(&file.path))?;
        Ok(OpenTable { file: object, metadata, rows: file.rows })
    }

    /// Reads some columns (all if none are named) of some rows (all if no selection is given).
    pub(crate) fn read(
        &self,
        columns: &[&str],
        selection: Option<RowSelection>,
    ) -> Result<Batches, ArchiveError> {
        self.batches(self.builder(columns, selection))
    }

    /// The same of the rows that `wanted` says of one column; the other columns are read for those alone.
    pub(crate) fn read_where(
        &self,
        columns: &[&str],
        selection: Option<RowSelection>,
        column: &'static str,
        mut wanted: impl FnMut(&RecordBatch) -> Result<BooleanArray, Malformed> + Send + 'static,
    ) -> Result<Batches, ArchiveError> {
        let mask = ProjectionMask::columns(self.metadata.parquet_schema(), [column]);
        let filter = ArrowPredicateFn::new(mask, move |batch| {
            wanted(&batch).map_err(|column| ArrowError::ParquetError(format!("malformed column `{column}`")))
        });
        let builder = self.builder(columns, selection);
        self.batches(builder.with_row_filter(RowFilter::new(vec![Box::new(filter)])))
    }

    fn builder(
        &self,
        columns: &[&str],
        selection: Option<RowSelection>,
    ) -> ParquetRecordBatchReaderBuilder<ObjectFile> {
        let metadata = self.metadata.clone();
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(self.file.clone(), metadata)
            .with_batch_size(BATCH_ROWS);
        if !columns.is_empty() {
            let mask = ProjectionMask::columns(self.metadata.parquet_schema(), columns.iter().copied());
            builder = builder.with_projection(mask);
        }
        if let Some(selection) = selection {
            builder = builder.with_row_selection(selection);
        }
        builder
    }

    fn batches(&self, builder: ParquetRecordBatchReaderBuilder<ObjectFile>) -> Result<Batches, ArchiveError> {
        let reader = builder.build().map_err(ArchiveError::parquet(self.file.path()))?;
        Ok(Batches { path: self.file.path().into(), reader })
    }

    /// Returns the rows of the pages that may hold one of `keys` (one type, rising) in `column`.
    pub(crate) fn pages_with(&self, column: &str, keys: &[Key]) -> RowSelection {
        self.pages(column, |index, page| match index {
            ColumnIndexMetaData::INT64(index) => {
                let span = index.min_value(page).zip(index.max_value(page));
                span.is_some_and(|(min, max)| meets(keys, &Key::Int(*min), &Key::Int(*max)))
            }
            ColumnIndexMetaData::FIXED_LEN_BYTE_ARRAY(index) => {
                let uuid =
                    |bytes: &[u8]| bytes.try_into().ok().map(|key| Key::Uuid(u128::from_be_bytes(key)));
                let span = index.min_value(page).and_then(uuid).zip(index.max_value(page).and_then(uuid));
                span.is_some_and(|(min, max)| meets(keys, &min, &max))
            }
            ColumnIndexMetaData::BYTE_ARRAY(index) => {
                let span = index.min_value(page).zip(index.max_value(page));
                span.is_some_and(|(min, max)| meets(keys, &Key::Text(min.into()), &Key::Text(max.into())))
            }
            _ => true,
        })
    }

    /// Returns the rows of the pages of a column that `wanted` says by their index; all where there is none.
    fn pages(&self, column: &str, wanted: impl Fn(&ColumnIndexMetaData, usize) -> bool) -> RowSelection {
        let metadata = self.metadata.metadata();
        let place = (0..).zip(self.metadata.parquet_schema().columns()).find(|(_, c)| c.name() == column);
        let place: usize = place.map_or(usize::MAX, |(at, _)| at);
        let mut ranges: Vec<Range<usize>> = Vec::new();
        let mut before = 0;
        for (group, facts) in metadata.row_groups().iter().enumerate() {
            let rows = usize::try_from(facts.num_rows()).unwrap_or(0);
            let index = metadata.column_index().and_then(|all| all.get(group)?.get(place));
            let pages = metadata.offset_index().and_then(|all| all.get(group)?.get(place));
            match (index, pages) {
                (Some(index), Some(pages)) if !matches!(index, ColumnIndexMetaData::NONE) => {
                    let first = |page: usize| {
                        let location = pages.page_locations().get(page);
                        location.map_or(rows, |page| usize::try_from(page.first_row_index).unwrap_or(0))
                    };
                    for page in 0..pages.page_locations().len() {
                        if wanted(index, page) {
                            push_range(&mut ranges, before + first(page)..before + first(page + 1));
                        }
                    }
                }
                _ => push_range(&mut ranges, before..before + rows),
            }
            before += rows;
        }
        RowSelection::from_consecutive_ranges(ranges.into_iter(), before)
    }

    /// Returns the rows of the pages of a text column that may hold `word`.
    pub(crate) fn pages_with_word(&self, column: &str, word: &str) -> RowSelection {
        self.pages_with(column, &[Key::Text(word.as_bytes().into())])
    }
}

fn push_range(ranges: &mut Vec<Range<usize>>, range: Range<usize>) {
    match ranges.last_mut() {
        Some(last) if last.end == range.start => last.end = range.end,
        _ if range.is_empty() => {}
        _ => ranges.push(range),
    }
}

/// Returns whether one of `keys`, rising, lies from `min` to `max`.
fn meets(keys: &[Key], min: &Key, max: &Key) -> bool {
    keys.get(keys.partition_point(|key| key < min)).is_some_and(|key| key <= max)
}

/// Batches of a table.
pub(crate) struct Batches {
    pub(crate) path: Box<str>,
    reader: ParquetRecordBatchReader,
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.reader.next()?;
        Some(batch.map_err(|error| ArchiveError::parquet(&self.path)(error.into())))
    }
}

/// A segment with its files open.
#[derive(Clone, Debug)]
pub(crate) struct OpenSegment {
    pub(crate) facts: Segment,
    pub(crate) schemas: Vec<Arc<Schema>>,
    tables: Vec<(Table, OpenTable)>,
    room: Arc<Room>,
    /// All sets, once they were read, if there was room for them.
    sets: Arc<OnceLock<Arc<[BulkSet]>>>,
}

/// How many bytes of sets segments may keep in memory, together; none by default.
#[derive(Debug, Default)]
pub(crate) struct Room(AtomicU64);

impl Room {
    pub(crate) fn new(bytes: u64) -> Room {
        Room(AtomicU64::new(bytes))
    }

    fn take(&self, bytes: u64) -> bool {
        let less = |left: u64| left.checked_sub(bytes);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

impl OpenSegment {
    pub(crate) fn open(
        objects: &Objects,
        facts: &Segment,
        room: &Arc<Room>,
    ) -> Result<OpenSegment, ArchiveError> {
        let opened = facts.files.iter().map(|file| Ok((file.table, OpenTable::open(objects, file)?)));
        let schemas = facts
            .schemas
            .iter()
            .map(|names| Arc::new(Schema { kinds: names.kinds.clone(), fields: names.fields.clone() }));
        Ok(OpenSegment {
            schemas: schemas.collect(),
            tables: opened.collect::<Result<_, ArchiveError>>()?,
            facts: facts.clone(),
            room: Arc::clone(room),
            sets: Arc::default(),
        })
    }

    /// Returns all sets; they are kept in memory where there is room.
    pub(crate) fn all_sets(&self) -> Result<Arc<[BulkSet]>, ArchiveError> {
        if let Some(kept) = self.sets.get() {
            return Ok(Arc::clone(kept));
        }
        let sets: Arc<[BulkSet]> = self.sets(None)?.into();
        if self.facts.file(Table::Sets).is_some_and(|file| self.room.take(file.bytes)) {
            // Whoever was first kept the same.
            let _ = self.sets.set(Arc::clone(&sets));
        }
        Ok(sets)
    }

    /// Returns a table, if it has rows.
    pub(crate) fn table(&self, table: Table) -> Option<&OpenTable> {
        self.tables.iter().find(|(known, _)| *known == table).map(|(_, open)| open)
    }

    /// Returns where a row of `statements` is in its file.
    pub(crate) fn offset_of(&self, row: u64) -> Option<u32> {
        let offset = row.checked_sub(self.facts.first_entry).filter(|offset| *offset < self.facts.entries)?;
        u32::try_from(offset).ok()
    }
}
