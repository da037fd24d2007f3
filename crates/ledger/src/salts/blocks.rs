//! The secrets of the entries of a subtree, computed in blocks.

use super::cover::Subtree;
use super::{Seed, Seeds, expand_all, halves, seeds_of};
use crate::merkle::Hash;

/// A block has two to this power of entries: what is hashed together fills the lanes of the processor.
const HEIGHT: u32 = 6;

/// Walks along the entries of a subtree.
#[derive(Debug)]
pub(super) struct Blocks {
    subtree: Subtree,
    /// Height of a block.
    height: u32,
    roots: Seeds,
    /// Number of the block at hand.
    block: Option<u64>,
    /// The children of the seed of each entry in it.
    hashes: Vec<Hash>,
    spare: Vec<Hash>,
}

impl Blocks {
    pub(super) fn new(subtree: Subtree) -> Blocks {
        let height = subtree.height.min(HEIGHT);
        let roots = Seeds::new(subtree.root, subtree.height - height);
        Blocks { subtree, height, roots, block: None, hashes: Vec::new(), spare: Vec::new() }
    }

    pub(super) fn subtree(&self) -> &Subtree {
        &self.subtree
    }

    /// Returns the children of the seed of entry `position`; `None` if it is outside. Costs least where
    /// positions rise.
    pub(super) fn children(&mut self, position: u64) -> Option<(Seed, Seed)> {
        if !self.subtree.contains(position) {
            return None;
        }
        let place = position - self.subtree.first;
        let block = place >> self.height;
        if self.block != Some(block) {
            self.roots.seek(block);
            let root = self.roots.next_seed();
            self.expand(root);
            self.block = Some(block);
        }
        self.hashes.get((place - (block << self.height)) as usize).map(halves)
    }

    fn expand(&mut self, root: Seed) {
        expand_all(&[root], &mut self.hashes);
        for _ in 0..self.height {
            expand_all(seeds_of(&self.hashes), &mut self.spare);
            std::mem::swap(&mut self.hashes, &mut self.spare);
        }
    }
}
