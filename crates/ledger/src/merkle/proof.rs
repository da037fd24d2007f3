//! Inclusion and consistency: proofs made from nodes, and checked with hashes alone.

use super::{Hash, digest, hash_node};

/// Greatest number of hashes in a proof: a tree of 2^63 leaves.
pub const PROOF_MAX: usize = 63;

/// The nodes of a tree that proofs are made from.
pub trait Nodes {
    /// Why a node is not there.
    type Error;

    /// Returns the root of the perfect subtree of 2^`height` leaves that begins at leaf `index` · 2^`height`.
    fn node(&self, height: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// Leaves in memory; a node costs O(2^height) hashing.
impl Nodes for [Hash] {
    type Error = std::convert::Infallible;

    fn node(&self, height: u32, index: u64) -> Result<Hash, Self::Error> {
        let from = (index << height) as usize;
        Ok(super::merkle_root(self.get(from..from + (1 << height)).unwrap_or_default()))
    }
}

/// Why a proof does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The numbers cannot be right whatever the hashes are.
    #[error("entry {index} cannot be in a tree of {size}")]
    Range {
        /// Leaf, or size of the older tree.
        index: u64,
        /// Size of the tree.
        size: u64,
    },
    /// The proof is too short or too long for its sizes.
    #[error("proof has {found} hashes, which its tree sizes do not allow")]
    Length {
        /// Hashes given.
        found: usize,
    },
    /// The hashes do not lead to the root.
    #[error("proof does not lead to the root")]
    Root,
}

/// Returns the root of leaves `from..until`, where `from` is 0 or comes from splitting a tree.
///
/// # Errors
/// A node cannot be read.
pub fn root_of_range<N: Nodes + ?Sized>(nodes: &N, from: u64, until: u64) -> Result<Hash, N::Error> {
    let len = until.saturating_sub(from);
    if len == 0 {
        return Ok(digest(&[]));
    }
    if len.is_power_of_two() {
        let height = len.trailing_zeros();
        return nodes.node(height, from >> height);
    }
    let middle = from + split(len);
    Ok(hash_node(&root_of_range(nodes, from, middle)?, &root_of_range(nodes, middle, until)?))
}

/// Returns the largest power of two below `len`; `len` is at least 2.
fn split(len: u64) -> u64 {
    1 << (len - 1).ilog2()
}

/// Returns the proof that leaf `index` is in the tree of `size` leaves: siblings, from the leaf upwards.
/// `index` below `size`.
///
/// # Errors
/// A node cannot be read.
pub fn prove_inclusion<N: Nodes + ?Sized>(nodes: &N, index: u64, size: u64) -> Result<Vec<Hash>, N::Error> {
    let mut path = Vec::new();
    let (mut from, mut until) = (0, size);
    while until - from > 1 {
        let middle = from + split(until - from);
        if index < middle {
            path.push(root_of_range(nodes, middle, until)?);
            until = middle;
        } else {
            path.push(root_of_range(nodes, from, middle)?);
            from = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// Returns the proof that the tree of `old` leaves is the beginning of that of `new`; empty where there is
/// nothing to prove. `old` at most `new`. Source: RFC 6962, section 2.1.2.
///
/// # Errors
/// A node cannot be read.
pub fn prove_consistency<N: Nodes + ?Sized>(nodes: &N, old: u64, new: u64) -> Result<Vec<Hash>, N::Error> {
    let mut proof = Vec::new();
    if old == 0 || old >= new {
        return Ok(proof);
    }
    let (mut from, mut until, mut whole) = (0, new, true);
    while old != until {
        let middle = from + split(until - from);
        if old <= middle {
            proof.push(root_of_range(nodes, middle, until)?);
            until = middle;
        } else {
            proof.push(root_of_range(nodes, from, middle)?);
            from = middle;
            whole = false;
        }
    }
    if !whole {
        proof.push(root_of_range(nodes, from, until)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Checks that `leaf` is leaf `index` of the tree of `size` leaves with `root`. Source: RFC 9162, section
/// 2.1.3.2.
///
/// # Errors
/// It is not, or the proof does not show it.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    path: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Range { index, size });
    }
    let too_many = ProofError::Length { found: path.len() };
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in path {
        if last == 0 {
            return Err(too_many);
        }
        if node & 1 == 1 || node == last {
            hash = hash_node(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            hash = hash_node(&hash, sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    match last {
        0 if hash == *root => Ok(()),
        0 => Err(ProofError::Root),
        _ => Err(too_many),
    }
}

/// Checks that the tree of `old` leaves with `old_root` is the beginning of that of `new` leaves with
/// `new_root`. Every tree begins with the empty one. Source: RFC 9162, section 2.1.4.2.
///
/// # Errors
/// It is not, or the proof does not show it.
pub fn verify_consistency(
    old: u64,
    new: u64,
    proof: &[Hash],
    old_root: &Hash,
    new_root: &Hash,
) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError::Range { index: old, size: new });
    }
    let length = ProofError::Length { found: proof.len() };
    if old == 0 || old == new {
        let same = old == 0 || old_root == new_root;
        return match (proof.is_empty(), same) {
            (false, _) => Err(length),
            (true, false) => Err(ProofError::Root),
            (true, true) => Ok(()),
        };
    }
    let (mut node, mut last) = (old - 1, new - 1);
    while node & 1 == 1 {
        (node, last) = (node >> 1, last >> 1);
    }
    let mut rest = proof.iter();
    // Where the old tree is perfect its root is left out of the proof.
    let first = if old.is_power_of_two() { old_root } else { rest.next().ok_or(length)? };
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in rest {
        if last == 0 {
            return Err(length);
        }
        if node & 1 == 1 || node == last {
            old_hash = hash_node(sibling, &old_hash);
            new_hash = hash_node(sibling, &new_hash);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            new_hash = hash_node(&new_hash, sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    match last {
        0 if old_hash == *old_root && new_hash == *new_root => Ok(()),
        0 => Err(ProofError::Root),
        _ => Err(length),
    }
}
