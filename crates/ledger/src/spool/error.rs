use std::sync::Arc;

#[cfg(doc)]
use super::Spool;

/// Why an entry was not taken. Nothing of it will be found in the spool.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// Too much waits for the disk; hold the rows back and await [`Spool::poll_room`].
    #[error("spool is full: {pending_bytes} bytes wait for the disk")]
    Full {
        /// Bytes waiting.
        pending_bytes: usize,
    },
    /// The disk is full.
    #[error("spool refuses entries: {cause}")]
    Refusing {
        /// What the disk said.
        cause: Arc<str>,
    },
    /// An earlier sync failed.
    #[error("spool is poisoned until a restart: {cause}")]
    Poisoned {
        /// What the disk said.
        cause: Arc<str>,
    },
    /// The entry exceeds 4 MiB, 1,048,576 subjects, or a key of 4 KiB in a reason.
    #[error("entry of {rows} rows is too large for the spool")]
    TooLarge {
        /// Rows of the entry.
        rows: u32,
    },
    /// The spool was closed.
    #[error("spool is closed")]
    Closed,
}

/// Why an entry that was taken will not become durable. Its rows must not be released.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk was full; the entry is dropped for good.
    #[error("entry was dropped: {cause}")]
    Dropped {
        /// What the disk said.
        cause: Arc<str>,
    },
    /// A write or sync failed; a restart may find the entry or not.
    #[error("spool is poisoned until a restart: {cause}")]
    Poisoned {
        /// What the disk said.
        cause: Arc<str>,
    },
    /// The spool was closed before the entry was written.
    #[error("spool is closed")]
    Closed,
}
