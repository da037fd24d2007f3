//! Access logs: who looked at whom, when, at what, and why.

use std::path::Path;

use rastro_model::{FieldSet, Timestamp};

use crate::cells::Record;
use crate::error::IntakeError;
use crate::header::{Column, Header};
use crate::names::{Cache, FieldNames, Interner, NotedSubjects, shortest_integer};
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
    /// What every access showed, for logs without a column `fields`, such as `name;email`. Without either,
    /// accesses have no fields, which stands for "not told".
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
    /// Number of its reason in [`Names::texts`], with [`AccessReader::keep_texts`]; `None` if it has none.
    pub reason: Option<TextNumber>,
    /// The same of its statement.
    pub statement: Option<TextNumber>,
}

/// Number of a text in [`Names::texts`], and one.
pub type TextNumber = std::num::NonZeroU32;

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
    /// Reasons and statements, where they are kept.
    pub texts: Interner,
}

impl Names {
    /// Returns a reason or statement.
    pub fn text(&self, number: TextNumber) -> String {
        self.texts.text(number.get() - 1)
    }

    pub(crate) fn text_number(&self, text: &[u8]) -> Result<Option<TextNumber>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        let number = self.texts.number(text).and_then(|number| number.checked_add(1));
        number.map(TextNumber::new).ok_or_else(|| "too many reasons and statements".to_owned())
    }
}

/// Reads access logs.
#[derive(Debug)]
pub struct AccessReader<'a> {
    /// How they are written.
    pub format: &'a AccessFormat,
    /// Takes the names.
    pub names: &'a Names,
    /// Accesses to these subjects are noted in full.
    pub noted: &'a NotedSubjects,
    /// Reasons from elsewhere.
    pub reasons: Option<&'a Reasons>,
    /// Whether reasons and statements are kept of every access.
    pub keep_texts: bool,
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
    /// Whether the log says what was shown, or it was said for it.
    pub has_fields: bool,
}

impl AccessReader<'_> {
    /// Reads one log; `sink` takes its accesses part by part, in any order of the parts, with the bytes of
    /// the file read so far.
    ///
    /// # Errors
    /// The file cannot be used, or, unless bad lines are skipped, its first malformed line.
    pub fn read(&self, path: &Path, sink: impl FnMut(AccessBatch, u64)) -> Result<AccessTally, IntakeError> {
        let shown = match &self.format.shown_fields {
            Some(list) => Some(self.field_set(path, list)?),
            None => None,
        };
        let columns = [
            Column { name: "time", required: true },
            Column { name: "principal", required: true },
            Column { name: "subject", required: true },
            Column { name: "fields", required: false },
            Column { name: "reason", required: false },
            Column { name: "statement", required: false },
        ];
        let source = source::open(path, &self.format.table.columns.headers(&columns))?;
        let mut workers: Vec<AccessWorker<'_>> = (0..self.threads.max(1))
            .map(|_| AccessWorker {
                reader: self,
                shown,
                times: TimeReader::new(&self.format.times),
                principals: Cache::new(),
                fields: Cache::new(),
                has_reasons: self.reasons.is_some(),
                texts: Cache::new(),
                has_fields: shown.is_some(),
                put_off: Vec::new(),
                values: Vec::new(),
                noted: Vec::new(),
                exhausted: false,
            })
            .collect();
        let table = read_table(source, &columns, &self.format.table, &mut workers, sink)?;
        if workers.iter().any(|worker| worker.exhausted) {
            let what = "it holds too many subjects".to_owned();
            return Err(IntakeError::TooMany { path: path.to_owned(), what });
        }
        Ok(AccessTally {
            table,
            assumed_utc: workers.iter().any(|worker| worker.times.assumed_utc),
            has_reasons: workers.iter().any(|worker| worker.has_reasons),
            has_fields: workers.iter().any(|worker| worker.has_fields),
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
    texts: Cache<Option<TextNumber>>,
    has_fields: bool,
    /// Accesses whose subjects are integers, and these.
    put_off: Vec<Access>,
    values: Vec<u64>,
    /// Those of them that are noted, by position.
    noted: Vec<(usize, Noted)>,
    /// Numbers for subjects ran out.
    exhausted: bool,
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
        let integer = shortest_integer(subject);
        // Integers get their number at the end of the block, all together; see `number_integers`.
        let number = match integer {
            Some(_) => 0,
            None => names.subjects.number(subject).ok_or("too many subjects")?,
        };
        let fields = match cell(3) {
            Some(list) => {
                self.has_fields = true;
                self.fields.get(list, || names.fields.set(list))?
            }
            None => self.shown.unwrap_or_default(),
        };
        let reason = cell(REASON).map(<[u8]>::trim_ascii);
        self.has_reasons |= reason.is_some();
        let given = reason.map(|text| !text.is_empty());
        let mut kept = |text: Option<&[u8]>| match text.map(cut_note) {
            Some(text) if self.reader.keep_texts && !text.is_empty() => {
                self.texts.get(text, || names.text_number(text))
            }
            _ => Ok(None),
        };
        let (kept_reason, kept_statement) = (kept(reason)?, kept(cell(STATEMENT))?);
        let access = Access {
            time,
            principal,
            subject: number,
            fields,
            explained: given,
            reason: kept_reason,
            statement: kept_statement,
        };
        let noted = match integer {
            Some(value) => self.reader.noted.has_integer(value),
            None => self.reader.noted.contains(number),
        };
        let noted = noted.then(|| {
            let text = |text: Option<&[u8]>| text.map(note).filter(|text| !text.is_empty());
            Noted { access, reason: text(reason), statement: text(cell(STATEMENT)) }
        });
        match integer {
            Some(value) => {
                if let Some(noted) = noted {
                    self.noted.push((self.put_off.len(), noted));
                }
                self.put_off.push(access);
                self.values.push(value);
            }
            None => self.keep(access, noted, batch),
        }
        Ok(())
    }

    fn end_block(&mut self, batch: &mut AccessBatch) {
        let values = std::mem::take(&mut self.values);
        let mut put_off = std::mem::take(&mut self.put_off);
        batch.accesses.reserve(put_off.len());
        let numbered = self.reader.names.subjects.number_integers(&values, |position, number| {
            if let Some(access) = put_off.get_mut(position) {
                access.subject = number;
                self.explain(access);
                batch.accesses.push(*access);
            }
        });
        self.exhausted |= numbered.is_none();
        for (position, noted) in std::mem::take(&mut self.noted) {
            if let Some(access) = put_off.get(position) {
                batch.noted.push(Noted { access: *access, ..noted });
            }
        }
        put_off.clear();
        (self.values, self.put_off) = (values, put_off);
        self.values.clear();
    }
}

impl AccessWorker<'_> {
    fn keep(&self, mut access: Access, noted: Option<Noted>, batch: &mut AccessBatch) {
        self.explain(&mut access);
        batch.accesses.push(access);
        batch.noted.extend(noted.map(|noted| Noted { access, ..noted }));
    }

    /// Adds what the list of reasons says.
    fn explain(&self, access: &mut Access) {
        if let Some(reasons) = self.reader.reasons {
            let listed = reasons.explain(access.principal, access.subject, access.time);
            access.explained = Some(access.explained.unwrap_or(false) || listed);
        }
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

/// Returns the beginning of a text, for people to read.
pub(crate) fn note(text: &[u8]) -> String {
    String::from_utf8_lossy(cut_note(text)).into_owned()
}

pub(crate) fn cut_note(text: &[u8]) -> &[u8] {
    text.get(..text.len().min(NOTE_BYTES_MAX)).unwrap_or_default().trim_ascii()
}
