//! Entries without a copy of what is around them: who was shown whom, when and why.

use std::sync::Arc;

use rastro_model::{KindId, Principal, SubjectKey, Timestamp};

use super::{
    Content, Decoder, Entry, EntryRecord, Heading, Session, StatementText, SubjectSet, lookup, outcome_of,
    subject,
};
use crate::bytes::FormatError;
use crate::encode::{DISCLOSURE, REASON, Schema};
use crate::entry::{EntryNo, Outcome};
use crate::set::SUBJECTS_MAX;

/// An entry, in the reader's own memory.
#[derive(Debug)]
pub struct Brief<'a> {
    /// Its number.
    pub no: EntryNo,
    /// Names of kinds and fields when it was written.
    pub schema: &'a Arc<Schema>,
    /// What it says.
    pub content: BriefContent<'a>,
}

/// What an entry says.
#[derive(Debug)]
pub enum BriefContent<'a> {
    /// Rows were shown.
    Disclosure(BriefDisclosure<'a>),
    /// A reason was found.
    Reason(BriefReason<'a>),
    /// Anything else.
    Other(Content),
}

/// Rows shown to a principal.
#[derive(Clone, Copy, Debug)]
pub struct BriefDisclosure<'a> {
    /// When.
    pub time: Timestamp,
    /// In which session.
    pub session: &'a Arc<Session>,
    /// To whom.
    pub principal: &'a Principal,
    /// Place of the principal among those of its spool file: where to keep what it means. Another file's principal
    /// may have the same.
    pub place: Option<usize>,
    /// Ordinal of the statement in its session.
    pub statement: u64,
    /// The statement.
    pub text: &'a Arc<StatementText>,
    /// How the statement stood after these rows.
    pub outcome: Outcome,
    /// How many rows.
    pub rows: u32,
    /// The subjects.
    pub sets: &'a [SubjectSet],
}

/// A reason.
#[derive(Clone, Debug)]
pub struct BriefReason<'a> {
    /// To whom.
    pub principal: &'a Principal,
    /// As [`BriefDisclosure::place`].
    pub place: Option<usize>,
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

impl Entry {
    /// Returns the entry in brief.
    pub fn brief(&self) -> Brief<'_> {
        let content = match &self.content {
            Content::Disclosure(d) => BriefContent::Disclosure(BriefDisclosure {
                time: d.time,
                session: &d.session,
                principal: &d.principal,
                place: None,
                statement: d.statement,
                text: &d.text,
                outcome: d.outcome,
                rows: d.rows,
                sets: &d.sets,
            }),
            Content::Reason(r) => BriefContent::Reason(BriefReason {
                principal: &r.principal,
                place: None,
                kind: r.kind,
                key: r.key.clone(),
                reason: r.reason.clone(),
                asked_at: r.asked_at,
                until: r.until,
            }),
            other => BriefContent::Other(other.clone()),
        };
        Brief { no: self.no, schema: &self.schema, content }
    }
}

impl Brief<'_> {
    /// Returns the time of the entry; of a reason, when it was asked for.
    pub(crate) fn time(&self) -> Timestamp {
        match &self.content {
            BriefContent::Disclosure(disclosure) => disclosure.time,
            BriefContent::Reason(reason) => reason.asked_at,
            BriefContent::Other(content) => content.time(),
        }
    }
}

impl Decoder {
    /// Reads what the entry due says. Allocates nothing for integer keys.
    pub(crate) fn brief(&mut self, record: EntryRecord<'_>) -> Result<Brief<'_>, FormatError> {
        const LAST: u8 = DISCLOSURE + Outcome::ALL.len() as u8 - 1;
        let no = EntryNo(self.next_no);
        match record.tag {
            DISCLOSURE..=LAST => {
                let heading = self.heading(record.fields)?;
                self.pass()?;
                self.brief_disclosure(no, heading, outcome_of(record.tag)?)
            }
            REASON => {
                self.pass()?;
                self.brief_reason(no, record)
            }
            _ => {
                let content = BriefContent::Other(self.content(record)?);
                Ok(Brief { no, schema: &self.schema, content })
            }
        }
    }

    fn brief_disclosure(
        &mut self,
        no: EntryNo,
        heading: Heading<'_>,
        outcome: Outcome,
    ) -> Result<Brief<'_>, FormatError> {
        let mut groups = heading.groups;
        // What differing entries leave behind must not add up.
        if self.sets_held > SUBJECTS_MAX {
            (self.sets, self.sets_held) = Default::default();
        }
        let mut sets = std::mem::take(&mut self.sets);
        let (mut used, mut room) = (0, SUBJECTS_MAX);
        while groups.len() > 0 {
            if sets.len() == used {
                sets.push(SubjectSet::EMPTY);
            }
            let Some(set) = sets.get_mut(used) else { break };
            self.group(&mut groups, &mut room, set)?;
            used += 1;
        }
        self.sets = sets;
        self.sets_held += used + SUBJECTS_MAX - room;
        let session = self.sessions.get(heading.session)?;
        let content = BriefContent::Disclosure(BriefDisclosure {
            time: heading.time,
            session,
            principal: lookup(&self.principals, heading.principal, "principal")?,
            place: usize::try_from(heading.principal).ok(),
            statement: heading.statement,
            text: lookup(&self.texts, heading.text, "text")?,
            outcome,
            rows: heading.rows,
            sets: self.sets.get(..used).unwrap_or_default(),
        });
        Ok(Brief { no, schema: &self.schema, content })
    }

    fn brief_reason(&mut self, no: EntryNo, record: EntryRecord<'_>) -> Result<Brief<'_>, FormatError> {
        let mut cursor = record.fields;
        let (asked_at, until, principal) = self.span(&mut cursor)?;
        let kind = KindId(cursor.byte()?);
        let key = subject(&mut cursor)?;
        let reason = cursor.text()?.to_owned();
        cursor.finish()?;
        let content = BriefContent::Reason(BriefReason {
            principal: lookup(&self.principals, principal, "principal")?,
            place: usize::try_from(principal).ok(),
            kind,
            key,
            reason,
            asked_at,
            until,
        });
        Ok(Brief { no, schema: &self.schema, content })
    }
}
