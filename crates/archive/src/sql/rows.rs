//! Entries as rows of the two tables.

use std::sync::{Arc, LazyLock};

use arrow_array::builder::{Int64Builder, StringBuilder, TimestampMicrosecondBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema as Columns, SchemaRef, TimeUnit};
use datafusion::common::DataFusionError;
use rastro_ledger::{Content, Entry, Subjects};
use rastro_model::Timestamp;

use crate::archive::{Query, combination_of};
use crate::assemble::Wanted;
use crate::error::ArchiveError;
use crate::row::{Key, What};
use crate::told;

const BATCH_ROWS: usize = 8192;

/// Which table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    Statements,
    Disclosures,
}

fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}

fn number(name: &str) -> Field {
    Field::new(name, DataType::Int64, true)
}

static STATEMENTS: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields = vec![number("entry"), time_field()];
    fields.extend(["what", "principal", "login", "client_addr", "database", "application"].map(text));
    fields.extend(["session", "statement", "fingerprint"].map(number));
    fields.extend(["text", "outcome"].map(text));
    fields.extend(["rows", "subjects"].map(number));
    fields.extend(["by", "why"].map(text));
    Arc::new(Columns::new(fields))
});

static DISCLOSURES: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields = vec![number("entry"), time_field()];
    fields.extend(
        ["principal", "login", "kind", "subject", "fields", "certainty", "text", "outcome"].map(text),
    );
    fields.push(number("unattributed"));
    Arc::new(Columns::new(fields))
});

fn time_field() -> Field {
    Field::new("time", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true)
}

impl Rows {
    pub(super) fn name(self) -> &'static str {
        match self {
            Rows::Statements => "statements",
            Rows::Disclosures => "disclosures",
        }
    }

    pub(super) fn columns_ref(self) -> &'static SchemaRef {
        match self {
            Rows::Statements => &STATEMENTS,
            Rows::Disclosures => &DISCLOSURES,
        }
    }

    pub(super) fn columns(self) -> SchemaRef {
        Arc::clone(self.columns_ref())
    }

    /// Sends the rows of entries in batches until there are no more or nobody takes them.
    pub(super) fn write(
        self,
        entries: impl Iterator<Item = Result<Entry, ArchiveError>>,
        query: &Query,
        mut send: impl FnMut(RecordBatch) -> bool,
    ) -> Result<(), DataFusionError> {
        let wanted = query.subjects.clone().map(Wanted::new);
        let mut sheet = Sheet::new(self);
        for entry in entries {
            let entry = entry.map_err(|error| DataFusionError::External(error.into()))?;
            let told = told_of(&entry);
            let Some(shared) = self.shared(&entry, told.as_deref()) else { continue };
            match self {
                Rows::Statements => sheet.push(&shared, &[]),
                Rows::Disclosures => {
                    let Content::Disclosure(disclosure) = &entry.content else { continue };
                    for set in &disclosure.sets {
                        let common = combination_of(set.kind, set.fields, set.certainty, &entry.schema);
                        for key in Key::all_of(&set.subjects) {
                            if wanted.as_ref().is_some_and(|wanted| !wanted.has(&key)) {
                                continue;
                            }
                            let subject = key.subject().map(|subject| subject.to_string());
                            let rows =
                                if let Key::Unattributed(rows) = key { Some(i64::from(rows)) } else { None };
                            let own = [
                                Cell::Text(Some(&common.kind)),
                                Cell::Text(subject.as_deref()),
                                Cell::Text(Some(&common.fields)),
                                Cell::Text(Some(common.certainty.as_str())),
                                Cell::Text(Some(&disclosure.text.sql)),
                                Cell::Text(Some(disclosure.outcome.as_str())),
                                Cell::Number(rows),
                            ];
                            sheet.push(&shared, &own);
                            if sheet.rows == BATCH_ROWS && !send(sheet.take()?) {
                                return Ok(());
                            }
                        }
                    }
                }
            }
            if sheet.rows >= BATCH_ROWS && !send(sheet.take()?) {
                return Ok(());
            }
        }
        if sheet.rows > 0 {
            send(sheet.take()?);
        }
        Ok(())
    }

    /// Returns the cells that all rows of an entry share; `None` if it has no row. `told`: see [`told_of`].
    fn shared<'a>(self, entry: &'a Entry, told: Option<&'a str>) -> Option<Vec<Cell<'a>>> {
        let number = i64::try_from(entry.no.0).ok();
        let mut cells = vec![Cell::Number(number), Cell::Time(entry.time())];
        let (what, principal, session) = match &entry.content {
            Content::Disclosure(d) => (What::Disclosure(d.outcome), Some(&d.principal), Some(&d.session)),
            Content::Reason(r) => (What::Reason, Some(&r.principal), None),
            Content::Control(c) => (What::Control(c.kind), c.principal.as_ref(), c.session.as_ref()),
            Content::ErasedReason(r) => (What::ErasedReason, Some(&r.principal), None),
            Content::Erasure(_) => (What::Erasure, None, None),
            Content::Account(a) => (What::Account, None, Some(&a.session)),
        };
        let (word, outcome) = what.words();
        let login = session.map(|session| session.facts.login.as_str());
        if self == Rows::Disclosures {
            cells.push(Cell::Text(principal.map(|principal| principal.as_str())));
            cells.push(Cell::Text(login));
            return matches!(what, What::Disclosure(_)).then_some(cells);
        }
        let facts = session.map(|session| &session.facts);
        let disclosure =
            if let Content::Disclosure(disclosure) = &entry.content { Some(disclosure) } else { None };
        let control = if let Content::Control(control) = &entry.content { Some(control) } else { None };
        let why = match &entry.content {
            Content::Reason(reason) => Some(&*reason.reason),
            _ => control.map(|control| &*control.why),
        };
        let by = match &entry.content {
            Content::Erasure(erasure) => Some(&*erasure.by),
            _ => control.map(|control| &*control.by),
        };
        let why = why.or(told);
        let is_attributed =
            |set: &&rastro_ledger::SubjectSet| !matches!(set.subjects, Subjects::Unattributed { .. });
        let subjects = |d: &rastro_ledger::Disclosure| {
            d.sets.iter().filter(is_attributed).map(|set| set.subjects.len() as i64).sum()
        };
        cells.extend([
            Cell::Text(Some(word)),
            Cell::Text(principal.map(|principal| principal.as_str())),
            Cell::Text(login),
            Cell::Text(facts.map(|facts| &*facts.client_addr)),
            Cell::Text(facts.map(|facts| &*facts.database)),
            Cell::Text(facts.map(|facts| &*facts.application)),
            Cell::Number(session.map(|session| session.id.cast_signed())),
            Cell::Number(disclosure.map(|d| d.statement.cast_signed())),
            Cell::Number(disclosure.map(|d| d.text.fingerprint.cast_signed())),
            Cell::Text(disclosure.map(|d| &*d.text.sql)),
            Cell::Text(outcome),
            Cell::Number(disclosure.map(|d| i64::from(d.rows))),
            Cell::Number(disclosure.map(subjects)),
            Cell::Text(by),
            Cell::Text(why),
        ]);
        Some(cells)
    }
}

/// Returns what `why` says of an entry that has its details there, as JSON.
fn told_of(entry: &Entry) -> Option<String> {
    match &entry.content {
        Content::ErasedReason(reason) => Some(told::of_erased_reason(reason)),
        Content::Erasure(erasure) => Some(told::of_erasure(erasure)),
        Content::Account(account) => Some(told::of_account(account)),
        _ => None,
    }
}

#[derive(Clone, Copy)]
enum Cell<'a> {
    Number(Option<i64>),
    Text(Option<&'a str>),
    Time(Timestamp),
}

enum Builder {
    Number(Int64Builder),
    Text(StringBuilder),
    Time(TimestampMicrosecondBuilder),
}

/// A batch being filled.
struct Sheet {
    columns: SchemaRef,
    builders: Vec<Builder>,
    rows: usize,
}

impl Sheet {
    fn new(rows: Rows) -> Sheet {
        let columns = rows.columns();
        let builders = columns.fields().iter().map(|field| match field.data_type() {
            DataType::Int64 => Builder::Number(Int64Builder::new()),
            DataType::Utf8 => Builder::Text(StringBuilder::new()),
            _ => Builder::Time(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
        });
        Sheet { builders: builders.collect(), columns, rows: 0 }
    }

    fn push(&mut self, shared: &[Cell<'_>], own: &[Cell<'_>]) {
        self.rows += 1;
        for (builder, cell) in self.builders.iter_mut().zip(shared.iter().chain(own)) {
            match (builder, cell) {
                (Builder::Number(builder), Cell::Number(number)) => builder.append_option(*number),
                (Builder::Text(builder), Cell::Text(text)) => builder.append_option(*text),
                (Builder::Time(builder), Cell::Time(time)) => builder.append_value(time.0),
                (Builder::Number(builder), _) => builder.append_null(),
                (Builder::Text(builder), _) => builder.append_null(),
                (Builder::Time(builder), _) => builder.append_null(),
            }
        }
    }

    fn take(&mut self) -> Result<RecordBatch, DataFusionError> {
        self.rows = 0;
        let arrays = self.builders.iter_mut().map(|builder| -> ArrayRef {
            match builder {
                Builder::Number(builder) => Arc::new(builder.finish()),
                Builder::Text(builder) => Arc::new(builder.finish()),
                Builder::Time(builder) => Arc::new(builder.finish().with_timezone("UTC")),
            }
        });
        Ok(RecordBatch::try_new(Arc::clone(&self.columns), arrays.collect())?)
    }
}
