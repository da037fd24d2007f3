//! The list of the places that an erasure took a subject out of: what tells an erasure from a forgery. Its hash
//! is in the entry of the erasure, under the signed tree. It names nobody: the salts of its hashes are destroyed.

use crate::merkle::{Hash, digest};

const HEAD: [u8; 10] = *b"RASTROER\0\x01";

/// One place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Position of the entry in the log.
    pub(crate) index: u64,
    /// Which set of the entry, from 0.
    pub(crate) set: u16,
    /// Hash of the part that went.
    pub(crate) part: Hash,
}

/// Returns the name of list `number` (from 1) in the store of the tree.
pub(crate) fn list_name(number: u32) -> String {
    format!("erased/{number:04}")
}

/// Returns the bytes of a list and their SHA-256.
pub(crate) fn encode_list(places: &mut [Place]) -> (Vec<u8>, Hash) {
    places.sort_unstable();
    let mut out = HEAD.to_vec();
    for place in places {
        out.extend_from_slice(&place.index.to_be_bytes());
        out.extend_from_slice(&place.set.to_be_bytes());
        out.extend_from_slice(&place.part);
    }
    let hash = digest(&[&out]);
    (out, hash)
}

/// Reads a list whose SHA-256 is known; `None` if the bytes are another.
pub(crate) fn decode_list(bytes: &[u8], hash: &Hash) -> Option<Vec<Place>> {
    if digest(&[bytes]) != *hash {
        return None;
    }
    let (places, rest) = bytes.strip_prefix(&HEAD)?.as_chunks::<42>();
    let read = |place: &[u8; 42]| {
        let (index, rest) = place.split_first_chunk::<8>()?;
        let (set, part) = rest.split_first_chunk::<2>()?;
        let (index, set) = (u64::from_be_bytes(*index), u16::from_be_bytes(*set));
        Some(Place { index, set, part: part.try_into().ok()? })
    };
    if rest.is_empty() { places.iter().map(read).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_is_read_back_and_another_one_is_not() {
        let mut places: Vec<Place> =
            (0..5).map(|i| Place { index: 90 - i, set: i as u16, part: [i as u8; 32] }).collect();
        let (mut bytes, hash) = encode_list(&mut places);
        assert!(places.is_sorted());
        assert_eq!(decode_list(&bytes, &hash), Some(places));
        bytes[20] ^= 1;
        assert_eq!(decode_list(&bytes, &hash), None);
    }
}
