use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rastro_model::{FieldSet, KindId, SubjectKey};

use super::filter::Filter;
use super::form::{Class, form};
use super::format::{DIRECTORY_BITS, Facts, HEADER_BYTES, Header, IndexError, PAIRS_MAX, encode_key};
use super::overlay::domain_of;
use super::table::{IndexTable, KEY_IS_PLACE, LOW_48, checksum};
use super::{Overlay, SHARED_MAX};
use crate::keyed_hash::HashKey;

const PARTS: usize = 64;
const PART_BUFFER_BYTES: usize = 512 * 1024;
const RECORD_BYTES: usize = 14;
const ENTRIES_EACH: u64 = 64;
const DOMAINS_MAX: usize = 1 << 21;
const PLACES_MAX: usize = 1 << 23;

/// Builds a table from a stream of values: parts by hash on disk, each sorted in memory; about 150 MB for 44
/// million values, the filter included.
pub struct IndexBuilder {
    key: HashKey,
    directory: PathBuf,
    parts: Vec<Part>,
    keys: BufWriter<File>,
    key_bytes: u64,
    facts: Facts,
    domains: HashSet<u64>,
    last: Option<(SubjectKey, u64)>,
    // Where keys are that were written, by hash; past its bound a key may be written twice.
    places: HashMap<u64, u64>,
    records: u64,
}

struct Part {
    buffer: Vec<u8>,
    file: Option<File>,
}

impl IndexBuilder {
    /// Begins a table.
    ///
    /// * `directory`: where the parts are while it is built; the table itself is named by
    ///   [`IndexBuilder::finish`].
    /// * `fingerprint`: what the caller wants to know again about the configuration.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn new(directory: &Path, key: HashKey, fingerprint: [u8; 16]) -> Result<IndexBuilder, IndexError> {
        std::fs::create_dir_all(directory)?;
        let keys = BufWriter::new(scratch_file(&directory.join("keys.part"))?);
        let parts = (0..PARTS).map(|_| Part { buffer: Vec::new(), file: None }).collect();
        Ok(IndexBuilder {
            key,
            directory: directory.to_owned(),
            parts,
            keys,
            key_bytes: 0,
            facts: Facts { fingerprint, ..Facts::default() },
            domains: HashSet::new(),
            last: None,
            places: HashMap::new(),
            records: 0,
        })
    }

    /// Adds a value of a subject's field; one that has no shape to be found by adds nothing. Values of one
    /// subject in a row share its key.
    ///
    /// # Errors
    /// The disk fails, or there are more pairs of kind and field than 255.
    pub fn add(
        &mut self,
        value: &str,
        kind: KindId,
        fields: FieldSet,
        key: &SubjectKey,
        all_texts: bool,
    ) -> Result<(), IndexError> {
        let Some(form) = form(value, all_texts) else { return Ok(()) };
        self.facts.shapes.learn(&form);
        if let Some(domain) = domain_of(form.class, &form.canonical) {
            let hash = self.key.hash(Class::Domain as u8, domain);
            self.add_domain(hash);
        }
        let hash = self.key.hash(form.class as u8, &form.canonical);
        self.add_hash(hash, kind, fields, key)
    }

    /// Adds every entry of an earlier table, so that values since changed are still known.
    ///
    /// # Errors
    /// As [`IndexBuilder::add`].
    pub fn add_table(&mut self, table: &IndexTable) -> Result<(), IndexError> {
        self.facts.shapes.unite(table.shapes());
        // The domains of values since changed are not told by their hashes.
        self.facts.shapes.any_domain |= table.shapes().emails;
        let mut result = Ok(());
        table.for_each(|hash, owner| {
            if result.is_ok() {
                result = self.add_hash(hash, owner.kind, owner.fields, &owner.key);
            }
        })?;
        result
    }

    /// Adds what was learned after an earlier table was built.
    ///
    /// # Errors
    /// As [`IndexBuilder::add`].
    pub fn add_overlay(&mut self, overlay: &Overlay) -> Result<(), IndexError> {
        self.facts.shapes.unite(overlay.shapes());
        for (hash, owners) in overlay.entries() {
            if owners.is_empty() {
                self.add_domain(hash);
            }
            for owner in owners {
                self.add_hash(hash, owner.kind, owner.fields, &owner.key)?;
            }
        }
        Ok(())
    }

    fn add_domain(&mut self, hash: u64) {
        self.facts.shapes.any_domain |= self.domains.len() >= DOMAINS_MAX;
        if !self.facts.shapes.any_domain {
            self.domains.insert(hash);
        }
    }

    fn add_hash(
        &mut self,
        hash: u64,
        kind: KindId,
        fields: FieldSet,
        key: &SubjectKey,
    ) -> Result<(), IndexError> {
        let pairs = &mut self.facts.pairs;
        let pair = match pairs.iter().position(|pair| *pair == (kind, fields)) {
            Some(pair) => pair,
            None if pairs.len() >= PAIRS_MAX => return Err(IndexError::TooMuch { what: "so many fields" }),
            None => {
                pairs.push((kind, fields));
                pairs.len() - 1
            }
        };
        let key = self.key_word(key)?;
        let Some(part) = self.parts.get_mut((hash >> 58) as usize) else { return Ok(()) };
        part.buffer.extend(hash.to_le_bytes());
        part.buffer.push(pair as u8);
        part.buffer.extend(key.to_le_bytes().iter().take(5));
        self.records += 1;
        if part.buffer.len() >= PART_BUFFER_BYTES {
            part.spill(&self.directory.join(format!("{}.part", hash >> 58)))?;
        }
        Ok(())
    }

    // 39 bits: the key itself, or where it is among the keys.
    fn key_word(&mut self, key: &SubjectKey) -> Result<u64, IndexError> {
        if let SubjectKey::Int(value) = key {
            let zigzag = ((value << 1) ^ (value >> 63)) as u64;
            if zigzag < KEY_IS_PLACE {
                return Ok(zigzag);
            }
        }
        if let Some((last, word)) = &self.last
            && last == key
        {
            return Ok(*word);
        }
        if self.key_bytes >= KEY_IS_PLACE {
            return Err(IndexError::TooMuch { what: "so many keys" });
        }
        let mut bytes = Vec::new();
        encode_key(key, &mut bytes);
        let hash = self.key.hash(b'k', &bytes);
        if let Some(word) = self.places.get(&hash) {
            self.last = Some((key.clone(), *word));
            return Ok(*word);
        }
        self.keys.write_all(&bytes)?;
        let word = KEY_IS_PLACE | self.key_bytes;
        self.key_bytes += bytes.len() as u64;
        if self.places.len() < PLACES_MAX {
            self.places.insert(hash, word);
        }
        self.last = Some((key.clone(), word));
        Ok(word)
    }

    /// Writes the table to `path` and opens it. Memory: the filter, the directory and one part.
    ///
    /// # Errors
    /// The disk fails.
    pub fn finish(mut self, path: &Path) -> Result<IndexTable, IndexError> {
        let mut filter = Filter::with_room(self.records + self.domains.len() as u64);
        for domain in &self.domains {
            filter.insert(*domain);
        }
        let bits = (self.records / ENTRIES_EACH).max(1).ilog2();
        let bits = bits.clamp(*DIRECTORY_BITS.start(), *DIRECTORY_BITS.end());
        let mut directory: Vec<u32> = Vec::with_capacity((1 << bits) + 1);
        let unfinished = path.with_extension("new");
        let mut out = Summed {
            file: BufWriter::with_capacity(1 << 18, scratch_file(&unfinished)?),
            sum: blake3::Hasher::new(),
        };
        out.file.write_all(&[0; HEADER_BYTES as usize])?;
        let mut entries: u32 = 0;
        for part in &mut self.parts {
            let mut shared = (0u64, 0usize);
            for (hash, pair, key) in part.sorted()? {
                shared = if shared.0 == hash { (hash, shared.1 + 1) } else { (hash, 0) };
                if shared.1 > SHARED_MAX {
                    continue;
                }
                while directory.len() <= (hash >> (64 - bits)) as usize {
                    directory.push(entries);
                }
                filter.insert(hash);
                let low = (hash & LOW_48).to_le_bytes();
                out.write(low.get(..6).unwrap_or_default())?;
                out.write(&[pair])?;
                out.write(key.to_le_bytes().get(..5).unwrap_or_default())?;
                entries = entries.checked_add(1).ok_or(IndexError::TooMuch { what: "so many values" })?;
            }
        }
        directory.resize((1 << bits) + 1, entries);
        self.keys.flush()?;
        let keys = self.keys.get_mut();
        keys.seek(SeekFrom::Start(0))?;
        let mut part = vec![0; 1 << 18];
        loop {
            match keys.read(&mut part)? {
                0 => break,
                count => out.write(part.get(..count).unwrap_or_default())?,
            }
        }
        for first in &directory {
            out.write(&first.to_le_bytes())?;
        }
        for word in filter.words() {
            out.write(&word.to_le_bytes())?;
        }
        let facts = self.facts.encode();
        out.write(&facts)?;
        let header = Header {
            entries: entries.into(),
            directory_bits: bits,
            key_bytes: self.key_bytes,
            filter_blocks: (filter.bytes() / 32) as u64,
            facts_bytes: facts.len() as u64,
        };
        let header = header.encode();
        let sum = checksum(&self.key, &header, out.sum.finalize().as_bytes());
        out.file.write_all(&sum)?;
        let mut file = out.file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&header)?;
        file.sync_all()?;
        drop((directory, filter));
        std::fs::rename(&unfinished, path)?;
        IndexTable::open(path, self.key)
    }
}

impl Drop for IndexBuilder {
    fn drop(&mut self) {
        for place in 0..PARTS {
            let _ = std::fs::remove_file(self.directory.join(format!("{place}.part")));
        }
        let _ = std::fs::remove_file(self.directory.join("keys.part"));
    }
}

impl Part {
    fn spill(&mut self, path: &Path) -> Result<(), IndexError> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(scratch_file(path)?),
        };
        file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    fn sorted(&mut self) -> Result<Vec<(u64, u8, u64)>, IndexError> {
        let mut bytes = Vec::new();
        if let Some(file) = &mut self.file {
            file.seek(SeekFrom::Start(0))?;
            file.read_to_end(&mut bytes)?;
        }
        bytes.append(&mut self.buffer);
        let record = |record: &[u8; RECORD_BYTES]| {
            let [a, b, c, d, e, f, g, h, pair, v, w, x, y, z] = *record;
            let hash = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
            (hash, pair, u64::from_le_bytes([v, w, x, y, z, 0, 0, 0]))
        };
        let mut records: Vec<_> = bytes.as_chunks::<RECORD_BYTES>().0.iter().map(record).collect();
        drop(bytes);
        records.sort_unstable();
        records.dedup();
        self.file = None;
        Ok(records)
    }
}

struct Summed {
    file: BufWriter<File>,
    sum: blake3::Hasher,
}

impl Summed {
    fn write(&mut self, bytes: &[u8]) -> Result<(), IndexError> {
        self.file.write_all(bytes)?;
        self.sum.update(bytes);
        Ok(())
    }
}

fn scratch_file(path: &Path) -> Result<File, IndexError> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = File::options();
    Ok(options.read(true).write(true).create(true).truncate(true).mode(0o600).open(path)?)
}
