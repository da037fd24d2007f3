//! pgaudit's records in PostgreSQL's CSV log: statements that name their subjects by literal keys.

mod keys;
mod sql;

use std::path::Path;

use rastro_model::FieldSet;

use crate::access::{
    Access, AccessBatch, AccessReader, AccessTally, Noted, cut_note, name, note, unreadable_time,
};
use crate::cells::{Cells, Record, Step};
use crate::error::IntakeError;
use crate::header::Header;
use crate::names::shortest_integer;
use crate::source;
use crate::table::{Worker, read_records};
use crate::time::TimeReader;
use keys::{Keys, keys_in};

/// Columns of the CSV log since PostgreSQL 9.0; later versions add to the end.
const WIDTH_MIN: usize = 23;
const WIDTH_MAX: usize = 30;
const TIME: usize = 0;
const USER: usize = 1;
const MESSAGE: usize = 13;
/// Cells of pgaudit's own record.
const CLASS: usize = 3;
const STATEMENT: usize = 7;
const PARAMETER: usize = 8;

/// A table whose rows are about subjects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectTable {
    /// Its name, with its schema or without.
    pub table: String,
    /// The column that holds the key.
    pub key: String,
    /// Fields and the columns that hold them: `(field, column)`.
    pub fields: Vec<(String, String)>,
}

/// What was read from a log of pgaudit, beside the accesses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuditTally {
    /// Statements that read a table of subjects.
    pub statements: u64,
    /// Of those, statements that do not say by literal keys of whom: their subjects are not known.
    pub without_keys: u64,
}

/// Returns whether a file is PostgreSQL's CSV log: no header, a time first, and as many columns as it has.
///
/// # Errors
/// The file cannot be opened.
pub fn is_csvlog(path: &Path) -> Result<bool, IntakeError> {
    let source = source::open(path, &[])?;
    let mut cells = Cells::default();
    if source.delimiter.is_some() || !matches!(cells.next(&source.head, b','), Step::Record(..)) {
        return Ok(false);
    }
    let record = cells.record(&source.head);
    let starts_with_date =
        record.get(TIME).iter().take(4).all(u8::is_ascii_digit) && record.get(TIME).len() > 18;
    Ok((WIDTH_MIN..=WIDTH_MAX).contains(&record.len()) && starts_with_date)
}

impl AccessReader<'_> {
    /// Reads a CSV log with records of pgaudit; the principal is the role, the statement is kept for accesses
    /// that are noted. Records of another kind are passed over.
    ///
    /// # Errors
    /// As [`AccessReader::read`].
    pub fn read_pgaudit(
        &self,
        path: &Path,
        tables: &[SubjectTable],
        sink: impl FnMut(AccessBatch, u64),
    ) -> Result<(AccessTally, AuditTally), IntakeError> {
        let source = source::open(path, &[])?;
        let mut cells = Cells::default();
        let width = match cells.next(&source.head, b',') {
            Step::Record(..) => cells.record(&source.head).len(),
            _ => 0,
        };
        let header =
            Header { delimiter: b',', width, positions: Vec::new(), taken: 0, lines: 0, text: Vec::new() };
        let mut workers: Vec<AuditWorker<'_>> = (0..self.threads.max(1))
            .map(|_| AuditWorker {
                reader: self,
                tables,
                times: TimeReader::new(&self.format.times),
                inner: Cells::default(),
                tally: AuditTally::default(),
            })
            .collect();
        let table = read_records(source, header, self.format.table.bad_lines, &mut workers, sink)?;
        let mut audit = AuditTally::default();
        for worker in &workers {
            audit.statements += worker.tally.statements;
            audit.without_keys += worker.tally.without_keys;
        }
        let assumed_utc = workers.iter().any(|worker| worker.times.assumed_utc);
        Ok((AccessTally { table, assumed_utc, has_reasons: self.reasons.is_some(), has_fields: true }, audit))
    }
}

struct AuditWorker<'a> {
    reader: &'a AccessReader<'a>,
    tables: &'a [SubjectTable],
    times: TimeReader,
    inner: Cells,
    tally: AuditTally,
}

impl Worker for AuditWorker<'_> {
    type Output = AccessBatch;

    fn record(&mut self, record: &Record<'_>, _: &Header, batch: &mut AccessBatch) -> Result<(), String> {
        let Some(audit) = record.get(MESSAGE).strip_prefix(b"AUDIT: ") else { return Ok(()) };
        let Step::Record(..) = self.inner.next(audit, b',') else {
            return Err("its record of pgaudit is malformed".to_owned());
        };
        let inner = self.inner.record(audit);
        if inner.get(CLASS) != b"READ" {
            return Ok(());
        }
        let statement = String::from_utf8_lossy(inner.get(STATEMENT));
        let parameters = parameters_of(inner.get(PARAMETER));
        let mut found: Vec<(Keys, &SubjectTable)> = Vec::new();
        for table in self.tables {
            found.extend(keys_in(&statement, &parameters, table).map(|keys| (keys, table)));
        }
        if found.is_empty() {
            return Ok(());
        }
        self.tally.statements += 1;
        if found.iter().all(|(keys, _)| keys.keys.is_empty()) {
            self.tally.without_keys += 1;
            return Ok(());
        }
        let names = self.reader.names;
        let time = record.get(TIME);
        let time = self.times.read(time).ok_or_else(|| unreadable_time(time))?;
        let principal = name(Some(record.get(USER)), "user_name")?;
        let principal = names.principals.number(principal).ok_or("too many principals")?;
        let kept =
            if self.reader.keep_texts { names.text_number(cut_note(statement.as_bytes()))? } else { None };
        for (keys, table) in found {
            let mut fields = FieldSet::EMPTY;
            for (field, column) in &table.fields {
                if keys.shows(column) {
                    fields = fields.union(names.fields.set(field.as_bytes())?);
                }
            }
            for key in &keys.keys {
                let subject = names.subjects.number(key.as_bytes()).ok_or("too many subjects")?;
                let listed = self.reader.reasons.map(|reasons| reasons.explain(principal, subject, time));
                let access = Access {
                    time,
                    principal,
                    subject,
                    fields,
                    explained: listed,
                    reason: None,
                    statement: kept,
                };
                batch.accesses.push(access);
                let noted = match shortest_integer(key.as_bytes()) {
                    Some(value) => self.reader.noted.has_integer(value),
                    None => self.reader.noted.contains(subject),
                };
                if noted {
                    let statement = Some(note(statement.as_bytes()));
                    batch.noted.push(Noted { access, reason: None, statement });
                }
            }
        }
        Ok(())
    }
}

/// Returns the parameters of a prepared statement, as pgaudit writes them with `log_parameter`.
fn parameters_of(list: &[u8]) -> Vec<String> {
    let mut cells = Cells::default();
    if list.is_empty() || list == b"<none>" || list == b"<not logged>" {
        return Vec::new();
    }
    let Step::Record(..) = cells.next(list, b',') else { return Vec::new() };
    let record = cells.record(list);
    (0..record.len()).map(|at| String::from_utf8_lossy(record.get(at)).into_owned()).collect()
}
