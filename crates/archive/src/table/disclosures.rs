use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::Int64Builder;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, Field};
use parquet::file::properties::WriterPropertiesBuilder;
use parquet::schema::types::ColumnPath;

use super::{Table, lines, paged, subjects};
use crate::columns::{
    Integers, Malformed, SubjectBuilder, SubjectColumns, WordBuilder, Words, integer, subject_fields, words,
};
use crate::row::{Combination, Disclosed, Key};
use crate::words::certainty_of;

pub(super) fn fields() -> Vec<Field> {
    let mut fields = vec![words("kind", false)];
    fields.extend(subject_fields());
    fields.extend([words("fields", false), words("certainty", false), integer("line", false)]);
    fields.push(integer("unattributed", true));
    fields
}

pub(super) fn lay_out(all: WriterPropertiesBuilder) -> WriterPropertiesBuilder {
    let mut all = paged(lines(subjects(all)), "fields", 2 << 10);
    // Integers are dense: the page index alone tells where one would be.
    for column in ["subject_uuid", "subject_text"] {
        let column = ColumnPath::from(column);
        all = all.set_column_bloom_filter_enabled(column.clone(), true);
        all = all.set_column_bloom_filter_fpp(column.clone(), 0.05);
        all = all.set_column_bloom_filter_max_ndv(column, 1 << 19);
    }
    all
}

/// Makes a batch of rows.
pub(crate) fn encode_disclosures(rows: &[Disclosed]) -> Result<RecordBatch, ArrowError> {
    let mut subject = SubjectBuilder::with_capacity(rows.len());
    let (mut row, mut unattributed) =
        (Int64Builder::with_capacity(rows.len()), Int64Builder::with_capacity(rows.len()));
    let (mut kind, mut fields, mut certainty) = (WordBuilder::new(), WordBuilder::new(), WordBuilder::new());
    for disclosed in rows {
        subject.push(&disclosed.key);
        row.append_value(disclosed.row.cast_signed());
        unattributed.append_option(match disclosed.key {
            Key::Unattributed(rows) => Some(i64::from(rows)),
            _ => None,
        });
        kind.append(&disclosed.combination.kind)?;
        fields.append(&disclosed.combination.fields)?;
        certainty.append(disclosed.combination.certainty.as_str())?;
    }
    let mut columns: Vec<ArrayRef> = vec![Arc::new(kind.finish())];
    columns.extend(subject.finish());
    columns.push(Arc::new(fields.finish()));
    columns.push(Arc::new(certainty.finish()));
    columns.push(Arc::new(row.finish()));
    columns.push(Arc::new(unattributed.finish()));
    RecordBatch::try_new(Table::Disclosures.columns(), columns)
}

/// Kind, fields and certainty.
type Parts = (Box<str>, Box<str>, Box<str>);

/// The combinations met so far, each made once.
#[derive(Debug, Default)]
pub(crate) struct Combinations(HashMap<Parts, Arc<Combination>>);

impl Combinations {
    pub(crate) fn get(
        &mut self,
        kind: &str,
        fields: &str,
        certainty: &str,
    ) -> Result<Arc<Combination>, Malformed> {
        let parts = (kind.into(), fields.into(), certainty.into());
        if let Some(known) = self.0.get(&parts) {
            return Ok(Arc::clone(known));
        }
        let certainty = certainty_of(certainty).ok_or("certainty")?;
        let made = Arc::new(Combination { kind: kind.into(), fields: fields.into(), certainty });
        self.0.insert(parts, Arc::clone(&made));
        Ok(made)
    }
}

/// Returns the rows of a batch that `wanted` says of their `row`; of the columns of keys, and that of rows without
/// one, not all need have been read.
pub(crate) fn decode_disclosures(
    batch: &RecordBatch,
    combinations: &mut Combinations,
    wanted: impl Fn(u64) -> bool,
) -> Result<Vec<Disclosed>, Malformed> {
    let rows = RowReader::of(batch)?;
    let unattributed = Integers::of(batch, "unattributed").ok();
    let mut shared = Shared::default();
    let mut found = Vec::new();
    for (at, line) in rows.line.values().iter().enumerate() {
        let row = u64::try_from(*line).map_err(|_| "line")?;
        if !wanted(row) {
            continue;
        }
        let key = match (rows.subject.get(at), unattributed.as_ref().and_then(|rows| rows.get(at))) {
            (Some(key), None) => key,
            (None, Some(rows)) => Key::Unattributed(u32::try_from(rows).map_err(|_| "unattributed")?),
            _ => return Err("subject"),
        };
        let combination = rows.combination(at, combinations, &mut shared)?;
        found.push(Disclosed { key, row, combination });
    }
    Ok(found)
}

/// Columns of a batch.
struct RowReader<'a> {
    subject: SubjectColumns<'a>,
    line: Integers<'a>,
    kind: Words<'a>,
    fields: Words<'a>,
    certainty: Words<'a>,
}

/// Places of words in a batch, and the combination that they make: there are few.
#[derive(Default)]
struct Shared(Vec<([Option<usize>; 3], Arc<Combination>)>);

impl<'a> RowReader<'a> {
    fn of(batch: &'a RecordBatch) -> Result<RowReader<'a>, Malformed> {
        Ok(RowReader {
            subject: SubjectColumns::of(batch)?,
            line: Integers::of(batch, "line")?,
            kind: Words::of(batch, "kind")?,
            fields: Words::of(batch, "fields")?,
            certainty: Words::of(batch, "certainty")?,
        })
    }

    fn combination(
        &self,
        at: usize,
        combinations: &mut Combinations,
        shared: &mut Shared,
    ) -> Result<Arc<Combination>, Malformed> {
        let places = [&self.kind, &self.fields, &self.certainty].map(|words| words.place(at));
        if let Some((_, known)) = shared.0.iter().find(|(known, _)| *known == places) {
            return Ok(Arc::clone(known));
        }
        let made = combinations.get(
            self.kind.get(at).ok_or("kind")?,
            self.fields.get(at).ok_or("fields")?,
            self.certainty.get(at).ok_or("certainty")?,
        )?;
        shared.0.push((places, Arc::clone(&made)));
        Ok(made)
    }
}
