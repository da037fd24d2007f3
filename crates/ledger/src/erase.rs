//! Erasure of a subject (GDPR art. 17): its key goes from every entry, and with the key the secret that its hash
//! was salted with; the hash stays, so that the tree, every checkpoint and every proof stay what they were.
//!
//! What was taken out is listed under the signed tree before anything goes, so that nobody can pass off a
//! deletion of his own as an erasure. `docs/adr/005-erasure.md` says what an erased entry still tells.

mod list;
mod rewrite;
mod target;

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rastro_model::Timestamp;

use crate::bytes::FormatError;
use crate::decode::{Content, Entry};
use crate::disk::{Directory, Files, file_name};
use crate::encode::Schema;
use crate::entry::ErasureEntry;
use crate::leaf::{hash_reason, hash_subject, parts_of};
use crate::reader::{ReadError, SpoolReader, read_facts};
use crate::recover::OpenError;
use crate::salts::FileSalt;
use crate::seal::{SealError, SealPaths, Sealer};
use crate::spool::{AppendError, Spool, SpoolConfig};
use crate::store::{DirectoryStore, Store};
use list::encode_list;
pub(crate) use list::{Place, decode_list, list_name};
use rewrite::{last_schema, rewrite_file};
use target::Target;

/// A request to erase somebody.
#[derive(Clone, Copy, Debug)]
pub struct ErasureRequest<'a> {
    /// The key column's text.
    pub subject: &'a str,
    /// Name of the `[[subject]]`; needed where the ledger knows several.
    pub kind: Option<&'a str>,
    /// Who asks for it.
    pub by: &'a str,
    /// Why; must not name the subject.
    pub why: &'a str,
    /// When.
    pub time: Timestamp,
}

/// What an erasure did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Its number in the ledger; 0 if nothing named the subject.
    pub number: u32,
    /// Places the subject was taken out of.
    pub places: u32,
    /// Spool files written anew.
    pub files: u32,
}

/// Why a subject cannot be erased. Before the list is signed, nothing was changed; after that, the same request
/// again ends what was begun.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EraseError {
    /// A gateway writes to the ledger, or it is damaged.
    #[error("cannot open the ledger for writing")]
    Open(#[from] OpenError),
    /// The ledger cannot be sealed, or a file of it not be read or written.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The erasure cannot be recorded.
    #[error("cannot record the erasure")]
    Append(#[from] AppendError),
    /// A spool file is malformed.
    #[error("spool file {file} is malformed")]
    Malformed {
        /// Which.
        file: u64,
        /// Why.
        source: FormatError,
    },
    /// The ledger knows several kinds of subjects, and any may have this key.
    #[error("the ledger knows several kinds of subjects: {}; say which one", kinds.join(", "))]
    Kinds {
        /// Their names.
        kinds: Vec<String>,
    },
    /// The kind is not known.
    #[error("the ledger knows no subjects of kind `{kind}`")]
    UnknownKind {
        /// As asked for.
        kind: String,
    },
    /// The stated reason would keep what is to go.
    #[error("the reason stated names the subject; it stays in the ledger")]
    Named,
    /// An old file keeps hashes in the order of the keys.
    #[error("spool file {file} was sealed by an earlier version: from it entries can only be removed by age")]
    Old {
        /// Which.
        file: u64,
    },
}

impl From<ReadError> for EraseError {
    fn from(error: ReadError) -> EraseError {
        EraseError::Seal(error.into())
    }
}

/// A file that names the subject, and its salts without it.
struct Found {
    seq: u64,
    salt: FileSalt,
}

/// Erases a subject from a ledger that nobody else writes to. `progress` is told the files read and how many
/// there are.
///
/// # Errors
/// See [`EraseError`].
pub fn erase(
    paths: &SealPaths,
    request: &ErasureRequest<'_>,
    mut progress: impl FnMut(usize, usize),
) -> Result<Erased, EraseError> {
    if names(request.why, request.subject) || names(request.by, request.subject) {
        return Err(EraseError::Named);
    }
    let files = Directory::new(&paths.spool);
    let seqs = list(&files)?;
    let Some(last) = seqs.last().copied() else { return Ok(Erased::default()) };
    let facts = read_facts(&files, last)?;
    let schema = last_schema(&read_file(paths, last)?, &facts)
        .map_err(|source| EraseError::Malformed { file: last, source })?;
    check_kind(&schema, request.kind)?;
    // Held to the end: nobody else may write, and what follows goes to a file of its own.
    let mut config = SpoolConfig::new(&paths.spool, schema);
    config.imported = facts.imported;
    let spool = Spool::open(config)?;
    let mut sealer = paths.open()?;
    seal_all(&mut sealer, request.time)?;
    let target = Target::new(request.subject, request.kind);
    let (mut found, mut places) = (Vec::new(), Vec::new());
    for (done, seq) in seqs.iter().enumerate() {
        progress(done, seqs.len());
        if let Some(file) = look_into(paths, *seq, &target, &mut places)? {
            found.push(file);
        }
    }
    progress(seqs.len(), seqs.len());
    let mut erased = Erased { files: found.len() as u32, places: places.len() as u32, number: 0 };
    if !found.is_empty() {
        erased.number = record(paths, &spool, &mut sealer, request, &mut places)?;
        for file in found {
            replace(paths, file, &target)?;
        }
    }
    drop(sealer);
    // Everything appended is durable already.
    let _ = spool.close();
    Ok(erased)
}

/// Returns whether a text holds a key as a word of its own.
fn names(text: &str, key: &str) -> bool {
    text.match_indices(key).any(|(at, found)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let behind = text.get(at + found.len()..).and_then(|behind| behind.chars().next());
        ![before, behind].into_iter().flatten().any(char::is_alphanumeric)
    })
}

fn list(files: &Directory) -> Result<Vec<u64>, EraseError> {
    Ok(files.list().map_err(|source| ReadError::Disk { seq: 0, source })?)
}

fn read_file(paths: &SealPaths, seq: u64) -> Result<Vec<u8>, EraseError> {
    let name = file_name(seq);
    Ok(fs::read(paths.spool.join(&name)).map_err(SealError::store(name))?)
}

fn check_kind(schema: &Schema, kind: Option<&str>) -> Result<(), EraseError> {
    match kind {
        Some(kind) if !schema.kinds.iter().any(|known| known == kind) => {
            Err(EraseError::UnknownKind { kind: kind.to_owned() })
        }
        None if schema.kinds.len() > 1 => Err(EraseError::Kinds { kinds: schema.kinds.clone() }),
        _ => Ok(()),
    }
}

fn seal_all(sealer: &mut Sealer<Directory>, time: Timestamp) -> Result<(), EraseError> {
    let step = 65_536;
    while sealer.advance(None, step)? == step {}
    sealer.publish(u64::try_from(time.0 / 1_000_000).unwrap_or_default())?;
    Ok(())
}

/// Finds the subject in one file; destroys, in memory, what salts its parts.
fn look_into(
    paths: &SealPaths,
    seq: u64,
    target: &Target,
    places: &mut Vec<Place>,
) -> Result<Option<Found>, EraseError> {
    let mut reader = SpoolReader::open_on(Directory::new(&paths.spool))?;
    reader.stay_in(seq);
    let mut salt: Option<FileSalt> = None;
    let mut position = 0;
    while let Some(entry) = reader.next_entry()? {
        if target.is_in(&entry) {
            let salt = match &mut salt {
                Some(salt) => salt,
                none => none.insert(read_salt(paths, seq)?),
            };
            take_out(salt, position, &entry, target, places).ok_or(EraseError::Old { file: seq })?;
        }
        position += 1;
    }
    Ok(salt.map(|salt| Found { seq, salt }))
}

fn read_salt(paths: &SealPaths, seq: u64) -> Result<FileSalt, EraseError> {
    let name = FileSalt::name(seq);
    let store = DirectoryStore::secret(&paths.salts);
    let bytes = store.read(&name).map_err(SealError::store(&name))?.ok_or(SealError::Missing { name })?;
    Ok(FileSalt::decode(&bytes, seq).map_err(|source| SealError::Salt { seq, source })?)
}

fn take_out(
    salt: &mut FileSalt,
    position: u64,
    entry: &Entry,
    target: &Target,
    places: &mut Vec<Place>,
) -> Option<()> {
    let (index, parts) = (salt.first_index + position, parts_of(&entry.brief()));
    let mut go = |salt: &mut FileSalt, set: usize, part| {
        salt.keep_hash(position, part);
        places.push(Place { index, set: u16::try_from(set).unwrap_or(u16::MAX), part });
    };
    match &entry.content {
        Content::Disclosure(disclosure) => {
            let mut rank = disclosure.sets.iter().map(|set| set.subjects.len_as_parts()).sum::<usize>();
            // From the last one, so that ranks of those before stay.
            for (at, set) in disclosure.sets.iter().enumerate().rev() {
                rank -= set.subjects.len_as_parts();
                if let Some(within) = target.find(&entry.schema, set) {
                    let seed = salt.destroy(position, parts, rank + within)?;
                    let part = hash_subject(set, within, &seed)?;
                    go(salt, at, part);
                }
            }
        }
        Content::Reason(reason) => {
            let seed = salt.destroy(position, parts, 0)?;
            let part = hash_reason(reason, &seed);
            go(salt, 0, part);
        }
        _ => {}
    }
    Some(())
}

/// Lists what goes, and has the list signed for.
fn record(
    paths: &SealPaths,
    spool: &Spool,
    sealer: &mut Sealer<Directory>,
    request: &ErasureRequest<'_>,
    places: &mut [Place],
) -> Result<u32, EraseError> {
    let mut tree = DirectoryStore::new(&paths.tree);
    let mut number = 1;
    while tree.read(&list_name(number)).map_err(SealError::store("erased"))?.is_some() {
        number += 1;
    }
    let (bytes, list) = encode_list(places);
    let name = list_name(number);
    tree.write_durable(&name, &bytes).map_err(SealError::store(name))?;
    let places = places.len() as u32;
    let ErasureRequest { by, why, time, .. } = *request;
    let no = spool.append_erasure(&ErasureEntry { time, number, places, list: &list, by, why })?;
    loop {
        match spool.settled(no) {
            Some(Ok(())) => break,
            Some(Err(error)) => return Err(SealError::store("spool")(io::Error::other(error)).into()),
            None => std::thread::sleep(std::time::Duration::from_millis(1)),
        }
    }
    seal_all(sealer, time)?;
    Ok(number)
}

const ERASING: &str = "erasing";

/// Puts a file and its salts in the place of those that name the subject.
fn replace(paths: &SealPaths, found: Found, target: &Target) -> Result<(), EraseError> {
    let Found { seq, salt } = found;
    let facts = read_facts(&Directory::new(&paths.spool), seq)?;
    let bytes = rewrite_file(&read_file(paths, seq)?, &facts, target)
        .map_err(|source| EraseError::Malformed { file: seq, source })?;
    let (spool, salts) = (file_name(seq), FileSalt::name(seq));
    let put = |mut store: DirectoryStore, name: &str, bytes: &[u8]| {
        let name = format!("{name}.{ERASING}");
        store.write_durable(&name, bytes).map_err(SealError::store(name))
    };
    // Both are on stable storage before either takes its place; see `end_interrupted`.
    put(DirectoryStore::secret(&paths.salts), &salts, &salt.encode())?;
    put(DirectoryStore::new(&paths.spool), &spool, &bytes)?;
    take_place(&paths.spool, &spool)?;
    take_place(&paths.salts, &salts)?;
    Ok(())
}

fn take_place(dir: &Path, name: &str) -> Result<(), SealError> {
    let renamed = fs::rename(dir.join(format!("{name}.{ERASING}")), dir.join(name));
    renamed.and_then(|()| File::open(dir)?.sync_all()).map_err(SealError::store(name))
}

/// Ends what an erasure that was broken off had begun: a spool file that is in its place takes its salts along;
/// one that is not is given up, with its salts.
///
/// # Errors
/// A file cannot be renamed or removed.
pub(crate) fn end_interrupted(paths: &SealPaths) -> Result<(), SealError> {
    let waiting = |dir: &Path| -> Result<Vec<String>, SealError> {
        let entries = match fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(SealError::Store { name: dir.display().to_string(), source }),
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let suffix = format!(".{ERASING}");
        Ok(names.filter_map(|name| name.strip_suffix(&suffix).map(str::to_owned)).collect())
    };
    let remove = |dir: &Path, name: &str| match fs::remove_file(dir.join(format!("{name}.{ERASING}"))) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(SealError::store(name)(error)),
        _ => Ok(()),
    };
    let spools = waiting(&paths.spool)?;
    for salts in waiting(&paths.salts)? {
        let seq = salts.strip_suffix(".salt").and_then(|digits| digits.parse().ok());
        let spool = seq.map(file_name);
        match spool.filter(|spool| spools.contains(spool)) {
            Some(_) => remove(&paths.salts, &salts)?,
            None => take_place(&paths.salts, &salts)?,
        }
    }
    spools.iter().try_for_each(|name| remove(&paths.spool, name))
}

#[cfg(test)]
mod tests;
