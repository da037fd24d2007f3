//! The check of one spool file: its leaves, and where they differ from the stored hashes.

use std::sync::atomic::Ordering;

use super::{Evidence, Progress, VerifyError};
use crate::decode::{Brief, BriefContent, Content};
use crate::disk::Files;
use crate::frame::HEADER_LEN;
use crate::leaf::LeafMaker;
use crate::merkle::{Hash, TILE_WIDTH, TileId, merkle_root};
use crate::reader::{ReadError, SpoolReader};
use crate::salts::{EntrySecret, FileSalt, PuncturedEntry};
use crate::seal::{SealError, StoredNodes};

/// A file to check.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    pub(super) seq: u64,
    /// No file follows.
    pub(super) last: bool,
}

/// Consecutive leaves.
#[derive(Debug)]
pub(super) enum Piece {
    /// One by one: at the ends of a file, and around the sizes of known checkpoints.
    Leaves(Vec<Hash>),
    /// The roots of full tiles.
    Tiles(Vec<Hash>),
}

/// A leaf that differs from the stored one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mismatch {
    pub(super) index: u64,
    pub(super) file: u64,
}

/// An entry out of which subjects were taken.
#[derive(Clone, Debug)]
pub(super) struct Redacted {
    pub(super) index: u64,
    pub(super) file: u64,
    /// Which sets it says they were in, one for each, rising.
    pub(super) sets: Vec<u16>,
    /// What is left of them.
    pub(super) parts: Vec<Hash>,
}

/// The entry of an erasure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listed {
    pub(super) index: u64,
    pub(super) number: u32,
    pub(super) list: Hash,
}

/// Why a file gives no leaves, or no more.
#[derive(Debug)]
pub(super) enum Stop {
    Unreadable(String),
    NoSalts,
    BadSalts,
}

/// What a file holds.
#[derive(Debug)]
pub(super) struct FileCheck {
    pub(super) seq: u64,
    /// Entries before it, as its salts say.
    pub(super) first_index: Option<u64>,
    pub(super) pieces: Vec<Piece>,
    /// Entries without a leaf, as there are no salts.
    pub(super) unhashed: u64,
    /// The first differing leaf of each tile that has one.
    pub(super) mismatches: Vec<Mismatch>,
    /// The first tile that cannot be read.
    pub(super) missing_tile: Option<TileId>,
    pub(super) redacted: Vec<Redacted>,
    pub(super) erasures: Vec<Listed>,
    pub(super) stop: Option<Stop>,
}

/// Greatest number of differing tiles remembered for a file.
const MISMATCHES_MAX: usize = 65_536;

/// Reads and hashes one file. `special`: sizes of known checkpoints; the last one is the ledger's own.
pub(super) fn check_file<F: Files>(
    files: &F,
    job: &Job,
    evidence: &Evidence<'_>,
    special: &[u64],
    progress: &Progress,
) -> Result<FileCheck, VerifyError> {
    let seq = job.seq;
    let mut check = FileCheck {
        seq,
        first_index: None,
        pieces: Vec::new(),
        unhashed: 0,
        mismatches: Vec::new(),
        missing_tile: None,
        redacted: Vec::new(),
        erasures: Vec::new(),
        stop: None,
    };
    let name = FileSalt::name(seq);
    let salts = evidence.salts.read(&name).map_err(|source| SealError::Store { name, source })?;
    let salt = match salts.map(|bytes| FileSalt::decode(&bytes, seq)) {
        Some(Ok(salt)) => Some(salt),
        None => {
            check.stop = Some(Stop::NoSalts);
            None
        }
        Some(Err(_)) => {
            check.stop = Some(Stop::BadSalts);
            None
        }
    };
    check.first_index = salt.as_ref().map(|salt| salt.first_index);
    let sealed = special.last().copied().unwrap_or_default();
    let mut next = check.first_index.unwrap_or_default();
    let mut leaves = Leaves::new(next, sealed, evidence, special);
    let mut secrets = salt.map(FileSalt::secrets);
    let mut maker = LeafMaker::default();
    let mut reader = SpoolReader::open_on(files)?;
    reader.stay_in(seq);
    // Where it cannot be opened, the first entry says why.
    let front = reader.open_file().ok().flatten().map(|facts| facts.encode());
    let mut header = front.as_ref().map(<[u8; HEADER_LEN]>::as_slice);
    let (mut bytes, mut entries) = (0, 0u64);
    loop {
        let entry = match reader.next_brief() {
            Ok(Some(entry)) => entry,
            Ok(None) => break,
            Err(error @ ReadError::Disk { .. }) => return Err(error.into()),
            Err(error) => {
                check.stop = Some(Stop::Unreadable(describe(&error)));
                break;
            }
        };
        entries += 1;
        let Some(secrets) = &mut secrets else { continue };
        let order = secrets.order();
        let Some(secret) = secrets.next_secret() else { continue };
        if let EntrySecret::Punctured(punctured) = secret {
            check.redacted.push(redacted(&entry, next, seq, punctured));
        }
        if let BriefContent::Other(Content::Erasure(erasure)) = &entry.content {
            check.erasures.push(Listed { index: next, number: erasure.number, list: erasure.list });
        }
        maker.add(&entry, secret, order, header.take());
        next += 1;
        if maker.is_full() {
            leaves.push_all(maker.leaves(), seq, &mut check)?;
        }
        if entries.is_multiple_of(1024) {
            progress.entries.fetch_add(1024, Ordering::Relaxed);
            progress.bytes.fetch_add(reader.offset() - bytes, Ordering::Relaxed);
            bytes = reader.offset();
        }
    }
    leaves.push_all(maker.leaves(), seq, &mut check)?;
    progress.entries.fetch_add(entries % 1024, Ordering::Relaxed);
    progress.bytes.fetch_add(reader.offset().saturating_sub(bytes), Ordering::Relaxed);
    // At the end of the spool a damaged frame looks like the last write of a crash.
    if check.stop.is_none() && job.last && reader.facts().is_some() && !reader.rest_is_empty(seq)? {
        let damage = ReadError::Damaged { seq, offset: reader.offset() };
        check.stop = Some(Stop::Unreadable(damage.to_string()));
    }
    if secrets.is_none() {
        check.unhashed = entries;
    }
    leaves.finish(&mut check);
    Ok(check)
}

fn redacted(entry: &Brief<'_>, index: u64, file: u64, punctured: &PuncturedEntry) -> Redacted {
    let sets = match &entry.content {
        BriefContent::Disclosure(disclosure) => {
            let sets = (0u16..).zip(disclosure.sets);
            // An entry that says more than its salts tell has another leaf; what it says is not to be unpacked.
            let erased = |erased: u32| (erased as usize).min(punctured.erased.len() + 1);
            sets.flat_map(|(at, set)| std::iter::repeat_n(at, erased(set.erased))).collect()
        }
        _ => vec![0],
    };
    Redacted { index, file, sets, parts: punctured.erased.clone() }
}

fn describe(error: &ReadError) -> String {
    use std::error::Error;
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}")
}

/// Collects leaves into pieces, and compares them with the stored tiles.
struct Leaves<'a> {
    nodes: StoredNodes<'a>,
    sealed: u64,
    special: &'a [u64],
    next: u64,
    /// Leaves of the tile being filled.
    tile: Vec<Hash>,
    /// What is stored for that tile; empty if nothing is.
    stored: Vec<Hash>,
    /// A difference was found in that tile.
    differs: bool,
}

impl<'a> Leaves<'a> {
    fn new(first: u64, sealed: u64, evidence: &'a Evidence<'_>, special: &'a [u64]) -> Leaves<'a> {
        let nodes = StoredNodes::new(evidence.tree, sealed);
        let (tile, stored) = (Vec::with_capacity(TILE_WIDTH), Vec::new());
        Leaves { nodes, sealed, special, next: first, tile, stored, differs: false }
    }

    fn push_all(
        &mut self,
        leaves: impl Iterator<Item = Hash>,
        file: u64,
        check: &mut FileCheck,
    ) -> Result<(), VerifyError> {
        for leaf in leaves {
            self.push(leaf, file, check)?;
        }
        Ok(())
    }

    fn push(&mut self, leaf: Hash, file: u64, check: &mut FileCheck) -> Result<(), VerifyError> {
        let index = self.next;
        let at = (index % TILE_WIDTH as u64) as usize;
        if self.tile.is_empty() {
            self.load(index, check)?;
        }
        if !self.differs && self.stored.get(at).is_some_and(|stored| *stored != leaf) {
            self.differs = true;
            if check.mismatches.len() < MISMATCHES_MAX {
                check.mismatches.push(Mismatch { index, file });
            }
        }
        self.tile.push(leaf);
        self.next += 1;
        if at + 1 == TILE_WIDTH {
            self.end_tile(check);
        }
        Ok(())
    }

    fn load(&mut self, index: u64, check: &mut FileCheck) -> Result<(), VerifyError> {
        self.stored.clear();
        self.differs = false;
        let Some(id) = TileId::containing(0, index, self.sealed) else { return Ok(()) };
        match self.nodes.tile(id) {
            Ok(hashes) => self.stored = hashes,
            Err(SealError::Missing { .. }) => {
                check.missing_tile.get_or_insert(id);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn end_tile(&mut self, check: &mut FileCheck) {
        let index = self.next.saturating_sub(1) / TILE_WIDTH as u64;
        let inside =
            |size: &u64| size / TILE_WIDTH as u64 == index && !size.is_multiple_of(TILE_WIDTH as u64);
        if self.tile.len() == TILE_WIDTH && !self.special.iter().any(inside) {
            let root = merkle_root(&self.tile);
            match check.pieces.last_mut() {
                Some(Piece::Tiles(roots)) => roots.push(root),
                _ => check.pieces.push(Piece::Tiles(vec![root])),
            }
            self.tile.clear();
        } else {
            check.pieces.push(Piece::Leaves(std::mem::take(&mut self.tile)));
        }
    }

    fn finish(mut self, check: &mut FileCheck) {
        if !self.tile.is_empty() {
            self.end_tile(check);
        }
    }
}
