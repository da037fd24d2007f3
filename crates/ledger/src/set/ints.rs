use super::bits::{BitReader, BitWriter};
use super::{INT_GAPS, INT_ONE, INT_RICE, INT_RUNS, SUBJECTS_MAX, read_count};
use crate::bytes::{Cursor, FormatError, put_signed, put_varint, unzigzag, varint_len, zigzag};

/// Writes integers in the cheapest coding.
///
/// * `keys`: at least one, strictly rising.
///
/// A bitmap is the Rice coding with parameter 0: the same bits, so it has no coding of its own.
pub(crate) fn put_ints(out: &mut Vec<u8>, keys: &[i64]) {
    let Some((first, rest)) = keys.split_first() else { return };
    if rest.is_empty() {
        out.push(INT_ONE);
        put_signed(out, *first);
        return;
    }
    let gaps = || keys.windows(2).map(|pair| gap_of(pair) - 1);
    let (parameter, rice_bits) = rice_parameter(keys.len() - 1, span_of(keys), gaps);
    let rice_len = rice_bits.div_ceil(8).saturating_add(1);
    let gaps_len = gaps().map(varint_len).sum::<usize>() as u64;
    let runs_len = runs_len(keys);
    if runs_len <= rice_len && runs_len <= gaps_len {
        put_runs(out, keys);
        return;
    }
    out.push(if rice_len <= gaps_len { INT_RICE } else { INT_GAPS });
    put_varint(out, keys.len() as u64);
    put_signed(out, *first);
    if rice_len > gaps_len {
        gaps().for_each(|gap| put_varint(out, gap));
        return;
    }
    out.push(parameter);
    let mut bits = BitWriter { out, word: 0, used: 0 };
    for gap in gaps() {
        bits.put_rice(gap, u32::from(parameter));
    }
    bits.finish();
}

fn gap_of(pair: &[i64]) -> u64 {
    match pair {
        [a, b] => (*b as u64).wrapping_sub(*a as u64),
        _ => 1,
    }
}

fn span_of(keys: &[i64]) -> u64 {
    match (keys.first(), keys.last()) {
        (Some(a), Some(b)) => (*b as u64).wrapping_sub(*a as u64),
        _ => 0,
    }
}

/// Returns the best Rice parameter and the bits it costs, looking around the logarithm of the mean gap.
fn rice_parameter<I: Iterator<Item = u64>>(n: usize, span: u64, gaps: impl Fn() -> I) -> (u8, u64) {
    let cost = |k: u32| {
        let base = (n as u64).saturating_mul(u64::from(k) + 1);
        gaps().fold(base, |sum, gap| sum.saturating_add(gap >> k))
    };
    let mean = (span / n.max(1) as u64).max(1);
    let mut best = 63 - mean.leading_zeros();
    let mut bits = cost(best);
    if best < 63 && cost(best + 1) < bits {
        best += 1;
        bits = cost(best);
    }
    while best > 0 {
        let lower = cost(best - 1);
        if lower >= bits {
            break;
        }
        (best, bits) = (best - 1, lower);
    }
    (best as u8, bits)
}

/// Iterates over (gap to the last key of the run before less 2, length) of every run of successive keys.
fn runs(keys: &[i64]) -> impl Iterator<Item = (i64, u64)> + '_ {
    keys.chunk_by(|a, b| a.checked_add(1) == Some(*b))
        .filter_map(|run| run.first().map(|first| (*first, run.len() as u64)))
}

fn run_gap(before: Option<i64>, first: i64) -> u64 {
    match before {
        None => zigzag(first),
        // Two runs are at least 2 apart, or they would be one.
        Some(last) => (first as u64).wrapping_sub(last as u64).wrapping_sub(2),
    }
}

fn for_each_run(keys: &[i64], mut each: impl FnMut(u64, u64)) {
    let mut before = None;
    for (first, len) in runs(keys) {
        each(run_gap(before, first), len - 1);
        before = Some(first.wrapping_add_unsigned(len - 1));
    }
}

/// Returns what the run coding costs beside what the other codings share (count and first key).
fn runs_len(keys: &[i64]) -> u64 {
    let (mut len, mut count) = (0, 0u64);
    for_each_run(keys, |gap, more| {
        len += if count == 0 { 0 } else { varint_len(gap) } + varint_len(more);
        count += 1;
    });
    len as u64
}

fn put_runs(out: &mut Vec<u8>, keys: &[i64]) {
    out.push(INT_RUNS);
    put_varint(out, runs(keys).count() as u64);
    for_each_run(keys, |gap, more| {
        put_varint(out, gap);
        put_varint(out, more);
    });
}

fn next_key(key: i64, gap: u64) -> Result<i64, FormatError> {
    key.checked_add_unsigned(gap).and_then(|key| key.checked_add(1)).ok_or(FormatError::Range("key"))
}

/// Reads runs into `keys`, which is empty.
pub(super) fn read_runs(
    cursor: &mut Cursor<'_>,
    room: usize,
    keys: &mut Vec<i64>,
) -> Result<(), FormatError> {
    let count = read_count(cursor, 1, room)?;
    for _ in 0..count {
        let gap = cursor.varint()?;
        let first = match keys.last() {
            None => unzigzag(gap),
            Some(last) => last.checked_add(1).map_or(Err(FormatError::Range("key")), |k| next_key(k, gap))?,
        };
        let more = cursor.count(usize::MAX, "run")?;
        if more >= room.saturating_sub(keys.len()) {
            return Err(FormatError::Many(SUBJECTS_MAX));
        }
        let last = first.checked_add_unsigned(more as u64).ok_or(FormatError::Range("key"))?;
        keys.extend(first..=last);
    }
    Ok(())
}

/// Reads Rice-coded gaps into `keys`, which is empty.
pub(super) fn read_rice(
    cursor: &mut Cursor<'_>,
    room: usize,
    keys: &mut Vec<i64>,
) -> Result<(), FormatError> {
    let n = read_count(cursor, 2, room)?;
    let mut key = cursor.signed()?;
    let parameter = u32::from(cursor.byte()?);
    if parameter > 63 {
        return Err(FormatError::Range("parameter"));
    }
    // Every gap takes a bit at least: a false count cannot reserve memory it does not pay for.
    if n - 1 > cursor.len().saturating_mul(8) {
        return Err(FormatError::Short);
    }
    let mut bits = BitReader { bytes: cursor.take(cursor.len())?, word: 0, left: 0 };
    keys.reserve(n);
    keys.push(key);
    for _ in 1..n {
        key = next_key(key, bits.take_rice(parameter)?)?;
        keys.push(key);
    }
    bits.finish()
}

/// Reads gaps into `keys`, which is empty.
pub(super) fn read_gaps(
    cursor: &mut Cursor<'_>,
    room: usize,
    keys: &mut Vec<i64>,
) -> Result<(), FormatError> {
    let n = read_count(cursor, 2, room)?;
    let mut key = cursor.signed()?;
    keys.push(key);
    for _ in 1..n {
        key = next_key(key, cursor.varint()?)?;
        keys.push(key);
    }
    Ok(())
}
