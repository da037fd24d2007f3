use std::sync::Arc;

use arrow_array::builder::{Int64Builder, TimestampMicrosecondBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, Field};
use parquet::basic::Encoding;
use parquet::file::properties::WriterPropertiesBuilder;
use parquet::schema::types::ColumnPath;

use super::{Table, encoded, lines, subjects};
use crate::columns::{
    Integers, Malformed, SubjectBuilder, SubjectColumns, WordBuilder, Words, integer, moment, subject_fields,
    words,
};
use crate::row::ReasonRow;

pub(super) fn fields() -> Vec<Field> {
    let mut fields = vec![words("kind", false)];
    fields.extend(subject_fields());
    fields.extend([integer("line", false), moment("until", false), words("reason", false)]);
    fields
}

pub(super) fn lay_out(all: WriterPropertiesBuilder) -> WriterPropertiesBuilder {
    encoded(lines(subjects(all)), "until", Encoding::DELTA_BINARY_PACKED)
        .set_column_dictionary_page_size_limit(ColumnPath::from("reason"), 16 << 20)
}

/// Makes a batch of rows.
pub(crate) fn encode_reasons(rows: &[ReasonRow]) -> Result<RecordBatch, ArrowError> {
    let mut subject = SubjectBuilder::with_capacity(rows.len());
    let mut row = Int64Builder::with_capacity(rows.len());
    let mut until = TimestampMicrosecondBuilder::with_capacity(rows.len()).with_timezone("UTC");
    let (mut kind, mut reason) = (WordBuilder::new(), WordBuilder::new());
    for found in rows {
        subject.push(&found.key);
        row.append_value(found.row.cast_signed());
        until.append_value(found.until);
        kind.append(&found.kind)?;
        reason.append(&found.reason)?;
    }
    let mut columns: Vec<ArrayRef> = vec![Arc::new(kind.finish())];
    columns.extend(subject.finish());
    columns.push(Arc::new(row.finish()));
    columns.push(Arc::new(until.finish()));
    columns.push(Arc::new(reason.finish()));
    RecordBatch::try_new(Table::Reasons.columns(), columns)
}

/// Returns the rows of a batch that `wanted` says of their `row`.
pub(crate) fn decode_reasons(
    batch: &RecordBatch,
    wanted: impl Fn(u64) -> bool,
) -> Result<Vec<ReasonRow>, Malformed> {
    let subject = SubjectColumns::of(batch)?;
    let row = Integers::of(batch, "line")?;
    let until = Integers::moments(batch, "until")?;
    let (kind, reason) = (Words::of(batch, "kind")?, Words::of(batch, "reason")?);
    let mut found = Vec::new();
    for at in 0..batch.num_rows() {
        let number = row.unsigned(at, "line")?;
        if !wanted(number) {
            continue;
        }
        found.push(ReasonRow {
            row: number,
            kind: kind.get(at).ok_or("kind")?.into(),
            key: subject.get(at).ok_or("subject")?,
            until: until.get(at).ok_or("until")?,
            reason: reason.get(at).ok_or("reason")?.into(),
        });
    }
    Ok(found)
}
