//! The check that an archive says what the log says: every file as it was written, every entry leaf by leaf.

mod by_line;
mod exposure;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use rastro_ledger::merkle::{Hash, TileId};
use rastro_ledger::note::NoteVerifier;
use rastro_ledger::seal::{SealError, StoredNodes};
use rastro_ledger::store::Store;
use rastro_ledger::{Entry, HEADER_LEN, LeafWalk};
use roaring::RoaringBitmap;

use crate::clock::Tick;
use crate::columns::Integers;
use crate::error::ArchiveError;
use crate::manifest::{Manifest, Segment, hex, newest_number, path_of, unhex};
use crate::objects::Objects;
use crate::open::OpenSegment;
use crate::table::{Table, ticks_of};
use by_line::ByLine;
use exposure::ExposureCheck;

/// Rows of `statements` put together at a time.
const CHUNK_STATEMENTS: u64 = 1 << 20;

/// What a check is given. The tree must have been verified.
pub struct Checked<'a> {
    /// The archive.
    pub objects: &'a Objects,
    /// Its state, read before the tree was verified: else it may hold entries that the checkpoint does not.
    pub state: &'a State,
    /// The tree's tiles.
    pub tree: &'a (dyn Store + Sync),
    /// The secrets that commitments are salted with.
    pub salts: &'a (dyn Store + Sync),
    /// Entries under the verified checkpoint.
    pub size: u64,
    /// Entries removed on purpose, from the front.
    pub removed: u64,
    /// Keys that may have signed the manifest; none: it is not asked for.
    pub keys: &'a [NoteVerifier],
    /// Threads to use.
    pub threads: usize,
}

/// A state of an archive to check.
#[derive(Clone, Debug)]
pub struct State {
    newest: u64,
    manifest: Option<(Manifest, Vec<u8>)>,
}

impl State {
    /// Reads the newest state.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn load(objects: &Objects) -> Result<State, ArchiveError> {
        let newest = newest_number(objects)?;
        Ok(State { newest, manifest: Manifest::load_signed(objects)? })
    }

    /// Returns the manifest; inside, why it is not to be trusted.
    fn trusted(&self, keys: &[NoteVerifier]) -> Result<Option<&Manifest>, ArchiveFault> {
        let fault = |number, why| Err(ArchiveFault::Manifest { path: path_of(number), why });
        match &self.manifest {
            None if self.newest == 0 => Ok(None),
            Some((manifest, bytes)) if manifest.number >= self.newest => {
                let signed = Manifest::note(bytes).is_some_and(|note| note.verify(keys).is_ok());
                if !keys.is_empty() && !signed {
                    return fault(manifest.number, "is not signed with the ledger's key");
                }
                Ok(Some(manifest))
            }
            _ => fault(self.newest, "is damaged"),
        }
    }
}

/// What is wrong with an archive. Entries are named by their position in the log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveFault {
    /// The manifest is not what the archive's writer signed.
    #[error("the archive's manifest `{path}` {why}")]
    Manifest {
        /// Which file.
        path: String,
        /// Why not.
        why: &'static str,
    },
    /// Entries are in no part of the archive.
    #[error("entries {first} to {last} are missing in the archive")]
    Missing {
        /// First that is missing.
        first: u64,
        /// Last that is missing.
        last: u64,
    },
    /// A file is not what was written.
    #[error("`{path}` of the archive {why}")]
    File {
        /// Which file.
        path: String,
        /// Why not.
        why: String,
    },
    /// An entry is not what the log holds.
    #[error(
        "entry {position} is not in the archive as it is in the log (in `{path}` and the files beside it)"
    )]
    Entry {
        /// Its position.
        position: u64,
        /// File of `statements` it is in.
        path: String,
    },
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArchiveReport {
    /// Entries of the archive compared with the log.
    pub entries: u64,
    /// Files of the archive.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The first thing that is wrong.
    pub fault: Option<ArchiveFault>,
}

/// Checks an archive against the log.
///
/// Cost: each file is read twice, `disclosures` once for each 16 million of its rows, each leaf hashed. Memory: a
/// million entries and 256 MiB for each thread.
///
/// # Errors
/// The check could not be made. What was found wrong is in the report.
pub fn check(checked: &Checked<'_>) -> Result<ArchiveReport, ArchiveError> {
    let mut report = ArchiveReport::default();
    let manifest = match checked.state.trusted(checked.keys) {
        Ok(Some(manifest)) => manifest,
        Ok(None) => return Ok(report),
        Err(fault) => return Ok(ArchiveReport { fault: Some(fault), ..report }),
    };
    let files = || manifest.segments.iter().flat_map(|segment| &segment.files);
    report.files = files().count() as u64;
    report.bytes = files().map(|file| file.bytes).sum();
    report.entries = manifest.segments.iter().map(|segment| segment.entries).sum();
    report.fault = missing(manifest, checked);
    if report.fault.is_some() {
        return Ok(report);
    }
    let next = AtomicUsize::new(0);
    let found: Mutex<Option<(usize, Result<ArchiveFault, ArchiveError>)>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..checked.threads.clamp(1, manifest.segments.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(segment) = manifest.segments.get(at) else { return };
                    if found.lock().as_ref().is_some_and(|(before, _)| *before < at) {
                        return;
                    }
                    let fault = match check_segment(checked, segment) {
                        Ok(None) => continue,
                        Ok(Some(fault)) => Ok(fault),
                        Err(error) => Err(error),
                    };
                    let mut found = found.lock();
                    if found.as_ref().is_none_or(|(before, _)| at < *before) {
                        *found = Some((at, fault));
                    }
                }
            });
        }
    });
    if let Some((_, fault)) = found.into_inner() {
        report.fault = Some(fault?);
    }
    Ok(report)
}

fn missing(manifest: &Manifest, checked: &Checked<'_>) -> Option<ArchiveFault> {
    let mut due = checked.removed;
    for segment in &manifest.segments {
        if segment.first_position > due {
            return Some(ArchiveFault::Missing { first: due, last: segment.first_position - 1 });
        }
        due = segment.first_position + segment.entries;
    }
    (due > checked.size).then(|| ArchiveFault::Manifest {
        path: path_of(manifest.number),
        why: "has entries that the ledger's checkpoint does not cover",
    })
}

fn check_segment(checked: &Checked<'_>, segment: &Segment) -> Result<Option<ArchiveFault>, ArchiveError> {
    let first = segment.files.iter().find_map(|file| check_file(checked.objects, file).transpose());
    if let Some(fault) = first {
        return fault.map(Some);
    }
    match check_leaves(checked, segment) {
        // What cannot be read as this version writes it is not what was written.
        Err(error @ (ArchiveError::Malformed { .. } | ArchiveError::Parquet { .. })) => {
            let path = match &error {
                ArchiveError::Malformed { path, .. } | ArchiveError::Parquet { path, .. } => path.clone(),
                _ => String::new(),
            };
            Ok(Some(ArchiveFault::File { path, why: format!("cannot be read: {error}") }))
        }
        other => other,
    }
}

fn check_file(
    objects: &Objects,
    file: &crate::manifest::TableFile,
) -> Result<Option<ArchiveFault>, ArchiveError> {
    let path = file.path.clone();
    let open = match objects.open_file(&path, file.bytes) {
        Ok(open) => open,
        Err(error) if error.is_absent() => {
            return Ok(Some(ArchiveFault::File { path, why: "is missing".to_owned() }));
        }
        Err(error) => return Err(error.into()),
    };
    let same = open.sha256().is_ok_and(|hash| hex(&hash) == file.sha256);
    let altered = !same || objects.size(&path)? != file.bytes;
    Ok(altered.then(|| ArchiveFault::File { path, why: "was altered".to_owned() }))
}

fn check_leaves(checked: &Checked<'_>, facts: &Segment) -> Result<Option<ArchiveFault>, ArchiveError> {
    let segment = OpenSegment::open(checked.objects, facts, &Arc::default())?;
    let path = facts.file(Table::Statements).map(|file| file.path.clone()).unwrap_or_default();
    let numbers = entry_numbers(&segment)?;
    let wrong = |why: &str| Ok(Some(ArchiveFault::File { path: path.clone(), why: why.to_owned() }));
    if numbers.len() != facts.entries {
        return wrong("has other entries than its manifest says");
    }
    let mut leaves = Leaves::new(checked, facts);
    let mut exposure = ExposureCheck::new(&segment)?;
    let mut rows = Rows::default();
    let mut first_wrong: Option<u64> = None;
    // Numbers without a gap, as they mostly are, need not be counted.
    let is_dense = numbers.max().is_some_and(|last| u64::from(last) + 1 == numbers.len());
    let rank = |at: u32| if is_dense { u64::from(at) } else { numbers.rank(at) - 1 };
    let mut disclosed = ByLine::new(&segment, CHUNK_STATEMENTS);
    for at in 0..facts.entries.div_ceil(CHUNK_STATEMENTS) {
        let start = at * CHUNK_STATEMENTS;
        let end = (start + CHUNK_STATEMENTS).min(facts.entries);
        let (Ok(start), Ok(end)) = (u32::try_from(start), u32::try_from(end)) else {
            return wrong("has too many entries");
        };
        let chunk: RoaringBitmap = (start..end).collect();
        let entries = segment.assemble_of(Some(&chunk), None, disclosed.take(at)?)?;
        rows.count(&segment, &chunk, &entries)?;
        for entry in &entries {
            let at = u32::try_from(entry.no.0.wrapping_sub(facts.first_entry)).ok();
            let rank = at.filter(|at| numbers.contains(*at)).map(rank);
            let Some(position) = rank.map(|rank| facts.first_position + rank) else {
                return wrong("has an entry out of its range");
            };
            if position >= checked.removed && !leaves.agree(position, entry)? {
                first_wrong = Some(first_wrong.map_or(position, |known| known.min(position)));
            }
        }
        exposure.add(entries);
    }
    if let Some(position) = first_wrong {
        return Ok(Some(ArchiveFault::Entry { position, path }));
    }
    if let Some(table) = rows.unaccounted(facts) {
        let path = facts.file(table).map(|file| file.path.clone()).unwrap_or_default();
        return Ok(Some(ArchiveFault::File { path, why: "has rows that belong to no entry".to_owned() }));
    }
    if !exposure.agrees() {
        let path = facts.file(Table::Exposure).map(|file| file.path.clone()).unwrap_or_default();
        return Ok(Some(ArchiveFault::File { path, why: "does not say what the entries say".to_owned() }));
    }
    Ok(None)
}

/// Returns the numbers of a segment's entries, less that of its first.
fn entry_numbers(segment: &OpenSegment) -> Result<RoaringBitmap, ArchiveError> {
    let mut numbers = RoaringBitmap::new();
    let Some(table) = segment.table(Table::Statements) else { return Ok(numbers) };
    let mut row = segment.facts.first_line();
    let clock = segment.clock()?;
    let [time, after] = segment.entry_columns();
    for batch in table.read(&["line", time, after], None)? {
        let batch = batch?;
        let malformed = |column| ArchiveError::malformed(table.file.path())(column);
        let rows = Integers::of(&batch, "line").map_err(malformed)?;
        let ticks = ticks_of(&batch, &clock).map_err(malformed)?;
        for (found, Tick { entry, .. }) in rows.values().iter().zip(ticks) {
            if found.cast_unsigned() != row {
                return Err(malformed("line"));
            }
            row += 1;
            let number = entry.checked_sub(segment.facts.first_entry);
            let number = number.and_then(|number| u32::try_from(number).ok());
            numbers.insert(number.ok_or_else(|| malformed("entry"))?);
        }
    }
    Ok(numbers)
}

/// Counts the rows that entries account for.
#[derive(Default)]
struct Rows {
    disclosures: u64,
    sets: u64,
    reasons: u64,
}

impl Rows {
    fn count(
        &mut self,
        segment: &OpenSegment,
        chunk: &RoaringBitmap,
        entries: &[Entry],
    ) -> Result<(), ArchiveError> {
        for set in segment.sets(Some(chunk))? {
            self.sets += 1;
            if !set.is_consistent() {
                return Err(segment.malformed("subjects"));
            }
        }
        for entry in entries {
            match &entry.content {
                rastro_ledger::Content::Disclosure(disclosure) => {
                    self.disclosures += crate::build::rows_of(&disclosure.sets);
                }
                rastro_ledger::Content::Reason(_) => self.reasons += 1,
                // They are rows of `statements` alone.
                rastro_ledger::Content::Control(_)
                | rastro_ledger::Content::ErasedReason(_)
                | rastro_ledger::Content::Erasure(_)
                | rastro_ledger::Content::Account(_) => {}
            }
        }
        Ok(())
    }

    fn unaccounted(&self, facts: &Segment) -> Option<Table> {
        let rows = |table| facts.file(table).map_or(0, |file| file.rows);
        let counted = [
            (Table::Disclosures, self.disclosures),
            (Table::Sets, self.sets),
            (Table::Reasons, self.reasons),
        ];
        counted.into_iter().find(|(table, count)| rows(*table) != *count).map(|(table, _)| table)
    }
}

/// Recomputes leaves and compares them with the tree's.
struct Leaves<'a> {
    checked: &'a Checked<'a>,
    facts: &'a Segment,
    walk: LeafWalk,
    tile: Option<(TileId, Vec<Hash>)>,
}

impl<'a> Leaves<'a> {
    fn new(checked: &'a Checked<'a>, facts: &'a Segment) -> Leaves<'a> {
        Leaves { checked, facts, walk: LeafWalk::default(), tile: None }
    }

    fn agree(&mut self, position: u64, entry: &Entry) -> Result<bool, ArchiveError> {
        let sources = &self.facts.sources;
        let at = sources.partition_point(|source| source.first_position <= position);
        let Some(source) = at.checked_sub(1).and_then(|at| sources.get(at)) else { return Ok(false) };
        let begins = source.first_position == position;
        let header: Option<[u8; HEADER_LEN]> = source
            .header
            .as_deref()
            .filter(|_| begins)
            .and_then(unhex)
            .and_then(|bytes| bytes.try_into().ok());
        let leaf = match self.walk.leaf(self.checked.salts, position, source.file, header.as_ref(), entry) {
            Ok(leaf) => leaf,
            // The manifest names a spool file that there is none of, or has it begin elsewhere.
            Err(SealError::Missing { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let Some(id) = TileId::containing(0, position, self.checked.size) else { return Ok(false) };
        if self.tile.as_ref().is_none_or(|(known, _)| *known != id) {
            let hashes = StoredNodes::new(self.checked.tree, self.checked.size).tile(id)?;
            self.tile = Some((id, hashes));
        }
        let hashes = self.tile.as_ref().map(|(_, hashes)| hashes.as_slice()).unwrap_or_default();
        let at = usize::try_from(position % rastro_ledger::merkle::TILE_WIDTH as u64).unwrap_or(usize::MAX);
        Ok(hashes.get(at) == Some(&leaf))
    }
}
