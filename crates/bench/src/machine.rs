//! What the figures were measured on.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::process;
use crate::statistics::quantile;

/// Appends measured for the latency of a sync.
const APPENDS: usize = 200;

/// The machine and its programs.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) processor: String,
    pub(crate) kernel: String,
    pub(crate) server_version: String,
    pub(crate) pgbouncer_version: String,
    /// One durable append (4 kB overwritten in place, then `fdatasync`) in the scratch directory, ms.
    pub(crate) sync_ms_p50: f64,
    pub(crate) sync_ms_p99: f64,
    pub(crate) load_at_start: String,
    pub(crate) load_at_end: String,
}

impl Machine {
    /// Notes the load average once all is measured.
    pub(crate) fn note_load_at_end(&mut self) {
        self.load_at_end = load_average();
    }
}

/// Looks at the machine; `scratch` is on the disk to be measured.
pub(crate) fn survey(scratch: &Path) -> Result<Machine> {
    let (sync_ms_p50, sync_ms_p99) = measure_sync(scratch)?;
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processor.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    Ok(Machine {
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        processor: processor.map(|(_, name)| name.to_owned()).unwrap_or_default(),
        kernel: process::run(Command::new("uname").args(["-sr"]))?.trim().to_owned(),
        server_version: String::new(),
        pgbouncer_version: process::run(Command::new("pgbouncer").arg("--version"))?
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned(),
        sync_ms_p50,
        sync_ms_p99,
        load_at_start: load_average(),
        load_at_end: String::new(),
    })
}

fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

fn measure_sync(scratch: &Path) -> Result<(f64, f64)> {
    let path = scratch.join("sync-probe");
    let page = [1_u8; 4096];
    let mut file = File::create(&path).context("cannot create a file to sync")?;
    file.write_all(&[0; 4096].repeat(APPENDS))?;
    file.sync_all()?;
    let mut times = Vec::with_capacity(APPENDS);
    for offset in (0..).step_by(page.len()).take(APPENDS) {
        let begin = Instant::now();
        file.write_all_at(&page, offset)?;
        file.sync_data().context("cannot sync a file")?;
        times.push(begin.elapsed().as_secs_f64() * 1000.0);
    }
    std::fs::remove_file(&path)?;
    times.sort_by(f64::total_cmp);
    let at = |q| quantile(&times, q).context("no sync was measured");
    Ok((at(0.5)?, at(0.99)?))
}
