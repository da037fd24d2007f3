//! The header of a CSV file: its delimiter, and which column holds what.

use std::path::Path;

use crate::cells::{Cells, Step};
use crate::error::IntakeError;

const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Characters of a foreign header repeated in a message.
const SHOWN_CHARS_MAX: usize = 200;

/// A column that a kind of file has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) required: bool,
}

/// Other names for columns: `(name, header)`.
#[derive(Clone, Debug, Default)]
pub struct ColumnMap(Vec<(String, String)>);

impl ColumnMap {
    /// Reads `name=header,name=header`.
    ///
    /// # Errors
    /// A part is not of that form, or names a column twice; the text says which.
    pub fn parse(text: &str, known: &[&str]) -> Result<ColumnMap, String> {
        let mut map = ColumnMap::default();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            let (name, header) =
                part.split_once('=').ok_or_else(|| format!("`{part}` is not NAME=HEADER"))?;
            let (name, header) = (name.trim(), header.trim());
            if !known.contains(&name) {
                return Err(format!("`{name}` is not one of {}", known.join(", ")));
            }
            if header.is_empty() || map.header_of(name).is_some() {
                return Err(format!("`{name}` needs exactly one header"));
            }
            map.0.push((name.to_owned(), header.to_owned()));
        }
        Ok(map)
    }

    /// Returns the headers under which these columns are found.
    pub(crate) fn headers<'a>(&'a self, columns: &'a [Column]) -> Vec<&'a str> {
        columns.iter().map(|column| self.header_of(column.name).unwrap_or(column.name)).collect()
    }

    fn header_of(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, header)| header.as_str())
    }
}

/// What the header of a file says.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) delimiter: u8,
    /// Columns of the file.
    pub(crate) width: usize,
    /// Position of each wanted column, in the order asked for.
    pub(crate) positions: Vec<Option<usize>>,
    /// Bytes of the file up to the first record, and lines.
    pub(crate) taken: usize,
    pub(crate) lines: u64,
    /// The header itself, for files that repeat it.
    pub(crate) text: Vec<u8>,
}

/// Reads the header at the beginning of `head`.
///
/// # Errors
/// A required column is missing, or a wanted one is there twice.
pub(crate) fn read_header(
    path: &Path,
    head: &[u8],
    columns: &[Column],
    map: &ColumnMap,
    delimiter: Option<u8>,
) -> Result<Header, IntakeError> {
    let wrong = |what: String| IntakeError::Columns { path: path.to_owned(), what };
    let blank = head.iter().take_while(|byte| byte.is_ascii_whitespace() && **byte != b'\t').count();
    let begins =
        memchr::memrchr(b'\n', head.get(..blank).unwrap_or_default()).map_or(0, |newline| newline + 1);
    let rest = head.get(begins..).unwrap_or_default();
    let tried = delimiter.map_or_else(|| DELIMITERS.to_vec(), |given| vec![given]);
    let mut best: Option<Result<Header, String>> = None;
    let mut most = 0;
    for delimiter in tried {
        let mut cells = Cells::default();
        let Step::Record(taken, newlines) = cells.next(rest, delimiter) else { continue };
        let record = cells.record(rest);
        let names: Vec<String> =
            (0..record.len()).map(|i| String::from_utf8_lossy(record.get(i)).trim().to_owned()).collect();
        let lines =
            memchr::memchr_iter(b'\n', head.get(..begins).unwrap_or_default()).count() as u64 + newlines;
        let text = rest.get(..taken).unwrap_or_default().trim_ascii_end().to_vec();
        let found = positions(&names, columns, map).map(|positions| Header {
            delimiter,
            width: names.len(),
            positions,
            taken: begins + taken,
            lines,
            text,
        });
        // The delimiter under which all columns are there; else the one that divides the header most.
        let done = found.as_ref().is_ok_and(|header| header.positions.iter().any(Option::is_some));
        if done || names.len() > most || best.is_none() {
            most = names.len();
            best = Some(found);
            if done {
                break;
            }
        }
    }
    match best {
        Some(found) => found.map_err(wrong),
        None => Err(wrong("its first line is no CSV header".to_owned())),
    }
}

fn positions(names: &[String], columns: &[Column], map: &ColumnMap) -> Result<Vec<Option<usize>>, String> {
    columns
        .iter()
        .map(|column| {
            let header = map.header_of(column.name).unwrap_or(column.name);
            let exact = |name: &&String| name.as_str() == header;
            let alike = |name: &&String| name.eq_ignore_ascii_case(header);
            let count = match names.iter().filter(exact).count() {
                0 => names.iter().filter(alike).count(),
                count => count,
            };
            if count > 1 {
                return Err(format!("its header has the column `{header}` {count} times"));
            }
            let position = names
                .iter()
                .position(|name| exact(&name))
                .or_else(|| names.iter().position(|name| alike(&name)));
            let needed = column.required || map.header_of(column.name).is_some();
            if position.is_none() && needed {
                return Err(missing(column.name, header, names));
            }
            Ok(position)
        })
        .collect()
}

fn missing(name: &str, header: &str, names: &[String]) -> String {
    let all: String = names.join(",").chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    let mut shown: String = all.chars().take(SHOWN_CHARS_MAX).collect();
    if shown.len() < all.len() {
        shown.push('…');
    }
    format!("it has no column `{header}`; its header is `{shown}` (name the column with --map {name}=HEADER)")
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [
        Column { name: "time", required: true },
        Column { name: "subject", required: true },
        Column { name: "reason", required: false },
    ];

    fn read(head: &str, map: &str) -> Result<(u8, Vec<Option<usize>>), String> {
        let map = ColumnMap::parse(map, &["time", "subject", "reason"]).unwrap();
        read_header(Path::new("x.csv"), head.as_bytes(), &COLUMNS, &map, None)
            .map(|header| (header.delimiter, header.positions))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn header_gives_delimiter_and_positions() {
        for (head, map, expected) in [
            ("time,subject,reason\n", "", (b',', vec![Some(0), Some(1), Some(2)])),
            ("\n\nsubject;time\r\n", "", (b';', vec![Some(1), Some(0), None])),
            ("\"Time\"\tx,y\tSUBJECT\n", "", (b'\t', vec![Some(0), Some(2), None])),
            ("ts|who|cust", "time=ts,subject=cust", (b'|', vec![Some(0), Some(2), None])),
            ("time,Subject,subject\n", "", (b',', vec![Some(0), Some(2), None])),
        ] {
            assert_eq!(read(head, map), Ok(expected), "{head:?}");
        }
    }

    #[test]
    fn unusable_header_says_which_column() {
        for (head, map, expected) in [
            ("time,subj\n", "", "no column `subject`; its header is `time,subj`"),
            ("time,subject,time\n", "", "the column `time` 2 times"),
            ("time,subject\n", "reason=why", "no column `why`"),
            ("1,2,3\n", "", "no column `time`"),
        ] {
            let error = read(head, map).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn map_of_another_form_is_refused() {
        for text in ["time", "when=x", "time=", "time=a,time=b"] {
            assert!(ColumnMap::parse(text, &["time"]).is_err(), "{text}");
        }
    }
}
