//! The ledger's keys: made at the first start, changed without breaking the chain of trust.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::SealError;
use crate::checkpoint::{Checkpoint, decimal, decode_hash, encode_hash};
use crate::merkle::digest;
use crate::note::{KeyError, Note, NoteKey, NoteVerifier, SignatureKind};
use crate::store::{DirectoryStore, Store};

const CURRENT: &str = "ledger.key";
const NEXT: &str = "next.key";
const PUBLIC: &str = "ledger.pub";

/// Where the keys are: a directory that only their owner may read.
#[derive(Clone, Debug)]
pub struct KeyFiles {
    dir: PathBuf,
}

impl KeyFiles {
    /// Names the directory.
    pub fn new(dir: impl Into<PathBuf>) -> KeyFiles {
        KeyFiles { dir: dir.into() }
    }

    /// Returns the file of the public keys, the first made first.
    pub fn public_path(&self) -> PathBuf {
        self.dir.join(PUBLIC)
    }

    /// Reads the keys, making them if there are none. A new ledger's name is drawn at random.
    ///
    /// # Errors
    /// `Store`, `Key`; `Missing` if only one half of the keys is there.
    pub fn load_or_create(&self) -> Result<Keyring, SealError> {
        let mut store = self.store()?;
        let public = read_public(&self.public_path()).map_err(SealError::store(PUBLIC))?;
        let current = match read_text(&store, CURRENT)? {
            Some(text) => NoteKey::decode(&text)?,
            None if public.is_some() => return Err(SealError::Missing { name: CURRENT.to_owned() }),
            None => {
                let random = NoteKey::generate("rastro", SignatureKind::Plain)?;
                let random = digest(&[random.verifier().encode().as_bytes()]);
                let name: String = random.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
                let key = NoteKey::generate(&format!("rastro/{name}"), SignatureKind::Plain)?;
                write_secret(&mut store, CURRENT, &key)?;
                key
            }
        };
        let mut public = public.transpose()?.unwrap_or_default();
        if !public.contains(current.verifier()) {
            public.push(current.verifier().clone());
            write_public(&mut store, &public)?;
        }
        Ok(Keyring { files: self.clone(), current, public })
    }

    /// Makes the key that the sealer passes to at its next checkpoint; returns its public half. Asked again
    /// before that, it gives the same key.
    ///
    /// # Errors
    /// `Store`, `Key`; `Missing` if there is no key yet.
    pub fn prepare_change(&self) -> Result<NoteVerifier, SealError> {
        let mut store = self.store()?;
        let current = read_text(&store, CURRENT)?;
        let current = current.ok_or_else(|| SealError::Missing { name: CURRENT.to_owned() })?;
        if let Some(text) = read_text(&store, NEXT)? {
            return Ok(NoteKey::decode(&text)?.verifier().clone());
        }
        let key = NoteKey::generate(NoteKey::decode(&current)?.verifier().name(), SignatureKind::Plain)?;
        write_secret(&mut store, NEXT, &key)?;
        Ok(key.verifier().clone())
    }

    /// Signs a statement about the ledger with the current key; returns the note. Its first line must say what
    /// kind of statement it is, so that it is taken for no other and for no checkpoint.
    ///
    /// # Errors
    /// `Store`, `Key`; `Missing` if there is no key yet.
    pub fn sign_statement(&self, text: &str) -> Result<String, SealError> {
        let current = read_text(&self.store()?, CURRENT)?;
        let current = current.ok_or_else(|| SealError::Missing { name: CURRENT.to_owned() })?;
        let mut note = Note::new(text.to_owned());
        note.sign(&NoteKey::decode(&current)?, 0);
        Ok(note.encode())
    }

    fn store(&self) -> Result<DirectoryStore, SealError> {
        use std::os::unix::fs::DirBuilderExt;
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir);
        made.map_err(SealError::store(self.dir.display().to_string()))?;
        Ok(DirectoryStore::secret(&self.dir))
    }
}

fn read_text(store: &dyn Store, name: &str) -> Result<Option<String>, SealError> {
    let bytes = store.read(name).map_err(SealError::store(name))?;
    Ok(bytes.map(|bytes| String::from_utf8(bytes).map_err(|_| KeyError::Form)).transpose()?)
}

fn write_secret(store: &mut dyn Store, name: &str, key: &NoteKey) -> Result<(), SealError> {
    let text = format!("{}\n", key.encode_private());
    store.write_durable(name, text.as_bytes()).map_err(SealError::store(name))
}

fn write_public(store: &mut dyn Store, keys: &[NoteVerifier]) -> Result<(), SealError> {
    let text: String = keys.iter().map(|key| format!("{}\n", key.encode())).collect();
    store.write_durable(PUBLIC, text.as_bytes()).map_err(SealError::store(PUBLIC))
}

/// Reads a file of public keys, one a line; `None` if there is none.
///
/// # Errors
/// The file cannot be read; inside, a line is no key.
pub(crate) fn read_public(path: &Path) -> io::Result<Option<Result<Vec<NoteVerifier>, KeyError>>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.lines().map(NoteVerifier::decode).collect())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The keys in use.
#[derive(Debug)]
pub struct Keyring {
    files: KeyFiles,
    current: NoteKey,
    /// Oldest first; the last is the current key's.
    public: Vec<NoteVerifier>,
}

impl Keyring {
    /// Returns the ledger's name.
    pub fn origin(&self) -> &str {
        self.current.verifier().name()
    }

    /// Returns all public keys, oldest first.
    pub fn public(&self) -> &[NoteVerifier] {
        &self.public
    }

    pub(super) fn current(&self) -> &NoteKey {
        &self.current
    }

    /// Returns whether a new key waits to be taken.
    pub(super) fn change_is_due(&self) -> bool {
        self.files.dir.join(NEXT).exists()
    }

    /// Passes to the key that waits: the old one signs for it, then is destroyed. Broken off, it is begun
    /// again with the same key.
    pub(super) fn change(&mut self, at: &Checkpoint, tree: &mut dyn Store) -> Result<(), SealError> {
        let mut store = self.files.store()?;
        let Some(text) = read_text(&store, NEXT)? else { return Ok(()) };
        let next = NoteKey::decode(&text)?;
        if next.verifier() != self.current.verifier() {
            let change = KeyChange { at: at.clone(), next: next.verifier().clone() };
            let mut note = Note::new(change.encode());
            note.sign(&self.current, 0);
            note.sign(&next, 0);
            if !self.public.contains(next.verifier()) {
                self.public.push(next.verifier().clone());
            }
            let name = KeyChange::name(self.public.len() - 1);
            tree.write_durable(&name, note.encode().as_bytes()).map_err(SealError::store(name))?;
            write_public(&mut store, &self.public)?;
            write_secret(&mut store, CURRENT, &next)?;
        }
        store.remove(NEXT).map_err(SealError::store(NEXT))?;
        self.current = next;
        Ok(())
    }
}

/// That from a checkpoint on a new key signs; a note signed by the key before and the new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChange {
    /// The last checkpoint that the old key may sign.
    pub at: Checkpoint,
    /// The new key.
    pub next: NoteVerifier,
}

const CHANGE_HEAD: &str = "rastro key change v1";

impl KeyChange {
    /// Returns the name of change `n` (from 1) in the store of the tree.
    pub fn name(n: usize) -> String {
        format!("keys/{n:04}")
    }

    fn encode(&self) -> String {
        let Checkpoint { origin, size, root } = &self.at;
        format!("{CHANGE_HEAD}\n{origin}\n{size}\n{}\n{}\n", encode_hash(root), self.next.encode())
    }

    /// Reads a note in which `old`, trusted so far, names its successor.
    pub fn open(bytes: &[u8], old: &NoteVerifier) -> Option<KeyChange> {
        let note = Note::decode(bytes).ok()?;
        let mut lines = note.text.split('\n');
        if lines.next()? != CHANGE_HEAD {
            return None;
        }
        let origin = lines.next()?.to_owned();
        let size = decimal(lines.next()?)?;
        let root = decode_hash(lines.next()?)?;
        let next = NoteVerifier::decode(lines.next()?).ok()?;
        let whole = lines.next() == Some("") && lines.next().is_none();
        let signed = note.verify([old]).is_ok() && note.verify([&next]).is_ok();
        let same = origin == old.name() && origin == next.name() && next != *old;
        (whole && signed && same).then_some(KeyChange { at: Checkpoint { origin, size, root }, next })
    }
}
