//! The whole ledger: what is in the archive, then what stands in the spool alone. Nothing is left out and
//! nothing comes twice: the archive says with which entry the spool's part begins.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rastro_ledger::{Brief, Content, Entry, EntryNo, Origins, SpoolReader, Subjects};
use rastro_model::Principal;

use crate::archive::{Archive, Exposure, Query, Sighting, combination_of, exposures_of};
use crate::assemble::Wanted;
use crate::error::ArchiveError;
use crate::objects::Objects;
use crate::row::Key;
use crate::table::{Combinations, Table, decode_exposure};

/// Reads a ledger. Streams, and may be used while the ledger is written.
#[derive(Clone, Debug)]
pub struct LedgerReader {
    archive: Option<Archive>,
    spool: PathBuf,
    /// Where the spool's part begins, once it was found.
    tail: Arc<Mutex<Option<SpoolReader>>>,
}

static EVERYTHING: Query =
    Query { principal: None, subjects: None, since: None, until: None, only_reasons: false };

/// Entries in brief, in order: see [`LedgerReader::briefs`].
pub struct Briefs<'a> {
    older: Box<dyn Iterator<Item = Result<Entry, ArchiveError>> + 'a>,
    entry: Option<Entry>,
    spool: SpoolReader,
}

impl Briefs<'_> {
    /// Returns the next entry; `None` at the end.
    ///
    /// # Errors
    /// See [`ArchiveError`].
    pub fn next_brief(&mut self) -> Result<Option<Brief<'_>>, ArchiveError> {
        self.entry = self.older.next().transpose()?;
        match &self.entry {
            Some(entry) => Ok(Some(entry.brief())),
            None => Ok(self.spool.next_brief()?),
        }
    }
}

impl std::fmt::Debug for Briefs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Briefs").field("spool", &self.spool).finish_non_exhaustive()
    }
}

/// How many distinct subjects of a cohort a principal was shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CohortCount {
    /// To whom.
    pub principal: Principal,
    /// Kind of subject.
    pub kind: Arc<str>,
    /// The cohort.
    pub cohort: Arc<str>,
    /// How many.
    pub subjects: u64,
}

impl LedgerReader {
    /// Opens the newest state of an archive, if there is one, and the spool in `spool`.
    ///
    /// # Errors
    /// See [`ArchiveError`].
    pub fn open(objects: Option<&Objects>, spool: &Path) -> Result<LedgerReader, ArchiveError> {
        let archive = objects.map(Archive::open).transpose()?;
        Ok(LedgerReader { archive, spool: spool.to_owned(), tail: Arc::default() })
    }

    /// Returns the archive's part.
    pub fn archive(&self) -> Option<&Archive> {
        self.archive.as_ref()
    }

    /// Returns which entries come from a log that others wrote.
    ///
    /// # Errors
    /// The spool cannot be read.
    pub fn origins(&self) -> Result<Origins, ArchiveError> {
        Ok(Origins::read(&self.spool)?)
    }

    /// Returns the entries that only the spool has, in order, up to what is written now.
    ///
    /// # Errors
    /// The spool cannot be read.
    pub fn tail(&self) -> Result<impl Iterator<Item = Result<Entry, ArchiveError>> + use<>, ArchiveError> {
        let mut kept = self.tail.lock();
        if kept.as_ref().is_none_or(|reader| !reader.is_current()) {
            let manifest = self.archive.as_ref().map(Archive::manifest);
            let (next, file) = manifest.map_or((0, 0), |state| (state.next_entry(), state.next_file()));
            let mut reader = SpoolReader::open(&self.spool)?;
            reader.begin_at(file, EntryNo(next))?;
            reader.pass_over()?;
            *kept = Some(reader);
        }
        // A copy has the names of the file with it: none is made where there is nothing to read.
        let has_more = kept.as_mut().map(SpoolReader::is_at_end).transpose()? == Some(false);
        let reader = kept.as_ref().filter(|_| has_more).cloned();
        Ok(reader.into_iter().flatten().map(|entry| entry.map_err(ArchiveError::from)))
    }

    /// Returns the entries that may be of interest to a query: see [`Archive::entries`].
    ///
    /// # Errors
    /// The spool cannot be read.
    pub fn entries<'a>(
        &'a self,
        query: &'a Query,
    ) -> Result<impl Iterator<Item = Result<Entry, ArchiveError>> + 'a, ArchiveError> {
        let sealed = self.archive.iter().flat_map(|archive| archive.entries(query));
        Ok(sealed.chain(self.tail()?))
    }

    /// Returns all entries in brief. The spool still has what the archive has, in a form that is read many times
    /// faster, and is read; only what is no longer there comes from the archive.
    ///
    /// # Errors
    /// The spool cannot be read.
    pub fn briefs(&self) -> Result<Briefs<'_>, ArchiveError> {
        let spool = SpoolReader::open(&self.spool)?;
        let first = spool.first_no()?;
        let goes_back = |archive: &&Archive| {
            let segment = archive.manifest().segments.first();
            segment.is_some_and(|segment| first.is_none_or(|first| segment.first_entry < first.0))
        };
        let archive = self.archive.as_ref().filter(goes_back);
        let older = archive.into_iter().flat_map(|archive| archive.entries(&EVERYTHING));
        let older = older.take_while(move |entry| match (entry, first) {
            (Ok(entry), Some(first)) => entry.no < first,
            _ => true,
        });
        Ok(Briefs { older: Box::new(older), entry: None, spool })
    }

    /// Returns the entries of one segment of the archive, or of the spool's part.
    #[cfg(feature = "query")]
    pub(crate) fn part_entries<'a>(
        &'a self,
        part: Option<usize>,
        query: &'a Query,
    ) -> Result<Box<dyn Iterator<Item = Result<Entry, ArchiveError>> + 'a>, ArchiveError> {
        match part {
            Some(part) => Ok(Box::new(self.archive.iter().flat_map(move |a| a.segment_entries(part, query)))),
            None => Ok(Box::new(self.tail()?)),
        }
    }

    /// Returns who saw any of the query's subjects, when, and what of them.
    ///
    /// # Errors
    /// The spool cannot be read.
    pub fn who_saw<'a>(
        &'a self,
        query: &'a Query,
    ) -> Result<impl Iterator<Item = Result<Sighting, ArchiveError>> + 'a, ArchiveError> {
        let wanted = Wanted::new(query.subjects.clone().unwrap_or_default());
        let sealed = self.archive.iter().flat_map(|archive| archive.who_saw(query));
        let tail = self.tail()?.flat_map(move |entry| match entry {
            Ok(entry) => sightings_of(&entry, &wanted, query).into_iter().map(Ok).collect::<Vec<_>>(),
            Err(error) => vec![Err(error)],
        });
        Ok(sealed.chain(tail))
    }

    /// Returns the distinct subjects of the query's principal, or of all: see [`Archive::subjects_of`].
    ///
    /// # Errors
    /// The spool cannot be read.
    pub fn subjects_of<'a>(
        &'a self,
        query: &'a Query,
    ) -> Result<impl Iterator<Item = Result<Exposure, ArchiveError>> + 'a, ArchiveError> {
        let sealed = self.archive.iter().flat_map(|archive| archive.subjects_of(query));
        let tail = self.tail()?.flat_map(move |entry| match entry {
            Ok(entry) => exposures_of(&entry, query).into_iter().map(Ok).collect::<Vec<_>>(),
            Err(error) => vec![Err(error)],
        });
        Ok(sealed.chain(tail))
    }

    /// Counts the distinct subjects of each cohort that the query's principal was shown, or each principal;
    /// `cohort_of` says of a kind and key which cohort it is in. Memory: one principal's subjects.
    ///
    /// # Errors
    /// See [`ArchiveError`].
    pub fn counts(
        &self,
        query: &Query,
        mut cohort_of: impl FnMut(&str, &Key) -> Option<Arc<str>>,
    ) -> Result<Vec<CohortCount>, ArchiveError> {
        let principals = match &query.principal {
            Some(principal) => BTreeSet::from([principal.clone()]),
            None => self.principals()?,
        };
        let mut counts = Vec::new();
        for principal in principals {
            let query = Query { principal: Some(principal.clone()), ..query.clone() };
            let mut seen: BTreeMap<Arc<str>, Vec<Key>> = BTreeMap::new();
            for exposure in self.subjects_of(&query)? {
                let Exposure { combination, subjects, .. } = exposure?;
                seen.entry(Arc::clone(&combination.kind)).or_default().extend(Key::all_of(&subjects));
            }
            for (kind, mut keys) in seen {
                keys.sort_unstable();
                keys.dedup();
                let mut of_kind: BTreeMap<Arc<str>, u64> = BTreeMap::new();
                for cohort in keys.iter().filter_map(|key| cohort_of(&kind, key)) {
                    *of_kind.entry(cohort).or_default() += 1;
                }
                counts.extend(of_kind.into_iter().map(|(cohort, subjects)| {
                    let (principal, kind) = (principal.clone(), Arc::clone(&kind));
                    CohortCount { principal, kind, cohort, subjects }
                }));
            }
        }
        Ok(counts)
    }

    /// Returns everybody who was shown anybody.
    fn principals(&self) -> Result<BTreeSet<Principal>, ArchiveError> {
        let mut found = BTreeSet::new();
        for segment in self.archive.iter().flat_map(Archive::segments) {
            if let Some(table) = segment.table(Table::Exposure) {
                let mut combinations = Combinations::default();
                for batch in table.read(&[], None)? {
                    let rows = decode_exposure(&batch?, &mut combinations, |_| true);
                    let rows = rows.map_err(ArchiveError::malformed(table.file.path()))?;
                    found.extend(rows.into_iter().map(|row| row.principal));
                }
            }
            found.extend(segment.shown_sets()?);
        }
        for entry in self.tail()? {
            if let Content::Disclosure(disclosure) = entry?.content {
                found.insert(disclosure.principal);
            }
        }
        Ok(found)
    }
}

fn sightings_of(entry: &Entry, wanted: &Wanted, query: &Query) -> Vec<Sighting> {
    let Content::Disclosure(disclosure) = &entry.content else { return Vec::new() };
    let principal = &disclosure.principal;
    if !query.has_time(disclosure.time.0)
        || query.principal.as_ref().is_some_and(|wanted| wanted != principal)
    {
        return Vec::new();
    }
    let mut found = Vec::new();
    for set in &disclosure.sets {
        if matches!(set.subjects, Subjects::Unattributed { .. }) {
            continue;
        }
        let combination = Arc::new(combination_of(set.kind, set.fields, set.certainty, &entry.schema));
        for key in Key::all_of(&set.subjects).filter(|key| wanted.has(key)) {
            let (principal, combination) = (principal.clone(), Arc::clone(&combination));
            found.push(Sighting { entry: entry.no.0, time: disclosure.time.0, principal, key, combination });
        }
    }
    found
}
