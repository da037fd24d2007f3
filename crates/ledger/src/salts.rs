//! Salts: secret bytes that make a commitment tell nothing of what it commits to, kept apart from the log.
//!
//! A spool file has one secret; the seeds of its entries are the leaves of a binary tree grown from it, each
//! inner seed giving its two children by one hash. So 16 bytes of secret serve a file, any subtree can be
//! handed out or destroyed alone, and walking along the entries costs one hash an entry.

use crate::merkle::{Hash, digest_seed, digest_seeds};

mod blocks;
mod cover;
mod file;
mod punctured;
mod trees;

pub use file::FileSalt;
pub(crate) use file::{EntrySecret, EntrySecrets, PartOrder};
pub(crate) use punctured::PuncturedEntry;
pub(crate) use trees::SaltTrees;

/// Secret bytes.
pub(crate) type Seed = [u8; 16];

/// Levels of the tree of a file: room for 2^32 entries.
const DEPTH: u32 = 32;

/// First byte of what is hashed to the children of a seed.
const TAG: u8 = 0x04;

/// Returns the children of a seed.
#[inline]
pub(crate) fn expand(seed: &Seed) -> (Seed, Seed) {
    halves(&digest_seed(TAG, seed))
}

/// Returns the children of the seeds, from the left: two in each hash. They are hashed together.
fn expand_all(seeds: &[Seed], hashes: &mut Vec<Hash>) {
    hashes.clear();
    digest_seeds(TAG, seeds, hashes);
}

/// Returns the seeds of which hashes consist.
fn seeds_of(hashes: &[Hash]) -> &[Seed] {
    hashes.as_flattened().as_chunks().0
}

fn halves(hash: &Hash) -> (Seed, Seed) {
    let (left, right) = hash.split_at(16);
    (left.try_into().unwrap_or_default(), right.try_into().unwrap_or_default())
}

/// Returns the levels of the tree over `count` parts.
fn depth_of(count: usize) -> u32 {
    count.max(1).next_power_of_two().trailing_zeros()
}

/// Walks along the seeds of a tree of `depth` levels, from the left.
#[derive(Debug)]
pub(crate) struct Seeds {
    root: Seed,
    depth: u32,
    next: u64,
    /// The right siblings of the path to the last seed given, by height above the leaves.
    right: Vec<Seed>,
}

impl Seeds {
    fn new(root: Seed, depth: u32) -> Seeds {
        Seeds { root, depth, next: 0, right: vec![Seed::default(); depth as usize] }
    }

    /// Passes to the seed `index`, so that it is the next.
    pub(crate) fn seek(&mut self, index: u64) {
        if index == self.next {
            return;
        }
        let last = self.next.checked_sub(1);
        self.next = index;
        let Some(before) = index.checked_sub(1) else { return };
        // Forward, the paths part where the one to the last seed given turned left: the sibling there is kept.
        let parting = last.filter(|last| *last < before).map(|last| (last ^ before).ilog2());
        let kept = parting.and_then(|height| Some((*self.right.get(height as usize)?, height)));
        let (mut seed, from) = kept.unwrap_or((self.root, self.depth));
        for height in (0..from).rev() {
            let (left, right) = expand(&seed);
            if let Some(kept) = self.right.get_mut(height as usize) {
                *kept = right;
            }
            seed = if before >> height & 1 == 0 { left } else { right };
        }
    }

    /// Returns the next seed; after the last it begins again.
    pub(crate) fn next_seed(&mut self) -> Seed {
        let index = self.next;
        self.next = (index + 1) & ((1u64 << self.depth) - 1);
        let (mut seed, from) = match index {
            0 => (self.root, self.depth),
            // The path turned right at this height: its seed was computed with its sibling.
            _ => {
                let height = index.trailing_zeros();
                (self.right.get(height as usize).copied().unwrap_or_default(), height)
            }
        };
        for height in (0..from).rev() {
            let (left, right) = expand(&seed);
            if let Some(kept) = self.right.get_mut(height as usize) {
                *kept = right;
            }
            seed = left;
        }
        seed
    }
}

/// Why the salts of a file cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SaltError {
    /// Not a file of salts, or of another spool file.
    #[error("not the salts of this spool file")]
    Form,
    /// The checksum does not match.
    #[error("salts are damaged")]
    Damaged,
    /// The operating system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Seed `index` by its definition: one child per bit, highest first.
    pub(super) fn seed_at(root: Seed, depth: u32, index: u64) -> Seed {
        (0..depth).rev().fold(root, |seed, bit| {
            let (left, right) = expand(&seed);
            if index >> bit & 1 == 0 { left } else { right }
        })
    }

    /// The salts of an entry's parts by their definition: the first leaves of the least tree that has room.
    pub(crate) fn salts_of_parts(root: Seed, parts: usize) -> Vec<Seed> {
        let depth = (0..).find(|depth| 1 << depth >= parts).unwrap();
        (0..parts as u64).map(|at| seed_at(root, depth, at)).collect()
    }

    #[test]
    fn walk_gives_every_seed_of_the_tree() {
        for depth in [0, 1, 2, 5, 32] {
            let mut seeds = Seeds::new([7; 16], depth);
            for index in 0..(1u64 << depth).min(300) {
                assert_eq!(seeds.next_seed(), seed_at([7; 16], depth, index), "{depth} {index}");
            }
        }
        let mut seeds = Seeds::new([7; 16], 32);
        for index in
            [5, 6, 0, 1, 300, 301, 303, 299, 4096, 4097, 4110, 9000, 4095, 70_000, u64::from(u32::MAX)]
        {
            seeds.seek(index);
            assert_eq!(seeds.next_seed(), seed_at([7; 16], 32, index), "{index}");
        }
    }
}
