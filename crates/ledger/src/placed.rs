//! Entries with their places: what an archive needs to copy the log and to have its copy checked.

use crate::decode::Entry;
use crate::disk::Files;
use crate::entry::EntryNo;
use crate::frame::HEADER_LEN;
use crate::leaf::LeafMaker;
use crate::merkle::Hash;
use crate::reader::SpoolReader;
use crate::salts::{EntrySecrets, FileSalt};
use crate::seal::SealError;
use crate::store::Store;

/// An entry with its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedEntry {
    /// Position in the log, from 0.
    pub position: u64,
    /// The spool file it is in.
    pub file: u64,
    /// The 64 bytes at the front of its file, if it is the first there.
    pub header: Option<[u8; HEADER_LEN]>,
    /// What was recorded.
    pub entry: Entry,
}

/// Reads the entries of a spool with their places, in order, up to the first file that is not sealed yet.
pub struct PlacedEntries<F: Files, S: Store> {
    reader: SpoolReader<F>,
    salts: S,
    file: Option<u64>,
    next: u64,
}

impl<F: Files, S: Store> PlacedEntries<F, S> {
    /// Opens a spool at file `from`, or at its first if that is gone or 0.
    ///
    /// # Errors
    /// The spool cannot be read.
    pub fn open(files: F, salts: S, from: u64) -> Result<PlacedEntries<F, S>, SealError> {
        let mut reader = SpoolReader::open_on(files)?;
        reader.begin_at(from, EntryNo(0))?;
        Ok(PlacedEntries { reader, salts, file: None, next: 0 })
    }

    /// Returns the next entry; `None` at the end.
    ///
    /// # Errors
    /// The spool or the salts cannot be read.
    pub fn next_entry(&mut self) -> Result<Option<PlacedEntry>, SealError> {
        let Some(entry) = self.reader.next_entry()? else { return Ok(None) };
        let Some(facts) = self.reader.facts().copied() else { return Ok(None) };
        let begins = self.file != Some(facts.seq);
        if begins {
            let Some(salt) = read_salt(&self.salts, facts.seq)? else { return Ok(None) };
            self.next = salt.first_index;
            self.file = Some(facts.seq);
        }
        let position = self.next;
        self.next += 1;
        Ok(Some(PlacedEntry { position, file: facts.seq, header: begins.then(|| facts.encode()), entry }))
    }
}

impl<F: Files, S: Store> std::fmt::Debug for PlacedEntries<F, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlacedEntries").field("next", &self.next).finish_non_exhaustive()
    }
}

fn read_salt(salts: &dyn Store, seq: u64) -> Result<Option<FileSalt>, SealError> {
    let name = FileSalt::name(seq);
    let Some(bytes) = salts.read(&name).map_err(SealError::store(name))? else { return Ok(None) };
    FileSalt::decode(&bytes, seq).map(Some).map_err(|source| SealError::Salt { seq, source })
}

/// Computes the leaves of entries that come from elsewhere than the spool, from the salts alone.
#[derive(Debug, Default)]
pub struct LeafWalk {
    maker: LeafMaker,
    file: Option<WalkedFile>,
}

#[derive(Debug)]
struct WalkedFile {
    seq: u64,
    first: u64,
    secrets: EntrySecrets,
}

impl LeafWalk {
    /// Returns the leaf of the entry at `position`, which is in spool file `file`; `header` is the front of
    /// that file if the entry is its first. Costs least where positions rise within a file.
    ///
    /// # Errors
    /// `Missing`: there are no salts for the file, or it begins behind `position`. `Salt`, `Store`.
    pub fn leaf(
        &mut self,
        salts: &dyn Store,
        position: u64,
        file: u64,
        header: Option<&[u8; HEADER_LEN]>,
        entry: &Entry,
    ) -> Result<Hash, SealError> {
        let missing = || SealError::Missing { name: FileSalt::name(file) };
        if self.file.as_ref().is_none_or(|walked| walked.seq != file) {
            let salt = read_salt(salts, file)?.ok_or_else(missing)?;
            let first = salt.first_index;
            self.file = Some(WalkedFile { seq: file, first, secrets: salt.secrets() });
        }
        let walked = self.file.as_mut().ok_or_else(missing)?;
        let index = position.checked_sub(walked.first).ok_or_else(missing)?;
        walked.secrets.seek(index);
        let order = walked.secrets.order();
        let secret = walked.secrets.next_secret().ok_or_else(missing)?;
        self.maker.add(&entry.brief(), secret, order, header.map(<[u8; HEADER_LEN]>::as_slice));
        self.maker.leaves().next().ok_or_else(missing)
    }
}
