//! Parquet files, turned into the CSV text they would be, so that one reader serves both.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use rastro_model::Timestamp;

const BATCH_ROWS: usize = 8_192;

/// The text of a Parquet file: a header with the names of all its columns, then its rows. Columns that are
/// not wanted are empty.
pub(crate) struct ParquetText {
    reader: ParquetRecordBatchReader,
    names: Vec<String>,
    text: Vec<u8>,
    at: usize,
    /// Bytes of the file for each row, about.
    row_bytes: u64,
    read: Arc<AtomicU64>,
}

impl ParquetText {
    /// Opens a file; only columns with one of the names in `wanted` (whatever their case) are read.
    ///
    /// # Errors
    /// It cannot be read, or is no Parquet file after all.
    pub(crate) fn open(path: &Path, wanted: &[&str], read: Arc<AtomicU64>) -> io::Result<ParquetText> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        // The file's own types: what a program made of its columns in memory does not matter.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let builder =
            ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).map_err(io::Error::other)?;
        let names: Vec<String> = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
        let is_wanted = |name: &String| wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(name));
        let roots: Vec<usize> =
            names.iter().enumerate().filter(|(_, name)| is_wanted(name)).map(|(root, _)| root).collect();
        let rows = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or_default();
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
        let reader =
            builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(io::Error::other)?;
        let mut text = Vec::new();
        for (place, name) in names.iter().enumerate() {
            if place > 0 {
                text.push(b',');
            }
            push_cell(&mut text, name.as_bytes());
        }
        text.push(b'\n');
        Ok(ParquetText { reader, names, text, at: 0, row_bytes: bytes / rows.max(1), read })
    }

    fn write_batch(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let columns: Vec<Option<Column>> = self
            .names
            .iter()
            .map(|name| batch.column_by_name(name).map(|array| Column::new(name, array)).transpose())
            .collect::<io::Result<_>>()?;
        self.text.clear();
        self.at = 0;
        for row in 0..batch.num_rows() {
            for (place, column) in columns.iter().enumerate() {
                if place > 0 {
                    self.text.push(b',');
                }
                if let Some(column) = column {
                    column.write(row, &mut self.text)?;
                }
            }
            self.text.push(b'\n');
        }
        self.read.fetch_add(self.row_bytes.saturating_mul(batch.num_rows() as u64), Ordering::Relaxed);
        Ok(())
    }
}

impl Read for ParquetText {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at >= self.text.len() {
            match self.reader.next() {
                None => return Ok(0),
                Some(batch) => self.write_batch(&batch.map_err(io::Error::other)?)?,
            }
        }
        let read = self.text.get(self.at..).unwrap_or_default().read(buffer)?;
        self.at += read;
        Ok(read)
    }
}

/// One column of a batch, and how its values are written.
struct Column<'a> {
    array: &'a dyn Array,
    form: Form,
}

#[derive(Clone, Copy)]
enum Form {
    Text,
    Bytes,
    Integer,
    Unsigned,
    Real,
    Single,
    Flag,
    /// With so many digits after the point; negative: so many zeros before it.
    Decimal(i8),
    Uuid,
    Date,
    /// µs in one of its units, or units in one µs; and whether it is a moment rather than a local time.
    Time(TimeUnit, bool),
    Texts,
}

impl<'a> Column<'a> {
    fn new(name: &str, array: &'a Arc<dyn Array>) -> io::Result<Column<'a>> {
        let form = match array.data_type() {
            DataType::Utf8 => Form::Text,
            DataType::Binary => Form::Bytes,
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => Form::Integer,
            DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => Form::Unsigned,
            DataType::Float64 => Form::Real,
            DataType::Float32 => Form::Single,
            DataType::Boolean => Form::Flag,
            DataType::Decimal128(_, scale) => Form::Decimal(*scale),
            DataType::FixedSizeBinary(16) => Form::Uuid,
            DataType::Date32 => Form::Date,
            DataType::Timestamp(unit, zone) => Form::Time(*unit, zone.is_some()),
            DataType::List(item) if *item.data_type() == DataType::Utf8 => Form::Texts,
            other => {
                return Err(io::Error::other(format!(
                    "its column `{name}` is of the type {other}, which is not read"
                )));
            }
        };
        Ok(Column { array: array.as_ref(), form })
    }

    fn write(&self, row: usize, text: &mut Vec<u8>) -> io::Result<()> {
        let array = self.array;
        if array.is_null(row) {
            return Ok(());
        }
        match self.form {
            Form::Text => push_cell(text, array.as_string::<i32>().value(row).as_bytes()),
            Form::Bytes => push_cell(text, array.as_binary::<i32>().value(row)),
            Form::Integer => write!(text, "{}", integer(array, row))?,
            Form::Unsigned => write!(text, "{}", unsigned(array, row))?,
            Form::Real => write!(text, "{}", array.as_primitive::<Float64Type>().value(row))?,
            Form::Single => write!(text, "{}", array.as_primitive::<Float32Type>().value(row))?,
            Form::Flag => write!(text, "{}", array.as_boolean().value(row))?,
            Form::Decimal(scale) => {
                push_decimal(text, array.as_primitive::<Decimal128Type>().value(row), scale)
            }
            Form::Uuid => push_uuid(text, array.as_fixed_size_binary().value(row)),
            Form::Date => {
                let days = i64::from(array.as_primitive::<Date32Type>().value(row));
                let time = Timestamp(days.saturating_mul(86_400_000_000)).to_string();
                text.extend_from_slice(time.get(..10).unwrap_or(&time).as_bytes());
            }
            Form::Time(unit, moment) => {
                let time = Timestamp(micros(array, row, unit)).to_string();
                let local = time.strip_suffix('Z').unwrap_or(&time);
                text.extend_from_slice(if moment { time.as_bytes() } else { local.as_bytes() });
            }
            Form::Texts => {
                let list = array.as_list::<i32>().value(row);
                let mut joined = Vec::new();
                for item in list.as_string::<i32>().iter().flatten() {
                    joined.extend_from_slice(item.as_bytes());
                    joined.push(b';');
                }
                push_cell(text, &joined);
            }
        }
        Ok(())
    }
}

fn integer(array: &dyn Array, row: usize) -> i64 {
    match array.data_type() {
        DataType::Int8 => i64::from(array.as_primitive::<Int8Type>().value(row)),
        DataType::Int16 => i64::from(array.as_primitive::<Int16Type>().value(row)),
        DataType::Int32 => i64::from(array.as_primitive::<Int32Type>().value(row)),
        _ => array.as_primitive::<Int64Type>().value(row),
    }
}

fn unsigned(array: &dyn Array, row: usize) -> u64 {
    match array.data_type() {
        DataType::UInt8 => u64::from(array.as_primitive::<UInt8Type>().value(row)),
        DataType::UInt16 => u64::from(array.as_primitive::<UInt16Type>().value(row)),
        DataType::UInt32 => u64::from(array.as_primitive::<UInt32Type>().value(row)),
        _ => array.as_primitive::<UInt64Type>().value(row),
    }
}

fn micros(array: &dyn Array, row: usize, unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => array.as_primitive::<TimestampSecondType>().value(row).saturating_mul(1_000_000),
        TimeUnit::Millisecond => {
            array.as_primitive::<TimestampMillisecondType>().value(row).saturating_mul(1_000)
        }
        TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().value(row),
        TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().value(row).div_euclid(1_000),
    }
}

/// Writes a decimal without zeros at the end of its fraction: a key of 17.00 is the key 17.
fn push_decimal(text: &mut Vec<u8>, unscaled: i128, scale: i8) {
    let mut digits = unscaled.unsigned_abs().to_string();
    let fraction = usize::try_from(scale).unwrap_or(0);
    if unscaled != 0 {
        digits.extend(std::iter::repeat_n('0', usize::from(scale.min(0).unsigned_abs())));
    }
    while digits.len() <= fraction {
        digits.insert(0, '0');
    }
    let (whole, fraction) = digits.split_at(digits.len() - fraction);
    if unscaled < 0 {
        text.push(b'-');
    }
    text.extend_from_slice(whole.as_bytes());
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        text.push(b'.');
        text.extend_from_slice(fraction.as_bytes());
    }
}

/// Writes 16 bytes as PostgreSQL writes a uuid.
fn push_uuid(text: &mut Vec<u8>, bytes: &[u8]) {
    for (place, byte) in bytes.iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push(b'-');
        }
        // Writing to a vector does not fail.
        let _ = write!(text, "{byte:02x}");
    }
}

fn push_cell(text: &mut Vec<u8>, cell: &[u8]) {
    if memchr::memchr3(b',', b'"', b'\n', cell).is_none() && !cell.contains(&b'\r') {
        text.extend_from_slice(cell);
        return;
    }
    text.push(b'"');
    for byte in cell {
        if *byte == b'"' {
            text.push(b'"');
        }
        text.push(*byte);
    }
    text.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_and_uuids_are_written_as_keys_are() {
        for (unscaled, scale, expected) in [
            (1700i128, 2i8, "17"),
            (-1750, 2, "-17.5"),
            (5, 3, "0.005"),
            (0, 2, "0"),
            (17, 0, "17"),
            (17, -2, "1700"),
            (i128::MIN, 0, "-170141183460469231731687303715884105728"),
        ] {
            let mut text = Vec::new();
            push_decimal(&mut text, unscaled, scale);
            assert_eq!(String::from_utf8(text).unwrap(), expected);
        }
        let mut text = Vec::new();
        push_uuid(&mut text, &0x0011_2233_4455_6677_8899_aabb_ccdd_eeffu128.to_be_bytes());
        assert_eq!(text, b"00112233-4455-6677-8899-aabbccddeeff");
    }
}
