//! Texts to small numbers, from several threads at once.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashMap, HashSet, HashTable};
use parking_lot::Mutex;
use rastro_model::{FieldSet, MAX_FIELDS};

const SHARDS: usize = 64;

/// Gives each distinct text a number. Numbers are nearly dense: all below about twice the count of texts.
#[derive(Debug)]
pub struct Interner {
    hasher: DefaultHashBuilder,
    shards: Vec<Mutex<Shard>>,
}

/// Texts of one part of the hashes. Number `(index * 2 + kind) * SHARDS + place`: kind 0 for integers in
/// their shortest form, which is what most keys are and takes one look into memory; kind 1 for other texts.
#[derive(Debug, Default)]
struct Shard {
    integers: HashTable<(u64, u32)>,
    values: Vec<u64>,
    others: HashTable<u32>,
    /// Where each of the others ends in `texts`.
    ends: Vec<u32>,
    texts: Vec<u8>,
}

impl Shard {
    fn number_of_integer(
        &mut self,
        hasher: &DefaultHashBuilder,
        value: u64,
        hash: u64,
        place: u32,
    ) -> Option<u32> {
        if let Some((_, index)) = self.integers.find(hash, |(known, _)| *known == value) {
            return number_of(*index, 0, place);
        }
        let index = u32::try_from(self.values.len()).ok()?;
        let number = number_of(index, 0, place)?;
        self.values.push(value);
        self.integers.insert_unique(hash, (value, index), |(known, _)| hasher.hash_one(known));
        Some(number)
    }
}

fn slice<'a>(ends: &[u32], texts: &'a [u8], index: u32) -> &'a [u8] {
    let index = index as usize;
    let start = index.checked_sub(1).and_then(|before| ends.get(before)).map_or(0, |end| *end as usize);
    let end = ends.get(index).map_or(start, |end| *end as usize);
    texts.get(start..end).unwrap_or_default()
}

impl Default for Interner {
    fn default() -> Interner {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Interner { hasher: DefaultHashBuilder::default(), shards }
    }
}

impl Interner {
    /// Returns the number of `text`, giving it one if it has none. `None` when a shard holds 4 GiB of texts,
    /// or numbers run out.
    pub fn number(&self, text: &[u8]) -> Option<u32> {
        match shortest_integer(text) {
            Some(value) => self.number_of_integer(value),
            None => self.number_of_text(text),
        }
    }

    fn number_of_integer(&self, value: u64) -> Option<u32> {
        let hash = self.hasher.hash_one(value);
        let (place, shard) = self.shard(hash)?;
        shard.lock().number_of_integer(&self.hasher, value, hash, place)
    }

    /// Gives `each` the position and the number of every integer, in an order in which tables are visited one
    /// after the other, each small enough for the cache. O(values).
    ///
    /// Returns `None`, as [`Interner::number`] does, when numbers run out.
    pub(crate) fn number_integers(&self, values: &[u64], mut each: impl FnMut(usize, u32)) -> Option<()> {
        let hashes: Vec<u64> = values.iter().map(|value| self.hasher.hash_one(value)).collect();
        let mut begins = [0usize; SHARDS + 1];
        for hash in &hashes {
            *begins.get_mut(place_of(*hash) + 1)? += 1;
        }
        let mut sum = 0;
        for begin in &mut begins {
            sum += *begin;
            *begin = sum;
        }
        let mut next = begins;
        let mut order = vec![0usize; values.len()];
        for (position, hash) in hashes.iter().enumerate() {
            let slot = next.get_mut(place_of(*hash))?;
            *order.get_mut(*slot)? = position;
            *slot += 1;
        }
        for ((place, shard), bounds) in (0u32..).zip(&self.shards).zip(begins.windows(2)) {
            let &[begin, end] = bounds else { continue };
            let positions = order.get(begin..end)?;
            if positions.is_empty() {
                continue;
            }
            let mut shard = shard.lock();
            for position in positions {
                let (value, hash) = (*values.get(*position)?, *hashes.get(*position)?);
                each(*position, shard.number_of_integer(&self.hasher, value, hash, place)?);
            }
        }
        Some(())
    }

    fn number_of_text(&self, text: &[u8]) -> Option<u32> {
        let hash = self.hasher.hash_one(text);
        let (place, shard) = self.shard(hash)?;
        let mut shard = shard.lock();
        let Shard { others, ends, texts, .. } = &mut *shard;
        if let Some(index) = others.find(hash, |index| slice(ends, texts, *index) == text) {
            return number_of(*index, 1, place);
        }
        let end = u32::try_from(texts.len() + text.len()).ok()?;
        let index = u32::try_from(ends.len()).ok()?;
        let number = number_of(index, 1, place)?;
        texts.extend_from_slice(text);
        ends.push(end);
        let (hasher, ends, texts): (_, &[u32], &[u8]) = (&self.hasher, ends, texts);
        others.insert_unique(hash, index, |index| hasher.hash_one(slice(ends, texts, *index)));
        Some(number)
    }

    /// Returns the text of a number; empty if it is nobody's. What is not UTF-8 is replaced.
    pub fn text(&self, number: u32) -> String {
        let shards = SHARDS as u32;
        let Some(shard) = self.shards.get((number % shards) as usize) else { return String::new() };
        let shard = shard.lock();
        let (index, kind) = (number / shards / 2, number / shards % 2);
        if kind == 0 {
            return shard.values.get(index as usize).map(u64::to_string).unwrap_or_default();
        }
        String::from_utf8_lossy(slice(&shard.ends, &shard.texts, index)).into_owned()
    }

    /// Returns the integer that a number's text is, in its shortest form; `None` if it is none.
    pub fn integer(&self, number: u32) -> Option<u64> {
        let shards = SHARDS as u32;
        let (index, kind) = (number / shards / 2, number / shards % 2);
        let shard = self.shards.get((number % shards) as usize).filter(|_| kind == 0)?;
        shard.lock().values.get(index as usize).copied()
    }

    /// Returns how many texts have a number.
    pub fn len(&self) -> usize {
        self.shards.iter().map(Mutex::lock).map(|shard| shard.values.len() + shard.ends.len()).sum()
    }

    /// Returns whether no text has a number.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, hash: u64) -> Option<(u32, &Mutex<Shard>)> {
        let place = place_of(hash);
        Some((u32::try_from(place).ok()?, self.shards.get(place)?))
    }
}

fn place_of(hash: u64) -> usize {
    // Neither the low bits nor the highest seven: tables place and tag their slots by these.
    (hash >> 44) as usize % SHARDS
}

fn number_of(index: u32, kind: u32, place: u32) -> Option<u32> {
    index.checked_mul(2)?.checked_add(kind)?.checked_mul(SHARDS as u32)?.checked_add(place)
}

/// Reads a text that is just what its integer prints as.
pub(crate) fn shortest_integer(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 19 || (text.len() > 1 && text.first() == Some(&b'0')) {
        return None;
    }
    text.iter()
        .try_fold(0u64, |value, digit| digit.is_ascii_digit().then(|| value * 10 + u64::from(digit - b'0')))
}

/// Subjects of whom all is to be noted.
#[derive(Clone, Debug, Default)]
pub struct NotedSubjects {
    integers: HashSet<u64>,
    others: HashSet<u32>,
}

impl NotedSubjects {
    /// Adds a subject by its key; it gets a number.
    pub fn insert(&mut self, subjects: &Interner, key: &str) {
        let number = subjects.number(key.as_bytes());
        match shortest_integer(key.as_bytes()) {
            Some(value) => self.integers.insert(value),
            None => number.is_some_and(|number| self.others.insert(number)),
        };
    }

    pub(crate) fn has_integer(&self, value: u64) -> bool {
        self.integers.contains(&value)
    }

    pub(crate) fn contains(&self, number: u32) -> bool {
        self.others.contains(&number)
    }
}

/// Field names to bits, in the order of arrival.
#[derive(Debug, Default)]
pub struct FieldNames(Mutex<Vec<String>>);

impl FieldNames {
    /// Returns the bits of a list such as `name;email`, giving new names a bit. Case and blanks do not count.
    ///
    /// # Errors
    /// There are more than 32 names.
    pub fn set(&self, list: &[u8]) -> Result<FieldSet, String> {
        let list = std::str::from_utf8(list).map_err(|_| "`fields` is not UTF-8".to_owned())?;
        let mut set = FieldSet::EMPTY;
        let mut names = self.0.lock();
        for name in list.split([';', ',', '|']).map(str::trim).filter(|name| !name.is_empty()) {
            let name = name.to_lowercase();
            let index = match names.iter().position(|known| *known == name) {
                Some(index) => index,
                None if names.len() == MAX_FIELDS => {
                    return Err(format!("more than {MAX_FIELDS} different names in `fields`"));
                }
                None => {
                    names.push(name);
                    names.len() - 1
                }
            };
            set = set.union(FieldSet::single(index));
        }
        Ok(set)
    }

    /// Returns the set of one name; empty if it has no bit.
    pub fn find(&self, name: &str) -> FieldSet {
        self.0.lock().iter().position(|known| known == name).map_or(FieldSet::EMPTY, FieldSet::single)
    }

    /// Returns the names in the order of their bits.
    pub fn names(&self) -> Vec<String> {
        self.0.lock().clone()
    }
}

/// Remembers what one thread asked for lately, so that threads seldom meet.
#[derive(Debug)]
pub(crate) struct Cache<V>(HashMap<Box<[u8]>, V>);

const CACHE_MAX: usize = 1 << 16;

impl<V: Copy> Cache<V> {
    pub(crate) fn new() -> Cache<V> {
        Cache(HashMap::new())
    }

    pub(crate) fn get(&mut self, text: &[u8], find: impl FnOnce() -> Result<V, String>) -> Result<V, String> {
        if let Some(value) = self.0.get(text) {
            return Ok(*value);
        }
        let value = find()?;
        if self.0.len() >= CACHE_MAX {
            self.0.clear();
        }
        self.0.insert(text.into(), value);
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interner_gives_every_text_one_number_whoever_asks() {
        let interner = Interner::default();
        let texts: Vec<String> = (0..20_000)
            .map(|n| if n % 3 == 0 { format!("k{n}") } else { n.to_string() })
            .chain(
                ["0", "00", "007", "7", "-7", "9223372036854775808", "99999999999999999999"]
                    .map(String::from),
            )
            .collect();
        let numbers =
            || -> Vec<u32> { texts.iter().map(|text| interner.number(text.as_bytes()).unwrap()).collect() };
        let first = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(numbers)).collect();
            let all: Vec<Vec<u32>> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            assert!(all.iter().all(|numbers| *numbers == all[0]));
            all[0].clone()
        });
        let distinct: std::collections::HashSet<&String> = texts.iter().collect();
        assert_eq!(interner.len(), distinct.len());
        for (number, text) in first.iter().zip(&texts) {
            assert_eq!(interner.text(*number), *text);
            assert!(*number < 50_000, "{number}");
        }
    }

    #[test]
    fn field_list_gives_bits_and_refuses_the_thirty_third_name() {
        let fields = FieldNames::default();
        assert_eq!(fields.set(b"name;email").unwrap(), FieldSet(3));
        assert_eq!(fields.set(b" EMAIL ; ;phone").unwrap(), FieldSet(6));
        assert_eq!(fields.set(b"").unwrap(), FieldSet::EMPTY);
        let many: Vec<String> = (0..29).map(|n| format!("f{n}")).collect();
        assert_eq!(fields.set(many.join(",").as_bytes()).unwrap().0.count_ones(), 29);
        assert!(fields.set(b"one_more").unwrap_err().contains("32"));
    }
}
