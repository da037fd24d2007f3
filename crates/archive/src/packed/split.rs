//! Keys in two parts (Elias and Fano's): their low bits side by side, their high bits as places in a bitmap. A key is
//! found by counting bits, word after word, and looking at the few low parts that share its high part.

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

/// Returns which of `asked`, rising, are among the keys; nothing is said of a set that is not as [`encode`] makes it.
pub(super) fn members(bytes: &[u8], asked: &[i64]) -> Option<Vec<i64>> {
    let split = Split::read(bytes)?;
    let mut found = Vec::new();
    // Of the bitmap's words before `word`: how many bits are set.
    let (mut word, mut before) = (0usize, 0u64);
    for key in asked {
        if *key <= split.first {
            found.extend((*key == split.first).then_some(*key));
            continue;
        }
        let value = distance(split.first, *key) - 1;
        // Keys with this high part stand behind as many zeros.
        let zeros = value >> split.k;
        let mut bits = split.word(word);
        while let Some(all) = bits
            && 64 * (word as u64 + 1) - before - u64::from(all.count_ones()) < zeros
        {
            before += u64::from(all.count_ones());
            word += 1;
            bits = split.word(word);
        }
        let (mut at, mut place) = (64 * word as u64, before);
        let mut passed = at - before;
        while let Some(is_set) = split.bit(at) {
            if is_set {
                if passed == zeros && split.value(at, place)? == value {
                    found.push(*key);
                    break;
                }
                place += 1;
            } else {
                passed += 1;
                if passed > zeros {
                    break;
                }
            }
            at += 1;
        }
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
        let (count, first, rest) = read_head(bytes)?;
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
