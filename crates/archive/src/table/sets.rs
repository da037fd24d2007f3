use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, Int64Builder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field};
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::WriterPropertiesBuilder;
use parquet::schema::types::ColumnPath;

use super::{Combinations, Table, encoded, rising};
use crate::columns::{Blobs, Integers, Malformed, WordBuilder, Words, integer, words};
use crate::row::{BulkSet, SetFacts};

/// Words of the column `type`, by class.
pub(super) const TYPES: [&str; 4] = ["int", "uuid", "text", "unattributed"];

pub(super) fn class_of_word(word: &str) -> Option<u8> {
    TYPES.iter().position(|known| *known == word).and_then(|at| u8::try_from(at).ok())
}

pub(super) fn word_of_class(class: u8) -> &'static str {
    TYPES.get(usize::from(class)).copied().unwrap_or("unattributed")
}

pub(super) fn fields() -> Vec<Field> {
    vec![
        integer("line", false),
        integer("place", true),
        words("kind", false),
        words("fields", false),
        words("certainty", false),
        words("type", false),
        integer("subjects", false),
        integer("first_int", true),
        integer("last_int", true),
        Field::new("coded", DataType::Binary, false),
    ]
}

pub(super) fn lay_out(all: WriterPropertiesBuilder) -> WriterPropertiesBuilder {
    let coded = ColumnPath::from("coded");
    encoded(rising(all, "line"), "coded", Encoding::PLAIN)
        .set_column_compression(coded, Compression::UNCOMPRESSED)
        .set_max_row_group_row_count(Some(1024))
        .set_data_page_row_count_limit(16)
        .set_write_batch_size(16)
}

/// Makes a batch of rows.
pub(crate) fn encode_sets(rows: &[BulkSet]) -> Result<RecordBatch, ArrowError> {
    let integers = || Int64Builder::with_capacity(rows.len());
    let (mut row, mut place, mut subjects) = (integers(), integers(), integers());
    let (mut first, mut last, mut coded) = (integers(), integers(), BinaryBuilder::new());
    let (mut kind, mut fields) = (WordBuilder::new(), WordBuilder::new());
    let (mut certainty, mut class) = (WordBuilder::new(), WordBuilder::new());
    for BulkSet { facts: set, coded: bytes } in rows {
        row.append_value(set.row.cast_signed());
        place.append_option(set.place.map(i64::from));
        kind.append(&set.combination.kind)?;
        fields.append(&set.combination.fields)?;
        certainty.append(set.combination.certainty.as_str())?;
        class.append(word_of_class(set.class))?;
        subjects.append_value(set.subjects.cast_signed());
        first.append_option(set.span.map(|(first, _)| first));
        last.append_option(set.span.map(|(_, last)| last));
        coded.append_value(bytes);
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(row.finish()),
        Arc::new(place.finish()),
        Arc::new(kind.finish()),
        Arc::new(fields.finish()),
        Arc::new(certainty.finish()),
        Arc::new(class.finish()),
        Arc::new(subjects.finish()),
        Arc::new(first.finish()),
        Arc::new(last.finish()),
        Arc::new(coded.finish()),
    ];
    RecordBatch::try_new(Table::Sets.columns(), columns)
}

/// The columns of [`decode_set_facts`].
pub(crate) const SET_FACTS: [&str; 9] =
    ["line", "place", "kind", "fields", "certainty", "type", "subjects", "first_int", "last_int"];

/// Returns the rows of a batch.
pub(crate) fn decode_sets(
    batch: &RecordBatch,
    combinations: &mut Combinations,
) -> Result<Vec<BulkSet>, Malformed> {
    let coded = Blobs::of(batch, "coded")?;
    let all = decode_set_facts(batch, combinations)?.into_iter().enumerate();
    all.map(|(at, facts)| Ok(BulkSet { facts, coded: coded.get(at).ok_or("coded")?.to_vec() })).collect()
}

/// Returns what the rows of a batch say beside the sets.
pub(crate) fn decode_set_facts(
    batch: &RecordBatch,
    combinations: &mut Combinations,
) -> Result<Vec<SetFacts>, Malformed> {
    let (row, place) = (Integers::of(batch, "line")?, Integers::of(batch, "place")?);
    let (kind, fields) = (Words::of(batch, "kind")?, Words::of(batch, "fields")?);
    let (certainty, class) = (Words::of(batch, "certainty")?, Words::of(batch, "type")?);
    let subjects = Integers::of(batch, "subjects")?;
    let (first, last) = (Integers::of(batch, "first_int")?, Integers::of(batch, "last_int")?);
    let of_row = |at| {
        Ok(SetFacts {
            row: row.unsigned(at, "line")?,
            place: place.get(at).map(u32::try_from).transpose().map_err(|_| "place")?,
            combination: combinations.get(
                kind.get(at).ok_or("kind")?,
                fields.get(at).ok_or("fields")?,
                certainty.get(at).ok_or("certainty")?,
            )?,
            class: class.get(at).and_then(class_of_word).ok_or("type")?,
            subjects: subjects.unsigned(at, "subjects")?,
            span: first.get(at).zip(last.get(at)),
        })
    };
    (0..batch.num_rows()).map(of_row).collect()
}
