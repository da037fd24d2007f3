use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, Int64Builder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field};
use parquet::basic::Encoding;
use parquet::file::properties::WriterPropertiesBuilder;
use rastro_model::Principal;

use super::sets::{class_of_word, word_of_class};
use super::{Combinations, Table, encoded, indexed};
use crate::columns::{Blobs, Integers, Malformed, WordBuilder, Words, integer, words};
use crate::row::Exposed;

pub(super) fn fields() -> Vec<Field> {
    vec![
        words("principal", false),
        words("kind", false),
        words("fields", false),
        words("certainty", false),
        words("type", false),
        integer("subjects", false),
        integer("disclosures", false),
        Field::new("coded", DataType::Binary, false),
    ]
}

pub(super) fn lay_out(all: WriterPropertiesBuilder) -> WriterPropertiesBuilder {
    indexed(encoded(all, "coded", Encoding::PLAIN), "principal").set_data_page_row_count_limit(64)
}

/// Makes a batch of rows.
pub(crate) fn encode_exposure(rows: &[Exposed]) -> Result<RecordBatch, ArrowError> {
    let (mut subjects, mut disclosures) =
        (Int64Builder::with_capacity(rows.len()), Int64Builder::with_capacity(rows.len()));
    let (mut principal, mut kind, mut fields) = (WordBuilder::new(), WordBuilder::new(), WordBuilder::new());
    let (mut certainty, mut class, mut coded) =
        (WordBuilder::new(), WordBuilder::new(), BinaryBuilder::new());
    for exposed in rows {
        principal.append(exposed.principal.as_str())?;
        kind.append(&exposed.combination.kind)?;
        fields.append(&exposed.combination.fields)?;
        certainty.append(exposed.combination.certainty.as_str())?;
        class.append(word_of_class(exposed.class))?;
        subjects.append_value(exposed.subjects.cast_signed());
        disclosures.append_value(exposed.disclosures.cast_signed());
        coded.append_value(&exposed.coded);
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(principal.finish()),
        Arc::new(kind.finish()),
        Arc::new(fields.finish()),
        Arc::new(certainty.finish()),
        Arc::new(class.finish()),
        Arc::new(subjects.finish()),
        Arc::new(disclosures.finish()),
        Arc::new(coded.finish()),
    ];
    RecordBatch::try_new(Table::Exposure.columns(), columns)
}

/// Returns the rows of a batch that are about a principal that `wanted` says.
pub(crate) fn decode_exposure(
    batch: &RecordBatch,
    combinations: &mut Combinations,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Exposed>, Malformed> {
    let (principal, kind) = (Words::of(batch, "principal")?, Words::of(batch, "kind")?);
    let (fields, certainty) = (Words::of(batch, "fields")?, Words::of(batch, "certainty")?);
    let (class, coded) = (Words::of(batch, "type")?, Blobs::of(batch, "coded")?);
    let (subjects, disclosures) = (Integers::of(batch, "subjects")?, Integers::of(batch, "disclosures")?);
    let mut found = Vec::new();
    for at in 0..batch.num_rows() {
        let name = principal.get(at).ok_or("principal")?;
        if !wanted(name) {
            continue;
        }
        found.push(Exposed {
            principal: Principal::new(name),
            combination: combinations.get(
                kind.get(at).ok_or("kind")?,
                fields.get(at).ok_or("fields")?,
                certainty.get(at).ok_or("certainty")?,
            )?,
            class: class.get(at).and_then(class_of_word).ok_or("type")?,
            subjects: subjects.unsigned(at, "subjects")?,
            disclosures: disclosures.unsigned(at, "disclosures")?,
            coded: coded.get(at).ok_or("coded")?.to_vec(),
        });
    }
    Ok(found)
}
