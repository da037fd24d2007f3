use std::ops::Range;

use rastro_model::Certainty;

use super::Scanner;
use crate::value_index::{Class, ValueIndex, is_identifier_byte};

const TOKEN_BYTES_MAX: usize = 96;
/// With more shapes than this, only whole tokens are looked up.
pub(super) const SHAPES_EVERYWHERE_MAX: usize = 32;
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
        let (end, token) = token_around(bytes, place);
        if token.len() < index.bounds().identifier_len_min && !(whole && token.len() == bytes.len()) {
            return end;
        }
        let (mut canonical, mut joined) =
            (std::mem::take(&mut self.canonical), std::mem::take(&mut self.joined));
        split(token, &mut canonical, &mut joined);
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
                if stands_alone(canonical, joined, start..start + len, prefix, everywhere) {
                    self.find_identifier(index, canonical.get(start..start + len).unwrap_or_default());
                }
            }
        }
    }

    /// Looks up one identifier, in its canonical form.
    pub(super) fn find_identifier(&mut self, index: &ValueIndex, canonical: &[u8]) {
        let hash = index.key().hash(Class::Identifier as u8, canonical);
        let telling = canonical.len() >= 16 || canonical.iter().any(u8::is_ascii_alphabetic);
        let certainty = if telling { Certainty::Exact } else { Certainty::Possible };
        self.find_hash(index, hash, certainty);
    }

    // A value that is only the digits of an identifier: perhaps one without its beginning.
    pub(super) fn find_digits_alone(&mut self, index: &ValueIndex, digits: &[u8]) {
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

/// Returns where the token around the digit at `place` ends, and the token.
pub(super) fn token_around(bytes: &[u8], place: usize) -> (usize, &[u8]) {
    let within = |byte: &&u8| is_identifier_byte(**byte);
    let before = bytes.get(place.saturating_sub(TOKEN_BYTES_MAX)..place).unwrap_or_default();
    let start = place - before.iter().rev().take_while(within).count();
    let rest = bytes.get(place..).unwrap_or_default();
    let end = place + rest.iter().take(TOKEN_BYTES_MAX).take_while(within).count();
    (end, bytes.get(start..end).unwrap_or_default())
}

/// Takes a token's letters and digits, and of each whether nothing parts it from the one before.
pub(super) fn split(token: &[u8], canonical: &mut Vec<u8>, joined: &mut Vec<bool>) {
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
}

/// Returns whether `place` of a token begins with `prefix` and is no part of something longer. `everywhere`: a change
/// between letters and digits parts as well.
pub(super) fn stands_alone(
    canonical: &[u8],
    joined: &[bool],
    place: Range<usize>,
    prefix: &[u8],
    everywhere: bool,
) -> bool {
    let apart = |at: usize| {
        let touching = joined.get(at).copied().unwrap_or(false);
        let sides = (at.checked_sub(1).and_then(|at| canonical.get(at)), canonical.get(at));
        match sides {
            (Some(a), Some(b)) if touching => {
                everywhere && !prefix.is_empty() && a.is_ascii_digit() != b.is_ascii_digit()
                    || (at == place.start && !prefix.is_empty() && everywhere && !b.is_ascii_digit())
            }
            _ => true,
        }
    };
    let candidate = canonical.get(place.clone()).unwrap_or_default();
    candidate.starts_with(prefix) && apart(place.start) && apart(place.end)
}
