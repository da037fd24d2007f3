//! Entries to records: keeps the dictionaries of the file being written.

use std::sync::atomic::Ordering;

use hashbrown::HashMap;
use rastro_model::{Certainty, SubjectKey, Timestamp};

use crate::body::{Body, Combination};
use crate::bytes::{put_signed, put_text, put_varint};
use crate::entry::{AccountEntry, ControlEntry, DisclosureEntry, ErasureEntry, ReasonEntry};
use crate::names::{NAME_MAX, PrincipalRef, SessionRef, TEXT_MAX, TextRef};

/// The names behind the numbers of kinds and fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    /// Names of the `[[subject]]` tables; `KindId` i is the i-th.
    pub kinds: Vec<String>,
    /// Names of fields; bit i of a `FieldSet` is the i-th.
    pub fields: Vec<String>,
}

pub(crate) const SECTION: u8 = 0x01;
pub(crate) const SCHEMA: u8 = 0x02;
pub(crate) const SESSION: u8 = 0x03;
pub(crate) const PRINCIPAL: u8 = 0x04;
pub(crate) const TEXT: u8 = 0x05;
pub(crate) const COMBINATION: u8 = 0x06;
/// Plus the outcome.
pub(crate) const DISCLOSURE: u8 = 0x10;
pub(crate) const REASON: u8 = 0x20;
pub(crate) const ERASED_REASON: u8 = 0x21;
pub(crate) const CONTROL: u8 = 0x30;
pub(crate) const ERASURE: u8 = 0x31;
pub(crate) const ACCOUNT: u8 = 0x32;

/// Greatest length of a record: keeps a frame within its 24 bits of length.
pub(crate) const RECORD_MAX: usize = 4 << 20;

/// Turns entries into records. A *section* is a stretch of the spool with its own dictionaries: a file, or
/// what follows an entry that the disk refused.
#[derive(Debug)]
pub(crate) struct Encoder {
    schema: Schema,
    section: u32,
    sessions: u32,
    principals: u32,
    texts: u32,
    combinations: HashMap<Combination, u32>,
    last_time: Timestamp,
    /// Greatest moment of the file; never too low after entries were dropped.
    pub(crate) max_time: Timestamp,
    /// Greatest moment since the spool was opened.
    run_max_time: Timestamp,
    scratch: Vec<u8>,
}

impl Encoder {
    pub(crate) fn new(schema: Schema) -> Encoder {
        Encoder {
            schema,
            section: 0,
            sessions: 0,
            principals: 0,
            texts: 0,
            combinations: HashMap::new(),
            last_time: Timestamp(0),
            max_time: Timestamp(i64::MIN),
            run_max_time: Timestamp(i64::MIN),
            scratch: Vec::new(),
        }
    }

    /// Begins a file: its header says `base_time` and the number of the first entry.
    pub(crate) fn begin_file(&mut self, out: &mut Vec<u8>, base_time: Timestamp) {
        self.max_time = Timestamp(i64::MIN);
        self.forget(base_time);
        self.put_schema(out);
    }

    /// Begins a section inside a file, after entries that were dropped.
    pub(crate) fn begin_section(&mut self, out: &mut Vec<u8>, next_no: u64, base_time: Timestamp) {
        // It may be that the file this one follows in was not the last begun.
        self.max_time = self.run_max_time;
        self.forget(base_time);
        self.scratch.push(SECTION);
        put_varint(&mut self.scratch, next_no);
        put_signed(&mut self.scratch, base_time.0);
        self.put_record(out);
        self.put_schema(out);
    }

    fn forget(&mut self, base_time: Timestamp) {
        self.section += 1;
        (self.sessions, self.principals, self.texts) = (0, 0, 0);
        self.combinations.clear();
        self.last_time = base_time;
        self.scratch.clear();
    }

    fn put_schema(&mut self, out: &mut Vec<u8>) {
        self.scratch.push(SCHEMA);
        for names in [&self.schema.kinds, &self.schema.fields] {
            put_varint(&mut self.scratch, names.len() as u64);
            names.iter().for_each(|name| put_text(&mut self.scratch, name, NAME_MAX));
        }
        self.put_record(out);
    }

    fn put_record(&mut self, out: &mut Vec<u8>) {
        put_varint(out, self.scratch.len() as u64);
        out.append(&mut self.scratch);
    }

    /// Writes the time as the difference to the entry before.
    fn put_time(&mut self, time: Timestamp) {
        put_signed(&mut self.scratch, time.0.wrapping_sub(self.last_time.0));
        self.last_time = time;
        self.saw(time);
    }

    fn saw(&mut self, time: Timestamp) {
        self.max_time = self.max_time.max(time);
        self.run_max_time = self.run_max_time.max(time);
    }

    /// Writes a disclosure, defining what it cites. Returns `false`, and writes no entry, if the record
    /// would be longer than [`RECORD_MAX`].
    pub(crate) fn put_disclosure(
        &mut self,
        out: &mut Vec<u8>,
        entry: &DisclosureEntry<'_>,
        body: &Body,
    ) -> bool {
        if body.bytes.len() + 16 * body.groups.len() + 64 > RECORD_MAX {
            return false;
        }
        let session = self.session_number(out, entry.session);
        let principal = self.principal_number(out, entry.principal);
        let text = self.text_number(out, entry.text);
        for group in &body.groups {
            self.define_combination(out, group.combination);
        }
        self.scratch.push(DISCLOSURE + entry.outcome as u8);
        self.put_time(entry.time);
        put_varint(&mut self.scratch, u64::from(session));
        put_varint(&mut self.scratch, u64::from(principal));
        let last = entry.session.0.last_statement.swap(entry.statement, Ordering::Relaxed);
        put_signed(&mut self.scratch, entry.statement.wrapping_sub(last) as i64);
        put_varint(&mut self.scratch, u64::from(text));
        put_varint(&mut self.scratch, u64::from(entry.rows));
        let mut bytes = body.bytes.as_slice();
        for (i, group) in body.groups.iter().enumerate() {
            let number = self.combinations.get(&group.combination).copied().unwrap_or_default();
            let (set, rest) = bytes.split_at_checked(group.len).unwrap_or((bytes, &[]));
            bytes = rest;
            put_varint(&mut self.scratch, u64::from(number));
            // The last set ends where the record ends.
            if i + 1 < body.groups.len() {
                put_varint(&mut self.scratch, set.len() as u64);
            } else {
                self.scratch.push(0);
            }
            self.scratch.extend_from_slice(set);
        }
        self.put_record(out);
        true
    }

    pub(crate) fn put_reason(&mut self, out: &mut Vec<u8>, entry: &ReasonEntry<'_>) -> bool {
        if matches!(entry.key, SubjectKey::Text(text) if text.len() > NAME_MAX) {
            return false;
        }
        let principal = self.principal_number(out, entry.principal);
        self.scratch.push(REASON);
        self.put_time(entry.asked_at);
        put_signed(&mut self.scratch, entry.until.0.wrapping_sub(entry.asked_at.0));
        self.saw(entry.until);
        put_varint(&mut self.scratch, u64::from(principal));
        self.scratch.push(entry.kind.0);
        match entry.key {
            SubjectKey::Int(key) => {
                self.scratch.push(0);
                put_signed(&mut self.scratch, *key);
            }
            SubjectKey::Uuid(key) => {
                self.scratch.push(1);
                self.scratch.extend_from_slice(&key.to_be_bytes());
            }
            SubjectKey::Text(key) => {
                self.scratch.push(2);
                put_text(&mut self.scratch, key, NAME_MAX);
            }
        }
        put_text(&mut self.scratch, entry.reason, NAME_MAX);
        self.put_record(out);
        true
    }

    pub(crate) fn put_control(&mut self, out: &mut Vec<u8>, entry: &ControlEntry<'_>) {
        let principal = entry.principal.map_or(0, |p| u64::from(self.principal_number(out, p)) + 1);
        let session = entry.session.map_or(0, |s| u64::from(self.session_number(out, s)) + 1);
        self.scratch.push(CONTROL);
        self.scratch.push(entry.kind as u8);
        self.put_time(entry.time);
        put_varint(&mut self.scratch, principal);
        put_varint(&mut self.scratch, session);
        put_text(&mut self.scratch, entry.by, NAME_MAX);
        put_text(&mut self.scratch, entry.why, NAME_MAX);
        self.put_record(out);
    }

    pub(crate) fn put_erasure(&mut self, out: &mut Vec<u8>, entry: &ErasureEntry<'_>) {
        self.scratch.push(ERASURE);
        self.put_time(entry.time);
        put_varint(&mut self.scratch, u64::from(entry.number));
        put_varint(&mut self.scratch, u64::from(entry.places));
        self.scratch.extend_from_slice(entry.list);
        put_text(&mut self.scratch, entry.by, NAME_MAX);
        put_text(&mut self.scratch, entry.why, NAME_MAX);
        self.put_record(out);
    }

    pub(crate) fn put_account(&mut self, out: &mut Vec<u8>, entry: &AccountEntry<'_>) {
        let session = self.session_number(out, entry.session);
        self.scratch.push(ACCOUNT);
        self.put_time(entry.time);
        put_varint(&mut self.scratch, u64::from(session));
        self.scratch.push(u8::from(entry.account.ended));
        for count in entry.account.counts() {
            put_varint(&mut self.scratch, count);
        }
        self.put_record(out);
    }

    fn session_number(&mut self, out: &mut Vec<u8>, session: &SessionRef) -> u32 {
        let cell = &session.0;
        if let Some(number) = cell.number.get(self.section) {
            return number;
        }
        self.scratch.push(SESSION);
        put_varint(&mut self.scratch, cell.id);
        let facts = &cell.facts;
        for text in [facts.login.as_str(), &facts.client_addr, &facts.database, &facts.application] {
            put_text(&mut self.scratch, text, NAME_MAX);
        }
        self.put_record(out);
        cell.last_statement.store(0, Ordering::Relaxed);
        cell.number.set(self.section, self.sessions);
        self.sessions += 1;
        self.sessions - 1
    }

    fn principal_number(&mut self, out: &mut Vec<u8>, principal: &PrincipalRef) -> u32 {
        if let Some(number) = principal.0.number.get(self.section) {
            return number;
        }
        self.scratch.push(PRINCIPAL);
        put_text(&mut self.scratch, principal.0.name.as_str(), NAME_MAX);
        self.put_record(out);
        principal.0.number.set(self.section, self.principals);
        self.principals += 1;
        self.principals - 1
    }

    fn text_number(&mut self, out: &mut Vec<u8>, text: &TextRef) -> u32 {
        if let Some(number) = text.0.number.get(self.section) {
            return number;
        }
        self.scratch.push(TEXT);
        self.scratch.extend_from_slice(&text.0.fingerprint.to_le_bytes());
        put_text(&mut self.scratch, &text.0.text, TEXT_MAX);
        self.put_record(out);
        text.0.number.set(self.section, self.texts);
        self.texts += 1;
        self.texts - 1
    }

    fn define_combination(&mut self, out: &mut Vec<u8>, combination: Combination) {
        if self.combinations.contains_key(&combination) {
            return;
        }
        self.scratch.push(COMBINATION);
        self.scratch.push(combination.kind.0);
        self.scratch.push(certainty_number(combination.certainty));
        put_varint(&mut self.scratch, u64::from(combination.fields.0));
        self.put_record(out);
        self.combinations.insert(combination, self.combinations.len() as u32);
    }
}

pub(crate) const CERTAINTIES: [Certainty; 3] = [Certainty::Exact, Certainty::Derived, Certainty::Possible];

pub(crate) fn certainty_number(certainty: Certainty) -> u8 {
    match certainty {
        Certainty::Exact => 0,
        Certainty::Derived => 1,
        Certainty::Possible => 2,
    }
}
