//! What was learned after the table was built, on disk, so that a restart does not forget it. Keyed hashes, as in
//! the table; numbers little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 24 | `RASTVOL1`, fingerprint of the configuration |
//! | … | batches: length of the content (u32), content, 16 bytes of keyed BLAKE3 of its place and itself |
//!
//! A batch holds shapes as the table's facts do, then entries: hash, and 0 for a domain, or 1, kind, fields and
//! key.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rastro_model::{FieldSet, KindId};

use super::format::{IndexError, SplitChunk, encode_key, encode_shapes, read_key, read_shapes};
use super::{Overlay, Owner};
use crate::keyed_hash::HashKey;

const MAGIC: &[u8; 8] = b"RASTVOL1";
const HEADER_BYTES: u64 = 24;
const SUM_BYTES: usize = 16;
const BATCH_BYTES_MAX: usize = 1 << 28;

/// The file that an overlay is kept in.
#[derive(Debug)]
pub struct OverlayJournal {
    file: File,
    key: HashKey,
    end: u64,
}

impl OverlayJournal {
    /// Opens or begins a journal and returns what it holds. What was not written to its end is cut off; one of
    /// another key or configuration begins anew.
    ///
    /// # Errors
    /// The disk fails.
    pub fn open(
        path: &Path,
        key: HashKey,
        fingerprint: [u8; 16],
    ) -> Result<(OverlayJournal, Overlay), IndexError> {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let mut journal = OverlayJournal { file, key, end: HEADER_BYTES };
        let mut overlay = Overlay::default();
        let header = [MAGIC.as_slice(), &fingerprint].concat();
        match bytes.strip_prefix(header.as_slice()) {
            Some(mut rest) => {
                while let Some(learned) = journal.read_batch(&mut rest) {
                    overlay.unite(&learned);
                }
                journal.file.set_len(journal.end)?;
            }
            None => {
                journal.file.set_len(0)?;
                journal.write_at(0, &header)?;
            }
        }
        Ok((journal, overlay))
    }

    /// Appends what was learned; it is on stable storage when this returns.
    ///
    /// # Errors
    /// The disk fails; what was written is overwritten by the next batch.
    pub fn append(&mut self, learned: &Overlay) -> Result<(), IndexError> {
        let mut content = Vec::new();
        learned.encode(&mut content);
        let length =
            u32::try_from(content.len()).map_err(|_| IndexError::TooMuch { what: "so many changes" })?;
        let mut batch = length.to_le_bytes().to_vec();
        batch.extend(&content);
        batch.extend(self.sum(&content));
        self.write_at(self.end, &batch)?;
        self.end += batch.len() as u64;
        Ok(())
    }

    /// Forgets everything: it is in the table now.
    ///
    /// # Errors
    /// The disk fails; what it held may still be there.
    pub fn clear(&mut self) -> Result<(), IndexError> {
        self.end = HEADER_BYTES;
        self.file.set_len(self.end)?;
        Ok(self.file.sync_all()?)
    }

    fn write_at(&mut self, place: u64, bytes: &[u8]) -> Result<(), IndexError> {
        self.file.seek(SeekFrom::Start(place))?;
        self.file.write_all(bytes)?;
        Ok(self.file.sync_all()?)
    }

    // `None` at the end, and where a batch is damaged.
    fn read_batch(&mut self, rest: &mut &[u8]) -> Option<Overlay> {
        let length = u32::from_le_bytes(*rest.split_off_first_chunk()?) as usize;
        if length > BATCH_BYTES_MAX {
            return None;
        }
        let content = rest.split_off(..length)?;
        let sum: &[u8; SUM_BYTES] = rest.split_off_first_chunk()?;
        if self.sum(content) != *sum {
            return None;
        }
        let learned = Overlay::decode(content)?;
        self.end += (4 + length + SUM_BYTES) as u64;
        Some(learned)
    }

    fn sum(&self, content: &[u8]) -> [u8; SUM_BYTES] {
        let mut hasher = blake3::Hasher::new_keyed(&self.key.checksum_key());
        hasher.update(&self.end.to_le_bytes()).update(content);
        let mut sum = [0; SUM_BYTES];
        hasher.finalize_xof().fill(&mut sum);
        sum
    }
}

impl Overlay {
    fn encode(&self, bytes: &mut Vec<u8>) {
        encode_shapes(self.shapes(), bytes);
        for (hash, owners) in self.entries() {
            if owners.is_empty() {
                bytes.extend(hash.to_le_bytes());
                bytes.push(0);
            }
            for owner in owners {
                bytes.extend(hash.to_le_bytes());
                bytes.extend([1, owner.kind.0]);
                bytes.extend(owner.fields.0.to_le_bytes());
                encode_key(&owner.key, bytes);
            }
        }
    }

    fn decode(mut bytes: &[u8]) -> Option<Overlay> {
        let bytes = &mut bytes;
        let mut overlay = Overlay::with_shapes(read_shapes(bytes)?);
        while !bytes.is_empty() {
            let hash = u64::from_le_bytes(*bytes.split_off_first_chunk()?);
            let owner = match *bytes.split_off_first()? {
                0 => None,
                1 => {
                    let kind = KindId(*bytes.split_off_first()?);
                    let fields = FieldSet(u32::from_le_bytes(*bytes.split_off_first_chunk()?));
                    Some(Owner { kind, fields, key: read_key(bytes)? })
                }
                _ => return None,
            };
            overlay.add_hash(hash, owner);
        }
        Some(overlay)
    }
}
