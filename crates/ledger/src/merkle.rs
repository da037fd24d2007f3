//! The Merkle tree of RFC 6962, section 2, with SHA-256: pure functions of bytes.

mod frontier;
mod lanes;
mod messages;
mod proof;
mod tile;

use sha2::block_api::compress256;
use sha2::{Digest, Sha256};

pub use frontier::Frontier;
pub(crate) use lanes::digest_seeds;
pub(crate) use messages::{Messages, Trees};
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
#[inline]
pub fn hash_leaf(entry: &[u8]) -> Hash {
    digest(&[&[0x00], entry])
}

/// Returns the hash of an inner node: SHA-256 of 0x01 and its children.
#[inline]
pub fn hash_node(left: &Hash, right: &Hash) -> Hash {
    const LEN: usize = 65;
    let mut message = [0; 2 * BLOCK];
    message[0] = 0x01;
    message[1..33].copy_from_slice(left);
    message[33..LEN].copy_from_slice(right);
    hash_padded(&mut message, LEN)
}

fn put_node(out: &mut Vec<u8>, left: &Hash, right: &Hash) {
    out.push(0x01);
    out.extend_from_slice(left);
    out.extend_from_slice(right);
}

/// The state SHA-256 begins with (FIPS 180-4, section 5.3.3).
const FIRST_STATE: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];
/// Blocks of the messages that are hashed on the stack: nearly all that a leaf needs.
const SHORT_BLOCKS: usize = 4;

/// Returns the SHA-256 hash of the parts, one after the other.
#[inline]
pub(crate) fn digest(parts: &[&[u8]]) -> Hash {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    // A set bit and eight bytes of length end the message.
    let blocks = (len + 9).div_ceil(BLOCK);
    let mut message = [0; BLOCK * SHORT_BLOCKS];
    if blocks > SHORT_BLOCKS {
        let mut sha = Sha256::new();
        parts.iter().for_each(|part| sha.update(part));
        return sha.finalize().into();
    }
    let mut at = 0;
    for part in parts {
        if let Some(to) = message.get_mut(at..at + part.len()) {
            to.copy_from_slice(part);
        }
        at += part.len();
    }
    let (used, _) = message.split_at_mut(blocks * BLOCK);
    hash_padded(used, len)
}

/// Returns the SHA-256 hash of `tag` and a seed.
#[inline]
pub(crate) fn digest_seed(tag: u8, seed: &[u8; 16]) -> Hash {
    hash_blocks(&[seed_block(tag, seed)])
}

/// Returns the padded message of `tag` and a seed.
#[inline]
fn seed_block(tag: u8, seed: &[u8; 16]) -> [u8; BLOCK] {
    const LEN: usize = 17;
    let mut message = [0; BLOCK];
    message[0] = tag;
    message[1..LEN].copy_from_slice(seed);
    pad(&mut message, LEN);
    message
}

/// Hashes a message of `len` bytes that stands in whole blocks, zeros behind it.
#[inline]
fn hash_padded(blocks: &mut [u8], len: usize) -> Hash {
    pad(blocks, len);
    hash_blocks(blocks.as_chunks().0)
}

/// Ends a message of `len` bytes that stands in whole blocks, zeros behind it.
#[inline]
fn pad(blocks: &mut [u8], len: usize) {
    if let Some(end) = blocks.get_mut(len) {
        *end = 0x80;
    }
    if let Some(last) = blocks.last_chunk_mut() {
        *last = (len as u64 * 8).to_be_bytes();
    }
}

/// Hashes a padded message.
#[inline]
fn hash_blocks(blocks: &[[u8; BLOCK]]) -> Hash {
    let mut state = FIRST_STATE;
    compress256(&mut state, blocks);
    let mut hash = Hash::default();
    for (to, word) in hash.as_chunks_mut().0.iter_mut().zip(state) {
        *to = word.to_be_bytes();
    }
    hash
}

/// Bytes of a block.
const BLOCK: usize = 64;

/// Returns the Merkle root of `leaves` (n hashes, entry order); for n = 0 the hash of the empty string.
/// O(n) hashing. Source: RFC 6962, section 2.1.
pub fn merkle_root(leaves: &[Hash]) -> Hash {
    if let [only] = leaves {
        return *only;
    }
    let mut trees = Trees::default();
    trees.push(leaves);
    trees.roots().next().unwrap_or_default()
}

#[cfg(test)]
mod tests;
