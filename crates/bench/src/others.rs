//! How much of the machine programs that are no part of the bench used.

use std::collections::HashMap;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::process::TICKS_PER_SECOND;

/// CPU time up to a moment.
pub(crate) struct Others {
    at: Instant,
    busy: f64,
    own: f64,
}

impl Others {
    /// Begins to watch.
    pub(crate) fn watch() -> Result<Self> {
        let stat = std::fs::read_to_string("/proc/stat").context("cannot read `/proc/stat`")?;
        let busy = parse_busy(&stat).context("cannot understand `/proc/stat`")?;
        Ok(Self { at: Instant::now(), busy, own: own_ticks()? })
    }

    /// Returns the share (0 to 1) of all cores that others used since then, what the hypervisor took
    /// included.
    pub(crate) fn share_since(&self) -> Result<f64> {
        let now = Self::watch()?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        let ticks = (now.at - self.at).as_secs_f64() * TICKS_PER_SECOND * cores;
        let others = (now.busy - self.busy) - (now.own - self.own);
        Ok((others / ticks).clamp(0.0, 1.0))
    }
}

/// Reads user, nice, system, irq, softirq and steal: all but idle and iowait.
fn parse_busy(stat: &str) -> Option<f64> {
    let fields = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<f64> = fields.split_ascii_whitespace().filter_map(|field| field.parse().ok()).collect();
    Some([0, 1, 2, 5, 6, 7].iter().filter_map(|place| ticks.get(*place)).sum())
}

/// A process: its parent, and the ticks of itself and of its children that have ended.
#[derive(Debug, PartialEq)]
struct Process {
    parent: u32,
    ticks: f64,
}

fn parse_process(stat: &str) -> Option<Process> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
    let parent = fields.get(1)?.parse().ok()?;
    let ticks = fields.get(11..15)?.iter().filter_map(|field| field.parse::<f64>().ok()).sum();
    Some(Process { parent, ticks })
}

/// Returns the ticks of this process and all that descend from it.
fn own_ticks() -> Result<f64> {
    let mut processes = HashMap::new();
    for entry in std::fs::read_dir("/proc").context("cannot list `/proc`")? {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // A process that has just ended has no `stat` any more.
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok();
        if let Some(process) = stat.and_then(|stat| parse_process(&stat)) {
            processes.insert(pid, process);
        }
    }
    let own = std::process::id();
    let descends = |mut pid: u32| {
        // The parents end at process 1, whose parent is 0.
        while pid != own {
            match processes.get(&pid) {
                Some(process) => pid = process.parent,
                None => return false,
            }
        }
        true
    };
    Ok(processes.iter().filter(|(pid, _)| descends(**pid)).map(|(_, process)| process.ticks).sum())
}

#[cfg(test)]
mod tests {
    use super::{Process, own_ticks, parse_busy, parse_process};

    #[test]
    fn parse_busy_leaves_out_idle_and_iowait() {
        assert_eq!(parse_busy("cpu  1 2 4 1000 2000 8 16 32 0 0\ncpu0 1"), Some(63.0));
    }

    #[test]
    fn parse_process_adds_ended_children() {
        let stat = "9 (sh (x)) S 7 9 9 0 -1 4194560 1 0 0 0 1 2 4 8 20 0 1 0 5 6 7";
        assert_eq!(parse_process(stat), Some(Process { parent: 7, ticks: 15.0 }));
    }

    #[test]
    fn own_ticks_hold_a_child_that_has_ended() {
        let before = own_ticks().unwrap();
        let spin = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
        assert!(std::process::Command::new("sh").args(["-c", spin]).status().unwrap().success());
        assert!(own_ticks().unwrap() > before);
    }
}
