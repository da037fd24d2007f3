//! The six tables: their columns, how they are laid out in Parquet, rows to batches and back.

mod clock;
mod disclosures;
mod exposure;
mod reasons;
mod sets;
mod statements;

use std::sync::{Arc, LazyLock};

use arrow_schema::{Schema as Columns, SchemaRef};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;
use serde::{Deserialize, Serialize};

pub(crate) use clock::{decode_clock, encode_clock};
pub(crate) use disclosures::{Combinations, decode_disclosures, encode_disclosures};
pub(crate) use exposure::{decode_exposure, encode_exposure};
pub(crate) use reasons::{decode_reasons, encode_reasons};
pub(crate) use sets::{SET_FACTS, decode_set_facts, decode_sets, encode_sets};
pub(crate) use statements::{StatementReader, encode_statements, ticks_of};

/// Rows of a batch while writing and reading.
pub(crate) const BATCH_ROWS: usize = 8192;

/// A table of the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Table {
    /// One row an entry, sorted by principal, session and entry.
    Statements,
    /// One row for each entry and subject, sorted by subject.
    Disclosures,
    /// Sets of subjects too large for rows.
    Sets,
    /// Why disclosures happened.
    Reasons,
    /// The distinct subjects of each principal.
    Exposure,
    /// Which entry came when.
    Clock,
}

impl Table {
    /// Every table.
    pub const ALL: [Table; 6] =
        [Table::Statements, Table::Disclosures, Table::Sets, Table::Reasons, Table::Exposure, Table::Clock];

    /// Returns the name of the table, which is its directory.
    pub fn name(self) -> &'static str {
        match self {
            Table::Statements => "statements",
            Table::Disclosures => "disclosures",
            Table::Sets => "sets",
            Table::Reasons => "reasons",
            Table::Exposure => "exposure",
            Table::Clock => "clock",
        }
    }

    pub(crate) fn columns(self) -> SchemaRef {
        static ALL: LazyLock<[SchemaRef; 6]> = LazyLock::new(|| {
            [
                statements::fields(),
                disclosures::fields(),
                sets::fields(),
                reasons::fields(),
                exposure::fields(),
                clock::fields(),
            ]
            .map(|fields| Arc::new(Columns::new(fields)))
        });
        let [statements, disclosures, sets, reasons, exposure, clock] = &*ALL;
        Arc::clone(match self {
            Table::Statements => statements,
            Table::Disclosures => disclosures,
            Table::Sets => sets,
            Table::Reasons => reasons,
            Table::Exposure => exposure,
            Table::Clock => clock,
        })
    }

    /// Returns how a file of the table is laid out. `about` is written into its metadata.
    pub(crate) fn properties(self, about: Vec<KeyValue>) -> WriterProperties {
        let all = WriterProperties::builder()
            .set_compression(zstd(3))
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_column_index_truncate_length(None)
            .set_created_by(concat!("rastro ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_key_value_metadata(Some(about))
            .set_max_row_group_row_count(Some(1 << 20))
            // A column that says the same over and over has one page; pages that rows are looked up in are small.
            .set_data_page_row_count_limit(1 << 20)
            .set_data_page_size_limit(64 << 10)
            .set_write_batch_size(1024);
        match self {
            Table::Statements => statements::lay_out(all),
            Table::Disclosures => disclosures::lay_out(all),
            Table::Sets => sets::lay_out(all),
            Table::Reasons => reasons::lay_out(all),
            Table::Exposure => exposure::lay_out(all),
            Table::Clock => clock::lay_out(all),
        }
        .build()
    }
}

fn zstd(level: i32) -> Compression {
    Compression::ZSTD(ZstdLevel::try_new(level).unwrap_or_default())
}

/// Numbers that rise in small steps.
fn rising(builder: WriterPropertiesBuilder, column: &str) -> WriterPropertiesBuilder {
    encoded(builder, column, Encoding::DELTA_BINARY_PACKED)
}

fn encoded(builder: WriterPropertiesBuilder, column: &str, encoding: Encoding) -> WriterPropertiesBuilder {
    let column = ColumnPath::from(column);
    builder.set_column_dictionary_enabled(column.clone(), false).set_column_encoding(column, encoding)
}

/// Numbers of statements by subject. Those that show a subject mostly follow each other in one session: in eight
/// bytes each, their numbers repeat all but one, which zstd finds.
fn lines(builder: WriterPropertiesBuilder) -> WriterPropertiesBuilder {
    let builder = encoded(builder, "line", Encoding::PLAIN);
    paged(builder.set_column_compression(ColumnPath::from("line"), zstd(9)), "line", 32 << 10)
}

/// Pages of about so many bytes before compression.
fn paged(builder: WriterPropertiesBuilder, column: &str, bytes: usize) -> WriterPropertiesBuilder {
    builder.set_column_data_page_size_limit(ColumnPath::from(column), bytes)
}

/// Statistics for each page, so that pages can be passed over.
fn indexed(builder: WriterPropertiesBuilder, column: &str) -> WriterPropertiesBuilder {
    builder.set_column_statistics_enabled(ColumnPath::from(column), EnabledStatistics::Page)
}

/// The columns of a subject, by which the table is sorted.
fn subjects(builder: WriterPropertiesBuilder) -> WriterPropertiesBuilder {
    let mut builder = rising(builder, "subject_int");
    // A thousand rows where keys lie far apart, eight thousand where they are dense.
    builder = paged(builder, "subject_int", 768);
    for column in ["subject_uuid", "subject_text", "subject_bytes"] {
        builder = paged(encoded(builder, column, Encoding::DELTA_BYTE_ARRAY), column, 16 << 10);
    }
    for column in ["subject_int", "subject_uuid", "subject_text", "subject_bytes"] {
        builder = indexed(builder, column);
    }
    builder
}
