//! Reads one statement of a text: what of it has to be asked about before it runs.

use pg_query::NodeEnum;
use pg_query::protobuf::Node;

use super::level::Level;
use super::parts::{Part, Shown, parts};
use super::resolve::Resolver;
use super::schema::Schema;
use super::{Question, copy, cover};
use crate::SubjectScan;
use crate::copy_rows::CopyRows;

/// What one statement told.
#[derive(Clone, Default)]
pub(super) struct Read {
    pub(super) opaque: bool,
    pub(super) runs_unseen: bool,
    pub(super) by_literals: bool,
    pub(super) mixed: bool,
    /// The statement is a COPY to the client, and its rows are these.
    pub(super) copy: Option<CopyRows>,
    /// The statement is a query whose rows show one subject each.
    pub(super) one_each: Option<SubjectScan>,
}

/// Gives the text of the PREPARE that made a statement, by name.
type Prepared<'p> = &'p dyn Fn(&str) -> Option<String>;

/// Reads one statement: adds to `questions` what has to be asked before it runs.
///
/// * `alone`: no other statement is in the text.
pub(super) fn read(
    node: &Node,
    schema: &Schema,
    (prepared, alone): (Prepared<'_>, bool),
    questions: &mut Vec<Question>,
) -> Read {
    let mut read = Read::default();
    let Some(executed) = with_prepared(node, prepared, &mut read.by_literals) else {
        return Read { opaque: true, ..read };
    };
    // The text of a block is one literal.
    read.by_literals |= matches!(executed.node, Some(NodeEnum::DoStmt(_)));
    let Some(parts) = parts(&executed, schema) else {
        return Read { opaque: true, runs_unseen: true, ..read };
    };
    let mut format = match &executed.node {
        Some(NodeEnum::CopyStmt(copy)) => copy::format(copy),
        _ => None,
    };
    let gives_rows = match &executed.node {
        Some(NodeEnum::SelectStmt(_)) => true,
        Some(NodeEnum::CopyStmt(copy)) => {
            copy.query.as_deref().is_none_or(|query| matches!(query.node, Some(NodeEnum::SelectStmt(_))))
        }
        _ => false,
    };
    let alone = alone && parts.len() == 1;
    for part in parts {
        let mut resolver = Resolver::new(schema);
        let question = match part {
            Part::Select(select, shown) => {
                let level = resolver.select(&select);
                let mut shown = shown;
                if shown == Shown::Copied && alone && !resolver.has_namesakes {
                    read.copy = format.take().and_then(|format| copy::rows(&level, format));
                    if read.copy.is_some() {
                        shown = Shown::Rows;
                    }
                }
                read.mixed |= shown == Shown::Rows && cover::is_mixed(&level);
                if shown == Shown::Rows && alone && gives_rows {
                    read.one_each = cover::one_each(&level);
                }
                let needed = shown.needed(&level);
                Question { level, needed }
            }
            Part::Code(code, given) => {
                let mut level = Level::default();
                let needed = resolver.run(&code, given, &mut level);
                Question { level, needed }
            }
        };
        read.opaque |= resolver.opaque | resolver.unseen_code;
        read.runs_unseen |= resolver.unseen_code;
        read.by_literals |= resolver.by_literals;
        if !question.needed.is_empty() || question.level.has_weak() {
            questions.push(question);
        }
    }
    read
}

// Puts the text of a prepared statement in the place of its name; `None` if it is not known.
fn with_prepared(
    node: &Node,
    prepared: &dyn Fn(&str) -> Option<String>,
    by_literals: &mut bool,
) -> Option<Node> {
    let mut node = node.clone();
    let place = match &mut node.node {
        Some(NodeEnum::CreateTableAsStmt(create)) => create.query.as_deref_mut(),
        Some(NodeEnum::ExplainStmt(explain)) => explain.query.as_deref_mut(),
        _ => Some(&mut node),
    };
    let Some(place) = place else { return Some(node) };
    if let Some(NodeEnum::ExecuteStmt(execute)) = &place.node {
        *by_literals = true;
        let statements = super::parse(&prepared(&execute.name)?)?.protobuf.stmts;
        let prepare = statements.into_iter().find_map(|raw| match raw.stmt?.node? {
            NodeEnum::PrepareStmt(prepare) if prepare.name == execute.name => Some(prepare),
            _ => None,
        });
        *place = super::parameters::fill_in(prepare?.query.as_deref()?, &execute.params)?;
    }
    Some(node)
}
