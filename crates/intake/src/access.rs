//! Access logs: who looked at whom, when, at what, and why.

use std::path::Path;

use rastro_model::{FieldSet, Timestamp};

use crate::cells::Record;
use crate::error::IntakeError;
use crate::header::{Column, Header};
use crate::names::{Cache, FieldNames, Interner, NumberSet};
use crate::reasons::Reasons;
use crate::source;
use crate::table::{TableFormat, Tally, Worker, read_table};
use crate::time::{TimeFormat, TimeReader};

/// Names of an access log's columns, as `--map` takes them.
pub const ACCESS_COLUMNS: [&str; 6] = ["time", "principal", "subject", "fields", "reason", "statement"];

const REASON: usize = 4;
const STATEMENT: usize = 5;
/// Longest name or key; longer ones are no names.
const NAME_BYTES_MAX: usize = 4 << 10;
/// Bytes kept of the reason and of the statement of a noted access.
const NOTE_BYTES_MAX: usize = 2 << 10;

/// How an access log is written.
#[derive(Clone, Debug, Default)]
pub struct AccessFormat {
    /// Its table.
    pub table: TableFormat,
    /// Its times.
    pub times: TimeFormat,
    /// What every access showed, for logs without a column `fields`, such as `name;email`.
    pub shown_fields: Option<String>,
}

/// One access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access {
    /// When.
    pub time: Timestamp,
    /// Number of the principal in [`Names::principals`].
    pub principal: u32,
    /// Number of the subject in [`Names::subjects`].
    pub subject: u32,
    /// What was shown: bits of [`Names::fields`].
    pub fields: FieldSet,
    /// Whether a reason explains it; `None` if the log says nothing of reasons.
    pub explained: Option<bool>,
}

/// An access to a subject that was asked for, with all that the log says of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Noted {
    /// The access.
    pub access: Access,
    /// Its reason.
    pub reason: Option<String>,
    /// Its statement.
    pub statement: Option<String>,
}

/// Accesses of one part of a log, in its order.
#[derive(Debug, Default)]
pub struct AccessBatch {
    /// All of them.
    pub accesses: Vec<Access>,
    /// Those to subjects in [`AccessReader::noted`], once more.
    pub noted: Vec<Noted>,
}

/// What names in a log stand for; shared by all files of one question.
#[derive(Debug, Default)]
pub struct Names {
    /// Principals.
    pub principals: Interner,
    /// Subjects, by key.
    pub subjects: Interner,
    /// Fields.
    pub fields: FieldNames,
}

/// Reads access logs.
#[derive(Debug)]
pub struct AccessReader<'a> {
    /// How they are written.
    pub format: &'a AccessFormat,
    /// Takes the names.
    pub names: &'a Names,
    /// Accesses to these subjects are noted in full.
    pub noted: &'a NumberSet,
    /// Reasons from elsewhere.
    pub reasons: Option<&'a Reasons>,
    /// Threads at work.
    pub threads: usize,
}

/// What was read from one log.
#[derive(Clone, Debug, Default)]
pub struct AccessTally {
    /// Records and bad lines.
    pub table: Tally,
    /// Whether times without an offset were taken for UTC for want of a zone.
    pub assumed_utc: bool,
    /// Whether the log, or a list of reasons, says which accesses are explained.
    pub has_reasons: bool,
}

impl AccessReader<'_> {
    /// Reads one log; `sink` takes its accesses part by part, in any order of the parts, with the bytes of
    /// the file read so far.
    ///
    /// # Errors
    /// The file cannot be used, or, unless bad lines are skipped, its first malformed line.
    pub fn read(&self, path: &Path, sink: impl FnMut(AccessBatch, u64)) -> Result<AccessTally, IntakeError> {
        let source = source::open(path)?;
        let shown = match &self.format.shown_fields {
            Some(list) => Some(self.field_set(path, list)?),
            None => None,
        };
        let columns = [
            Column { name: "time", required: true },
            Column { name: "principal", required: true },
            Column { name: "subject", required: true },
            Column { name: "fields", required: shown.is_none() },
            Column { name: "reason", required: false },
            Column { name: "statement", required: false },
        ];
        let mut workers: Vec<AccessWorker<'_>> = (0..self.threads.max(1))
            .map(|_| AccessWorker {
                reader: self,
                shown,
                times: TimeReader::new(&self.format.times),
                principals: Cache::new(),
                fields: Cache::new(),
                has_reasons: self.reasons.is_some(),
            })
            .collect();
        let table = read_table(source, &columns, &self.format.table, &mut workers, sink)?;
        Ok(AccessTally {
            table,
            assumed_utc: workers.iter().any(|worker| worker.times.assumed_utc),
            has_reasons: workers.iter().any(|worker| worker.has_reasons),
        })
    }

    fn field_set(&self, path: &Path, list: &str) -> Result<FieldSet, IntakeError> {
        let failed = |what| IntakeError::TooMany { path: path.to_owned(), what };
        self.names.fields.set(list.as_bytes()).map_err(failed)
    }
}

struct AccessWorker<'a> {
    reader: &'a AccessReader<'a>,
    shown: Option<FieldSet>,
    times: TimeReader,
    principals: Cache<u32>,
    fields: Cache<FieldSet>,
    has_reasons: bool,
}

impl Worker for AccessWorker<'_> {
    type Output = AccessBatch;

    fn record(
        &mut self,
        record: &Record<'_>,
        header: &Header,
        batch: &mut AccessBatch,
    ) -> Result<(), String> {
        let cell = |column: usize| {
            header.positions.get(column).copied().flatten().map(|position| record.get(position))
        };
        let names = self.reader.names;
        let time = cell(0).unwrap_or_default();
        let time = self.times.read(time).ok_or_else(|| unreadable_time(time))?;
        let principal = self.principals.get(name(cell(1), "principal")?, || {
            let text = name(cell(1), "principal")?;
            names.principals.number(text).ok_or_else(|| "too many principals".to_owned())
        })?;
        let subject = name(cell(2), "subject")?;
        let subject = names.subjects.number(subject).ok_or_else(|| "too many subjects".to_owned())?;
        let fields = match cell(3) {
            Some(list) => self.fields.get(list, || names.fields.set(list))?,
            None => self.shown.unwrap_or_default(),
        };
        let reason = cell(REASON).map(<[u8]>::trim_ascii);
        self.has_reasons |= reason.is_some();
        let listed = self.reader.reasons.map(|reasons| reasons.explain(principal, subject, time));
        let explained = match (reason, listed) {
            (None, None) => None,
            (reason, listed) => Some(reason.is_some_and(|text| !text.is_empty()) || listed.unwrap_or(false)),
        };
        let access = Access { time, principal, subject, fields, explained };
        if self.reader.noted.contains(subject) {
            let text = |text: Option<&[u8]>| text.map(note).filter(|text| !text.is_empty());
            batch.noted.push(Noted { access, reason: text(reason), statement: text(cell(STATEMENT)) });
        }
        batch.accesses.push(access);
        Ok(())
    }
}

/// Checks a name or key.
///
/// # Errors
/// It is empty, too long, or not UTF-8.
pub(crate) fn name<'a>(cell: Option<&'a [u8]>, column: &str) -> Result<&'a [u8], String> {
    let text = cell.unwrap_or_default().trim_ascii();
    if text.is_empty() {
        return Err(format!("`{column}` is empty"));
    }
    if text.len() > NAME_BYTES_MAX {
        return Err(format!("`{column}` is longer than {NAME_BYTES_MAX} bytes"));
    }
    if !text.is_ascii() && std::str::from_utf8(text).is_err() {
        return Err(format!("`{column}` is not UTF-8"));
    }
    Ok(text)
}

/// A time is no personal value and tells what is wrong, if it looks like one at all.
pub(crate) fn unreadable_time(text: &[u8]) -> String {
    let plain = text.len() <= 40
        && text.iter().any(u8::is_ascii_digit)
        && text.iter().all(|b| b.is_ascii_digit() || b" -:./+,TZAPMapm".contains(b));
    match std::str::from_utf8(text) {
        Ok("") => "`time` is empty".to_owned(),
        Ok(shown) if plain => format!("`{shown}` is not a time (see --time-format)"),
        _ => "`time` is not a time (see --time-format)".to_owned(),
    }
}

fn note(text: &[u8]) -> String {
    let cut = text.get(..text.len().min(NOTE_BYTES_MAX)).unwrap_or_default();
    String::from_utf8_lossy(cut.trim_ascii()).into_owned()
}
