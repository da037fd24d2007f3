//! The ledger's archive: sealed entries as Parquet on an object store, which any engine reads, and which answers
//! at once who saw a subject and what a principal saw.
//!
//! [`Archivist`] writes: it seals entries into segments, one a day, and merges them to months. [`Archive`]
//! reads one state of it. [`LedgerReader`] joins it with what still stands in the spool alone. [`check`] compares
//! the archive with the log, leaf by leaf. `docs/archive-format.md` describes the files.

mod archive;
mod archivist;
mod asked;
mod assemble;
mod build;
mod check;
mod clock;
mod columns;
mod error;
mod exposed;
mod kept;
mod ledger_reader;
mod manifest;
mod merge;
mod objects;
mod open;
mod packed;
mod row;
#[cfg(feature = "query")]
pub mod sql;
mod table;
mod told;
mod words;
mod write;

pub use archive::{Archive, Exposure, Query, Sighting};
pub use archivist::{Archivist, Sealed};
pub use check::{ArchiveFault, ArchiveReport, Checked, State, check};
pub use error::ArchiveError;
pub use ledger_reader::{Briefs, CohortCount, LedgerReader};
pub use manifest::{Manifest, Names, Retired, Segment, Signer, Source, TableFile};
pub use objects::{Objects, StoreError};
pub use packed::read_packed;
pub use row::{Combination, Key};
pub use table::Table;
