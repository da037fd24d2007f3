use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Readings shorter than this say nothing.
const QUIET: Duration = Duration::from_millis(700);
const INTERVAL: Duration = Duration::from_millis(200);

/// Shows on standard error, on a terminal only, how far a long reading is.
pub(crate) struct Progress {
    what: String,
    total: u64,
    next: Instant,
    shown: bool,
    terminal: bool,
}

impl Progress {
    /// Begins; `total` is 0 if it is not known.
    pub(crate) fn new(what: impl Into<String>, total: u64) -> Progress {
        let terminal = std::io::stderr().is_terminal();
        Progress { what: what.into(), total, next: Instant::now() + QUIET, shown: false, terminal }
    }

    /// Says that `done` of the total is done.
    pub(crate) fn at(&mut self, done: u64) {
        if !self.terminal || Instant::now() < self.next {
            return;
        }
        self.next = Instant::now() + INTERVAL;
        self.shown = true;
        let percent = done.saturating_mul(100) / self.total.max(1);
        let far = if self.total > 0 { format!("{:>3}%", percent.min(100)) } else { format!("{done}") };
        // A progress line that cannot be drawn is no reason to stop.
        let _ = write!(std::io::stderr(), "\r{far} {}", self.what);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r{:70}\r", "");
        }
    }
}
