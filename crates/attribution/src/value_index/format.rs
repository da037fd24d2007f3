//! The file, in order, numbers little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 80 | header: `RASTVIX1`, then nine u64: entries, bits of the directory, bytes of keys, blocks of the filter, bytes of the facts, 4 reserved |
//! | 12 each | entries in the order of their hash: its low 48 bits, the pair, 40 bits of key |
//! | … | keys that need more than 39 bits: tag, then 8 or 16 bytes, or a u32 and text |
//! | 4 each | directory: first entry of each value of the hash's top bits, and the number of entries |
//! | 32 each | filter |
//! | … | facts: fingerprint of the configuration, pairs, shapes |
//! | 32 | keyed BLAKE3 of the header and of the hash of all between |

use rastro_model::{FieldSet, KindId, SubjectKey};

use super::Shapes;

pub(super) const MAGIC: &[u8; 8] = b"RASTVIX1";
pub(super) const HEADER_BYTES: u64 = 80;
pub(super) const ENTRY_BYTES: usize = 12;
pub(super) const CHECKSUM_BYTES: u64 = 32;
pub(super) const PAIRS_MAX: usize = 255;
/// At least 16: the directory and 48 bits of an entry give the whole hash.
pub(super) const DIRECTORY_BITS: std::ops::RangeInclusive<u32> = 16..=26;
pub(super) const FACTS_BYTES_MAX: u64 = 1 << 20;

/// Why an index cannot be built or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The disk failed.
    #[error("cannot read or write the value index")]
    Disk(#[from] std::io::Error),
    /// The file is of another kind or version, damaged, or of another key.
    #[error("value index is not usable: {what}")]
    Damaged {
        /// What is wrong with it.
        what: &'static str,
    },
    /// More than the format holds.
    #[error("value index cannot hold {what}")]
    TooMuch {
        /// Of what there is too much.
        what: &'static str,
    },
}

pub(super) fn damaged(what: &'static str) -> IndexError {
    IndexError::Damaged { what }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Header {
    pub(super) entries: u64,
    pub(super) directory_bits: u32,
    pub(super) key_bytes: u64,
    pub(super) filter_blocks: u64,
    pub(super) facts_bytes: u64,
}

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let bits = u64::from(self.directory_bits);
        for word in [self.entries, bits, self.key_bytes, self.filter_blocks, self.facts_bytes, 0, 0, 0, 0] {
            bytes.extend(word.to_le_bytes());
        }
        bytes
    }

    pub(super) fn decode(bytes: &[u8], file_bytes: u64) -> Result<Header, IndexError> {
        let words = bytes.strip_prefix(MAGIC).ok_or(damaged("it begins otherwise"))?;
        let (words, _) = words.as_chunks::<8>();
        let word = |at: usize| words.get(at).map_or(u64::MAX, |word| u64::from_le_bytes(*word));
        let header = Header {
            entries: word(0),
            directory_bits: u32::try_from(word(1)).unwrap_or(u32::MAX),
            key_bytes: word(2),
            filter_blocks: word(3),
            facts_bytes: word(4),
        };
        let sane = DIRECTORY_BITS.contains(&header.directory_bits)
            && header.entries <= u64::from(u32::MAX)
            && header.facts_bytes <= FACTS_BYTES_MAX
            && header.filter_blocks >= 1;
        if !sane || header.file_bytes() != Some(file_bytes) {
            return Err(damaged("its length is not what its header says"));
        }
        Ok(header)
    }

    pub(super) fn keys_at(&self) -> u64 {
        HEADER_BYTES.saturating_add(self.entries.saturating_mul(ENTRY_BYTES as u64))
    }

    pub(super) fn directory_at(&self) -> u64 {
        self.keys_at().saturating_add(self.key_bytes)
    }

    pub(super) fn directory_bytes(&self) -> u64 {
        ((1u64 << self.directory_bits) + 1) * 4
    }

    fn file_bytes(&self) -> Option<u64> {
        self.entries
            .checked_mul(ENTRY_BYTES as u64)?
            .checked_add(HEADER_BYTES + CHECKSUM_BYTES)?
            .checked_add(self.key_bytes)?
            .checked_add(self.directory_bytes())?
            .checked_add(self.filter_blocks.checked_mul(32)?)?
            .checked_add(self.facts_bytes)
    }
}

/// What the entries refer to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Facts {
    pub(super) fingerprint: [u8; 16],
    pub(super) pairs: Vec<(KindId, FieldSet)>,
    pub(super) shapes: Shapes,
}

impl Facts {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.fingerprint.to_vec();
        bytes.push(self.pairs.len() as u8);
        for (kind, fields) in &self.pairs {
            bytes.push(kind.0);
            bytes.extend(fields.0.to_le_bytes());
        }
        encode_shapes(&self.shapes, &mut bytes);
        bytes
    }

    pub(super) fn decode(mut bytes: &[u8]) -> Result<Facts, IndexError> {
        Facts::read(&mut bytes).filter(|_| bytes.is_empty()).ok_or(damaged("its facts cannot be read"))
    }

    fn read(bytes: &mut &[u8]) -> Option<Facts> {
        let mut facts = Facts { fingerprint: *bytes.split_off_first_chunk()?, ..Facts::default() };
        for _ in 0..*bytes.split_off_first()? {
            let kind = KindId(*bytes.split_off_first()?);
            facts.pairs.push((kind, FieldSet(u32::from_le_bytes(*bytes.split_off_first_chunk()?))));
        }
        facts.shapes = read_shapes(bytes)?;
        Some(facts)
    }
}

/// Appends shapes as they are kept on disk.
pub(super) fn encode_shapes(shapes: &Shapes, bytes: &mut Vec<u8>) {
    bytes.push(u8::from(shapes.emails) | u8::from(shapes.texts) << 1 | u8::from(shapes.any_domain) << 2);
    bytes.extend(shapes.number_lengths.to_le_bytes());
    bytes.push(shapes.country_codes.len() as u8);
    for code in &shapes.country_codes {
        bytes.extend(code.to_le_bytes());
    }
    bytes.extend((shapes.identifiers.len() as u16).to_le_bytes());
    for (prefix, len) in &shapes.identifiers {
        bytes.extend([*len, prefix.len() as u8]);
        bytes.extend(prefix);
    }
}

/// Takes shapes off the front; `None` if they are not whole.
pub(super) fn read_shapes(bytes: &mut &[u8]) -> Option<Shapes> {
    let flags = *bytes.split_off_first()?;
    let mut shapes = Shapes {
        emails: flags & 1 != 0,
        texts: flags & 2 != 0,
        any_domain: flags & 4 != 0,
        number_lengths: u32::from_le_bytes(*bytes.split_off_first_chunk()?),
        ..Shapes::default()
    };
    for _ in 0..*bytes.split_off_first()? {
        shapes.country_codes.push(u16::from_le_bytes(*bytes.split_off_first_chunk()?));
    }
    for _ in 0..u16::from_le_bytes(*bytes.split_off_first_chunk()?) {
        let len = *bytes.split_off_first()?;
        let prefix = usize::from(*bytes.split_off_first()?);
        shapes.identifiers.push((bytes.split_off(..prefix)?.to_vec(), len));
    }
    Some(shapes)
}

/// Appends a key: its kind, then 8 or 16 bytes, or a u32 and text.
pub(super) fn encode_key(key: &SubjectKey, bytes: &mut Vec<u8>) {
    match key {
        SubjectKey::Int(value) => {
            bytes.push(0);
            bytes.extend(value.to_le_bytes());
        }
        SubjectKey::Uuid(value) => {
            bytes.push(1);
            bytes.extend(value.to_le_bytes());
        }
        SubjectKey::Text(value) => {
            bytes.push(2);
            bytes.extend((value.len() as u32).to_le_bytes());
            bytes.extend(value.bytes());
        }
    }
}

/// Takes a key off the front; `None` if it is not whole.
pub(super) fn read_key(bytes: &mut &[u8]) -> Option<SubjectKey> {
    match *bytes.split_off_first()? {
        0 => Some(SubjectKey::Int(i64::from_le_bytes(*bytes.split_off_first_chunk()?))),
        1 => Some(SubjectKey::Uuid(u128::from_le_bytes(*bytes.split_off_first_chunk()?))),
        2 => {
            let length = u32::from_le_bytes(*bytes.split_off_first_chunk()?) as usize;
            Some(SubjectKey::Text(std::str::from_utf8(bytes.split_off(..length)?).ok()?.into()))
        }
        _ => None,
    }
}

pub(super) trait SplitChunk<'a> {
    fn split_off_first_chunk<const N: usize>(&mut self) -> Option<&'a [u8; N]>;
}

impl<'a> SplitChunk<'a> for &'a [u8] {
    fn split_off_first_chunk<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (chunk, rest) = self.split_first_chunk()?;
        *self = rest;
        Some(chunk)
    }
}
