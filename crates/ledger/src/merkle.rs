//! The Merkle tree of RFC 6962, section 2, with SHA-256: pure functions of bytes.

mod frontier;
mod proof;
mod tile;

use sha2::{Digest, Sha256};

pub use frontier::Frontier;
pub use proof::{
    Nodes, PROOF_MAX, ProofError, prove_consistency, prove_inclusion, root_of_range, verify_consistency,
    verify_inclusion,
};
pub use tile::{
    BundleError, TILE_BYTES, TILE_WIDTH, TileId, decode_bundle, decode_tile, encode_bundle, encode_tile,
};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// Returns the hash of a leaf: SHA-256 of 0x00 and `entry`.
pub fn hash_leaf(entry: &[u8]) -> Hash {
    digest(&[&[0x00], entry])
}

/// Returns the hash of an inner node: SHA-256 of 0x01 and its children.
pub fn hash_node(left: &Hash, right: &Hash) -> Hash {
    let mut input = [0x01; 65];
    let (_, both) = input.split_at_mut(1);
    let (first, second) = both.split_at_mut(32);
    first.copy_from_slice(left);
    second.copy_from_slice(right);
    Sha256::digest(input).into()
}

/// Returns the SHA-256 hash of the parts, one after the other.
pub(crate) fn digest(parts: &[&[u8]]) -> Hash {
    let mut sha = Sha256::new();
    parts.iter().for_each(|part| sha.update(part));
    sha.finalize().into()
}

/// Returns the Merkle root of `leaves` (n hashes, entry order); for n = 0 the hash of the empty string.
/// O(n) hashing. Source: RFC 6962, section 2.1.
pub fn merkle_root(leaves: &[Hash]) -> Hash {
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        // Pairs from the left; an odd one at the end moves up as it is. The same tree as splitting at the
        // largest power of two.
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => hash_node(left, right),
                [single] => *single,
                _ => [0; 32],
            })
            .collect();
    }
    level.first().copied().unwrap_or_else(|| digest(&[]))
}

#[cfg(test)]
mod tests;
