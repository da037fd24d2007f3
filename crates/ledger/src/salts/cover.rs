//! A tree of seeds with holes: leaves that were destroyed, and can be computed again from nothing that is left.

use super::{Seed, expand};

/// What is left of a tree of seeds: the roots of its largest subtrees without a hole, from the left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cover {
    depth: u32,
    /// Rising.
    holes: Vec<u64>,
    roots: Vec<Seed>,
}

/// A subtree without a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subtree {
    pub(crate) first: u64,
    /// It has two to this power of leaves.
    pub(crate) height: u32,
    pub(crate) root: Seed,
}

impl Subtree {
    pub(crate) fn contains(&self, leaf: u64) -> bool {
        leaf >= self.first && (leaf - self.first) >> self.height == 0
    }
}

impl Cover {
    /// Returns the whole tree of `depth` levels below `root`.
    pub(crate) fn whole(root: Seed, depth: u32) -> Cover {
        Cover { depth, holes: Vec::new(), roots: vec![root] }
    }

    /// Returns a tree as it was stored; `None` if holes and roots do not fit each other.
    pub(crate) fn stored(depth: u32, holes: Vec<u64>, roots: Vec<Seed>) -> Option<Cover> {
        let rising = holes.is_sorted_by(|a, b| a < b);
        let inside = holes.last().is_none_or(|last| last >> depth == 0);
        let fits = rising && inside && places(depth, &holes).len() == roots.len();
        fits.then_some(Cover { depth, holes, roots })
    }

    pub(crate) fn holes(&self) -> &[u64] {
        &self.holes
    }

    pub(crate) fn roots(&self) -> &[Seed] {
        &self.roots
    }

    /// Returns the subtrees without a hole, from the left.
    pub(crate) fn subtrees(&self) -> Vec<Subtree> {
        let places = places(self.depth, &self.holes);
        places
            .into_iter()
            .zip(&self.roots)
            .map(|((first, height), root)| Subtree { first, height, root: *root })
            .collect()
    }

    /// Makes a hole of `leaf`; returns its seed, of which nothing is kept. `None` if it is one, or outside.
    pub(crate) fn puncture(&mut self, leaf: u64) -> Option<Seed> {
        let subtrees = self.subtrees();
        let (at, subtree) = find(&subtrees, leaf)?;
        let mut seed = subtree.root;
        let (mut before, mut behind) = (Vec::new(), Vec::new());
        for height in (0..subtree.height).rev() {
            let (left, right) = expand(&seed);
            if leaf >> height & 1 == 0 {
                behind.push(right);
                seed = left;
            } else {
                before.push(left);
                seed = right;
            }
        }
        behind.reverse();
        before.append(&mut behind);
        self.roots.splice(at..=at, before);
        let place = self.holes.partition_point(|hole| *hole < leaf);
        self.holes.insert(place, leaf);
        Some(seed)
    }
}

/// Returns the subtree that holds a leaf, and its place among them; `None` if it is a hole, or outside.
pub(super) fn find(subtrees: &[Subtree], leaf: u64) -> Option<(usize, &Subtree)> {
    let at = subtrees.partition_point(|subtree| subtree.first <= leaf).checked_sub(1)?;
    let subtree = subtrees.get(at).filter(|subtree| subtree.contains(leaf))?;
    Some((at, subtree))
}

/// Returns first leaf and height of the largest subtrees without a hole. At most `depth` for each hole.
fn places(depth: u32, holes: &[u64]) -> Vec<(u64, u32)> {
    let mut found = Vec::new();
    let mut open = vec![(0u64, depth, holes)];
    while let Some((first, height, holes)) = open.pop() {
        if holes.is_empty() {
            found.push((first, height));
        } else if let Some(below) = height.checked_sub(1) {
            let middle = first + (1 << below);
            let (left, right) = holes.split_at(holes.partition_point(|hole| *hole < middle));
            // The left half is looked at first.
            open.push((middle, below, right));
            open.push((first, below, left));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::salts::Seeds;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn prop_cover_gives_every_leaf_but_the_holes(
            depth in 0u32..7,
            punctured in prop::collection::vec(0u64..64, 0..8),
        ) {
            let mut whole = Seeds::new([9; 16], depth);
            let all: Vec<Seed> = (0..1u64 << depth).map(|_| whole.next_seed()).collect();
            let mut cover = Cover::whole([9; 16], depth);
            let mut holes = std::collections::BTreeSet::new();
            for leaf in punctured {
                let fresh = leaf >> depth == 0 && holes.insert(leaf);
                let seed = cover.puncture(leaf);
                prop_assert_eq!(seed, fresh.then(|| all[leaf as usize]));
            }
            let mut left = std::collections::BTreeMap::new();
            for subtree in cover.subtrees() {
                let mut seeds = Seeds::new(subtree.root, subtree.height);
                for leaf in subtree.first..subtree.first + (1 << subtree.height) {
                    left.insert(leaf, seeds.next_seed());
                }
            }
            let expected = (0..1u64 << depth).filter(|leaf| !holes.contains(leaf));
            let expected = expected.map(|leaf| (leaf, all[leaf as usize])).collect();
            prop_assert_eq!(left, expected);
            // No seed from which a destroyed one follows is kept.
            for hole in &holes {
                let mut seed = [9; 16];
                for height in (0..depth).rev() {
                    prop_assert!(!cover.roots().contains(&seed));
                    let (l, r) = expand(&seed);
                    seed = if hole >> height & 1 == 0 { l } else { r };
                }
                prop_assert!(!cover.roots().contains(&seed));
            }
            let stored = Cover::stored(depth, cover.holes().to_vec(), cover.roots().to_vec());
            prop_assert_eq!(stored, Some(cover));
        }
    }
}
