mod beside;
mod in_force;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use rastro_archive::{LedgerReader, Query};
use rastro_intake::FieldNames;
use rastro_ledger::{Content, Disclosure, Entry, Schema, SubjectSet, Subjects};
use rastro_model::{Certainty, FieldSet, KindId, Principal, SubjectKey};
use rastro_trace::{Disclosure as Shown, Explanation, HistoryBuilder, SubjectId};

use self::beside::read_beside;
use self::in_force::{InForce, Waiting};
use super::kind::kind_caveat;
use super::reports::subject_key;
use super::{NOTED_MAX, Progress, Record};
use crate::config::Config;

/// What a report on an imported ledger has to say first.
pub(crate) fn imported_caveat() -> String {
    "the ledger was imported from logs that others wrote: it proves that nothing changed since, not that they \
     were true or complete"
        .to_owned()
}

/// Reads a ledger as the history of one `kind` of subject, the ledger's own first if none is given;
/// disclosures of `victims` (keys as text) are kept in full. `cohorts` are keys and labels.
///
/// What is only `possible` is not weighed: it is a bound, and would accuse people of what they may not have
/// seen. Caveats count it, and what is unattributed.
///
/// # Errors
/// The ledger is damaged before its end, cannot be read, or knows other kinds only.
pub(crate) fn read_ledger(
    data_dir: &Path,
    config: Option<&Config>,
    kind: Option<&str>,
    victims: &[String],
    cohorts: &[(String, Vec<String>)],
) -> anyhow::Result<Record> {
    let ledger = crate::store::reader(data_dir, config)?;
    let asked = kind;
    let kind = match asked {
        Some(kind) => kind.to_owned(),
        None => first_kind(&ledger)?,
    };
    let mut reading = Reading {
        kind: &kind,
        kinds: BTreeSet::new(),
        victims: Vec::new(),
        builder: HistoryBuilder::new(),
        record: Record::default(),
        reasons: InForce::default(),
        reasons_known: config.is_some_and(|config| config.reason.is_some()),
        waiting: Waiting::default(),
        schema: None,
        possible: 0,
        unattributed: HashMap::new(),
        gaps: HashMap::new(),
        noted_dropped: 0,
    };
    for victim in victims {
        reading.victims.push(reading.builder.subject(&subject_key(victim))?);
    }
    reading.victims.sort_unstable();
    let mut progress = Progress::new("entries of the ledger read", 0);
    read_beside(&ledger, |entries, read| {
        progress.at(read);
        reading.take_entries(entries)
    })?;
    drop(progress);
    let last = reading.waiting.ready(true);
    reading.take(&last)?;
    if !reading.kinds.is_empty() && !reading.kinds.contains(&kind) {
        let known: Vec<&str> = reading.kinds.iter().map(String::as_str).collect();
        bail!("the ledger knows no subjects of kind `{kind}`, only `{}`", known.join("`, `"));
    }
    reading.record.caveats.extend(kind_caveat(reading.kinds.len(), asked, &kind));
    if ledger.origins().context(CANNOT_READ)?.any() {
        reading.record.caveats.push(imported_caveat());
    }
    reading.record.caveats.extend(crate::freshness::statement(data_dir, None, None));
    let missing: u64 = reading.gaps.values().sum();
    if missing > 0 {
        reading.record.caveats.push(format!(
            "{missing} rows that the server gave are not accounted for (`rastro reconcile` says in which sessions)"
        ));
    }
    for (key, labels) in cohorts {
        let subject = reading.builder.subject(&subject_key(key))?;
        labels.iter().for_each(|label| reading.builder.add_cohort(subject, label));
    }
    Ok(reading.finish())
}

/// Returns the first kind of subject that the ledger's own first entry knows.
fn first_kind(ledger: &LedgerReader) -> anyhow::Result<String> {
    let all = Query::default();
    let first = ledger.entries(&all).context(CANNOT_READ)?.next().transpose().context(CANNOT_READ)?;
    Ok(first.and_then(|entry| entry.schema.kinds.first().cloned()).unwrap_or_default())
}

const CANNOT_READ: &str = "cannot read the ledger";

struct Reading<'a> {
    kind: &'a str,
    /// All that the ledger knows.
    kinds: BTreeSet<String>,
    /// Rising.
    victims: Vec<SubjectId>,
    builder: HistoryBuilder,
    record: Record,
    reasons: InForce,
    /// Whether an access without a reason is one that nothing explains.
    reasons_known: bool,
    waiting: Waiting,
    schema: Option<(Arc<Schema>, Translation)>,
    possible: u64,
    unattributed: HashMap<Principal, u64>,
    // Rows not accounted for, by session: what its last account says.
    gaps: HashMap<u64, u64>,
    noted_dropped: usize,
}

/// What the numbers of one file's schema mean in the record.
#[derive(Clone, Debug)]
struct Translation {
    kind: Option<KindId>,
    fields: Vec<FieldSet>,
}

impl Reading<'_> {
    fn take_entries(&mut self, entries: Vec<Entry>) -> anyhow::Result<()> {
        for entry in entries {
            match entry.content {
                Content::Disclosure(disclosure) => self.waiting.push(entry.schema, disclosure),
                Content::Reason(reason) => {
                    let kind = entry.schema.kinds.get(usize::from(reason.kind.0));
                    if kind.is_some_and(|name| name == self.kind) {
                        let principal = self.builder.principal(&reason.principal)?;
                        let subject = self.builder.subject(&normal(reason.key))?;
                        self.reasons.add((principal, subject), reason.asked_at, reason.until);
                        self.reasons_known = true;
                    }
                }
                Content::Account(told) => drop(self.gaps.insert(told.session.id, told.account.gap())),
                Content::Control(_) | Content::ErasedReason(_) | Content::Erasure(_) => {}
            }
        }
        let ready = self.waiting.ready(false);
        self.take(&ready)
    }

    fn translate(&mut self, schema: &Arc<Schema>) -> anyhow::Result<Translation> {
        if let Some((known, translation)) = &self.schema
            && Arc::ptr_eq(known, schema)
        {
            return Ok(translation.clone());
        }
        self.kinds.extend(schema.kinds.iter().cloned());
        let kind = schema.kinds.iter().position(|name| name == self.kind);
        let kind = kind.and_then(|at| u8::try_from(at).ok()).map(KindId);
        let fields: Result<Vec<FieldSet>, String> =
            schema.fields.iter().map(|name| self.record.fields.set(name.as_bytes())).collect();
        let translation = Translation { kind, fields: fields.map_err(anyhow::Error::msg)? };
        self.schema = Some((Arc::clone(schema), translation.clone()));
        Ok(translation)
    }

    /// Takes disclosures whose reasons are known. Subjects are looked up all at once: look-ups that wait for
    /// memory then wait together.
    fn take(&mut self, disclosures: &[(Arc<Schema>, Disclosure)]) -> anyhow::Result<()> {
        let mut numbers = Vec::new();
        for set in disclosures.iter().flat_map(|(_, disclosure)| &disclosure.sets) {
            match &set.subjects {
                Subjects::Ints(keys) => {
                    for key in keys {
                        numbers.push(self.builder.subject(&SubjectKey::Int(*key))?);
                    }
                }
                other => {
                    for key in keys_of(other) {
                        numbers.push(self.builder.subject(&normal(key))?);
                    }
                }
            }
        }
        let mut numbers = numbers.as_slice();
        for (schema, disclosure) in disclosures {
            let translation = self.translate(schema)?;
            for set in &disclosure.sets {
                let (of_set, rest) = numbers.split_at_checked(set_len(set)).unwrap_or_default();
                numbers = rest;
                if let Subjects::Unattributed { rows } = set.subjects {
                    *self.unattributed.entry(disclosure.principal.clone()).or_default() += u64::from(rows);
                } else if Some(set.kind) == translation.kind && set.certainty == Certainty::Possible {
                    self.possible += set.subjects.len() as u64;
                } else if Some(set.kind) == translation.kind {
                    self.take_set(&translation, disclosure, set, of_set)?;
                }
            }
        }
        if let Some((_, first)) = disclosures.first() {
            self.reasons.forget_before(first.time);
        }
        Ok(())
    }

    fn take_set(
        &mut self,
        translation: &Translation,
        entry: &Disclosure,
        set: &SubjectSet,
        subjects: &[SubjectId],
    ) -> anyhow::Result<()> {
        let mut fields = FieldSet::EMPTY;
        for index in set.fields.iter() {
            fields = fields.union(translation.fields.get(index).copied().unwrap_or_default());
        }
        let principal = self.builder.principal(&entry.principal)?;
        let time = entry.time;
        self.record.note_time(time);
        self.record.disclosures += subjects.len() as u64;
        for (place, subject) in subjects.iter().enumerate() {
            let subject = *subject;
            let explanation = if !self.reasons_known {
                Explanation::Unknown
            } else if !self.reasons.is_empty() && self.reasons.explains((principal, subject), time) {
                Explanation::Explained
            } else {
                Explanation::Unexplained
            };
            self.builder.add(Shown { principal, subject, time, fields, explanation });
            if self.victims.binary_search(&subject).is_ok()
                && let Some(key) = keys_of(&set.subjects).nth(place)
            {
                self.note(entry, normal(key), fields, explanation);
            }
        }
        Ok(())
    }

    fn note(&mut self, entry: &Disclosure, subject: SubjectKey, fields: FieldSet, explanation: Explanation) {
        if self.record.noted.len() == NOTED_MAX {
            self.noted_dropped += 1;
            return;
        }
        let facts = &entry.session.facts;
        self.record.noted.push(super::Shown {
            time: entry.time,
            principal: entry.principal.clone(),
            subject,
            fields: field_names(&self.record.fields, fields),
            session: Some(format!(
                "session {} of {} from {}",
                entry.session.id, facts.login, facts.client_addr
            )),
            reason: (explanation == Explanation::Explained).then(|| "explained".to_owned()),
            statement: Some(entry.text.sql.clone()),
        });
    }

    fn finish(self) -> Record {
        let Reading { builder, mut record, possible, unattributed, noted_dropped, .. } = self;
        record.history = builder.finish();
        record.noted.sort_by(|a, b| (a.time, &a.principal).cmp(&(b.time, &b.principal)));
        if possible > 0 {
            record.caveats.push(format!("{possible} disclosures that are only `possible` are not weighed"));
        }
        if !unattributed.is_empty() {
            let rows: u64 = unattributed.values().sum();
            let mut most: Vec<_> = unattributed.into_iter().collect();
            most.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            let names: Vec<String> =
                most.iter().take(3).map(|(name, rows)| format!("`{name}` {rows}")).collect();
            record.caveats.push(format!(
                "{rows} rows with protected fields are unattributed and not weighed (most: {})",
                names.join(", ")
            ));
        }
        if noted_dropped > 0 {
            record.caveats.push(format!("{noted_dropped} of the disclosures of victims are not listed"));
        }
        record
    }
}

/// How many subjects a set names.
fn set_len(set: &SubjectSet) -> usize {
    if matches!(set.subjects, Subjects::Unattributed { .. }) { 0 } else { set.subjects.len() }
}

/// A key that a text column holds is the same as one from a file.
fn normal(key: SubjectKey) -> SubjectKey {
    match key {
        SubjectKey::Text(text) => subject_key(&text),
        key => key,
    }
}

/// Returns the keys of a set, one by one.
pub(crate) fn keys_of(subjects: &Subjects) -> Box<dyn Iterator<Item = SubjectKey> + '_> {
    match subjects {
        Subjects::Ints(keys) => Box::new(keys.iter().map(|key| SubjectKey::Int(*key))),
        Subjects::Uuids(keys) => Box::new(keys.iter().map(|key| SubjectKey::Uuid(*key))),
        Subjects::Texts(keys) => {
            Box::new(keys.iter().map(|key| SubjectKey::Text(String::from_utf8_lossy(key).into())))
        }
        Subjects::Unattributed { .. } => Box::new(std::iter::empty()),
    }
}

fn field_names(fields: &FieldNames, set: FieldSet) -> Vec<String> {
    let all = fields.names();
    set.iter().filter_map(|index| all.get(index).cloned()).collect()
}
