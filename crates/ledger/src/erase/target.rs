//! Whom to erase, in every form a key can have in an entry.

use rastro_model::{KindId, SubjectKey};

use crate::decode::{Content, Entry, SubjectSet};
use crate::encode::Schema;
use crate::set::Subjects;

/// The subject to erase.
#[derive(Clone, Debug)]
pub(super) struct Target {
    kind: Option<String>,
    int: Option<i64>,
    uuid: Option<u128>,
    text: Vec<u8>,
}

impl Target {
    pub(super) fn new(key: &str, kind: Option<&str>) -> Target {
        let int = key.parse::<i64>().ok().filter(|int| int.to_string() == key);
        let digits = key.replace('-', "");
        let uuid = (digits.len() == 32).then(|| u128::from_str_radix(&digits, 16).ok()).flatten();
        Target { kind: kind.map(str::to_owned), int, uuid, text: key.as_bytes().to_vec() }
    }

    fn is_kind(&self, schema: &Schema, kind: KindId) -> bool {
        self.kind.is_none() || schema.kinds.get(usize::from(kind.0)) == self.kind.as_ref()
    }

    /// Returns where in a set the subject is. O(log n).
    pub(super) fn find(&self, schema: &Schema, set: &SubjectSet) -> Option<usize> {
        if !self.is_kind(schema, set.kind) {
            return None;
        }
        match &set.subjects {
            Subjects::Ints(keys) => keys.binary_search(&self.int?).ok(),
            Subjects::Uuids(keys) => keys.binary_search(&self.uuid?).ok(),
            Subjects::Texts(keys) => keys.binary_search_by(|key| (**key).cmp(&self.text)).ok(),
            Subjects::Unattributed { .. } => None,
        }
    }

    /// Returns whether an entry names the subject.
    pub(super) fn is_in(&self, entry: &Entry) -> bool {
        match &entry.content {
            Content::Disclosure(d) => d.sets.iter().any(|set| self.find(&entry.schema, set).is_some()),
            Content::Reason(reason) => {
                let same = match &reason.key {
                    SubjectKey::Int(key) => self.int == Some(*key),
                    SubjectKey::Uuid(key) => self.uuid == Some(*key),
                    SubjectKey::Text(key) => key.as_bytes() == self.text,
                };
                same && self.is_kind(&entry.schema, reason.kind)
            }
            Content::Control(_) | Content::ErasedReason(_) | Content::Erasure(_) | Content::Account(_) => {
                false
            }
        }
    }
}

/// Returns a set without the key at `at`.
pub(super) fn without(subjects: &Subjects, at: usize) -> Subjects {
    let mut left = subjects.clone();
    match &mut left {
        Subjects::Ints(keys) if at < keys.len() => drop(keys.remove(at)),
        Subjects::Uuids(keys) if at < keys.len() => drop(keys.remove(at)),
        Subjects::Texts(keys) if at < keys.len() => drop(keys.remove(at)),
        _ => {}
    }
    left
}
