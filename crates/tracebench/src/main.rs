//! `rastro-tracebench`: how often the trace is right, and how often it names an innocent.
//!
//! Builds a year of a support desk, plays every scenario many times on fresh seeds, and writes what it
//! measured to `docs/trace-accuracy.md`. Run it as `./bench trace`.

mod ledger;
mod options;
mod plot;
mod real_log;
mod record;
mod report;
mod stage;
mod tally;
mod trials;

use std::path::Path;

use anyhow::Result;
use clap::Parser;

use crate::options::Options;
use crate::record::{Record, Recorded};

fn main() -> Result<()> {
    let options = Options::parse();
    let seed = options.seed()?;
    eprintln!("seed {seed}");
    if let (Some(dir), Some(rastro)) = (&options.ledger, &options.rastro) {
        return ledger::measure(&options, seed, dir, rastro);
    }
    let measure = |path: &Path| real_log::measure(path, seed, options.trials);
    let real = options.real_log.as_deref().map(measure).transpose()?;
    let recorded = if options.from.is_empty() { play(&options, seed)? } else { record::read(&options.from)? };
    let text = report::markdown(&options, &recorded, real.as_ref());
    println!("{text}");
    options.write(&text, &report::calibration_plot(&recorded.cells))
}

fn play(options: &Options, seed: u64) -> Result<Recorded> {
    let mut stage = stage::Built::build(options, seed)?;
    let world = stage.summary();
    eprintln!("{world}");
    let mut record = Record::open(options.record.as_deref(), seed, &world)?;
    let cells = trials::run(&mut stage, options, seed, &mut record)?;
    Ok(Recorded { seeds: vec![seed], world, cells })
}
