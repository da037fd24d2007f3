//! Cells of a result as text and as JSON.

use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

/// The cells of a batch.
pub struct Printed<'a> {
    columns: Vec<(ArrayFormatter<'a>, &'a dyn Array)>,
}

impl<'a> Printed<'a> {
    /// Prepares a batch.
    ///
    /// # Errors
    /// A column is of a type that has no text.
    pub fn of(batch: &'a RecordBatch) -> Result<Printed<'a>, ArrowError> {
        // They must live as long as the batch.
        static OPTIONS: FormatOptions<'static> = FormatOptions::new().with_display_error(true);
        let columns = batch.columns().iter();
        let columns = columns.map(|column| {
            Ok((ArrayFormatter::try_new(column.as_ref(), &OPTIONS)?, column.as_ref() as &dyn Array))
        });
        Ok(Printed { columns: columns.collect::<Result<_, ArrowError>>()? })
    }

    /// Returns a row's cells.
    pub fn row(&self, row: usize) -> Vec<PrintedCell> {
        let cell = |(formatter, array): &(ArrayFormatter<'_>, &dyn Array)| PrintedCell {
            text: (!array.is_null(row)).then(|| formatter.value(row).to_string()),
            is_bare: array.data_type().is_numeric() || *array.data_type() == DataType::Boolean,
        };
        self.columns.iter().map(cell).collect()
    }
}

/// One cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrintedCell {
    text: Option<String>,
    /// A number or truth value: written without quotes in JSON.
    is_bare: bool,
}

impl PrintedCell {
    /// Returns the text; of null, none.
    pub fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }

    /// Returns the value as JSON.
    pub fn json(&self) -> serde_json::Value {
        match &self.text {
            None => serde_json::Value::Null,
            Some(text) if self.is_bare => {
                serde_json::from_str(text).unwrap_or_else(|_| serde_json::Value::String(text.clone()))
            }
            Some(text) => serde_json::Value::String(text.clone()),
        }
    }
}
