use std::sync::Arc;

use arrow_array::builder::{Int64Builder, TimestampMicrosecondBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, Field};
use parquet::basic::Encoding;
use parquet::file::properties::WriterPropertiesBuilder;

use super::{Table, encoded, rising};
use crate::clock::Tick;
use crate::columns::{Integers, Malformed, integer, moment};

pub(super) fn fields() -> Vec<Field> {
    vec![moment("time", false), integer("entry", false)]
}

pub(super) fn lay_out(all: WriterPropertiesBuilder) -> WriterPropertiesBuilder {
    encoded(rising(all, "entry"), "time", Encoding::DELTA_BINARY_PACKED)
}

/// Makes a batch of rows.
pub(crate) fn encode_clock(rows: &[Tick]) -> Result<RecordBatch, ArrowError> {
    let mut time = TimestampMicrosecondBuilder::with_capacity(rows.len()).with_timezone("UTC");
    let mut entry = Int64Builder::with_capacity(rows.len());
    for tick in rows {
        time.append_value(tick.time);
        entry.append_value(tick.entry.cast_signed());
    }
    let columns: Vec<ArrayRef> = vec![Arc::new(time.finish()), Arc::new(entry.finish())];
    RecordBatch::try_new(Table::Clock.columns(), columns)
}

/// Returns the rows of a batch.
pub(crate) fn decode_clock(batch: &RecordBatch) -> Result<Vec<Tick>, Malformed> {
    let times = Integers::moments(batch, "time")?.all("time")?;
    let entries = Integers::of(batch, "entry")?.all("entry")?;
    let ticks = times.iter().zip(entries);
    Ok(ticks.map(|(time, entry)| Tick { time: *time, entry: entry.cast_unsigned() }).collect())
}
