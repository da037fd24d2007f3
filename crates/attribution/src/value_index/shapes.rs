use super::NUMBER_DIGITS;

/// What the indexed values look like: it spares most words and numbers a look-up.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Shapes {
    pub(crate) emails: bool,
    /// The filter does not know every domain.
    pub(crate) any_domain: bool,
    /// Bit n: some number has n digits.
    pub(crate) number_lengths: u32,
    /// Calling codes seen with a `+`, rising.
    pub(crate) country_codes: Vec<u16>,
    /// Identifiers' first letters and canonical length, sorted.
    pub(crate) identifiers: Vec<(Vec<u8>, u8)>,
    /// There are values that are looked for as a whole only.
    pub(crate) texts: bool,
}

/// What any token must have that the indexed values could be in.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    /// Fewest digits of a number, with or without its calling code; the largest usize if there is no number.
    pub(crate) digits_min: usize,
    /// Bit n: n digits are a number of some length once a known calling code stands before them.
    pub(crate) national_lengths: u32,
    /// Letters and digits of the shortest identifier; the largest usize if there is none.
    pub(crate) identifier_len_min: usize,
    /// By the first letter of an identifier (`a` is 1): bit n, that letter n may follow; bit 0, a digit. `None` if
    /// an identifier may begin in any way.
    pub(crate) letters: Option<Box<[u32; 32]>>,
}

impl Bounds {
    /// Returns whether an identifier may begin where `bytes` begins.
    #[inline]
    pub(crate) fn begins_identifier(&self, bytes: &[u8]) -> bool {
        let Some(letters) = &self.letters else { return true };
        let Some((first, rest)) = bytes.split_first().filter(|(first, _)| first.is_ascii_alphabetic()) else {
            return false;
        };
        let follow = letters.get(usize::from(first & 31)).copied().unwrap_or(0);
        follow != 0
            && rest
                .iter()
                .find(|byte| byte.is_ascii_alphanumeric())
                .is_some_and(|next| follow & letter_bit(*next) != 0)
    }
}

// Of a letter or digit.
fn letter_bit(byte: u8) -> u32 {
    if byte.is_ascii_digit() { 1 } else { 1 << (byte & 31) }
}

/// Letters kept of an identifier's beginning.
const PREFIX_MAX: usize = 8;
const IDENTIFIERS_MAX: usize = 256;
pub(super) const CODES_MAX: usize = 64;

impl Shapes {
    pub(crate) fn learn_number(&mut self, digits: &[u8], code_len: usize) {
        self.number_lengths |= 1u32.checked_shl(digits.len() as u32).unwrap_or(0);
        let code = digits.get(..code_len).and_then(|code| std::str::from_utf8(code).ok());
        if let Some(code) = code.and_then(|code| code.parse().ok()) {
            self.add_code(code);
        }
    }

    fn add_code(&mut self, code: u16) {
        if self.country_codes.len() < CODES_MAX
            && let Err(at) = self.country_codes.binary_search(&code)
        {
            self.country_codes.insert(at, code);
        }
    }

    pub(crate) fn learn_identifier(&mut self, canonical: &[u8]) {
        let letters = canonical.iter().take(PREFIX_MAX).take_while(|byte| byte.is_ascii_alphabetic());
        let len = u8::try_from(canonical.len()).unwrap_or(u8::MAX);
        self.add_identifier((letters.copied().collect(), len));
    }

    pub(super) fn add_identifier(&mut self, mut shape: (Vec<u8>, u8)) {
        if self.identifiers.len() >= IDENTIFIERS_MAX {
            // Too many beginnings to tell: any will do.
            shape.0.clear();
        }
        if let Err(at) = self.identifiers.binary_search(&shape)
            && self.identifiers.len() < 2 * IDENTIFIERS_MAX
        {
            self.identifiers.insert(at, shape);
        }
    }

    pub(super) fn bounds(&self) -> Bounds {
        let national_lengths =
            self.country_codes.iter().fold(0, |all, code| all | self.number_lengths >> code_len(*code));
        let digits_min = (self.number_lengths | national_lengths) & (u32::MAX << *NUMBER_DIGITS.start());
        let mut letters = Some(Box::new([0; 32]));
        for (prefix, _) in &self.identifiers {
            letters = letters.zip(prefix.split_first()).map(|(mut letters, (first, rest))| {
                if let Some(follow) = letters.get_mut(usize::from(first & 31)) {
                    // What the prefix ends at is a digit.
                    *follow |= rest.first().map_or(1, |next| letter_bit(*next));
                }
                letters
            });
        }
        let lengths = self.identifiers.iter().map(|(_, len)| usize::from(*len));
        Bounds {
            digits_min: if digits_min == 0 { usize::MAX } else { digits_min.trailing_zeros() as usize },
            national_lengths,
            identifier_len_min: lengths.min().unwrap_or(usize::MAX),
            letters,
        }
    }

    pub(super) fn unite(&mut self, other: &Shapes) {
        self.emails |= other.emails;
        self.texts |= other.texts;
        self.any_domain |= other.any_domain;
        self.number_lengths |= other.number_lengths;
        for code in &other.country_codes {
            self.add_code(*code);
        }
        for shape in &other.identifiers {
            self.add_identifier(shape.clone());
        }
    }
}

/// Returns how many digits a calling code has.
pub(crate) fn code_len(code: u16) -> usize {
    1 + usize::from(code >= 10) + usize::from(code >= 100)
}

/// Returns how many digits the calling code at the start of an international number has. Source: ITU-T E.164.
pub(crate) fn country_code_len(digits: &[u8]) -> usize {
    match digits {
        [b'1' | b'7', ..] => 1,
        [b'2', b'0' | b'7', ..]
        | [b'3', b'0'..=b'4' | b'6' | b'9', ..]
        | [b'4', b'0' | b'1' | b'3'..=b'9', ..]
        | [b'5', b'1'..=b'8', ..]
        | [b'6', b'0'..=b'6', ..]
        | [b'8', b'1' | b'2' | b'4' | b'6', ..]
        | [b'9', b'0'..=b'5' | b'8', ..] => 2,
        _ => 3,
    }
}
