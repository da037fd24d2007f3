//! `rastro-tracebench`: how often the trace is right, and how often it names an innocent.
//!
//! Builds a year of a support desk, plays every scenario many times on fresh seeds, and writes what it
//! measured to `docs/trace-accuracy.md`. Run it as `./bench trace`.

mod options;
mod plot;
mod real_log;
mod report;
mod stage;
mod tally;
mod trials;

use anyhow::Result;
use clap::Parser;

use crate::options::Options;

fn main() -> Result<()> {
    let options = Options::parse();
    let seed = options.seed()?;
    eprintln!("seed {seed}");
    let real =
        options.real_log.as_deref().map(|path| real_log::measure(path, seed, options.trials)).transpose()?;
    let mut stage = stage::Built::build(&options, seed)?;
    eprintln!("{}", stage.summary());
    let cells = trials::run(&mut stage, &options, seed)?;
    let text = report::markdown(&options, seed, &stage, &cells, real.as_ref());
    println!("{text}");
    options.write(&text, &report::calibration_plot(&cells))
}
