//! Entries with their leaves, and proofs that they are in the log.

use crate::checkpoint::{CheckpointError, LogProof};
use crate::decode::Entry;
use crate::disk::Files;
use crate::frame::HEADER_LEN;
use crate::leaf::{LEAF_DATA_LEN, LeafMaker};
use crate::merkle::prove_inclusion;
use crate::note::Note;
use crate::reader::SpoolReader;
use crate::salts::{EntrySecrets, FileSalt};
use crate::seal::{CHECKPOINT, SealError, StoredNodes};
use crate::store::Store;

/// An entry as the log commits to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedEntry {
    /// Position in the log, from 0.
    pub index: u64,
    /// What was recorded.
    pub entry: Entry,
    /// What an entry bundle holds; hashed, the leaf.
    pub leaf_data: [u8; LEAF_DATA_LEN],
}

/// Reads the entries of a spool with their leaves, in order, up to the first file without salts.
pub struct SealedEntries<F: Files, S: Store> {
    reader: SpoolReader<F>,
    salts: S,
    file: Option<(u64, EntrySecrets)>,
    next: u64,
    maker: LeafMaker,
}

impl<F: Files, S: Store> SealedEntries<F, S> {
    /// Opens a spool with its salts.
    ///
    /// # Errors
    /// The spool cannot be read.
    pub fn open(files: F, salts: S) -> Result<SealedEntries<F, S>, SealError> {
        let reader = SpoolReader::open_on(files)?;
        Ok(SealedEntries { reader, salts, file: None, next: 0, maker: LeafMaker::default() })
    }

    /// Returns the next entry; `None` at the end.
    ///
    /// # Errors
    /// The spool or the salts cannot be read.
    pub fn next_entry(&mut self) -> Result<Option<SealedEntry>, SealError> {
        let Some(entry) = self.reader.next_entry()? else { return Ok(None) };
        let Some(facts) = self.reader.facts().copied() else { return Ok(None) };
        let begins = self.file.as_ref().is_none_or(|(seq, _)| *seq != facts.seq);
        if begins {
            let seq = facts.seq;
            let name = FileSalt::name(seq);
            let Some(bytes) = self.salts.read(&name).map_err(SealError::store(name))? else {
                return Ok(None);
            };
            let salt = FileSalt::decode(&bytes, seq).map_err(|source| SealError::Salt { seq, source })?;
            self.next = salt.first_index;
            self.file = Some((seq, salt.secrets()));
        }
        let Some((_, secrets)) = &mut self.file else { return Ok(None) };
        let order = secrets.order();
        let Some(secret) = secrets.next_secret() else { return Ok(None) };
        let header = begins.then(|| facts.encode());
        let header = header.as_ref().map(<[u8; HEADER_LEN]>::as_slice);
        self.maker.add(&entry.brief(), secret, order, header);
        let Some(leaf_data) = self.maker.leaf_data().next() else { return Ok(None) };
        let index = self.next;
        self.next += 1;
        Ok(Some(SealedEntry { index, entry, leaf_data }))
    }
}

impl<F: Files, S: Store> std::fmt::Debug for SealedEntries<F, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedEntries").field("next", &self.next).finish_non_exhaustive()
    }
}

/// Makes the proof that entry `index` is under the last checkpoint, or under the last witnessed one if that
/// covers it.
///
/// # Errors
/// `Missing`: no checkpoint covers it, or tiles are gone.
pub fn prove_entry(tree: &dyn Store, index: u64) -> Result<LogProof, SealError> {
    let missing = || SealError::Missing { name: CHECKPOINT.to_owned() };
    let mut best = None;
    for name in [CHECKPOINT, crate::seal::WITNESSED] {
        let Some(bytes) = tree.read(name).map_err(SealError::store(name))? else { continue };
        let note = Note::decode(&bytes).map_err(CheckpointError::from)?;
        let size = crate::checkpoint::Checkpoint::decode(&note.text)?.size;
        if index < size {
            best = Some((note, size));
        }
    }
    let (checkpoint, size) = best.ok_or_else(missing)?;
    // Tiles of a size that has been passed may have been filled since; the nodes of the smaller tree are in
    // the larger one's.
    let largest = latest_size(tree)?.unwrap_or(size);
    let nodes = StoredNodes::new(tree, largest.max(size));
    let path = prove_inclusion(&nodes, index, size)?;
    Ok(LogProof { index, path, checkpoint })
}

/// Returns the size of the last checkpoint, its signature unchecked.
pub(crate) fn latest_size(tree: &dyn Store) -> Result<Option<u64>, SealError> {
    let Some(bytes) = tree.read(CHECKPOINT).map_err(SealError::store(CHECKPOINT))? else { return Ok(None) };
    let note = Note::decode(&bytes).map_err(CheckpointError::from)?;
    Ok(Some(crate::checkpoint::Checkpoint::decode(&note.text)?.size))
}
