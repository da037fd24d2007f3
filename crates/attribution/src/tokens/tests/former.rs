//! The cutting of tokens as it was before digits were sieved: every run of digits is cut, in every way that gives
//! enough of them, and looked up. What is left out since must change nothing.

use crate::tokens::Scanner;
use crate::tokens::identifier::{SHAPES_EVERYWHERE_MAX, split, stands_alone, token_around};
use crate::tokens::number::{Joined, digits_of};
use crate::value_index::{NUMBER_DIGITS, ValueIndex};

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

    fn former_numbers(&mut self, index: &ValueIndex, bytes: &[u8], place: usize, whole: bool) -> usize {
        let joined = Joined::at(bytes, place, whole);
        let runs = joined.runs();
        let mut first = 0;
        while first < runs.len() {
            let mut last = runs.len();
            let mut found = false;
            while last > first && !found {
                let window = runs.get(first..last).unwrap_or_default();
                found = digits_of(window) >= *NUMBER_DIGITS.start()
                    && self.number_of(index, bytes, window, joined.token(first..last));
                last -= 1;
            }
            first = if found { last + 1 } else { first + 1 };
        }
        joined.end
    }

    fn former_identifiers(&mut self, index: &ValueIndex, bytes: &[u8], place: usize, whole: bool) -> usize {
        let (end, token) = token_around(bytes, place);
        if token.len() < identifier_len_min(index) && !(whole && token.len() == bytes.len()) {
            return end;
        }
        let (mut canonical, mut joined) = (Vec::new(), Vec::new());
        split(token, &mut canonical, &mut joined);
        let shapes = &index.shapes().identifiers;
        let everywhere = shapes.len() <= SHAPES_EVERYWHERE_MAX;
        for (prefix, len) in shapes {
            let len = usize::from(*len);
            let Some(spare) = canonical.len().checked_sub(len) else { continue };
            for start in 0..=spare {
                if stands_alone(&canonical, &joined, start..start + len, prefix, everywhere) {
                    self.find_identifier(index, canonical.get(start..start + len).unwrap_or_default());
                }
            }
        }
        if whole && token.len() == bytes.len() && token.iter().all(u8::is_ascii_digit) {
            self.find_digits_alone(index, &canonical);
        }
        end
    }
}

fn identifier_len_min(index: &ValueIndex) -> usize {
    index.shapes().identifiers.iter().map(|(_, len)| usize::from(*len)).min().unwrap_or(usize::MAX)
}
