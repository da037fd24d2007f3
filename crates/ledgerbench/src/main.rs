//! `rastro-ledgerbench`: what the ledger takes, and how fast it answers, beside what people use today.
//!
//! Builds a year of a support desk through spool, tree and archive, then asks. Run it as `./bench ledger`.

mod ask;
mod ingest;
mod options;
mod report;
mod rivals;
mod year;

use std::collections::HashSet;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Parser;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rastro_archive::{Archive, Checked, Objects, State, Table, check};
use rastro_ledger::checkpoint::Checkpoint;
use rastro_ledger::note::{Note, NoteVerifier};
use rastro_ledger::seal::SealPaths;
use rastro_ledger::store::DirectoryStore;

use crate::options::{Arguments, Options, Part, Question};
use crate::report::Measured;

fn main() -> anyhow::Result<()> {
    let Arguments { part, options } = Arguments::parse();
    if let Some(Part::Ask { dir, question, about }) = part {
        return ask::answer(&dir, question, &about);
    }
    let scratch = tempfile::tempdir()?;
    let dir = options.dir.clone().unwrap_or_else(|| scratch.path().to_owned());
    let measured = measure(&options, &dir)?;
    let page = report::markdown(&options, &measured)?;
    println!("{page}");
    if let Some(out) = &options.out {
        std::fs::write(out, page)?;
    }
    Ok(())
}

fn measure(options: &Options, dir: &Path) -> anyhow::Result<Measured> {
    let ingested = ingest::ingest(options, dir)?;
    let objects = Objects::directory(&dir.join("store"))?;
    let archive = Archive::open(&objects)?;
    let tables = Table::ALL.map(|table| {
        let files = archive.manifest().segments.iter().filter_map(|segment| segment.file(table));
        let (rows, bytes) = files.fold((0, 0), |(rows, bytes), file| (rows + file.rows, bytes + file.bytes));
        (table.name(), rows, bytes)
    });
    drop(archive);
    eprintln!("tables: {tables:?}");
    let (subjects, principal) = victims(options)?;
    let who_saw = ask::ask(dir, Question::WhoSaw, &subjects)?;
    let subjects_of = ask::ask(dir, Question::SubjectsOf, &[ingest::principal_name(principal)])?;
    eprintln!("asked the archive: {who_saw:?} {subjects_of:?}");
    let python = options.python.as_ref();
    let duckdb = python.map(|python| rivals::duckdb(python, dir, &subjects, principal)).transpose()?;
    eprintln!("asked DuckDB: {duckdb:?}");
    let audit_log = rivals::audit_log(options, dir, &subjects)?;
    let fits = options.disclosures <= options.postgres_max;
    let postgres = fits.then(|| rivals::postgres(options, &subjects, principal)).transpose()?;
    if let Some(postgres) = &postgres {
        ensure!(
            postgres.found == who_saw.found,
            "PostgreSQL found {}, not {}",
            postgres.found,
            who_saw.found
        );
    }
    eprintln!("asked PostgreSQL: {postgres:?}");
    let dropped = ask::drop_page_cache();
    let check = time_check(dir, &objects)?;
    let tables = tables.into();
    Ok(Measured { ingested, tables, who_saw, subjects_of, check, postgres, duckdb, audit_log, dropped })
}

/// Chooses 50 subjects that agents saw, and one of the agents.
fn victims(options: &Options) -> anyhow::Result<(Vec<String>, u32)> {
    let mut rng = SmallRng::seed_from_u64(options.seed ^ 50);
    let mut chosen: HashSet<i64> = HashSet::new();
    let mut principal = 0;
    let odds = u32::try_from(options.disclosures / 3_000)?.max(1);
    year::play(options, |made| {
        if made.text == 1 && chosen.len() < 50 && rng.random_ratio(1, odds) {
            principal = made.principal;
            chosen.extend(made.subjects.first());
        }
        Ok(())
    })?;
    ensure!(!chosen.is_empty(), "nobody was shown");
    let mut chosen: Vec<i64> = chosen.into_iter().collect();
    chosen.sort_unstable();
    Ok((chosen.iter().map(ToString::to_string).collect(), principal))
}

/// Returns the seconds that a check of the archive takes, and the entries compared.
fn time_check(dir: &Path, objects: &Objects) -> anyhow::Result<(f64, u64)> {
    let paths = SealPaths::below(dir);
    let (tree, salts) = (DirectoryStore::new(&paths.tree), DirectoryStore::new(&paths.salts));
    let note = Note::decode(&std::fs::read(paths.tree.join("checkpoint"))?)?;
    let key = std::fs::read_to_string(paths.keys.join("ledger.pub"))?;
    let began = Instant::now();
    let report = check(&Checked {
        objects,
        state: &State::load(objects)?,
        tree: &tree,
        salts: &salts,
        size: Checkpoint::decode(&note.text)?.size,
        removed: 0,
        keys: &[NoteVerifier::decode(key.lines().next().context("no key")?)?],
        threads: 2,
    })?;
    if let Some(fault) = report.fault {
        return Err(fault.into());
    }
    eprintln!("checked {} entries", report.entries);
    Ok((began.elapsed().as_secs_f64(), report.entries))
}
