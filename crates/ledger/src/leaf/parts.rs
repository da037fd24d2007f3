//! The parts of an entry in bytes: what is said of one subject.

use rastro_model::{KindId, SubjectKey};

use super::put_string;
use crate::decode::{Reason, SubjectSet};
use crate::encode::certainty_number;
use crate::merkle::{Hash, digest};
use crate::salts::Seed;
use crate::set::Subjects;

/// What parts say, without their salts.
#[derive(Debug, Default)]
pub(super) struct Unsalted {
    bytes: Vec<u8>,
    /// Where each part ends.
    ends: Vec<usize>,
}

impl Unsalted {
    /// Returns how many parts there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Adds the part that `put` appends.
    #[inline]
    fn push(&mut self, put: impl FnOnce(&mut Vec<u8>)) {
        put(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    pub(super) fn push_reason(&mut self, kind: KindId, key: &SubjectKey, reason: &str) {
        self.push(|out| put_reason(out, kind, key, reason));
    }

    /// Adds the parts of a set.
    pub(super) fn push_set(&mut self, set: &SubjectSet) {
        let mut push = |key: &dyn Fn(&mut Vec<u8>)| {
            self.push(|out| {
                put_set_head(out, set);
                key(out);
            });
        };
        match &set.subjects {
            Subjects::Ints(keys) => keys.iter().for_each(|key| push(&|out| put_int(out, *key))),
            Subjects::Uuids(keys) => keys.iter().for_each(|key| push(&|out| put_uuid(out, *key))),
            Subjects::Texts(keys) => keys.iter().for_each(|key| push(&|out| put_text(out, key))),
            Subjects::Unattributed { rows } => push(&|out| put_rows(out, *rows)),
        }
    }

    /// Returns what each part says.
    pub(super) fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let part = self.bytes.get(start..*end).unwrap_or_default();
            start = *end;
            part
        })
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

/// Returns the hash of one subject's part of an entry: of key `at` of a set.
pub(crate) fn hash_subject(set: &SubjectSet, at: usize, salt: &Seed) -> Option<Hash> {
    let mut part = Vec::new();
    put_set_head(&mut part, set);
    match &set.subjects {
        Subjects::Ints(keys) => put_int(&mut part, *keys.get(at)?),
        Subjects::Uuids(keys) => put_uuid(&mut part, *keys.get(at)?),
        Subjects::Texts(keys) => put_text(&mut part, keys.get(at)?),
        Subjects::Unattributed { .. } => return None,
    }
    Some(digest(&[&[0x02], salt, &part]))
}

/// Returns the hash of the part of a reason.
pub(crate) fn hash_reason(reason: &Reason, salt: &Seed) -> Hash {
    let mut part = Vec::new();
    put_reason(&mut part, reason.kind, &reason.key, &reason.reason);
    digest(&[&[0x02], salt, &part])
}

fn put_set_head(out: &mut Vec<u8>, set: &SubjectSet) {
    out.push(set.kind.0);
    out.push(certainty_number(set.certainty));
    out.extend_from_slice(&set.fields.0.to_be_bytes());
}

fn put_reason(out: &mut Vec<u8>, kind: KindId, key: &SubjectKey, reason: &str) {
    out.push(kind.0);
    match key {
        SubjectKey::Int(key) => put_int(out, *key),
        SubjectKey::Uuid(key) => put_uuid(out, *key),
        SubjectKey::Text(key) => put_text(out, key.as_bytes()),
    }
    put_string(out, reason);
}

fn put_int(out: &mut Vec<u8>, key: i64) {
    out.push(0);
    out.extend_from_slice(&key.to_be_bytes());
}

fn put_uuid(out: &mut Vec<u8>, key: u128) {
    out.push(1);
    out.extend_from_slice(&key.to_be_bytes());
}

fn put_text(out: &mut Vec<u8>, key: &[u8]) {
    out.push(2);
    out.extend_from_slice(&(key.len() as u32).to_be_bytes());
    out.extend_from_slice(key);
}

fn put_rows(out: &mut Vec<u8>, rows: u32) {
    out.push(0x10);
    out.extend_from_slice(&rows.to_be_bytes());
}
