use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use rastro_archive::{ArchiveError, ArchiveReport, Checked, Objects, State, check};
use rastro_ledger::note::NoteVerifier;
use rastro_ledger::seal::SealPaths;
use rastro_ledger::store::DirectoryStore;
use rastro_ledger::verify::{Evidence, Progress, Report, verify};
use rastro_ledger::{Directory, SpoolReader};
use rastro_model::Timestamp;

use super::{CommandResult, Failure};
use crate::config::Config;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    rastro verify rastro-data --key ledger.pub --checkpoint kept-last-month\n  \
    rastro verify --witness works-council.pub\n\n\
    Needs the files and the public key, nothing else: no database, no network. Works also while\n\
    `rastro serve` runs. Status 1: the ledger was changed; the first bad entry is named.\n\
    Without --key the key beside the ledger is used: proof only against those who cannot replace it.")]
pub(super) struct VerifyArguments {
    /// Data directory of the ledger; default: the one rastro.toml names
    path: Option<PathBuf>,
    /// Public key of the ledger, or the file that holds it: the first line counts
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Public keys of witnesses to trust, or files that hold them; one of them must have cosigned
    #[arg(long, value_name = "KEY")]
    witness: Vec<String>,
    /// Checkpoints kept elsewhere, which the ledger must still contain
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Configuration file
    #[arg(short, long = "config", value_name = "FILE", default_value = "rastro.toml")]
    config: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One object
    Json,
}

pub(super) fn run(arguments: &VerifyArguments) -> CommandResult {
    let (data_dir, store) = match &arguments.path {
        Some(path) => (path.clone(), "file".to_owned()),
        None => {
            let config = Config::load(&arguments.config)?;
            (config.data_dir, config.ledger.store)
        }
    };
    let paths = SealPaths::below(&data_dir);
    if !paths.spool.is_dir() {
        return Err(anyhow::anyhow!("there is no ledger at `{}`", data_dir.display()).into());
    }
    let own_key = paths.keys.join("ledger.pub").display().to_string();
    let keys = read_keys(arguments.key.as_deref().unwrap_or(&own_key))?;
    let key = keys.first().context("the file of the ledger's public key is empty")?;
    let mut witnesses = Vec::new();
    let own_witnesses = paths.keys.join("witnesses.pub");
    if arguments.witness.is_empty() && own_witnesses.exists() {
        witnesses = read_keys(&own_witnesses.display().to_string())?;
    }
    for given in &arguments.witness {
        witnesses.extend(read_keys(given)?);
    }
    let known: Vec<Vec<u8>> = arguments.checkpoint.iter().map(|path| read(path)).collect::<Result<_, _>>()?;
    let evidence = Evidence {
        tree: &DirectoryStore::new(&paths.tree),
        salts: &DirectoryStore::new(&paths.salts),
        key,
        witnesses: &witnesses,
        must_be_witnessed: !arguments.witness.is_empty(),
        known: &known,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
    };
    // Before the tree: what comes into the archive meanwhile is under a later checkpoint.
    let objects = crate::store::existing(&store, &data_dir)?;
    let state = objects.as_ref().map(State::load).transpose().context("cannot read the archive")?;
    let report = verify_with_bar(&evidence, &paths.spool).context("cannot verify the ledger")?;
    let imported = is_imported(&paths.spool);
    let archive = match (&report.fault, objects.as_ref().zip(state.as_ref())) {
        (None, Some((objects, state))) => {
            Some(verify_archive(&evidence, &report, objects, state).context("cannot verify the archive")?)
        }
        _ => None,
    };
    let archive_fault = archive.as_ref().and_then(|archive| archive.fault.as_ref());
    let fault = report.fault.as_ref().map(ToString::to_string);
    let fault = fault.or_else(|| archive_fault.map(ToString::to_string));
    match arguments.format {
        Format::Json => println!("{}", as_json(&report, archive.as_ref(), fault.as_deref(), imported)),
        Format::Text if fault.is_none() => print!("{}", in_words(&report, archive.as_ref(), imported)),
        Format::Text => {}
    }
    match fault {
        Some(fault) => Err(Failure::Failed(fault)),
        None => Ok(()),
    }
}

/// Compares the archive with the tree that was just verified.
fn verify_archive(
    evidence: &Evidence<'_>,
    report: &Report,
    objects: &Objects,
    state: &State,
) -> Result<ArchiveReport, ArchiveError> {
    check(&Checked {
        objects,
        state,
        tree: evidence.tree,
        salts: evidence.salts,
        size: report.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size),
        removed: report.removed,
        keys: &report.keys,
        threads: evidence.threads,
    })
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))
}

/// Reads a key, or a file of keys, one a line.
pub(super) fn read_keys(given: &str) -> anyhow::Result<Vec<NoteVerifier>> {
    if let Ok(key) = NoteVerifier::decode(given) {
        return Ok(vec![key]);
    }
    let text = std::fs::read_to_string(given).with_context(|| format!("cannot read the key `{given}`"))?;
    text.lines()
        .map(|line| NoteVerifier::decode(line).with_context(|| format!("cannot use the key in `{given}`")))
        .collect()
}

/// Runs the check, with a bar on standard error if people look at it.
fn verify_with_bar(evidence: &Evidence<'_>, spool: &Path) -> anyhow::Result<Report> {
    let progress = Progress::default();
    let open = || Directory::new(spool);
    if !std::io::stderr().is_terminal() {
        return Ok(verify(evidence, open, &progress)?);
    }
    let mut bytes = 0;
    for entry in std::fs::read_dir(spool)? {
        bytes += entry?.metadata()?.len();
    }
    let bar = ProgressBar::new(bytes);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {percent}%  {msg}  {eta} left") {
        bar.set_style(style);
    }
    std::thread::scope(|scope| {
        let (done, ended) = std::sync::mpsc::channel::<()>();
        scope.spawn(|| {
            let ended = ended;
            while ended.recv_timeout(Duration::from_millis(100)).is_err_and(|e| e == TIMEOUT) {
                bar.set_position(progress.bytes.load(Ordering::Relaxed));
                bar.set_message(format!("{} entries", progress.entries.load(Ordering::Relaxed)));
            }
            bar.finish_and_clear();
        });
        let report = verify(evidence, open, &progress);
        drop(done);
        Ok(report?)
    })
}

const TIMEOUT: std::sync::mpsc::RecvTimeoutError = std::sync::mpsc::RecvTimeoutError::Timeout;

/// Returns whether the ledger's first entry comes from a log that others wrote.
fn is_imported(spool: &Path) -> bool {
    let mut reader = match SpoolReader::open(spool) {
        Ok(reader) => reader,
        // What cannot be read is reported as a fault.
        Err(_) => return false,
    };
    reader.next_entry().is_ok() && reader.is_imported()
}

fn in_words(report: &Report, archive: Option<&ArchiveReport>, imported: bool) -> String {
    let mut words = String::new();
    if let Some(checkpoint) = &report.checkpoint {
        let kept = checkpoint.size - report.removed;
        words +=
            &format!("{kept} entries are as they were recorded; last checkpoint:\n{}", checkpoint.encode());
    }
    if imported {
        words += "imported from logs that others wrote: nothing changed since the import\n";
    }
    if report.erased > 0 {
        words += &format!("subjects were erased in {} places, as signed\n", report.erased);
    }
    if report.removed > 0 {
        words += &format!("the first {} entries were removed on purpose, as signed\n", report.removed);
    }
    if report.key_changes > 0 {
        words += &format!("key changes since the trusted key: {}\n", report.key_changes);
    }
    match &report.witnessed {
        Some(witnessed) => {
            for (name, time) in &witnessed.by {
                let time = seconds(*time);
                words += &format!("{} entries witnessed by {name} at {time}\n", witnessed.size);
            }
        }
        None => words += "no trusted witness has seen this ledger\n",
    }
    if let Some(archive) = archive {
        let ArchiveReport { entries, files, .. } = archive;
        words += &format!("the archive's {files} files say of {entries} entries what the log says\n");
    }
    if report.younger > 0 {
        words += &format!("{} entries are younger than the last checkpoint\n", report.younger);
    }
    words
}

fn seconds(time: u64) -> Timestamp {
    Timestamp(i64::try_from(time).unwrap_or(i64::MAX).saturating_mul(1_000_000))
}

fn as_json(
    report: &Report,
    archive: Option<&ArchiveReport>,
    fault: Option<&str>,
    imported: bool,
) -> serde_json::Value {
    let checkpoint = report.checkpoint.as_ref().map(|checkpoint| {
        let root: String = checkpoint.root.iter().map(|byte| format!("{byte:02x}")).collect();
        serde_json::json!({ "origin": checkpoint.origin, "size": checkpoint.size, "root": root })
    });
    let witnessed = report.witnessed.as_ref().map(|witnessed| {
        let by = witnessed.by.iter();
        let by: Vec<_> = by
            .map(|(name, time)| serde_json::json!({ "witness": name, "time": seconds(*time).to_string() }))
            .collect();
        serde_json::json!({ "size": witnessed.size, "by": by })
    });
    serde_json::json!({
        "intact": fault.is_none(),
        "fault": fault,
        "archive": archive.map(|archive| serde_json::json!({
            "entries": archive.entries, "files": archive.files, "bytes": archive.bytes,
        })),
        "checkpoint": checkpoint,
        "witnessed": witnessed,
        "entries": report.entries,
        "younger": report.younger,
        "removed": report.removed,
        "erased": report.erased,
        "imported": imported,
        "key_changes": report.key_changes,
    })
}
