//! Trials written down as they are judged, so that several runs add up.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::tally::{Cell, Trial};

/// One line of a record.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    /// A run begins.
    Run { seed: u64, world: String },
    /// One trial of the run.
    Trial {
        scenario: String,
        guilty_world: bool,
        victims: usize,
        stray: f64,
        #[serde(flatten)]
        trial: Trial,
    },
}

/// A file of lines in JSON, or nothing.
#[derive(Debug)]
pub(crate) struct Record(Option<BufWriter<File>>);

impl Record {
    /// Opens `path` to append a run; `None` keeps no record.
    pub(crate) fn open(path: Option<&Path>, seed: u64, world: &str) -> Result<Record> {
        let Some(path) = path else { return Ok(Record(None)) };
        let file = File::options().append(true).create(true).open(path);
        let file = file.with_context(|| format!("cannot write `{}`", path.display()))?;
        let mut record = Record(Some(BufWriter::new(file)));
        record.line(&Line::Run { seed, world: world.to_owned() })?;
        Ok(record)
    }

    pub(crate) fn trial(&mut self, cell: &Cell, trial: &Trial) -> Result<()> {
        if self.0.is_none() {
            return Ok(());
        }
        self.line(&Line::Trial {
            scenario: cell.scenario.clone(),
            guilty_world: cell.is_guilty_world,
            victims: cell.victims,
            stray: cell.stray,
            trial: *trial,
        })
    }

    pub(crate) fn flush(&mut self) -> Result<()> {
        self.0.as_mut().map_or(Ok(()), Write::flush).context("cannot write the record")
    }

    fn line(&mut self, line: &Line) -> Result<()> {
        let Some(file) = &mut self.0 else { return Ok(()) };
        serde_json::to_writer(&mut *file, line)?;
        file.write_all(b"\n").context("cannot write the record")
    }
}

/// What several records hold together.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    pub(crate) seeds: Vec<u64>,
    /// The world of the last run.
    pub(crate) world: String,
    pub(crate) cells: Vec<Cell>,
}

/// Reads records; a last line cut off by the end of a run is left out.
pub(crate) fn read(paths: &[PathBuf]) -> Result<Recorded> {
    let mut recorded = Recorded::default();
    for path in paths {
        let file = File::open(path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let mut lines = BufReader::new(file).lines().enumerate().peekable();
        while let Some((number, line)) = lines.next() {
            match serde_json::from_str(&line?) {
                Ok(Line::Run { seed, world }) => {
                    recorded.seeds.push(seed);
                    recorded.world = world;
                }
                Ok(Line::Trial { scenario, guilty_world, victims, stray, trial }) => {
                    recorded.add(scenario, guilty_world, victims, stray, trial);
                }
                Err(_) if lines.peek().is_none() => {}
                Err(error) => {
                    return Err(error)
                        .with_context(|| format!("`{}`: line {} is no trial", path.display(), number + 1));
                }
            }
        }
    }
    Ok(recorded)
}

impl Recorded {
    fn add(&mut self, scenario: String, is_guilty_world: bool, victims: usize, stray: f64, trial: Trial) {
        let is_its = |cell: &&mut Cell| {
            cell.scenario == scenario && cell.victims == victims && (cell.stray - stray).abs() < 1e-9
        };
        match self.cells.iter_mut().find(is_its) {
            Some(cell) => cell.trials.push(trial),
            None => self.cells.push(Cell { scenario, victims, stray, is_guilty_world, trials: vec![trial] }),
        }
    }
}
