//! The salts of one entry out of which subjects were erased.

use super::cover::Cover;
use super::{Seed, Seeds, depth_of, expand};
use crate::merkle::Hash;

/// Parts of an entry are destroyed in blocks of at most two to this power: within a block, nothing tells where
/// in the order of keys the one was that is gone. A block costs 16 bytes for each part left in it.
const BLOCK_HEIGHT: u32 = 8;

/// What is left of an entry's seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PuncturedEntry {
    /// Salts the header.
    pub(crate) head: Seed,
    /// Parts the entry had.
    pub(crate) parts: u32,
    /// Over the blocks of parts.
    pub(super) blocks: Cover,
    /// The salts left in each block that is a hole of `blocks`, in the order of the keys.
    pub(super) left: Vec<Vec<Seed>>,
    /// Hashes of the parts that were erased, rising: an order that tells nothing.
    pub(crate) erased: Vec<Hash>,
}

pub(super) fn block_height(parts: usize) -> u32 {
    depth_of(parts).min(BLOCK_HEIGHT)
}

impl PuncturedEntry {
    pub(super) fn new(seed: &Seed, parts: u32) -> PuncturedEntry {
        let (head, body) = expand(seed);
        let depth = depth_of(parts as usize) - block_height(parts as usize);
        PuncturedEntry {
            head,
            parts,
            blocks: Cover::whole(body, depth),
            left: Vec::new(),
            erased: Vec::new(),
        }
    }

    /// Returns the salts of the parts that are left, in the order of the keys.
    pub(crate) fn salts(&self) -> Vec<Seed> {
        let height = block_height(self.parts as usize);
        let mut salts = Vec::with_capacity(self.parts as usize);
        let mut subtrees = self.blocks.subtrees().into_iter().peekable();
        let mut holes = self.blocks.holes().iter().zip(&self.left).peekable();
        loop {
            let hole_first = holes.peek().map_or(u64::MAX, |(hole, _)| **hole);
            match subtrees.next_if(|subtree| subtree.first < hole_first) {
                Some(subtree) => {
                    let first = subtree.first << height;
                    let count =
                        (1u64 << (subtree.height + height)).min(u64::from(self.parts).saturating_sub(first));
                    let mut seeds = Seeds::new(subtree.root, subtree.height + height);
                    salts.extend((0..count).map(|_| seeds.next_seed()));
                }
                None => match holes.next() {
                    Some((_, left)) => salts.extend_from_slice(left),
                    None => return salts,
                },
            }
        }
    }

    /// Destroys the salt of the part that is `rank`-th (from 0) among those left; returns it.
    pub(super) fn destroy(&mut self, rank: usize) -> Option<Seed> {
        let height = block_height(self.parts as usize);
        let size = 1u64 << height;
        let mut rank = rank;
        for block in 0..u64::from(self.parts).div_ceil(size) {
            let place = self.blocks.holes().binary_search(&block);
            let held = match place {
                Ok(place) => self.left.get(place).map_or(0, Vec::len),
                Err(_) => size.min(u64::from(self.parts) - block * size) as usize,
            };
            if rank >= held {
                rank -= held;
                continue;
            }
            let place = match place {
                Ok(place) => place,
                Err(place) => {
                    let mut seeds = Seeds::new(self.blocks.puncture(block)?, height);
                    self.left.insert(place, (0..held).map(|_| seeds.next_seed()).collect());
                    place
                }
            };
            let left = self.left.get_mut(place)?;
            return (rank < left.len()).then(|| left.remove(rank));
        }
        None
    }

    pub(super) fn add_erased(&mut self, hash: Hash) {
        let place = self.erased.partition_point(|known| *known < hash);
        self.erased.insert(place, hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::salts::tests::salts_of_parts;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn prop_destroyed_salts_are_gone_and_the_others_stay(
            parts in 1usize..1500,
            ranks in prop::collection::vec(any::<prop::sample::Index>(), 1..6),
        ) {
            let mut expected = salts_of_parts(expand(&[3; 16]).1, parts);
            let mut entry = PuncturedEntry::new(&[3; 16], parts as u32);
            prop_assert_eq!(entry.salts(), expected.clone());
            for rank in ranks {
                if expected.is_empty() {
                    prop_assert_eq!(entry.destroy(0), None);
                    break;
                }
                let rank = rank.index(expected.len());
                prop_assert_eq!(entry.destroy(rank), Some(expected.remove(rank)));
                prop_assert_eq!(entry.salts(), expected.clone());
            }
        }
    }
}
