//! Columns of Arrow batches, written and read.

use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, FixedSizeBinaryBuilder, Int64Builder, StringBuilder, StringDictionaryBuilder,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BinaryViewArray, BooleanArray, FixedSizeBinaryArray, Int32Array,
    RecordBatch, StringArray,
};
use arrow_schema::{DataType, Field, TimeUnit};

use crate::row::{Key, ints_of};

/// Why a batch is not what its table promises: which column.
pub(crate) type Malformed = &'static str;

/// Builds a column of words that come again and again.
pub(crate) type WordBuilder = StringDictionaryBuilder<Int32Type>;

pub(crate) fn words(name: &str, nullable: bool) -> Field {
    let kind = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    Field::new(name, kind, nullable)
}

pub(crate) fn integer(name: &str, nullable: bool) -> Field {
    Field::new(name, DataType::Int64, nullable)
}

pub(crate) fn moment(name: &str, nullable: bool) -> Field {
    Field::new(name, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), nullable)
}

/// The columns that hold a subject's key; one of them is not null.
pub(crate) fn subject_fields() -> [Field; 4] {
    [
        integer("subject_int", true),
        Field::new("subject_uuid", DataType::FixedSizeBinary(16), true),
        Field::new("subject_text", DataType::Utf8, true),
        Field::new("subject_bytes", DataType::Binary, true),
    ]
}

/// Builds the columns of [`subject_fields`].
pub(crate) struct SubjectBuilder {
    int: Int64Builder,
    uuid: FixedSizeBinaryBuilder,
    text: StringBuilder,
    bytes: BinaryBuilder,
}

impl SubjectBuilder {
    pub(crate) fn with_capacity(rows: usize) -> SubjectBuilder {
        SubjectBuilder {
            int: Int64Builder::with_capacity(rows),
            uuid: FixedSizeBinaryBuilder::new(16),
            text: StringBuilder::new(),
            bytes: BinaryBuilder::new(),
        }
    }

    pub(crate) fn push(&mut self, key: &Key) {
        let (mut int, mut uuid, mut text, mut bytes) = (None, None, None, None);
        match key {
            Key::Int(key) => int = Some(*key),
            Key::Uuid(key) => uuid = Some(key.to_be_bytes()),
            Key::Text(key) => match std::str::from_utf8(key) {
                Ok(key) => text = Some(key),
                Err(_) => bytes = Some(&**key),
            },
            Key::Unattributed(_) => {}
        }
        self.int.append_option(int);
        match uuid {
            // 16 bytes fit a column of 16 bytes.
            Some(uuid) => drop(self.uuid.append_value(uuid)),
            None => self.uuid.append_null(),
        }
        self.text.append_option(text);
        self.bytes.append_option(bytes);
    }

    pub(crate) fn finish(mut self) -> [ArrayRef; 4] {
        [
            Arc::new(self.int.finish()),
            Arc::new(self.uuid.finish()),
            Arc::new(self.text.finish()),
            Arc::new(self.bytes.finish()),
        ]
    }
}

fn column(batch: &RecordBatch, name: Malformed) -> Result<&ArrayRef, Malformed> {
    batch.column_by_name(name).ok_or(name)
}

/// A column of integers, or of moments as µs since 1970.
pub(crate) struct Integers<'a> {
    values: &'a [i64],
    column: &'a dyn Array,
}

impl<'a> Integers<'a> {
    pub(crate) fn of(batch: &'a RecordBatch, name: Malformed) -> Result<Integers<'a>, Malformed> {
        Integers::typed::<Int64Type>(batch, name)
    }

    pub(crate) fn moments(batch: &'a RecordBatch, name: Malformed) -> Result<Integers<'a>, Malformed> {
        Integers::typed::<TimestampMicrosecondType>(batch, name)
    }

    fn typed<T: ArrowPrimitiveType<Native = i64>>(
        batch: &'a RecordBatch,
        name: Malformed,
    ) -> Result<Integers<'a>, Malformed> {
        let column = column(batch, name)?.as_primitive_opt::<T>().ok_or(name)?;
        Ok(Integers { values: column.values(), column })
    }

    pub(crate) fn get(&self, at: usize) -> Option<i64> {
        self.values.get(at).copied().filter(|_| self.column.is_valid(at))
    }

    /// Returns the values of all rows; where there is none, any.
    pub(crate) fn values(&self) -> &'a [i64] {
        self.values
    }

    /// The same of a column without gaps.
    pub(crate) fn all(&self, name: Malformed) -> Result<&'a [i64], Malformed> {
        if self.column.null_count() == 0 { Ok(self.values) } else { Err(name) }
    }

    pub(crate) fn unsigned(&self, at: usize, name: Malformed) -> Result<u64, Malformed> {
        self.get(at).and_then(|value| u64::try_from(value).ok()).ok_or(name)
    }
}

/// A column of words.
pub(crate) struct Words<'a> {
    keys: &'a Int32Array,
    values: &'a StringArray,
}

impl<'a> Words<'a> {
    pub(crate) fn of(batch: &'a RecordBatch, name: Malformed) -> Result<Words<'a>, Malformed> {
        let dictionary = column(batch, name)?.as_dictionary_opt::<Int32Type>().ok_or(name)?;
        let values = dictionary.values().as_string_opt::<i32>().ok_or(name)?;
        Ok(Words { keys: dictionary.keys(), values })
    }

    /// Returns the place of a word in the batch's dictionary.
    pub(crate) fn place(&self, at: usize) -> Option<usize> {
        let valid = at < self.keys.len() && self.keys.is_valid(at);
        usize::try_from(if valid { self.keys.value(at) } else { -1 })
            .ok()
            .filter(|key| *key < self.values.len())
    }

    pub(crate) fn get(&self, at: usize) -> Option<&'a str> {
        self.place(at).map(|place| self.values.value(place))
    }
}

/// A column of bytes.
pub(crate) enum Blobs<'a> {
    Whole(&'a BinaryArray),
    /// Where the file was read to.
    Viewed(&'a BinaryViewArray),
}

impl<'a> Blobs<'a> {
    pub(crate) fn of(batch: &'a RecordBatch, name: Malformed) -> Result<Blobs<'a>, Malformed> {
        let column = column(batch, name)?;
        let whole = column.as_binary_opt::<i32>().map(Blobs::Whole);
        whole.or_else(|| column.as_binary_view_opt().map(Blobs::Viewed)).ok_or(name)
    }

    pub(crate) fn get(&self, at: usize) -> Option<&'a [u8]> {
        match self {
            Blobs::Whole(all) => (at < all.len() && all.is_valid(at)).then(|| all.value(at)),
            Blobs::Viewed(all) => (at < all.len() && all.is_valid(at)).then(|| all.value(at)),
        }
    }
}

/// Says of each row of one of the columns of [`subject_fields`] whether its key is one of `keys`, rising.
pub(crate) fn has_key(batch: &RecordBatch, name: Malformed, keys: &[Key]) -> Result<BooleanArray, Malformed> {
    let column = column(batch, name)?;
    match name {
        "subject_int" => {
            let ints: Vec<i64> = ints_of(keys).collect();
            Ok(are_among(column.as_primitive_opt::<Int64Type>().ok_or(name)?.iter(), &ints))
        }
        "subject_uuid" => {
            let uuid = |key: &Key| if let Key::Uuid(key) = key { Some(key.to_be_bytes()) } else { None };
            let uuids: Vec<[u8; 16]> = keys.iter().filter_map(uuid).collect();
            let column = column.as_fixed_size_binary_opt().ok_or(name)?;
            Ok(are_among(column.iter().map(|key| key.and_then(|key| key.try_into().ok())), &uuids))
        }
        _ => {
            let texts: Vec<&[u8]> = keys
                .iter()
                .filter_map(|key| if let Key::Text(key) = key { Some(&**key) } else { None })
                .collect();
            match column.as_string_opt::<i32>() {
                Some(column) => Ok(are_among(column.iter().map(|key| key.map(str::as_bytes)), &texts)),
                None => Ok(are_among(column.as_binary_opt::<i32>().ok_or(name)?.iter(), &texts)),
            }
        }
    }
}

/// Says of each of some values whether it is one of `keys`, rising; the values mostly rise too.
fn are_among<K: Ord>(values: impl Iterator<Item = Option<K>>, keys: &[K]) -> BooleanArray {
    let (mut at, mut last) = (0, None);
    let is_among = |value: Option<K>| {
        let Some(value) = value else { return Some(false) };
        if last.as_ref().is_some_and(|last| value < *last) {
            at = 0;
        }
        while keys.get(at).is_some_and(|key| *key < value) {
            at += 1;
        }
        let found = keys.get(at) == Some(&value);
        last = Some(value);
        Some(found)
    };
    values.map(is_among).collect()
}

/// The columns of [`subject_fields`], so far as they were read.
pub(crate) struct SubjectColumns<'a> {
    int: Option<Integers<'a>>,
    uuid: Option<&'a FixedSizeBinaryArray>,
    text: Option<&'a StringArray>,
    bytes: Option<Blobs<'a>>,
}

impl<'a> SubjectColumns<'a> {
    pub(crate) fn of(batch: &'a RecordBatch) -> Result<SubjectColumns<'a>, Malformed> {
        let has = |name| batch.column_by_name(name);
        Ok(SubjectColumns {
            int: has("subject_int").map(|_| Integers::of(batch, "subject_int")).transpose()?,
            uuid: has("subject_uuid")
                .map(|column| column.as_fixed_size_binary_opt().ok_or("subject_uuid"))
                .transpose()?,
            text: has("subject_text")
                .map(|column| column.as_string_opt::<i32>().ok_or("subject_text"))
                .transpose()?,
            bytes: has("subject_bytes").map(|_| Blobs::of(batch, "subject_bytes")).transpose()?,
        })
    }

    /// Returns the key; `None` if there is none.
    pub(crate) fn get(&self, at: usize) -> Option<Key> {
        if let Some(key) = self.int.as_ref().and_then(|keys| keys.get(at)) {
            return Some(Key::Int(key));
        }
        if let Some(keys) = self.uuid.filter(|keys| at < keys.len() && keys.is_valid(at)) {
            return keys.value(at).try_into().ok().map(|key| Key::Uuid(u128::from_be_bytes(key)));
        }
        if let Some(keys) = self.text.filter(|keys| at < keys.len() && keys.is_valid(at)) {
            return Some(Key::Text(keys.value(at).as_bytes().into()));
        }
        self.bytes.as_ref().and_then(|keys| keys.get(at)).map(|key| Key::Text(key.into()))
    }
}
