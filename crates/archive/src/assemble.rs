//! Rows of a segment put together to the entries they came from.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::Array;
use parquet::arrow::arrow_reader::RowSelection;
use rastro_ledger::{Content, Control, Disclosure, Entry, EntryNo, Reason, Schema, SubjectSet, Subjects};
use rastro_model::{FieldSet, KindId, Principal, SubjectKey, Timestamp};
use roaring::RoaringBitmap;

use crate::build::order_of;
use crate::columns::has_key;
use crate::error::ArchiveError;
use crate::open::{OpenSegment, OpenTable};
use crate::packed::{self, Findable};
use crate::row::{
    BulkSet, Combination, Disclosed, Key, ReasonRow, SetFacts, Statement, What, class_of, ints_of, set_of,
};
use crate::table::{Combinations, StatementReader, Table, decode_disclosures, decode_reasons};
use crate::told;
use crate::words::{fields_of, kind_of};

/// Which of an entry's subjects are wanted: keys of any type, rising.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted(Vec<Key>);

impl Wanted {
    pub(crate) fn new(mut keys: Vec<Key>) -> Wanted {
        keys.sort();
        keys.dedup();
        Wanted(keys)
    }

    pub(crate) fn has(&self, key: &Key) -> bool {
        self.0.binary_search(key).is_ok()
    }

    pub(crate) fn of_class(&self, class: u8) -> &[Key] {
        let from = self.0.partition_point(|key| key.class() < class);
        let to = self.0.partition_point(|key| key.class() <= class);
        self.0.get(from..to).unwrap_or_default()
    }

    /// Returns the wanted keys that a set has; `None` where what is known beside it does not tell.
    pub(crate) fn known(&self, set: &SetFacts) -> Option<Vec<Key>> {
        let Some((first, last)) = set.span else { return self.of_class(set.class).is_empty().then(Vec::new) };
        let within = self.ints_from_to(set.class, first, last);
        let is_run = last.abs_diff(first).checked_add(1) == Some(set.subjects);
        (is_run || within.is_empty()).then(|| within.into_iter().map(Key::Int).collect())
    }

    /// Returns the wanted keys in a set.
    pub(crate) fn within(&self, set: &SetFacts, found: &Findable) -> Result<Vec<Key>, &'static str> {
        let Some((first, last)) = set.span else { return Ok(self.among(&packed::decode(found.coded())?.0)) };
        Ok(found.members(&self.ints_from_to(set.class, first, last))?.into_iter().map(Key::Int).collect())
    }

    fn ints_from_to(&self, class: u8, first: i64, last: i64) -> Vec<i64> {
        ints_of(self.of_class(class)).filter(|key| (first..=last).contains(key)).collect()
    }

    /// Returns the wanted of the keys of a set.
    fn among(&self, subjects: &Subjects) -> Vec<Key> {
        let has = |key: &&Key| match (subjects, key) {
            (Subjects::Ints(all), Key::Int(key)) => all.binary_search(key).is_ok(),
            (Subjects::Uuids(all), Key::Uuid(key)) => all.binary_search(key).is_ok(),
            (Subjects::Texts(all), Key::Text(key)) => all.binary_search(key).is_ok(),
            _ => false,
        };
        self.of_class(class_of(subjects)).iter().filter(has).cloned().collect()
    }
}

impl OpenSegment {
    /// Reads rows of `statements`.
    pub(crate) fn statements(
        &self,
        rows: Option<&RoaringBitmap>,
    ) -> Result<Vec<(u64, Statement)>, ArchiveError> {
        let Some(table) = self.table(Table::Statements) else { return Ok(Vec::new()) };
        let selection = rows.map(|rows| table.select(rows.iter().map(|row| row as usize..row as usize + 1)));
        let mut reader = StatementReader::new(self.clock()?);
        let mut found = Vec::new();
        for batch in table.read(&[], selection)? {
            found.extend(reader.decode(&batch?).map_err(ArchiveError::malformed(table.file.path()))?);
        }
        Ok(found)
    }

    /// Reads the rows of `disclosures` that belong to `rows`.
    fn disclosed(&self, rows: Option<&RoaringBitmap>) -> Result<Vec<Disclosed>, ArchiveError> {
        let Some(table) = self.table(Table::Disclosures) else { return Ok(Vec::new()) };
        let mut combinations = Combinations::default();
        let mut found = Vec::new();
        for batch in table.read(&[], None)? {
            let decoded = decode_disclosures(&batch?, &mut combinations, |row| self.is_among(rows, row));
            found.extend(decoded.map_err(ArchiveError::malformed(table.file.path()))?);
        }
        Ok(found)
    }

    fn is_among(&self, rows: Option<&RoaringBitmap>, row: u64) -> bool {
        rows.is_none_or(|rows| self.offset_of(row).is_some_and(|offset| rows.contains(offset)))
    }

    /// Returns the rows of `disclosures` that are about a wanted subject.
    pub(crate) fn keyed(&self, wanted: &Wanted) -> Result<Vec<Disclosed>, ArchiveError> {
        let Some(table) = self.table(Table::Disclosures) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        let columns: [(u8, &[&'static str]); 3] =
            [(0, &["subject_int"]), (1, &["subject_uuid"]), (2, &["subject_text", "subject_bytes"])];
        for (class, columns) in columns {
            let mut missing: Vec<Key> = Vec::new();
            for key in wanted.of_class(class) {
                match self.kept.disclosed.get(&(self.facts.first_entry, key.clone())) {
                    Some(rows) => found.extend(rows.iter().cloned()),
                    None => missing.push(key.clone()),
                }
            }
            let mut read = Vec::new();
            for column in columns {
                self.read_keyed(table, column, &missing, &mut read)?;
            }
            read.sort_by(|a, b| a.key.cmp(&b.key));
            let mut rest = &*read;
            for key in missing {
                let of_key;
                (of_key, rest) = rest.split_at(rest.partition_point(|row| row.key <= key));
                self.kept.disclosed.insert((self.facts.first_entry, key), of_key.into());
            }
            found.append(&mut read);
        }
        Ok(found)
    }

    /// Reads the rows that have one of `keys`, rising, in a column: of the pages that may hold them.
    fn read_keyed(
        &self,
        table: &OpenTable,
        column: &'static str,
        keys: &[Key],
        found: &mut Vec<Disclosed>,
    ) -> Result<(), ArchiveError> {
        let pages = table.pages_with(column, keys);
        if pages.is_empty() {
            return Ok(());
        }
        let malformed = |column| ArchiveError::malformed(table.file.path())(column);
        let of_pages = table.select(pages);
        let mut has_keys = Vec::new();
        for batch in table.read(&[column], Some(of_pages.clone()))? {
            has_keys.push(has_key(&batch?, column, keys).map_err(malformed)?);
        }
        if has_keys.iter().map(Array::len).sum::<usize>() != of_pages.row_count() {
            return Err(malformed(column));
        }
        let selection = of_pages.and_then(&RowSelection::from_filters(&has_keys));
        if !selection.selects_any() {
            return Ok(());
        }
        let mut combinations = Combinations::default();
        for batch in table.read(&["kind", column, "fields", "certainty", "line"], Some(selection))? {
            let rows = decode_disclosures(&batch?, &mut combinations, |_| true);
            found.extend(rows.map_err(malformed)?);
        }
        Ok(())
    }

    /// Reads the rows of `sets` that belong to `rows`.
    pub(crate) fn sets(&self, rows: Option<&RoaringBitmap>) -> Result<Vec<BulkSet>, ArchiveError> {
        let known = self.known_sets()?;
        let wanted = (0u32..).zip(known.iter()).filter(|(_, set)| self.is_among(rows, set.row));
        let wanted: Vec<u32> = wanted.map(|(at, _)| at).collect();
        let mut found = Vec::with_capacity(wanted.len());
        self.each_set(&wanted, |at, set| {
            let facts = known.get(at as usize).cloned();
            found.extend(facts.map(|facts| BulkSet { facts, coded: set.coded().to_vec() }));
            Ok(())
        })?;
        Ok(found)
    }

    /// Reads the rows of `reasons` that belong to `rows` and to a wanted subject.
    pub(crate) fn reasons(
        &self,
        rows: Option<&RoaringBitmap>,
        wanted: Option<&Wanted>,
    ) -> Result<Vec<ReasonRow>, ArchiveError> {
        let Some(table) = self.table(Table::Reasons) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for batch in table.read(&[], None)? {
            let decoded = decode_reasons(&batch?, |row| self.is_among(rows, row))
                .map_err(ArchiveError::malformed(table.file.path()))?;
            found.extend(decoded.into_iter().filter(|row| wanted.is_none_or(|wanted| wanted.has(&row.key))));
        }
        Ok(found)
    }

    /// Puts entries together, in their order; with `wanted`, of their subjects only those.
    ///
    /// Memory: the entries of `rows`.
    pub(crate) fn assemble(
        &self,
        rows: Option<&RoaringBitmap>,
        wanted: Option<&Wanted>,
    ) -> Result<Vec<Entry>, ArchiveError> {
        let mut disclosed = match wanted {
            None => self.disclosed(rows)?,
            Some(wanted) => self.keyed(wanted)?,
        };
        disclosed.retain(|row| self.is_among(rows, row.row));
        disclosed
            .sort_unstable_by(|a, b| (a.row, &a.combination, &a.key).cmp(&(b.row, &b.combination, &b.key)));
        self.assemble_of(rows, wanted, disclosed)
    }

    /// The same, given the rows of `disclosures`, by line, combination and key.
    pub(crate) fn assemble_of(
        &self,
        rows: Option<&RoaringBitmap>,
        wanted: Option<&Wanted>,
        disclosed: Vec<Disclosed>,
    ) -> Result<Vec<Entry>, ArchiveError> {
        let statements = self.statements(rows)?;
        let mut sets = self.sets(rows)?;
        sets.sort_by_key(|set| set.facts.row);
        let mut reasons = self.reasons(rows, wanted)?;
        reasons.sort_by_key(|reason| reason.row);
        let (mut disclosed, mut sets) = (disclosed.into_iter().peekable(), sets.into_iter().peekable());
        let mut reasons = reasons.into_iter().peekable();
        let mut maker = EntryMaker { schemas: &self.schemas, meanings: HashMap::new() };
        let mut entries = Vec::with_capacity(statements.len());
        for (row, statement) in statements {
            let mut parts = Parts::default();
            while let Some(next) = disclosed.next_if(|next| next.row <= row) {
                if next.row == row {
                    parts.disclosed.push(next);
                }
            }
            while let Some(next) = sets.next_if(|next| next.facts.row <= row) {
                if next.facts.row == row {
                    parts.sets.push(next);
                }
            }
            while let Some(next) = reasons.next_if(|next| next.row <= row) {
                if next.row == row && parts.reason.replace(next).is_some() {
                    return Err(self.malformed("line"));
                }
            }
            let entry = maker.entry(statement, parts, wanted);
            entries.extend(entry.map_err(|column| self.malformed(column))?);
        }
        entries.sort_by_key(|entry| entry.no);
        Ok(entries)
    }

    pub(crate) fn malformed(&self, column: &'static str) -> ArchiveError {
        let path = self.table(Table::Statements).map_or("statements", |table| table.file.path());
        ArchiveError::malformed(path)(column)
    }
}

#[derive(Default)]
struct Parts {
    disclosed: Vec<Disclosed>,
    sets: Vec<BulkSet>,
    reason: Option<ReasonRow>,
}

/// Makes entries of their rows.
struct EntryMaker<'a> {
    schemas: &'a [Arc<Schema>],
    /// What a combination's words mean in a schema.
    meanings: HashMap<(u32, Arc<Combination>), (KindId, FieldSet)>,
}

impl EntryMaker<'_> {
    /// Returns the entry; `None` for a reason that is not about a wanted subject.
    fn entry(
        &mut self,
        statement: Statement,
        parts: Parts,
        wanted: Option<&Wanted>,
    ) -> Result<Option<Entry>, &'static str> {
        let schema = Arc::clone(self.schemas.get(statement.schema as usize).ok_or("schema")?);
        let time = Timestamp(statement.time);
        let principal = statement.principal.clone();
        let has_subjects = !parts.disclosed.is_empty() || !parts.sets.is_empty();
        let is_disclosure = matches!(statement.what, What::Disclosure(_));
        if has_subjects && !is_disclosure || parts.reason.is_some() && statement.what != What::Reason {
            // A row that belongs to no entry of its kind was invented.
            return Err("line");
        }
        let why = statement.why.as_deref().unwrap_or_default();
        let content = match statement.what {
            What::Disclosure(outcome) => Content::Disclosure(Disclosure {
                time,
                session: statement.session.clone().ok_or("session")?,
                principal: principal.ok_or("principal")?,
                statement: statement.ordinal,
                text: statement.text.clone().ok_or("text")?,
                outcome,
                rows: statement.rows,
                sets: self.sets(statement.schema, parts, wanted)?,
            }),
            What::Reason => match parts.reason {
                Some(reason) => {
                    Content::Reason(reason_of(reason, principal.ok_or("principal")?, time, &schema)?)
                }
                None if wanted.is_some() => return Ok(None),
                None => return Err("reason"),
            },
            What::Control(kind) => Content::Control(Control {
                time,
                kind,
                principal,
                session: statement.session.clone(),
                by: statement.by.as_deref().unwrap_or_default().to_owned(),
                why: why.to_owned(),
            }),
            What::ErasedReason => Content::ErasedReason(
                told::erased_reason(why, principal.ok_or("principal")?, time).ok_or("why")?,
            ),
            What::Erasure => Content::Erasure(
                told::erasure(why, statement.by.as_deref().unwrap_or_default(), time).ok_or("why")?,
            ),
            What::Account => Content::Account(
                told::account(why, statement.session.clone().ok_or("session")?, time).ok_or("why")?,
            ),
        };
        Ok(Some(Entry { no: EntryNo(statement.entry), schema, content }))
    }

    fn sets(
        &mut self,
        schema: u32,
        parts: Parts,
        wanted: Option<&Wanted>,
    ) -> Result<Vec<SubjectSet>, &'static str> {
        let mut sets: Vec<(Option<u32>, SubjectSet)> = Vec::new();
        let mut disclosed = parts.disclosed.into_iter().peekable();
        while let Some(first) = disclosed.next() {
            let (class, combination) = (first.key.class(), Arc::clone(&first.combination));
            let mut keys = vec![first.key];
            while let Some(next) =
                disclosed.next_if(|next| next.key.class() == class && next.combination == combination)
            {
                keys.push(next.key);
            }
            let subjects = set_of(class, keys.into_iter());
            sets.push((None, self.set(schema, &combination, subjects)?));
        }
        for BulkSet { facts, coded } in parts.sets {
            let (all, erased) = packed::decode(&coded)?;
            let subjects = match wanted {
                Some(wanted) => set_of(facts.class, wanted.among(&all).into_iter()),
                None => all,
            };
            if wanted.is_none() || !subjects.is_empty() {
                let set = self.set(schema, &facts.combination, subjects)?;
                sets.push((facts.place, SubjectSet { erased, ..set }));
            }
        }
        sets.sort_by_key(|(at, set)| (*at, order_of(set)));
        Ok(sets.into_iter().map(|(_, set)| set).collect())
    }

    fn set(
        &mut self,
        schema: u32,
        combination: &Arc<Combination>,
        subjects: Subjects,
    ) -> Result<SubjectSet, &'static str> {
        let meant = (schema, Arc::clone(combination));
        let (kind, fields) = match self.meanings.get(&meant) {
            Some(known) => *known,
            None => {
                let names = self.schemas.get(schema as usize).ok_or("schema")?;
                let kind = kind_of(&combination.kind, names).ok_or("kind")?;
                let fields = fields_of(&combination.fields, names).ok_or("fields")?;
                self.meanings.insert(meant, (kind, fields));
                (kind, fields)
            }
        };
        Ok(SubjectSet { kind, certainty: combination.certainty, fields, subjects, erased: 0 })
    }
}

fn reason_of(
    row: ReasonRow,
    principal: Principal,
    asked_at: Timestamp,
    schema: &Schema,
) -> Result<Reason, &'static str> {
    let key: SubjectKey = row.key.subject().ok_or("subject")?;
    let kind = kind_of(&row.kind, schema).ok_or("kind")?;
    Ok(Reason { principal, kind, key, reason: row.reason.to_string(), asked_at, until: Timestamp(row.until) })
}
