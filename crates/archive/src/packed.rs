//! Sets as the archive codes them: as the log does, or in one of three ways that suit many integers better.
//! `docs/archive-format.md`, "Packed sets", has the bytes.

mod adaptive;
mod split;

use std::sync::Arc;

use arrow_array::{Array, BinaryViewArray};
use rastro_ledger::{SUBJECTS_MAX, Subjects, decode_set, encode_set};

use crate::columns::Malformed;

/// The log's own codings begin with other bytes.
const SPLIT: u8 = 0x05;
const ADAPTIVE: u8 = 0x06;
const WAYS: u8 = 0x07;
/// Ways of being shown that are coded together.
pub(crate) const WAYS_MAX: usize = 8;
/// Tag, count, first key.
const HEAD_LEN: usize = 13;
/// From here on a set is coded so that single keys are found in it.
const FINDABLE_MIN: usize = 1024;

/// Returns a set, out of which `erased` subjects were erased, coded so that single keys are found without the
/// others where it is large.
pub(crate) fn encode_findable(subjects: &Subjects, erased: u32) -> Vec<u8> {
    let least = encode_set(subjects, erased);
    match subjects {
        Subjects::Ints(keys) if erased == 0 && keys.len() >= FINDABLE_MIN => {
            let split = split::encode(keys);
            if split.len() <= least.len() + least.len() / 8 { split } else { least }
        }
        _ => least,
    }
}

/// Returns a set in the fewest bytes.
pub(crate) fn encode_least(subjects: &Subjects) -> Vec<u8> {
    let least = encode_set(subjects, 0);
    match subjects {
        Subjects::Ints(keys) if keys.len() > 1 => {
            let adaptive = adaptive::encode(keys);
            if adaptive.len() < least.len() { adaptive } else { least }
        }
        _ => least,
    }
}

/// Returns integer keys, rising, each with bits that say in which of several ways it was shown, in the fewest bytes.
pub(crate) fn encode_ways(keys: &[i64], marks: &[u8], ways: usize) -> Vec<u8> {
    adaptive::encode_ways(keys, marks, ways)
}

/// Reads what [`encode_ways`] wrote: the keys of each way.
pub(crate) fn decode_ways(bytes: &[u8]) -> Result<Vec<Vec<i64>>, Malformed> {
    if bytes.first() != Some(&WAYS) {
        return Err("coded");
    }
    adaptive::decode_ways(bytes).ok_or("coded")
}

/// Reads what [`encode_findable`] or [`encode_least`] wrote: the subjects left, and how many were erased. At most
/// [`SUBJECTS_MAX`].
pub(crate) fn decode(bytes: &[u8]) -> Result<(Subjects, u32), Malformed> {
    let keys = match bytes.first() {
        Some(&SPLIT) => split::decode(bytes),
        Some(&ADAPTIVE) => adaptive::decode(bytes),
        _ => return decode_set(bytes).map_err(|_| "coded"),
    };
    Ok((Subjects::Ints(keys.ok_or("coded")?), 0))
}

/// Reads any bytes as a packed set for fuzzing: all keys, and which of `keys`, rising, are among them; of a set with
/// ways of being shown, the keys of the first that has some. `None`: it is no set.
pub fn read_packed(bytes: &[u8], keys: &[i64]) -> Option<(Subjects, Vec<i64>)> {
    if let Ok(ways) = decode_ways(bytes) {
        let all = ways.into_iter().find(|keys| !keys.is_empty())?;
        let among = keys.iter().filter(|key| all.binary_search(key).is_ok()).copied().collect();
        return Some((Subjects::Ints(all), among));
    }
    let members = index(bytes).and_then(|index| members(bytes, &index, keys));
    let (subjects, _) = decode(bytes).ok()?;
    Some((subjects, members.ok()?))
}

/// A coded set in which keys are found.
#[derive(Clone, Debug)]
pub(crate) struct Findable {
    /// Of one row; as it was read.
    coded: BinaryViewArray,
    index: Arc<[u32]>,
}

impl Findable {
    /// Takes a coded set, the one row of a column.
    pub(crate) fn new(coded: BinaryViewArray) -> Result<Findable, Malformed> {
        if coded.len() != 1 || coded.null_count() > 0 {
            return Err("coded");
        }
        let index = index(coded.value(0))?.into();
        Ok(Findable { coded, index })
    }

    pub(crate) fn coded(&self) -> &[u8] {
        self.coded.value(0)
    }

    /// Returns which of the integers `keys` are in the set.
    pub(crate) fn members(&self, keys: &[i64]) -> Result<Vec<i64>, Malformed> {
        members(self.coded(), &self.index, keys)
    }

    /// Returns how many bytes it has.
    pub(crate) fn bytes(&self) -> usize {
        self.coded().len() + size_of_val(&*self.index)
    }
}

/// Returns what helps to find keys in a coded set; nothing for a coding in which they are not found one by one.
fn index(bytes: &[u8]) -> Result<Box<[u32]>, Malformed> {
    if bytes.first() == Some(&SPLIT) { split::index(bytes).ok_or("coded") } else { Ok(Box::default()) }
}

/// Returns which of the integers `keys` are in a coded set, given its [`index`].
fn members(bytes: &[u8], index: &[u32], keys: &[i64]) -> Result<Vec<i64>, Malformed> {
    if bytes.first() == Some(&SPLIT) {
        return split::members(bytes, index, keys).ok_or("coded");
    }
    let (subjects, _) = decode(bytes)?;
    let Subjects::Ints(all) = subjects else { return Ok(Vec::new()) };
    Ok(keys.iter().filter(|key| all.binary_search(key).is_ok()).copied().collect())
}

fn put_head(out: &mut Vec<u8>, tag: u8, keys: &[i64]) {
    out.push(tag);
    out.extend_from_slice(&(keys.len() as u32).to_le_bytes());
    out.extend_from_slice(&keys.first().copied().unwrap_or_default().to_le_bytes());
}

/// Returns the count of keys, `least` or more, the first, and the bytes behind.
fn read_head(bytes: &[u8], least: usize) -> Option<(usize, i64, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<HEAD_LEN>()?;
    let [_, a, b, c, d, first @ ..] = *head;
    let count = u32::from_le_bytes([a, b, c, d]) as usize;
    (least..=SUBJECTS_MAX).contains(&count).then_some((count, i64::from_le_bytes(first), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::rngs::SmallRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn check(keys: &[i64]) {
        let subjects = Subjects::Ints(keys.to_vec());
        let mut all = vec![encode_findable(&subjects, 0), encode_least(&subjects)];
        if keys.len() > 1 {
            all.extend([split::encode(keys), adaptive::encode(keys)]);
        }
        let asked: Vec<i64> = keys.iter().step_by(3).flat_map(|key| [*key, key.saturating_add(1)]).collect();
        let among = |asked: &[i64]| -> Vec<i64> {
            asked.iter().filter(|key| keys.binary_search(key).is_ok()).copied().collect()
        };
        let mut asked = asked;
        asked.extend([i64::MIN, i64::MAX]);
        asked.sort_unstable();
        asked.dedup();
        for coded in all {
            assert_eq!(decode(&coded), Ok((subjects.clone(), 0)), "{:02x?}", coded.first());
            let found = members(&coded, &index(&coded).unwrap(), &asked);
            assert_eq!(found, Ok(among(&asked)), "{:02x?}", coded.first());
            let (short, long) = (coded.get(..coded.len() - 1).unwrap(), [&*coded, &[0]].concat());
            assert_ne!(decode(short), Ok((subjects.clone(), 0)));
            assert_ne!(decode(&long), Ok((subjects.clone(), 0)));
        }
    }

    proptest! {
        #[test]
        fn prop_packed_sets_come_back(
            (small, wide, any) in (
                prop::collection::btree_set(0i64..3_000, 0..2_000),
                prop::collection::btree_set(any::<i64>(), 1..40),
                prop::collection::btree_set(-(1i64 << 40)..1 << 40, 0..300),
            )
        ) {
            check(&wide.iter().copied().collect::<Vec<_>>());
            let mixed: std::collections::BTreeSet<i64> = small.into_iter().chain(wide).chain(any).collect();
            check(&mixed.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn prop_any_bytes_give_a_set_or_an_error(
            (tag, count, first, rest) in
                (5u8..7, 0u32..5_000, any::<i64>(), prop::collection::vec(any::<u8>(), 0..600))
        ) {
            let bytes = [&[tag][..], &count.to_le_bytes(), &first.to_le_bytes(), &rest].concat();
            let asked = [i64::MIN, -1, 0, 1, first, i64::MAX];
            let found = index(&bytes).and_then(|index| members(&bytes, &index, &asked));
            if let Ok((Subjects::Ints(keys), _)) = decode(&bytes) {
                prop_assert!(keys.is_sorted_by(|a, b| a < b));
                let found = found.unwrap();
                prop_assert!(found.iter().all(|key| keys.binary_search(key).is_ok()));
            }
        }
    }

    proptest! {
        #[test]
        fn prop_ways_of_being_shown_come_back(
            (ways, marked) in (2usize..=8).prop_flat_map(|ways| {
                let marks = 1u8..=u8::MAX >> (8 - ways);
                let near = prop::collection::btree_map(0i64..3_000, marks.clone(), 1..400);
                let any = prop::collection::btree_map(any::<i64>(), marks, 0..40);
                (Just(ways), (near, any).prop_map(|(mut near, any)| { near.extend(any); near }))
            })
        ) {
            let (keys, marks): (Vec<i64>, Vec<u8>) = marked.into_iter().unzip();
            let coded = encode_ways(&keys, &marks, ways);
            let of_way = |way: usize| -> Vec<i64> {
                let marked = keys.iter().zip(&marks).filter(|(_, mark)| **mark >> way & 1 == 1);
                marked.map(|(key, _)| *key).collect()
            };
            prop_assert_eq!(decode_ways(&coded), Ok((0..ways).map(of_way).collect()));
            for other in [coded.get(..coded.len() - 1).unwrap(), &[&*coded, &[0]].concat()] {
                prop_assert!(decode_ways(other).is_err());
            }
        }

        #[test]
        fn prop_any_bytes_give_ways_or_an_error(
            (count, first, ways, rest) in
                (0u32..5_000, any::<i64>(), 0u8..10, prop::collection::vec(any::<u8>(), 0..600))
        ) {
            let bytes = [&[WAYS][..], &count.to_le_bytes(), &first.to_le_bytes(), &[ways], &rest].concat();
            if let Ok(sets) = decode_ways(&bytes) {
                prop_assert!(sets.iter().all(|keys| keys.is_sorted_by(|a, b| a < b)));
            }
        }
    }

    #[test]
    fn ends_of_the_range_are_kept() {
        check(&[i64::MIN, i64::MAX]);
        check(&[i64::MIN, i64::MIN + 1, -1, 0, i64::MAX - 1, i64::MAX]);
        check(&(0..5_000).collect::<Vec<_>>());
        check(&(0..5_000).map(|at| at * 7 + i64::from(at == 3)).collect::<Vec<_>>());
    }

    /// Draws different keys of `of`, and those of `more`.
    fn drawn(seed: u64, n: usize, of: std::ops::Range<i64>, more: &[i64]) -> Vec<i64> {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut keys: std::collections::BTreeSet<i64> = more.iter().copied().collect();
        while keys.len() < n + more.len() {
            keys.insert(rng.random_range(of.clone()));
        }
        keys.into_iter().collect()
    }

    #[test]
    fn sizes_are_near_the_entropy() {
        // A random hundredth of 12 million, 121 KB: found by key at 1.06 of it.
        let nightly = Subjects::Ints(drawn(1, 120_000, 0..12_000_000, &[]));
        assert!((121_000..129_500).contains(&encode_findable(&nightly, 0).len()));
        // What an agent of a team sees in a month: 571 of the team's customers, 3,240 of all; 12.7 bits each.
        let team = drawn(2, 571, 4_000_000..4_123_000, &[]);
        let searched = drawn(3, 3_240, 0..12_000_000, &team);
        let bits = |keys: &[i64]| {
            let coded = encode_least(&Subjects::Ints(keys.to_vec()));
            coded.len() as f64 * 8.0 / keys.len() as f64
        };
        assert!(bits(&searched) < 13.0, "{}", bits(&searched));
        // The households of 635 customers, three keys of four that stand together: 4.2 bits a key.
        let customers = drawn(4, 64, 0..12_000_000, &team);
        let mut households: Vec<i64> = customers.iter().flat_map(|key| [*key, key ^ 1, key ^ 2]).collect();
        households.sort_unstable();
        households.dedup();
        assert!(bits(&households) < 5.0, "{}", bits(&households));
        // Who was searched for and then looked at is coded once: a mark costs less than half a bit.
        let marks: Vec<u8> = searched.iter().map(|key| if team.contains(key) { 3 } else { 1 }).collect();
        let apart = encode_least(&Subjects::Ints(searched.clone())).len();
        let looked_at = encode_least(&Subjects::Ints(team)).len();
        let together = encode_ways(&searched, &marks, 2).len();
        assert!(together - apart < searched.len() / 16 && together < apart + looked_at, "{together} {apart}");
    }
}
