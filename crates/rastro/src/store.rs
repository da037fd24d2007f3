//! The ledger's archive as the commands and the gateway use it: where it is, and what puts entries into it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use rastro_archive::{Archive, Archivist, Key, LedgerReader, Objects, Query, Sealed, Signer};
use rastro_ledger::checkpoint::Checkpoint;
use rastro_ledger::note::Note;
use rastro_ledger::seal::{CHECKPOINT, KeyFiles, SealPaths};
use rastro_ledger::store::{DirectoryStore, Store};
use rastro_ledger::{Content, Directory, PlacedEntries};
use rastro_model::{Clock, SystemClock};

use crate::config::Config;

/// How long files that were replaced stay for readers that still use them.
pub(crate) const GRACE: Duration = Duration::from_secs(600);
/// Longest wait for the checkpoint of what the spool holds, which `serve` signs every second.
const PATIENCE: Duration = Duration::from_secs(5);

/// Returns where the archive is if `ledger.store` is `file`.
pub(crate) fn directory(data_dir: &Path) -> PathBuf {
    data_dir.join("store")
}

/// Opens the archive's store, if there is one already.
///
/// # Errors
/// It cannot be reached.
pub(crate) fn existing(place: &str, data_dir: &Path) -> anyhow::Result<Option<Objects>> {
    if place == "file" && !directory(data_dir).is_dir() {
        return Ok(None);
    }
    Ok(Some(open(place, data_dir)?))
}

fn open(place: &str, data_dir: &Path) -> anyhow::Result<Objects> {
    Objects::open(place, &directory(data_dir)).context("cannot open the ledger's archive")
}

/// Returns where the archive of the ledger in `data_dir` is: as configured, or beside a ledger that is not the
/// configuration's.
pub(crate) fn place_of<'a>(data_dir: &Path, config: Option<&'a Config>) -> &'a str {
    match config.filter(|config| config.data_dir == data_dir) {
        Some(config) => &config.ledger.store,
        None => "file",
    }
}

/// Opens the whole ledger in `data_dir` for reading: archive and spool.
///
/// # Errors
/// There is none, or it cannot be read.
pub(crate) fn reader(data_dir: &Path, config: Option<&Config>) -> anyhow::Result<LedgerReader> {
    let spool = data_dir.join("spool");
    anyhow::ensure!(spool.is_dir(), "there is no ledger at `{}`", spool.display());
    let objects = existing(place_of(data_dir, config), data_dir)?;
    LedgerReader::open(objects.as_ref(), &spool)
        .with_context(|| format!("cannot read the ledger at `{}`", data_dir.display()))
}

/// Makes the archive of a ledger anew without a subject, if it holds the key: the spool has everything that the
/// archive has, so it is emptied and sealed again. Returns whether it held the key. Nobody else may write to the
/// ledger; broken off, the next call or `rastro seal` goes on.
///
/// # Errors
/// Ledger or store cannot be used.
pub(crate) fn forget_subject(place: &str, data_dir: &Path, subject: &str) -> anyhow::Result<bool> {
    let Some(objects) = existing(place, data_dir)? else { return Ok(false) };
    let archive = Archive::open(&objects).context("cannot read the archive")?;
    let query = Query { subjects: Some(Key::of_text(subject)), ..Query::default() };
    let mut held = false;
    for entry in archive.entries(&query) {
        held |= match entry.context("cannot read the archive")?.content {
            Content::Disclosure(disclosure) => disclosure.sets.iter().any(|set| !set.subjects.is_empty()),
            Content::Reason(_) => true,
            _ => false,
        };
        if held {
            break;
        }
    }
    drop(archive);
    let sealing = Sealing::open(place, data_dir)?;
    if held {
        sealing.archivist.clear(SystemClock.now().0).context("cannot empty the archive")?;
        sealing.seal()?;
    }
    // What was replaced earlier may name the subject as well, and waits for readers no longer.
    sealing.archivist.remove_unused().context("cannot remove old files of the archive")?;
    Ok(held)
}

/// Puts entries into the archive.
#[derive(Debug)]
pub(crate) struct Sealing {
    paths: SealPaths,
    archivist: Archivist,
    pub(crate) objects: Objects,
}

impl Sealing {
    /// Opens the archive for writing, making it if there is none.
    ///
    /// # Errors
    /// The store cannot be reached.
    pub(crate) fn open(place: &str, data_dir: &Path) -> anyhow::Result<Sealing> {
        let objects = open(place, data_dir)?;
        let paths = SealPaths::below(data_dir);
        let keys = KeyFiles::new(&paths.keys);
        let sign: Signer = Arc::new(move |text: &str| {
            // Unsigned, it is still what readers need; `rastro verify` says that it is not signed.
            keys.sign_statement(text).unwrap_or_else(|_| text.to_owned())
        });
        let archivist = Archivist::new(objects.clone(), Some(sign), GRACE);
        Ok(Sealing { paths, archivist, objects })
    }

    /// Returns the size of the last checkpoint.
    fn signed(&self) -> anyhow::Result<u64> {
        let tree = DirectoryStore::new(&self.paths.tree);
        let Some(bytes) = tree.read(CHECKPOINT).context("cannot read the ledger's checkpoint")? else {
            return Ok(0);
        };
        let note = Note::decode(&bytes).context("cannot read the ledger's checkpoint")?;
        Ok(Checkpoint::decode(&note.text).context("cannot read the ledger's checkpoint")?.size)
    }

    /// Seals what the last checkpoint covers; returns what was done, and how many entries the spool holds.
    fn seal_signed(&self) -> anyhow::Result<(Sealed, u64)> {
        let size = self.signed()?;
        let salts = DirectoryStore::new(&self.paths.salts);
        let from = self.archivist.manifest().context("cannot read the archive")?.next_file();
        let mut entries = PlacedEntries::open(Directory::new(&self.paths.spool), salts, from)?;
        let mut held = 0;
        let signed = std::iter::from_fn(|| {
            let entry = entries.next_entry().transpose()?;
            held = entry.as_ref().map_or(held, |entry| entry.position + 1);
            (held <= size).then_some(entry)
        });
        let sealed = self.archivist.seal(signed).context("cannot seal the ledger into its archive")?;
        while let Some(entry) = entries.next_entry()? {
            held = entry.position + 1;
        }
        Ok((sealed, held))
    }

    /// Seals what the spool holds, once it is under a checkpoint.
    ///
    /// # Errors
    /// Ledger or store cannot be used.
    pub(crate) fn seal(&self) -> anyhow::Result<Sealed> {
        let began = Instant::now();
        let (mut all, held) = self.seal_signed()?;
        if self.signed()? < held {
            while self.signed()? < held && began.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(50));
            }
            let (sealed, _) = self.seal_signed()?;
            all.entries += sealed.entries;
            all.paths.extend(sealed.paths);
        }
        Ok(all)
    }

    /// Merges what is due and removes what was replaced; returns how many merges there were.
    ///
    /// # Errors
    /// The store cannot be used.
    pub(crate) fn compact(&self) -> anyhow::Result<usize> {
        let now = SystemClock.now().0;
        let merges = self.archivist.compact(now).context("cannot compact the archive")?;
        self.archivist.sweep(now).context("cannot remove old files of the archive")?;
        Ok(merges)
    }

    /// Drops what the ledger has given up.
    ///
    /// # Errors
    /// The store cannot be used.
    pub(crate) fn forget_before(&self, position: u64) -> anyhow::Result<u64> {
        self.archivist.forget_before(position, SystemClock.now().0).context("cannot drop old entries")
    }

    /// Returns the files of the archive, table by table.
    ///
    /// # Errors
    /// The manifest cannot be read.
    pub(crate) fn files(&self) -> anyhow::Result<Vec<String>> {
        let manifest = self.archivist.manifest().context("cannot read the archive")?;
        let mut files: Vec<_> = manifest.segments.iter().flat_map(|segment| &segment.files).collect();
        files.sort_by_key(|file| file.table);
        Ok(files.into_iter().map(|file| self.objects.display(&file.path)).collect())
    }
}
