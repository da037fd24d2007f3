//! Access logs of the time before the gateway, made into a ledger of their own: marked as imported, sealed and
//! signed like any other. It comes to be whole or not at all.

mod writer;

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use rastro_intake::{Names, NotedSubjects};
use rastro_ledger::seal::{SealPaths, Sealer};
use rastro_ledger::{ControlEntry, ControlKind, Directory};
use rastro_model::{Certainty, Clock, SystemClock, Timestamp};
use serde::Serialize;

use crate::incident::{LogSources, Progress, Read, stream_logs};
use writer::Writer;

/// What was imported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Imported {
    /// Where the ledger is.
    pub(crate) ledger: String,
    /// Accesses read.
    pub(crate) accesses: u64,
    /// Entries they take: what one principal saw at one moment is one.
    pub(crate) entries: u64,
    /// The first and the last moment.
    pub(crate) first: Option<String>,
    pub(crate) last: Option<String>,
    /// The ledger's public key.
    pub(crate) key: String,
    /// What reading has to say.
    pub(crate) caveats: Vec<String>,
}

/// Imports logs into a new ledger at `out`, whose subjects are of `kind`.
///
/// Streams: memory grows with the distinct names, not with the accesses. The ledger is made beside `out`, under
/// the name `<out>.importing`, and takes its name when it is complete, sealed and durable.
///
/// # Errors
/// `out` is taken, a log cannot be used, or the disk fails. Nothing is at `out` then.
pub(crate) fn import(sources: &LogSources, out: &Path, kind: &str, by: &str) -> anyhow::Result<Imported> {
    let work = Work::begin(out)?;
    let done = fill(&work.paths, sources, kind, by);
    match done {
        Ok(mut imported) => {
            work.finish(out)?;
            imported.ledger = out.display().to_string();
            Ok(imported)
        }
        Err(error) => {
            work.give_up();
            Err(error)
        }
    }
}

fn fill(paths: &SealPaths, sources: &LogSources, kind: &str, by: &str) -> anyhow::Result<Imported> {
    let (names, noted) = (Names::default(), NotedSubjects::default());
    let mut writer = Writer::open(paths.spool.clone(), kind)?;
    let mut digest = None;
    let caveats = stream_logs(sources, &names, &noted, true, &mut |read| match read {
        Read::Begins { path, infers } => {
            // A statement's keys say whom it asked for, not whether there was a row.
            writer.begin_log(path, if infers { Certainty::Derived } else { Certainty::Exact });
            digest = Some(Digest::start(path));
            Ok(())
        }
        Read::Batch(batch) => writer.take(batch.accesses, &names),
        Read::Ends(tally) => {
            let digest = digest.take().map(Digest::end).transpose()?.flatten();
            let why = writer.end_log(&tally, digest.as_deref());
            writer.control(&ControlEntry {
                time: SystemClock.now(),
                kind: ControlKind::Imported,
                principal: None,
                session: None,
                by,
                why: &why,
            })
        }
    })?;
    let written = writer.close()?;
    ensure!(written.accesses > 0, "the logs hold no access");
    let key = seal(paths, written.entries).context("cannot seal the ledger")?;
    let time = |time: Timestamp| time.to_string();
    Ok(Imported {
        ledger: String::new(),
        accesses: written.accesses,
        entries: written.entries,
        first: written.first.map(time),
        last: written.last.map(time),
        key,
        caveats,
    })
}

/// Seals the whole ledger; returns its public key.
fn seal(paths: &SealPaths, entries: u64) -> anyhow::Result<String> {
    let mut progress = Progress::new("of the ledger sealed", entries);
    let mut sealer: Sealer<Directory> = paths.open()?;
    let step = 65_536;
    while sealer.advance(None, step)? == step {
        progress.at(sealer.size());
    }
    sealer.publish(u64::try_from(SystemClock.now().0 / 1_000_000).unwrap_or_default())?;
    Ok(sealer.keys().public().last().map(|key| key.encode()).unwrap_or_default())
}

/// A ledger that is being made.
struct Work {
    dir: PathBuf,
    paths: SealPaths,
    /// Locked, so that two imports do not meet.
    _lock: File,
}

impl Work {
    fn begin(out: &Path) -> anyhow::Result<Work> {
        let taken = fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some()) || out.is_file();
        ensure!(!taken, "`{}` exists: an import makes a ledger of its own", out.display());
        let name = out.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("`{}` is no name for a directory", out.display()))?;
        let dir = out.with_file_name(format!("{name}.importing"));
        let context = || format!("cannot write to `{}`", dir.display());
        fs::create_dir_all(&dir).with_context(context)?;
        let lock = File::open(&dir).with_context(context)?;
        if rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_err() {
            bail!("another import into `{}` is under way", out.display());
        }
        // What an import that was broken off left.
        for entry in fs::read_dir(&dir).with_context(context)? {
            let path = entry.with_context(context)?.path();
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.with_context(context)?;
        }
        let paths = SealPaths::below(&dir);
        Ok(Work { dir, paths, _lock: lock })
    }

    fn finish(self, out: &Path) -> anyhow::Result<()> {
        let sync = |dir: &Path| File::open(dir).and_then(|dir| dir.sync_all());
        let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        for dir in [&self.paths.spool, &self.paths.tree, &self.paths.salts, &self.paths.keys, &self.dir] {
            sync(dir).with_context(|| format!("cannot sync `{}`", dir.display()))?;
        }
        fs::rename(&self.dir, out)
            .and_then(|()| sync(parent))
            .with_context(|| format!("cannot rename `{}` to `{}`", self.dir.display(), out.display()))
    }

    fn give_up(self) {
        // What cannot be removed is under a name that says what it is, and goes with the next import.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// The SHA-256 of a log, computed beside its reading.
struct Digest(Option<std::thread::JoinHandle<std::io::Result<String>>>);

impl Digest {
    fn start(path: &Path) -> Digest {
        if path.as_os_str() == "-" {
            return Digest(None);
        }
        let path = path.to_owned();
        Digest(Some(std::thread::spawn(move || {
            let mut file = File::open(path)?;
            let mut sha = ring::digest::Context::new(&ring::digest::SHA256);
            let mut block = vec![0; 1 << 20];
            loop {
                match file.read(&mut block)? {
                    0 => break,
                    n => sha.update(block.get(..n).unwrap_or_default()),
                }
            }
            Ok(sha.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
        })))
    }

    fn end(self) -> anyhow::Result<Option<String>> {
        let Some(thread) = self.0 else { return Ok(None) };
        let digest = thread.join().map_err(|_| anyhow::anyhow!("a thread ended early"))?;
        Ok(Some(digest.context("cannot read a log again")?))
    }
}
