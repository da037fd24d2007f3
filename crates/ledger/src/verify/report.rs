//! What a verification found.

use crate::checkpoint::Checkpoint;
use crate::note::NoteVerifier;

/// The outcome of a verification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The last checkpoint, if it is to be trusted.
    pub checkpoint: Option<Checkpoint>,
    /// The last checkpoint that trusted witnesses cosigned.
    pub witnessed: Option<Witnessed>,
    /// Entries recomputed.
    pub entries: u64,
    /// Entries behind the last checkpoint, which nothing vouches for yet.
    pub younger: u64,
    /// Entries removed on purpose, from the front; only the hashes above theirs are left.
    pub removed: u64,
    /// Places out of which subjects were erased, as signed for.
    pub erased: u64,
    /// How often the key was changed, counted from the one that is trusted.
    pub key_changes: usize,
    /// The ledger's keys, the trusted one first; each vouched for by the one before.
    pub keys: Vec<NoteVerifier>,
    /// The first thing that is wrong; `None`: everything is as it was signed.
    pub fault: Option<Fault>,
}

impl Report {
    pub(super) fn of_fault(fault: Fault) -> Report {
        Report { fault: Some(fault), ..Report::default() }
    }
}

/// A checkpoint that witnesses cosigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnessed {
    /// Entries it covers.
    pub size: u64,
    /// Names of the witnesses and when they cosigned, in seconds since 1970.
    pub by: Vec<(String, u64)>,
}

/// What is wrong. Entries are named by their position in the log, from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The last checkpoint is gone.
    #[error("the ledger's checkpoint is missing")]
    NoCheckpoint,
    /// A checkpoint is not signed by the log's key, or malformed.
    #[error("`{name}` is not a checkpoint signed with the ledger's key: {why}")]
    Forged {
        /// Which file.
        name: String,
        /// Why it is not to be trusted.
        why: String,
    },
    /// No cosignature of a trusted witness is there.
    #[error("none of the trusted witnesses has cosigned a checkpoint of this ledger")]
    Unwitnessed,
    /// The last checkpoint was signed with a key that had been replaced.
    #[error(
        "the checkpoint of {size} entries is signed with a key that was replaced at {replaced_at} entries"
    )]
    OldKey {
        /// Its size.
        size: u64,
        /// Size at which the key was replaced.
        replaced_at: u64,
    },
    /// The ledger was put back to an earlier state.
    #[error(
        "rolled back: the ledger's checkpoint covers {size} entries, but one of {known} entries was {how}"
    )]
    RolledBack {
        /// Entries of the last checkpoint.
        size: u64,
        /// Entries of a later one.
        known: u64,
        /// How the later one is known.
        how: &'static str,
    },
    /// Two signed checkpoints contradict each other.
    #[error(
        "the ledger's history was rewritten: the checkpoint of {size} entries that was {how} does not fit it"
    )]
    Rewritten {
        /// Entries of the checkpoint that does not fit.
        size: u64,
        /// How it is known.
        how: &'static str,
    },
    /// An entry is not what was sealed.
    #[error("entry {index} was altered (in spool file {file})")]
    Altered {
        /// Position of the first such entry.
        index: u64,
        /// Spool file it is in.
        file: u64,
    },
    /// An entry of a stretch is not what was sealed; the tree's tiles were altered too.
    #[error("an entry from {first} to {last} was altered, and so were the hashes that would tell which")]
    AlteredWithin {
        /// First of the stretch.
        first: u64,
        /// Last of the stretch.
        last: u64,
    },
    /// An entry cannot be read.
    #[error("entry {index} cannot be read: {why}")]
    Unreadable {
        /// Its position.
        index: u64,
        /// Why.
        why: String,
    },
    /// Entries are gone from the end, none of which a witness had seen.
    #[error(
        "truncated after the last witnessed checkpoint: entries {first} to {last} are missing; the {witnessed} witnessed entries are intact"
    )]
    TruncatedAfterWitnessed {
        /// First that is missing.
        first: u64,
        /// Last that is missing.
        last: u64,
        /// Entries under the last witnessed checkpoint.
        witnessed: u64,
    },
    /// Entries are gone.
    #[error("entries {first} to {last} are missing")]
    Missing {
        /// First that is missing.
        first: u64,
        /// Last that is missing.
        last: u64,
    },
    /// A subject is gone from an entry, and no erasure accounts for it.
    #[error("a subject was taken out of entry {index} (in spool file {file}), and no erasure was recorded")]
    Redacted {
        /// Position of the entry.
        index: u64,
        /// Spool file it is in.
        file: u64,
    },
    /// The secrets of a spool file are unusable.
    #[error("entry {index} cannot be checked: the salts of spool file {file} are {what}")]
    Salts {
        /// First entry of the file.
        index: u64,
        /// Which spool file.
        file: u64,
        /// Missing or damaged.
        what: &'static str,
    },
    /// The entries are as signed, but a file of the tree is not.
    #[error("the entries are as they were signed, but `{path}` of the tree is missing or altered")]
    Tile {
        /// Which file.
        path: String,
    },
}
