//! The cells of records, without copying where nothing is escaped.

use memchr::memchr;

use crate::blocks::{RECORD_BYTES_MAX, quoted_end};

/// The cells of one record.
#[derive(Debug, Default)]
pub(crate) struct Cells {
    spans: Vec<Span>,
    /// Cells that were quoted, without their quotes.
    unquoted: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    end: usize,
    unquoted: bool,
}

/// A record's cells together with the bytes they lie in.
#[derive(Clone, Copy)]
pub(crate) struct Record<'a> {
    bytes: &'a [u8],
    cells: &'a Cells,
}

impl<'a> Record<'a> {
    /// Returns cell `index`; empty past the end.
    pub(crate) fn get(&self, index: usize) -> &'a [u8] {
        let Some(span) = self.cells.spans.get(index) else { return &[] };
        let from: &'a [u8] = if span.unquoted { &self.cells.unquoted } else { self.bytes };
        from.get(span.start..span.end).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.cells.spans.len()
    }
}

/// What [`Cells::next`] found at a position.
pub(crate) enum Step {
    /// A record, its length in bytes with the newline, and how many newlines it holds.
    Record(usize, u64),
    /// A line without anything in it.
    Blank(usize),
    /// A malformed record: its length up to where reading goes on, its newlines, and why.
    Malformed(usize, u64, &'static str),
}

impl Cells {
    /// Splits the record at the beginning of `bytes`, which is not empty.
    pub(crate) fn next(&mut self, bytes: &[u8], delimiter: u8) -> Step {
        self.spans.clear();
        let end = memchr(b'\n', bytes).unwrap_or(bytes.len());
        let line = bytes.get(..end).unwrap_or_default();
        let taken = bytes.len().min(end + 1);
        let newlines = (taken - end) as u64;
        if line.len() > RECORD_BYTES_MAX {
            return Step::Malformed(taken, newlines, "the line is longer than 1 MiB");
        }
        if line.trim_ascii().is_empty() {
            return Step::Blank(taken);
        }
        if memchr(b'"', line).is_some() {
            return self.split_quoted(bytes, delimiter);
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut start = 0;
        for (at, byte) in line.iter().enumerate() {
            if *byte == delimiter {
                self.spans.push(Span { start, end: at, unquoted: false });
                start = at + 1;
            }
        }
        self.spans.push(Span { start, end: line.len(), unquoted: false });
        Step::Record(taken, newlines)
    }

    /// Returns the record split last, which began at `bytes`.
    pub(crate) fn record<'a>(&'a self, bytes: &'a [u8]) -> Record<'a> {
        Record { bytes, cells: self }
    }

    fn split_quoted(&mut self, bytes: &[u8], delimiter: u8) -> Step {
        self.unquoted.clear();
        let (mut at, mut newlines) = (0, 0);
        loop {
            if bytes.get(at) == Some(&b'"') {
                let Some(end) = quoted_end(bytes, at) else {
                    let (taken, newline) = rest_of_line(bytes, at);
                    return Step::Malformed(taken, newlines + newline, "a quoted cell is not closed");
                };
                let inside = bytes.get(at + 1..end - 1).unwrap_or_default();
                newlines += memchr::memchr_iter(b'\n', inside).count() as u64;
                self.push_unquoted(inside);
                at = end;
            } else {
                let rest = bytes.get(at..).unwrap_or_default();
                let length = memchr::memchr2(delimiter, b'\n', rest).unwrap_or(rest.len());
                let cell = rest.get(..length).unwrap_or_default();
                let cell = if rest.get(length) == Some(&delimiter) {
                    cell
                } else {
                    cell.strip_suffix(b"\r").unwrap_or(cell)
                };
                self.spans.push(Span { start: at, end: at + cell.len(), unquoted: false });
                at += length;
            }
            match bytes.get(at..).unwrap_or_default() {
                [] => return Step::Record(at, newlines),
                [b'\n', ..] => return Step::Record(at + 1, newlines + 1),
                [b'\r', b'\n', ..] => return Step::Record(at + 2, newlines + 1),
                [b'\r'] => return Step::Record(at + 1, newlines),
                [byte, ..] if *byte == delimiter => at += 1,
                _ => {
                    let (taken, newline) = rest_of_line(bytes, at);
                    return Step::Malformed(
                        taken,
                        newlines + newline,
                        "text follows the end of a quoted cell",
                    );
                }
            }
            if at > RECORD_BYTES_MAX {
                let (taken, newline) = rest_of_line(bytes, at);
                return Step::Malformed(taken, newlines + newline, "the record is longer than 1 MiB");
            }
        }
    }

    fn push_unquoted(&mut self, inside: &[u8]) {
        let start = self.unquoted.len();
        let mut rest = inside;
        while let Some(quote) = memchr(b'"', rest) {
            let (before, after) = rest.split_at(quote + 1);
            self.unquoted.extend_from_slice(before);
            rest = after.get(1..).unwrap_or_default();
        }
        self.unquoted.extend_from_slice(rest);
        self.spans.push(Span { start, end: self.unquoted.len(), unquoted: true });
    }
}

/// Returns where the line that `at` is in ends, and whether a newline ends it.
fn rest_of_line(bytes: &[u8], at: usize) -> (usize, u64) {
    match memchr(b'\n', bytes.get(at..).unwrap_or_default()) {
        Some(newline) => (at + newline + 1, 1),
        None => (bytes.len(), 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a text as records joined by `|`, malformed ones as `!why`.
    fn read(text: &str) -> Vec<String> {
        let (mut cells, mut rest, mut found) = (Cells::default(), text.as_bytes(), Vec::new());
        let mut lines = 0;
        while !rest.is_empty() {
            let taken = match cells.next(rest, b',') {
                Step::Record(taken, newlines) => {
                    let record = cells.record(rest);
                    let texts = (0..record.len()).map(|i| String::from_utf8_lossy(record.get(i)));
                    found.push(texts.collect::<Vec<_>>().join("|"));
                    lines += newlines;
                    taken
                }
                Step::Blank(taken) => {
                    lines += 1;
                    taken
                }
                Step::Malformed(taken, newlines, why) => {
                    found.push(format!("!{why}"));
                    lines += newlines;
                    taken
                }
            };
            rest = &rest[taken..];
        }
        assert_eq!(lines, text.matches('\n').count() as u64, "{text:?}");
        found
    }

    #[test]
    fn records_are_split_as_rfc_4180_says() {
        for (text, expected) in [
            ("a,b,c\n", vec!["a|b|c"]),
            ("a,b\r\nc,d", vec!["a|b", "c|d"]),
            ("a,,\n", vec!["a||"]),
            ("\"a,\"\"b\"\"\",c\n", vec!["a,\"b\"|c"]),
            ("\"two\nlines\",x\ny\n", vec!["two\nlines|x", "y"]),
            ("a,\"b\"\r\nc\n", vec!["a|b", "c"]),
            ("a,O\"Brien\r\nc\n", vec!["a|O\"Brien", "c"]),
            ("\"\",\"\"\n", vec!["|"]),
            ("a\n\n \nb\n", vec!["a", "b"]),
            ("a,\"b\"x,c\nd,e\n", vec!["!text follows the end of a quoted cell", "d|e"]),
            ("a,\"b\nc,d\n", vec!["!a quoted cell is not closed", "c|d"]),
        ] {
            assert_eq!(read(text), expected, "{text:?}");
        }
    }

    #[test]
    fn huge_line_is_malformed_and_the_next_one_is_read() {
        let text = format!("{}\nb\n", "x".repeat(RECORD_BYTES_MAX + 1));
        assert_eq!(read(&text), ["!the line is longer than 1 MiB", "b"]);
    }
}
