//! Cuts e-mail-, number- and identifier-shaped tokens out of bytes and looks them up.
//!
//! What surrounds a token does not matter: text, JSON, XML, arrays, records, CSV, COPY data. Escapes,
//! hexadecimal and base64 are undone first. Bytes without `@` and digits pass at memory speed.

mod email;
mod identifier;
mod number;
mod sieve;
mod undo;

use rastro_model::{Certainty, ShownBatch};

use sieve::{Stretch, Telling};

use crate::value_index::{Class, Owner, SHARED_MAX, ValueIndex};

/// What a value that was found tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hit {
    /// The subject and the field.
    pub owner: Owner,
    /// `exact`, or `possible` if the value is several subjects', or a number by itself.
    pub certainty: Certainty,
}

/// How much of a stream is kept for a value that goes on in its next chunk.
const TAIL_BYTES: usize = 256;
const TEXT_BYTES_MAX: usize = 254;

/// Reads values; keeps its memory from call to call.
#[derive(Debug, Default)]
pub struct Scanner {
    hits: Vec<Hit>,
    owners: Vec<Owner>,
    canonical: Vec<u8>,
    joined: Vec<bool>,
    undone: Vec<u8>,
    tail: Vec<u8>,
}

impl Scanner {
    /// Returns what was found since [`Scanner::clear`].
    pub fn hits(&self) -> &[Hit] {
        &self.hits
    }

    /// Forgets what was found.
    pub fn clear(&mut self) {
        self.hits.clear();
    }

    /// Forgets the end of the last chunk: the next is of another stream.
    pub fn end_stream(&mut self) {
        self.tail.clear();
    }

    /// Reads one whole value.
    pub fn value(&mut self, index: &ValueIndex, value: &[u8]) {
        self.plain(index, value, true);
        let mut undone = std::mem::take(&mut self.undone);
        undone.clear();
        if undo::undo(value, &mut undone) {
            self.plain(index, &undone, false);
        }
        self.undone = undone;
        let shapes = index.shapes();
        if shapes.texts && value.len() <= TEXT_BYTES_MAX {
            self.canonical.clear();
            self.canonical.extend_from_slice(value.trim_ascii());
            lower(&mut self.canonical);
            self.find(index, Class::Text, Certainty::Exact);
        }
    }

    /// Reads an integer or numeric in text form: only a whole telephone number tells something, and never
    /// for sure.
    pub fn number(&mut self, index: &ValueIndex, digits: &[u8]) {
        const DIGITS_MIN: usize = 10;
        if digits.len() >= DIGITS_MIN && digits.iter().all(u8::is_ascii_digit) {
            let before = self.hits.len();
            self.plain(index, digits, true);
            for hit in self.hits.iter_mut().skip(before) {
                hit.certainty = Certainty::Possible;
            }
        }
    }

    /// Reads one chunk of a stream; a value that began in the chunk before is found too.
    pub fn chunk(&mut self, index: &ValueIndex, chunk: &[u8]) {
        let mut tail = std::mem::take(&mut self.tail);
        if !tail.is_empty() && chunk.first().is_some_and(|byte| goes_on(*byte)) {
            let head = chunk.iter().take(TAIL_BYTES);
            tail.extend(head);
            self.plain(index, &tail, false);
        }
        self.value(index, chunk);
        tail.clear();
        if chunk.last().is_some_and(|byte| goes_on(*byte)) {
            tail.extend_from_slice(chunk.get(chunk.len().saturating_sub(TAIL_BYTES)..).unwrap_or_default());
        }
        self.tail = tail;
    }

    /// Appends what was found to the row begun last and forgets it.
    pub fn record(&mut self, batch: &mut ShownBatch) {
        for hit in self.hits.drain(..) {
            let key = batch.subject(&hit.owner.key);
            batch.push(hit.owner.kind, key, hit.owner.fields, hit.certainty);
        }
    }

    // `whole`: the bytes are all of one value.
    fn plain(&mut self, index: &ValueIndex, bytes: &[u8], whole: bool) {
        if bytes.len() <= sieve::LANES {
            self.sift::<1>(index, bytes, whole);
        } else {
            self.sift::<4>(index, bytes, whole);
        }
    }

    fn sift<const WORDS: usize>(&mut self, index: &ValueIndex, bytes: &[u8], whole: bool) {
        let bounds = index.bounds();
        let (mut at, mut number_done, mut identifier_done) = (0, 0, 0);
        while let Some(stretch) = Stretch::<WORDS>::next(bytes, at, bounds, whole) {
            at = stretch.end();
            for Telling { place, at, number, identifier } in stretch.telling() {
                if at && index.shapes().emails {
                    self.email(index, bytes, place);
                }
                if number && place >= number_done {
                    number_done = self.numbers(index, bytes, place, whole);
                }
                if identifier && place >= identifier_done {
                    identifier_done = self.identifiers(index, bytes, place, whole);
                }
            }
        }
    }

    // Looks `canonical` up; returns whether it is known.
    fn find(&mut self, index: &ValueIndex, class: Class, certainty: Certainty) -> bool {
        let hash = index.key().hash(class as u8, &self.canonical);
        self.find_hash(index, hash, certainty)
    }

    fn find_hash(&mut self, index: &ValueIndex, hash: u64, certainty: Certainty) -> bool {
        if !index.may_hold(hash) {
            return false;
        }
        self.owners.clear();
        index.find_hash(hash, &mut self.owners);
        let first = self.owners.first();
        let shared = self.owners.iter().any(|owner| first.is_some_and(|f| !same_subject(f, owner)));
        let certainty = if shared { Certainty::Possible } else { certainty };
        let known = !self.owners.is_empty();
        if self.owners.len() <= SHARED_MAX {
            for owner in self.owners.drain(..) {
                match self.hits.iter_mut().find(|hit| hit.owner == owner) {
                    Some(hit) => hit.certainty = hit.certainty.min(certainty),
                    None => self.hits.push(Hit { owner, certainty }),
                }
            }
        }
        known
    }
}

fn same_subject(a: &Owner, b: &Owner) -> bool {
    (a.kind, &a.key) == (b.kind, &b.key)
}

/// Returns whether a value may go on with this byte.
fn goes_on(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || b"@.+-_/%() #:".contains(&byte)
}

/// Lower-cases UTF-8 in place; other bytes as if they were ASCII.
fn lower(bytes: &mut Vec<u8>) {
    if !bytes.is_ascii()
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        *bytes = text.to_lowercase().into_bytes();
    } else {
        bytes.make_ascii_lowercase();
    }
}

#[cfg(test)]
mod tests;
