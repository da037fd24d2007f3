//! Puts what is sealed into the archive from time to time, and compacts it, on a thread of its own.

use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use crate::store::Sealing;

/// Between two sealings; the newest entries are read from the spool meanwhile.
const INTERVAL: Duration = Duration::from_secs(600);

/// The running thread.
pub(super) struct ArchiveThread {
    stop: Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl ArchiveThread {
    /// Starts it.
    ///
    /// # Errors
    /// The store cannot be opened, or no thread can be started.
    pub(super) fn start(place: &str, data_dir: &Path) -> anyhow::Result<ArchiveThread> {
        let sealing = Sealing::open(place, data_dir)?;
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new().name("archive".to_owned()).spawn(move || {
            while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                match sealing.seal().and_then(|sealed| Ok((sealed, sealing.compact()?))) {
                    Ok((sealed, merges)) => {
                        tracing::debug!(
                            entries = sealed.entries,
                            merges,
                            "ledger is sealed into its archive"
                        );
                    }
                    // Rows do not depend on it, and nothing is lost: the spool keeps what is not sealed.
                    Err(error) => tracing::warn!(error = %format!("{error:#}"), "archive was not written"),
                }
            }
        })?;
        Ok(ArchiveThread { stop, thread })
    }

    /// Ends it, after what it is doing. Blocks.
    pub(super) fn stop(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("the archive's thread failed");
        }
    }
}
