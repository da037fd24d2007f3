//! Entries to leaves: what the log commits to, in bytes that do not depend on how the spool packs them.
//!
//! A leaf is `0x02 || header || subjects`: a salted commitment to everything but the subjects, and the root
//! of a small tree with one salted commitment a subject. So one subject can be shown to be in an entry
//! without naming the others, and destroyed without breaking the proof. `docs/ledger-format.md` has the bytes.

use std::sync::Arc;

use rastro_model::{Principal, Timestamp};

use crate::decode::{Brief, BriefContent, Content, Session, StatementText, SubjectSet};
use crate::encode::Schema;
use crate::merkle::{Hash, Messages, Trees, digest};
use crate::salts::{EntrySecret, PartOrder, SaltTrees, Seed};

mod parts;

pub(crate) use parts::{hash_reason, hash_subject};

use parts::Unsalted;

/// Bytes of a leaf's data: what an entry bundle holds.
pub const LEAF_DATA_LEN: usize = 65;

/// What is hashed to a leaf.
pub(crate) type LeafData = [u8; LEAF_DATA_LEN];

/// Computes the leaves of entries together; keeps the hashes of what entries share.
#[derive(Debug, Default)]
pub(crate) struct LeafMaker {
    schema: Option<(Arc<Schema>, Hash)>,
    sessions: Recent<Session>,
    texts: Recent<StatementText>,
    entries: Vec<Added>,
    /// Of the parts that are left, in the order of the keys.
    salts: SaltTrees,
    unsalted: Unsalted,
    /// Hashes of the parts that were erased.
    erased: Vec<Hash>,
    parts: Messages,
    headers: Messages,
    trees: Trees,
    leaves: Messages,
}

/// An entry added: how many parts are left of it, how many were erased, and how their hashes are ordered.
#[derive(Clone, Copy, Debug)]
struct Added {
    left: usize,
    erased: usize,
    order: PartOrder,
}

/// Entries, and parts of them, that are hashed together.
const ENTRIES_MAX: usize = 64;
const PARTS_MAX: usize = 1024;

impl LeafMaker {
    /// Adds an entry; `secret` is the entry's, `order` its file's, `file_header` the 64 bytes at the front of its
    /// file if it is the first there.
    pub(crate) fn add(
        &mut self,
        entry: &Brief<'_>,
        secret: EntrySecret<'_>,
        order: PartOrder,
        file_header: Option<&[u8]>,
    ) {
        let parts_said = parts_of(entry);
        let before = self.unsalted.len();
        self.put_parts(entry);
        let left = self.unsalted.len() - before;
        let head_salt = self.put_salts(secret, parts_said, left);
        let erased = match secret {
            EntrySecret::Whole { .. } => 0,
            EntrySecret::Punctured(punctured) => {
                self.erased.extend_from_slice(&punctured.erased);
                punctured.erased.len()
            }
        };
        self.entries.push(Added { left, erased, order });
        self.put_header(entry, &head_salt, parts_said, file_header.unwrap_or_default());
    }

    /// Returns whether enough entries were added that their leaves should be asked for.
    pub(crate) fn is_full(&self) -> bool {
        self.entries.len() >= ENTRIES_MAX || self.unsalted.len() + self.erased.len() >= PARTS_MAX
    }

    /// Returns the data of the leaves of the entries added since it was last asked for.
    pub(crate) fn leaf_data(&mut self) -> impl Iterator<Item = LeafData> {
        self.salt_parts();
        let parts = self.parts.hashes();
        let mut rest = parts.as_mut_slice();
        for Added { left, erased, order } in &self.entries {
            let (parts, behind) = rest.split_at_mut_checked(left + erased).unwrap_or_default();
            rest = behind;
            if *order == PartOrder::ByHash && parts.len() > 1 {
                parts.sort_unstable_by_key(in_words);
            }
            self.trees.push(parts);
        }
        parts.clear();
        let headers = self.headers.hashes().drain(..);
        self.entries.drain(..).zip(headers).zip(self.trees.roots()).map(|((added, header), subjects)| {
            let mut data = [added.order.tag(); LEAF_DATA_LEN];
            let (_, rest) = data.split_at_mut(1);
            let (first, second) = rest.split_at_mut(32);
            first.copy_from_slice(&header);
            second.copy_from_slice(&subjects);
            data
        })
    }

    /// Returns the leaves of the entries added since they were last asked for.
    pub(crate) fn leaves(&mut self) -> std::vec::Drain<'_, Hash> {
        let mut leaves = std::mem::take(&mut self.leaves);
        self.leaf_data().for_each(|data| {
            leaves.push(|out| {
                out.push(0x00);
                out.extend_from_slice(&data);
            });
        });
        self.leaves = leaves;
        self.leaves.hashes().drain(..)
    }

    /// Adds the salts of the `left` parts of an entry; returns what salts its header.
    fn put_salts(&mut self, secret: EntrySecret<'_>, parts_said: u32, left: usize) -> Seed {
        match secret {
            EntrySecret::Whole { head, body } => {
                self.salts.push(body, parts_said as usize, left);
                head
            }
            EntrySecret::Punctured(punctured) => {
                // Zeros where there is no salt, which fit nothing.
                let salts = punctured.salts().into_iter().chain(std::iter::repeat(Seed::default()));
                salts.take(left).for_each(|salt| self.salts.push_known(salt));
                punctured.head
            }
        }
    }

    /// Passes the parts on to be hashed, with their salts, and the hashes of those that were erased.
    fn salt_parts(&mut self) {
        let mut salts = self.salts.salts();
        let mut unsalted = self.unsalted.parts();
        let mut erased = self.erased.drain(..);
        for added in &self.entries {
            for (part, salt) in unsalted.by_ref().take(added.left).zip(&mut salts) {
                self.parts.push(|out| {
                    out.push(0x02);
                    out.extend_from_slice(&salt);
                    out.extend_from_slice(part);
                });
            }
            if added.erased > 0 {
                self.parts.hashes().extend(erased.by_ref().take(added.erased));
            }
        }
        drop(unsalted);
        self.unsalted.clear();
    }

    fn put_header(&mut self, entry: &Brief<'_>, salt: &Seed, parts_said: u32, file_header: &[u8]) {
        let schema = match &self.schema {
            Some((known, hash)) if Arc::ptr_eq(known, entry.schema) => *hash,
            _ => {
                let hash = hash_schema(entry.schema);
                self.schema = Some((Arc::clone(entry.schema), hash));
                hash
            }
        };
        let LeafMaker { headers, sessions, texts, .. } = self;
        headers.push(|out| {
            out.push(0x03);
            out.extend_from_slice(salt);
            out.push(kind_of(&entry.content));
            out.extend_from_slice(&entry.no.0.to_be_bytes());
            out.extend_from_slice(&entry.time().0.to_be_bytes());
            out.extend_from_slice(&schema);
            out.extend_from_slice(&parts_said.to_be_bytes());
            match &entry.content {
                BriefContent::Disclosure(d) => {
                    out.extend_from_slice(&sessions.hash(d.session, hash_session));
                    out.extend_from_slice(&texts.hash(d.text, hash_text));
                    out.extend_from_slice(&(d.sets.len() as u32).to_be_bytes());
                    put_string(out, d.principal.as_str());
                    out.extend_from_slice(&d.statement.to_be_bytes());
                    out.push(d.outcome as u8);
                    out.extend_from_slice(&d.rows.to_be_bytes());
                }
                BriefContent::Reason(r) => put_span(out, r.principal, r.until),
                BriefContent::Other(Content::ErasedReason(r)) => put_span(out, &r.principal, r.until),
                BriefContent::Other(Content::Control(c)) => {
                    out.push(c.kind as u8);
                    match &c.principal {
                        Some(principal) => put_string(out, principal.as_str()),
                        None => out.extend_from_slice(&u32::MAX.to_be_bytes()),
                    }
                    match &c.session {
                        Some(session) => out.extend_from_slice(&sessions.hash(session, hash_session)),
                        None => out.push(0),
                    }
                    put_string(out, &c.by);
                    put_string(out, &c.why);
                }
                BriefContent::Other(Content::Erasure(e)) => {
                    out.extend_from_slice(&e.number.to_be_bytes());
                    out.extend_from_slice(&e.places.to_be_bytes());
                    out.extend_from_slice(&e.list);
                    put_string(out, &e.by);
                    put_string(out, &e.why);
                }
                BriefContent::Other(Content::Account(a)) => {
                    out.extend_from_slice(&sessions.hash(&a.session, hash_session));
                    out.push(u8::from(a.account.ended));
                    a.account.counts().iter().for_each(|count| out.extend_from_slice(&count.to_be_bytes()));
                }
                // In brief they are never among the others.
                BriefContent::Other(Content::Disclosure(_) | Content::Reason(_)) => {}
            }
            out.extend_from_slice(file_header);
        });
    }

    /// Adds what the parts of an entry say that are left.
    fn put_parts(&mut self, entry: &Brief<'_>) {
        match &entry.content {
            BriefContent::Disclosure(d) => d.sets.iter().for_each(|set| self.unsalted.push_set(set)),
            BriefContent::Reason(r) => self.unsalted.push_reason(r.kind, &r.key, &r.reason),
            BriefContent::Other(_) => {}
        }
    }
}

/// Returns a hash as numbers that compare as its bytes do, only faster.
fn in_words(hash: &Hash) -> [u64; 4] {
    let (words, _) = hash.as_chunks();
    std::array::from_fn(|at| words.get(at).map_or(0, |word| u64::from_be_bytes(*word)))
}

/// Returns how many parts an entry has, or had before some were erased.
pub(crate) fn parts_of(entry: &Brief<'_>) -> u32 {
    match &entry.content {
        BriefContent::Disclosure(d) => {
            let of_set = |set: &SubjectSet| (set.subjects.len_as_parts() as u32).saturating_add(set.erased);
            d.sets.iter().map(of_set).fold(0, u32::saturating_add)
        }
        BriefContent::Reason(_) | BriefContent::Other(Content::ErasedReason(_)) => 1,
        BriefContent::Other(_) => 0,
    }
}

/// Returns the number that stands for what an entry is.
fn kind_of(content: &BriefContent<'_>) -> u8 {
    match content {
        BriefContent::Disclosure(_) | BriefContent::Other(Content::Disclosure(_)) => 1,
        // An erased reason is as it was before the subject was erased.
        BriefContent::Reason(_) | BriefContent::Other(Content::Reason(_) | Content::ErasedReason(_)) => 2,
        BriefContent::Other(Content::Control(_)) => 3,
        BriefContent::Other(Content::Erasure(_)) => 4,
        BriefContent::Other(Content::Account(_)) => 5,
    }
}

/// Writes whose reason it was, and until when.
fn put_span(out: &mut Vec<u8>, principal: &Principal, until: Timestamp) {
    put_string(out, principal.as_str());
    out.extend_from_slice(&until.0.to_be_bytes());
}

fn put_string(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u32).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn hash_text(text: &StatementText) -> Hash {
    digest(&[&[0x05], &text.fingerprint.to_be_bytes(), text.sql.as_bytes()])
}

fn hash_session(session: &Session) -> Hash {
    let mut bytes = vec![0x06];
    bytes.extend_from_slice(&session.id.to_be_bytes());
    let facts = &session.facts;
    for text in [facts.login.as_str(), &facts.client_addr, &facts.database, &facts.application] {
        put_string(&mut bytes, text);
    }
    digest(&[&bytes])
}

fn hash_schema(schema: &Schema) -> Hash {
    let mut bytes = vec![0x07];
    for names in [&schema.kinds, &schema.fields] {
        bytes.extend_from_slice(&(names.len() as u32).to_be_bytes());
        names.iter().for_each(|name| put_string(&mut bytes, name));
    }
    digest(&[&bytes])
}

/// Hashes of values that entries cite again and again.
#[derive(Debug)]
struct Recent<T> {
    /// By address; holding the value keeps its address from being given to another.
    slots: Vec<Option<(Arc<T>, Hash)>>,
}

/// A power of two; values that fall on the same slot push each other out.
const SLOTS: usize = 1024;

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Recent { slots: std::iter::repeat_with(|| None).take(SLOTS).collect() }
    }
}

impl<T> Recent<T> {
    fn hash(&mut self, value: &Arc<T>, hash: impl Fn(&T) -> Hash) -> Hash {
        let at = (Arc::as_ptr(value).addr() >> 5) % SLOTS;
        let Some(slot) = self.slots.get_mut(at) else { return hash(value) };
        match slot {
            Some((known, found)) if Arc::ptr_eq(known, value) => *found,
            _ => {
                let found = hash(value);
                *slot = Some((Arc::clone(value), found));
                found
            }
        }
    }
}
