use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::encode::Schema;

/// When a row may be released.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Durability {
    /// Once its entry is on stable storage: whatever is pending is written and synced at once.
    Strict,
    /// At once; the entry follows at most `group_delay` later.
    Group,
}

/// How a spool is opened.
#[derive(Clone, Debug)]
pub struct SpoolConfig {
    /// Directory of the spool's files; created if absent.
    pub dir: PathBuf,
    /// When to sync.
    pub durability: Durability,
    /// Longest wait before a sync in [`Durability::Group`].
    pub group_delay: Duration,
    /// A file that grew beyond this is followed by another.
    pub file_bytes_max: u64,
    /// Appends are refused as full while more than this waits for the disk; at most 11 MiB are used.
    pub pending_bytes_max: usize,
    /// Names of kinds and fields.
    pub schema: Schema,
    /// What is written comes from logs that others wrote; every file says so.
    pub imported: bool,
}

impl SpoolConfig {
    /// Returns the defaults: strict, 20 ms, files of 64 MiB, 8 MiB pending.
    pub fn new(dir: impl Into<PathBuf>, schema: Schema) -> SpoolConfig {
        SpoolConfig {
            dir: dir.into(),
            durability: Durability::Strict,
            group_delay: Duration::from_millis(20),
            file_bytes_max: 64 << 20,
            pending_bytes_max: 8 << 20,
            schema,
            imported: false,
        }
    }
}

/// Whether the spool takes entries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Health {
    /// It does.
    Writable,
    /// The disk is full; tried again every 200 ms.
    Refusing {
        /// What the disk said.
        cause: Arc<str>,
    },
    /// A sync failed; only a restart helps.
    Poisoned {
        /// What the disk said.
        cause: Arc<str>,
    },
}
