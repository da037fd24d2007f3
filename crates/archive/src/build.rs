//! Entries to the tables of a segment.

use std::collections::HashMap;
use std::sync::Arc;

use rastro_ledger::{Content, Disclosure, PlacedEntry, Schema, SubjectSet, Subjects};
use rastro_model::{Certainty, FieldSet, KindId, Principal};

use crate::clock::{Clock, Tick};
use crate::error::ArchiveError;
use crate::exposed::Exposures;
use crate::manifest::{Names, Segment, Source, TableFile, hex};
use crate::objects::Objects;
use crate::packed;
use crate::row::{BulkSet, Combination, Disclosed, Key, ReasonRow, SetFacts, Statement, What, class_of};
use crate::table::{
    Table, encode_clock, encode_disclosures, encode_exposure, encode_reasons, encode_sets, encode_statements,
};
use crate::told;
use crate::words::{fields_text, kind_text};
use crate::write::{Place, TableWriter};

/// A set of more subjects than this is kept as a set, not as rows.
pub(crate) const ROWS_MAX: usize = 1024;

/// Collects consecutive entries.
#[derive(Debug, Default)]
pub(crate) struct SegmentBuilder {
    schemas: Vec<Arc<Schema>>,
    combinations: HashMap<(u32, KindId, FieldSet, Certainty), Arc<Combination>>,
    sources: Vec<Source>,
    statements: Vec<Statement>,
    /// Rows count statements in the order of entries until the segment is written.
    disclosed: Vec<Disclosed>,
    sets: Vec<BulkSet>,
    reasons: Vec<ReasonRow>,
    first_position: u64,
    bulk_bytes: usize,
}

impl SegmentBuilder {
    pub(crate) fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// Returns roughly the bytes held.
    pub(crate) fn weight(&self) -> usize {
        self.statements.len() * 128 + self.disclosed.len() * 64 + self.bulk_bytes
    }

    /// Returns the number of the last entry.
    pub(crate) fn last_entry(&self) -> Option<u64> {
        self.statements.last().map(|statement| statement.entry)
    }

    pub(crate) fn push(&mut self, placed: PlacedEntry) {
        let PlacedEntry { position, file, header, entry } = placed;
        if self.statements.is_empty() {
            self.first_position = position;
        }
        if self.sources.last().is_none_or(|source| source.file != file) {
            let header = header.map(|header| hex(&header));
            self.sources.push(Source { file, first_position: position, header });
        }
        let schema = self.schema(&entry.schema);
        let row = self.statements.len() as u64;
        let time = entry.time().0;
        let mut statement = Statement {
            entry: entry.no.0,
            time,
            what: What::Reason,
            principal: None,
            session: None,
            ordinal: 0,
            text: None,
            rows: 0,
            by: None,
            why: None,
            schema,
        };
        match entry.content {
            Content::Disclosure(disclosure) => {
                self.push_sets(row, schema, &disclosure);
                statement.what = What::Disclosure(disclosure.outcome);
                statement.principal = Some(disclosure.principal);
                statement.session = Some(disclosure.session);
                statement.ordinal = disclosure.statement;
                statement.text = Some(disclosure.text);
                statement.rows = disclosure.rows;
            }
            Content::Reason(reason) => {
                statement.principal = Some(reason.principal);
                let kind = kind_text(reason.kind, &entry.schema).into();
                let key = match reason.key {
                    rastro_model::SubjectKey::Int(key) => Key::Int(key),
                    rastro_model::SubjectKey::Uuid(key) => Key::Uuid(key),
                    rastro_model::SubjectKey::Text(key) => Key::Text(key.as_bytes().into()),
                };
                let (until, reason) = (reason.until.0, reason.reason.into());
                self.reasons.push(ReasonRow { row, kind, key, until, reason });
            }
            Content::Control(control) => {
                statement.what = What::Control(control.kind);
                statement.principal = control.principal;
                statement.session = control.session;
                (statement.by, statement.why) = (Some(control.by.into()), Some(control.why.into()));
            }
            Content::ErasedReason(reason) => {
                statement.what = What::ErasedReason;
                statement.why = Some(told::of_erased_reason(&reason).into());
                statement.principal = Some(reason.principal);
            }
            Content::Erasure(erasure) => {
                statement.what = What::Erasure;
                statement.why = Some(told::of_erasure(&erasure).into());
                statement.by = Some(erasure.by.into());
            }
            Content::Account(account) => {
                statement.what = What::Account;
                statement.why = Some(told::of_account(&account).into());
                statement.session = Some(account.session);
            }
        }
        self.statements.push(statement);
    }

    fn schema(&mut self, schema: &Arc<Schema>) -> u32 {
        let known = self.schemas.iter().rposition(|known| Arc::ptr_eq(known, schema) || known == schema);
        let at = known.unwrap_or_else(|| {
            self.schemas.push(Arc::clone(schema));
            self.schemas.len() - 1
        });
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    fn push_sets(&mut self, row: u64, schema: u32, disclosure: &Disclosure) {
        let in_rows = is_in_rows(&disclosure.sets);
        for (place, set) in (0..).zip(&disclosure.sets) {
            let combination = self.combination(schema, set);
            if in_rows && set.subjects.len() <= ROWS_MAX {
                let rows = Key::all_of(&set.subjects).map(|key| Disclosed {
                    key,
                    row,
                    combination: Arc::clone(&combination),
                });
                self.disclosed.extend(rows);
                continue;
            }
            let coded = packed::encode_findable(&set.subjects, set.erased);
            self.bulk_bytes += coded.len();
            let facts = SetFacts {
                row,
                place: (!in_rows).then_some(place),
                combination,
                class: class_of(&set.subjects),
                subjects: set.subjects.len() as u64,
                span: match &set.subjects {
                    Subjects::Ints(keys) => keys.first().copied().zip(keys.last().copied()),
                    _ => None,
                },
            };
            self.sets.push(BulkSet { facts, coded });
        }
    }

    fn combination(&mut self, schema: u32, set: &SubjectSet) -> Arc<Combination> {
        let SegmentBuilder { combinations, schemas, .. } = self;
        let known = combinations.entry((schema, set.kind, set.fields, set.certainty));
        let made = known.or_insert_with(|| {
            let names = schemas.get(schema as usize).cloned().unwrap_or_default();
            Arc::new(Combination {
                kind: kind_text(set.kind, &names).into(),
                fields: fields_text(set.fields, &names).into(),
                certainty: set.certainty,
            })
        });
        Arc::clone(made)
    }

    /// Sorts and writes what was collected; `label` names the day, lines are counted from `first_line`.
    ///
    /// # Errors
    /// The store refused. What was written is in no manifest.
    pub(crate) fn write(
        self,
        objects: &Objects,
        label: &str,
        nonce: u64,
        first_line: u64,
    ) -> Result<Option<Segment>, ArchiveError> {
        let SegmentBuilder { schemas, sources, mut statements, mut disclosed, mut sets, mut reasons, .. } =
            self;
        let Some((first_entry, last_entry)) =
            statements.first().map(|s| s.entry).zip(statements.last().map(|s| s.entry))
        else {
            return Ok(None);
        };
        let entries = statements.len() as u64;
        let min_time = statements.iter().map(|s| s.time).min().unwrap_or_default();
        let max_time = statements.iter().map(|s| s.time).max().unwrap_or_default();
        let ticks = statements.iter().map(|statement| Tick { time: statement.time, entry: statement.entry });
        let clock = Clock::of_entries(ticks, min_time);
        let mut order: Vec<u32> = (0..u32::try_from(statements.len()).unwrap_or(u32::MAX)).collect();
        order.sort_by(|a, b| {
            let statement = |at: u32| statements.get(at as usize).map(Statement::order);
            statement(*a).cmp(&statement(*b))
        });
        let mut row_of = vec![0u64; statements.len()];
        for (row, at) in (first_line..).zip(&order) {
            if let Some(slot) = row_of.get_mut(*at as usize) {
                *slot = row;
            }
        }
        let renumber = |row: &mut u64| {
            *row = usize::try_from(*row).ok().and_then(|at| row_of.get(at)).copied().unwrap_or_default();
        };
        disclosed.iter_mut().for_each(|disclosed| renumber(&mut disclosed.row));
        sets.iter_mut().for_each(|set| renumber(&mut set.facts.row));
        reasons.iter_mut().for_each(|reason| renumber(&mut reason.row));
        drop(row_of);
        disclosed.sort_unstable_by(|a, b| a.order().cmp(&b.order()));
        sets.sort_by_key(|set| set.facts.row);
        reasons.sort_by(|a, b| (&a.kind, &a.key, a.row).cmp(&(&b.kind, &b.key, b.row)));
        statements.sort_by(|a, b| a.order().cmp(&b.order()));
        let principals: Vec<Option<Principal>> = statements.iter().map(|s| s.principal.clone()).collect();
        let mut exposures = Exposures::default();
        for row in &disclosed {
            let at = usize::try_from(row.row - first_line).ok();
            if let Some(Some(principal)) = at.and_then(|at| principals.get(at)) {
                exposures.add(principal, row);
            }
        }
        drop(principals);
        let place = Place { label: label.to_owned(), first_entry, nonce };
        let mut files = Vec::new();
        files.extend(write_statements(objects, &place, first_line, statements, &clock)?);
        files.extend(write_rows(objects, Table::Disclosures, &place, encode_disclosures, disclosed)?);
        files.extend(write_rows(objects, Table::Sets, &place, encode_sets, sets)?);
        files.extend(write_rows(objects, Table::Reasons, &place, encode_reasons, reasons)?);
        files.extend(write_rows(objects, Table::Exposure, &place, encode_exposure, exposures.finish())?);
        files.extend(write_rows(objects, Table::Clock, &place, encode_clock, clock.ticks().iter().copied())?);
        let names =
            |schema: &Arc<Schema>| Names { kinds: schema.kinds.clone(), fields: schema.fields.clone() };
        Ok(Some(Segment {
            first_entry,
            next_entry: last_entry + 1,
            first_position: self.first_position,
            entries,
            first_line: Some(first_line),
            min_time,
            max_time,
            schemas: schemas.iter().map(names).collect(),
            sources,
            files,
        }))
    }
}

/// The order in which the spool's writer puts the sets of an entry.
pub(crate) fn order_of(set: &SubjectSet) -> (u8, KindId, Certainty, FieldSet) {
    (class_of(&set.subjects), set.kind, set.certainty, set.fields)
}

/// Returns whether rows lead back to the sets of an entry: they are put together again in the order that the
/// spool's writer gives them. Entries that are in another are kept as sets with their places, as are those out
/// of which somebody was erased.
pub(crate) fn is_in_rows(sets: &[SubjectSet]) -> bool {
    let in_order = sets.windows(2).all(|pair| match pair {
        [a, b] => order_of(a) < order_of(b),
        _ => true,
    });
    let is_whole =
        |set: &SubjectSet| set.erased == 0 && (class_of(&set.subjects) == 3 || !set.subjects.is_empty());
    in_order && sets.iter().all(is_whole)
}

/// Returns how many rows of `disclosures` an entry has.
pub(crate) fn rows_of(sets: &[SubjectSet]) -> u64 {
    let in_rows = is_in_rows(sets);
    let rows = sets.iter().filter(|set| in_rows && set.subjects.len() <= ROWS_MAX);
    rows.map(|set| if class_of(&set.subjects) == 3 { 1 } else { set.subjects.len() as u64 }).sum()
}

pub(crate) fn write_rows<R>(
    objects: &Objects,
    table: Table,
    place: &Place,
    encode: fn(&[R]) -> Result<arrow_array::RecordBatch, arrow_schema::ArrowError>,
    rows: impl IntoIterator<Item = R>,
) -> Result<Option<TableFile>, ArchiveError> {
    let mut writer = TableWriter::new(objects, table, place, encode);
    rows.into_iter().try_for_each(|row| writer.push(row))?;
    writer.finish()
}

fn write_statements(
    objects: &Objects,
    place: &Place,
    first_line: u64,
    statements: Vec<Statement>,
    clock: &Clock,
) -> Result<Option<TableFile>, ArchiveError> {
    let mut writer = TableWriter::new(objects, Table::Statements, place, encode_statements);
    for (line, statement) in (first_line..).zip(statements) {
        writer.push((line, after(clock, &statement), statement))?;
    }
    writer.finish()
}

/// Returns how far a statement's entry is after the tick of its time. The clock of its segment begins with the least.
pub(crate) fn after(clock: &Clock, statement: &Statement) -> i64 {
    clock.after(statement.entry, statement.time).unwrap_or_default()
}
