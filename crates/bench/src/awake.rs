//! Keeps the cores awake, so that a latency is not the time a sleeping core takes to wake up.

use std::path::Path;

use anyhow::Result;
use rustix::process::Signal;

use crate::process::{self, Background};

/// Processes that spin, one for each core, until dropped.
///
/// They run in the kernel's idle class: a core that runs nothing else counts as idle, and whatever wakes
/// up takes it at once. A low priority of the ordinary class still wins a slice now and then, which showed
/// as latencies of milliseconds.
pub(crate) struct Awake {
    _spinners: Vec<Background>,
}

impl Awake {
    /// Starts the processes.
    pub(crate) fn start() -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let spinners = (0..cores).map(|_| {
            let mut command = process::command(Path::new("chrt"), "KILL", false);
            command.args(["--idle", "0", "sh", "-c", "while :; do :; done"]);
            Background::start(command, Path::new("/dev/null"), Signal::KILL)
        });
        Ok(Self { _spinners: spinners.collect::<Result<_>>()? })
    }
}
