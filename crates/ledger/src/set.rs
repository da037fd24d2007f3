//! Sets of keys near their entropy: runs, Rice-coded gaps, varint gaps, front-coded strings.

mod bits;
mod ints;
mod keys;

use crate::bytes::{Cursor, FormatError, put_varint};
use ints::{read_gaps, read_rice, read_runs};
use keys::{read_texts, read_uuids};

pub(crate) use ints::put_ints;
pub(crate) use keys::{TEXT_BYTES_MAX, put_texts, put_uuids};

/// Greatest number of subjects one entry may hold; bounds a reader's memory (16 MiB for uuid keys).
pub const SUBJECTS_MAX: usize = 1 << 20;

pub(crate) const INT_ONE: u8 = 0x01;
pub(crate) const INT_RUNS: u8 = 0x02;
pub(crate) const INT_RICE: u8 = 0x03;
pub(crate) const INT_GAPS: u8 = 0x04;
pub(crate) const UUID_PLAIN: u8 = 0x08;
pub(crate) const UUID_FRONT: u8 = 0x09;
pub(crate) const TEXT_FRONT: u8 = 0x0c;
pub(crate) const ROWS: u8 = 0x10;
pub(crate) const ERASED: u8 = 0x11;

/// The subjects of one set, rising, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subjects {
    /// smallint, integer or bigint keys.
    Ints(Vec<i64>),
    /// uuid keys.
    Uuids(Vec<u128>),
    /// Keys of other types, the bytes the server sent.
    Texts(Vec<Box<[u8]>>),
    /// Rows of which no subject is known.
    Unattributed {
        /// How many rows.
        rows: u32,
    },
}

impl Subjects {
    /// Returns the number of subjects; 0 for unattributed rows.
    pub fn len(&self) -> usize {
        match self {
            Subjects::Ints(keys) => keys.len(),
            Subjects::Uuids(keys) => keys.len(),
            Subjects::Texts(keys) => keys.len(),
            Subjects::Unattributed { .. } => 0,
        }
    }

    /// Returns how many parts of an entry the set is: unattributed rows are one.
    pub(crate) fn len_as_parts(&self) -> usize {
        match self {
            Subjects::Unattributed { .. } => 1,
            subjects => subjects.len(),
        }
    }

    /// Returns whether no subject is in the set.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Returns a set in its cheapest coding: docs/ledger-format.md, "Set".
fn encode_subjects(subjects: &Subjects) -> Vec<u8> {
    let mut out = Vec::new();
    match subjects {
        Subjects::Ints(keys) => put_ints(&mut out, keys),
        Subjects::Uuids(keys) => put_uuids(&mut out, keys.iter().copied(), keys.len()),
        Subjects::Texts(keys) => put_texts(&mut out, keys.iter().map(|key| &**key), keys.len()),
        Subjects::Unattributed { rows } => put_rows(&mut out, *rows),
    }
    out
}

/// Returns a set out of which `erased` subjects were erased, as it stands in an entry.
pub fn encode_set(subjects: &Subjects, erased: u32) -> Vec<u8> {
    if erased == 0 {
        return encode_subjects(subjects);
    }
    let mut out = vec![ERASED];
    put_varint(&mut out, u64::from(erased));
    if !subjects.is_empty() {
        out.extend_from_slice(&encode_subjects(subjects));
    }
    out
}

/// Reads what [`encode_set`] wrote: the subjects left, and how many were erased.
///
/// # Errors
/// The bytes are no set.
pub fn decode_set(bytes: &[u8]) -> Result<(Subjects, u32), FormatError> {
    let (erased, rest) = split_erased(bytes, SUBJECTS_MAX)?;
    if rest.is_empty() && erased > 0 {
        return Ok((Subjects::Ints(Vec::new()), erased));
    }
    Ok((read_set(rest, SUBJECTS_MAX)?, erased))
}

/// Writes a count of unattributed rows.
pub(crate) fn put_rows(out: &mut Vec<u8>, rows: u32) {
    out.push(ROWS);
    put_varint(out, u64::from(rows));
}

/// Writes a set of which `erased` subjects are gone; what is left may be nobody.
pub(crate) fn put_erased(out: &mut Vec<u8>, erased: u32, left: &Subjects) {
    out.push(ERASED);
    put_varint(out, u64::from(erased));
    match left {
        Subjects::Ints(keys) => put_ints(out, keys),
        Subjects::Uuids(keys) if !keys.is_empty() => put_uuids(out, keys.iter().copied(), keys.len()),
        Subjects::Texts(keys) if !keys.is_empty() => {
            put_texts(out, keys.iter().map(|key| &**key), keys.len());
        }
        Subjects::Uuids(_) | Subjects::Texts(_) | Subjects::Unattributed { .. } => {}
    }
}

/// Splits a set into how many of its subjects were erased (0 for most sets), and what is left, which may be
/// nothing.
pub(crate) fn split_erased(bytes: &[u8], room: usize) -> Result<(u32, &[u8]), FormatError> {
    let mut cursor = Cursor(bytes);
    if bytes.first() != Some(&ERASED) {
        return Ok((0, bytes));
    }
    cursor.byte()?;
    let erased = read_count(&mut cursor, 1, room)? as u32;
    match cursor.0.first() {
        Some(&(ERASED | ROWS)) => Err(FormatError::Tag(ERASED)),
        _ => Ok((erased, cursor.0)),
    }
}

/// Reads one set written by the functions above.
///
/// * `room`: how many more subjects the entry may hold.
pub(crate) fn read_set(bytes: &[u8], room: usize) -> Result<Subjects, FormatError> {
    let mut subjects = Subjects::Ints(Vec::new());
    read_set_into(bytes, room, &mut subjects)?;
    Ok(subjects)
}

/// The same, into a set whose memory is used again where both hold integers.
pub(crate) fn read_set_into(bytes: &[u8], room: usize, subjects: &mut Subjects) -> Result<(), FormatError> {
    let mut cursor = Cursor(bytes);
    match cursor.byte()? {
        tag @ INT_ONE..=INT_GAPS => {
            let mut keys = match std::mem::replace(subjects, Subjects::Ints(Vec::new())) {
                Subjects::Ints(keys) => keys,
                _ => Vec::new(),
            };
            keys.clear();
            match tag {
                INT_ONE => keys.push(cursor.signed()?),
                INT_RUNS => read_runs(&mut cursor, room, &mut keys)?,
                INT_RICE => read_rice(&mut cursor, room, &mut keys)?,
                _ => read_gaps(&mut cursor, room, &mut keys)?,
            }
            *subjects = Subjects::Ints(keys);
        }
        tag @ (UUID_PLAIN | UUID_FRONT) => *subjects = Subjects::Uuids(read_uuids(&mut cursor, tag, room)?),
        TEXT_FRONT => *subjects = Subjects::Texts(read_texts(&mut cursor, room)?),
        ROWS => {
            let rows = u32::try_from(cursor.varint()?).map_err(|_| FormatError::Range("rows"))?;
            *subjects = Subjects::Unattributed { rows };
        }
        tag => return Err(FormatError::Tag(tag)),
    }
    cursor.finish()?;
    if subjects.len() > room { Err(FormatError::Many(SUBJECTS_MAX)) } else { Ok(()) }
}

/// Reads the count of a set: at least `min`, within the room left.
fn read_count(cursor: &mut Cursor<'_>, min: usize, room: usize) -> Result<usize, FormatError> {
    let n = cursor.count(usize::MAX, "count")?;
    if n > room {
        return Err(FormatError::Many(SUBJECTS_MAX));
    }
    if n < min { Err(FormatError::Range("count")) } else { Ok(n) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check_ints(keys: &[i64]) -> usize {
        let mut out = Vec::new();
        put_ints(&mut out, keys);
        assert_eq!(read_set(&out, SUBJECTS_MAX), Ok(Subjects::Ints(keys.to_vec())), "{out:02x?}");
        assert_eq!(read_set(&out, keys.len() - 1), Err(FormatError::Many(SUBJECTS_MAX)));
        out.len()
    }

    fn check_texts(keys: &[Vec<u8>]) {
        let mut out = Vec::new();
        put_texts(&mut out, keys.iter().map(Vec::as_slice), keys.len());
        let boxed = keys.iter().map(|key| key.clone().into_boxed_slice()).collect();
        assert_eq!(read_set(&out, SUBJECTS_MAX), Ok(Subjects::Texts(boxed)));
    }

    #[test]
    fn each_coding_of_integers_is_used_where_it_is_cheapest() {
        for (keys, coding) in [
            (vec![5], INT_ONE),
            ((-5..100).collect(), INT_RUNS),
            ((0..100).map(|i| i * 3 + i % 2).collect(), INT_RICE),
            (vec![0, 1 << 20, i64::MAX - 1], INT_GAPS),
        ] {
            let mut out = Vec::new();
            put_ints(&mut out, &keys);
            assert_eq!(out[0], coding, "{keys:?}");
            check_ints(&keys);
        }
        check_ints(&[i64::MIN, i64::MAX]);
        check_ints(&[i64::MIN, i64::MIN + 1, -1, 0, i64::MAX - 1, i64::MAX]);
    }

    #[test]
    fn run_longer_than_the_room_is_rejected_before_it_is_unpacked() {
        let mut out = vec![INT_RUNS, 1, 0];
        put_varint(&mut out, i64::MAX as u64);
        assert_eq!(read_set(&out, SUBJECTS_MAX), Err(FormatError::Many(SUBJECTS_MAX)));
    }

    proptest! {
        #[test]
        fn prop_read_set_inverts_put(
            ints in prop::collection::btree_set(any::<i64>(), 1..50),
            near in prop::collection::btree_set(-300i64..300, 1..200),
            uuids in prop::collection::btree_set(any::<u128>(), 1..50),
            shift in 0u32..128,
            texts in prop::collection::btree_set(prop::collection::vec(b'a'..b'd', 0..9), 1..50),
        ) {
            check_ints(&ints.into_iter().collect::<Vec<_>>());
            check_ints(&near.into_iter().collect::<Vec<_>>());
            let mut uuids: Vec<u128> = uuids.into_iter().map(|u| u >> shift).collect();
            uuids.sort_unstable();
            uuids.dedup();
            let mut out = Vec::new();
            put_uuids(&mut out, uuids.iter().copied(), uuids.len());
            prop_assert_eq!(read_set(&out, SUBJECTS_MAX), Ok(Subjects::Uuids(uuids)));
            check_texts(&texts.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn prop_read_set_takes_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_set(&bytes, SUBJECTS_MAX);
        }
    }
}
