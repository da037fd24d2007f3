//! Decoding of the RowDescription message ('T').

/// What a RowDescription says of one column, as far as attribution needs it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ColumnDescription {
    /// OID of the relation the column comes from, 0 if it is not a plain column.
    pub table_oid: u32,
    /// Column number in that relation; 0 for a whole row, negative for system columns.
    pub attnum: i16,
    /// OID of the data type; for a domain that of its base type.
    pub type_oid: u32,
    /// 0 text, 1 binary. A RowDescription in answer to Describe of a statement always says 0.
    pub format: i16,
}

/// Why a RowDescription cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The payload ends inside a column.
    #[error("row description of {bytes} bytes ends inside column {column} of {columns}")]
    Truncated {
        /// Length of the payload.
        bytes: usize,
        /// Which column, counted from 0.
        column: usize,
        /// How many columns were announced.
        columns: usize,
    },
    /// The payload has no column count, or a negative one.
    #[error("row description of {bytes} bytes has no valid column count")]
    Count {
        /// Length of the payload.
        bytes: usize,
    },
    /// Bytes are left after the last column.
    #[error("row description has {bytes} bytes after its last column")]
    Trailing {
        /// How many bytes.
        bytes: usize,
    },
}

const FIXED: usize = 18;

/// Checks a whole RowDescription and returns an iterator over its columns.
///
/// * `payload`: the message after its length word.
///
/// # Errors
/// Any deviation from the format, bytes after the last column included.
pub fn columns(payload: &[u8]) -> Result<Columns<'_>, DecodeError> {
    let bytes = payload.len();
    let (count, rest) = payload.split_first_chunk::<2>().ok_or(DecodeError::Count { bytes })?;
    let columns = usize::try_from(i16::from_be_bytes(*count)).map_err(|_| DecodeError::Count { bytes })?;
    let all = Columns { rest };
    let mut walk = all.clone();
    for column in 0..columns {
        walk.next().ok_or(DecodeError::Truncated { bytes, column, columns })?;
    }
    let used = rest.len() - walk.rest.len();
    if !walk.rest.is_empty() {
        return Err(DecodeError::Trailing { bytes: walk.rest.len() });
    }
    Ok(Columns { rest: rest.get(..used).unwrap_or_default() })
}

/// The columns of a RowDescription that has been checked.
#[derive(Clone, Debug)]
pub struct Columns<'a> {
    rest: &'a [u8],
}

impl Iterator for Columns<'_> {
    type Item = ColumnDescription;

    fn next(&mut self) -> Option<ColumnDescription> {
        let name = memchr::memchr(0, self.rest)?;
        let (fixed, rest) = self.rest.get(name + 1..)?.split_first_chunk::<FIXED>()?;
        self.rest = rest;
        let [t0, t1, t2, t3, a0, a1, y0, y1, y2, y3, _, _, _, _, _, _, f0, f1] = *fixed;
        Some(ColumnDescription {
            table_oid: u32::from_be_bytes([t0, t1, t2, t3]),
            attnum: i16::from_be_bytes([a0, a1]),
            type_oid: u32::from_be_bytes([y0, y1, y2, y3]),
            format: i16::from_be_bytes([f0, f1]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(names: &[&str]) -> Vec<u8> {
        let mut payload = (names.len() as i16).to_be_bytes().to_vec();
        for (at, name) in (1_i16..).zip(names) {
            payload.extend(name.as_bytes());
            payload.extend(b"\0\x00\x00\x40\x00");
            payload.extend(at.to_be_bytes());
            payload.extend(b"\0\0\0\x14\x00\x08\xff\xff\xff\xff\x00\x01");
        }
        payload
    }

    #[test]
    fn columns_of_a_description_are_read() {
        let found: Vec<_> = columns(&payload(&["id", ""])).unwrap().collect();
        let column = |attnum| ColumnDescription { table_oid: 16384, attnum, type_oid: 20, format: 1 };
        assert_eq!(found, [column(1), column(2)]);
        assert_eq!(columns(b"\0\0").unwrap().count(), 0);
    }

    #[test]
    fn columns_of_a_malformed_description_are_refused() {
        let whole = payload(&["id", "name"]);
        for end in 0..whole.len() {
            assert!(columns(&whole[..end]).is_err(), "{end}");
        }
        let mut longer = whole.clone();
        longer.push(0);
        assert_eq!(columns(&longer).unwrap_err(), DecodeError::Trailing { bytes: 1 });
        assert_eq!(columns(b"\xff\xff").unwrap_err(), DecodeError::Count { bytes: 2 });
        assert_eq!(columns(b"").unwrap_err(), DecodeError::Count { bytes: 0 });
    }
}
