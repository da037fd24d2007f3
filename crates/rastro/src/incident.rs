//! One investigation: who was shown whom, who reported misuse, and what follows from both.

mod book;
mod case;
mod database;
mod from_ledger;
mod from_logs;
mod kind;
mod movement;
mod page;
mod progress;
mod reports;
mod verdict;

use rastro_intake::FieldNames;
use rastro_model::{Principal, SubjectKey, Timestamp};
use rastro_trace::History;

pub(crate) use book::{Book, BookEntry, forget_subject};
pub(crate) use case::{Case, Source};
pub(crate) use database::{Guarded, cohort_counts};
pub(crate) use from_ledger::{imported_caveat, keys_of};
pub(crate) use from_logs::{LogSources, Read, bad_lines, stream_logs, told};
pub(crate) use kind::kind_of;
pub(crate) use movement::Step;
pub(crate) use page::page;
pub(crate) use progress::Progress;
pub(crate) use reports::{settle_reports, subject_key};
pub(crate) use verdict::{percent, told_apart, verdict};

/// Accesses to victims kept in full.
const NOTED_MAX: usize = 100_000;

/// Who was shown whom, from a ledger or from logs.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// For the trace.
    pub(crate) history: History,
    /// Names of the bits in its field sets.
    pub(crate) fields: FieldNames,
    /// What victims' data was shown, in full, by time.
    pub(crate) noted: Vec<Shown>,
    /// Disclosures read.
    pub(crate) disclosures: u64,
    /// The first of them.
    pub(crate) first: Option<Timestamp>,
    /// The last of them.
    pub(crate) last: Option<Timestamp>,
    /// What the reading itself has to say.
    pub(crate) caveats: Vec<String>,
}

/// One disclosure of a victim.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) time: Timestamp,
    pub(crate) principal: Principal,
    pub(crate) subject: SubjectKey,
    pub(crate) fields: Vec<String>,
    /// Login and client's address, where the ledger knows them.
    pub(crate) session: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) statement: Option<String>,
}

impl Record {
    fn note_time(&mut self, time: Timestamp) {
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.last = Some(self.last.map_or(time, |last| last.max(time)));
    }
}
