//! Who was shown whom: one record per subject, with its reason.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use rastro_model::{Certainty, KindId, Principal, SubjectKey, Timestamp};

use crate::decode::{Content, Disclosure, Entry, Reason, SubjectSet};
use crate::disk::{Directory, Files};
use crate::encode::Schema;
use crate::entry::Outcome;
use crate::reader::{ReadError, SpoolReader};
use crate::replay::reader_since;
use crate::set::Subjects;

/// A reason may be written so long (µs of entry time) after the disclosure it explains.
const REASON_LATE_MAX: i64 = 30_000_000;

/// Which disclosures are wanted; `None` means all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// To whom.
    pub principal: Option<Principal>,
    /// Of whom, as the key column's text.
    pub subject: Option<String>,
    /// At this moment or later.
    pub since: Option<Timestamp>,
    /// At this moment or earlier.
    pub until: Option<Timestamp>,
}

/// One subject shown by one batch of rows; or, with no subject, rows that are unattributed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisclosureRecord {
    /// When.
    pub time: Timestamp,
    /// To whom.
    pub principal: Principal,
    /// Through which role, from where.
    pub session: Arc<crate::decode::Session>,
    /// `<session>-<ordinal>`, unique in the ledger.
    pub statement: String,
    /// The statement's fingerprint and text.
    pub text: Arc<crate::decode::StatementText>,
    /// Name of the `[[subject]]`; its number if the schema does not name it.
    pub kind: String,
    /// Of whom; `None` for unattributed rows.
    pub subject: Option<SubjectKey>,
    /// Of a subject: rows of the whole batch. Of unattributed rows: how many.
    pub rows: u32,
    /// Names of the fields shown.
    pub fields: Vec<String>,
    /// How sure.
    pub certainty: Certainty,
    /// Why, if a reason is known.
    pub reason: Option<String>,
    /// How the statement stood.
    pub outcome: Outcome,
}

/// Reads the disclosures that `filter` wants, in entry order, up to what is written when it starts to run
/// out. Memory: one entry, two files' dictionaries, and the reasons in force that can match.
///
/// # Errors
/// The directory or a file's header cannot be read.
pub fn disclosures(dir: &Path, filter: Filter) -> Result<Disclosures<Directory>, ReadError> {
    let since = filter.since.unwrap_or(Timestamp(i64::MIN));
    Ok(Disclosures {
        entries: reader_since(Directory::new(dir), since)?,
        ahead: Ahead {
            reader: reader_since(Directory::new(dir), since)?,
            seen: Timestamp(i64::MIN),
            next_no: 0,
            ended: false,
        },
        filter,
        reasons: Reasons::default(),
        ready: None,
    })
}

/// Iterator of [`disclosures`].
#[derive(Debug)]
pub struct Disclosures<F: Files> {
    entries: SpoolReader<F>,
    ahead: Ahead<F>,
    filter: Filter,
    reasons: Reasons,
    ready: Option<Ready>,
}

/// A second reader that runs ahead for reasons.
#[derive(Debug)]
struct Ahead<F: Files> {
    reader: SpoolReader<F>,
    /// Greatest time seen.
    seen: Timestamp,
    /// Number after the last entry seen.
    next_no: u64,
    ended: bool,
}

/// A disclosure whose subjects are being handed out.
#[derive(Debug)]
struct Ready {
    disclosure: Disclosure,
    schema: Arc<Schema>,
    sets: std::vec::IntoIter<SubjectSet>,
    set: Option<(SubjectSet, usize)>,
}

impl<F: Files> Iterator for Disclosures<F> {
    type Item = Result<DisclosureRecord, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            while let Some((set, at)) = self.ready.as_mut().and_then(Ready::next_subject) {
                if let Some(record) = self.record(&set, at) {
                    if let Some(ready) = &mut self.ready {
                        ready.set = Some((set, at + 1));
                    }
                    return Some(Ok(record));
                }
                if let Some(ready) = &mut self.ready {
                    ready.set = Some((set, at + 1));
                }
            }
            match self.next_disclosure() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl Ready {
    /// Takes out the set in hand with the position of its next subject.
    fn next_subject(&mut self) -> Option<(SubjectSet, usize)> {
        loop {
            match self.set.take() {
                Some((set, at)) if at < set.subjects.len().max(1) => return Some((set, at)),
                _ => self.set = Some((self.sets.next()?, 0)),
            }
        }
    }
}

impl<F: Files> Disclosures<F> {
    fn next_disclosure(&mut self) -> Result<bool, ReadError> {
        loop {
            // What the reader ahead has not seen is left for another time: its reasons are not known.
            if self.ahead.ended && self.entries.decoder().next_no >= self.ahead.next_no {
                return Ok(false);
            }
            let Some(Entry { content, schema, .. }) = self.entries.next_entry()? else { return Ok(false) };
            let Content::Disclosure(mut disclosure) = content else { continue };
            self.ahead.run_to(disclosure.time, &self.filter, &mut self.reasons)?;
            self.reasons.forget_before(disclosure.time.minus_micros(REASON_LATE_MAX));
            let Filter { principal, since, until, .. } = &self.filter;
            let wanted = principal.as_ref().is_none_or(|p| *p == disclosure.principal)
                && since.is_none_or(|since| since <= disclosure.time)
                && until.is_none_or(|until| disclosure.time <= until);
            if wanted {
                let sets = std::mem::take(&mut disclosure.sets).into_iter();
                self.ready = Some(Ready { disclosure, schema, sets, set: None });
                return Ok(true);
            }
        }
    }

    /// Returns the record of subject `at` of a set, if the filter wants it.
    fn record(&self, set: &SubjectSet, at: usize) -> Option<DisclosureRecord> {
        let Ready { disclosure, schema, .. } = self.ready.as_ref()?;
        let (subject, rows) = match &set.subjects {
            Subjects::Unattributed { rows } => (None, *rows),
            subjects => (Some(subject_at(subjects, at)?), disclosure.rows),
        };
        if let Some(wanted) = &self.filter.subject
            && subject.as_ref().is_none_or(|key| key.to_string() != *wanted)
        {
            return None;
        }
        let reason = subject
            .as_ref()
            .and_then(|key| self.reasons.find(&disclosure.principal, set.kind, key, disclosure.time));
        let field = |i: usize| schema.fields.get(i).cloned().unwrap_or_else(|| i.to_string());
        Some(DisclosureRecord {
            time: disclosure.time,
            principal: disclosure.principal.clone(),
            session: Arc::clone(&disclosure.session),
            statement: format!("{}-{}", disclosure.session.id, disclosure.statement),
            text: Arc::clone(&disclosure.text),
            kind: schema
                .kinds
                .get(usize::from(set.kind.0))
                .cloned()
                .unwrap_or_else(|| set.kind.0.to_string()),
            subject,
            rows,
            fields: set.fields.iter().map(field).collect(),
            certainty: set.certainty,
            reason,
            outcome: disclosure.outcome,
        })
    }
}

fn subject_at(subjects: &Subjects, at: usize) -> Option<SubjectKey> {
    match subjects {
        Subjects::Ints(keys) => keys.get(at).copied().map(SubjectKey::Int),
        Subjects::Uuids(keys) => keys.get(at).copied().map(SubjectKey::Uuid),
        Subjects::Texts(keys) => {
            keys.get(at).map(|key| SubjectKey::Text(String::from_utf8_lossy(key).into()))
        }
        Subjects::Unattributed { .. } => None,
    }
}

impl<F: Files> Ahead<F> {
    /// Collects reasons until `time` is passed by as much as a reason may come late.
    fn run_to(&mut self, time: Timestamp, filter: &Filter, reasons: &mut Reasons) -> Result<(), ReadError> {
        while !self.ended && self.seen.minus_micros(REASON_LATE_MAX) <= time {
            let Some(entry) = self.reader.next_entry()? else {
                self.ended = true;
                break;
            };
            self.next_no = entry.no.0 + 1;
            if !matches!(entry.content, Content::Reason(_)) {
                self.seen = self.seen.max(entry.time());
            }
            if let Content::Reason(reason) = entry.content
                && filter.principal.as_ref().is_none_or(|p| *p == reason.principal)
                && filter.subject.as_ref().is_none_or(|s| reason.key.to_string() == *s)
            {
                reasons.add(reason);
            }
        }
        Ok(())
    }
}

type Explained = (Principal, KindId, SubjectKey);

/// The reasons in force, each forgotten when its time is over.
#[derive(Debug, Default)]
struct Reasons {
    by_subject: HashMap<Explained, VecDeque<(Timestamp, Timestamp, String)>>,
    /// Added since the last sweep.
    added: usize,
}

impl Reasons {
    fn add(&mut self, reason: Reason) {
        let Reason { principal, kind, key, reason, asked_at, until } = reason;
        self.by_subject.entry((principal, kind, key)).or_default().push_back((asked_at, until, reason));
        self.added += 1;
    }

    /// Returns the reason given last.
    fn find(&self, principal: &Principal, kind: KindId, key: &SubjectKey, time: Timestamp) -> Option<String> {
        let known = self.by_subject.get(&(principal.clone(), kind, key.clone()))?;
        let found = known.iter().rev().find(|(from, until, _)| *from <= time && time <= *until);
        found.map(|(.., reason)| reason.clone())
    }

    /// Sweeps when as many were added as are kept, so that it costs O(1) for each.
    fn forget_before(&mut self, time: Timestamp) {
        if self.added < self.by_subject.len().max(1024) {
            return;
        }
        self.added = 0;
        self.by_subject.retain(|_, known| {
            known.retain(|(_, until, _)| *until >= time);
            !known.is_empty()
        });
    }
}
