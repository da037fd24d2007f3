use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use clap::Parser;

/// Measures the trace on simulated leaks, on worlds where nobody inside is guilty, and on a real log.
#[derive(Debug, Parser)]
#[command(
    name = "rastro-tracebench",
    after_help = "Example:\n  ./bench trace --trials 200 --real-log incidents.csv\n\nIn parts: ./bench trace --trials 50 --record \
                  trials.ndjson, several times; then ./bench trace --from trials.ndjson\n\nA first look: ./bench trace --quick"
)]
pub(crate) struct Options {
    /// Customers
    #[arg(long, default_value_t = 12_000_000)]
    pub(crate) subjects: u32,
    /// Accounts
    #[arg(long, default_value_t = 5_008)]
    pub(crate) principals: u32,
    /// Days of history
    #[arg(long, default_value_t = 365)]
    pub(crate) days: u32,
    /// Trials per cell
    #[arg(long, default_value_t = 200)]
    pub(crate) trials: u32,
    /// Trials per guilt-free world and number of victims
    #[arg(long, default_value_t = 1_000)]
    pub(crate) innocent_trials: u32,
    /// A small world and few trials
    #[arg(long)]
    quick: bool,
    /// Seed; by default from the clock
    #[arg(long)]
    seed: Option<u64>,
    /// Only scenarios whose name contains this
    #[arg(long)]
    pub(crate) only: Option<String>,
    /// Do not tell the trace which cohort a customer belongs to
    #[arg(long)]
    pub(crate) without_cohorts: bool,
    /// A real support desk's log (ServiceNow audit, CSV) to inject leaks into
    #[arg(long, value_name = "FILE")]
    pub(crate) real_log: Option<PathBuf>,
    /// Append every trial to this file as it is judged, so that several runs, or a part of one, count
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Play nothing: report on what these records hold together
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) from: Vec<PathBuf>,
    /// End after so many minutes of trials, whatever is left
    #[arg(long)]
    minutes: Option<u64>,
    /// Measure instead how long `rastro trace` takes to read a ledger of this world, written into this directory
    #[arg(long, value_name = "DIR", requires = "rastro")]
    pub(crate) ledger: Option<PathBuf>,
    /// With every explained view's reason in the ledger
    #[arg(long, requires = "ledger")]
    pub(crate) ledger_reasons: bool,
    /// The `rastro` that reads it
    #[arg(long, value_name = "FILE")]
    pub(crate) rastro: Option<PathBuf>,
    /// Where to write the report; the plot goes beside it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print every trial in which an innocent account reaches .95
    #[arg(long)]
    pub(crate) explain: bool,
}

impl Options {
    /// Returns the seed: as given, or from the clock.
    pub(crate) fn seed(&self) -> Result<u64> {
        if let Some(seed) = self.seed {
            return Ok(seed);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
        Ok(now.as_secs())
    }

    /// Whether this is only a first look.
    pub(crate) fn is_quick(&self) -> bool {
        self.quick
    }

    pub(crate) fn world(&self) -> rastro_sim::worlds::WorldOptions {
        let (subjects, principals) =
            if self.quick { (400_000, 608) } else { (self.subjects, self.principals) };
        rastro_sim::worlds::WorldOptions {
            subjects,
            principals,
            days: self.days,
            seed: self.seed.unwrap_or(1),
        }
    }

    /// Whether the time given for trials has passed.
    pub(crate) fn is_over(&self, elapsed: Duration) -> bool {
        self.minutes.is_some_and(|minutes| elapsed.as_secs() >= minutes * 60)
    }

    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.as_deref().is_none_or(|part| name.contains(part))
    }

    pub(crate) fn write(&self, text: &str, plot: &str) -> Result<()> {
        let Some(path) = &self.out else { return Ok(()) };
        let write = |path: &Path, text: &str| {
            std::fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
        };
        write(path, text)?;
        write(&path.with_extension("svg"), plot)
    }
}
