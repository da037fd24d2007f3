//! The cutter as it was before digits were sieved: every run of digits is cut and looked up. What the sieve
//! leaves out must change nothing.

use rastro_model::Certainty;

use crate::tokens::Scanner;
use crate::value_index::{Class, NUMBER_DIGITS, ValueIndex, country_code_len, is_number_separator};

const RUNS_MAX: usize = 8;
const SEPARATORS_MAX: usize = 3;
const BARE_DIGITS_MIN: usize = 9;
const NATIONAL_DIGITS_MAX: usize = 12;
const TOKEN_BYTES_MAX: usize = 96;
const SHAPES_EVERYWHERE_MAX: usize = 32;
const DIGITS_ALONE_MIN: usize = 7;

impl Scanner {
    pub(super) fn former_plain(&mut self, index: &ValueIndex, bytes: &[u8], whole: bool) {
        let (mut at, mut number_done, mut identifier_done) = (0, 0, 0);
        let next = |at: usize| {
            let rest = bytes.get(at..)?;
            rest.iter().position(|byte| *byte == b'@' || byte.is_ascii_digit()).map(|place| at + place)
        };
        while let Some(place) = next(at) {
            at = place + 1;
            if bytes.get(place) == Some(&b'@') {
                if index.shapes().emails {
                    self.email(index, bytes, place);
                }
                continue;
            }
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            if place >= number_done && index.shapes().number_lengths != 0 {
                number_done = self.former_numbers(index, bytes, place, whole);
            }
            if place >= identifier_done && !index.shapes().identifiers.is_empty() {
                identifier_done = self.former_identifiers(index, bytes, place, whole);
            }
        }
    }

    /// Looks up the numbers of the token that begins with the digit at `place`; returns where it ends.
    ///
    /// Runs of digits are joined over punctuation in every way that gives 7 to 15 digits, the longest first.
    fn former_numbers(&mut self, index: &ValueIndex, bytes: &[u8], place: usize, whole: bool) -> usize {
        let previous = place.checked_sub(1).and_then(|at| bytes.get(at)).copied();
        let plus = previous == Some(b'+');
        let mut runs = [(0, 0); RUNS_MAX];
        let (mut count, mut at) = (0, place);
        let mut end = place;
        while let Some(run) = runs.get_mut(count) {
            let digits =
                bytes.get(at..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).count();
            *run = (at, at + digits);
            count += 1;
            end = at + digits;
            let rest = bytes.get(end..).unwrap_or_default();
            let gap = rest.iter().take(SEPARATORS_MAX + 1).take_while(|b| is_number_separator(**b)).count();
            at = end + gap;
            if gap == 0 || gap > SEPARATORS_MAX || !bytes.get(at).is_some_and(u8::is_ascii_digit) {
                break;
            }
        }
        let runs = runs.get(..count).unwrap_or_default();
        if digits_of(runs) < *NUMBER_DIGITS.start() {
            return end;
        }
        let covers = whole && place <= 2 && bytes.get(end..).unwrap_or_default().len() <= 1;
        let after_letter = !plus && previous.is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        let mut first = 0;
        while first < runs.len() {
            let mut last = runs.len();
            let mut found = false;
            while last > first && !found {
                let window = runs.get(first..last).unwrap_or_default();
                let token = Token {
                    plus: plus && first == 0,
                    joined: window.len() > 1,
                    covers: covers && window.len() == runs.len(),
                    after_letter: after_letter && first == 0,
                };
                found = self.former_number_of(index, bytes, window, token);
                last -= 1;
            }
            first = if found { last + 1 } else { first + 1 };
        }
        end
    }

    fn former_number_of(
        &mut self,
        index: &ValueIndex,
        bytes: &[u8],
        runs: &[(usize, usize)],
        token: Token,
    ) -> bool {
        if digits_of(runs) < *NUMBER_DIGITS.start() {
            return false;
        }
        self.canonical.clear();
        for (place, (start, end)) in runs.iter().enumerate() {
            let run = bytes.get(*start..*end).unwrap_or_default();
            // The trunk digit that is left out abroad: +44 (0)20 …
            let trunk = place > 0 && token.plus && run == b"0" && bytes.get(*end) == Some(&b')');
            if !trunk {
                self.canonical.extend_from_slice(run);
            }
            if self.canonical.len() > 24 {
                return false;
            }
        }
        let zeros = self.canonical.iter().take_while(|digit| **digit == b'0').count();
        self.canonical.drain(..zeros);
        let len = self.canonical.len();
        if !NUMBER_DIGITS.contains(&len) {
            return false;
        }
        let international = token.plus || zeros == 2;
        let lengths = index.shapes().number_lengths;
        if lengths >> len & 1 == 1 {
            let decorated = international || (token.joined && len >= BARE_DIGITS_MIN);
            let certainty = if decorated { Certainty::Exact } else { Certainty::Possible };
            if self.find(index, Class::Number, certainty) {
                return true;
            }
            let plain = len >= BARE_DIGITS_MIN && !token.after_letter;
            let certainty = if plain { Certainty::Exact } else { Certainty::Possible };
            if self.find(index, Class::BareNumber, certainty) {
                return true;
            }
        }
        if international {
            let code = country_code_len(&self.canonical);
            self.canonical.drain(..code);
            return lengths >> self.canonical.len() & 1 == 1
                && (self.find(index, Class::BareNumber, Certainty::Possible)
                    || self.find(index, Class::Number, Certainty::Possible));
        }
        // Without its calling code: every known one is tried, where the token looks like a telephone number.
        if len > NATIONAL_DIGITS_MAX || token.after_letter || !(token.covers || zeros == 1 || token.joined) {
            return false;
        }
        let national = std::mem::take(&mut self.canonical);
        let mut found = false;
        for code in &index.shapes().country_codes {
            let code_len = 1 + usize::from(*code >= 10) + usize::from(*code >= 100);
            if lengths.checked_shr((code_len + len) as u32).unwrap_or(0) & 1 == 0 {
                continue;
            }
            self.canonical.clear();
            // Writing to memory does not fail.
            let _ = std::io::Write::write_fmt(&mut self.canonical, format_args!("{code}"));
            self.canonical.extend_from_slice(&national);
            found |= self.find(index, Class::Number, Certainty::Possible);
        }
        self.canonical = national;
        found
    }

    /// Looks up the identifiers of the token around the digit at `place`; returns where the token ends.
    fn former_identifiers(&mut self, index: &ValueIndex, bytes: &[u8], place: usize, whole: bool) -> usize {
        let within = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_./#:".contains(byte);
        let before = bytes.get(place.saturating_sub(TOKEN_BYTES_MAX)..place).unwrap_or_default();
        let start = place - before.iter().rev().take_while(|byte| within(byte)).count();
        let rest = bytes.get(place..).unwrap_or_default();
        let end = place + rest.iter().take(TOKEN_BYTES_MAX).take_while(|byte| within(byte)).count();
        let token = bytes.get(start..end).unwrap_or_default();
        if token.len() < identifier_len_min(index) && !(whole && token.len() == bytes.len()) {
            return end;
        }
        let (mut canonical, mut joined) =
            (std::mem::take(&mut self.canonical), std::mem::take(&mut self.joined));
        canonical.clear();
        joined.clear();
        let mut gap = true;
        for byte in token {
            if byte.is_ascii_alphanumeric() {
                canonical.push(byte.to_ascii_uppercase());
                joined.push(!std::mem::replace(&mut gap, false));
            } else {
                gap = true;
            }
        }
        self.former_find_identifiers(index, &canonical, &joined);
        if whole && token.len() == bytes.len() && token.iter().all(u8::is_ascii_digit) {
            self.former_find_digits_alone(index, &canonical);
        }
        (self.canonical, self.joined) = (canonical, joined);
        end
    }

    fn former_find_identifiers(&mut self, index: &ValueIndex, canonical: &[u8], joined: &[bool]) {
        let shapes = &index.shapes().identifiers;
        let everywhere = shapes.len() <= SHAPES_EVERYWHERE_MAX;
        for (prefix, len) in shapes {
            let len = usize::from(*len);
            let Some(spare) = canonical.len().checked_sub(len) else { continue };
            for start in 0..=spare {
                let candidate = canonical.get(start..start + len).unwrap_or_default();
                let apart = |at: usize| {
                    let touching = joined.get(at).copied().unwrap_or(false);
                    let sides = (at.checked_sub(1).and_then(|at| canonical.get(at)), canonical.get(at));
                    match sides {
                        (Some(a), Some(b)) if touching => {
                            everywhere && !prefix.is_empty() && a.is_ascii_digit() != b.is_ascii_digit()
                                || (at == start && !prefix.is_empty() && everywhere && !b.is_ascii_digit())
                        }
                        _ => true,
                    }
                };
                if candidate.starts_with(prefix) && apart(start) && apart(start + len) {
                    let hash = index.key().hash(Class::Identifier as u8, candidate);
                    let telling = len >= 16 || candidate.iter().any(u8::is_ascii_alphabetic);
                    let certainty = if telling { Certainty::Exact } else { Certainty::Possible };
                    self.find_hash(index, hash, certainty);
                }
            }
        }
    }

    // A value that is only the digits of an identifier: perhaps one without its beginning.
    fn former_find_digits_alone(&mut self, index: &ValueIndex, digits: &[u8]) {
        if digits.len() < DIGITS_ALONE_MIN {
            return;
        }
        for (prefix, len) in index.shapes().identifiers.iter().take(SHAPES_EVERYWHERE_MAX) {
            if !prefix.is_empty() && prefix.len() + digits.len() == usize::from(*len) {
                self.canonical.clear();
                self.canonical.extend_from_slice(prefix);
                self.canonical.extend_from_slice(digits);
                self.find(index, Class::Identifier, Certainty::Possible);
            }
        }
    }
}

fn identifier_len_min(index: &ValueIndex) -> usize {
    index.shapes().identifiers.iter().map(|(_, len)| usize::from(*len)).min().unwrap_or(usize::MAX)
}

fn digits_of(runs: &[(usize, usize)]) -> usize {
    runs.iter().map(|(start, end)| end - start).sum()
}

#[derive(Clone, Copy)]
struct Token {
    plus: bool,
    joined: bool,
    covers: bool,
    after_letter: bool,
}
