use rastro_model::{ShownBatch, ShownKey};

use crate::catalogue::KeyForm;

mod numeric;

/// How to read a key: the form its kind is kept in, and how the column arrives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct KeyCodec {
    form: KeyForm,
    wire: Wire,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wire {
    /// As PostgreSQL prints it.
    Text,
    /// char(n): printed with its padding, which is no part of the value.
    Padded,
    Int2,
    Int4,
    Int8,
    Oid,
    Uuid,
    Numeric,
    /// A type whose binary form is not known here.
    Opaque,
}

/// A key on its way into a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Key<'a> {
    Int(i64),
    Uuid(u128),
    /// UTF-8.
    Text(&'a [u8]),
    /// An integer of a kind that is kept as text.
    Digits(i64),
    /// A uuid of a kind that is kept as text.
    UuidText(u128),
    /// A numeric in binary form that can be printed.
    Numeric(&'a [u8]),
    /// Bytes without a textual form: kept as `\x` and hexadecimal digits, so that different keys stay
    /// different.
    Bytes(&'a [u8]),
}

impl KeyCodec {
    pub(super) fn new(form: KeyForm, type_oid: u32, format: i16) -> KeyCodec {
        const BPCHAR: u32 = 1042;
        let wire = match (format, type_oid) {
            (_, BPCHAR) => Wire::Padded,
            (0, _) => Wire::Text,
            (_, 21) => Wire::Int2,
            (_, 23) => Wire::Int4,
            (_, 20) => Wire::Int8,
            (_, 26) => Wire::Oid,
            (_, 2950) => Wire::Uuid,
            (_, 1700) => Wire::Numeric,
            // "char", name, text, json, xml, unknown, varchar; and extension types such as citext and enums,
            // whose binary form is their text.
            (_, 18 | 19 | 25 | 114 | 142 | 705 | 1043 | 16384..) => Wire::Text,
            _ => Wire::Opaque,
        };
        KeyCodec { form, wire }
    }

    /// Reads keys that the server printed.
    pub(crate) fn of_text(form: KeyForm) -> KeyCodec {
        KeyCodec { form, wire: Wire::Text }
    }

    /// Reads a key into a batch.
    pub(crate) fn read(&self, bytes: &[u8], batch: &mut ShownBatch) -> ShownKey {
        self.decode(bytes).store(batch)
    }

    /// Reads a key. Bytes that are not of the column's type still give a key, never nothing.
    #[inline]
    pub(super) fn decode<'a>(&self, bytes: &'a [u8]) -> Key<'a> {
        match self.wire {
            Wire::Text => self.decode_text(bytes),
            Wire::Padded => self.decode_text(bytes.trimmed()),
            Wire::Int2 => self.decode_int(bytes, fixed(bytes).map(|b| i64::from(i16::from_be_bytes(b)))),
            Wire::Int4 => self.decode_int(bytes, fixed(bytes).map(|b| i64::from(i32::from_be_bytes(b)))),
            Wire::Int8 => self.decode_int(bytes, fixed(bytes).map(i64::from_be_bytes)),
            Wire::Oid => self.decode_int(bytes, fixed(bytes).map(|b| i64::from(u32::from_be_bytes(b)))),
            Wire::Uuid => match (fixed(bytes).map(u128::from_be_bytes), self.form) {
                (Some(value), KeyForm::Uuid) => Key::Uuid(value),
                (Some(value), _) => Key::UuidText(value),
                (None, _) => Key::Bytes(bytes),
            },
            Wire::Numeric => self.decode_numeric(bytes),
            Wire::Opaque => Key::Bytes(bytes),
        }
    }

    #[inline]
    fn decode_text<'a>(&self, bytes: &'a [u8]) -> Key<'a> {
        let typed = match self.form {
            KeyForm::Int => parse_int(bytes).map(Key::Int),
            KeyForm::Uuid => parse_uuid(bytes).map(Key::Uuid),
            KeyForm::Text => None,
        };
        typed.unwrap_or_else(|| match std::str::from_utf8(bytes) {
            Ok(_) => Key::Text(bytes),
            Err(_) => Key::Bytes(bytes),
        })
    }

    #[inline]
    fn decode_int<'a>(&self, bytes: &'a [u8], value: Option<i64>) -> Key<'a> {
        match (value, self.form) {
            (Some(value), KeyForm::Int) => Key::Int(value),
            (Some(value), _) => Key::Digits(value),
            (None, _) => Key::Bytes(bytes),
        }
    }

    fn decode_numeric<'a>(&self, bytes: &'a [u8]) -> Key<'a> {
        let mut buffer = [0; numeric::BYTES_MAX];
        match numeric::print(bytes, &mut buffer) {
            None => Key::Bytes(bytes),
            Some(text) if self.form == KeyForm::Int => parse_int(text).map_or(Key::Numeric(bytes), Key::Int),
            Some(_) => Key::Numeric(bytes),
        }
    }
}

impl Key<'_> {
    /// Puts the key into the batch.
    #[inline]
    pub(super) fn store(self, batch: &mut ShownBatch) -> ShownKey {
        match self {
            Key::Int(value) => ShownKey::Int(value),
            Key::Uuid(value) => ShownKey::Uuid(value),
            Key::Text(bytes) => batch.text_key(bytes),
            _ => self.store_printed(batch),
        }
    }

    fn store_printed(self, batch: &mut ShownBatch) -> ShownKey {
        match self {
            Key::Digits(value) => {
                let mut buffer = [0; 20];
                batch.text_key(print_int(value, &mut buffer))
            }
            Key::UuidText(value) => {
                let mut text = [b'-'; 36];
                let places = (0..36).filter(|at| !matches!(at, 8 | 13 | 18 | 23));
                for (at, byte) in places.zip(value.to_be_bytes().iter().flat_map(|byte| hex(*byte))) {
                    if let Some(place) = text.get_mut(at) {
                        *place = byte;
                    }
                }
                batch.text_key(&text)
            }
            Key::Numeric(bytes) => {
                let mut buffer = [0; numeric::BYTES_MAX];
                match numeric::print(bytes, &mut buffer) {
                    Some(text) => batch.text_key(text),
                    None => store_hex(bytes, batch),
                }
            }
            Key::Bytes(bytes) | Key::Text(bytes) => store_hex(bytes, batch),
            Key::Int(value) => ShownKey::Int(value),
            Key::Uuid(value) => ShownKey::Uuid(value),
        }
    }
}

fn store_hex(bytes: &[u8], batch: &mut ShownBatch) -> ShownKey {
    let mut key = batch.text_key(b"\\x");
    for byte in bytes {
        // The arena grows at its end, so the pieces join.
        let piece = batch.text_key(&hex(*byte));
        if let (ShownKey::Text { len, .. }, ShownKey::Text { len: more, .. }) = (&mut key, piece) {
            *len = len.saturating_add(more);
        }
    }
    key
}

fn hex(byte: u8) -> [u8; 2] {
    let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' + value - 10 };
    [digit(byte >> 4), digit(byte & 15)]
}

fn print_int(value: i64, buffer: &mut [u8; 20]) -> &[u8] {
    let mut left = value.unsigned_abs();
    let mut start = buffer.len();
    for (at, place) in buffer.iter_mut().enumerate().rev() {
        if let Ok(digit) = u8::try_from(left % 10) {
            *place = b'0' + digit;
        }
        left /= 10;
        start = at;
        if left == 0 {
            break;
        }
    }
    if value < 0 {
        start = start.saturating_sub(1);
        if let Some(sign) = buffer.get_mut(start) {
            *sign = b'-';
        }
    }
    buffer.get(start..).unwrap_or_default()
}

fn fixed<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

// Only what PostgreSQL prints: no plus sign, no leading zero, so that texts that differ stay different keys.
fn parse_int(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [] | [b'0', ..] => return None,
        _ => {}
    }
    let mut value: i64 = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // Counted downwards: the negative range is the larger one.
        value = value.checked_mul(10)?.checked_sub(i64::from(digit))?;
    }
    if negative { Some(value) } else { value.checked_neg() }
}

// In any case, with or without hyphens and braces, as uuid_in reads the usual forms.
fn parse_uuid(bytes: &[u8]) -> Option<u128> {
    let bytes = bytes.strip_prefix(b"{").and_then(|inner| inner.strip_suffix(b"}")).unwrap_or(bytes);
    let hyphens = match bytes.len() {
        36 => true,
        32 => false,
        _ => return None,
    };
    let mut value: u128 = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if hyphens && matches!(at, 8 | 13 | 18 | 23) {
            if *byte != b'-' {
                return None;
            }
            continue;
        }
        let digit = char::from(*byte).to_digit(16)?;
        value = value << 4 | u128::from(digit);
    }
    Some(value)
}

trait TrimBlanks {
    fn trimmed(&self) -> &[u8];
}

impl TrimBlanks for [u8] {
    fn trimmed(&self) -> &[u8] {
        let end = self.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
        self.get(..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use rastro_model::SubjectKey;

    use super::*;

    fn check(form: KeyForm, (type_oid, format): (u32, i16), bytes: &[u8], expected: SubjectKey) {
        let mut batch = ShownBatch::default();
        let key = KeyCodec::new(form, type_oid, format).decode(bytes).store(&mut batch);
        assert_eq!(batch.subject_key(key), Some(expected), "{type_oid} {format} {bytes:?}");
    }

    fn text(value: &str) -> SubjectKey {
        SubjectKey::Text(value.into())
    }

    #[test]
    fn decode_gives_one_key_for_all_forms_of_a_value() {
        let (int, uuid) = (SubjectKey::Int, SubjectKey::Uuid);
        for value in [0, 1, -1, 42, i64::from(i16::MIN), i64::from(i16::MAX)] {
            check(KeyForm::Int, (21, 1), &(value as i16).to_be_bytes(), int(value));
            check(KeyForm::Int, (23, 1), &(value as i32).to_be_bytes(), int(value));
            check(KeyForm::Int, (20, 1), &value.to_be_bytes(), int(value));
            check(KeyForm::Int, (20, 0), value.to_string().as_bytes(), int(value));
            check(KeyForm::Text, (20, 1), &value.to_be_bytes(), text(&value.to_string()));
        }
        for value in [i64::MIN, i64::MAX] {
            check(KeyForm::Int, (20, 0), value.to_string().as_bytes(), int(value));
            check(KeyForm::Text, (20, 1), &value.to_be_bytes(), text(&value.to_string()));
        }
        check(KeyForm::Int, (26, 1), &u32::MAX.to_be_bytes(), int(4_294_967_295));
        let id: u128 = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff;
        check(KeyForm::Uuid, (2950, 1), &id.to_be_bytes(), uuid(id));
        check(KeyForm::Uuid, (2950, 0), b"00112233-4455-6677-8899-aabbccddeeff", uuid(id));
        check(KeyForm::Uuid, (25, 0), b"{00112233-4455-6677-8899-AABBCCDDEEFF}", uuid(id));
        check(KeyForm::Uuid, (25, 1), b"00112233445566778899AABBccddeeff", uuid(id));
        check(KeyForm::Text, (2950, 1), &id.to_be_bytes(), text("00112233-4455-6677-8899-aabbccddeeff"));
        check(KeyForm::Text, (1042, 0), b"ab c   ", text("ab c"));
        check(KeyForm::Text, (1042, 1), b"   ", text(""));
        check(KeyForm::Text, (25, 0), b"ab ", text("ab "));
        check(KeyForm::Text, (99_999, 1), "é".as_bytes(), text("é"));
    }

    #[test]
    fn decode_of_what_is_not_of_the_type_is_a_text_key() {
        check(KeyForm::Int, (20, 0), b"007", text("007"));
        check(KeyForm::Int, (20, 0), b"+7", text("+7"));
        check(KeyForm::Int, (20, 0), b"-0", text("-0"));
        check(KeyForm::Int, (20, 0), b"", text(""));
        check(KeyForm::Int, (20, 0), b"9223372036854775808", text("9223372036854775808"));
        check(KeyForm::Int, (20, 1), b"abc", text("\\x616263"));
        check(KeyForm::Uuid, (25, 0), b"not-a-uuid", text("not-a-uuid"));
        check(KeyForm::Uuid, (2950, 1), b"\x01", text("\\x01"));
        check(KeyForm::Text, (25, 0), b"\xff\xfe", text("\\xfffe"));
        check(KeyForm::Text, (700, 1), b"\x01\xab", text("\\x01ab"));
    }

    #[test]
    fn decode_numeric_prints_as_postgresql_does() {
        let numeric = |weight: i16, sign: u16, scale: u16, digits: &[i16]| {
            let mut bytes = Vec::new();
            bytes.extend((digits.len() as i16).to_be_bytes());
            bytes.extend(weight.to_be_bytes());
            bytes.extend(sign.to_be_bytes());
            bytes.extend(scale.to_be_bytes());
            digits.iter().for_each(|digit| bytes.extend(digit.to_be_bytes()));
            bytes
        };
        let check = |bytes: Vec<u8>, printed: &str| check(KeyForm::Text, (1700, 1), &bytes, text(printed));
        check(numeric(0, 0, 0, &[]), "0");
        check(numeric(0, 0, 2, &[]), "0.00");
        check(numeric(1, 0, 0, &[1, 2]), "10002");
        check(numeric(1, 0x4000, 3, &[12, 3, 4500]), "-120003.450");
        check(numeric(-1, 0, 6, &[12, 3400]), "0.001234");
        check(numeric(2, 0, 0, &[1]), "100000000");
        check(numeric(0, 0xC000, 0, &[]), "NaN");
        check(numeric(0, 0, 0, &[10_000]), "\\x00010000000000002710");
        check(numeric(30_000, 0, 0, &[1]), "\\x00017530000000000001");
    }
}
