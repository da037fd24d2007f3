use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::Int64Builder;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, Field};
use parquet::file::properties::WriterPropertiesBuilder;
use parquet::schema::types::ColumnPath;

use super::{Table, lines, subjects};
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
    let mut all = lines(subjects(all));
    // Integers are dense: the page index alone tells where one would be.
    for column in ["subject_uuid", "subject_text"] {
        let column = ColumnPath::from(column);
        all = all.set_column_bloom_filter_enabled(column.clone(), true);
        all = all.set_column_bloom_filter_fpp(column.clone(), 0.05);
        all = all.set_column_bloom_filter_max_ndv(column, 1 << 19);
    }
    all.set_data_page_row_count_limit(8192)
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

/// Returns the rows of a batch that `wanted` says of their `row`. Of the columns of the subject only those need be
/// there in which the rows have theirs.
pub(crate) fn decode_disclosures(
    batch: &RecordBatch,
    combinations: &mut Combinations,
    wanted: impl Fn(u64) -> bool,
) -> Result<Vec<Disclosed>, Malformed> {
    let subject = SubjectColumns::of(batch)?;
    let row = Integers::of(batch, "line")?;
    let unattributed =
        batch.column_by_name("unattributed").map(|_| Integers::of(batch, "unattributed")).transpose()?;
    let kind = Words::of(batch, "kind")?;
    let (fields, certainty) = (Words::of(batch, "fields")?, Words::of(batch, "certainty")?);
    let mut shared = HashMap::new();
    let mut found = Vec::new();
    for (at, number) in row.values().iter().enumerate() {
        let number = u64::try_from(*number).map_err(|_| "line")?;
        if !wanted(number) {
            continue;
        }
        let key = match (subject.get(at), unattributed.as_ref().and_then(|rows| rows.get(at))) {
            (Some(key), None) => key,
            (None, Some(rows)) => Key::Unattributed(u32::try_from(rows).map_err(|_| "unattributed")?),
            _ => return Err("subject"),
        };
        let places = (kind.place(at), fields.place(at), certainty.place(at));
        let combination = match shared.get(&places) {
            Some(known) => Arc::clone(known),
            None => {
                let made = combinations.get(
                    kind.get(at).ok_or("kind")?,
                    fields.get(at).ok_or("fields")?,
                    certainty.get(at).ok_or("certainty")?,
                )?;
                shared.insert(places, Arc::clone(&made));
                made
            }
        };
        found.push(Disclosed { key, row: number, combination });
    }
    Ok(found)
}
