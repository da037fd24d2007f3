use super::{TEXT_FRONT, UUID_FRONT, UUID_PLAIN, read_count};
use crate::bytes::{Cursor, FormatError, put_varint};

/// Greatest total length of the text keys of one set, unpacked: front coding could otherwise make a small
/// file fill a reader's memory.
pub(crate) const TEXT_BYTES_MAX: usize = 16 << 20;

/// Writes uuid keys.
///
/// * `keys`: at least one, strictly rising.
pub(crate) fn put_uuids(out: &mut Vec<u8>, keys: impl Iterator<Item = u128> + Clone, n: usize) {
    let front_len: usize = with_before(keys.clone()).map(|(_, shared)| 17 - shared).sum();
    let front = front_len < 16 * n;
    out.push(if front { UUID_FRONT } else { UUID_PLAIN });
    put_varint(out, n as u64);
    for (key, shared) in with_before(keys) {
        let bytes = key.to_be_bytes();
        if front {
            out.push(shared as u8);
            out.extend_from_slice(bytes.get(shared..).unwrap_or_default());
        } else {
            out.extend_from_slice(&bytes);
        }
    }
}

/// Pairs each key with the number of leading bytes it shares with the key before.
fn with_before(keys: impl Iterator<Item = u128>) -> impl Iterator<Item = (u128, usize)> {
    keys.scan(None, |before, key| {
        let shared = before.replace(key).map_or(0, |b: u128| (b ^ key).leading_zeros() as usize / 8);
        Some((key, shared.min(15)))
    })
}

/// Writes text keys.
///
/// * `keys`: at least one, strictly rising.
pub(crate) fn put_texts<'a>(out: &mut Vec<u8>, keys: impl Iterator<Item = &'a [u8]>, n: usize) {
    out.push(TEXT_FRONT);
    put_varint(out, n as u64);
    let mut before: &[u8] = &[];
    for key in keys {
        let shared = before.iter().zip(key).take_while(|(a, b)| a == b).count();
        put_varint(out, shared as u64);
        let rest = key.get(shared..).unwrap_or_default();
        put_varint(out, rest.len() as u64);
        out.extend_from_slice(rest);
        before = key;
    }
}

pub(super) fn read_uuids(cursor: &mut Cursor<'_>, tag: u8, room: usize) -> Result<Vec<u128>, FormatError> {
    let n = read_count(cursor, 1, room)?;
    let mut keys: Vec<u128> = Vec::new();
    for _ in 0..n {
        let shared = if tag == UUID_FRONT { usize::from(cursor.byte()?) } else { 0 };
        let mut bytes = keys.last().map_or([0; 16], |key| key.to_be_bytes());
        let target = bytes.get_mut(shared..).filter(|rest| !rest.is_empty());
        let target = target.ok_or(FormatError::Range("shared bytes"))?;
        target.copy_from_slice(cursor.take(target.len())?);
        let key = u128::from_be_bytes(bytes);
        if keys.last().is_some_and(|last| *last >= key) {
            return Err(FormatError::Order);
        }
        keys.push(key);
    }
    Ok(keys)
}

pub(super) fn read_texts(cursor: &mut Cursor<'_>, room: usize) -> Result<Vec<Box<[u8]>>, FormatError> {
    let n = read_count(cursor, 1, room)?;
    let mut keys: Vec<Box<[u8]>> = Vec::new();
    let mut held = 0usize;
    for _ in 0..n {
        let before: &[u8] = keys.last().map_or(&[], |key| key);
        let shared = cursor.count(before.len(), "shared bytes")?;
        let rest = cursor.counted()?;
        let key = [before.get(..shared).unwrap_or_default(), rest].concat();
        if keys.last().is_some_and(|last| **last >= *key) {
            return Err(FormatError::Order);
        }
        held = held.saturating_add(key.len());
        if held > TEXT_BYTES_MAX {
            return Err(FormatError::Range("text keys"));
        }
        keys.push(key.into_boxed_slice());
    }
    Ok(keys)
}
