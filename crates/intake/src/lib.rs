//! Reads what people bring on the first day of an incident: access logs, reasons, victims.
//!
//! [`AccessReader`] reads CSV on all cores and gives accesses in batches; names become small numbers on the
//! way ([`Names`]). Files are untrusted: every record and name is bounded, and a line that cannot be used is
//! reported with its number and cause, never with its values.

mod access;
mod blocks;
mod cells;
mod error;
mod header;
mod names;
#[cfg(feature = "parquet")]
mod parquet;
mod pgaudit;
mod reasons;
mod source;
mod table;
mod time;
mod victims;

pub use access::{
    ACCESS_COLUMNS, Access, AccessBatch, AccessFormat, AccessReader, AccessTally, Names, Noted, TextNumber,
};
pub use error::{BadLine, IntakeError};
pub use header::ColumnMap;
pub use names::{FieldNames, Interner, NotedSubjects};
pub use pgaudit::{AuditTally, SubjectTable, is_csvlog};
pub use reasons::Reasons;
pub use source::file_bytes;
pub use table::{BadLines, TableFormat, Tally};
pub use time::TimeFormat;
pub use victims::{Report, VictimName, read_victims, split_fields};
