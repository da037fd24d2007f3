//! COPY … TO STDOUT: its data, read as the rows that a SELECT would have given.

use memchr::{memchr, memchr2};

use crate::row_description::ColumnDescription;
use crate::row_plan::next_cell;

#[cfg(test)]
mod tests;

/// What a COPY … TO STDOUT sends: where its columns come from, and how its rows are written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CopyRows {
    /// As a RowDescription of the same rows would name them, in text format.
    pub columns: Vec<ColumnDescription>,
    /// How they are written.
    pub format: CopyFormat,
}

/// The options of a COPY that decide how its rows are written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CopyFormat {
    /// Text, CSV or binary.
    pub kind: CopyKind,
    /// Between two values.
    pub delimiter: u8,
    /// What stands for NULL.
    pub null: Box<[u8]>,
    /// CSV: around a value.
    pub quote: u8,
    /// CSV: before a quote within a value.
    pub escape: u8,
    /// The first line names the columns.
    pub header: bool,
}

/// The three formats of COPY.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CopyKind {
    /// `FORMAT text`.
    Text,
    /// `FORMAT csv`.
    Csv,
    /// `FORMAT binary`.
    Binary,
}

impl CopyFormat {
    /// Returns the format that a kind has without further options.
    pub fn plain(kind: CopyKind) -> CopyFormat {
        let (delimiter, null): (u8, &[u8]) = match kind {
            CopyKind::Csv => (b',', b""),
            CopyKind::Text | CopyKind::Binary => (b'\t', b"\\N"),
        };
        CopyFormat { kind, delimiter, null: null.into(), quote: b'"', escape: b'"', header: false }
    }
}

/// What one CopyData message holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CopyData<'d> {
    /// One row, as the payload of a DataRow.
    Row(&'d [u8]),
    /// A header or a trailer.
    Nothing,
    /// No row of the columns that were announced.
    Unreadable,
}

/// Reads the data of one COPY, a CopyData message at a time: PostgreSQL sends a row in each. Keeps its memory
/// from row to row.
#[derive(Debug)]
pub struct CopyReader {
    format: CopyFormat,
    columns: u16,
    begun: bool,
    row: Vec<u8>,
}

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
const TRAILER: &[u8] = b"\xff\xff";

impl CopyReader {
    /// Begins to read rows of so many columns.
    pub fn new(format: CopyFormat, columns: u16) -> CopyReader {
        CopyReader { format, columns, begun: false, row: Vec::new() }
    }

    /// Reads one message.
    #[inline]
    pub fn read<'d>(&'d mut self, data: &'d [u8]) -> CopyData<'d> {
        let first = !std::mem::replace(&mut self.begun, true);
        if self.format.kind == CopyKind::Binary {
            return self.binary(data, first);
        }
        if first && self.format.header {
            return CopyData::Nothing;
        }
        self.row.clear();
        self.row.extend_from_slice(&self.columns.to_be_bytes());
        let Some(line) = data.strip_suffix(b"\n") else { return CopyData::Unreadable };
        let columns = match self.format.kind {
            _ if self.columns == 0 && line.is_empty() => Some(0),
            CopyKind::Csv => self.csv(line),
            CopyKind::Text | CopyKind::Binary => self.text(line),
        };
        if columns == Some(self.columns) { CopyData::Row(&self.row) } else { CopyData::Unreadable }
    }

    fn binary<'d>(&self, data: &'d [u8], first: bool) -> CopyData<'d> {
        let tuple = if first { after_header(data) } else { Some(data) };
        match tuple {
            None => CopyData::Unreadable,
            Some([]) => CopyData::Nothing,
            Some(tuple) if tuple == TRAILER => CopyData::Nothing,
            Some(tuple) if is_row(tuple, self.columns) => CopyData::Row(tuple),
            Some(_) => CopyData::Unreadable,
        }
    }

    // Returns the number of columns; `None` if it is no line of the format.
    fn text(&mut self, line: &[u8]) -> Option<u16> {
        if memchr(b'\n', line).is_some() {
            return None;
        }
        let (mut rest, mut columns, mut more) = (line, 0u16, true);
        while more {
            let (head, field) = (self.begin_cell(), rest);
            let length = loop {
                let passed = field.len() - rest.len();
                match memchr2(self.format.delimiter, b'\\', rest) {
                    None => {
                        self.row.extend_from_slice(rest);
                        more = false;
                        break field.len();
                    }
                    Some(at) => {
                        let (before, after) = rest.split_at_checked(at)?;
                        self.row.extend_from_slice(before);
                        if after.first() != Some(&b'\\') {
                            rest = after.get(1..)?;
                            break passed + at;
                        }
                        self.row.push(unescaped(*after.get(1)?));
                        rest = after.get(2..)?;
                    }
                }
            };
            self.end_cell(head, field.get(..length) == Some(&*self.format.null))?;
            columns = columns.checked_add(1)?;
        }
        Some(columns)
    }

    fn csv(&mut self, line: &[u8]) -> Option<u16> {
        let (delimiter, quote) = (self.format.delimiter, self.format.quote);
        let (mut rest, mut columns, mut more) = (line, 0u16, true);
        while more {
            let head = self.begin_cell();
            let mut null = false;
            let end = if rest.first() == Some(&quote) {
                rest = self.quoted(rest.get(1..)?)?;
                0
            } else {
                let end = memchr(delimiter, rest).unwrap_or(rest.len());
                let value = rest.get(..end)?;
                if memchr2(b'\n', quote, value).is_some() {
                    return None;
                }
                null = *value == *self.format.null;
                self.row.extend_from_slice(value);
                end
            };
            self.end_cell(head, null)?;
            columns = columns.checked_add(1)?;
            match rest.get(end) {
                None => more = false,
                Some(byte) if *byte == delimiter => rest = rest.get(end + 1..)?,
                Some(_) => return None,
            }
        }
        Some(columns)
    }

    // Reads up to the closing quote and returns what follows it.
    fn quoted<'l>(&mut self, mut rest: &'l [u8]) -> Option<&'l [u8]> {
        let (quote, escape) = (self.format.quote, self.format.escape);
        loop {
            let at = memchr2(quote, escape, rest)?;
            let (before, after) = rest.split_at_checked(at)?;
            self.row.extend_from_slice(before);
            let byte = *after.first()?;
            match after.get(1) {
                Some(next) if byte == escape && (*next == quote || *next == escape) => {
                    self.row.push(*next);
                    rest = after.get(2..)?;
                }
                _ if byte == quote => return after.get(1..),
                _ => {
                    self.row.push(byte);
                    rest = after.get(1..)?;
                }
            }
        }
    }

    fn begin_cell(&mut self) -> usize {
        let head = self.row.len();
        self.row.extend_from_slice(&[0; 4]);
        head
    }

    fn end_cell(&mut self, head: usize, null: bool) -> Option<()> {
        let start = head + 4;
        let length = if null {
            self.row.truncate(start);
            -1
        } else {
            i32::try_from(self.row.len() - start).ok()?
        };
        self.row.get_mut(head..start)?.copy_from_slice(&length.to_be_bytes());
        Some(())
    }
}

fn unescaped(byte: u8) -> u8 {
    match byte {
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        byte => byte,
    }
}

// Signature, flags, and an extension with its length before it.
fn after_header(data: &[u8]) -> Option<&[u8]> {
    let (_, rest) = data.strip_prefix(SIGNATURE)?.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    rest.get(usize::try_from(u32::from_be_bytes(*length)).ok()?..)
}

// One tuple and nothing behind it.
fn is_row(tuple: &[u8], columns: u16) -> bool {
    let Some((count, mut rest)) = tuple.split_first_chunk::<2>() else { return false };
    for _ in 0..columns {
        let Some((_, after)) = next_cell(rest) else { return false };
        rest = after;
    }
    u16::from_be_bytes(*count) == columns && rest.is_empty()
}
