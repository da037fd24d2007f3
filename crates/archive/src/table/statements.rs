use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::{Int64Builder, TimestampMicrosecondBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, Field};
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::WriterPropertiesBuilder;
use parquet::schema::types::ColumnPath;
use rastro_ledger::{Session, SessionFacts, StatementText};
use rastro_model::{Login, Principal};

use super::{Table, encoded, indexed, paged, rising};
use crate::clock::{Clock, Tick};
use crate::columns::{Integers, Malformed, WordBuilder, Words, integer, moment, words};
use crate::row::{Statement, What};

pub(super) fn fields() -> Vec<Field> {
    vec![
        integer("line", false),
        moment("time", false),
        integer("after", false),
        words("what", false),
        words("principal", true),
        integer("session", true),
        words("login", true),
        words("client_addr", true),
        words("database", true),
        words("application", true),
        integer("statement", true),
        integer("fingerprint", true),
        words("text", true),
        words("outcome", true),
        integer("rows", true),
        words("by", true),
        words("why", true),
        integer("schema", false),
    ]
}

pub(super) fn lay_out(mut all: WriterPropertiesBuilder) -> WriterPropertiesBuilder {
    for column in ["line", "session", "statement"] {
        all = rising(all, column);
    }
    // All but the highest of their bytes are noise: delta coding would spend on how long the longest pause is.
    all = paged(encoded(all, "time", Encoding::BYTE_STREAM_SPLIT), "time", 16 << 10);
    // Five bits, in which zstd would find nothing.
    all = paged(all, "after", 2 << 10);
    all = all.set_column_compression(ColumnPath::from("after"), Compression::UNCOMPRESSED);
    all = indexed(all, "principal");
    // A dictionary that overflows would write every text out.
    for column in ["text", "client_addr", "why", "by"] {
        all = all.set_column_dictionary_page_size_limit(ColumnPath::from(column), 64 << 20);
    }
    all
}

/// A statement with its line, and how far its entry is after the tick of its time.
type StatementRow = (u64, i64, Statement);

/// Makes a batch of rows.
pub(crate) fn encode_statements(statements: &[StatementRow]) -> Result<RecordBatch, ArrowError> {
    let n = statements.len();
    let integers = || Int64Builder::with_capacity(n);
    let (mut rows, mut after, mut session, mut ordinal) = (integers(), integers(), integers(), integers());
    let (mut fingerprint, mut shown, mut schema) = (integers(), integers(), integers());
    let mut time = TimestampMicrosecondBuilder::with_capacity(n).with_timezone("UTC");
    let (mut what, mut principal, mut login) = (WordBuilder::new(), WordBuilder::new(), WordBuilder::new());
    let (mut addr, mut database, mut application) =
        (WordBuilder::new(), WordBuilder::new(), WordBuilder::new());
    let (mut text, mut outcome, mut by, mut why) =
        (WordBuilder::new(), WordBuilder::new(), WordBuilder::new(), WordBuilder::new());
    for (row, ticks, statement) in statements {
        rows.append_value(row.cast_signed());
        time.append_value(statement.time);
        after.append_value(*ticks);
        let (word, result) = statement.what.words();
        what.append(word)?;
        outcome.append_option(result);
        principal.append_option(statement.principal.as_ref().map(Principal::as_str));
        let facts = statement.session.as_ref().map(|session| &session.facts);
        session.append_option(statement.session.as_ref().map(|session| session.id.cast_signed()));
        login.append_option(facts.map(|facts| facts.login.as_str()));
        addr.append_option(facts.map(|facts| &*facts.client_addr));
        database.append_option(facts.map(|facts| &*facts.database));
        application.append_option(facts.map(|facts| &*facts.application));
        let is_disclosure = matches!(statement.what, What::Disclosure(_));
        ordinal.append_option(is_disclosure.then(|| statement.ordinal.cast_signed()));
        fingerprint.append_option(statement.text.as_ref().map(|text| text.fingerprint.cast_signed()));
        text.append_option(statement.text.as_ref().map(|text| &*text.sql));
        shown.append_option(is_disclosure.then(|| i64::from(statement.rows)));
        by.append_option(statement.by.as_deref());
        why.append_option(statement.why.as_deref());
        schema.append_value(i64::from(statement.schema));
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.finish()),
        Arc::new(time.finish()),
        Arc::new(after.finish()),
        Arc::new(what.finish()),
        Arc::new(principal.finish()),
        Arc::new(session.finish()),
        Arc::new(login.finish()),
        Arc::new(addr.finish()),
        Arc::new(database.finish()),
        Arc::new(application.finish()),
        Arc::new(ordinal.finish()),
        Arc::new(fingerprint.finish()),
        Arc::new(text.finish()),
        Arc::new(outcome.finish()),
        Arc::new(shown.finish()),
        Arc::new(by.finish()),
        Arc::new(why.finish()),
        Arc::new(schema.finish()),
    ];
    RecordBatch::try_new(Table::Statements.columns(), columns)
}

/// Returns when each entry of a batch was, and its number: counted from the tick of its time, or in files of earlier
/// versions written out.
pub(crate) fn ticks_of(batch: &RecordBatch, clock: &Clock) -> Result<Vec<Tick>, Malformed> {
    let written_out = batch.column_by_name("entry").is_some();
    let name = if written_out { "entry" } else { "after" };
    let numbers = Integers::of(batch, name)?;
    let times = Integers::moments(batch, "time")?.all("time")?;
    let of_row = |(time, number): (&i64, &i64)| {
        let entry = if written_out { u64::try_from(*number).ok() } else { clock.entry(*number, *time) };
        Ok(Tick { time: *time, entry: entry.ok_or(name)? })
    };
    times.iter().zip(numbers.all(name)?).map(of_row).collect()
}

/// Reads batches of `statements`; what rows share is made once.
#[derive(Debug, Default)]
pub(crate) struct StatementReader {
    clock: Arc<Clock>,
    principals: HashMap<Box<str>, Principal>,
    sessions: HashMap<u64, Arc<Session>>,
    texts: HashMap<u64, Arc<StatementText>>,
}

/// Sessions and texts remembered.
const KEPT_MAX: usize = 100_000;

impl StatementReader {
    pub(crate) fn new(clock: Arc<Clock>) -> StatementReader {
        StatementReader { clock, ..StatementReader::default() }
    }

    /// Returns the rows of a batch with their lines.
    pub(crate) fn decode(&mut self, batch: &RecordBatch) -> Result<Vec<(u64, Statement)>, Malformed> {
        let row = Integers::of(batch, "line")?;
        let ticks = ticks_of(batch, &self.clock)?;
        let (what, outcome) = (Words::of(batch, "what")?, Words::of(batch, "outcome")?);
        let principal = Words::of(batch, "principal")?;
        let session = Integers::of(batch, "session")?;
        let facts = ["login", "client_addr", "database", "application"].map(|name| Words::of(batch, name));
        let [login, addr, database, application] = facts;
        let (login, addr, database, application) = (login?, addr?, database?, application?);
        let (ordinal, fingerprint) = (Integers::of(batch, "statement")?, Integers::of(batch, "fingerprint")?);
        let (text, shown) = (Words::of(batch, "text")?, Integers::of(batch, "rows")?);
        let (by, why, schema) =
            (Words::of(batch, "by")?, Words::of(batch, "why")?, Integers::of(batch, "schema")?);
        if self.sessions.len() > KEPT_MAX || self.texts.len() > KEPT_MAX {
            *self = StatementReader::new(Arc::clone(&self.clock));
        }
        let mut statements = Vec::with_capacity(batch.num_rows());
        for (at, Tick { time, entry }) in ticks.into_iter().enumerate() {
            let what = what.get(at).and_then(|word| What::of_words(word, outcome.get(at))).ok_or("what")?;
            let session = match session.get(at) {
                None => None,
                Some(id) => {
                    let id = id.cast_unsigned();
                    let word = |column: &Words<'_>| column.get(at).unwrap_or_default().to_owned();
                    let same = |known: &Session| {
                        let facts = &known.facts;
                        login.get(at) == Some(facts.login.as_str())
                            && addr.get(at) == Some(&facts.client_addr)
                            && database.get(at) == Some(&facts.database)
                            && application.get(at) == Some(&facts.application)
                    };
                    match self.sessions.get(&id).filter(|known| same(known)) {
                        Some(known) => Some(Arc::clone(known)),
                        None => {
                            let facts = SessionFacts {
                                login: Login::new(word(&login)),
                                client_addr: word(&addr),
                                database: word(&database),
                                application: word(&application),
                            };
                            let session = Arc::new(Session { id, facts });
                            self.sessions.insert(id, Arc::clone(&session));
                            Some(session)
                        }
                    }
                }
            };
            let text = match (fingerprint.get(at), text.get(at)) {
                (Some(fingerprint), Some(sql)) => Some(self.text(fingerprint.cast_unsigned(), sql)),
                _ => None,
            };
            let statement = Statement {
                entry,
                time,
                what,
                principal: principal.get(at).map(|name| self.principal(name)),
                session,
                ordinal: ordinal.get(at).unwrap_or_default().cast_unsigned(),
                text,
                rows: u32::try_from(shown.get(at).unwrap_or_default()).map_err(|_| "rows")?,
                by: by.get(at).map(Arc::from),
                why: why.get(at).map(Arc::from),
                schema: schema.get(at).and_then(|at| u32::try_from(at).ok()).ok_or("schema")?,
            };
            statements.push((row.unsigned(at, "line")?, statement));
        }
        Ok(statements)
    }

    fn principal(&mut self, name: &str) -> Principal {
        if let Some(known) = self.principals.get(name) {
            return known.clone();
        }
        let principal = Principal::new(name);
        self.principals.insert(name.into(), principal.clone());
        principal
    }

    fn text(&mut self, fingerprint: u64, sql: &str) -> Arc<StatementText> {
        match self.texts.get(&fingerprint).filter(|known| known.sql == sql) {
            Some(known) => Arc::clone(known),
            None => {
                let text = Arc::new(StatementText { fingerprint, sql: sql.to_owned() });
                self.texts.insert(fingerprint, Arc::clone(&text));
                text
            }
        }
    }
}
