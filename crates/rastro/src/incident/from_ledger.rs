use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use rastro_archive::{LedgerReader, Query};
use rastro_intake::FieldNames;
use rastro_ledger::{Content, Disclosure as Entry, Schema, SubjectSet, Subjects};
use rastro_model::{Certainty, FieldSet, KindId, Principal, SubjectKey, Timestamp};
use rastro_trace::{Disclosure, Explanation, HistoryBuilder, PrincipalId, SubjectId};

use super::reports::subject_key;
use super::{NOTED_MAX, Progress, Record, Shown};
use crate::config::Config;

/// A reason is asked for with the rows it explains; their entry may carry a time a little earlier.
const ASKED_LATE_MICROS: i64 = 2_000_000;

/// What a report on an imported ledger has to say first.
pub(crate) fn imported_caveat() -> String {
    "the ledger was imported from logs that others wrote: it proves that nothing changed since, not that they \
     were true or complete"
        .to_owned()
}

/// Reads a ledger as the history of one kind of subject: the configuration's first, or the ledger's own first;
/// disclosures of `victims` (keys as text) are kept in full. `cohorts` are keys and labels.
///
/// What is only `possible` is not weighed: it is a bound, and would accuse people of what they may not have
/// seen. Caveats count it, and what is unattributed.
///
/// # Errors
/// The ledger is damaged before its end, or cannot be read.
pub(crate) fn read_ledger(
    data_dir: &Path,
    config: Option<&Config>,
    victims: &[String],
    cohorts: &[(String, Vec<String>)],
) -> anyhow::Result<Record> {
    let ledger = crate::store::reader(data_dir, config)?;
    let kind = match config {
        Some(config) => config.subject.first().map(|subject| subject.name.clone()).unwrap_or_default(),
        None => first_kind(&ledger)?,
    };
    let mut reading = Reading {
        kind: &kind,
        victims: victims.iter().map(|victim| subject_key(victim)).collect(),
        builder: HistoryBuilder::new(),
        record: Record::default(),
        spans: HashMap::new(),
        schema: None,
        possible: 0,
        unattributed: HashMap::new(),
        noted_dropped: 0,
    };
    let asked = Query { only_reasons: true, ..Query::default() };
    for entry in ledger.entries(&asked).context(CANNOT_READ)? {
        let entry = entry.context(CANNOT_READ)?;
        if let Content::Reason(reason) = entry.content
            && entry.schema.kinds.get(usize::from(reason.kind.0)).is_some_and(|name| *name == kind)
        {
            let pair = reading.pair(&reason.principal, reason.key)?;
            reading.spans.entry(pair).or_default().push((reason.asked_at, reason.until));
        }
    }
    if ledger.origins().context(CANNOT_READ)?.any() {
        reading.record.caveats.push(imported_caveat());
    }
    let configured = config.is_some_and(|config| config.reason.is_some());
    let reasons = configured || !reading.spans.is_empty();
    let mut gaps = HashMap::new();
    let mut progress = Progress::new("entries of the ledger read", 0);
    let all = Query::default();
    for entry in ledger.entries(&all).context(CANNOT_READ)? {
        let entry = entry.context(CANNOT_READ)?;
        progress.at(entry.no.0);
        if let Content::Account(told) = &entry.content {
            gaps.insert(told.session.id, told.account.gap());
        }
        if let Content::Disclosure(disclosure) = entry.content {
            reading.take(&entry.schema, &disclosure, reasons)?;
        }
    }
    let missing: u64 = gaps.values().sum();
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
    victims: HashSet<SubjectKey>,
    builder: HistoryBuilder,
    record: Record,
    spans: HashMap<(PrincipalId, SubjectId), Vec<(Timestamp, Timestamp)>>,
    schema: Option<(Arc<Schema>, Translation)>,
    possible: u64,
    unattributed: HashMap<Principal, u64>,
    noted_dropped: usize,
}

/// What the numbers of one file's schema mean in the record.
#[derive(Clone, Debug)]
struct Translation {
    kind: Option<KindId>,
    fields: Vec<FieldSet>,
}

impl Reading<'_> {
    fn pair(&mut self, principal: &Principal, key: SubjectKey) -> anyhow::Result<(PrincipalId, SubjectId)> {
        Ok((self.builder.principal(principal)?, self.builder.subject(&normal(key))?))
    }

    fn translate(&mut self, schema: &Arc<Schema>) -> anyhow::Result<Translation> {
        if let Some((known, translation)) = &self.schema
            && Arc::ptr_eq(known, schema)
        {
            return Ok(translation.clone());
        }
        let kind = schema.kinds.iter().position(|name| name == self.kind);
        let kind = kind.and_then(|at| u8::try_from(at).ok()).map(KindId);
        let fields: Result<Vec<FieldSet>, String> =
            schema.fields.iter().map(|name| self.record.fields.set(name.as_bytes())).collect();
        let translation = Translation { kind, fields: fields.map_err(anyhow::Error::msg)? };
        self.schema = Some((Arc::clone(schema), translation.clone()));
        Ok(translation)
    }

    fn take(&mut self, schema: &Arc<Schema>, entry: &Entry, reasons: bool) -> anyhow::Result<()> {
        let translation = self.translate(schema)?;
        for set in &entry.sets {
            if let Subjects::Unattributed { rows } = set.subjects {
                *self.unattributed.entry(entry.principal.clone()).or_default() += u64::from(rows);
                continue;
            }
            if Some(set.kind) != translation.kind {
                continue;
            }
            if set.certainty == Certainty::Possible {
                self.possible += set.subjects.len() as u64;
                continue;
            }
            self.take_set(&translation, entry, set, reasons)?;
        }
        Ok(())
    }

    fn take_set(
        &mut self,
        translation: &Translation,
        entry: &Entry,
        set: &SubjectSet,
        reasons: bool,
    ) -> anyhow::Result<()> {
        let mut fields = FieldSet::EMPTY;
        for index in set.fields.iter() {
            fields = fields.union(translation.fields.get(index).copied().unwrap_or_default());
        }
        let principal = self.builder.principal(&entry.principal)?;
        self.record.note_time(entry.time);
        for key in keys_of(&set.subjects) {
            let key = normal(key);
            let subject = self.builder.subject(&key)?;
            let spans = if reasons { self.spans.get(&(principal, subject)) } else { None };
            let explained = |(from, until): &(Timestamp, Timestamp)| {
                from.minus_micros(ASKED_LATE_MICROS) <= entry.time && entry.time <= *until
            };
            let explanation = match spans {
                _ if !reasons => Explanation::Unknown,
                Some(spans) if spans.iter().any(explained) => Explanation::Explained,
                _ => Explanation::Unexplained,
            };
            self.builder.add(Disclosure { principal, subject, time: entry.time, fields, explanation });
            self.record.disclosures += 1;
            if self.victims.contains(&key) {
                self.note(entry, key, fields, explanation);
            }
        }
        Ok(())
    }

    fn note(&mut self, entry: &Entry, subject: SubjectKey, fields: FieldSet, explanation: Explanation) {
        if self.record.noted.len() == NOTED_MAX {
            self.noted_dropped += 1;
            return;
        }
        let facts = &entry.session.facts;
        self.record.noted.push(Shown {
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
