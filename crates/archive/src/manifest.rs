//! The manifest: which files the archive consists of. Each state is a new file with the next number, created
//! only if nobody created it before; so two writers cannot both succeed, and a reader sees one state whole.

use std::sync::Arc;

use rastro_ledger::note::Note;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::ArchiveError;
use crate::objects::{Objects, StoreError};
use crate::table::Table;

const HEAD: &str = "rastro archive v1";
const PREFIX: &str = "manifest";
/// Manifests kept for readers that just listed them.
const KEPT: u64 = 8;
/// Lines of segments begin at multiples of this.
const LINES_APART: u64 = 1 << 24;
/// How often a manifest is read before it counts as torn.
const READS: usize = 3;

/// A state of the archive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Its number; 0 for the empty archive before the first.
    pub number: u64,
    /// The parts of the archive, without gap or overlap, in the order of entries.
    pub segments: Vec<Segment>,
    /// Files no longer part of it, with the time (µs since 1970) since when.
    pub retired: Vec<Retired>,
    /// Made by one attempt of one writer: tells a repeated write from a lost race.
    pub nonce: u64,
}

/// Consecutive entries of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Number of the first entry.
    pub first_entry: u64,
    /// The number due after the last entry.
    pub next_entry: u64,
    /// Position of the first entry in the log.
    pub first_position: u64,
    /// How many entries; numbers that a full disk took leave gaps.
    pub entries: u64,
    /// The line of the first row of `statements`; in earlier versions the number of the first entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_line: Option<u64>,
    /// Least time of an entry, µs since 1970.
    pub min_time: i64,
    /// Greatest time of an entry.
    pub max_time: i64,
    /// Names of kinds and fields that entries refer to by their column `schema`.
    pub schemas: Vec<Names>,
    /// The spool files the entries come from.
    pub sources: Vec<Source>,
    /// One file for each table that has rows.
    pub files: Vec<TableFile>,
}

/// Names of kinds and fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// Of subjects.
    pub kinds: Vec<String>,
    /// Of fields, in the order of their bits.
    pub fields: Vec<String>,
}

/// A spool file that entries come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Which.
    pub file: u64,
    /// Position of its first entry in the segment.
    pub first_position: u64,
    /// The front of the file in hexadecimal, if the segment has its first entry.
    pub header: Option<String>,
}

/// A file of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableFile {
    /// Which table.
    pub table: Table,
    /// Where it is in the store.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its rows.
    pub rows: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

/// A file that was replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retired {
    /// Where it is.
    pub path: String,
    /// Since when, µs since 1970.
    pub since: i64,
}

/// Signs manifests: text in, signed note out.
pub type Signer = Arc<dyn Fn(&str) -> String + Send + Sync>;

impl Segment {
    /// Returns the line of the first row of `statements`.
    pub fn first_line(&self) -> u64 {
        self.first_line.unwrap_or(self.first_entry)
    }

    /// Returns the file of a table, if it has rows.
    pub fn file(&self, table: Table) -> Option<&TableFile> {
        self.files.iter().find(|file| file.table == table)
    }

    /// Returns the bytes of all its files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

impl Manifest {
    /// Returns the number of the first entry that is not in the archive.
    pub fn next_entry(&self) -> u64 {
        self.segments.last().map_or(0, |segment| segment.next_entry)
    }

    /// Returns the first line of the next segment: lines that begin at a round number are alike in all but their
    /// lowest bytes, so they pack well.
    pub(crate) fn next_line(&self) -> u64 {
        let end = self.segments.last().map_or(0, |last| last.first_line().saturating_add(last.entries));
        end.checked_next_multiple_of(LINES_APART).unwrap_or(end)
    }

    /// Returns the spool file to go on reading at; 0: from the first.
    pub fn next_file(&self) -> u64 {
        self.segments.last().and_then(|segment| segment.sources.last()).map_or(0, |source| source.file)
    }

    /// Returns whether segments follow each other without gap or overlap.
    pub(crate) fn is_whole(&self) -> bool {
        self.segments.windows(2).all(|pair| match pair {
            [a, b] => {
                a.next_entry <= b.first_entry
                    && a.first_position + a.entries == b.first_position
                    && a.first_line().saturating_add(a.entries) <= b.first_line()
            }
            _ => true,
        })
    }

    /// Returns the bytes of the file: the manifest as a line of JSON, then the note that vouches for it.
    fn encode(&self, signer: Option<&Signer>) -> Vec<u8> {
        let json = serde_json::to_string(self).unwrap_or_default();
        let text = note_text(self.number, &json);
        let note = match signer {
            Some(sign) => sign(&text),
            None => text,
        };
        format!("{json}\n{note}").into_bytes()
    }

    /// Reads a file; `None` if it is torn, altered, or of a later version.
    pub(crate) fn decode(bytes: &[u8], number: u64) -> Option<Manifest> {
        let (json, note) = std::str::from_utf8(bytes).ok()?.split_once('\n')?;
        if !note.starts_with(&note_text(number, json)) {
            return None;
        }
        let manifest: Manifest = serde_json::from_str(json).ok()?;
        (manifest.number == number && manifest.is_whole()).then_some(manifest)
    }

    /// Returns the note that vouches for a manifest's bytes.
    pub(crate) fn note(bytes: &[u8]) -> Option<Note> {
        let line = bytes.iter().position(|byte| *byte == b'\n')?;
        Note::decode(bytes.get(line + 1..)?).ok()
    }

    /// Reads the newest manifest that is whole; the empty one if there is none. One that a crash tore was
    /// never acted on, so it is passed over.
    pub(crate) fn load(objects: &Objects) -> Result<Manifest, ArchiveError> {
        Ok(Manifest::load_signed(objects)?.map(|(manifest, _)| manifest).unwrap_or_default())
    }

    /// Reads as [`Manifest::load`], with the bytes it was read from.
    pub(crate) fn load_signed(objects: &Objects) -> Result<Option<(Manifest, Vec<u8>)>, ArchiveError> {
        for _ in 0..16 {
            let mut numbers = numbers(objects)?;
            numbers.sort_unstable();
            let mut gone = false;
            for number in numbers.into_iter().rev() {
                // What was read badly once is read again before it counts as torn.
                for _ in 0..READS {
                    match objects.read(&path_of(number)) {
                        Ok(bytes) => {
                            if let Some(manifest) = Manifest::decode(&bytes, number) {
                                return Ok(Some((manifest, bytes.to_vec())));
                            }
                        }
                        // Removed since it was listed: there is a newer one.
                        Err(error) if error.is_absent() => gone = true,
                        Err(error) => return Err(error.into()),
                    }
                }
            }
            if !gone {
                return Ok(None);
            }
        }
        Err(ArchiveError::Contended)
    }

    /// Makes this the state after the one numbered `self.number - 1`; `false` if another writer was first.
    pub(crate) fn commit(&self, objects: &Objects, signer: Option<&Signer>) -> Result<bool, ArchiveError> {
        let path = path_of(self.number);
        match objects.create(&path, self.encode(signer)) {
            Ok(true) => Ok(true),
            // The store may have done it and said so to nobody, or said no to its own repetition.
            Ok(false) => self.is_stored(objects, &path),
            Err(error) => match self.is_stored(objects, &path) {
                Ok(true) => Ok(true),
                _ => Err(error.into()),
            },
        }
    }

    fn is_stored(&self, objects: &Objects, path: &str) -> Result<bool, ArchiveError> {
        match objects.read(path) {
            Ok(bytes) => {
                Ok(Manifest::decode(&bytes, self.number).is_some_and(|found| found.nonce == self.nonce))
            }
            Err(error) if error.is_absent() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes manifests that nobody starts from any more.
    pub(crate) fn remove_old(&self, objects: &Objects) -> Result<(), StoreError> {
        for number in numbers(objects)? {
            if number + KEPT < self.number {
                objects.delete(&path_of(number))?;
            }
        }
        Ok(())
    }
}

fn note_text(number: u64, json: &str) -> String {
    format!("{HEAD}\n{number}\n{}\n", hex(&Sha256::digest(json.as_bytes())))
}

/// Returns the path of a manifest.
pub(crate) fn path_of(number: u64) -> String {
    format!("{PREFIX}/{number:020}")
}

/// Returns the greatest number of any manifest, whole or not.
pub(crate) fn newest_number(objects: &Objects) -> Result<u64, ArchiveError> {
    Ok(numbers(objects)?.into_iter().max().unwrap_or_default())
}

fn numbers(objects: &Objects) -> Result<Vec<u64>, StoreError> {
    let all = objects.list(PREFIX)?;
    Ok(all.iter().filter_map(|meta| meta.location.filename()?.parse().ok()).collect())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}
