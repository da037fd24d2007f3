use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

use hashbrown::HashTable;
use rastro_model::{FieldSet, SubjectKey};

use super::HistoryError;

/// Keys of subjects to numbers: 13 bytes a subject for whole numbers, the text's length more for others. Keys come
/// with their [`digest_of`].
#[derive(Debug, Default)]
pub(super) struct SubjectDictionary {
    table: HashTable<u32>,
    keys: Keys,
}

/// Number to key. All whole numbers until the first key that is not one.
#[derive(Debug)]
enum Keys {
    Ints(Vec<i64>),
    Mixed(Vec<SubjectKey>),
}

impl Default for Keys {
    fn default() -> Keys {
        Keys::Ints(Vec::new())
    }
}

impl Keys {
    fn len(&self) -> usize {
        match self {
            Keys::Ints(ints) => ints.len(),
            Keys::Mixed(keys) => keys.len(),
        }
    }

    fn is(&self, id: u32, key: &SubjectKey) -> bool {
        match (self, key) {
            (_, SubjectKey::Int(int)) => self.is_int(id, *int),
            (Keys::Ints(_), _) => false,
            (Keys::Mixed(keys), key) => usize::try_from(id).is_ok_and(|at| keys.get(at) == Some(key)),
        }
    }

    fn is_int(&self, id: u32, int: i64) -> bool {
        let Ok(at) = usize::try_from(id) else { return false };
        match self {
            Keys::Ints(ints) => ints.get(at) == Some(&int),
            Keys::Mixed(keys) => keys.get(at) == Some(&SubjectKey::Int(int)),
        }
    }

    fn digest(&self, id: u32) -> u64 {
        let Ok(at) = usize::try_from(id) else { return 0 };
        match self {
            Keys::Ints(ints) => ints.get(at).map_or(0, |int| digest_of_int(*int)),
            Keys::Mixed(keys) => keys.get(at).map_or(0, digest_of),
        }
    }

    fn push(&mut self, key: SubjectKey) {
        match (&mut *self, key) {
            (Keys::Ints(ints), SubjectKey::Int(int)) => ints.push(int),
            (Keys::Ints(ints), key) => {
                let mut keys: Vec<_> = ints.iter().map(|int| SubjectKey::Int(*int)).collect();
                keys.push(key);
                *self = Keys::Mixed(keys);
            }
            (Keys::Mixed(keys), key) => keys.push(key),
        }
    }
}

/// Texts that are whole numbers, written as PostgreSQL writes them, are the same subject as the number.
pub(super) fn canonical(key: &SubjectKey) -> Cow<'_, SubjectKey> {
    let int = match key {
        SubjectKey::Text(text) => text.parse().ok().filter(|int: &i64| int.to_string() == **text),
        _ => None,
    };
    int.map_or(Cow::Borrowed(key), |int| Cow::Owned(SubjectKey::Int(int)))
}

/// Returns the same for the same key in every run, so that subjects have the same numbers and a sample of them is the
/// same one.
pub(super) fn digest_of(key: &SubjectKey) -> u64 {
    match key {
        SubjectKey::Int(int) => digest_of_int(*int),
        other => {
            let mut hasher = DefaultHasher::new();
            other.hash(&mut hasher);
            hasher.finish()
        }
    }
}

/// As [`digest_of`]. Source: the finalizer of SplitMix64.
pub(super) fn digest_of_int(key: i64) -> u64 {
    let mut bits = key.cast_unsigned().wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

impl SubjectDictionary {
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Returns the number of a canonical key, a new one below `most` if it has none.
    pub(super) fn intern(&mut self, digest: u64, key: &SubjectKey, most: u32) -> Result<u32, HistoryError> {
        match self.find(digest, key) {
            Some(id) => Ok(id),
            None => self.add(digest, key.clone(), most),
        }
    }

    /// As [`SubjectDictionary::intern`].
    pub(super) fn intern_int(&mut self, digest: u64, key: i64, most: u32) -> Result<u32, HistoryError> {
        match self.table.find(digest, |id| self.keys.is_int(*id, key)) {
            Some(id) => Ok(*id),
            None => self.add(digest, SubjectKey::Int(key), most),
        }
    }

    fn add(&mut self, digest: u64, key: SubjectKey, most: u32) -> Result<u32, HistoryError> {
        let id = u32::try_from(self.keys.len()).ok().filter(|id| *id < most);
        let id = id.ok_or(HistoryError::TooManySubjects)?;
        self.keys.push(key);
        let keys = &self.keys;
        self.table.insert_unique(digest, id, |id| keys.digest(*id));
        Ok(id)
    }

    /// Returns the number of a canonical key.
    pub(super) fn find(&self, digest: u64, key: &SubjectKey) -> Option<u32> {
        self.table.find(digest, |id| self.keys.is(*id, key)).copied()
    }
}

/// Up to 255 field sets by number. 0 is "not told"; when all numbers are taken, a new set gets the number of
/// the largest known subset, which may lose a field but never adds one.
#[derive(Clone, Debug)]
pub(super) struct FieldDictionary {
    sets: Vec<FieldSet>,
}

impl Default for FieldDictionary {
    fn default() -> FieldDictionary {
        FieldDictionary { sets: vec![FieldSet::EMPTY] }
    }
}

impl FieldDictionary {
    /// Returns the number of a set, if it has one of its own.
    pub(super) fn find(&self, set: FieldSet) -> Option<u8> {
        u8::try_from(self.sets.iter().position(|known| *known == set)?).ok()
    }

    pub(super) fn intern(&mut self, set: FieldSet) -> u8 {
        if let Some(at) = self.find(set) {
            return at;
        }
        if let Ok(at) = u8::try_from(self.sets.len()) {
            self.sets.push(set);
            return at;
        }
        let subset = (0..=u8::MAX).zip(&self.sets).skip(1).filter(|(_, known)| set.contains(**known));
        subset.max_by_key(|(_, known)| known.0.count_ones()).map_or(0, |(at, _)| at)
    }

    /// Returns the set; every field for "not told".
    pub(super) fn get(&self, number: u8) -> FieldSet {
        match self.sets.get(usize::from(number)) {
            Some(set) if !set.is_empty() => *set,
            _ => FieldSet(u32::MAX),
        }
    }

    /// Returns the number of the union, if it has one.
    pub(super) fn union(&self, a: u8, b: u8) -> Option<u8> {
        if a == b {
            return Some(a);
        }
        let union = self.get(a).union(self.get(b));
        (0u8..=255).find(|number| usize::from(*number) < self.sets.len() && self.get(*number) == union)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::shard::Shards;

    #[test]
    fn subject_by_text_or_number_is_the_same_and_survives_a_change_of_form() {
        let mut dictionary = Shards::default();
        let one = dictionary.intern(&SubjectKey::Int(1)).unwrap();
        assert_eq!(dictionary.intern(&SubjectKey::Text("1".into())).unwrap(), one);
        for int in 2..500 {
            dictionary.intern(&SubjectKey::Int(int)).unwrap();
        }
        let caller = dictionary.intern(&SubjectKey::Text("Caller 1".into())).unwrap();
        let padded = dictionary.intern(&SubjectKey::Text("01".into())).unwrap();
        for int in 500..900 {
            dictionary.intern(&SubjectKey::Int(int)).unwrap();
        }
        assert_ne!(padded, one);
        assert_eq!(dictionary.find(&SubjectKey::Int(1)), Some(one));
        assert_eq!(dictionary.find(&SubjectKey::Text("Caller 1".into())), Some(caller));
        assert_eq!(dictionary.find(&SubjectKey::Int(7_000)), None);
    }

    #[test]
    fn field_sets_beyond_the_table_lose_fields_but_never_add_one() {
        let mut fields = FieldDictionary::default();
        for bits in 1..=400u32 {
            let set = FieldSet(bits);
            let number = fields.intern(set);
            assert!(number == 0 || set.contains(fields.get(number)), "{bits}");
        }
        assert_eq!(fields.get(0), FieldSet(u32::MAX));
        let (one, two) = (fields.intern(FieldSet(1)), fields.intern(FieldSet(2)));
        assert_eq!(fields.union(one, two).map(|n| fields.get(n)), Some(FieldSet(3)));
    }
}
