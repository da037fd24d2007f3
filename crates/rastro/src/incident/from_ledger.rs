mod watch;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use rastro_archive::Briefs;
use rastro_ledger::{
    Brief, BriefContent, BriefDisclosure, BriefReason, Content, Schema, SubjectSet, Subjects,
};
use rastro_model::{Certainty, FieldSet, KindId, Principal, SubjectKey};
use rastro_trace::{Feed, HistoryBuilder, HistoryError, PrincipalId};

use self::watch::Watch;
use super::kind::kind_caveat;
use super::reports::subject_key;
use super::{Progress, Record};
use crate::config::Config;

/// Entries between two looks at the clock.
const PROGRESS_ENTRIES: u64 = 16_384;

/// What a report on an imported ledger has to say first.
pub(crate) fn imported_caveat() -> String {
    "the ledger was imported from logs that others wrote: it proves that nothing changed since, not that they \
     were true or complete"
        .to_owned()
}

/// Reads a ledger as the history of one `kind` of subject, the ledger's own first if none is given;
/// disclosures of `victims` (keys as text) are kept in full. `cohorts` are keys and labels. On all cores.
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
    let mut builder = HistoryBuilder::new();
    let mut reading = Reading::new(kind);
    for victim in victims {
        let key = subject_key(victim);
        let subject = builder.subject(&key)?;
        reading.watch.add(key, subject);
    }
    reading.reasons_known = config.is_some_and(|config| config.reason.is_some());
    let mut entries = ledger.briefs().context(CANNOT_READ)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    builder.load(threads, |feed| reading.read(&mut entries, feed))?;
    let asked = kind;
    let kind = reading.kind.take().unwrap_or_default();
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
        let subject = builder.subject(&subject_key(key))?;
        labels.iter().for_each(|label| builder.add_cohort(subject, label));
    }
    let mut record = reading.finish();
    record.history = builder.finish();
    Ok(record)
}

const CANNOT_READ: &str = "cannot read the ledger";

#[derive(Default)]
struct Reading {
    /// The one asked for, or the first that the first entry knows.
    kind: Option<String>,
    /// All that the ledger knows.
    kinds: BTreeSet<String>,
    watch: Watch,
    record: Record,
    /// Whether an access without a reason is one that nothing explains.
    reasons_known: bool,
    /// Of the file being read, by their place in it.
    principals: Vec<Option<(Principal, PrincipalId)>>,
    schema: Option<(Arc<Schema>, Translation)>,
    possible: u64,
    unattributed: HashMap<Principal, u64>,
    // Rows not accounted for, by session: what its last account says.
    gaps: HashMap<u64, u64>,
}

/// What the numbers of one file's schema mean in the record.
#[derive(Clone, Debug)]
struct Translation {
    kind: Option<KindId>,
    fields: Vec<FieldSet>,
}

impl Translation {
    fn fields(&self, set: FieldSet) -> FieldSet {
        let meant = set.iter().filter_map(|index| self.fields.get(index));
        meant.fold(FieldSet::EMPTY, |all, fields| all.union(*fields))
    }
}

impl Reading {
    fn new(kind: Option<&str>) -> Reading {
        Reading { kind: kind.map(str::to_owned), ..Reading::default() }
    }

    fn read(&mut self, entries: &mut Briefs<'_>, feed: &mut Feed<'_>) -> anyhow::Result<()> {
        let mut progress = Progress::new("entries of the ledger read", 0);
        let mut read = 0u64;
        while let Some(entry) = entries.next_brief().context(CANNOT_READ)? {
            self.take(feed, &entry)?;
            read += 1;
            if read.is_multiple_of(PROGRESS_ENTRIES) {
                progress.at(read);
            }
        }
        self.watch.settle(None);
        Ok(())
    }

    fn take(&mut self, feed: &mut Feed<'_>, entry: &Brief<'_>) -> anyhow::Result<()> {
        if self.kind.is_none() {
            self.kind = entry.schema.kinds.first().cloned();
        }
        match &entry.content {
            BriefContent::Disclosure(disclosure) => self.take_disclosure(feed, entry.schema, disclosure),
            BriefContent::Reason(reason) => Ok(self.take_reason(feed, entry.schema, reason)?),
            BriefContent::Other(Content::Account(told)) => {
                self.gaps.insert(told.session.id, told.account.gap());
                Ok(())
            }
            BriefContent::Other(_) => Ok(()),
        }
    }

    fn take_reason(
        &mut self,
        feed: &mut Feed<'_>,
        schema: &Schema,
        reason: &BriefReason<'_>,
    ) -> Result<(), HistoryError> {
        let kind = schema.kinds.get(usize::from(reason.kind.0));
        if kind.is_some() && kind == self.kind.as_ref() {
            let principal = self.principal(feed, reason.principal, reason.place)?;
            let key = normal(reason.key.clone());
            feed.explain(principal, &key, reason.asked_at, reason.until);
            self.watch.explain(principal, &key, reason.asked_at, reason.until);
            self.reasons_known = true;
        }
        Ok(())
    }

    fn take_disclosure(
        &mut self,
        feed: &mut Feed<'_>,
        schema: &Arc<Schema>,
        entry: &BriefDisclosure<'_>,
    ) -> anyhow::Result<()> {
        self.translate(schema)?;
        for set in entry.sets {
            let Some((_, translation)) = &self.schema else { continue };
            if let Subjects::Unattributed { rows } = set.subjects {
                *self.unattributed.entry(entry.principal.clone()).or_default() += u64::from(rows);
            } else if Some(set.kind) != translation.kind || set.subjects.is_empty() {
                // Of another kind, or all erased.
            } else if set.certainty == Certainty::Possible {
                self.possible += set.subjects.len() as u64;
            } else {
                let fields = translation.fields(set.fields);
                self.take_set(feed, entry, set, fields)?;
            }
        }
        Ok(())
    }

    fn take_set(
        &mut self,
        feed: &mut Feed<'_>,
        entry: &BriefDisclosure<'_>,
        set: &SubjectSet,
        fields: FieldSet,
    ) -> Result<(), HistoryError> {
        let principal = self.principal(feed, entry.principal, entry.place)?;
        self.record.note_time(entry.time);
        self.record.disclosures += set.subjects.len() as u64;
        let showing = feed.showing(principal, entry.time, fields, self.reasons_known);
        if let Subjects::Ints(keys) = &set.subjects {
            for key in keys {
                feed.show_int(showing, *key);
                if self.watch.may_have(*key) {
                    let key = SubjectKey::Int(*key);
                    self.watch.note(
                        principal,
                        &key,
                        entry,
                        (fields, &self.record.fields),
                        self.reasons_known,
                    );
                }
            }
            return Ok(());
        }
        for key in keys_of(&set.subjects).map(normal) {
            feed.show(showing, &key);
            self.watch.note(principal, &key, entry, (fields, &self.record.fields), self.reasons_known);
        }
        Ok(())
    }

    /// Returns the number of a principal, which stands at `place` in its file.
    fn principal(
        &mut self,
        feed: &mut Feed<'_>,
        principal: &Principal,
        place: Option<usize>,
    ) -> Result<PrincipalId, HistoryError> {
        let Some(place) = place else { return feed.principal(principal) };
        if let Some(Some((name, known))) = self.principals.get(place)
            && (std::ptr::eq(name.as_str(), principal.as_str()) || name == principal)
        {
            return Ok(*known);
        }
        let number = feed.principal(principal)?;
        if self.principals.len() <= place {
            self.principals.resize(place + 1, None);
        }
        if let Some(known) = self.principals.get_mut(place) {
            *known = Some((principal.clone(), number));
        }
        Ok(number)
    }

    /// Makes `self.schema` the translation of `schema`.
    fn translate(&mut self, schema: &Arc<Schema>) -> anyhow::Result<()> {
        if self.schema.as_ref().is_some_and(|(known, _)| Arc::ptr_eq(known, schema)) {
            return Ok(());
        }
        self.kinds.extend(schema.kinds.iter().cloned());
        let kind = schema.kinds.iter().position(|name| Some(name) == self.kind.as_ref());
        let kind = kind.and_then(|at| u8::try_from(at).ok()).map(KindId);
        let fields: Result<Vec<FieldSet>, String> =
            schema.fields.iter().map(|name| self.record.fields.set(name.as_bytes())).collect();
        let translation = Translation { kind, fields: fields.map_err(anyhow::Error::msg)? };
        self.schema = Some((Arc::clone(schema), translation));
        Ok(())
    }

    fn finish(self) -> Record {
        let Reading { mut record, possible, unattributed, watch, .. } = self;
        let noted_dropped = watch.dropped();
        record.noted = watch.into_noted();
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

#[cfg(test)]
mod tests;
