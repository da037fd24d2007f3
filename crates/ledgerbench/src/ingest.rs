//! Fills a ledger through its spool, sealed behind, as `rastro serve` does.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use rastro_archive::{Archivist, Objects, Signer};
use rastro_ledger::seal::{KeyFiles, SealPaths, SealerThread};
use rastro_ledger::store::DirectoryStore;
use rastro_ledger::{
    AppendError, Directory, DisclosureEntry, Durability, Outcome, PlacedEntries, Schema, SessionFacts, Spool,
    SpoolConfig,
};
use rastro_model::{Certainty, FieldSet, KindId, Login, Principal, ShownBatch, ShownKey, Timestamp};

use crate::options::Options;
use crate::year::{Made, START, TEXTS, Totals, play};

/// What filling the ledger took.
#[derive(Clone, Debug)]
pub(crate) struct Ingested {
    pub(crate) totals: Totals,
    pub(crate) seconds: f64,
    /// What the generator alone takes of it.
    pub(crate) generator_seconds: f64,
    pub(crate) archive_seconds: f64,
    pub(crate) compaction_seconds: f64,
    pub(crate) spool_bytes: u64,
    pub(crate) tree_bytes: u64,
}

pub(crate) fn schema() -> Schema {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Schema { kinds: owned(&["customer"]), fields: owned(&["name", "email", "phone", "ticket"]) }
}

pub(crate) fn principal_name(number: u32) -> String {
    format!("agent-{number:04}")
}

/// Plays the year into a ledger below `dir`.
pub(crate) fn ingest(options: &Options, dir: &Path) -> anyhow::Result<Ingested> {
    let began = Instant::now();
    play(options, |made| {
        std::hint::black_box(made);
        Ok(())
    })?;
    let generator_seconds = began.elapsed().as_secs_f64();
    let paths = SealPaths::below(dir);
    let mut config = SpoolConfig::new(&paths.spool, schema());
    config.durability = Durability::Group;
    let spool = Spool::open(config).context("cannot open the spool")?;
    let sealer = SealerThread::start(paths.clone(), spool.watch_durable())?;
    let began = Instant::now();
    let totals = append_all(options, &spool)?;
    spool.close()?;
    let health = sealer.stop();
    if let Some(fault) = health.fault {
        return Err(anyhow!("sealing failed: {fault}"));
    }
    let seconds = began.elapsed().as_secs_f64();
    eprintln!("{} entries durable and signed in {seconds:.0} s", totals.entries);

    let objects = Objects::directory(&dir.join("store"))?;
    let keys = KeyFiles::new(&paths.keys);
    let sign: Signer = Arc::new(move |text: &str| keys.sign_statement(text).unwrap_or_default());
    let archivist = Archivist::new(objects, Some(sign), Duration::ZERO);
    let began = Instant::now();
    let mut entries =
        PlacedEntries::open(Directory::new(&paths.spool), DirectoryStore::new(&paths.salts), 0)?;
    archivist.seal(std::iter::from_fn(|| entries.next_entry().transpose()))?;
    let archive_seconds = began.elapsed().as_secs_f64();
    eprintln!("Parquet written in {archive_seconds:.0} s");
    let began = Instant::now();
    let end = START + i64::from(options.days) * 86_400_000_000 + 40 * 86_400_000_000;
    archivist.compact(end)?;
    archivist.sweep(end)?;
    let compaction_seconds = began.elapsed().as_secs_f64();
    eprintln!("compacted in {compaction_seconds:.0} s");
    Ok(Ingested {
        totals,
        seconds,
        generator_seconds,
        archive_seconds,
        compaction_seconds,
        spool_bytes: bytes_below(&paths.spool)?,
        tree_bytes: bytes_below(&paths.tree)? + bytes_below(&paths.salts)?,
    })
}

fn append_all(options: &Options, spool: &Spool) -> anyhow::Result<Totals> {
    let principals: Vec<_> =
        (0..options.principals).map(|at| spool.principal(&Principal::new(principal_name(at)))).collect();
    let texts: Vec<_> = TEXTS.iter().zip(1..).map(|(sql, at)| spool.statement_text(at, sql)).collect();
    let session = |at: u32, day: i64| {
        spool.session(&SessionFacts {
            login: Login::new("helpdesk"),
            client_addr: format!("10.{}.{}.{}:{}", at >> 16, at >> 8 & 255, at & 255, 30_000 + day % 30_000),
            database: "support".into(),
            application: "desk".into(),
        })
    };
    // A session for each principal and day, begun with its first statement.
    let mut sessions: Vec<Option<(i64, _, u64)>> = vec![None; principals.len()];
    let mut batch = ShownBatch::default();
    play(options, |made: &Made<'_>| {
        let at = made.principal as usize;
        let day = (made.time - START) / 86_400_000_000;
        let slot = sessions.get_mut(at).ok_or_else(|| anyhow!("no such principal"))?;
        if slot.as_ref().is_none_or(|(begun, ..)| *begun != day) {
            *slot = Some((day, session(made.principal, day), 0));
        }
        let (Some((_, session, statement)), Some(principal), Some(text)) =
            (slot.as_mut(), principals.get(at), texts.get(made.text))
        else {
            return Err(anyhow!("no such text"));
        };
        *statement += 1;
        batch.clear();
        for key in made.subjects {
            batch.begin_row();
            batch.push(KindId(0), ShownKey::Int(*key), FieldSet(made.fields), Certainty::Exact);
        }
        let entry = DisclosureEntry {
            time: Timestamp(made.time),
            session,
            principal,
            statement: *statement,
            text,
            outcome: Outcome::Completed,
            batch: &batch,
            rows: batch.rows(),
        };
        loop {
            match spool.append_disclosure(&entry) {
                Ok(_) => return Ok(()),
                Err(AppendError::Full { .. }) => std::thread::sleep(Duration::from_micros(200)),
                Err(error) => return Err(error.into()),
            }
        }
    })
}

/// Returns what the files below a directory take on the disk.
pub(crate) fn bytes_below(dir: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let facts = entry.metadata()?;
        bytes += if facts.is_dir() { bytes_below(&entry.path())? } else { facts.len() };
    }
    Ok(bytes)
}
