//! Step 3, lineage: what the results and conditions of a statement depend on, on PostgreSQL's own parser and
//! resolved against the catalogue; from it the key query of step 4 ([`crate::provenance`]).

mod changes;
mod code;
mod copy;
mod cover;
mod definition;
mod expression;
mod from;
mod level;
mod parameters;
mod parts;
mod resolve;
mod schema;
mod statement;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod tree;
mod unfold;
mod words;

pub use schema::{
    LINEAGE_CODE_SQL, LINEAGE_COLUMNS_SQL, LINEAGE_INDEXES_SQL, LINEAGE_NAMESAKES_SQL, LINEAGE_ROUTINES_SQL,
    LINEAGE_VIEWS_SQL, Schema, SchemaBuilder,
};

pub use definition::computes_at_once;
pub(crate) use level::{Conjunct, Deps, Item, Level, Place, Source};
pub(crate) use parameters::{print, renumber};
pub(crate) use parts::reading_with;
pub(crate) use resolve::output_index;

use std::sync::Arc;

use crate::SubjectScan;
use crate::copy_rows::CopyRows;
use crate::provenance::{self, KeyQuery};

// Longer texts are not parsed: what they give counts as dependent.
const TEXT_BYTES_MAX: usize = 128 * 1024;
// The parser takes a few hundred bytes of stack for each level of nesting, and a level takes two bytes of
// text; above this length it gets a stack of its own.
const SHALLOW_BYTES_MAX: usize = 1024;
// Enough for the longest text; what is not used is never touched.
const STACK_BYTES: usize = 512 * 1024 * 1024;

/// What has to be known of a statement's subjects before it runs.
pub(crate) struct Question {
    pub(crate) level: Level,
    pub(crate) needed: Deps,
}

/// What a text gives away, as far as it tells.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lineage {
    /// Asks for the subjects that the rows themselves do not tell; to be run before the text.
    pub query: Option<KeyQuery>,
    /// Something cannot be seen through, so that rows without an origin may show anything.
    pub opaque: bool,
    /// It runs code that cannot be seen through, whose errors may show anything too.
    pub runs_unseen: bool,
    /// The same text with other literals may give away something else.
    pub by_literals: bool,
    /// Rows show keys of one occurrence of a relation beside fields of another, so that their origins
    /// attribute nothing for sure.
    pub mixed: bool,
    /// The text is one COPY … TO STDOUT, and this is what its rows are; `None` too if that is not known.
    pub copy: Option<Arc<CopyRows>>,
    /// The text is one query, each row of which shows one subject and nobody else: reads that off the row's
    /// values, in place of asking.
    pub one_each: Option<Arc<SubjectScan>>,
}

impl Lineage {
    /// Of a text that cannot be read.
    pub fn opaque() -> Lineage {
        Lineage { opaque: true, by_literals: true, ..Lineage::default() }
    }

    /// Returns whether the rows tell by themselves whom they show, if they show anybody.
    pub fn is_plain(&self) -> bool {
        self.query.is_none() && !self.opaque && !self.mixed && self.copy.is_none()
    }
}

/// Reads a text of one or more statements. Never fails: what cannot be parsed is opaque.
///
/// * `prepared`: gives the text of the PREPARE that made a statement, by name.
pub fn analyse(sql: &str, schema: &Schema, prepared: &(dyn Fn(&str) -> Option<String> + Sync)) -> Lineage {
    if !schema.concerns(sql) {
        return Lineage::default();
    }
    if sql.len() > TEXT_BYTES_MAX {
        return Lineage::opaque();
    }
    // A short text may call code that is nested deep.
    on_deep_stack(|| Some(analyse_here(sql, schema, prepared))).unwrap_or_else(Lineage::opaque)
}

fn analyse_here(sql: &str, schema: &Schema, prepared: &dyn Fn(&str) -> Option<String>) -> Lineage {
    let Ok(parsed) = pg_query::parse(sql, 0) else { return Lineage::opaque() };
    let mut questions = Vec::new();
    let mut lineage = Lineage::default();
    let alone = parsed.protobuf.stmts.len() == 1;
    for raw in &parsed.protobuf.stmts {
        if let Some(statement) = &raw.stmt {
            let read = statement::read(statement, schema, (prepared, alone), &mut questions);
            lineage.opaque |= read.opaque;
            lineage.runs_unseen |= read.runs_unseen;
            lineage.by_literals |= read.by_literals;
            lineage.mixed |= read.mixed;
            lineage.copy = read.copy.map(Arc::new);
            lineage.one_each = read.one_each.map(Arc::new);
        }
    }
    if !questions.is_empty() {
        let compiled = provenance::compile(&questions, schema);
        lineage.opaque |= compiled.is_partial;
        lineage.query = compiled.query;
    }
    lineage
}

/// Returns the names of the statements that a text prepares; empty if it cannot be read.
pub fn prepared_names(sql: &str) -> Vec<String> {
    if sql.len() > TEXT_BYTES_MAX {
        return Vec::new();
    }
    let statements = parse(sql).map(|parsed| parsed.protobuf.stmts).unwrap_or_default();
    let name = |raw: pg_query::protobuf::RawStmt| match raw.stmt?.node? {
        pg_query::NodeEnum::PrepareStmt(prepare) => Some(prepare.name),
        _ => None,
    };
    statements.into_iter().filter_map(name).collect()
}

fn parse(sql: &str) -> Option<pg_query::ParseResult> {
    if sql.len() <= SHALLOW_BYTES_MAX {
        return pg_query::parse(sql, 0).ok();
    }
    on_deep_stack(|| pg_query::parse(sql, 0).ok())
}

// Runs something on a stack that is deep enough for the longest text.
fn on_deep_stack<T: Send>(read: impl FnOnce() -> Option<T> + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let deep = std::thread::Builder::new().name("parse".into()).stack_size(STACK_BYTES);
        deep.spawn_scoped(scope, read).ok()?.join().ok().flatten()
    })
}
