//! Reads an archive: one state of it, whole, however it changes meanwhile.

use std::sync::Arc;

use rastro_ledger::{Entry, Subjects};
use rastro_model::{Certainty, Principal, Timestamp};
use roaring::RoaringBitmap;

use crate::assemble::{Wanted, selection};
use crate::columns::{Integers, Words};
use crate::error::ArchiveError;
use crate::manifest::Manifest;
use crate::objects::Objects;
use crate::open::{OpenSegment, Room};
use crate::packed;
use crate::row::{Combination, Exposed, Key};
use crate::table::{Combinations, Table, decode_exposure};

/// Rows of `disclosures` put together at a time where a segment is read whole.
const CHUNK_ROWS: u64 = 4 << 20;

/// Bytes of large sets that an open archive keeps in memory: what a year of nightly reads of 120,000 takes.
const SETS_BYTES: u64 = 256 << 20;

/// What is wanted of the ledger; `None` means all.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Shown to whom.
    pub principal: Option<Principal>,
    /// Of these subjects: keys of any type. Entries then hold no other subjects.
    pub subjects: Option<Vec<Key>>,
    /// At this moment or later.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
    /// Reasons only.
    pub only_reasons: bool,
}

impl Query {
    /// Returns whether a moment is within the window.
    pub fn has_time(&self, time: i64) -> bool {
        self.since.is_none_or(|since| since.0 <= time) && self.until.is_none_or(|until| time < until.0)
    }

    /// Returns whether the window covers all from `min` to `max`.
    fn covers(&self, min: i64, max: i64) -> bool {
        self.has_time(min) && self.has_time(max)
    }
}

/// That a principal was shown a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Number of the entry.
    pub entry: u64,
    /// When, µs since 1970.
    pub time: i64,
    /// To whom.
    pub principal: Principal,
    /// Of whom.
    pub key: Key,
    /// Kind of subject, fields, and how sure.
    pub combination: Arc<Combination>,
}

/// Distinct subjects that a principal was shown in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// To whom.
    pub principal: Principal,
    /// Kind of subject, fields, and how sure.
    pub combination: Arc<Combination>,
    /// Of whom.
    pub subjects: Subjects,
}

/// One state of an archive, open for reading.
#[derive(Clone, Debug)]
pub struct Archive {
    manifest: Manifest,
    segments: Vec<OpenSegment>,
}

impl Archive {
    /// Opens the newest state. Files of a directory stay readable for as long as this lives; elsewhere for
    /// the time of grace.
    ///
    /// # Errors
    /// See [`ArchiveError`].
    pub fn open(objects: &Objects) -> Result<Archive, ArchiveError> {
        // A compaction may remove a file between the manifest and its opening.
        for _ in 0..8 {
            let manifest = Manifest::load(objects)?;
            let room = Arc::new(Room::new(SETS_BYTES));
            let segments: Result<Vec<OpenSegment>, ArchiveError> =
                manifest.segments.iter().map(|segment| OpenSegment::open(objects, segment, &room)).collect();
            match segments {
                Ok(segments) => return Ok(Archive { manifest, segments }),
                Err(ArchiveError::Store(error)) if error.is_absent() => {
                    if Manifest::load(objects)?.number == manifest.number {
                        return Err(error.into());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Err(ArchiveError::Contended)
    }

    /// Returns what the archive consists of.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub(crate) fn segments(&self) -> &[OpenSegment] {
        &self.segments
    }

    fn segments_of<'a>(&'a self, query: &'a Query) -> impl Iterator<Item = &'a OpenSegment> {
        self.segments.iter().filter(|segment| segment.is_within(query))
    }

    /// Returns the entries that may be of interest to a query, in their order: of its principal and subjects,
    /// but of any time in the parts of the archive that it touches. Acts are among them where nothing narrows
    /// the query. Streams: memory is about four million subjects.
    pub fn entries<'a>(&'a self, query: &'a Query) -> impl Iterator<Item = Result<Entry, ArchiveError>> + 'a {
        self.segments_of(query).flat_map(move |segment| segment.entries(query))
    }

    /// Returns the entries of one segment that may be of interest to a query.
    #[cfg(feature = "query")]
    pub(crate) fn segment_entries<'a>(
        &'a self,
        segment: usize,
        query: &'a Query,
    ) -> impl Iterator<Item = Result<Entry, ArchiveError>> + 'a {
        let segment = self.segments.get(segment);
        let all = segment.into_iter().filter(|segment| segment.is_within(query));
        all.flat_map(move |segment| segment.entries(query))
    }

    /// Returns who saw any of the query's subjects, when and what of them; segment by segment, each in the
    /// order of entries. Reads the pages that may hold the keys, and of `statements` what they point to.
    pub fn who_saw<'a>(
        &'a self,
        query: &'a Query,
    ) -> impl Iterator<Item = Result<Sighting, ArchiveError>> + 'a {
        let wanted = Wanted::new(query.subjects.clone().unwrap_or_default());
        ask_each(self.segments_of(query).collect(), cores(), move |segment| segment.sightings(&wanted, query))
    }

    /// Returns the distinct subjects of a query's principal, or of every principal: for each part of the
    /// archive and each way of being shown, so the same subject may come more than once.
    pub fn subjects_of<'a>(
        &'a self,
        query: &'a Query,
    ) -> impl Iterator<Item = Result<Exposure, ArchiveError>> + 'a {
        // What one principal saw is little; what all saw is held of one segment at a time.
        let threads = if query.principal.is_some() { cores() } else { 1 };
        ask_each(self.segments_of(query).collect(), threads, move |segment| segment.exposures(query))
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Asks segment after segment, `threads` of them at a time, and gives what was found in their order.
fn ask_each<'a, T: Send + 'a>(
    segments: Vec<&'a OpenSegment>,
    threads: usize,
    ask: impl Fn(&OpenSegment) -> Result<Vec<T>, ArchiveError> + Sync + 'a,
) -> impl Iterator<Item = Result<T, ArchiveError>> + 'a {
    let some: Vec<Vec<&OpenSegment>> = segments.chunks(threads.max(1)).map(<[_]>::to_vec).collect();
    some.into_iter().flat_map(move |some| {
        std::thread::scope(|scope| {
            let ask = &ask;
            let asked: Vec<_> = some.iter().map(|segment| scope.spawn(move || ask(segment))).collect();
            let mut all = Vec::new();
            for asked in asked {
                match asked.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)) {
                    Ok(found) => all.extend(found.into_iter().map(Ok)),
                    Err(error) => all.push(Err(error)),
                }
            }
            all
        })
    })
}

impl OpenSegment {
    /// Returns whether some of the segment may be of the query's time.
    fn is_within(&self, query: &Query) -> bool {
        query.since.is_none_or(|since| since.0 <= self.facts.max_time)
            && query.until.is_none_or(|until| self.facts.min_time < until.0)
    }

    fn entries<'a>(&'a self, query: &'a Query) -> impl Iterator<Item = Result<Entry, ArchiveError>> + 'a {
        let wanted = query.subjects.clone().map(Wanted::new);
        let chunks = match self.chunks(query, wanted.as_ref()) {
            Ok(chunks) => chunks.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(error) => vec![Err(error)],
        };
        chunks.into_iter().flat_map(move |chunk| {
            match chunk.and_then(|rows| self.assemble(rows.as_ref(), wanted.as_ref())) {
                Ok(entries) => entries.into_iter().map(Ok).collect::<Vec<_>>(),
                Err(error) => vec![Err(error)],
            }
        })
    }

    /// Returns the rows that a query is about, in chunks whose entries follow each other; `None` stands for
    /// all rows of the segment.
    fn chunks(
        &self,
        query: &Query,
        wanted: Option<&Wanted>,
    ) -> Result<Vec<Option<RoaringBitmap>>, ArchiveError> {
        let mut rows = None;
        let mut narrow = |found: RoaringBitmap| {
            rows = Some(match rows.take() {
                Some(known) => found & known,
                None => found,
            });
        };
        if let Some(principal) = &query.principal {
            narrow(self.rows_of(principal)?);
        }
        if query.only_reasons {
            narrow(self.reasons(None, wanted)?.iter().filter_map(|row| self.offset_of(row.row)).collect());
        } else if let Some(wanted) = wanted {
            let mut found: RoaringBitmap = self
                .disclosed(None, Some(wanted))?
                .iter()
                .filter_map(|row| self.offset_of(row.row))
                .collect();
            found.extend(self.reasons(None, Some(wanted))?.iter().filter_map(|row| self.offset_of(row.row)));
            for set in self.all_sets()?.iter() {
                if !wanted.within(set).map_err(|column| self.malformed(column))?.is_empty() {
                    found.extend(self.offset_of(set.row));
                }
            }
            narrow(found);
        }
        if let Some(rows) = rows {
            return Ok(if rows.is_empty() { Vec::new() } else { vec![Some(rows)] });
        }
        let count = self.table(Table::Disclosures).map_or(0, |table| table.rows).div_ceil(CHUNK_ROWS).max(1);
        if count == 1 {
            return Ok(vec![None]);
        }
        self.chunks_in_order(count)
    }

    /// Returns all rows in `count` chunks, by the numbers of their entries.
    fn chunks_in_order(&self, count: u64) -> Result<Vec<Option<RoaringBitmap>>, ArchiveError> {
        let Some(table) = self.table(Table::Statements) else { return Ok(Vec::new()) };
        let facts = &self.facts;
        let width = (facts.next_entry - facts.first_entry).div_ceil(count).max(1);
        let mut chunks = vec![RoaringBitmap::new(); usize::try_from(count).unwrap_or(1)];
        let mut offset = 0u32;
        for batch in table.read(&["entry"], None)? {
            let batch = batch?;
            let entries =
                Integers::of(&batch, "entry").map_err(ArchiveError::malformed(table.file.path()))?;
            for entry in entries.values() {
                let chunk = entry.cast_unsigned().wrapping_sub(facts.first_entry) / width;
                let chunk = usize::try_from(chunk).ok().and_then(|chunk| chunks.get_mut(chunk));
                chunk.ok_or_else(|| self.malformed("entry"))?.insert(offset);
                offset += 1;
            }
        }
        Ok(chunks.into_iter().map(Some).collect())
    }

    /// Returns the rows of `statements` that are about a principal.
    pub(crate) fn rows_of(&self, principal: &Principal) -> Result<RoaringBitmap, ArchiveError> {
        let mut rows = RoaringBitmap::new();
        let Some(table) = self.table(Table::Statements) else { return Ok(rows) };
        let pages = table.pages_with_word("principal", principal.as_str());
        if !pages.selects_any() {
            return Ok(rows);
        }
        let malformed = |column| ArchiveError::malformed(table.file.path())(column);
        for batch in table.read(&["line", "principal"], Some(pages))? {
            let batch = batch?;
            let row = Integers::of(&batch, "line").map_err(malformed)?;
            let names = Words::of(&batch, "principal").map_err(malformed)?;
            for at in 0..batch.num_rows() {
                if names.get(at) == Some(principal.as_str()) {
                    let row = row.unsigned(at, "line").map_err(malformed)?;
                    rows.insert(self.offset_of(row).ok_or_else(|| malformed("line"))?);
                }
            }
        }
        Ok(rows)
    }

    fn sightings(&self, wanted: &Wanted, query: &Query) -> Result<Vec<Sighting>, ArchiveError> {
        let mut seen: Vec<(u64, Key, Arc<Combination>)> = Vec::new();
        for row in self.disclosed(None, Some(wanted))? {
            seen.push((row.row, row.key, row.combination));
        }
        for set in self.all_sets()?.iter() {
            for key in wanted.within(set).map_err(|column| self.malformed(column))? {
                seen.push((set.row, key, Arc::clone(&set.combination)));
            }
        }
        let rows: RoaringBitmap = seen.iter().filter_map(|(row, ..)| self.offset_of(*row)).collect();
        let facts = self.told(&rows)?;
        let mut found = Vec::new();
        for (row, key, combination) in seen {
            let at = facts.binary_search_by_key(&row, |told| told.row).ok();
            let told = at.and_then(|at| facts.get(at)).ok_or_else(|| self.malformed("line"))?;
            let principal = told.principal.clone().ok_or_else(|| self.malformed("principal"))?;
            if query.has_time(told.time) && query.principal.as_ref().is_none_or(|wanted| *wanted == principal)
            {
                let (entry, time) = (told.entry, told.time);
                found.push(Sighting { entry, time, principal, key, combination });
            }
        }
        found.sort_by(|a, b| (a.entry, &a.key).cmp(&(b.entry, &b.key)));
        Ok(found)
    }

    /// Reads entry, time and principal of some rows; in their order.
    pub(crate) fn told(&self, rows: &RoaringBitmap) -> Result<Vec<Told>, ArchiveError> {
        let Some(table) = self.table(Table::Statements) else { return Ok(Vec::new()) };
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let malformed = |column| ArchiveError::malformed(table.file.path())(column);
        let mut found = Vec::new();
        let mut rows_left = rows.iter();
        for batch in table.read(&["entry", "time", "principal"], Some(selection(rows, table.rows)))? {
            let batch = batch?;
            let entry = Integers::of(&batch, "entry").map_err(malformed)?;
            let time = Integers::moments(&batch, "time").map_err(malformed)?;
            let names = Words::of(&batch, "principal").map_err(malformed)?;
            let mut kept = std::collections::HashMap::new();
            for at in 0..batch.num_rows() {
                found.push(Told {
                    row: self.facts.first_entry
                        + u64::from(rows_left.next().ok_or_else(|| malformed("line"))?),
                    entry: entry.unsigned(at, "entry").map_err(malformed)?,
                    time: time.get(at).copied().flatten().ok_or_else(|| malformed("time"))?,
                    principal: names.kept(at, &mut kept, |name| Principal::new(name)),
                });
            }
        }
        Ok(found)
    }

    /// Returns the subjects of a query's principal, or of all.
    fn exposures(&self, query: &Query) -> Result<Vec<Exposure>, ArchiveError> {
        if !query.covers(self.facts.min_time, self.facts.max_time) {
            return self.exposures_by_entry(query);
        }
        let mut found = Vec::new();
        let name = query.principal.as_ref().map(Principal::as_str);
        if let Some(table) = self.table(Table::Exposure) {
            let malformed = |column| ArchiveError::malformed(table.file.path())(column);
            let pages = name.map(|name| table.pages_with_word("principal", name));
            let mut combinations = Combinations::default();
            if pages.as_ref().is_none_or(parquet::arrow::arrow_reader::RowSelection::selects_any) {
                for batch in table.read(&[], pages)? {
                    let wanted = |found: &str| name.is_none_or(|name| name == found);
                    let rows = decode_exposure(&batch?, &mut combinations, wanted).map_err(malformed)?;
                    for Exposed { principal, combination, coded, .. } in rows {
                        let (subjects, _) = packed::decode(&coded).map_err(malformed)?;
                        found.push(Exposure { principal, combination, subjects });
                    }
                }
            }
        }
        if self.table(Table::Sets).is_some() {
            let rows = query.principal.as_ref().map(|principal| self.rows_of(principal)).transpose()?;
            let sets = self.sets(rows.as_ref())?;
            let rows: RoaringBitmap = sets.iter().filter_map(|set| self.offset_of(set.row)).collect();
            let told = self.told(&rows)?;
            for set in sets {
                let at = told.binary_search_by_key(&set.row, |told| told.row).ok();
                let principal = at.and_then(|at| told.get(at)).and_then(|told| told.principal.clone());
                let principal = principal.ok_or_else(|| self.malformed("principal"))?;
                let (subjects, _) = packed::decode(&set.coded).map_err(|column| self.malformed(column))?;
                if !subjects.is_empty() {
                    found.push(Exposure { principal, combination: set.combination, subjects });
                }
            }
        }
        Ok(found)
    }

    /// The same where the query's window covers the segment in part: from its entries.
    fn exposures_by_entry(&self, query: &Query) -> Result<Vec<Exposure>, ArchiveError> {
        let mut found = Vec::new();
        for chunk in self.chunks(&Query { subjects: None, only_reasons: false, ..query.clone() }, None)? {
            for entry in self.assemble(chunk.as_ref(), None)? {
                found.extend(exposures_of(&entry, query));
            }
        }
        Ok(found)
    }
}

/// Returns what an entry says a query's principal was shown.
pub(crate) fn exposures_of(entry: &Entry, query: &Query) -> Vec<Exposure> {
    let rastro_ledger::Content::Disclosure(disclosure) = &entry.content else { return Vec::new() };
    if !query.has_time(disclosure.time.0)
        || query.principal.as_ref().is_some_and(|wanted| *wanted != disclosure.principal)
    {
        return Vec::new();
    }
    let sets = disclosure.sets.iter().filter(|set| !set.subjects.is_empty());
    sets.map(|set| Exposure {
        principal: disclosure.principal.clone(),
        combination: Arc::new(combination_of(set.kind, set.fields, set.certainty, &entry.schema)),
        subjects: set.subjects.clone(),
    })
    .collect()
}

pub(crate) fn combination_of(
    kind: rastro_model::KindId,
    fields: rastro_model::FieldSet,
    certainty: Certainty,
    schema: &rastro_ledger::Schema,
) -> Combination {
    let (kind, fields) = (crate::words::kind_text(kind, schema), crate::words::fields_text(fields, schema));
    Combination { kind: kind.into(), fields: fields.into(), certainty }
}

/// What `statements` tells of a row.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) row: u64,
    pub(crate) entry: u64,
    pub(crate) time: i64,
    pub(crate) principal: Option<Principal>,
}
