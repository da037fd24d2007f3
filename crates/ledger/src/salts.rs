//! Salts: secret bytes that make a commitment tell nothing of what it commits to, kept apart from the log.
//!
//! A spool file has one secret; the seeds of its entries are the leaves of a binary tree grown from it, each
//! inner seed giving its two children by one hash. So 16 bytes of secret serve a file, any subtree can be
//! handed out or destroyed alone, and walking along the entries costs one hash an entry.

use ring::rand::{SecureRandom, SystemRandom};

use crate::merkle::digest;

/// Secret bytes.
pub(crate) type Seed = [u8; 16];

/// Levels of the tree of a file: room for 2^32 entries.
const DEPTH: u32 = 32;

const MAGIC: [u8; 8] = *b"RASTROSA";
const VERSION: u16 = 1;
const LEN: usize = 8 + 2 + 8 + 8 + 16 + 32;

/// Returns the children of a seed.
pub(crate) fn expand(seed: &Seed) -> (Seed, Seed) {
    let hash = digest(&[&[0x04], seed]);
    let (left, right) = hash.split_at(16);
    (left.try_into().unwrap_or_default(), right.try_into().unwrap_or_default())
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
    /// Walks along the entries of a file.
    pub(crate) fn of_file(root: Seed) -> Seeds {
        Seeds::new(root, DEPTH)
    }

    /// Walks along the `count` parts of an entry.
    pub(crate) fn of_parts(root: Seed, count: usize) -> Seeds {
        Seeds::new(root, count.max(1).next_power_of_two().trailing_zeros())
    }

    fn new(root: Seed, depth: u32) -> Seeds {
        Seeds { root, depth, next: 0, right: vec![Seed::default(); depth as usize] }
    }

    /// Passes to the seed `index`, so that it is the next.
    pub(crate) fn seek(&mut self, index: u64) {
        if index == self.next {
            return;
        }
        self.next = index;
        let Some(before) = index.checked_sub(1) else { return };
        let mut seed = self.root;
        for height in (0..self.depth).rev() {
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

/// What is kept for a spool file: its place in the log and its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSalt {
    /// Which spool file.
    pub seq: u64,
    /// Number of entries in the files before.
    pub first_index: u64,
    pub(crate) seed: Seed,
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

impl FileSalt {
    /// Makes a new secret for file `seq`.
    ///
    /// # Errors
    /// `Random`.
    pub(crate) fn generate(seq: u64, first_index: u64) -> Result<FileSalt, SaltError> {
        let mut seed = Seed::default();
        SystemRandom::new().fill(&mut seed).map_err(|_| SaltError::Random)?;
        Ok(FileSalt { seq, first_index, seed })
    }

    /// Returns the name of the file that holds it.
    pub(crate) fn name(seq: u64) -> String {
        format!("{seq:010}.salt")
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(LEN);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_be_bytes());
        out.extend_from_slice(&self.seq.to_be_bytes());
        out.extend_from_slice(&self.first_index.to_be_bytes());
        out.extend_from_slice(&self.seed);
        let check = digest(&[&out]);
        out.extend_from_slice(&check);
        out
    }

    /// Reads the salts of file `seq`.
    ///
    /// # Errors
    /// `Form`, `Damaged`.
    pub(crate) fn decode(bytes: &[u8], seq: u64) -> Result<FileSalt, SaltError> {
        let head = bytes.strip_prefix(&MAGIC).and_then(|rest| rest.strip_prefix(&VERSION.to_be_bytes()));
        if bytes.len() != LEN || head.is_none() {
            return Err(SaltError::Form);
        }
        let (body, check) = bytes.split_at(LEN - 32);
        if digest(&[body]) != *check {
            return Err(SaltError::Damaged);
        }
        let mut rest = head.unwrap_or_default();
        let mut number = || {
            let (number, left) = rest.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
            rest = left;
            u64::from_be_bytes(*number)
        };
        let (found, first_index) = (number(), number());
        let seed = *rest.first_chunk().ok_or(SaltError::Form)?;
        if found == seq { Ok(FileSalt { seq, first_index, seed }) } else { Err(SaltError::Form) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seed `index` by its definition: one child per bit, highest first.
    fn seed_at(root: Seed, depth: u32, index: u64) -> Seed {
        (0..depth).rev().fold(root, |seed, bit| {
            let (left, right) = expand(&seed);
            if index >> bit & 1 == 0 { left } else { right }
        })
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
        for index in [5, 6, 0, 1, 300, 299, 4096, 4097, 4095, u64::from(u32::MAX)] {
            seeds.seek(index);
            assert_eq!(seeds.next_seed(), seed_at([7; 16], 32, index), "{index}");
        }
        assert_eq!([1, 2, 3, 4, 5, 1024].map(|n| Seeds::of_parts([0; 16], n).depth), [0, 1, 2, 2, 3, 10]);
    }

    #[test]
    fn salts_with_any_flipped_bit_are_refused() {
        let salt = FileSalt::generate(7, 1000).unwrap();
        let bytes = salt.encode();
        assert_eq!(FileSalt::decode(&bytes, 7), Ok(salt));
        assert_eq!(FileSalt::decode(&bytes, 8), Err(SaltError::Form));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(FileSalt::decode(&flipped, 7).is_err(), "bit {bit}");
        }
    }
}
