//! Files of tables, opened: their pages read where they are needed.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Schema as Columns, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
    RowSelection,
};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use rastro_ledger::Schema;

use crate::clock::Clock;
use crate::error::ArchiveError;
use crate::kept::Kept;
use crate::manifest::{Segment, TableFile};
use crate::objects::{ObjectFile, Objects};
use crate::packed::Findable;
use crate::row::{Key, SetFacts, ints_of};
use crate::table::{BATCH_ROWS, Combinations, SET_FACTS, Table, decode_clock, decode_set_facts};

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
        // Which columns there are depends on the version; those that are missing are found so when read.
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let metadata =
            ArrowReaderMetadata::load(&object, options.clone()).map_err(ArchiveError::parquet(&file.path))?;
        if !has_pages_in_order(metadata.metadata(), file.bytes) {
            return Err(ArchiveError::malformed(&file.path)("page index"));
        }
        // Coded sets stay where they were read to.
        let metadata = match viewed(metadata.schema()) {
            Some(viewed) => {
                let options = options.with_schema(viewed);
                let metadata = ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options);
                metadata.map_err(ArchiveError::parquet(&file.path))?
            }
            None => metadata,
        };
        Ok(OpenTable { file: object, metadata, rows: file.rows })
    }

    /// Returns how many rows the file itself says it has.
    pub(crate) fn rows_stored(&self) -> usize {
        usize::try_from(self.metadata.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    /// Reads some columns (all if none are named) of some rows (all if no selection is given).
    pub(crate) fn read(
        &self,
        columns: &[&str],
        selection: Option<RowSelection>,
    ) -> Result<Batches, ArchiveError> {
        let metadata = self.metadata.clone();
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(self.file.clone(), metadata)
            .with_batch_size(BATCH_ROWS);
        if !columns.is_empty() {
            let mask = ProjectionMask::columns(self.metadata.parquet_schema(), columns.iter().copied());
            builder = builder.with_projection(mask);
        }
        if let Some(selection) = selection {
            self.foresee(columns, &selection);
            builder = builder.with_row_selection(selection);
        }
        let reader = builder.build().map_err(ArchiveError::parquet(self.file.path()))?;
        Ok(Batches { path: self.file.path().into(), reader })
    }

    /// Has the system fetch the pages of some rows side by side, before they are read one after another.
    fn foresee(&self, columns: &[&str], selection: &RowSelection) {
        let metadata = self.metadata.metadata();
        let mut rest = selection.clone();
        for (group, index) in metadata.row_groups().iter().zip(metadata.offset_index().into_iter().flatten())
        {
            let of_group = rest.split_off(usize::try_from(group.num_rows()).unwrap_or(0));
            if !of_group.selects_any() {
                continue;
            }
            for (column, index) in group.columns().iter().zip(index) {
                if !columns.is_empty() && !columns.contains(&column.column_descr().name()) {
                    continue;
                }
                let pages = index.page_locations();
                let place = |offset: i64| u64::try_from(offset).ok();
                let dictionary = column.dictionary_page_offset().and_then(place);
                let behind = pages.first().and_then(|page| place(page.offset));
                let dictionary = dictionary.zip(behind).map(|(from, to)| from..to);
                of_group
                    .scan_ranges(pages)
                    .into_iter()
                    .chain(dictionary)
                    .for_each(|part| self.file.foresee(part));
            }
        }
    }

    /// Returns the rows of the pages that may hold one of `keys` (one type, rising) in `column`.
    pub(crate) fn pages_with(&self, column: &str, keys: &[Key]) -> Vec<Range<usize>> {
        if keys.is_empty() {
            return Vec::new();
        }
        let ints: Vec<i64> = ints_of(keys).collect();
        self.pages(column, |index, page| match index {
            ColumnIndexMetaData::INT64(index) => {
                let span = index.min_value(page).zip(index.max_value(page));
                span.is_some_and(|(min, max)| meets(&ints, min, max))
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

    /// Returns the rows of each page of a column that `wanted` says by its index; of all where there is none.
    fn pages(&self, column: &str, wanted: impl Fn(&ColumnIndexMetaData, usize) -> bool) -> Vec<Range<usize>> {
        let metadata = self.metadata.metadata();
        let place = self.metadata.parquet_schema().columns().iter().position(|known| known.name() == column);
        let mut ranges: Vec<Range<usize>> = Vec::new();
        let mut before = 0;
        for (group, facts) in metadata.row_groups().iter().enumerate() {
            let rows = usize::try_from(facts.num_rows()).unwrap_or(0);
            let index = metadata.column_index().and_then(|all| all.get(group)?.get(place?));
            let index = index.filter(|index| !matches!(index, ColumnIndexMetaData::NONE));
            let pages = metadata.offset_index().and_then(|all| all.get(group)?.get(place?));
            let pages = pages.map_or(&[][..], |pages| pages.page_locations().as_slice());
            if pages.is_empty() {
                ranges.push(before..before + rows);
            }
            let first = |page: usize| {
                let location = pages.get(page);
                location.map_or(rows, |page| usize::try_from(page.first_row_index).unwrap_or(0))
            };
            for page in 0..pages.len() {
                if index.is_none_or(|index| wanted(index, page)) {
                    ranges.push(before + first(page)..before + first(page + 1));
                }
            }
            before += rows;
        }
        ranges
    }

    /// Returns the rows of the pages of a text column that may hold `word`.
    pub(crate) fn pages_with_word(&self, column: &str, word: &str) -> Vec<Range<usize>> {
        self.pages_with(column, &[Key::Text(word.as_bytes().into())])
    }

    /// Selects rows, given in their order, as far as the file has them.
    pub(crate) fn select(&self, ranges: impl IntoIterator<Item = Range<usize>>) -> RowSelection {
        let rows = self.rows_stored();
        let stored = ranges.into_iter().map(|range| range.start.min(rows)..range.end.min(rows));
        RowSelection::from_consecutive_ranges(stored, rows)
    }
}

/// Returns the columns of a file with that of coded sets as views, if there is one.
fn viewed(columns: &Columns) -> Option<SchemaRef> {
    let (at, coded) = columns.column_with_name("coded")?;
    let mut fields = columns.fields().to_vec();
    *fields.get_mut(at)? = Arc::new(coded.clone().with_data_type(DataType::BinaryView));
    Some(Arc::new(Columns::new_with_metadata(fields, columns.metadata().clone())))
}

/// Returns whether the pages of each column begin at rising rows of their row group and are within a file of so many
/// bytes, and the groups make up the file.
fn has_pages_in_order(metadata: &ParquetMetaData, bytes: u64) -> bool {
    let groups = metadata.row_groups();
    let rows: i64 = groups.iter().map(|group| group.num_rows()).fold(0, i64::saturating_add);
    let in_order = |(group, rows): (usize, i64)| {
        let columns = metadata.offset_index().and_then(|all| all.get(group));
        columns.into_iter().flatten().all(|pages| {
            let first_rows = pages.page_locations().iter().map(|page| page.first_row_index);
            first_rows.clone().is_sorted_by(|a, b| a < b)
                && first_rows.clone().all(|row| (0..rows).contains(&row))
                && pages.page_locations().iter().all(|page| {
                    let parts =
                        u64::try_from(page.offset).ok().zip(u64::try_from(page.compressed_page_size).ok());
                    parts.and_then(|(from, length)| from.checked_add(length)).is_some_and(|end| end <= bytes)
                })
        })
    };
    rows == metadata.file_metadata().num_rows()
        && groups.iter().map(|group| group.num_rows()).enumerate().all(in_order)
}

/// Returns whether one of `keys`, rising, lies from `min` to `max`.
fn meets<K: Ord>(keys: &[K], min: &K, max: &K) -> bool {
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
    pub(crate) kept: Arc<Kept>,
    /// Once it was read.
    sets: Arc<OnceLock<Arc<[SetFacts]>>>,
    clock: Arc<OnceLock<Arc<Clock>>>,
}

impl OpenSegment {
    pub(crate) fn open(
        objects: &Objects,
        facts: &Segment,
        kept: &Arc<Kept>,
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
            kept: Arc::clone(kept),
            sets: Arc::default(),
            clock: Arc::default(),
        })
    }

    /// Returns what the rows of all large sets say beside them; it is read once.
    pub(crate) fn known_sets(&self) -> Result<Arc<[SetFacts]>, ArchiveError> {
        if let Some(kept) = self.sets.get() {
            return Ok(Arc::clone(kept));
        }
        let mut all = Vec::new();
        if let Some(table) = self.table(Table::Sets) {
            let mut combinations = Combinations::default();
            for batch in table.read(&SET_FACTS, None)? {
                let decoded = decode_set_facts(&batch?, &mut combinations);
                all.extend(decoded.map_err(ArchiveError::malformed(table.file.path()))?);
            }
        }
        Ok(Arc::clone(self.sets.get_or_init(|| all.into())))
    }

    /// Gives each of the large sets at some rows of their table, rising, to `each`.
    pub(crate) fn each_set(
        &self,
        rows: &[u32],
        mut each: impl FnMut(u32, &Findable) -> Result<(), ArchiveError>,
    ) -> Result<(), ArchiveError> {
        let Some(table) = self.table(Table::Sets) else { return Ok(()) };
        let malformed = || ArchiveError::malformed(table.file.path())("coded");
        let pages = table.pages("coded", |_, _| true);
        let page_of = |row: u32| pages.partition_point(|page| page.end <= row as usize);
        for some in rows.chunk_by(|a, b| page_of(*a) == page_of(*b)) {
            let page = some.first().and_then(|row| pages.get(page_of(*row))).ok_or_else(malformed)?;
            let sets = self.page_of_sets(table, page.clone())?;
            for row in some {
                let set = (*row as usize).checked_sub(page.start).and_then(|at| sets.get(at));
                each(*row, set.ok_or_else(malformed)?)?;
            }
        }
        Ok(())
    }

    /// Returns the sets of a page, which share its memory, so that they are kept and given up together.
    fn page_of_sets(&self, table: &OpenTable, rows: Range<usize>) -> Result<Arc<[Findable]>, ArchiveError> {
        let key = (self.facts.first_entry, rows.start);
        if let Some(kept) = self.kept.sets.get(&key) {
            return Ok(kept);
        }
        let malformed = |column| ArchiveError::malformed(table.file.path())(column);
        let mut sets = Vec::with_capacity(rows.len());
        for batch in table.read(&["coded"], Some(table.select([rows])))? {
            let batch = batch?;
            let coded = batch.column_by_name("coded").and_then(|column| column.as_binary_view_opt());
            let coded = coded.ok_or_else(|| malformed("coded"))?;
            let all = (0..coded.len()).map(|at| Findable::new(coded.slice(at, 1)).map_err(malformed));
            sets.extend(all.collect::<Result<Vec<_>, _>>()?);
        }
        let sets: Arc<[Findable]> = sets.into();
        self.kept.sets.insert(key, Arc::clone(&sets));
        Ok(sets)
    }

    /// Returns which entry came when, as far as that is needed to read the segment; it is read once.
    pub(crate) fn clock(&self) -> Result<Arc<Clock>, ArchiveError> {
        if let Some(kept) = self.clock.get() {
            return Ok(Arc::clone(kept));
        }
        let mut ticks = Vec::new();
        // Earlier versions have none: they write the numbers of entries out.
        if let Some(table) = self.table(Table::Clock) {
            for batch in table.read(&[], None)? {
                ticks.extend(decode_clock(&batch?).map_err(ArchiveError::malformed(table.file.path()))?);
            }
        }
        let clock = Clock::of_rows(ticks).map_err(|column| self.malformed(column))?;
        Ok(Arc::clone(self.clock.get_or_init(|| Arc::new(clock))))
    }

    /// Returns the columns of `statements` that give the numbers of entries.
    pub(crate) fn entry_columns(&self) -> [&'static str; 2] {
        ["time", if self.table(Table::Clock).is_some() { "after" } else { "entry" }]
    }

    /// Returns a table, if it has rows.
    pub(crate) fn table(&self, table: Table) -> Option<&OpenTable> {
        self.tables.iter().find(|(known, _)| *known == table).map(|(_, open)| open)
    }

    /// Returns where a row of `statements` is in its file.
    pub(crate) fn offset_of(&self, row: u64) -> Option<u32> {
        let offset =
            row.checked_sub(self.facts.first_line()).filter(|offset| *offset < self.facts.entries)?;
        u32::try_from(offset).ok()
    }
}
