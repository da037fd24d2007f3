use std::ops::Range;

use rastro_model::Certainty;

use super::Scanner;
use crate::value_index::{Class, NUMBER_DIGITS, ValueIndex, code_len, country_code_len, is_number_separator};

const RUNS_MAX: usize = 8;
const SEPARATORS_MAX: usize = 3;
/// A number kept bare is nobody else's by chance only from this length on.
const BARE_DIGITS_MIN: usize = 9;
const NATIONAL_DIGITS_MAX: usize = 12;

impl Scanner {
    /// Looks up the numbers of the token that begins with the digit at `place`; returns where it ends.
    ///
    /// Runs of digits are joined over punctuation in every way that gives 7 to 15 digits, the longest first.
    pub(super) fn numbers(&mut self, index: &ValueIndex, bytes: &[u8], place: usize, whole: bool) -> usize {
        let joined = Joined::at(bytes, place, whole);
        let runs = joined.runs();
        let mut first = 0;
        while first < runs.len() {
            let mut last = runs.len();
            let mut found = false;
            let mut digits = digits_of(runs.get(first..).unwrap_or_default());
            if digits < index.bounds().digits_min {
                break;
            }
            while digits >= index.bounds().digits_min && !found {
                let window = runs.get(first..last).unwrap_or_default();
                let token = joined.token(first..last);
                let fits = || fits(index, bytes, window, digits, token);
                found = fits() && self.number_of(index, bytes, window, token);
                last -= 1;
                digits -= window.last().map_or(digits, |(start, end)| end - start);
            }
            first = if found { last + 1 } else { first + 1 };
        }
        joined.end
    }

    /// Looks up the number that `runs` are together; returns whether it is known.
    pub(super) fn number_of(
        &mut self,
        index: &ValueIndex,
        bytes: &[u8],
        runs: &[(usize, usize)],
        token: Token,
    ) -> bool {
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
            if lengths.checked_shr((code_len(*code) + len) as u32).unwrap_or(0) & 1 == 0 {
                continue;
            }
            self.canonical.clear();
            let digits = [code / 100, code / 10 % 10, code % 10].map(|digit| b'0' + digit as u8);
            self.canonical.extend_from_slice(digits.get(3 - code_len(*code)..).unwrap_or_default());
            self.canonical.extend_from_slice(&national);
            found |= self.find(index, Class::Number, Certainty::Possible);
        }
        self.canonical = national;
        found
    }
}

/// Returns whether a number has so many digits, where that is told without reading them: no zero is at the
/// beginning, nor a `+` before it.
fn fits(index: &ValueIndex, bytes: &[u8], runs: &[(usize, usize)], digits: usize, token: Token) -> bool {
    let zero = runs.first().is_some_and(|(start, _)| bytes.get(*start) == Some(&b'0'));
    let nationally = (token.covers || token.joined) && !token.after_letter && digits <= NATIONAL_DIGITS_MAX;
    let has = |lengths: u32| lengths.checked_shr(digits as u32).unwrap_or(0) & 1 == 1;
    token.plus
        || zero
        || has(index.shapes().number_lengths)
        || (nationally && has(index.bounds().national_lengths))
}

/// Returns how many digits the runs have.
pub(super) fn digits_of(runs: &[(usize, usize)]) -> usize {
    runs.iter().map(|(start, end)| end - start).sum()
}

/// Runs of digits that punctuation joins, and what stands around them.
pub(super) struct Joined {
    runs: [(usize, usize); RUNS_MAX],
    count: usize,
    /// Where the last run ends.
    pub(super) end: usize,
    plus: bool,
    covers: bool,
    after_letter: bool,
}

impl Joined {
    /// Returns those from the digit at `place` on. `whole`: the bytes are all of one value.
    pub(super) fn at(bytes: &[u8], place: usize, whole: bool) -> Joined {
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
        let covers = whole && place <= 2 && bytes.get(end..).unwrap_or_default().len() <= 1;
        let after_letter = !plus && previous.is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        Joined { runs, count, end, plus, covers, after_letter }
    }

    pub(super) fn runs(&self) -> &[(usize, usize)] {
        self.runs.get(..self.count).unwrap_or_default()
    }

    /// Returns what the number made of some of the runs looks like.
    pub(super) fn token(&self, window: Range<usize>) -> Token {
        Token {
            plus: self.plus && window.start == 0,
            joined: window.len() > 1,
            covers: self.covers && window.len() == self.count,
            after_letter: self.after_letter && window.start == 0,
        }
    }
}

/// What tells how a number is written.
#[derive(Clone, Copy)]
pub(super) struct Token {
    plus: bool,
    joined: bool,
    covers: bool,
    after_letter: bool,
}
