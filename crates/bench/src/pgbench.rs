//! Runs pgbench with our scripts, and reads what it says.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::catalogue::{AGENT, DATABASE};
use crate::process;
use crate::statistics::quantile;
use crate::work::Mode;

/// What one run of pgbench takes.
pub(crate) struct Run<'a> {
    pub(crate) script: &'a Path,
    pub(crate) mode: Mode,
    pub(crate) clients: u32,
    pub(crate) port: u16,
    pub(crate) duration: Duration,
    pub(crate) seed: u64,
    /// Directory for the log of latencies, if they are wanted.
    pub(crate) latency_log: Option<&'a Path>,
}

/// What pgbench found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) transactions: u64,
    pub(crate) per_second: f64,
    pub(crate) latency: Option<Latency>,
}

/// Latency of single transactions in µs.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Run<'_> {
    /// Runs pgbench on two threads at most.
    ///
    /// # Errors
    /// pgbench fails, a client of it is cut off, a transaction fails.
    pub(crate) fn execute(&self) -> Result<Outcome> {
        let mut command = Command::new("pgbench");
        command
            .args(["--no-vacuum", "--host=127.0.0.1", &format!("--username={AGENT}")])
            .arg(format!("--port={}", self.port))
            .arg(format!("--protocol={}", self.mode.name()))
            .arg(format!("--client={}", self.clients))
            .arg(format!("--jobs={}", self.clients.min(2)))
            .arg(format!("--time={}", self.duration.as_secs()))
            .arg(format!("--random-seed={}", self.seed))
            .arg(format!("--file={}", self.script.display()))
            .env("PGSSLMODE", "disable")
            .env("PGGSSENCMODE", "disable");
        if let Some(directory) = self.latency_log {
            command.arg("--log").arg(format!("--log-prefix={}/latency", directory.display()));
        }
        let said = process::run(command.arg(DATABASE))?;
        let mut outcome = parse(&said).with_context(|| format!("cannot understand pgbench: {said}"))?;
        if let Some(directory) = self.latency_log {
            outcome.latency = Some(take_latency(directory)?);
        }
        Ok(outcome)
    }
}

fn parse(said: &str) -> Result<Outcome> {
    let figure = |heading: &str| {
        said.lines()
            .find_map(|line| line.strip_prefix(heading)?.split([' ', '/']).next())
            .with_context(|| format!("no line `{heading}`"))
    };
    let failed: u64 = figure("number of failed transactions: ")?.parse()?;
    if failed > 0 {
        bail!("{failed} transactions failed");
    }
    Ok(Outcome {
        transactions: figure("number of transactions actually processed: ")?.parse()?,
        per_second: figure("tps = ")?.parse()?,
        latency: None,
    })
}

/// Reads and removes pgbench's logs in `directory`: `client transaction latency_us …` on each line.
fn take_latency(directory: &Path) -> Result<Latency> {
    let mut latencies = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("latency.")) {
            for line in std::fs::read_to_string(&path)?.lines() {
                let field = line.split(' ').nth(2).with_context(|| format!("no latency in `{line}`"))?;
                latencies.push(field.parse::<f64>()?);
            }
            std::fs::remove_file(&path)?;
        }
    }
    latencies.sort_by(f64::total_cmp);
    let at = |q| quantile(&latencies, q).context("pgbench logged no transaction");
    Ok(Latency { p50: at(0.5)?, p99: at(0.99)? })
}

#[cfg(test)]
mod tests {
    use super::parse;

    const SAID: &str = "number of clients: 8\nnumber of transactions actually processed: 31234\n\
        number of failed transactions: 0 (0.000%)\nlatency average = 0.256 ms\n\
        tps = 10412.512345 (without initial connection time)\n";

    #[test]
    fn parse_of_summary_finds_rate_and_count() {
        let outcome = parse(SAID).unwrap();
        assert_eq!((outcome.transactions, outcome.per_second), (31_234, 10_412.512_345));
    }

    #[test]
    fn parse_with_failed_transactions_is_an_error() {
        assert!(parse(&SAID.replace("transactions: 0 (0.000%)", "transactions: 3 (0.010%)")).is_err());
    }
}
