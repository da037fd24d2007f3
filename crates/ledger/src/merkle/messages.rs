//! Messages collected to be hashed together, and the trees that are made of them level by level.

use super::lanes::{LANES, hash_some};
use super::{BLOCK, Hash, digest, pad, put_node};

/// Messages hashed together at most, and bytes of them after which no more are collected: they stay in the cache.
const TOGETHER: usize = 4 * LANES;
const BYTES_MAX: usize = 32 << 10;

/// Messages on their way to their hashes.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    /// Those not hashed yet, each padded to whole blocks.
    bytes: Vec<u8>,
    /// Where each of them ends, in blocks.
    ends: Vec<usize>,
    hashes: Vec<Hash>,
}

impl Messages {
    /// Adds the message that `put` appends.
    #[inline]
    pub(crate) fn push(&mut self, put: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        put(&mut self.bytes);
        let len = self.bytes.len() - start;
        self.bytes.resize(start + (len + 9).next_multiple_of(BLOCK), 0);
        pad(self.bytes.get_mut(start..).unwrap_or_default(), len);
        self.ends.push(self.bytes.len() / BLOCK);
        if self.ends.len() == TOGETHER || self.bytes.len() > BYTES_MAX {
            self.hash();
        }
    }

    /// Returns the hashes of all messages, in their order. They are kept until they are removed.
    pub(crate) fn hashes(&mut self) -> &mut Vec<Hash> {
        self.hash();
        &mut self.hashes
    }

    fn hash(&mut self) {
        let (blocks, _) = self.bytes.as_chunks();
        let mut start = 0;
        for ends in self.ends.chunks(LANES) {
            let mut some: [&[_]; LANES] = [&[]; LANES];
            for (message, end) in some.iter_mut().zip(ends) {
                *message = blocks.get(start..*end).unwrap_or_default();
                start = *end;
            }
            hash_some(some.get(..ends.len()).unwrap_or_default(), &mut self.hashes);
        }
        self.bytes.clear();
        self.ends.clear();
    }
}

/// Trees whose roots are computed together; see [`super::merkle_root`].
#[derive(Debug, Default)]
pub(crate) struct Trees {
    level: Vec<Hash>,
    /// Hashes that each tree has in the level.
    widths: Vec<usize>,
    nodes: Messages,
}

impl Trees {
    /// Adds a tree over `leaves`.
    pub(crate) fn push(&mut self, leaves: &[Hash]) {
        self.level.extend_from_slice(leaves);
        self.widths.push(leaves.len());
    }

    /// Returns the roots of the trees added, and forgets the trees.
    pub(crate) fn roots(&mut self) -> impl Iterator<Item = Hash> {
        while self.widths.iter().any(|width| *width > 1) {
            self.join();
        }
        let mut level = self.level.drain(..);
        let root_of = move |width| if width == 0 { None } else { level.next() };
        self.widths.drain(..).map(root_of).map(|root| root.unwrap_or_else(|| digest(&[])))
    }

    /// Passes to the level above: pairs from the left; an odd one at the end moves up as it is. The same tree as
    /// splitting at the largest power of two.
    fn join(&mut self) {
        let mut rest = self.level.as_slice();
        for width in &self.widths {
            let (tree, behind) = rest.split_at_checked(*width).unwrap_or_default();
            rest = behind;
            for [left, right] in tree.as_chunks().0 {
                self.nodes.push(|out| put_node(out, left, right));
            }
        }
        let mut hashes = self.nodes.hashes().drain(..);
        let (mut read, mut written) = (0, 0);
        for width in &mut self.widths {
            let odd = if *width % 2 == 1 { self.level.get(read + *width - 1).copied() } else { None };
            read += *width;
            for hash in hashes.by_ref().take(*width / 2).chain(odd) {
                if let Some(to) = self.level.get_mut(written) {
                    *to = hash;
                }
                written += 1;
            }
            *width = width.div_ceil(2);
        }
        self.level.truncate(written);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::{hash_node, merkle_root};

    #[test]
    fn messages_of_any_number_and_length_have_the_hashes_they_have_alone() {
        for count in [0usize, 1, 7, 8, 9, 15, 16, 17, 31, 63, 64, 65, 200] {
            for spread in [1, 2, 70, 130, 700] {
                let all: Vec<Vec<u8>> = (0..count)
                    .map(|at| (0..(at * 37 + count) % spread + 60).map(|i| (i * 7 + at) as u8).collect())
                    .collect();
                let mut messages = Messages::default();
                for message in &all {
                    messages.push(|out| out.extend_from_slice(message));
                }
                let alone: Vec<Hash> = all.iter().map(|message| digest(&[message])).collect();
                assert_eq!(*messages.hashes(), alone, "{count} {spread}");
            }
        }
    }

    /// The root by its definition: split at the largest power of two.
    fn root_of(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => digest(&[]),
            [only] => *only,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                hash_node(&root_of(left), &root_of(right))
            }
        }
    }

    #[test]
    fn trees_computed_together_have_the_roots_they_have_alone() {
        let leaves: Vec<Hash> = (0..300u32).map(|n| digest(&[&n.to_be_bytes()])).collect();
        let mut trees = Trees::default();
        for widths in [vec![], vec![0], vec![1, 0, 2], vec![5, 1, 3, 0, 0, 16, 300, 2], (0..70).collect()] {
            widths.iter().for_each(|width| trees.push(&leaves[..*width]));
            let expected: Vec<Hash> = widths.iter().map(|width| root_of(&leaves[..*width])).collect();
            assert_eq!(trees.roots().collect::<Vec<_>>(), expected, "{widths:?}");
        }
        (0..300).for_each(|width| assert_eq!(merkle_root(&leaves[..width]), root_of(&leaves[..width])));
    }
}
