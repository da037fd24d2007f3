//! Gaps between keys by an adaptive range coder. Which keys somebody was shown is a mixture: neighbours, those of the
//! own team, and anybody. How long a gap is, is told by the one before, and the coder learns how.

use super::{ADAPTIVE, HEAD_LEN, WAYS, WAYS_MAX, put_head, read_head};

/// Probabilities are of 2^16; a new one is even.
const BITS: u32 = 16;
/// A probability is the mean of what was seen, until so many bits were; then the latest count most.
const SEEN_MAX: u8 = 40;
/// Below this the range is widened.
const RANGE_MIN: u32 = 1 << 24;
/// Bits without a probability are coded so many at a time.
const DIRECT_MAX: u32 = 16;
/// A gap has 0 to 64 bits.
const LENGTH_BITS: u32 = 7;
/// Of a gap of at most so many bits the keys stand together, which tells of the next.
const NEAR: usize = 3;

/// Codes keys, rising and more than one.
pub(super) fn encode(keys: &[i64]) -> Vec<u8> {
    let mut out = Vec::new();
    put_head(&mut out, ADAPTIVE, keys);
    encode_behind(out, keys, &[], 0)
}

/// Codes keys, rising, each with bits that say in which of `ways` (2 to [`WAYS_MAX`]) it was shown.
pub(super) fn encode_ways(keys: &[i64], marks: &[u8], ways: usize) -> Vec<u8> {
    let mut out = Vec::new();
    put_head(&mut out, WAYS, keys);
    out.push(ways as u8);
    encode_behind(out, keys, marks, ways)
}

/// Appends keys behind the first, and each one's mark, of no bits where there are no ways.
fn encode_behind(out: Vec<u8>, keys: &[i64], marks: &[u8], ways: usize) -> Vec<u8> {
    let mut coder = Encoder { out, low: 0, range: u32::MAX };
    let mut model = Model::default();
    let mut before = None;
    for (at, key) in keys.iter().enumerate() {
        // A coder that writes does not fail.
        if let Some(before) = before.replace(*key) {
            let _ = model.gap(&mut coder, (*key as u64).wrapping_sub(before as u64) - 1);
        }
        let _ = model.mark(&mut coder, ways, marks.get(at).copied().unwrap_or_default());
    }
    coder.finish()
}

pub(super) fn decode(bytes: &[u8]) -> Option<Vec<i64>> {
    let (count, first, rest) = read_head(bytes, 2)?;
    let mut keys = Vec::new();
    decode_behind(rest, count, first, 0, |key, _| {
        keys.push(key);
        Some(())
    })?;
    Some(keys)
}

/// Reads what [`encode_ways`] wrote: the keys of each way.
pub(super) fn decode_ways(bytes: &[u8]) -> Option<Vec<Vec<i64>>> {
    let (count, first, rest) = read_head(bytes, 1)?;
    let (ways, rest) = rest.split_first()?;
    let ways = usize::from(*ways);
    if !(2..=WAYS_MAX).contains(&ways) {
        return None;
    }
    let mut keys = vec![Vec::new(); ways];
    decode_behind(rest, count, first, ways, |key, mark| {
        for (way, keys) in keys.iter_mut().enumerate() {
            if mark >> way & 1 == 1 {
                keys.push(key);
            }
        }
        (mark != 0).then_some(())
    })?;
    Some(keys)
}

/// Reads what [`encode_behind`] wrote, and nothing else: each key with its mark.
fn decode_behind(
    rest: &[u8],
    count: usize,
    first: i64,
    ways: usize,
    mut each: impl FnMut(i64, u8) -> Option<()>,
) -> Option<()> {
    let mut coder = Decoder::new(rest)?;
    let mut model = Model::default();
    let mut key = first;
    for at in 0..count {
        if at > 0 {
            key = key.checked_add_unsigned(model.gap(&mut coder, 0)?)?.checked_add(1)?;
        }
        each(key, model.mark(&mut coder, ways, 0)?)?;
    }
    coder.is_done().then_some(())
}

/// How probable it is that the next bit is 0, and how often it was asked.
#[derive(Clone, Copy)]
struct Chance(u16, u8);

/// What was learned of a set's gaps so far.
struct Model {
    /// By whether the gap before was a small one: a tree of the bits of the length.
    lengths: [[Chance; 1 << LENGTH_BITS]; 2],
    /// By the length: its second bit, and then the third.
    seconds: [[Chance; 4]; 65],
    before: usize,
    /// By whether the gap before was a small one, and whether the key before was shown in the way: a tree of the bits
    /// of the mark.
    marks: [[[Chance; 1 << WAYS_MAX]; 2]; 2],
    mark: u8,
}

impl Default for Model {
    fn default() -> Model {
        let even = Chance(1 << (BITS - 1), 0);
        Model {
            lengths: [[even; 1 << LENGTH_BITS]; 2],
            seconds: [[even; 4]; 65],
            before: 0,
            marks: [[[even; 1 << WAYS_MAX]; 2]; 2],
            mark: 0,
        }
    }
}

impl Model {
    /// Codes a gap, or reads one.
    fn gap(&mut self, coder: &mut impl Coder, gap: u64) -> Option<u64> {
        let length = 64 - gap.leading_zeros();
        let context = usize::from(self.before > NEAR);
        let mut node = 1;
        for at in (0..LENGTH_BITS).rev() {
            let chance = self.lengths.get_mut(context)?.get_mut(node)?;
            node = node << 1 | usize::from(coder.bit(chance, length >> at & 1 == 1)?);
        }
        let length = node ^ 1 << LENGTH_BITS;
        if length > 64 {
            return None;
        }
        self.before = length;
        let Some(mut below) = (length as u32).checked_sub(1) else { return Some(0) };
        // Behind the leading bit.
        let mut value = 1u64;
        let mut node = 1;
        while below > 0 && node < 4 {
            below -= 1;
            let chance = self.seconds.get_mut(length)?.get_mut(node)?;
            let bit = coder.bit(chance, gap >> below & 1 == 1)?;
            node = node << 1 | usize::from(bit);
            value = value << 1 | u64::from(bit);
        }
        while below > 0 {
            let bits = below.min(DIRECT_MAX);
            below -= bits;
            let some = (gap >> below) as u32 & ((1 << bits) - 1);
            value = value << bits | u64::from(coder.direct(bits, some)?);
        }
        Some(value)
    }

    /// Codes, or reads, in which ways the key behind the last gap was shown.
    fn mark(&mut self, coder: &mut impl Coder, ways: usize, mark: u8) -> Option<u8> {
        let marks = self.marks.get_mut(usize::from(self.before <= NEAR))?;
        let mut node = 1;
        let mut found = 0;
        for way in 0..ways {
            let chance = marks.get_mut(usize::from(self.mark >> way & 1))?.get_mut(node)?;
            let bit = coder.bit(chance, mark >> way & 1 == 1)?;
            node = node << 1 | usize::from(bit);
            found |= u8::from(bit) << way;
        }
        self.mark = found;
        Some(found)
    }
}

/// Codes what it is given, or reads, and returns, what was coded.
trait Coder {
    fn bit(&mut self, chance: &mut Chance, bit: bool) -> Option<bool>;

    fn direct(&mut self, bits: u32, value: u32) -> Option<u32>;
}

impl Chance {
    /// Returns what of `range` stands for a 0: neither nothing nor all.
    fn part(self, range: u32) -> u32 {
        ((u64::from(range) * u64::from(self.0)) >> BITS) as u32
    }

    fn learn(&mut self, bit: bool) {
        let Chance(zero, seen) = self;
        let part = u16::from(*seen) + 2;
        *seen = (*seen + 1).min(SEEN_MAX);
        let (least, most) = (1 << 5, u16::MAX - (1 << 5));
        *zero = match bit {
            true => *zero - *zero / part,
            false => *zero + (u16::MAX - *zero) / part,
        }
        .clamp(least, most);
    }
}

/// The range coder of Martin (1979), as LZMA has it: `low` carries into what was written.
struct Encoder {
    out: Vec<u8>,
    low: u32,
    range: u32,
}

impl Encoder {
    fn add(&mut self, amount: u32) {
        let (low, carries) = self.low.overflowing_add(amount);
        self.low = low;
        if carries {
            for byte in self.out.iter_mut().skip(HEAD_LEN).rev() {
                *byte = byte.wrapping_add(1);
                if *byte != 0 {
                    return;
                }
            }
        }
    }

    fn widen(&mut self) {
        while self.range < RANGE_MIN {
            self.out.push((self.low >> 24) as u8);
            self.low <<= 8;
            self.range <<= 8;
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.out.extend_from_slice(&self.low.to_be_bytes());
        self.out
    }
}

impl Coder for Encoder {
    fn bit(&mut self, chance: &mut Chance, bit: bool) -> Option<bool> {
        let part = chance.part(self.range);
        if bit {
            self.add(part);
            self.range -= part;
        } else {
            self.range = part;
        }
        chance.learn(bit);
        self.widen();
        Some(bit)
    }

    fn direct(&mut self, bits: u32, value: u32) -> Option<u32> {
        self.range >>= bits;
        self.add(value * self.range);
        self.widen();
        Some(value)
    }
}

struct Decoder<'a> {
    rest: &'a [u8],
    code: u32,
    range: u32,
}

impl<'a> Decoder<'a> {
    fn new(bytes: &'a [u8]) -> Option<Decoder<'a>> {
        let (code, rest) = bytes.split_first_chunk()?;
        Some(Decoder { rest, code: u32::from_be_bytes(*code), range: u32::MAX })
    }

    fn widen(&mut self) -> Option<()> {
        while self.range < RANGE_MIN {
            let (byte, rest) = self.rest.split_first()?;
            self.code = self.code << 8 | u32::from(*byte);
            self.range <<= 8;
            self.rest = rest;
        }
        Some(())
    }

    /// Returns whether all was read, and nothing else was written: the coder ends at the front of the range.
    fn is_done(&self) -> bool {
        self.rest.is_empty() && self.code == 0
    }
}

impl Coder for Decoder<'_> {
    fn bit(&mut self, chance: &mut Chance, _: bool) -> Option<bool> {
        let part = chance.part(self.range);
        let bit = self.code >= part;
        if bit {
            self.code -= part;
            self.range -= part;
        } else {
            self.range = part;
        }
        chance.learn(bit);
        self.widen()?;
        Some(bit)
    }

    fn direct(&mut self, bits: u32, _: u32) -> Option<u32> {
        self.range >>= bits;
        let value = (self.code / self.range).min((1 << bits) - 1);
        self.code -= value * self.range;
        self.widen()?;
        Some(value)
    }
}
