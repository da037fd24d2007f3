//! Records to entries. Trusts nothing: any bytes give entries or an error, within bounded memory.

use std::sync::Arc;

use rastro_model::{Certainty, FieldSet, KindId, Login, Principal, SubjectKey, Timestamp};

use crate::body::Combination;
use crate::bytes::{Cursor, FormatError};
use crate::encode::{
    ACCOUNT, CERTAINTIES, COMBINATION, CONTROL, DISCLOSURE, ERASED_REASON, ERASURE, PRINCIPAL, REASON,
    SCHEMA, SECTION, SESSION, Schema, TEXT,
};
use crate::entry::{Account, ControlKind, EntryNo, Outcome};
use crate::merkle::Hash;
use crate::names::SessionFacts;
use crate::set::{SUBJECTS_MAX, Subjects, read_set, split_erased};

/// A session as read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its number, unique in this ledger.
    pub id: u64,
    /// What was known when it began.
    pub facts: SessionFacts,
}

/// A statement's text as read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementText {
    /// Fingerprint of the statement.
    pub fingerprint: u64,
    /// Its text without literals.
    pub sql: String,
}

/// Subjects shown in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectSet {
    /// Which `[[subject]]`.
    pub kind: KindId,
    /// How sure.
    pub certainty: Certainty,
    /// What was shown.
    pub fields: FieldSet,
    /// Of whom.
    pub subjects: Subjects,
    /// How many subjects more there were, who have been erased.
    pub erased: u32,
}

/// Rows shown to a principal, as read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disclosure {
    /// When.
    pub time: Timestamp,
    /// In which session.
    pub session: Arc<Session>,
    /// To whom.
    pub principal: Principal,
    /// Ordinal of the statement in its session.
    pub statement: u64,
    /// The statement.
    pub text: Arc<StatementText>,
    /// How the statement stood after these rows.
    pub outcome: Outcome,
    /// How many rows.
    pub rows: u32,
    /// The subjects.
    pub sets: Vec<SubjectSet>,
}

/// A reason, as read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// To whom.
    pub principal: Principal,
    /// Which `[[subject]]`.
    pub kind: KindId,
    /// Of whom.
    pub key: SubjectKey,
    /// Why.
    pub reason: String,
    /// First moment explained.
    pub asked_at: Timestamp,
    /// Last moment explained.
    pub until: Timestamp,
}

/// An act, as read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// When.
    pub time: Timestamp,
    /// What.
    pub kind: ControlKind,
    /// To whom.
    pub principal: Option<Principal>,
    /// In which session.
    pub session: Option<Arc<Session>>,
    /// By whom.
    pub by: String,
    /// Why.
    pub why: String,
}

/// What is left of a reason whose subject was erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasedReason {
    /// To whom.
    pub principal: Principal,
    /// First moment explained.
    pub asked_at: Timestamp,
    /// Last moment explained.
    pub until: Timestamp,
}

/// That a subject was erased, as read back. Does not say who it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// When.
    pub time: Timestamp,
    /// Which one, from 1.
    pub number: u32,
    /// How many places it was taken out of.
    pub places: u32,
    /// SHA-256 of the list of these places.
    pub list: Hash,
    /// By whom.
    pub by: String,
    /// Why.
    pub why: String,
}

/// What entries say of a session beside what the server said, as read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionAccount {
    /// When.
    pub time: Timestamp,
    /// Of which session.
    pub session: Arc<Session>,
    /// From the session's beginning to that moment.
    pub account: Account,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Rows were shown.
    Disclosure(Disclosure),
    /// A reason was found.
    Reason(Reason),
    /// Something was done.
    Control(Control),
    /// A reason was found; whose it was is erased.
    ErasedReason(ErasedReason),
    /// Somebody was erased.
    Erasure(Erasure),
    /// Rows were counted against the server's own count.
    Account(SessionAccount),
}

/// An entry of the spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub no: EntryNo,
    /// Names of kinds and fields when it was written.
    pub schema: Arc<Schema>,
    /// What it says.
    pub content: Content,
}

impl Entry {
    /// Returns the time of the entry; of a reason, when it was asked for.
    pub fn time(&self) -> Timestamp {
        match &self.content {
            Content::Disclosure(disclosure) => disclosure.time,
            Content::Reason(reason) => reason.asked_at,
            Content::Control(control) => control.time,
            Content::ErasedReason(reason) => reason.asked_at,
            Content::Erasure(erasure) => erasure.time,
            Content::Account(account) => account.time,
        }
    }

    /// Returns the last moment the entry speaks of.
    pub fn last_moment(&self) -> Timestamp {
        match &self.content {
            Content::Reason(reason) => reason.until.max(reason.asked_at),
            Content::ErasedReason(reason) => reason.until.max(reason.asked_at),
            _ => self.time(),
        }
    }
}

/// Reads the records of one file.
#[derive(Debug)]
pub(crate) struct Decoder {
    pub(crate) schema: Arc<Schema>,
    /// With the ordinal of the session's last statement.
    sessions: Vec<(Arc<Session>, u64)>,
    principals: Vec<Principal>,
    texts: Vec<Arc<StatementText>>,
    combinations: Vec<Combination>,
    pub(crate) last_time: Timestamp,
    pub(crate) next_no: u64,
}

impl Decoder {
    pub(crate) fn new(first_no: u64, base_time: Timestamp) -> Decoder {
        Decoder {
            schema: Arc::default(),
            sessions: Vec::new(),
            principals: Vec::new(),
            texts: Vec::new(),
            combinations: Vec::new(),
            last_time: base_time,
            next_no: first_no,
        }
    }

    /// Reads records from the front of `body` until one is an entry; `None` at the end.
    pub(crate) fn next_entry(&mut self, body: &mut &[u8]) -> Result<Option<Entry>, FormatError> {
        self.next_entry_from(body, 0)
    }

    /// The same, passing over entries before number `from`: their subjects are not looked at.
    pub(crate) fn next_entry_from(
        &mut self,
        body: &mut &[u8],
        from: u64,
    ) -> Result<Option<Entry>, FormatError> {
        let mut cursor = Cursor(body);
        while cursor.len() > 0 {
            let record = cursor.counted()?;
            *body = cursor.0;
            let wanted = self.next_no >= from;
            if let Some(content) = self.record(Cursor(record), wanted)? {
                let no = EntryNo(self.next_no);
                self.next_no = self.next_no.checked_add(1).ok_or(FormatError::Range("entry number"))?;
                if wanted {
                    return Ok(Some(Entry { no, schema: Arc::clone(&self.schema), content }));
                }
            }
        }
        Ok(None)
    }

    // `wanted`: the entry's subjects are.
    fn record(&mut self, mut cursor: Cursor<'_>, wanted: bool) -> Result<Option<Content>, FormatError> {
        let content = match cursor.byte()? {
            SECTION => self.section(&mut cursor).map(|()| None),
            SCHEMA => self.schema(&mut cursor).map(|()| None),
            SESSION => self.session(&mut cursor).map(|()| None),
            PRINCIPAL => {
                self.principals.push(Principal::new(cursor.text()?));
                Ok(None)
            }
            TEXT => {
                let fingerprint = u64::from_le_bytes(cursor.array()?);
                let sql = cursor.text()?.to_owned();
                self.texts.push(Arc::new(StatementText { fingerprint, sql }));
                Ok(None)
            }
            COMBINATION => self.combination(&mut cursor).map(|()| None),
            REASON => self.reason(&mut cursor).map(Some),
            CONTROL => self.control(&mut cursor).map(Some),
            ERASED_REASON => self.erased_reason(&mut cursor).map(Some),
            ERASURE => self.erasure(&mut cursor).map(Some),
            ACCOUNT => self.account(&mut cursor).map(Some),
            tag => match tag.checked_sub(DISCLOSURE).and_then(|n| Outcome::ALL.get(usize::from(n))) {
                Some(outcome) => self.disclosure(&mut cursor, *outcome, wanted).map(Some),
                None => Err(FormatError::Tag(tag)),
            },
        }?;
        cursor.finish()?;
        Ok(content)
    }

    fn section(&mut self, cursor: &mut Cursor<'_>) -> Result<(), FormatError> {
        let next_no = cursor.varint()?;
        if next_no < self.next_no {
            return Err(FormatError::Range("entry number"));
        }
        *self = Decoder::new(next_no, Timestamp(cursor.signed()?));
        Ok(())
    }

    fn schema(&mut self, cursor: &mut Cursor<'_>) -> Result<(), FormatError> {
        let mut names = |max, what| -> Result<Vec<String>, FormatError> {
            let n = cursor.count(max, what)?;
            (0..n).map(|_| Ok(cursor.text()?.to_owned())).collect()
        };
        let kinds = names(256, "kinds")?;
        let fields = names(rastro_model::MAX_FIELDS, "fields")?;
        self.schema = Arc::new(Schema { kinds, fields });
        Ok(())
    }

    fn session(&mut self, cursor: &mut Cursor<'_>) -> Result<(), FormatError> {
        let id = cursor.varint()?;
        let facts = SessionFacts {
            login: Login::new(cursor.text()?),
            client_addr: cursor.text()?.to_owned(),
            database: cursor.text()?.to_owned(),
            application: cursor.text()?.to_owned(),
        };
        self.sessions.push((Arc::new(Session { id, facts }), 0));
        Ok(())
    }

    fn combination(&mut self, cursor: &mut Cursor<'_>) -> Result<(), FormatError> {
        let kind = KindId(cursor.byte()?);
        let certainty =
            CERTAINTIES.get(usize::from(cursor.byte()?)).ok_or(FormatError::Range("certainty"))?;
        let fields = u32::try_from(cursor.varint()?).map_err(|_| FormatError::Range("fields"))?;
        self.combinations.push(Combination { kind, certainty: *certainty, fields: FieldSet(fields) });
        Ok(())
    }

    fn time(&mut self, cursor: &mut Cursor<'_>) -> Result<Timestamp, FormatError> {
        self.last_time = Timestamp(self.last_time.0.wrapping_add(cursor.signed()?));
        Ok(self.last_time)
    }

    fn principal(&self, number: u64) -> Result<Principal, FormatError> {
        lookup(&self.principals, number, "principal").cloned()
    }

    fn disclosure(
        &mut self,
        cursor: &mut Cursor<'_>,
        outcome: Outcome,
        wanted: bool,
    ) -> Result<Content, FormatError> {
        let time = self.time(cursor)?;
        let at = usize::try_from(cursor.varint()?).unwrap_or(usize::MAX);
        let principal = cursor.varint().and_then(|number| self.principal(number))?;
        let (session, last) = self.sessions.get_mut(at).ok_or(FormatError::Undefined("session"))?;
        let session = Arc::clone(session);
        *last = last.wrapping_add_signed(cursor.signed()?);
        let statement = *last;
        let text = Arc::clone(lookup(&self.texts, cursor.varint()?, "text")?);
        let rows = u32::try_from(cursor.varint()?).map_err(|_| FormatError::Range("rows"))?;
        let mut sets = Vec::new();
        let mut room = SUBJECTS_MAX;
        if !wanted {
            *cursor = Cursor(&[]);
        }
        while cursor.len() > 0 {
            let Combination { kind, certainty, fields } =
                *lookup(&self.combinations, cursor.varint()?, "combination")?;
            let len = match cursor.count(usize::MAX, "length")? {
                0 => cursor.len(),
                len => len,
            };
            let (erased, rest) = split_erased(cursor.take(len)?, room)?;
            room -= erased as usize;
            let subjects = if rest.is_empty() && erased > 0 {
                Subjects::Ints(Vec::new())
            } else {
                read_set(rest, room)?
            };
            room -= subjects.len();
            sets.push(SubjectSet { kind, certainty, fields, subjects, erased });
        }
        Ok(Content::Disclosure(Disclosure { time, session, principal, statement, text, outcome, rows, sets }))
    }

    fn reason(&mut self, cursor: &mut Cursor<'_>) -> Result<Content, FormatError> {
        let asked_at = self.time(cursor)?;
        let until = Timestamp(asked_at.0.wrapping_add(cursor.signed()?));
        let principal = self.principal(cursor.varint()?)?;
        let kind = KindId(cursor.byte()?);
        let key = match cursor.byte()? {
            0 => SubjectKey::Int(cursor.signed()?),
            1 => SubjectKey::Uuid(u128::from_be_bytes(cursor.array()?)),
            2 => SubjectKey::Text(cursor.text()?.into()),
            tag => return Err(FormatError::Tag(tag)),
        };
        let reason = cursor.text()?.to_owned();
        Ok(Content::Reason(Reason { principal, kind, key, reason, asked_at, until }))
    }

    fn erased_reason(&mut self, cursor: &mut Cursor<'_>) -> Result<Content, FormatError> {
        let asked_at = self.time(cursor)?;
        let until = Timestamp(asked_at.0.wrapping_add(cursor.signed()?));
        let principal = self.principal(cursor.varint()?)?;
        Ok(Content::ErasedReason(ErasedReason { principal, asked_at, until }))
    }

    fn erasure(&mut self, cursor: &mut Cursor<'_>) -> Result<Content, FormatError> {
        let time = self.time(cursor)?;
        let mut number = || u32::try_from(cursor.varint()?).map_err(|_| FormatError::Range("erasure"));
        let (number, places) = (number()?, number()?);
        let list = cursor.array()?;
        let (by, why) = (cursor.text()?.to_owned(), cursor.text()?.to_owned());
        Ok(Content::Erasure(Erasure { time, number, places, list, by, why }))
    }

    fn account(&mut self, cursor: &mut Cursor<'_>) -> Result<Content, FormatError> {
        let time = self.time(cursor)?;
        let session = Arc::clone(&lookup(&self.sessions, cursor.varint()?, "session")?.0);
        let ended = match cursor.byte()? {
            0 => false,
            1 => true,
            _ => return Err(FormatError::Range("end of a session")),
        };
        let mut account = Account { ended, ..Account::default() };
        for count in account.counts_mut() {
            *count = cursor.varint()?;
        }
        Ok(Content::Account(SessionAccount { time, session, account }))
    }

    fn control(&mut self, cursor: &mut Cursor<'_>) -> Result<Content, FormatError> {
        let tag = cursor.byte()?;
        let kind = *ControlKind::ALL.get(usize::from(tag)).ok_or(FormatError::Tag(tag))?;
        let time = self.time(cursor)?;
        let principal = cursor.varint()?.checked_sub(1).map(|number| self.principal(number)).transpose()?;
        let session = match cursor.varint()?.checked_sub(1) {
            Some(number) => Some(Arc::clone(&lookup(&self.sessions, number, "session")?.0)),
            None => None,
        };
        let (by, why) = (cursor.text()?.to_owned(), cursor.text()?.to_owned());
        Ok(Content::Control(Control { time, kind, principal, session, by, why }))
    }
}

fn lookup<'a, T>(defined: &'a [T], number: u64, what: &'static str) -> Result<&'a T, FormatError> {
    usize::try_from(number).ok().and_then(|at| defined.get(at)).ok_or(FormatError::Undefined(what))
}
