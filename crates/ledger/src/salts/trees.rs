//! The salts of the parts of several entries, computed together.

use std::cmp::Ordering;

use super::{Seed, depth_of, expand_all, seeds_of};
use crate::merkle::Hash;

/// Trees of salts that are grown level by level.
#[derive(Debug, Default)]
pub(crate) struct SaltTrees {
    trees: Vec<Tree>,
    /// The seeds of the level at hand, one tree behind the other.
    level: Vec<Seed>,
    hashes: Vec<Hash>,
}

#[derive(Debug)]
struct Tree {
    root: Seed,
    depth: u32,
    /// Leaves that are wanted, from the left.
    wanted: usize,
}

impl Tree {
    /// Returns how many seeds are needed `height` levels above the leaves.
    fn width(&self, height: u32) -> usize {
        self.wanted.div_ceil(1 << height)
    }
}

impl SaltTrees {
    /// Adds the tree over the `parts` of an entry, of which the first `wanted` are to have salts.
    pub(crate) fn push(&mut self, root: Seed, parts: usize, wanted: usize) {
        if wanted > 0 {
            self.trees.push(Tree { root, depth: depth_of(parts), wanted });
        }
    }

    /// Adds a salt that is known.
    pub(crate) fn push_known(&mut self, salt: Seed) {
        self.push(salt, 1, 1);
    }

    /// Returns the salts of the trees added, and forgets the trees.
    pub(crate) fn salts(&mut self) -> std::vec::Drain<'_, Seed> {
        let depth = self.trees.iter().map(|tree| tree.depth).max().unwrap_or_default();
        (0..=depth).rev().for_each(|height| self.grow(height));
        self.trees.clear();
        self.level.drain(..)
    }

    /// Passes to the level `height` above the leaves; in the one above are only trees that go on.
    fn grow(&mut self, height: u32) {
        let SaltTrees { trees, level, hashes } = self;
        expand_all(level, hashes);
        level.clear();
        let mut rest = seeds_of(hashes);
        for tree in trees.iter() {
            match tree.depth.cmp(&height) {
                Ordering::Greater => {
                    let (children, behind) =
                        rest.split_at_checked(2 * tree.width(height + 1)).unwrap_or_default();
                    rest = behind;
                    level.extend(children.iter().take(tree.width(height)));
                }
                Ordering::Equal => level.push(tree.root),
                Ordering::Less => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::salts::tests::salts_of_parts;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn prop_salts_computed_together_are_those_of_the_definition(
            entries in prop::collection::vec((any::<Seed>(), 0usize..40, 0usize..3), 0..40),
            wide in 0usize..3000,
        ) {
            let mut trees = SaltTrees::default();
            for _ in 0..2 {
                let mut expected = Vec::new();
                for (root, parts, erased) in entries.iter().chain(&[([7; 16], wide, 0)]) {
                    let wanted = parts.saturating_sub(*erased);
                    trees.push(*root, *parts, wanted);
                    expected.extend(salts_of_parts(*root, *parts).into_iter().take(wanted));
                }
                trees.push_known([9; 16]);
                expected.push([9; 16]);
                prop_assert_eq!(trees.salts().collect::<Vec<_>>(), expected);
            }
        }
    }
}
