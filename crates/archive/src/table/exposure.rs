use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, Int64Builder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field};
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::WriterPropertiesBuilder;
use parquet::schema::types::ColumnPath;
use rastro_model::Principal;
use serde::{Deserialize, Serialize};

use super::sets::{class_of_word, word_of_class};
use super::{Combinations, Table, encoded, indexed};
use crate::columns::{Blobs, Integers, Malformed, WordBuilder, Words, integer, words};
use crate::row::{Combination, Exposed};

pub(super) fn fields() -> Vec<Field> {
    vec![
        words("principal", false),
        words("kind", false),
        words("ways", false),
        words("type", false),
        integer("subjects", false),
        integer("disclosures", false),
        Field::new("coded", DataType::Binary, false),
    ]
}

/// One of the ways in which subjects were shown, in the column `ways`.
#[derive(Serialize, Deserialize)]
struct Way<'a> {
    fields: Cow<'a, str>,
    certainty: Cow<'a, str>,
}

fn ways_text(ways: &[Arc<Combination>]) -> String {
    let ways = ways.iter().map(|way| Way {
        fields: Cow::Borrowed(&way.fields),
        certainty: Cow::Borrowed(way.certainty.as_str()),
    });
    // Text: this does not fail.
    serde_json::to_string(&ways.collect::<Vec<_>>()).unwrap_or_default()
}

fn ways_of(
    text: &str,
    kind: &str,
    combinations: &mut Combinations,
) -> Result<Vec<Arc<Combination>>, Malformed> {
    let ways: Vec<Way<'_>> = serde_json::from_str(text).map_err(|_| "ways")?;
    ways.iter().map(|way| combinations.get(kind, &way.fields, &way.certainty)).collect()
}

pub(super) fn lay_out(all: WriterPropertiesBuilder) -> WriterPropertiesBuilder {
    indexed(encoded(all, "coded", Encoding::PLAIN), "principal")
        .set_column_compression(ColumnPath::from("coded"), Compression::UNCOMPRESSED)
        .set_data_page_row_count_limit(8)
        .set_write_batch_size(8)
}

/// Makes a batch of rows.
pub(crate) fn encode_exposure(rows: &[Exposed]) -> Result<RecordBatch, ArrowError> {
    let (mut subjects, mut disclosures) =
        (Int64Builder::with_capacity(rows.len()), Int64Builder::with_capacity(rows.len()));
    let (mut principal, mut kind, mut ways) = (WordBuilder::new(), WordBuilder::new(), WordBuilder::new());
    let (mut class, mut coded) = (WordBuilder::new(), BinaryBuilder::new());
    for exposed in rows {
        principal.append(exposed.principal.as_str())?;
        kind.append(exposed.ways.first().map_or("", |way| &*way.kind))?;
        ways.append(ways_text(&exposed.ways))?;
        class.append(word_of_class(exposed.class))?;
        subjects.append_value(exposed.subjects.cast_signed());
        disclosures.append_value(exposed.disclosures.cast_signed());
        coded.append_value(&exposed.coded);
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(principal.finish()),
        Arc::new(kind.finish()),
        Arc::new(ways.finish()),
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
    // In files of earlier versions each way has a row of its own.
    let apart = match batch.column_by_name("ways") {
        Some(_) => None,
        None => Some((Words::of(batch, "fields")?, Words::of(batch, "certainty")?)),
    };
    let ways = if apart.is_none() { Some(Words::of(batch, "ways")?) } else { None };
    let (class, coded) = (Words::of(batch, "type")?, Blobs::of(batch, "coded")?);
    let (subjects, disclosures) = (Integers::of(batch, "subjects")?, Integers::of(batch, "disclosures")?);
    let mut found = Vec::new();
    for at in 0..batch.num_rows() {
        let name = principal.get(at).ok_or("principal")?;
        if !wanted(name) {
            continue;
        }
        let kind = kind.get(at).ok_or("kind")?;
        let ways = match (&ways, &apart) {
            (Some(ways), _) => ways_of(ways.get(at).ok_or("ways")?, kind, combinations)?,
            (None, Some((fields, certainty))) => {
                let (fields, certainty) =
                    (fields.get(at).ok_or("fields")?, certainty.get(at).ok_or("certainty")?);
                vec![combinations.get(kind, fields, certainty)?]
            }
            (None, None) => return Err("ways"),
        };
        found.push(Exposed {
            principal: Principal::new(name),
            ways,
            class: class.get(at).and_then(class_of_word).ok_or("type")?,
            subjects: subjects.unsigned(at, "subjects")?,
            disclosures: disclosures.unsigned(at, "disclosures")?,
            coded: coded.get(at).ok_or("coded")?.to_vec(),
        });
    }
    Ok(found)
}
