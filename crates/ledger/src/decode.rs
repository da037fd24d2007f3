//! Records to entries. Trusts nothing: any bytes give entries or an error, within bounded memory.

mod brief;
mod define;
mod sessions;

use std::sync::Arc;

use rastro_model::{Certainty, FieldSet, KindId, Principal, SubjectKey, Timestamp};

use crate::body::Combination;
use crate::bytes::{Cursor, FormatError};
use crate::encode::{ACCOUNT, CONTROL, DISCLOSURE, ERASED_REASON, ERASURE, REASON, Schema};
use crate::entry::{Account, ControlKind, EntryNo, Outcome};
use crate::merkle::Hash;
use crate::names::SessionFacts;
use crate::set::{SUBJECTS_MAX, Subjects, read_set_into, split_erased};
use sessions::Sessions;

pub use brief::{Brief, BriefContent, BriefDisclosure, BriefReason};

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

impl SubjectSet {
    const EMPTY: SubjectSet = SubjectSet {
        kind: KindId(0),
        certainty: Certainty::Exact,
        fields: FieldSet::EMPTY,
        subjects: Subjects::Ints(Vec::new()),
        erased: 0,
    };
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

impl Content {
    pub(crate) fn time(&self) -> Timestamp {
        match self {
            Content::Disclosure(disclosure) => disclosure.time,
            Content::Reason(reason) => reason.asked_at,
            Content::Control(control) => control.time,
            Content::ErasedReason(reason) => reason.asked_at,
            Content::Erasure(erasure) => erasure.time,
            Content::Account(account) => account.time,
        }
    }
}

impl Entry {
    /// Returns the time of the entry; of a reason, when it was asked for.
    pub fn time(&self) -> Timestamp {
        self.content.time()
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
#[derive(Clone, Debug)]
pub(crate) struct Decoder {
    pub(crate) schema: Arc<Schema>,
    sessions: Sessions,
    principals: Vec<Principal>,
    texts: Vec<Arc<StatementText>>,
    combinations: Vec<Combination>,
    pub(crate) last_time: Timestamp,
    pub(crate) next_no: u64,
    /// Memory for the sets of one brief entry.
    sets: Vec<SubjectSet>,
    /// Sets and subjects that were read into it: it holds no more.
    sets_held: usize,
}

/// A record that is an entry: its tag, and its fields.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EntryRecord<'a> {
    tag: u8,
    fields: Cursor<'a>,
}

/// What a disclosure says before its groups, in the numbers of the file.
struct Heading<'a> {
    time: Timestamp,
    session: u64,
    principal: u64,
    statement: u64,
    text: u64,
    rows: u32,
    groups: Cursor<'a>,
}

impl Decoder {
    pub(crate) fn new(first_no: u64, base_time: Timestamp) -> Decoder {
        Decoder {
            schema: Arc::default(),
            sessions: Sessions::default(),
            principals: Vec::new(),
            texts: Vec::new(),
            combinations: Vec::new(),
            last_time: base_time,
            next_no: first_no,
            sets: Vec::new(),
            sets_held: 0,
        }
    }

    /// Reads records from the front of `body` until one is an entry; `None` at the end.
    pub(crate) fn next_entry(&mut self, body: &mut &[u8]) -> Result<Option<Entry>, FormatError> {
        self.next_entry_from(body, 0)
    }

    /// The same, passing over entries before number `from`.
    pub(crate) fn next_entry_from(
        &mut self,
        body: &mut &[u8],
        from: u64,
    ) -> Result<Option<Entry>, FormatError> {
        self.pass_over(body, from)?;
        let Some(record) = self.next_record(body)? else { return Ok(None) };
        let no = EntryNo(self.next_no);
        let content = self.content(record)?;
        Ok(Some(Entry { no, schema: Arc::clone(&self.schema), content }))
    }

    /// Passes over records at the front of `body` up to the last entry before number `from`. What an entry says is
    /// not looked at beyond what later ones are told from.
    pub(crate) fn pass_over(&mut self, body: &mut &[u8], from: u64) -> Result<(), FormatError> {
        while self.next_no < from
            && let Some(record) = self.next_record(body)?
        {
            if outcome_of(record.tag).is_ok() {
                self.heading(record.fields)?;
                self.pass()?;
            } else {
                self.content(record)?;
            }
        }
        Ok(())
    }

    /// Reads records from the front of `body` up to the first that is an entry; `None` at the end.
    pub(crate) fn next_record<'a>(
        &mut self,
        body: &mut &'a [u8],
    ) -> Result<Option<EntryRecord<'a>>, FormatError> {
        let mut cursor = Cursor(body);
        while cursor.len() > 0 {
            let mut fields = Cursor(cursor.counted()?);
            *body = cursor.0;
            let tag = fields.byte()?;
            if tag >= DISCLOSURE {
                return Ok(Some(EntryRecord { tag, fields }));
            }
            self.define(tag, &mut fields)?;
            fields.finish()?;
        }
        Ok(None)
    }

    /// Reads what the entry due says.
    pub(crate) fn content(&mut self, record: EntryRecord<'_>) -> Result<Content, FormatError> {
        let EntryRecord { tag, fields: mut cursor } = record;
        let content = match tag {
            REASON => self.reason(&mut cursor).map(Content::Reason),
            CONTROL => self.control(&mut cursor),
            ERASED_REASON => self.erased_reason(&mut cursor),
            ERASURE => self.erasure(&mut cursor),
            ACCOUNT => self.account(&mut cursor),
            tag => {
                let outcome = outcome_of(tag)?;
                let heading = self.heading(std::mem::replace(&mut cursor, Cursor(&[])))?;
                self.disclosure(heading, outcome)
            }
        }?;
        cursor.finish()?;
        self.pass()?;
        Ok(content)
    }

    /// Counts an entry.
    fn pass(&mut self) -> Result<(), FormatError> {
        self.next_no = self.next_no.checked_add(1).ok_or(FormatError::Range("entry number"))?;
        Ok(())
    }

    fn time(&mut self, cursor: &mut Cursor<'_>) -> Result<Timestamp, FormatError> {
        self.last_time = Timestamp(self.last_time.0.wrapping_add(cursor.signed()?));
        Ok(self.last_time)
    }

    fn principal(&self, number: u64) -> Result<Principal, FormatError> {
        lookup(&self.principals, number, "principal").cloned()
    }

    fn heading<'a>(&mut self, mut cursor: Cursor<'a>) -> Result<Heading<'a>, FormatError> {
        let time = self.time(&mut cursor)?;
        let session = cursor.varint()?;
        let principal = cursor.varint()?;
        let last = self.sessions.last_mut(session)?;
        *last = last.wrapping_add_signed(cursor.signed()?);
        let statement = *last;
        let text = cursor.varint()?;
        let rows = u32::try_from(cursor.varint()?).map_err(|_| FormatError::Range("rows"))?;
        Ok(Heading { time, session, principal, statement, text, rows, groups: cursor })
    }

    fn disclosure(&self, heading: Heading<'_>, outcome: Outcome) -> Result<Content, FormatError> {
        let Heading { time, session, principal, statement, text, rows, mut groups } = heading;
        let principal = self.principal(principal)?;
        let session = Arc::clone(self.sessions.get(session)?);
        let text = Arc::clone(lookup(&self.texts, text, "text")?);
        let mut sets = Vec::new();
        let mut room = SUBJECTS_MAX;
        while groups.len() > 0 {
            let mut set = SubjectSet::EMPTY;
            self.group(&mut groups, &mut room, &mut set)?;
            sets.push(set);
        }
        Ok(Content::Disclosure(Disclosure { time, session, principal, statement, text, outcome, rows, sets }))
    }

    /// Reads one group into `set`; `room`: how many more subjects the entry may hold.
    fn group(
        &self,
        groups: &mut Cursor<'_>,
        room: &mut usize,
        set: &mut SubjectSet,
    ) -> Result<(), FormatError> {
        let Combination { kind, certainty, fields } =
            *lookup(&self.combinations, groups.varint()?, "combination")?;
        let len = match groups.count(usize::MAX, "length")? {
            0 => groups.len(),
            len => len,
        };
        let (erased, rest) = split_erased(groups.take(len)?, *room)?;
        *room -= erased as usize;
        (set.kind, set.certainty, set.fields, set.erased) = (kind, certainty, fields, erased);
        if rest.is_empty() && erased > 0 {
            set.subjects = Subjects::Ints(Vec::new());
        } else {
            read_set_into(rest, *room, &mut set.subjects)?;
        }
        *room -= set.subjects.len();
        Ok(())
    }

    fn reason(&mut self, cursor: &mut Cursor<'_>) -> Result<Reason, FormatError> {
        let (asked_at, until, principal) = self.span(cursor)?;
        let principal = self.principal(principal)?;
        let kind = KindId(cursor.byte()?);
        let key = subject(cursor)?;
        let reason = cursor.text()?.to_owned();
        Ok(Reason { principal, kind, key, reason, asked_at, until })
    }

    /// Reads the time that a reason is about, and the number of its principal.
    fn span(&mut self, cursor: &mut Cursor<'_>) -> Result<(Timestamp, Timestamp, u64), FormatError> {
        let asked_at = self.time(cursor)?;
        let until = Timestamp(asked_at.0.wrapping_add(cursor.signed()?));
        Ok((asked_at, until, cursor.varint()?))
    }

    fn erased_reason(&mut self, cursor: &mut Cursor<'_>) -> Result<Content, FormatError> {
        let (asked_at, until, principal) = self.span(cursor)?;
        let principal = self.principal(principal)?;
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
        let session = Arc::clone(self.sessions.get(cursor.varint()?)?);
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
            Some(number) => Some(Arc::clone(self.sessions.get(number)?)),
            None => None,
        };
        let (by, why) = (cursor.text()?.to_owned(), cursor.text()?.to_owned());
        Ok(Content::Control(Control { time, kind, principal, session, by, why }))
    }
}

fn outcome_of(tag: u8) -> Result<Outcome, FormatError> {
    let outcome = tag.checked_sub(DISCLOSURE).and_then(|n| Outcome::ALL.get(usize::from(n)));
    outcome.copied().ok_or(FormatError::Tag(tag))
}

fn subject(cursor: &mut Cursor<'_>) -> Result<SubjectKey, FormatError> {
    match cursor.byte()? {
        0 => Ok(SubjectKey::Int(cursor.signed()?)),
        1 => Ok(SubjectKey::Uuid(u128::from_be_bytes(cursor.array()?))),
        2 => Ok(SubjectKey::Text(cursor.text()?.into())),
        tag => Err(FormatError::Tag(tag)),
    }
}

fn lookup<'a, T>(defined: &'a [T], number: u64, what: &'static str) -> Result<&'a T, FormatError> {
    usize::try_from(number).ok().and_then(|at| defined.get(at)).ok_or(FormatError::Undefined(what))
}
