//! Victims: who reported misuse, when, and what the caller knew.

use std::path::Path;

use rastro_model::Timestamp;

use crate::cells::{Cells, Record, Step};
use crate::error::IntakeError;
use crate::header::{Column, Header, read_header};
use crate::source;
use crate::table::{BadLines, TableFormat, Tally};
use crate::time::{TimeFormat, TimeReader};

/// A list of victims is written by people; a longer file is something else.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// How a report names its subject.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum VictimName {
    /// By key.
    Subject(String),
    /// By the value of a field, such as `email`.
    Field {
        /// Which field.
        field: &'static str,
        /// Its value. Personal: not for messages.
        value: String,
    },
}

/// One report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// Line in its file.
    pub line: u64,
    /// Whose data was misused.
    pub name: VictimName,
    /// When it was reported.
    pub reported_at: Option<Timestamp>,
    /// What the caller knew, as names of fields.
    pub fields: Vec<String>,
    /// From when to when the values that the caller knew were current.
    pub current: Option<(Option<Timestamp>, Option<Timestamp>)>,
}

const NAMING: [&str; 4] = ["subject", "email", "phone", "ticket"];

/// Reads a list of victims: `subject` or `email`, `phone`, `ticket`; `reported_at`, `fields`, `current_from` and
/// `current_until` if there.
///
/// # Errors
/// The file cannot be used, or, unless bad lines are skipped, its first malformed line.
pub fn read_victims(
    path: &Path,
    format: &TableFormat,
    times: &TimeFormat,
) -> Result<(Vec<Report>, Tally), IntakeError> {
    let columns: Vec<Column> = NAMING
        .iter()
        .chain(&["reported_at", "fields", "current_from", "current_until"])
        .map(|name| Column { name, required: false })
        .collect();
    let mut source = source::open(path, &format.columns.headers(&columns))?;
    let mut text = std::mem::take(&mut source.head);
    let failed = |source| IntakeError::Read { path: path.to_owned(), source };
    std::io::Read::read_to_end(&mut std::io::Read::take(&mut source.reader, FILE_BYTES_MAX), &mut text)
        .map_err(failed)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        let found = "it is larger than 64 MiB".to_owned();
        return Err(IntakeError::Kind { path: path.to_owned(), expected: "a list of victims", found });
    }
    let header = read_header(path, &text, &columns, &format.columns, source.delimiter.or(format.delimiter))?;
    if !header.positions.iter().take(NAMING.len()).any(Option::is_some) {
        let what =
            "it names no victims: it needs a column `subject`, `email`, `phone` or `ticket`".to_owned();
        return Err(IntakeError::Columns { path: path.to_owned(), what });
    }
    let mut reports = Vec::new();
    let mut tally = Tally::default();
    let mut times = TimeReader::new(times);
    let (mut cells, mut line, mut at) = (Cells::default(), header.lines + 1, header.taken);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        at += match cells.next(rest, header.delimiter) {
            Step::Blank(taken) => {
                line += 1;
                taken
            }
            Step::Malformed(taken, newlines, why) => {
                tally.note_bad(line, why);
                line += newlines;
                taken
            }
            Step::Record(taken, newlines) => {
                match read_report(&cells.record(rest), &header, &mut times, line) {
                    Ok(report) => {
                        tally.records += 1;
                        reports.push(report);
                    }
                    Err(why) => tally.note_bad(line, why),
                }
                line += newlines;
                taken
            }
        };
    }
    if format.bad_lines == BadLines::Refuse {
        tally.refuse(path)?;
    }
    Ok((reports, tally))
}

fn read_report(
    record: &Record<'_>,
    header: &Header,
    times: &mut TimeReader,
    line: u64,
) -> Result<Report, String> {
    if record.len() > header.width {
        return Err(format!("it has {} columns, the header {}", record.len(), header.width));
    }
    let cell = |column: usize| {
        let position = header.positions.get(column).copied().flatten()?;
        Some(record.get(position).trim_ascii()).filter(|text| !text.is_empty())
    };
    let text = |bytes: &[u8], what: &str| {
        String::from_utf8(bytes.to_vec()).map_err(|_| format!("`{what}` is not UTF-8"))
    };
    let named = NAMING.iter().enumerate().find_map(|(column, name)| cell(column).map(|bytes| (*name, bytes)));
    let name = match named {
        None => return Err("it names no victim".to_owned()),
        Some(("subject", bytes)) => VictimName::Subject(text(bytes, "subject")?),
        Some((field, bytes)) => VictimName::Field { field, value: text(bytes, field)? },
    };
    let mut time = |column: usize, name: &str| match cell(column) {
        None => Ok(None),
        Some(bytes) => {
            let unreadable = || crate::access::unreadable_time(bytes).replace("`time`", &format!("`{name}`"));
            times.read(bytes).map(Some).ok_or_else(unreadable)
        }
    };
    let reported_at = time(NAMING.len(), "reported_at")?;
    let current_from = time(NAMING.len() + 2, "current_from")?;
    let current_until = time(NAMING.len() + 3, "current_until")?;
    let current =
        (current_from.is_some() || current_until.is_some()).then_some((current_from, current_until));
    let fields = match cell(NAMING.len() + 1) {
        None => Vec::new(),
        Some(bytes) => split_fields(&text(bytes, "fields")?),
    };
    Ok(Report { line, name, reported_at, fields, current })
}

/// Splits a list of fields such as `name;email`.
pub fn split_fields(list: &str) -> Vec<String> {
    list.split([';', ',', '|'])
        .map(|name| name.trim().to_lowercase())
        .filter(|name| !name.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(Vec<Report>, Tally), String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("victims.csv");
        std::fs::write(&path, text).unwrap();
        read_victims(&path, &TableFormat::default(), &TimeFormat::default())
            .map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
    }

    #[test]
    fn victims_are_read_by_key_or_by_a_value() {
        let text =
            "\u{feff}reported_at,subject,email,fields\r\n2026-08-01,17,,\"name;Email\"\r\n\r\n,,a@b.c,\r\n";
        let (reports, tally) = read(text).unwrap();
        assert_eq!((reports.len(), tally.records, tally.bad), (2, 2, 0));
        assert_eq!(reports[0].name, VictimName::Subject("17".into()));
        assert_eq!(reports[0].fields, ["name", "email"]);
        assert_eq!(reports[0].reported_at.unwrap().to_string(), "2026-08-01T00:00:00.000000Z");
        assert_eq!(reports[1].name, VictimName::Field { field: "email", value: "a@b.c".into() });
        assert_eq!((reports[1].line, reports[1].current), (4, None));
        let (reports, _) = read("subject,current_from,current_until\n1,2026-08-01,\n").unwrap();
        assert_eq!(reports[0].current, Some(("2026-08-01T00:00:00Z".parse().ok(), None)));
    }

    #[test]
    fn unusable_list_says_why_without_its_values() {
        for (text, expected) in [
            ("", "`victims.csv` is empty"),
            ("name,when\nx,y\n", "it names no victims"),
            ("subject,subject\n1,2\n", "the column `subject` 2 times"),
            ("subject,reported_at\n1,2026-01-01\n2,soon\n", "line 3: `reported_at` is not a time"),
            ("subject,fields\n,name\n", "line 2: it names no victim"),
            ("subject\n1,2\n", "line 2: it has 2 columns, the header 1"),
            ("\0\0\0", "binary data"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }
}
