//! Writes an archive: seals entries into segments, merges segments, removes what was replaced.

use std::collections::HashSet;

use rand::Rng;
use rastro_ledger::PlacedEntry;

use crate::build::SegmentBuilder;
use crate::error::ArchiveError;
use crate::manifest::{Manifest, Retired, Segment, Signer, newest_number};
use crate::merge::merge_segments;
use crate::objects::Objects;
use crate::table::Table;

const DAY: i64 = 86_400_000_000;
/// A segment is written when what is held for it comes to this many bytes.
const WEIGHT_MAX: usize = 512 << 20;
/// Segments of the day that is not over, before they are merged.
const TODAY_MAX: usize = 8;
/// Entries of a merged segment: rows are numbered in 32 bits while it is made.
const ENTRIES_MAX: u64 = 1 << 31;
/// Attempts against others who change the archive.
const ATTEMPTS: usize = 32;

/// Writes an archive. Several may at once, in one process or in many.
pub struct Archivist {
    objects: Objects,
    signer: Option<Signer>,
    /// Files that were replaced stay so long (µs) for readers that still use them.
    grace: i64,
    weight_max: usize,
}

/// What a call of [`Archivist::seal`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    /// Entries put into the archive.
    pub entries: u64,
    /// Files written.
    pub paths: Vec<String>,
}

impl Archivist {
    /// Opens an archive for writing; manifests are signed if a signer is given.
    pub fn new(objects: Objects, signer: Option<Signer>, grace: std::time::Duration) -> Archivist {
        let grace = i64::try_from(grace.as_micros()).unwrap_or(i64::MAX);
        Archivist { objects, signer, grace, weight_max: WEIGHT_MAX }
    }

    /// Makes segments of at most about so many bytes in memory.
    #[must_use]
    pub fn with_weight(mut self, bytes: usize) -> Archivist {
        self.weight_max = bytes;
        self
    }

    /// Returns the state of the archive.
    ///
    /// # Errors
    /// See [`ArchiveError`].
    pub fn manifest(&self) -> Result<Manifest, ArchiveError> {
        Manifest::load(&self.objects)
    }

    /// Puts entries into the archive: those it has already are passed over. A segment ends where a day (UTC)
    /// does. What is in the archive on return, or on an error, stays there and is whole.
    ///
    /// # Errors
    /// `Gap`: entries are missing between the archive's last and the first given. See [`ArchiveError`].
    pub fn seal<E: Into<ArchiveError>>(
        &self,
        entries: impl Iterator<Item = Result<PlacedEntry, E>>,
    ) -> Result<Sealed, ArchiveError> {
        let mut state = Manifest::load(&self.objects)?;
        let mut sealed = Sealed::default();
        let mut builder = SegmentBuilder::default();
        let mut day = i64::MIN;
        for placed in entries {
            let placed = placed.map_err(Into::into)?;
            let due = builder.last_entry().map_or(state.next_entry(), |last| last + 1);
            if placed.entry.no.0 < due {
                continue;
            }
            if builder.is_empty() {
                check_place(&state, &placed)?;
            }
            // Times may go back a little; an entry that comes late stays with those around it.
            let of_entry = placed.entry.time().0.div_euclid(DAY);
            if !builder.is_empty() && (of_entry > day || builder.weight() > self.weight_max) {
                state = self.add(state, std::mem::take(&mut builder), day, &mut sealed)?;
            }
            day = if builder.is_empty() { of_entry } else { day.max(of_entry) };
            if placed.entry.no.0 >= state.next_entry() {
                builder.push(placed);
            }
        }
        if !builder.is_empty() {
            self.add(state, builder, day, &mut sealed)?;
        }
        Ok(sealed)
    }

    /// Writes a segment and makes it part of the archive, unless another writer was first.
    fn add(
        &self,
        state: Manifest,
        builder: SegmentBuilder,
        day: i64,
        sealed: &mut Sealed,
    ) -> Result<Manifest, ArchiveError> {
        let segment = builder.write(&self.objects, &day_label(day), nonce(), state.next_line())?;
        let Some(segment) = segment else { return Ok(state) };
        let mut state = state;
        for _ in 0..ATTEMPTS {
            if state.next_entry() > segment.first_entry {
                // Another writer has put these entries, or the first of them, into the archive.
                remove_files(&self.objects, &segment);
                let all = state.next_entry() >= segment.next_entry;
                return if all { Ok(state) } else { Err(ArchiveError::Contended) };
            }
            let mut next = self.following(&state)?;
            next.segments.push(segment.clone());
            if next.commit(&self.objects, self.signer.as_ref())? {
                sealed.entries += segment.entries;
                sealed.paths.extend(segment.files.iter().map(|file| file.path.clone()));
                return Ok(next);
            }
            state = Manifest::load(&self.objects)?;
        }
        Err(ArchiveError::Contended)
    }

    /// Returns the state to change and commit after `state`.
    fn following(&self, state: &Manifest) -> Result<Manifest, ArchiveError> {
        // A torn manifest keeps its number.
        let number = newest_number(&self.objects)?.max(state.number) + 1;
        Ok(Manifest { number, nonce: nonce(), ..state.clone() })
    }

    /// Merges what is due at `now` (µs since 1970): all of a month that is over, all of a day that is over, a
    /// day's segments that are many. Returns how many merges there were.
    ///
    /// # Errors
    /// See [`ArchiveError`].
    pub fn compact(&self, now: i64) -> Result<usize, ArchiveError> {
        let mut merges = 0;
        for _ in 0..ATTEMPTS * 64 {
            let state = Manifest::load(&self.objects)?;
            let Some((range, label)) = due(&state, now) else { return Ok(merges) };
            let parts = state.segments.get(range.clone()).unwrap_or_default().to_vec();
            let merged = merge_segments(&self.objects, &parts, &label, nonce())?;
            let Some(merged) = merged else { return Ok(merges) };
            if self.replace(&parts, merged, now)? {
                merges += 1;
            }
        }
        Err(ArchiveError::Contended)
    }

    /// Puts `merged` in the place of `parts`; `false` if they are no longer there.
    fn replace(&self, parts: &[Segment], merged: Segment, now: i64) -> Result<bool, ArchiveError> {
        for _ in 0..ATTEMPTS {
            let state = Manifest::load(&self.objects)?;
            let Some(at) = state.segments.windows(parts.len()).position(|window| window == parts) else {
                remove_files(&self.objects, &merged);
                return Ok(false);
            };
            let mut next = self.following(&state)?;
            next.segments.splice(at..at + parts.len(), [merged.clone()]);
            let files = parts.iter().flat_map(|part| &part.files);
            next.retired.extend(files.map(|file| Retired { path: file.path.clone(), since: now }));
            if next.commit(&self.objects, self.signer.as_ref())? {
                return Ok(true);
            }
        }
        Err(ArchiveError::Contended)
    }

    /// Drops the segments that lie wholly before position `first` of the log: the ledger has given them up at
    /// `now`. The last segment stays, as it says where to go on.
    ///
    /// # Errors
    /// See [`ArchiveError`].
    pub fn forget_before(&self, first: u64, now: i64) -> Result<u64, ArchiveError> {
        for _ in 0..ATTEMPTS {
            let state = Manifest::load(&self.objects)?;
            let mut next = self.following(&state)?;
            let first = first.min(state.segments.last().map_or(0, |last| last.first_position));
            let gone: Vec<Segment> = next
                .segments
                .extract_if(.., |segment| segment.first_position + segment.entries <= first)
                .collect();
            if gone.is_empty() {
                return Ok(0);
            }
            let files = gone.iter().flat_map(|segment| &segment.files);
            next.retired.extend(files.map(|file| Retired { path: file.path.clone(), since: now }));
            if next.commit(&self.objects, self.signer.as_ref())? {
                return Ok(gone.iter().map(|segment| segment.entries).sum());
            }
        }
        Err(ArchiveError::Contended)
    }

    /// Takes everything out of the archive, to be sealed anew from the ledger.
    ///
    /// # Errors
    /// See [`ArchiveError`].
    pub fn clear(&self, now: i64) -> Result<(), ArchiveError> {
        for _ in 0..ATTEMPTS {
            let state = Manifest::load(&self.objects)?;
            let mut next = self.following(&state)?;
            let gone = std::mem::take(&mut next.segments);
            let files = gone.iter().flat_map(|segment| &segment.files);
            next.retired.extend(files.map(|file| Retired { path: file.path.clone(), since: now }));
            if next.commit(&self.objects, self.signer.as_ref())? {
                return Ok(());
            }
        }
        Err(ArchiveError::Contended)
    }

    /// Removes every file that the archive's state does not consist of, however young, and every older state.
    /// Readers that are at work may fail; nobody else may write. Returns how many files went.
    ///
    /// # Errors
    /// See [`ArchiveError`].
    pub fn remove_unused(&self) -> Result<usize, ArchiveError> {
        let state = Manifest::load(&self.objects)?;
        let used: HashSet<&str> =
            state.segments.iter().flat_map(|segment| &segment.files).map(|file| file.path.as_str()).collect();
        let mut removed = 0;
        for table in Table::ALL {
            for meta in self.objects.list(table.name())? {
                let path = meta.location.as_ref();
                if !used.contains(path) {
                    self.objects.delete(path)?;
                    removed += 1;
                }
            }
        }
        state.remove_old(&self.objects)?;
        Ok(removed)
    }

    /// Removes files that were replaced before the time of grace, files that belong to nothing and are as
    /// old, and old manifests. Broken off, it goes on at the next call.
    ///
    /// # Errors
    /// See [`ArchiveError`].
    pub fn sweep(&self, now: i64) -> Result<usize, ArchiveError> {
        let state = Manifest::load(&self.objects)?;
        let over = now.saturating_sub(self.grace);
        let (gone, kept): (Vec<Retired>, Vec<Retired>) =
            state.retired.iter().cloned().partition(|retired| retired.since <= over);
        for retired in &gone {
            self.objects.delete(&retired.path)?;
        }
        let known = |path: &str| {
            state.segments.iter().flat_map(|segment| &segment.files).any(|file| file.path == path)
                || kept.iter().any(|retired| retired.path == path)
        };
        let mut removed = gone.len();
        for table in Table::ALL {
            for meta in self.objects.list(table.name())? {
                let path = meta.location.as_ref();
                // Another writer may be about to make it part of the archive.
                if !known(path) && meta.last_modified.timestamp_micros() <= over.saturating_sub(DAY) {
                    self.objects.delete(path)?;
                    removed += 1;
                }
            }
        }
        if !gone.is_empty() {
            let mut next = self.following(&state)?;
            next.retired = kept;
            // Whoever was first has a newer state: the rest is for the next time.
            next.commit(&self.objects, self.signer.as_ref())?;
            next.remove_old(&self.objects)?;
        } else {
            state.remove_old(&self.objects)?;
        }
        Ok(removed)
    }
}

impl std::fmt::Debug for Archivist {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archivist").field("objects", &self.objects).finish_non_exhaustive()
    }
}

fn check_place(state: &Manifest, placed: &PlacedEntry) -> Result<(), ArchiveError> {
    let Some(last) = state.segments.last() else { return Ok(()) };
    if last.first_position + last.entries == placed.position {
        return Ok(());
    }
    Err(ArchiveError::Gap { expected: last.next_entry, found: placed.entry.no.0 })
}

/// Returns the segments to merge next, and the name of what they are merged to.
fn due(state: &Manifest, now: i64) -> Option<(std::ops::Range<usize>, String)> {
    let segments = &state.segments;
    let month = |segment: &Segment| month_label(segment.max_time);
    let day = |segment: &Segment| segment.max_time.div_euclid(DAY);
    let (this_month, today) = (month_label(now), now.div_euclid(DAY));
    if let Some(range) = run(segments, |a, b| month(a) == month(b) && month(a) != this_month, 2) {
        let label = segments.get(range.start).map(month)?;
        return Some((range, label));
    }
    if let Some(range) = run(segments, |a, b| day(a) == day(b) && day(a) < today, 2) {
        let label = segments.get(range.start).map(|segment| day_label(day(segment)))?;
        return Some((range, label));
    }
    let range = run(segments, |a, b| day(a) == day(b), TODAY_MAX + 1)?;
    let label = segments.get(range.start).map(|segment| day_label(day(segment)))?;
    Some((range, label))
}

/// Returns the first run of at least `least` segments that belong together, so far as they fit into one.
fn run(
    segments: &[Segment],
    together: impl Fn(&Segment, &Segment) -> bool,
    least: usize,
) -> Option<std::ops::Range<usize>> {
    let mut start = 0;
    for run in segments.chunk_by(together) {
        let mut entries = 0;
        let fits = run.iter().take_while(|segment| {
            entries += segment.entries;
            entries <= ENTRIES_MAX
        });
        let count = fits.count();
        if count >= least {
            return Some(start..start + count);
        }
        start += run.len();
    }
    None
}

fn remove_files(objects: &Objects, segment: &Segment) {
    for file in &segment.files {
        // What stays is swept later.
        let _ = objects.delete(&file.path);
    }
}

fn nonce() -> u64 {
    // Less than 2^53: any JSON reader keeps it.
    rand::rng().next_u64() >> 11
}

fn day_label(day: i64) -> String {
    let time = jiff::Timestamp::from_second(day.saturating_mul(86_400)).unwrap_or_default();
    time.strftime("%Y-%m-%d").to_string()
}

fn month_label(micros: i64) -> String {
    let time = jiff::Timestamp::from_microsecond(micros).unwrap_or_default();
    time.strftime("%Y-%m").to_string()
}
