//! Seals the spool: reads its durable entries behind the writer, grows the tree, signs checkpoints. Keeps P5.

mod keys;
mod nodes;
mod resume;
mod retention;
mod thread;

use std::fs::File;
use std::io;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::disk::Files;
use crate::frame::HEADER_LEN;
use crate::leaf::LeafMaker;
use crate::merkle::{Frontier, TileId, encode_tile};
use crate::note::{KeyError, Note};
use crate::reader::{Position, ReadError, SpoolReader};
use crate::salts::{EntrySecrets, FileSalt, SaltError};
use crate::store::Store;
use resume::Resume;

pub use keys::{KeyChange, KeyFiles, Keyring};
pub use nodes::StoredNodes;
pub(crate) use retention::RETAINED;
pub use retention::{Retained, forget_before};
pub use thread::{SealHealth, SealPaths, SealWatch, SealerThread};

/// Name of the last checkpoint in the store of the tree.
pub const CHECKPOINT: &str = "checkpoint";
/// Name of the last checkpoint that a witness cosigned.
pub const WITNESSED: &str = "witnessed";

/// Why the spool cannot be sealed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The spool cannot be read.
    #[error("cannot read the spool")]
    Read(#[from] ReadError),
    /// A file of the tree, the salts or the keys cannot be read or written.
    #[error("cannot access `{name}`")]
    Store {
        /// Which file.
        name: String,
        /// What the disk said.
        source: io::Error,
    },
    /// Another process seals.
    #[error("the ledger is being sealed by another process")]
    Locked,
    /// The salts of a file are unusable.
    #[error("cannot use the salts of spool file {seq}")]
    Salt {
        /// Which spool file.
        seq: u64,
        /// Why.
        source: SaltError,
    },
    /// A key is unusable.
    #[error("cannot use the ledger's key")]
    Key(#[from] KeyError),
    /// The last checkpoint is unusable.
    #[error("cannot use the ledger's last checkpoint")]
    Checkpoint(#[from] CheckpointError),
    /// What is needed to go on is gone.
    #[error("`{name}` is missing or damaged, so the ledger cannot be sealed on; run `rastro verify`")]
    Missing {
        /// Which file.
        name: String,
    },
    /// Entries that were sealed are not what they were.
    #[error("the first {size} entries are not those that were sealed; run `rastro verify`")]
    Diverged {
        /// Size of the checkpoint they do not fit.
        size: u64,
    },
    /// Entries that were sealed are gone.
    #[error("the spool holds {held} entries, but {sealed} were sealed; run `rastro verify`")]
    Short {
        /// Entries there are.
        held: u64,
        /// Entries there were.
        sealed: u64,
    },
}

impl SealError {
    pub(crate) fn store(name: impl Into<String>) -> impl FnOnce(io::Error) -> SealError {
        let name = name.into();
        move |source| SealError::Store { name, source }
    }

    /// Returns whether trying again can help.
    pub fn is_passing(&self) -> bool {
        matches!(self, SealError::Store { .. } | SealError::Locked | SealError::Read(ReadError::Disk { .. }))
    }
}

/// Grows the tree behind the spool. After an error it is to be opened anew.
pub struct Sealer<F: Files> {
    reader: SpoolReader<F>,
    tree: Box<dyn Store>,
    salts: Box<dyn Store>,
    keys: Keyring,
    frontier: Frontier,
    /// The file whose entries are being sealed, and its secrets.
    file: Option<(u64, EntrySecrets)>,
    maker: LeafMaker,
    signed: Option<Checkpoint>,
    full_tiles: Vec<(TileId, Vec<u8>)>,
    /// Held while sealing.
    lock: Option<File>,
}

impl<F: Files> Sealer<F> {
    /// Opens a sealer where the last one stopped. Entries of the file being written are hashed again as they
    /// are read again, and must lead to the checkpoint that was signed.
    ///
    /// # Errors
    /// See [`SealError`].
    pub fn open(
        files: F,
        tree: Box<dyn Store>,
        salts: Box<dyn Store>,
        keys: Keyring,
    ) -> Result<Sealer<F>, SealError> {
        let signed = match tree.read(CHECKPOINT).map_err(SealError::store(CHECKPOINT))? {
            Some(bytes) => Some(Checkpoint::open(&bytes, keys.public())?.0),
            None => None,
        };
        let mut reader = SpoolReader::open_on(files)?;
        let frontier = match Resume::load(tree.as_ref())? {
            Some(resume) => {
                reader.start_at(resume.seq);
                resume.frontier
            }
            None if signed.is_some() => return Err(SealError::Missing { name: resume::NAME.to_owned() }),
            None => Frontier::new(),
        };
        let (maker, full_tiles) = Default::default();
        let mut sealer =
            Sealer { reader, tree, salts, keys, frontier, file: None, maker, signed, full_tiles, lock: None };
        sealer.check_signed()?;
        Ok(sealer)
    }

    /// Keeps other processes from sealing for as long as this sealer lives.
    fn hold(mut self, lock: File) -> Sealer<F> {
        self.lock = Some(lock);
        self
    }

    /// Returns the ledger's keys.
    pub fn keys(&self) -> &Keyring {
        &self.keys
    }

    /// Returns how many entries have been hashed.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Returns the last checkpoint signed.
    pub fn signed(&self) -> Option<&Checkpoint> {
        self.signed.as_ref()
    }

    /// Reads at most `entries_max` further entries that end at or before `limit`; returns how many there were.
    ///
    /// # Errors
    /// See [`SealError`].
    pub fn advance(&mut self, limit: Option<Position>, entries_max: usize) -> Result<usize, SealError> {
        if let Some(limit) = limit {
            self.reader.set_limit(limit);
        }
        for done in 0..entries_max {
            let Some(entry) = self.reader.next_entry()? else { return Ok(done) };
            let facts = *self.reader.facts().ok_or(SealError::Short { held: 0, sealed: 0 })?;
            let begins = self.file.as_ref().is_none_or(|(seq, _)| *seq != facts.seq);
            if begins {
                self.begin_file(facts.seq)?;
            }
            let header = begins.then(|| facts.encode());
            let Some((_, secrets)) = &mut self.file else { return Ok(done) };
            let order = secrets.order();
            let Some(secret) = secrets.next_secret() else { return Ok(done) };
            let header = header.as_ref().map(<[u8; HEADER_LEN]>::as_slice);
            self.maker.add(&entry.brief(), secret, order, header);
            let full = &mut self.full_tiles;
            for leaf in self.maker.leaves() {
                self.frontier.push(leaf, |id, hashes| full.push((id, encode_tile(hashes))));
            }
            self.write_full_tiles()?;
            self.check_signed()?;
        }
        Ok(entries_max)
    }

    /// Passes to the entries of file `seq`: the tiles before are made durable, the file's secret comes to be.
    fn begin_file(&mut self, seq: u64) -> Result<(), SealError> {
        let size = self.frontier.size();
        let name = FileSalt::name(seq);
        let salt_error = |source| SealError::Salt { seq, source };
        let known = self.salts.read(&name).map_err(SealError::store(&name))?;
        let salt = match known {
            Some(bytes) => {
                let salt = FileSalt::decode(&bytes, seq).map_err(salt_error)?;
                if salt.first_index != size {
                    return Err(SealError::Short { held: size, sealed: salt.first_index });
                }
                salt
            }
            // What was signed was hashed with a secret that must still be there.
            None if self.signed.as_ref().is_some_and(|signed| signed.size > size) => {
                return Err(SealError::Missing { name });
            }
            None => {
                let salt = FileSalt::generate(seq, size).map_err(salt_error)?;
                self.salts.write_durable(&name, &salt.encode()).map_err(SealError::store(&name))?;
                salt
            }
        };
        self.tree.sync().map_err(SealError::store("tile"))?;
        Resume { seq, frontier: self.frontier.clone() }.save(self.tree.as_mut())?;
        self.file = Some((seq, salt.secrets()));
        Ok(())
    }

    fn write_full_tiles(&mut self) -> Result<(), SealError> {
        for (id, bytes) in self.full_tiles.drain(..) {
            let path = id.path();
            self.tree.write(&path, &bytes).map_err(SealError::store(path))?;
        }
        Ok(())
    }

    /// Checks, where the last checkpoint's size is reached anew, that the root is the one signed.
    fn check_signed(&mut self) -> Result<(), SealError> {
        match &self.signed {
            Some(signed) if signed.size == self.frontier.size() => {
                if signed.root != self.frontier.root() {
                    return Err(SealError::Diverged { size: signed.size });
                }
                // A power cut may have taken them.
                self.write_partial_tiles()
            }
            _ => Ok(()),
        }
    }

    fn write_partial_tiles(&mut self) -> Result<(), SealError> {
        let size = self.frontier.size();
        for level in 0..self.frontier.height() {
            let hashes = self.frontier.partial(level);
            if let Some(id) = partial_tile(size, level as u8) {
                let path = id.path();
                self.tree.write(&path, &encode_tile(hashes)).map_err(SealError::store(path))?;
            }
        }
        Ok(())
    }

    /// Signs what has been hashed; `None` if nothing is new. Returns once the checkpoint is durable.
    ///
    /// # Errors
    /// See [`SealError`]; `Short` if entries that were sealed are missing.
    pub fn publish(&mut self, time: u64) -> Result<Option<Checkpoint>, SealError> {
        let (size, root) = (self.frontier.size(), self.frontier.root());
        let before = self.signed.as_ref().map_or(0, |signed| signed.size);
        if size < before {
            return Err(SealError::Short { held: size, sealed: before });
        }
        let changes = self.keys.change_is_due();
        if size == before && !(changes && self.signed.is_some()) {
            return Ok(None);
        }
        let checkpoint = Checkpoint { origin: self.keys.origin().to_owned(), size, root };
        let mut note = Note::new(checkpoint.encode());
        if changes {
            note.sign(self.keys.current(), time);
            self.keys.change(&checkpoint, self.tree.as_mut())?;
            self.resign_retention()?;
        }
        note.sign(self.keys.current(), time);
        self.write_partial_tiles()?;
        self.tree
            .write_durable(CHECKPOINT, note.encode().as_bytes())
            .map_err(SealError::store(CHECKPOINT))?;
        self.remove_partial_tiles(before, size)?;
        self.signed = Some(checkpoint.clone());
        Ok(Some(checkpoint))
    }

    /// Removes the partial tiles of the tree of `old` leaves that the tree of `new` leaves does not have.
    fn remove_partial_tiles(&mut self, old: u64, new: u64) -> Result<(), SealError> {
        for level in 0..self.frontier.height() as u8 {
            if let Some(id) = partial_tile(old, level)
                && partial_tile(new, level) != Some(id)
            {
                let path = id.path();
                self.tree.remove(&path).map_err(SealError::store(path))?;
            }
        }
        Ok(())
    }
}

impl<F: Files> std::fmt::Debug for Sealer<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealer")
            .field("reader", &self.reader)
            .field("size", &self.size())
            .field("lock", &self.lock)
            .finish_non_exhaustive()
    }
}

/// Returns the tile of `level` that is not full in a tree of `size` leaves.
fn partial_tile(size: u64, level: u8) -> Option<TileId> {
    let width = TileId::partial_width(size, level);
    let index = size.checked_shr(8 * (u32::from(level) + 1)).unwrap_or(0);
    (width > 0).then_some(TileId { level, index, width })
}
