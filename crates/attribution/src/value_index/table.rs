use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rastro_model::SubjectKey;

use super::filter::Filter;
use super::format::{CHECKSUM_BYTES, ENTRY_BYTES, Facts, HEADER_BYTES, Header, IndexError, damaged};
use super::{Owner, SHARED_MAX, Shapes};
use crate::keyed_hash::HashKey;

const KEY_TEXT_MAX: usize = 1 << 16;
/// The entries of a table up to this size are kept in memory; of a larger one they are read when needed.
const RESIDENT_BYTES_MAX: u64 = 24 << 20;
/// Bit 39 of an entry's key: the rest is a place among the keys.
pub(super) const KEY_IS_PLACE: u64 = 1 << 39;

/// The table on disk, with its filter and directory in memory, and its entries if they are few.
#[derive(Debug)]
pub struct IndexTable {
    file: File,
    key: HashKey,
    header: Header,
    facts: Facts,
    directory: Vec<u32>,
    filter: Filter,
    entries: Option<Vec<u8>>,
    failures: AtomicU64,
}

impl IndexTable {
    /// Opens a table and verifies every byte of it.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged, or was made with another key.
    pub fn open(path: &Path, key: HashKey) -> Result<IndexTable, IndexError> {
        let mut file = File::open(path)?;
        let file_bytes = file.metadata()?.len();
        let mut head = [0; HEADER_BYTES as usize];
        if file_bytes < HEADER_BYTES + CHECKSUM_BYTES {
            return Err(damaged("it is too short"));
        }
        file.read_exact(&mut head)?;
        let header = Header::decode(&head, file_bytes)?;
        let mut hasher = blake3::Hasher::new();
        let mut read = BufReader::with_capacity(1 << 18, (&file).take(file_bytes - HEADER_BYTES - 32));
        let mut part = vec![0; 1 << 18];
        loop {
            match read.read(&mut part)? {
                0 => break,
                count => drop(hasher.update(part.get(..count).unwrap_or_default())),
            }
        }
        let mut found = [0; 32];
        file.seek(SeekFrom::End(-32))?;
        file.read_exact(&mut found)?;
        if checksum(&key, &head, hasher.finalize().as_bytes()) != found {
            return Err(damaged("its checksum does not fit: it is damaged, or of another key"));
        }
        let mut section = |at: u64, bytes: u64| -> Result<Vec<u8>, IndexError> {
            let mut read = vec![0; usize::try_from(bytes).map_err(|_| damaged("it is too large"))?];
            file.seek(SeekFrom::Start(at))?;
            file.read_exact(&mut read)?;
            Ok(read)
        };
        let directory = section(header.directory_at(), header.directory_bytes())?;
        let directory: Vec<u32> =
            directory.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect();
        let filter_at = header.directory_at() + header.directory_bytes();
        let filter = Filter::from_bytes(&section(filter_at, header.filter_blocks * 32)?);
        let facts = Facts::decode(&section(filter_at + header.filter_blocks * 32, header.facts_bytes)?)?;
        let entries_bytes = header.entries * ENTRY_BYTES as u64;
        let is_small = entries_bytes <= RESIDENT_BYTES_MAX;
        let entries = is_small.then(|| section(HEADER_BYTES, entries_bytes)).transpose()?;
        Ok(IndexTable { file, key, header, facts, directory, filter, entries, failures: AtomicU64::new(0) })
    }

    /// Returns the number of entries.
    pub fn entries(&self) -> u64 {
        self.header.entries
    }

    /// Returns the bytes held in memory: filter, directory, and the entries if they are few.
    pub fn resident_bytes(&self) -> usize {
        self.filter.bytes() + self.directory.len() * 4 + self.entries.as_ref().map_or(0, Vec::len)
    }

    /// Returns the bytes of the filter alone.
    pub fn filter_bytes(&self) -> usize {
        self.filter.bytes()
    }

    /// Returns how many look-ups failed because the disk did.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Returns what the builder was told of the configuration.
    pub fn fingerprint(&self) -> [u8; 16] {
        self.facts.fingerprint
    }

    /// Returns the key of the hashes.
    pub fn key(&self) -> &HashKey {
        &self.key
    }

    pub(super) fn shapes(&self) -> &Shapes {
        &self.facts.shapes
    }

    #[inline]
    pub(super) fn may_hold(&self, hash: u64) -> bool {
        self.filter.may_hold(hash)
    }

    /// Appends the owners of a hash, at most one more than [`SHARED_MAX`].
    pub(super) fn find(&self, hash: u64, owners: &mut Vec<Owner>) {
        if self.try_find(hash, owners).is_err() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn try_find(&self, hash: u64, owners: &mut Vec<Owner>) -> Result<(), IndexError> {
        let bucket = (hash >> (64 - self.header.directory_bits)) as usize;
        let start = self.directory.get(bucket).copied().unwrap_or(0);
        let end = self.directory.get(bucket + 1).copied().unwrap_or(start).max(start);
        if let Some(entries) = &self.entries {
            let part = entries.get(start as usize * ENTRY_BYTES..end as usize * ENTRY_BYTES);
            return self.add_owners(part.unwrap_or_default(), hash, owners);
        }
        const AT_ONCE: u32 = 64;
        let mut bytes = [0; AT_ONCE as usize * ENTRY_BYTES];
        let mut at = start;
        while at < end {
            let count = (end - at).min(AT_ONCE);
            let part = bytes.get_mut(..count as usize * ENTRY_BYTES).unwrap_or_default();
            self.file.read_exact_at(part, HEADER_BYTES + u64::from(at) * ENTRY_BYTES as u64)?;
            self.add_owners(part, hash, owners)?;
            at += count;
        }
        Ok(())
    }

    fn add_owners(&self, entries: &[u8], hash: u64, owners: &mut Vec<Owner>) -> Result<(), IndexError> {
        for entry in entries.as_chunks::<ENTRY_BYTES>().0 {
            let (low, pair, key) = split_entry(entry);
            if low == hash & LOW_48
                && owners.len() <= SHARED_MAX
                && let Some((kind, fields)) = self.facts.pairs.get(usize::from(pair))
            {
                let owner = Owner { kind: *kind, fields: *fields, key: self.subject(key)? };
                if !owners.contains(&owner) {
                    owners.push(owner);
                }
            }
        }
        Ok(())
    }

    fn subject(&self, key: u64) -> Result<SubjectKey, IndexError> {
        if key & KEY_IS_PLACE == 0 {
            return Ok(SubjectKey::Int((key >> 1) as i64 ^ -((key & 1) as i64)));
        }
        let place = key & (KEY_IS_PLACE - 1);
        let at = self.header.keys_at() + place;
        let mut head = [0; 5];
        self.file.read_exact_at(&mut head, at)?;
        match head {
            [0, ..] => {
                let mut bytes = [0; 8];
                self.file.read_exact_at(&mut bytes, at + 1)?;
                Ok(SubjectKey::Int(i64::from_le_bytes(bytes)))
            }
            [1, ..] => {
                let mut bytes = [0; 16];
                self.file.read_exact_at(&mut bytes, at + 1)?;
                Ok(SubjectKey::Uuid(u128::from_le_bytes(bytes)))
            }
            [2, len @ ..] => {
                let len = (u32::from_le_bytes(len) as usize).min(KEY_TEXT_MAX);
                let mut text = vec![0; len];
                self.file.read_exact_at(&mut text, at + 5)?;
                Ok(SubjectKey::Text(String::from_utf8_lossy(&text).into()))
            }
            _ => Err(damaged("a key is of no known kind")),
        }
    }

    /// Calls `each` with every entry: hash, owner.
    pub(super) fn for_each(&self, mut each: impl FnMut(u64, Owner)) -> Result<(), IndexError> {
        let mut file = BufReader::with_capacity(1 << 18, &self.file);
        file.seek(SeekFrom::Start(HEADER_BYTES))?;
        let mut entry = [0; ENTRY_BYTES];
        for (bucket, ends) in (0u64..).zip(self.directory.windows(2)) {
            let [start, end] = ends else { continue };
            for _ in *start..*end {
                file.read_exact(&mut entry)?;
                let (low, pair, key) = split_entry(&entry);
                let high = bucket << (64 - self.header.directory_bits);
                // The directory has 16 bits or more, an entry the low 48.
                if let Some((kind, fields)) = self.facts.pairs.get(usize::from(pair)) {
                    each(high | low, Owner { kind: *kind, fields: *fields, key: self.subject(key)? });
                }
            }
        }
        Ok(())
    }
}

pub(super) const LOW_48: u64 = (1 << 48) - 1;

fn split_entry(entry: &[u8; ENTRY_BYTES]) -> (u64, u8, u64) {
    let [a, b, c, d, e, f, pair, v, w, x, y, z] = *entry;
    let low = u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
    (low, pair, u64::from_le_bytes([v, w, x, y, z, 0, 0, 0]))
}

pub(super) fn checksum(key: &HashKey, header: &[u8], rest: &[u8; 32]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_keyed(&key.checksum_key());
    hasher.update(header);
    hasher.update(rest);
    *hasher.finalize().as_bytes()
}
