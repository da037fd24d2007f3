//! Entries to leaves: what the log commits to, in bytes that do not depend on how the spool packs them.
//!
//! A leaf is `0x02 || header || subjects`: a salted commitment to everything but the subjects, and the root
//! of a small tree with one salted commitment a subject. So one subject can be shown to be in an entry
//! without naming the others, and destroyed without breaking the proof. `docs/ledger-format.md` has the bytes.

use std::sync::Arc;

use rastro_model::SubjectKey;

use crate::decode::{Content, Entry, Reason, Session, StatementText, SubjectSet};
use crate::encode::{Schema, certainty_number};
use crate::merkle::{Hash, digest, hash_leaf, merkle_root};
use crate::salts::{EntrySecret, PartOrder, Seed, Seeds, expand};
use crate::set::Subjects;

/// Bytes of a leaf's data: what an entry bundle holds.
pub const LEAF_DATA_LEN: usize = 65;

/// Computes leaves; keeps the hashes of what entries share.
#[derive(Debug, Default)]
pub(crate) struct LeafMaker {
    schema: Option<(Arc<Schema>, Hash)>,
    sessions: Recent<Session>,
    texts: Recent<StatementText>,
    bytes: Vec<u8>,
    parts: Vec<Hash>,
    /// Subjects the entry says it has or had.
    parts_said: u32,
}

impl LeafMaker {
    /// Returns the data of an entry's leaf; `secret` is the entry's, `order` its file's, `file_header` the 64
    /// bytes at the front of its file if it is the first there.
    pub(crate) fn leaf_data(
        &mut self,
        entry: &Entry,
        secret: EntrySecret<'_>,
        order: PartOrder,
        file_header: Option<&[u8]>,
    ) -> [u8; LEAF_DATA_LEN] {
        let head_salt = self.put_parts(entry, secret);
        if order == PartOrder::ByHash && self.parts.len() > 1 {
            self.parts.sort_unstable_by_key(in_words);
        }
        self.put_header(entry);
        self.bytes.extend_from_slice(file_header.unwrap_or_default());
        let header = digest(&[&[0x03], &head_salt, &self.bytes]);
        let subjects = match self.parts.as_slice() {
            [one] => *one,
            parts => merkle_root(parts),
        };
        let mut data = [order.tag(); LEAF_DATA_LEN];
        let (_, rest) = data.split_at_mut(1);
        let (first, second) = rest.split_at_mut(32);
        first.copy_from_slice(&header);
        second.copy_from_slice(&subjects);
        data
    }

    /// Returns the hash of an entry's leaf.
    pub(crate) fn leaf(
        &mut self,
        entry: &Entry,
        secret: EntrySecret<'_>,
        order: PartOrder,
        file_header: Option<&[u8]>,
    ) -> Hash {
        hash_leaf(&self.leaf_data(entry, secret, order, file_header))
    }

    /// Hashes an entry's parts; returns what salts its header.
    fn put_parts(&mut self, entry: &Entry, secret: EntrySecret<'_>) -> Seed {
        match secret {
            EntrySecret::Whole(seed) => {
                let (head, body) = expand(&seed);
                self.put_subjects(entry, &mut PartSalts::Tree(body));
                head
            }
            EntrySecret::Punctured(punctured) => {
                let mut salts = PartSalts::Listed(punctured.salts().into_iter());
                self.put_subjects(entry, &mut salts);
                self.parts.extend_from_slice(&punctured.erased);
                punctured.head
            }
        }
    }

    fn put_header(&mut self, entry: &Entry) {
        let schema = match &self.schema {
            Some((known, hash)) if Arc::ptr_eq(known, &entry.schema) => *hash,
            _ => {
                let hash = hash_schema(&entry.schema);
                self.schema = Some((Arc::clone(&entry.schema), hash));
                hash
            }
        };
        let out = &mut self.bytes;
        out.clear();
        let kind = match &entry.content {
            Content::Disclosure(_) => 1,
            Content::Reason(_) => 2,
            Content::Control(_) => 3,
            // As it was before the subject was erased.
            Content::ErasedReason(_) => 2,
            Content::Erasure(_) => 4,
            Content::Account(_) => 5,
        };
        out.push(kind);
        out.extend_from_slice(&entry.no.0.to_be_bytes());
        out.extend_from_slice(&entry.time().0.to_be_bytes());
        out.extend_from_slice(&schema);
        out.extend_from_slice(&self.parts_said.to_be_bytes());
        match &entry.content {
            Content::Disclosure(d) => {
                out.extend_from_slice(&self.sessions.hash(&d.session, hash_session));
                out.extend_from_slice(&self.texts.hash(&d.text, hash_text));
                out.extend_from_slice(&(d.sets.len() as u32).to_be_bytes());
                put_string(out, d.principal.as_str());
                out.extend_from_slice(&d.statement.to_be_bytes());
                out.push(d.outcome as u8);
                out.extend_from_slice(&d.rows.to_be_bytes());
            }
            Content::Reason(r) => {
                put_string(out, r.principal.as_str());
                out.extend_from_slice(&r.until.0.to_be_bytes());
            }
            Content::Control(c) => {
                out.push(c.kind as u8);
                match &c.principal {
                    Some(principal) => put_string(out, principal.as_str()),
                    None => out.extend_from_slice(&u32::MAX.to_be_bytes()),
                }
                match &c.session {
                    Some(session) => out.extend_from_slice(&self.sessions.hash(session, hash_session)),
                    None => out.push(0),
                }
                put_string(out, &c.by);
                put_string(out, &c.why);
            }
            Content::ErasedReason(r) => {
                put_string(out, r.principal.as_str());
                out.extend_from_slice(&r.until.0.to_be_bytes());
            }
            Content::Erasure(e) => {
                out.extend_from_slice(&e.number.to_be_bytes());
                out.extend_from_slice(&e.places.to_be_bytes());
                out.extend_from_slice(&e.list);
                put_string(out, &e.by);
                put_string(out, &e.why);
            }
            Content::Account(a) => {
                out.extend_from_slice(&self.sessions.hash(&a.session, hash_session));
                out.push(u8::from(a.account.ended));
                a.account.counts().iter().for_each(|count| out.extend_from_slice(&count.to_be_bytes()));
            }
        }
    }

    fn put_subjects(&mut self, entry: &Entry, salts: &mut PartSalts) {
        self.parts.clear();
        self.parts_said = parts_of(entry);
        match &entry.content {
            Content::Disclosure(d) => {
                salts.begin(self.parts_said);
                d.sets.iter().for_each(|set| self.put_set(set, salts));
            }
            Content::Reason(r) => {
                self.bytes.clear();
                put_reason(&mut self.bytes, r);
                salts.begin(1);
                self.put_part(salts);
            }
            Content::Control(_) | Content::ErasedReason(_) | Content::Erasure(_) | Content::Account(_) => {}
        }
    }

    fn put_set(&mut self, set: &SubjectSet, seeds: &mut PartSalts) {
        self.bytes.clear();
        put_set_head(&mut self.bytes, set);
        let shared = self.bytes.len();
        match &set.subjects {
            Subjects::Ints(keys) => {
                for key in keys {
                    put_int(&mut self.bytes, *key);
                    self.put_part(seeds);
                    self.bytes.truncate(shared);
                }
            }
            Subjects::Uuids(keys) => {
                for key in keys {
                    put_uuid(&mut self.bytes, *key);
                    self.put_part(seeds);
                    self.bytes.truncate(shared);
                }
            }
            Subjects::Texts(keys) => {
                for key in keys {
                    put_text(&mut self.bytes, key);
                    self.put_part(seeds);
                    self.bytes.truncate(shared);
                }
            }
            Subjects::Unattributed { rows } => {
                self.bytes.push(0x10);
                self.bytes.extend_from_slice(&rows.to_be_bytes());
                self.put_part(seeds);
            }
        }
    }

    fn put_part(&mut self, salts: &mut PartSalts) {
        self.parts.push(digest(&[&[0x02], &salts.next_salt(), &self.bytes]));
    }
}

/// Returns a hash as numbers that compare as its bytes do, only faster.
fn in_words(hash: &Hash) -> [u64; 4] {
    let (words, _) = hash.as_chunks();
    std::array::from_fn(|at| words.get(at).map_or(0, |word| u64::from_be_bytes(*word)))
}

fn put_set_head(out: &mut Vec<u8>, set: &SubjectSet) {
    out.push(set.kind.0);
    out.push(certainty_number(set.certainty));
    out.extend_from_slice(&set.fields.0.to_be_bytes());
}

fn put_reason(out: &mut Vec<u8>, reason: &Reason) {
    out.push(reason.kind.0);
    match &reason.key {
        SubjectKey::Int(key) => put_int(out, *key),
        SubjectKey::Uuid(key) => put_uuid(out, *key),
        SubjectKey::Text(key) => put_text(out, key.as_bytes()),
    }
    put_string(out, &reason.reason);
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
    put_reason(&mut part, reason);
    digest(&[&[0x02], salt, &part])
}

/// Returns how many parts an entry has, or had before some were erased.
pub(crate) fn parts_of(entry: &Entry) -> u32 {
    match &entry.content {
        Content::Disclosure(d) => {
            let of_set = |set: &SubjectSet| match set.subjects {
                Subjects::Unattributed { .. } => 1,
                _ => (set.subjects.len() as u32).saturating_add(set.erased),
            };
            d.sets.iter().map(of_set).fold(0, u32::saturating_add)
        }
        Content::Reason(_) | Content::ErasedReason(_) => 1,
        Content::Control(_) | Content::Erasure(_) | Content::Account(_) => 0,
    }
}

/// The salts of an entry's parts, in the order of the keys.
enum PartSalts {
    /// Below this seed; the tree is as deep as the parts need.
    Tree(Seed),
    Walk(Seeds),
    Listed(std::vec::IntoIter<Seed>),
}

impl PartSalts {
    fn begin(&mut self, parts: u32) {
        if let PartSalts::Tree(seed) = self {
            *self = PartSalts::Walk(Seeds::of_parts(*seed, parts as usize));
        }
    }

    /// Returns the next salt; zeros if there is none, which fit nothing.
    fn next_salt(&mut self) -> Seed {
        match self {
            PartSalts::Walk(seeds) => seeds.next_seed(),
            PartSalts::Listed(salts) => salts.next().unwrap_or_default(),
            PartSalts::Tree(_) => Seed::default(),
        }
    }
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
