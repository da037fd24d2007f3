//! Reads an archive: one state of it, whole, however it changes meanwhile.

use std::sync::Arc;

use rastro_ledger::{Entry, Subjects};
use rastro_model::{Certainty, Principal, Timestamp};

use crate::assemble::Wanted;
use crate::error::ArchiveError;
use crate::manifest::{Manifest, Segment};
use crate::objects::Objects;
use crate::open::OpenSegment;
use crate::row::{Combination, Key};

/// Segments opened or asked at a time, for each core: what is not in memory yet takes the disk's time, not the core's.
const AT_A_TIME: usize = 8;

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
    pub(crate) fn covers(&self, min: i64, max: i64) -> bool {
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
            let kept = Arc::default();
            let open = |segment: &Segment| OpenSegment::open(objects, segment, &kept);
            let all: Vec<&Segment> = manifest.segments.iter().collect();
            let segments: Result<Vec<OpenSegment>, ArchiveError> =
                all.chunks(at_a_time()).flat_map(|some| side_by_side(some, open)).collect();
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
        ask_each(self.segments_of(query).collect(), at_a_time(), move |segment| {
            segment.sightings(&wanted, query)
        })
    }

    /// Returns the distinct subjects of a query's principal, or of every principal: for each part of the
    /// archive and each way of being shown, so the same subject may come more than once.
    pub fn subjects_of<'a>(
        &'a self,
        query: &'a Query,
    ) -> impl Iterator<Item = Result<Exposure, ArchiveError>> + 'a {
        // What one principal saw is little; what all saw is held of one segment at a time.
        let threads = if query.principal.is_some() { at_a_time() } else { 1 };
        ask_each(self.segments_of(query).collect(), threads, move |segment| segment.exposures(query))
    }
}

fn at_a_time() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from) * AT_A_TIME
}

/// Does the same with some things at once, and returns what came of it in their order.
fn side_by_side<I: Copy + Send, T: Send>(some: &[I], work: impl Fn(I) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let work = &work;
        let begun: Vec<_> = some.iter().copied().map(|one| scope.spawn(move || work(one))).collect();
        let ended = begun.into_iter().map(std::thread::ScopedJoinHandle::join);
        ended.map(|ended| ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

/// Asks segment after segment, `threads` of them at a time, and gives what was found in their order.
fn ask_each<'a, T: Send + 'a>(
    segments: Vec<&'a OpenSegment>,
    threads: usize,
    ask: impl Fn(&OpenSegment) -> Result<Vec<T>, ArchiveError> + Sync + 'a,
) -> impl Iterator<Item = Result<T, ArchiveError>> + 'a {
    let some: Vec<Vec<&OpenSegment>> = segments.chunks(threads.max(1)).map(<[_]>::to_vec).collect();
    some.into_iter().flat_map(move |some| {
        let asked = side_by_side(&some, &ask).into_iter();
        asked.flat_map(|found| match found {
            Ok(found) => found.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
    })
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
