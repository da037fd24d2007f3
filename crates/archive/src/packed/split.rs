//! Keys in two parts (Elias and Fano's): their low bits side by side, their high bits as places in a bitmap. A key is
//! found by counting bits, word after word, and looking at the few low parts that share its high part.

use std::cmp::Ordering;

use super::{SPLIT, put_head, read_head};

/// Codes keys, rising and more than one.
pub(super) fn encode(keys: &[i64]) -> Vec<u8> {
    let first = keys.first().copied().unwrap_or_default();
    let values = || keys.iter().skip(1).map(|key| distance(first, *key) - 1);
    let count = keys.len() as u64 - 1;
    let last = values().next_back().unwrap_or_default();
    // The least of `count * k + (last >> k)` is near here.
    let k = (last / count.max(1)).max(1).ilog2();
    let mut out = Vec::new();
    put_head(&mut out, SPLIT, keys);
    out.push(k as u8);
    let mut low = BitWriter::default();
    values().for_each(|value| low.put(value & mask(k), k));
    out.append(&mut low.finish());
    let bits = usize::try_from((last >> k) + count).unwrap_or(usize::MAX);
    let mut high = vec![0u8; bits.div_ceil(8)];
    for (place, value) in (0u64..).zip(values()) {
        let bit = (value >> k) + place;
        if let Some(byte) = usize::try_from(bit / 8).ok().and_then(|at| high.get_mut(at)) {
            *byte |= 1 << (bit % 8);
        }
    }
    out.append(&mut high);
    out
}

pub(super) fn decode(bytes: &[u8]) -> Option<Vec<i64>> {
    let split = Split::read(bytes)?;
    let mut keys = vec![split.first];
    let mut last = None;
    for (place, bit) in (0u64..).zip(split.ones()) {
        let value = split.value(bit, place)?;
        if last.is_some_and(|last| value <= last) {
            return None;
        }
        last = Some(value);
        keys.push(split.key(value)?);
    }
    (keys.len() == split.count).then_some(keys)
}

/// Bits of the bitmap between two counts of an index.
const STRIDE: u64 = 512;

/// Counts the bits that are set before each [`STRIDE`] bits of the bitmap; `None`: it is no set.
pub(super) fn index(bytes: &[u8]) -> Option<Box<[u32]>> {
    let split = Split::read(bytes)?;
    let mut before = 0;
    let counts = split.high.chunks(STRIDE as usize / 8).map(|some| {
        let counted = before;
        before += some.chunks(8).map(|word| le_word(word).count_ones()).sum::<u32>();
        counted
    });
    Some(counts.collect())
}

/// Returns which of `asked` are among the keys, by the set's [`index`]; nothing is said of a set that is not as
/// [`encode`] makes it.
pub(super) fn members(bytes: &[u8], index: &[u32], asked: &[i64]) -> Option<Vec<i64>> {
    let split = Split::read(bytes)?;
    let mut found = Vec::new();
    for key in asked {
        let is_among = match key.cmp(&split.first) {
            Ordering::Less => false,
            Ordering::Equal => true,
            Ordering::Greater => split.has(distance(split.first, *key) - 1, index)?,
        };
        found.extend(is_among.then_some(*key));
    }
    Some(found)
}

/// A coded set, its parts found.
struct Split<'a> {
    count: usize,
    first: i64,
    k: u32,
    low: &'a [u8],
    high: &'a [u8],
}

impl<'a> Split<'a> {
    fn read(bytes: &'a [u8]) -> Option<Split<'a>> {
        let (count, first, rest) = read_head(bytes, 2)?;
        let (k, rest) = rest.split_first()?;
        let k = u32::from(*k);
        let low_bits = (count - 1).checked_mul(k as usize)?;
        let (low, high) = rest.split_at_checked(low_bits.div_ceil(8))?;
        // The last bit that is set is in the last byte: there is one way only to write a set.
        let padding = low.last().map_or(0, |last| u32::from(*last) >> (low_bits % 8));
        let is_whole = k < 64 && high.last().is_some_and(|last| *last != 0);
        let is_padded = low_bits.is_multiple_of(8) || padding == 0;
        (is_whole && is_padded).then_some(Split { count, first, k, low, high })
    }

    fn word(&self, at: usize) -> Option<u64> {
        let rest = self.high.get(at.checked_mul(8)?..).filter(|rest| !rest.is_empty())?;
        Some(le_word(rest))
    }

    /// Returns whether a value is among those of the set.
    fn has(&self, value: u64, index: &[u32]) -> Option<bool> {
        // Values with this high part stand behind as many zeros.
        let zeros = value >> self.k;
        let Some((mut at, mut place)) = self.behind_zeros(zeros, index) else { return Some(false) };
        while self.bit(at) == Some(true) {
            if self.value(at, place)? == value {
                return Some(true);
            }
            (at, place) = (at + 1, place + 1);
        }
        Some(false)
    }

    /// Returns the place in the bitmap behind so many zeros, and how many bits are set before it.
    fn behind_zeros(&self, zeros: u64, index: &[u32]) -> Option<(u64, u64)> {
        if zeros == 0 {
            return Some((0, 0));
        }
        // The last stride that begins behind fewer zeros has the last of them.
        let zeros_before = |stride: usize| {
            let ones = index.get(stride).map(|ones| u64::from(*ones));
            ones.map(|ones| (stride as u64 * STRIDE).saturating_sub(ones))
        };
        let (mut from, mut to) = (0, index.len());
        while from < to {
            let middle = from.midpoint(to);
            if zeros_before(middle)? < zeros { from = middle + 1 } else { to = middle }
        }
        let stride = from.checked_sub(1)?;
        let mut left = zeros.checked_sub(zeros_before(stride)?)?;
        let mut word = stride * (STRIDE as usize / 64);
        loop {
            let unset = !self.word(word)?;
            let count = u64::from(unset.count_ones());
            if count >= left {
                let rest = (1..left).fold(unset, |rest, _| rest & rest.wrapping_sub(1));
                let at = word as u64 * 64 + u64::from(rest.trailing_zeros()) + 1;
                return Some((at, at - zeros));
            }
            left -= count;
            word += 1;
        }
    }

    fn bit(&self, at: u64) -> Option<bool> {
        let byte = self.high.get(usize::try_from(at / 8).ok()?)?;
        Some(byte >> (at % 8) & 1 == 1)
    }

    /// Iterates over the places of the bits that are set.
    fn ones(&self) -> impl Iterator<Item = u64> {
        (0usize..).map_while(|at| self.word(at).map(|word| (at as u64 * 64, word))).flat_map(
            |(base, word)| {
                let rest = std::iter::successors(Some(word), |word| Some(word & word.wrapping_sub(1)));
                rest.take_while(|word| *word != 0).map(move |word| base + u64::from(word.trailing_zeros()))
            },
        )
    }

    /// Returns the value whose high part is at `bit`, as the `place`-th.
    fn value(&self, bit: u64, place: u64) -> Option<u64> {
        let high = bit.checked_sub(place)?;
        if high > u64::MAX >> self.k || place >= self.count as u64 - 1 {
            return None;
        }
        Some(high << self.k | self.low_bits(place)?)
    }

    fn low_bits(&self, place: u64) -> Option<u64> {
        if self.k == 0 {
            return Some(0);
        }
        let at = place * u64::from(self.k);
        let bytes = self.low.get(usize::try_from(at / 8).ok()?..)?;
        let (shift, word) = (at % 8, le_word(bytes));
        let more = bytes.get(8).copied().unwrap_or_default();
        let all = u128::from(word) | u128::from(more) << 64;
        Some((all >> shift) as u64 & mask(self.k))
    }

    fn key(&self, value: u64) -> Option<i64> {
        self.first.checked_add_unsigned(value)?.checked_add(1)
    }
}

fn le_word(bytes: &[u8]) -> u64 {
    match bytes.first_chunk::<8>() {
        Some(eight) => u64::from_le_bytes(*eight),
        None => bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// Returns `to - from` of which `to` is the greater.
fn distance(from: i64, to: i64) -> u64 {
    (to as u64).wrapping_sub(from as u64)
}

fn mask(bits: u32) -> u64 {
    (1u64 << bits) - 1
}

/// Writes numbers bit by bit, the lowest first.
#[derive(Default)]
struct BitWriter {
    out: Vec<u8>,
    word: u128,
    used: u32,
}

impl BitWriter {
    fn put(&mut self, value: u64, bits: u32) {
        self.word |= u128::from(value) << self.used;
        self.used += bits;
        while self.used >= 8 {
            self.out.push(self.word as u8);
            self.word >>= 8;
            self.used -= 8;
        }
    }

    fn finish(mut self) -> Vec<u8> {
        if self.used > 0 {
            self.out.push(self.word as u8);
        }
        self.out
    }
}
