//! Decoding of what PostgreSQL's logical decoding says of changed rows: messages of the output plugin `pgoutput`,
//! protocol version 1, values as text. Source: PostgreSQL's manual, "Logical Replication Message Formats".

/// What one message says, as far as rows that came or changed are concerned.
#[derive(Clone, Debug)]
pub enum Change<'a> {
    /// The rows that follow of a relation have these columns.
    Relation {
        /// OID of the relation.
        relation: u32,
        /// Its published columns, in the order of the rows' cells.
        columns: Columns<'a>,
    },
    /// A row was inserted, or has become another.
    Row {
        /// OID of the relation; its columns were told before.
        relation: u32,
        /// What is told of the row before.
        old: Old<'a>,
        /// The row.
        new: Cells<'a>,
    },
    /// Anything else: where a transaction begins and ends, types, rows that went.
    Other,
}

/// The row before a change.
#[derive(Clone, Debug)]
pub enum Old<'a> {
    /// Not told: the row is new, or has kept the columns that identify it.
    Untold,
    /// Only the columns that identify it are told, since they have changed.
    Key,
    /// The whole row.
    Whole(Cells<'a>),
}

/// A column of a relation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PublishedColumn<'a> {
    /// Whether it is among those that identify a row.
    pub identifies: bool,
    /// Its name, as it is written in the catalogue.
    pub name: &'a [u8],
}

/// A value in a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cell<'a> {
    /// NULL.
    Null,
    /// As before, and not sent, because it is stored out of line.
    Unchanged,
    /// Its text.
    Text(&'a [u8]),
}

/// Why a message cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The message ends too early.
    #[error("message `{kind}` of {bytes} bytes ends too early")]
    Truncated {
        /// First byte of the message.
        kind: char,
        /// Length of the message.
        bytes: usize,
    },
    /// Something stands where it cannot.
    #[error("message `{kind}` has the unknown mark `{mark}`")]
    Mark {
        /// First byte of the message.
        kind: char,
        /// What was found.
        mark: char,
    },
    /// Bytes are left after the end.
    #[error("message `{kind}` has {bytes} bytes after its end")]
    Trailing {
        /// First byte of the message.
        kind: char,
        /// How many bytes.
        bytes: usize,
    },
}

/// Decodes one message.
///
/// # Errors
/// Any deviation from the format in a message about a relation or a row that came or changed.
pub fn change(message: &[u8]) -> Result<Change<'_>, ChangeError> {
    let Some((kind, rest)) = message.split_first() else { return Ok(Change::Other) };
    let mut walk = Walk { kind: char::from(*kind), bytes: message.len(), rest };
    let change = match kind {
        b'R' => {
            let relation = walk.u32()?;
            walk.text()?;
            walk.text()?;
            walk.u8()?;
            Change::Relation { relation, columns: walk.columns()? }
        }
        b'I' | b'U' => {
            let relation = walk.u32()?;
            let mut mark = walk.u8()?;
            let mut old = Old::Untold;
            if matches!(mark, b'K' | b'O') && *kind == b'U' {
                let cells = walk.cells()?;
                old = if mark == b'O' { Old::Whole(cells) } else { Old::Key };
                mark = walk.u8()?;
            }
            if mark != b'N' {
                return Err(walk.unknown(mark));
            }
            Change::Row { relation, old, new: walk.cells()? }
        }
        _ => return Ok(Change::Other),
    };
    match walk.rest.len() {
        0 => Ok(change),
        bytes => Err(ChangeError::Trailing { kind: walk.kind, bytes }),
    }
}

/// The columns of a relation; checked.
#[derive(Clone, Debug)]
pub struct Columns<'a> {
    left: u16,
    rest: &'a [u8],
}

impl<'a> Iterator for Columns<'a> {
    type Item = PublishedColumn<'a>;

    fn next(&mut self) -> Option<PublishedColumn<'a>> {
        self.left = self.left.checked_sub(1)?;
        let mut walk = Walk { kind: 'R', bytes: 0, rest: self.rest };
        let column = walk.column().ok()?;
        self.rest = walk.rest;
        Some(column)
    }
}

/// The cells of a row; checked.
#[derive(Clone, Debug)]
pub struct Cells<'a> {
    left: u16,
    rest: &'a [u8],
}

impl<'a> Iterator for Cells<'a> {
    type Item = Cell<'a>;

    fn next(&mut self) -> Option<Cell<'a>> {
        self.left = self.left.checked_sub(1)?;
        let mut walk = Walk { kind: 'U', bytes: 0, rest: self.rest };
        let cell = walk.cell().ok()?;
        self.rest = walk.rest;
        Some(cell)
    }
}

struct Walk<'a> {
    kind: char,
    bytes: usize,
    rest: &'a [u8],
}

impl<'a> Walk<'a> {
    fn truncated(&self) -> ChangeError {
        ChangeError::Truncated { kind: self.kind, bytes: self.bytes }
    }

    fn unknown(&self, mark: u8) -> ChangeError {
        ChangeError::Mark { kind: self.kind, mark: char::from(mark) }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ChangeError> {
        let (found, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| self.truncated())?;
        self.rest = rest;
        Ok(*found)
    }

    fn u8(&mut self) -> Result<u8, ChangeError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    fn u16(&mut self) -> Result<u16, ChangeError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, ChangeError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// Up to the next zero byte.
    fn text(&mut self) -> Result<&'a [u8], ChangeError> {
        let end = memchr::memchr(0, self.rest).ok_or_else(|| self.truncated())?;
        let (found, rest) = self.rest.split_at(end);
        self.rest = rest.get(1..).unwrap_or_default();
        Ok(found)
    }

    fn column(&mut self) -> Result<PublishedColumn<'a>, ChangeError> {
        let identifies = self.u8()? & 1 == 1;
        let name = self.text()?;
        self.array::<8>()?;
        Ok(PublishedColumn { identifies, name })
    }

    fn cell(&mut self) -> Result<Cell<'a>, ChangeError> {
        match self.u8()? {
            b'n' => Ok(Cell::Null),
            b'u' => Ok(Cell::Unchanged),
            b't' => {
                let length = usize::try_from(self.u32()?).map_err(|_| self.truncated())?;
                let (text, rest) = self.rest.split_at_checked(length).ok_or_else(|| self.truncated())?;
                self.rest = rest;
                Ok(Cell::Text(text))
            }
            mark => Err(self.unknown(mark)),
        }
    }

    fn columns(&mut self) -> Result<Columns<'a>, ChangeError> {
        let left = self.u16()?;
        let all = Columns { left, rest: self.rest };
        for _ in 0..left {
            self.column()?;
        }
        Ok(all)
    }

    fn cells(&mut self) -> Result<Cells<'a>, ChangeError> {
        let left = self.u16()?;
        let all = Cells { left, rest: self.rest };
        for _ in 0..left {
            self.cell()?;
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(texts: &[Option<&str>]) -> Vec<u8> {
        let mut made = u16::try_from(texts.len()).unwrap().to_be_bytes().to_vec();
        for text in texts {
            match text {
                None => made.push(b'n'),
                Some("unchanged") => made.push(b'u'),
                Some(text) => {
                    made.push(b't');
                    made.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
                    made.extend(text.as_bytes());
                }
            }
        }
        made
    }

    fn relation() -> Vec<u8> {
        let mut made = b"R\0\0\x40\x01public\0customers\0d\0\x02".to_vec();
        for (flags, name) in [(1, "id"), (0, "email")] {
            made.push(flags);
            made.extend(name.as_bytes());
            made.extend([0, 0, 0, 0, 23, 0xff, 0xff, 0xff, 0xff]);
        }
        made
    }

    fn update(old: Option<(u8, &[Option<&str>])>, new: &[Option<&str>]) -> Vec<u8> {
        let mut made = b"U\0\0\x40\x01".to_vec();
        if let Some((mark, old)) = old {
            made.push(mark);
            made.extend(cells(old));
        }
        made.push(b'N');
        made.extend(cells(new));
        made
    }

    #[test]
    fn relation_tells_its_columns_and_which_of_them_identify_a_row() {
        let message = relation();
        let Ok(Change::Relation { relation, columns }) = change(&message) else { panic!("no relation") };
        assert_eq!(relation, 0x4001);
        let found: Vec<_> = columns.map(|column| (column.identifies, column.name)).collect();
        assert_eq!(found, [(true, b"id".as_slice()), (false, b"email")]);
    }

    #[test]
    fn changed_row_has_its_texts_nulls_and_cells_that_were_not_sent() {
        let new = [Some("7"), None, Some("unchanged"), Some("")];
        let message = update(None, &new);
        let Ok(Change::Row { relation: 0x4001, old: Old::Untold, new }) = change(&message) else {
            panic!("no row")
        };
        let expected = [Cell::Text(b"7"), Cell::Null, Cell::Unchanged, Cell::Text(b"")];
        assert_eq!(new.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn row_before_is_told_apart_by_its_mark() {
        let message = update(Some((b'K', &[Some("7"), None])), &[Some("8"), Some("unchanged")]);
        assert!(matches!(change(&message), Ok(Change::Row { old: Old::Key, .. })));
        let message = update(Some((b'O', &[Some("7"), Some("x")])), &[Some("8"), Some("unchanged")]);
        let Ok(Change::Row { old: Old::Whole(old), .. }) = change(&message) else { panic!("no row") };
        assert_eq!(old.collect::<Vec<_>>(), [Cell::Text(b"7"), Cell::Text(b"x")]);
    }

    #[test]
    fn message_cut_anywhere_or_with_more_behind_it_is_rejected() {
        for whole in [relation(), update(Some((b'O', &[Some("7")])), &[Some("8"), None])] {
            assert!(change(&whole).is_ok());
            for end in 1..whole.len() {
                assert!(matches!(change(&whole[..end]), Err(ChangeError::Truncated { .. })), "{end}");
            }
            let longer = [whole, vec![0]].concat();
            assert!(matches!(change(&longer), Err(ChangeError::Trailing { bytes: 1, .. })));
        }
        assert!(matches!(change(b"I\0\0\x40\x01X"), Err(ChangeError::Mark { mark: 'X', .. })));
        assert!(matches!(change(b"I\0\0\x40\x01N\0\x01b"), Err(ChangeError::Mark { mark: 'b', .. })));
    }

    #[test]
    fn messages_about_anything_else_are_passed_over() {
        for message in [b"".as_slice(), b"B", b"C\0", b"D\0\0\x40\x01K", b"T", b"Y", b"O"] {
            assert!(matches!(change(message), Ok(Change::Other)));
        }
    }
}
