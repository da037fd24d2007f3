//! The words of Rastro as types: subjects, fields, principals, certainty, time.
//!
//! This crate does no I/O and depends on nothing of Rastro. Every other crate speaks in these types.

mod batch;
mod clock;
mod field;
mod principal;
mod subject;

pub use batch::{Shown, ShownBatch, ShownKey};
pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use field::{FieldSet, FieldSetIter, MAX_FIELDS};
pub use principal::{Login, Principal};
pub use subject::{Certainty, KindId, SubjectKey};
