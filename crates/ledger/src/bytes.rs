//! Little-endian base-128 numbers and counted strings, and a cursor that checks every length.

/// Why bytes are not what docs/ledger-format.md says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The bytes end inside a value.
    #[error("a value runs past the end of its record")]
    Short,
    /// A number is longer than 64 bits or not in its shortest form.
    #[error("a number is not in its shortest form or exceeds 64 bits")]
    Number,
    /// A value is outside its range.
    #[error("`{0}` is out of range")]
    Range(&'static str),
    /// A dictionary number that no definition gave.
    #[error("`{0}` is used before its definition")]
    Undefined(&'static str),
    /// A tag that this version does not know.
    #[error("unknown tag {0:#04x}")]
    Tag(u8),
    /// Bytes are left over after the last value of a record.
    #[error("{0} bytes left over at the end of a record")]
    Left(usize),
    /// A string is not UTF-8.
    #[error("a string is not UTF-8")]
    Utf8,
    /// The keys of a set do not rise.
    #[error("the keys of a set do not rise")]
    Order,
    /// More subjects in one entry than the format allows.
    #[error("more than {0} subjects in one entry")]
    Many(usize),
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

pub(crate) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

pub(crate) fn unzigzag(value: u64) -> i64 {
    ((value >> 1) as i64) ^ -((value & 1) as i64)
}

pub(crate) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_varint(out, zigzag(value));
}

/// Writes the length and the bytes of `text`, cut at a character so that at most `max` bytes are kept.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str, max: usize) {
    let kept = text.get(..text.floor_char_boundary(max)).unwrap_or(text);
    put_varint(out, kept.len() as u64);
    out.extend_from_slice(kept.as_bytes());
}

/// Bytes still to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a>(pub(crate) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn byte(&mut self) -> Result<u8, FormatError> {
        let (first, rest) = self.0.split_first().ok_or(FormatError::Short)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], FormatError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(FormatError::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        self.take(N)?.try_into().map_err(|_| FormatError::Short)
    }

    pub(crate) fn varint(&mut self) -> Result<u64, FormatError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                return Err(FormatError::Number);
            }
            value |= part << shift;
            if byte < 0x80 {
                return if byte == 0 && shift > 0 { Err(FormatError::Number) } else { Ok(value) };
            }
        }
        Err(FormatError::Number)
    }

    pub(crate) fn signed(&mut self) -> Result<i64, FormatError> {
        Ok(unzigzag(self.varint()?))
    }

    /// Reads a number that must fit `usize` and be at most `max`.
    pub(crate) fn count(&mut self, max: usize, what: &'static str) -> Result<usize, FormatError> {
        usize::try_from(self.varint()?).ok().filter(|n| *n <= max).ok_or(FormatError::Range(what))
    }

    pub(crate) fn counted(&mut self) -> Result<&'a [u8], FormatError> {
        let len = self.count(usize::MAX, "length")?;
        self.take(len)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, FormatError> {
        std::str::from_utf8(self.counted()?).map_err(|_| FormatError::Utf8)
    }

    pub(crate) fn finish(&self) -> Result<(), FormatError> {
        if self.0.is_empty() { Ok(()) } else { Err(FormatError::Left(self.0.len())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn prop_varint_inverts_and_has_the_length_told(value: u64, shift in 0u32..64) {
            let value = value >> shift;
            let mut out = Vec::new();
            put_varint(&mut out, value);
            prop_assert_eq!(out.len(), varint_len(value));
            let mut cursor = Cursor(&out);
            prop_assert_eq!(cursor.varint(), Ok(value));
            prop_assert!(cursor.finish().is_ok());
            prop_assert_eq!(unzigzag(zigzag(value as i64)), value as i64);
        }
    }

    #[test]
    fn varint_in_a_longer_form_is_rejected() {
        assert_eq!(Cursor(&[0x80, 0x00]).varint(), Err(FormatError::Number));
        assert_eq!(Cursor(&[0xff; 11]).varint(), Err(FormatError::Number));
        assert_eq!(Cursor(&[0x80]).varint(), Err(FormatError::Short));
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        let mut out = Vec::new();
        put_text(&mut out, "aéé", 4);
        assert_eq!(out, [3, b'a', 0xc3, 0xa9]);
    }
}
