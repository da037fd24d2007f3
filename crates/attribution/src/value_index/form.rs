use super::country_code_len;

/// Spaces of hashes, one for each shape of value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Class {
    Email = b'e',
    /// In the filter only: which domains the e-mail addresses are of.
    Domain = b'd',
    /// Digits of a number that is kept with a `+` or punctuation.
    Number = b'n',
    /// Digits of a number that is kept bare.
    BareNumber = b'm',
    Identifier = b'i',
    Text = b't',
}

/// A value in the form it is looked up in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Form {
    pub(crate) class: Class,
    pub(crate) canonical: Vec<u8>,
    /// Digits of the calling code, where the value says that it has one.
    pub(crate) code_len: usize,
}

const VALUE_BYTES_MAX: usize = 254;
pub(crate) const NUMBER_DIGITS: std::ops::RangeInclusive<usize> = 7..=15;
const IDENTIFIER_BYTES: std::ops::RangeInclusive<usize> = 5..=64;
const TEXT_BYTES_MIN: usize = 3;

/// Returns the canonical form of a protected value; `None` for one that cannot be told from ordinary text.
///
/// * `all_texts`: also values of no particular shape, which are then found where they are a whole value.
pub(crate) fn form(value: &str, all_texts: bool) -> Option<Form> {
    let value = value.trim();
    if value.len() > VALUE_BYTES_MAX {
        return None;
    }
    let made = |class, canonical| Some(Form { class, canonical, code_len: 0 });
    if let Some((local, domain)) = value.rsplit_once('@')
        && !local.is_empty()
        && domain.len() > 1
        && !value.contains(char::is_whitespace)
    {
        return made(Class::Email, value.to_lowercase().into_bytes());
    }
    if let Some(number) = number(value) {
        return Some(number);
    }
    let canonical: Vec<u8> = value
        .bytes()
        .filter(|byte| byte.is_ascii_alphanumeric())
        .map(|byte| byte.to_ascii_uppercase())
        .collect();
    let one_word = value.bytes().all(is_identifier_byte);
    let digits = canonical.iter().filter(|byte| byte.is_ascii_digit()).count();
    if one_word && digits >= 3 && IDENTIFIER_BYTES.contains(&canonical.len()) {
        return made(Class::Identifier, canonical);
    }
    if all_texts && value.len() >= TEXT_BYTES_MIN {
        return made(Class::Text, value.to_lowercase().into_bytes());
    }
    None
}

fn number(value: &str) -> Option<Form> {
    // The trunk digit that is left out abroad: +44 (0)20 …
    let value = &value.replace("(0)", if value.starts_with('+') { "" } else { "(0)" });
    let digits: Vec<u8> = value.bytes().filter(u8::is_ascii_digit).collect();
    let only = value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'+' || is_number_separator(byte));
    let international = value.starts_with('+') || digits.starts_with(b"00");
    let start = digits.iter().position(|digit| *digit != b'0')?;
    let canonical = digits.get(start..).unwrap_or_default().to_vec();
    if !only || !NUMBER_DIGITS.contains(&canonical.len()) {
        return None;
    }
    let bare = value.len() == digits.len() && !international;
    let class = if bare { Class::BareNumber } else { Class::Number };
    let code_len = if international { country_code_len(&canonical) } else { 0 };
    Some(Form { class, canonical, code_len })
}

// Without a way out, so that many bytes are told at once.
#[inline]
pub(crate) fn is_number_separator(byte: u8) -> bool {
    (byte == b' ') | (byte == b'(') | (byte == b')') | (byte == b'-') | (byte == b'.') | (byte == b'/')
}

/// Returns whether an identifier may have this byte: a letter, a digit, or what parts them.
#[inline]
pub(crate) fn is_identifier_byte(byte: u8) -> bool {
    let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    // `-` `.` `/`, digits and `:` follow one another.
    letter | (byte.wrapping_sub(b'-') <= b':' - b'-') | (byte == b'_') | (byte == b'#')
}
