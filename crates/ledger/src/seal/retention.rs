//! Retention: the oldest entries go, and a signed stump stays that the rest still proves itself with.

use rastro_model::Timestamp;

use super::{SealError, SealPaths, Sealer};
use crate::checkpoint::{Checkpoint, decimal, decode_hash, encode_hash};
use crate::disk::{Directory, Files, file_name};
use crate::merkle::TileId;
use crate::note::{Note, NoteVerifier, SignatureError};
use crate::reader::{ReadError, read_facts};
use crate::salts::FileSalt;
use crate::store::{DirectoryStore, Store};

/// Name of the statement in the store of the tree.
pub(crate) const RETAINED: &str = "retained";
const HEAD: &str = "rastro retention v1";

/// That entries were removed on purpose: a note signed by the ledger's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retained {
    /// The checkpoint at that time; it covers all that was removed.
    pub at: Checkpoint,
    /// The first entry that is kept.
    pub first: u64,
    /// The spool file it begins.
    pub first_file: u64,
}

impl Retained {
    fn encode(&self) -> String {
        let Checkpoint { origin, size, root } = &self.at;
        let (first, file) = (self.first, self.first_file);
        format!("{HEAD}\n{origin}\n{size}\n{}\n{first}\n{file}\n", encode_hash(root))
    }

    fn decode(text: &str) -> Option<Retained> {
        let mut lines = text.strip_prefix(HEAD)?.strip_prefix('\n')?.split('\n');
        let origin = lines.next()?.to_owned();
        let size = decimal(lines.next()?)?;
        let root = decode_hash(lines.next()?)?;
        let (first, first_file) = (decimal(lines.next()?)?, decimal(lines.next()?)?);
        let whole = lines.next() == Some("") && lines.next().is_none() && first <= size;
        whole.then_some(Retained { at: Checkpoint { origin, size, root }, first, first_file })
    }

    /// Reads a statement that one of the log's `keys` signed.
    ///
    /// # Errors
    /// It is not signed by any, or no such statement.
    pub fn open(bytes: &[u8], keys: &[NoteVerifier]) -> Result<Retained, SignatureError> {
        let note = Note::decode(bytes).map_err(|_| SignatureError::Unknown)?;
        note.verify(keys)?;
        let retained = Retained::decode(&note.text);
        let own = retained.filter(|retained| keys.iter().any(|key| key.name() == retained.at.origin));
        own.ok_or(SignatureError::Unknown)
    }
}

impl<F: Files> Sealer<F> {
    /// Signs that what lies before the first file with anything at or after `before` is given up; `None` if
    /// there is no such file. Only files sealed and passed by are given up.
    fn sign_retention(&mut self, before: Timestamp) -> Result<Option<Retained>, SealError> {
        let (Some(signed), Some((current, _))) = (self.signed.clone(), &self.file) else { return Ok(None) };
        let files = self.reader.files();
        let seqs = files.list().map_err(|source| ReadError::Disk { seq: 0, source })?;
        let mut first_file = None;
        for pair in seqs.windows(2) {
            let [_, next] = pair else { break };
            // The header of a file tells how late the file before it reaches.
            if next > current || read_facts(files, *next)?.before_max_time >= before {
                break;
            }
            first_file = Some(*next);
        }
        let Some(first_file) = first_file else { return Ok(None) };
        let name = FileSalt::name(first_file);
        let Some(bytes) = self.salts.read(&name).map_err(SealError::store(&name))? else { return Ok(None) };
        let salt = FileSalt::decode(&bytes, first_file)
            .map_err(|source| SealError::Salt { seq: first_file, source })?;
        if salt.first_index > signed.size {
            return Ok(None);
        }
        let retained = Retained { at: signed, first: salt.first_index, first_file };
        let mut note = Note::new(retained.encode());
        note.sign(self.keys.current(), 0);
        let written = self.tree.write_durable(RETAINED, note.encode().as_bytes());
        written.map_err(SealError::store(RETAINED))?;
        Ok(Some(retained))
    }

    /// Has the statement signed by a key that came later too.
    pub(super) fn resign_retention(&mut self) -> Result<(), SealError> {
        let Some(bytes) = self.tree.read(RETAINED).map_err(SealError::store(RETAINED))? else {
            return Ok(());
        };
        let mut note = Note::decode(&bytes).map_err(crate::checkpoint::CheckpointError::from)?;
        note.sign(self.keys.current(), 0);
        self.tree.write_durable(RETAINED, note.encode().as_bytes()).map_err(SealError::store(RETAINED))
    }
}

/// Removes entries that speak of nothing at or after `before`, by whole spool files: their spool, salts and
/// the hashes of their leaves. Returns what is kept; `None` if nothing could go. Broken off, it is ended by the
/// next call.
///
/// # Errors
/// `Locked`: another process seals. See [`SealError`].
pub fn forget_before(paths: &SealPaths, before: Timestamp) -> Result<Option<Retained>, SealError> {
    let mut sealer = paths.open()?;
    let step = 65_536;
    while sealer.advance(None, step)? == step {}
    sealer.publish(0)?;
    let retained = match sealer.sign_retention(before)? {
        Some(retained) => retained,
        None => match sealer.tree.read(RETAINED).map_err(SealError::store(RETAINED))? {
            Some(bytes) => Retained::open(&bytes, sealer.keys().public())
                .map_err(crate::checkpoint::CheckpointError::from)?,
            None => return Ok(None),
        },
    };
    remove_before(paths, &retained)?;
    Ok(Some(retained))
}

fn remove_before(paths: &SealPaths, retained: &Retained) -> Result<(), SealError> {
    let (mut spool, mut salts) = (DirectoryStore::new(&paths.spool), DirectoryStore::secret(&paths.salts));
    let seqs = Directory::new(&paths.spool).list().map_err(SealError::store("spool"))?;
    for seq in seqs.into_iter().filter(|seq| *seq < retained.first_file) {
        for (store, name) in [(&mut salts, FileSalt::name(seq)), (&mut spool, file_name(seq))] {
            store.remove(&name).map_err(SealError::store(name))?;
        }
    }
    let mut tree = DirectoryStore::new(&paths.tree);
    // From the last one down to the first that was removed earlier.
    for index in (0..retained.first / 256).rev() {
        let path = TileId { level: 0, index, width: 256 }.path();
        if tree.read(&path).map_err(SealError::store(&path))?.is_none() {
            break;
        }
        tree.remove(&path).map_err(SealError::store(path))?;
    }
    Ok(())
}
