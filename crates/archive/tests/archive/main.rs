//! Archives written, read, broken and checked.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod faults;
mod interop;
mod ledger;
mod made;
mod old_archive;
mod reading;
mod roundtrip;
#[cfg(feature = "query")]
mod sql;
mod tamper;
