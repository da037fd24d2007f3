//! The subjects of a batch as groups of (kind, certainty, fields), each with one coded set of keys.

use std::cell::RefCell;

use rastro_model::{Certainty, FieldSet, KindId, ShownBatch, ShownKey};

use crate::set::{SUBJECTS_MAX, TEXT_BYTES_MAX, put_ints, put_rows, put_texts, put_uuids};

/// What a set of subjects has in common.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct Combination {
    pub(crate) kind: KindId,
    pub(crate) certainty: Certainty,
    pub(crate) fields: FieldSet,
}

/// One group of a batch: `len` bytes of [`Body::bytes`] are its coded set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    pub(crate) combination: Combination,
    pub(crate) len: usize,
}

/// A batch coded without any dictionary, so that it can be made outside the spool's lock; and the memory
/// for sorting, used again for every batch of the thread.
#[derive(Debug, Default)]
pub(crate) struct Body {
    pub(crate) groups: Vec<Group>,
    pub(crate) bytes: Vec<u8>,
    ints: Vec<(Combination, i64)>,
    uuids: Vec<(Combination, u128)>,
    texts: Vec<(Combination, u32, u32)>,
    rows: Vec<(Combination, u32)>,
    keys: Vec<i64>,
}

thread_local! {
    static BODY: RefCell<Body> = RefCell::default();
}

/// Runs `with` on the first `rows` rows of a batch, coded; `None` if they are more than an entry may hold.
pub(crate) fn with_body<T>(batch: &ShownBatch, rows: u32, with: impl FnOnce(&Body) -> T) -> Option<T> {
    BODY.with_borrow_mut(|body| body.encode(batch, rows).then(|| with(body)))
}

impl Body {
    fn encode(&mut self, batch: &ShownBatch, rows: u32) -> bool {
        self.groups.clear();
        self.bytes.clear();
        self.ints.clear();
        self.uuids.clear();
        self.texts.clear();
        self.rows.clear();
        for shown in batch.entries_before(rows) {
            let combination =
                Combination { kind: shown.kind, certainty: shown.certainty, fields: shown.fields };
            match shown.key {
                ShownKey::Unknown => self.rows.push((combination, shown.row)),
                ShownKey::Int(key) => self.ints.push((combination, key)),
                ShownKey::Uuid(key) => self.uuids.push((combination, key)),
                ShownKey::Text { start, len } => self.texts.push((combination, start, len)),
            }
        }
        self.encode_ints();
        self.encode_uuids();
        let text_len = self.encode_texts(batch);
        self.encode_rows();
        let subjects = self.ints.len() + self.uuids.len() + self.texts.len();
        subjects <= SUBJECTS_MAX && text_len <= TEXT_BYTES_MAX
    }

    fn encode_ints(&mut self) {
        let Body { groups, bytes, ints, keys, .. } = self;
        // Most results show the same fields of every subject: bare keys sort three times as fast.
        if let Some((combination, _)) = ints.first().copied()
            && ints.iter().all(|(other, _)| *other == combination)
        {
            keys.clear();
            keys.extend(ints.iter().map(|(_, key)| *key));
            keys.sort_unstable();
            keys.dedup();
            // What counts against the bound is subjects, not rows.
            ints.truncate(keys.len());
            push_group(groups, bytes, Some(combination), |bytes| put_ints(bytes, keys));
            return;
        }
        ints.sort_unstable();
        ints.dedup();
        for set in ints.chunk_by(|a, b| a.0 == b.0) {
            keys.clear();
            keys.extend(set.iter().map(|(_, key)| *key));
            push_group(groups, bytes, set.first().map(|(c, _)| *c), |bytes| put_ints(bytes, keys));
        }
    }

    fn encode_uuids(&mut self) {
        let Body { groups, bytes, uuids, .. } = self;
        uuids.sort_unstable();
        uuids.dedup();
        for set in uuids.chunk_by(|a, b| a.0 == b.0) {
            push_group(groups, bytes, set.first().map(|(c, _)| *c), |bytes| {
                put_uuids(bytes, set.iter().map(|(_, key)| *key), set.len());
            });
        }
    }

    /// Returns the bytes of all text keys together.
    fn encode_texts(&mut self, batch: &ShownBatch) -> usize {
        let Body { groups, bytes, texts, .. } = self;
        let text = |start, len| batch.text_of(ShownKey::Text { start, len });
        texts.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| text(a.1, a.2).cmp(text(b.1, b.2))));
        texts.dedup_by(|a, b| a.0 == b.0 && text(a.1, a.2) == text(b.1, b.2));
        for set in texts.chunk_by(|a, b| a.0 == b.0) {
            push_group(groups, bytes, set.first().map(|(c, ..)| *c), |bytes| {
                put_texts(bytes, set.iter().map(|(_, start, len)| text(*start, *len)), set.len());
            });
        }
        texts.iter().map(|(_, start, len)| text(*start, *len).len()).sum()
    }

    fn encode_rows(&mut self) {
        let Body { groups, bytes, rows, .. } = self;
        rows.sort_unstable();
        rows.dedup();
        for set in rows.chunk_by(|a, b| a.0 == b.0) {
            let count = u32::try_from(set.len()).unwrap_or(u32::MAX);
            push_group(groups, bytes, set.first().map(|(c, _)| *c), |bytes| put_rows(bytes, count));
        }
    }
}

fn push_group(
    groups: &mut Vec<Group>,
    bytes: &mut Vec<u8>,
    combination: Option<Combination>,
    put: impl FnOnce(&mut Vec<u8>),
) {
    let before = bytes.len();
    put(bytes);
    if let Some(combination) = combination {
        groups.push(Group { combination, len: bytes.len() - before });
    }
}
