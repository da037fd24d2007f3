//! Tells, before any token is cut, which digits may be of a known value: runs of bytes that by their length,
//! digits and letters can hold none are passed over, 64 bytes at once.
//!
//! Each property of a byte becomes a bit of a word, so that a run of bytes is a run of bits. Nothing that could
//! be found is left out; what is left in is looked at closely.

use std::ops::Range;

use crate::value_index::{Bounds, is_identifier_byte, is_number_separator};

pub(super) const LANES: usize = 64;

/// Bit n of word w is byte 64 w + n.
type Bits<const WORDS: usize> = [u64; WORDS];

/// At most so many blocks of 64 bytes one after the other, each of which has an `@` or a digit.
pub(super) struct Stretch<const WORDS: usize> {
    start: usize,
    words: usize,
    ats: Bits<WORDS>,
    /// First digits that may be of a number.
    numbers: Bits<WORDS>,
    /// First digits that may be of an identifier.
    identifiers: Bits<WORDS>,
}

/// An `@`, or the first of digits in a row.
pub(super) struct Telling {
    pub(super) place: usize,
    pub(super) at: bool,
    pub(super) number: bool,
    pub(super) identifier: bool,
}

impl<const WORDS: usize> Stretch<WORDS> {
    /// Returns the next stretch from `from` on, which is 0 or the end of the last one.
    ///
    /// * `whole`: the bytes are all of one value.
    #[inline]
    pub(super) fn next(bytes: &[u8], from: usize, bounds: &Bounds, whole: bool) -> Option<Stretch<WORDS>> {
        let blocks = bytes.get(from..)?.as_chunks::<LANES>().0;
        let start = from + LANES * blocks.iter().take_while(|block| !tells(block)).count();
        let mut stretch = Stretch { start, words: 0, ats: [0; _], numbers: [0; _], identifiers: [0; _] };
        let (mut digits, mut of_numbers, mut of_identifiers) = ([0; _], [0; _], [0; _]);
        for word in 0..WORDS {
            let Some(block) = block(bytes, start + LANES * word) else { break };
            let (has_at, digit) = (has_at(&block), bits(&block, is_digit));
            if !has_at && digit == 0 {
                break;
            }
            if has_at {
                set(&mut stretch.ats, word, bits(&block, |byte| byte == b'@'));
            }
            set(&mut digits, word, digit);
            set(&mut of_numbers, word, bits(&block, |byte| is_digit(byte) | is_number_separator(byte)));
            set(&mut of_identifiers, word, bits(&block, is_identifier_byte));
            stretch.words += 1;
        }
        if stretch.words == 0 {
            return None;
        }
        let mut first = digits;
        let mut before = start.checked_sub(1).and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
        for word in &mut first {
            let all = *word;
            *word &= !(all << 1 | u64::from(before));
            before = all >> (LANES - 1) == 1;
        }
        stretch.keep_numbers(from, bytes.len(), bounds, &of_numbers, &digits);
        stretch.keep_identifiers(bytes, bounds, whole, &of_identifiers, &digits);
        for kept in [&mut stretch.numbers, &mut stretch.identifiers] {
            kept.iter_mut().zip(&first).for_each(|(kept, first)| *kept &= first);
        }
        Some(stretch)
    }

    /// Returns where the stretch ends.
    pub(super) fn end(&self) -> usize {
        self.start + LANES * self.words
    }

    /// Iterates over what is left in, in order.
    pub(super) fn telling(&self) -> impl Iterator<Item = Telling> {
        (0..self.words).flat_map(move |word| {
            let [ats, numbers, identifiers] =
                [&self.ats, &self.numbers, &self.identifiers].map(|bits| get(bits, word));
            places(ats | numbers | identifiers).map(move |bit| Telling {
                place: self.start + LANES * word + bit,
                at: ats >> bit & 1 == 1,
                number: numbers >> bit & 1 == 1,
                identifier: identifiers >> bit & 1 == 1,
            })
        })
    }

    // A run of digits and separators is kept if it has the digits of the shortest number.
    fn keep_numbers(
        &mut self,
        from: usize,
        len: usize,
        bounds: &Bounds,
        runs: &Bits<WORDS>,
        digits: &Bits<WORDS>,
    ) {
        // A block without a digit parts any two numbers.
        let goes_on = (self.start == from && from > 0, self.words == WORDS && self.end() < len);
        let kept = &mut self.numbers;
        for_each_run(runs, self.words, bounds.digits_min, goes_on, |run, cut| {
            let count: u32 = masks(&run).map(|(word, mask)| (get(digits, word) & mask).count_ones()).sum();
            if cut || count as usize >= bounds.digits_min {
                fill(kept, &run);
            }
        });
    }

    // A run of letters, digits and punctuation is kept if it is long enough and has the first letter of an
    // identifier.
    fn keep_identifiers(
        &mut self,
        bytes: &[u8],
        bounds: &Bounds,
        whole: bool,
        runs: &Bits<WORDS>,
        digits: &Bits<WORDS>,
    ) {
        let goes_on = (self.start > 0, self.end() < bytes.len());
        let (start, kept) = (self.start, &mut self.identifiers);
        // A whole value may be an identifier without its beginning.
        let short =
            whole && bytes.len() < bounds.identifier_len_min && bounds.identifier_len_min < usize::MAX;
        let len_min = if short { 1 } else { bounds.identifier_len_min };
        for_each_run(runs, self.words, len_min, goes_on, |run, cut| {
            let is_all = whole && run.len() == bytes.len();
            let has_digit = masks(&run).any(|(word, mask)| get(digits, word) & mask != 0);
            let run_bytes = bytes.get(start + run.start..start + run.end).unwrap_or_default();
            let may_begin = |place: usize| {
                run_bytes.get(place - run.start..).is_some_and(|bytes| bounds.begins_identifier(bytes))
            };
            let may_hold = || {
                bounds.letters.is_none()
                    || masks(&run).any(|(word, mask)| {
                        places(mask & !get(digits, word)).any(|bit| may_begin(LANES * word + bit))
                    })
            };
            if has_digit && (cut || is_all || may_hold()) {
                fill(kept, &run);
            }
        });
    }
}

// Calls `each` with the runs of `len_min` bits or more, and with those that may be longer than is seen because
// they touch an end at which they may go on.
#[inline]
fn for_each_run<const WORDS: usize>(
    bits: &Bits<WORDS>,
    words: usize,
    len_min: usize,
    goes_on: (bool, bool),
    mut each: impl FnMut(Range<usize>, bool),
) {
    if len_min == usize::MAX {
        return;
    }
    let end = LANES * words;
    let mut starts = starts(bits, words, len_min.min(LANES), if goes_on.1 { u64::MAX } else { 0 });
    if goes_on.0 {
        let first = get(&starts, 0) | get(bits, 0) & 1;
        set(&mut starts, 0, first);
    }
    let mut at = 0;
    while let Some(start) = next(&starts, at, 0) {
        let run = start..next(bits, start, u64::MAX).unwrap_or(end).min(end);
        at = run.end;
        let cut = (goes_on.0 && run.start == 0) || (goes_on.1 && run.end == end);
        each(run, cut);
    }
}

// Keeps the bits from which on `len` bits are set.
#[inline]
fn starts<const WORDS: usize>(bits: &Bits<WORDS>, words: usize, len: usize, beyond: u64) -> Bits<WORDS> {
    let mut left = *bits;
    let mut have = 1;
    while have < len {
        let step = have.min(len - have);
        let mut after = [0; WORDS];
        after.iter_mut().zip(left.iter().skip(1)).for_each(|(to, from)| *to = *from);
        set(&mut after, words.saturating_sub(1), beyond);
        for (here, after) in left.iter_mut().zip(after) {
            *here &= *here >> step | after << (LANES - step);
        }
        have += step;
    }
    left
}

// Returns the first bit from `from` on that is set, or with `flip` of all ones, is not.
#[inline]
fn next<const WORDS: usize>(bits: &Bits<WORDS>, from: usize, flip: u64) -> Option<usize> {
    let mut mask = u64::MAX << (from % LANES);
    for (word, bits) in bits.iter().enumerate().skip(from / LANES) {
        let found = (bits ^ flip) & mask;
        if found != 0 {
            return Some(LANES * word + found.trailing_zeros() as usize);
        }
        mask = u64::MAX;
    }
    None
}

// The words that a run is in, with its bits in them.
#[inline]
fn masks(run: &Range<usize>) -> impl Iterator<Item = (usize, u64)> {
    let (start, end) = (run.start, run.end);
    (start / LANES..end.div_ceil(LANES)).map(move |word| {
        let low = u64::MAX << start.saturating_sub(LANES * word);
        let high = u64::MAX >> (LANES * (word + 1)).saturating_sub(end);
        (word, low & high)
    })
}

#[inline]
fn fill<const WORDS: usize>(bits: &mut Bits<WORDS>, run: &Range<usize>) {
    masks(run).for_each(|(word, mask)| set(bits, word, get(bits, word) | mask));
}

#[inline]
fn places(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (bits != 0).then(|| bits.trailing_zeros() as usize);
        bits &= bits.wrapping_sub(1);
        bit
    })
}

#[inline]
fn get<const WORDS: usize>(bits: &Bits<WORDS>, word: usize) -> u64 {
    bits.get(word).copied().unwrap_or(0)
}

#[inline]
fn set<const WORDS: usize>(bits: &mut Bits<WORDS>, word: usize, value: u64) {
    if let Some(bits) = bits.get_mut(word) {
        *bits = value;
    }
}

#[inline]
fn block(bytes: &[u8], at: usize) -> Option<[u8; LANES]> {
    let rest = bytes.get(at..)?;
    Some(rest.first_chunk().copied().unwrap_or_else(|| {
        let mut padded = [0; LANES];
        padded.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        padded
    }))
}

// No way out in the loops, so that they become a few vector instructions.
#[inline]
fn tells(block: &[u8; LANES]) -> bool {
    block.iter().fold(false, |any, byte| any | is_digit(*byte) | (*byte == b'@'))
}

#[inline]
fn has_at(block: &[u8; LANES]) -> bool {
    block.iter().fold(false, |any, byte| any | (*byte == b'@'))
}

#[inline]
fn bits(block: &[u8; LANES], is: impl Fn(u8) -> bool) -> u64 {
    // Of eight bytes that are 0 or 1, the lowest bits, one beside the other.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let flags = block.map(|byte| u8::from(is(byte)));
    let eights = flags.as_chunks::<8>().0.iter().rev();
    eights.fold(0, |bits, eight| bits << 8 | u64::from_le_bytes(*eight).wrapping_mul(GATHER) >> 56)
}

#[inline]
fn is_digit(byte: u8) -> bool {
    byte.wrapping_sub(b'0') < 10
}
