use rastro_model::Certainty;

use super::Scanner;
use crate::value_index::{Class, ValueIndex, is_identifier_byte};

const TOKEN_BYTES_MAX: usize = 96;
/// With more shapes than this, only whole tokens are looked up.
const SHAPES_EVERYWHERE_MAX: usize = 32;
const DIGITS_ALONE_MIN: usize = 7;

impl Scanner {
    /// Looks up the identifiers of the token around the digit at `place`; returns where the token ends.
    pub(super) fn identifiers(
        &mut self,
        index: &ValueIndex,
        bytes: &[u8],
        place: usize,
        whole: bool,
    ) -> usize {
        let within = |byte: &u8| is_identifier_byte(*byte);
        let before = bytes.get(place.saturating_sub(TOKEN_BYTES_MAX)..place).unwrap_or_default();
        let start = place - before.iter().rev().take_while(|byte| within(byte)).count();
        let rest = bytes.get(place..).unwrap_or_default();
        let end = place + rest.iter().take(TOKEN_BYTES_MAX).take_while(|byte| within(byte)).count();
        let token = bytes.get(start..end).unwrap_or_default();
        if token.len() < index.bounds().identifier_len_min && !(whole && token.len() == bytes.len()) {
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
        self.find_identifiers(index, &canonical, &joined);
        if whole && token.len() == bytes.len() && token.iter().all(u8::is_ascii_digit) {
            self.find_digits_alone(index, &canonical);
        }
        (self.canonical, self.joined) = (canonical, joined);
        end
    }

    fn find_identifiers(&mut self, index: &ValueIndex, canonical: &[u8], joined: &[bool]) {
        let shapes = &index.shapes().identifiers;
        let everywhere = shapes.len() <= SHAPES_EVERYWHERE_MAX;
        for (prefix, len) in shapes {
            let len = usize::from(*len);
            let Some(spare) = canonical.len().checked_sub(len) else { continue };
            let begins = |start: &usize| match prefix.first() {
                Some(first) => canonical.get(*start) == Some(first),
                None => joined.get(*start) == Some(&false),
            };
            for start in (0..=spare).filter(begins) {
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
    fn find_digits_alone(&mut self, index: &ValueIndex, digits: &[u8]) {
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
