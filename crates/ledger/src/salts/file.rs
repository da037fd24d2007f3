//! The secrets of one spool file, as they are stored and walked along.

use ring::rand::{SecureRandom, SystemRandom};

use super::blocks::Blocks;
use super::cover::{Cover, Subtree, find};
use super::punctured::PuncturedEntry;
use super::{DEPTH, SaltError, Seed};
use crate::merkle::{Hash, digest};
use crate::set::SUBJECTS_MAX;

const MAGIC: [u8; 8] = *b"RASTROSA";
const VERSION: u16 = 2;
/// Of files that erase nobody: one seed.
const VERSION_1: u16 = 1;

/// In which order an entry's tree of subjects holds their hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartOrder {
    /// By set and key: the place of a hash tells between which keys its own is.
    ByKey,
    /// Rising: the place of a hash tells nothing.
    ByHash,
}

impl PartOrder {
    /// Returns the first byte of a leaf's data.
    pub(crate) fn tag(self) -> u8 {
        match self {
            PartOrder::ByKey => 0x01,
            PartOrder::ByHash => 0x02,
        }
    }
}

/// What is kept for a spool file: its place in the log and its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSalt {
    /// Which spool file.
    pub seq: u64,
    /// Number of entries in the files before.
    pub first_index: u64,
    pub(crate) order: PartOrder,
    /// Over the entries.
    seeds: Cover,
    /// The entries that are holes in `seeds`.
    punctured: Vec<PuncturedEntry>,
}

impl FileSalt {
    /// Makes a new secret for file `seq`.
    ///
    /// # Errors
    /// `Random`.
    pub(crate) fn generate(seq: u64, first_index: u64) -> Result<FileSalt, SaltError> {
        let mut seed = Seed::default();
        SystemRandom::new().fill(&mut seed).map_err(|_| SaltError::Random)?;
        let seeds = Cover::whole(seed, DEPTH);
        Ok(FileSalt { seq, first_index, order: PartOrder::ByHash, seeds, punctured: Vec::new() })
    }

    /// Returns the name of the file that holds it.
    pub(crate) fn name(seq: u64) -> String {
        format!("{seq:010}.salt")
    }

    /// Walks along the secrets of its entries.
    pub(crate) fn secrets(self) -> EntrySecrets {
        EntrySecrets::new(self)
    }

    /// Returns the entries out of which somebody was erased: position in the file, and what is left.
    pub(crate) fn punctured(&self) -> impl Iterator<Item = (u64, &PuncturedEntry)> {
        self.seeds.holes().iter().copied().zip(&self.punctured)
    }

    /// Destroys the salt of one part of entry `position`, which had `parts` parts: the one that is `rank`-th
    /// (from 0) among those left. Returns the salt; [`FileSalt::keep_hash`] is to follow. `None` if there is no
    /// such part, or if the place of its hash would tell who it was.
    pub(crate) fn destroy(&mut self, position: u64, parts: u32, rank: usize) -> Option<Seed> {
        if self.order == PartOrder::ByKey {
            return None;
        }
        let place = match self.seeds.holes().binary_search(&position) {
            Ok(place) => place,
            Err(place) => {
                let seed = self.seeds.puncture(position)?;
                self.punctured.insert(place, PuncturedEntry::new(&seed, parts));
                place
            }
        };
        self.punctured.get_mut(place)?.destroy(rank)
    }

    /// Keeps the hash of a part whose salt was destroyed.
    pub(crate) fn keep_hash(&mut self, position: u64, hash: Hash) {
        if let Ok(place) = self.seeds.holes().binary_search(&position)
            && let Some(entry) = self.punctured.get_mut(place)
        {
            entry.add_erased(hash);
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        let version = match self.order {
            PartOrder::ByKey => VERSION_1,
            PartOrder::ByHash => VERSION,
        };
        out.extend_from_slice(&version.to_be_bytes());
        out.extend_from_slice(&self.seq.to_be_bytes());
        out.extend_from_slice(&self.first_index.to_be_bytes());
        match self.order {
            PartOrder::ByKey => out.extend_from_slice(&self.seeds.roots().concat()),
            PartOrder::ByHash => {
                put_count(&mut out, self.punctured.len());
                for (position, entry) in self.punctured() {
                    out.extend_from_slice(&(position as u32).to_be_bytes());
                    put_entry(&mut out, entry);
                }
                put_seeds(&mut out, self.seeds.roots());
            }
        }
        let check = digest(&[&out]);
        out.extend_from_slice(&check);
        out
    }

    /// Reads the salts of file `seq`.
    ///
    /// # Errors
    /// `Form`, `Damaged`.
    pub(crate) fn decode(bytes: &[u8], seq: u64) -> Result<FileSalt, SaltError> {
        let Some((body, check)) = bytes.split_last_chunk::<32>() else { return Err(SaltError::Form) };
        if !body.starts_with(&MAGIC) {
            return Err(SaltError::Form);
        }
        if digest(&[body]) != *check {
            return Err(SaltError::Damaged);
        }
        let mut input = Input(body.get(MAGIC.len()..).unwrap_or_default());
        let salt = decode_body(&mut input).filter(|_| input.0.is_empty());
        salt.filter(|salt| salt.seq == seq).ok_or(SaltError::Form)
    }
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&(count as u32).to_be_bytes());
}

fn put_seeds(out: &mut Vec<u8>, seeds: &[Seed]) {
    put_count(out, seeds.len());
    out.extend_from_slice(&seeds.concat());
}

fn put_entry(out: &mut Vec<u8>, entry: &PuncturedEntry) {
    out.extend_from_slice(&entry.head);
    out.extend_from_slice(&entry.parts.to_be_bytes());
    put_count(out, entry.left.len());
    for (block, left) in entry.blocks.holes().iter().zip(&entry.left) {
        out.extend_from_slice(&(*block as u32).to_be_bytes());
        put_seeds(out, left);
    }
    put_seeds(out, entry.blocks.roots());
    put_count(out, entry.erased.len());
    out.extend_from_slice(&entry.erased.concat());
}

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn number(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.array()?))
    }

    /// Reads a count of things that take at least `bytes` each.
    fn count(&mut self, bytes: usize) -> Option<usize> {
        let count = u32::from_be_bytes(self.array()?) as usize;
        (count.saturating_mul(bytes) <= self.0.len()).then_some(count)
    }

    fn list<const N: usize>(&mut self) -> Option<Vec<[u8; N]>> {
        let count = self.count(N)?;
        (0..count).map(|_| self.array()).collect()
    }
}

fn decode_body(input: &mut Input<'_>) -> Option<FileSalt> {
    let version = u16::from_be_bytes(input.array()?);
    let (seq, first_index) = (input.number()?, input.number()?);
    if version == VERSION_1 {
        let (order, seeds) = (PartOrder::ByKey, Cover::whole(input.array()?, DEPTH));
        return Some(FileSalt { seq, first_index, order, seeds, punctured: Vec::new() });
    }
    if version != VERSION {
        return None;
    }
    let (mut holes, mut punctured) = (Vec::new(), Vec::new());
    for _ in 0..input.count(36)? {
        holes.push(u64::from(u32::from_be_bytes(input.array()?)));
        punctured.push(decode_entry(input)?);
    }
    let seeds = Cover::stored(DEPTH, holes, input.list()?)?;
    Some(FileSalt { seq, first_index, order: PartOrder::ByHash, seeds, punctured })
}

fn decode_entry(input: &mut Input<'_>) -> Option<PuncturedEntry> {
    let (head, parts) = (input.array()?, u32::from_be_bytes(input.array()?));
    if parts == 0 || parts as usize > PARTS_MAX {
        return None;
    }
    let (mut holes, mut left) = (Vec::new(), Vec::new());
    for _ in 0..input.count(8)? {
        holes.push(u64::from(u32::from_be_bytes(input.array()?)));
        left.push(input.list()?);
    }
    let depth = super::depth_of(parts as usize) - super::punctured::block_height(parts as usize);
    let blocks = Cover::stored(depth, holes, input.list()?)?;
    Some(PuncturedEntry { head, parts, blocks, left, erased: input.list()? })
}

/// Subjects, and counts of unattributed rows, of which there is at most one for each combination of fields.
const PARTS_MAX: usize = SUBJECTS_MAX * 2;

/// The secret of an entry.
#[derive(Clone, Copy, Debug)]
pub(crate) enum EntrySecret<'a> {
    /// Salts the header; and the root of the tree of what salts the parts.
    Whole { head: Seed, body: Seed },
    /// What is left of it.
    Punctured(&'a PuncturedEntry),
}

/// Walks along the secrets of a file's entries.
#[derive(Debug)]
pub(crate) struct EntrySecrets {
    file: FileSalt,
    subtrees: Vec<Subtree>,
    /// Over the subtree of the last entry that was whole.
    blocks: Option<Blocks>,
    next: u64,
}

impl EntrySecrets {
    fn new(file: FileSalt) -> EntrySecrets {
        let subtrees = file.seeds.subtrees();
        EntrySecrets { file, subtrees, blocks: None, next: 0 }
    }

    /// Returns how the entries' subjects are ordered.
    pub(crate) fn order(&self) -> PartOrder {
        self.file.order
    }

    /// Returns the next entry's secret; `None` beyond the last there can be.
    pub(crate) fn next_secret(&mut self) -> Option<EntrySecret<'_>> {
        let position = self.next;
        self.next += 1;
        if self.blocks.as_ref().is_none_or(|blocks| !blocks.subtree().contains(position)) {
            let Some((_, subtree)) = find(&self.subtrees, position) else {
                let hole = self.file.seeds.holes().binary_search(&position).ok()?;
                return self.file.punctured.get(hole).map(EntrySecret::Punctured);
            };
            self.blocks = Some(Blocks::new(*subtree));
        }
        let (head, body) = self.blocks.as_mut()?.children(position)?;
        Some(EntrySecret::Whole { head, body })
    }

    /// Passes to the secret of entry `position` of the file, so that it is the next.
    pub(crate) fn seek(&mut self, position: u64) {
        self.next = position;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::salts::expand;
    use crate::salts::tests::seed_at;
    use proptest::prelude::*;

    /// The seeds of the first entries of a whole file by their definition.
    fn first_seeds(salt: &FileSalt, count: u64) -> Vec<Seed> {
        (0..count).map(|at| seed_at(salt.seeds.roots()[0], DEPTH, at)).collect()
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

    #[test]
    fn punctured_salts_are_read_back_and_walk_past_their_holes() {
        let whole = FileSalt::generate(3, 40).unwrap();
        let seeds = first_seeds(&whole, 20);
        let mut salt = whole;
        let mut twin = PuncturedEntry::new(&seeds[7], 600);
        let destroyed = salt.destroy(7, 600, 300).unwrap();
        assert_eq!(Some(destroyed), twin.destroy(300));
        salt.keep_hash(7, [5; 32]);
        salt.destroy(9, 1, 0).unwrap();
        salt.keep_hash(9, [6; 32]);
        salt.destroy(7, 600, 0).unwrap();
        salt.keep_hash(7, [4; 32]);
        assert_eq!(FileSalt::decode(&salt.encode(), 3), Ok(salt.clone()));
        assert_eq!(
            salt.punctured().map(|(at, e)| (at, e.erased.len())).collect::<Vec<_>>(),
            [(7, 2), (9, 1)]
        );
        let mut walk = salt.clone().secrets();
        for (at, expected) in seeds.iter().enumerate() {
            match walk.next_secret().unwrap() {
                EntrySecret::Whole { head, body } => {
                    assert!((head, body) == expand(expected) && at != 7 && at != 9, "{at}");
                }
                EntrySecret::Punctured(entry) => {
                    assert!(at == 7 && entry.erased == [[4; 32], [5; 32]] || at == 9, "{at}");
                }
            }
        }
        let bytes = salt.encode();
        let holds = |seed: &Seed| bytes.windows(16).any(|window| window == seed);
        assert!(!holds(&destroyed) && !holds(&seeds[7]) && !holds(&seeds[9]));
    }

    proptest! {
        #[test]
        fn prop_secrets_are_those_of_the_definition_wherever_the_walk_passes_to(
            holes in prop::collection::btree_set(0u64..400, 0..6),
            ways in prop::collection::vec((0u64..500, 0usize..150), 1..8),
        ) {
            let whole = FileSalt::generate(1, 0).unwrap();
            let seeds = first_seeds(&whole, 650);
            let mut salt = whole;
            holes.iter().for_each(|hole| assert!(salt.destroy(*hole, 1, 0).is_some()));
            let mut walk = salt.secrets();
            for (first, count) in ways {
                walk.seek(first);
                for (at, seed) in (0u64..).zip(&seeds).skip(first as usize).take(count) {
                    let found = match walk.next_secret().unwrap() {
                        EntrySecret::Whole { head, body } => Some((head, body)),
                        EntrySecret::Punctured(_) => None,
                    };
                    prop_assert_eq!(found, (!holes.contains(&at)).then(|| expand(seed)), "{}", at);
                }
            }
        }
    }

    #[test]
    fn walk_ends_behind_the_last_entry_there_can_be() {
        let salt = FileSalt::generate(1, 0).unwrap();
        let root = salt.seeds.roots()[0];
        let mut walk = salt.secrets();
        let last = u64::from(u32::MAX);
        walk.seek(last);
        let expected = expand(&seed_at(root, DEPTH, last));
        let found = walk.next_secret();
        assert!(matches!(found, Some(EntrySecret::Whole { head, body }) if (head, body) == expected));
        assert!(walk.next_secret().is_none());
    }
}
