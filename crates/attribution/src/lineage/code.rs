//! Code that statements run: functions, blocks, rules, triggers; read as the statements it may run.
//!
//! Control flow is left out: every branch counts as taken, every loop as run. What the steps of a code are
//! given stands before them as sub-selects: its arguments, and the variables that are set once.

mod block;
mod constant;
mod routine;

use std::collections::BTreeSet;

use pg_query::protobuf::{Node, SelectStmt, TypeName};

pub(super) use block::read_block;
pub(super) use constant::fold;
pub(super) use routine::{dollar_quote, read_expression, read_routine, read_rule};

/// The body of a function, block, rule or trigger.
#[derive(Clone, Debug, Default)]
pub(crate) struct Code {
    /// The name by which its steps may qualify its parameters.
    pub(crate) name: String,
    pub(crate) parameters: Vec<Parameter>,
    /// Takes any number of arguments.
    pub(crate) variadic: bool,
    /// All names that may stand for something other than a column.
    pub(crate) variables: BTreeSet<String>,
    /// Those that are set more than once, so that nobody knows what they hold.
    pub(crate) changed: BTreeSet<String>,
    pub(crate) steps: Vec<Step>,
}

/// A parameter that a call gives a value for.
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    /// `None` for a type that nothing can be cast to.
    pub(crate) type_name: Option<TypeName>,
    pub(crate) default: Option<Node>,
}

/// One statement of a code.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Run(Node),
    /// A select is run, and from there on names stand for what it gives.
    Bind {
        bound: Bound,
        select: SelectStmt,
    },
    /// The text that an expression gives is run.
    Execute {
        text: Node,
        using: Vec<Node>,
        bound: Option<Bound>,
    },
    /// Nobody can say what is run.
    Unseen,
}

/// What a select's row is called: a row by its alias, or its columns.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub(crate) alias: String,
    pub(crate) columns: Vec<String>,
}

impl Bound {
    /// Returns the names that it gives a meaning to.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let alias = self.columns.is_empty().then_some(self.alias.as_str());
        alias.into_iter().chain(self.columns.iter().map(String::as_str))
    }
}

impl Code {
    /// Returns whether a step names a variable; true if that cannot be told.
    pub(super) fn mentions(&self, name: &str) -> bool {
        let in_node = |node: &Node| {
            let text = super::parameters::print(node);
            text.and_then(|text| names_used(&text)).is_none_or(|used| used.contains(name))
        };
        self.steps.iter().any(|step| match step {
            Step::Run(node) => in_node(node),
            Step::Bind { select, .. } => in_node(&super::tree::select_node(select.clone())),
            Step::Execute { text, using, .. } => std::iter::once(text).chain(using).any(|value| {
                let mut select = super::tree::plain_select();
                select.target_list = vec![super::tree::target("", value.clone())];
                in_node(&super::tree::select_node(select))
            }),
            Step::Unseen => true,
        })
    }
}

/// Returns the names of the functions that a printed statement calls, or may call.
pub(super) fn names_called(text: &str) -> Option<BTreeSet<String>> {
    let tokens = pg_query::scan_tokens(text).ok()?;
    let word = |at: usize| {
        let token = tokens.get(at)?;
        text.get(usize::try_from(token.start).ok()?..usize::try_from(token.end).ok()?)
    };
    let called = (1..tokens.len()).filter(|at| word(*at) == Some("(")).filter_map(|at| word(at - 1));
    Some(called.map(|name| name.trim_matches('"').to_owned()).collect())
}

/// Returns the words of a printed statement that may name a variable: not behind a dot, no new names.
pub(super) fn names_used(text: &str) -> Option<BTreeSet<String>> {
    let mut used = BTreeSet::new();
    let mut before = String::new();
    for token in pg_query::scan_tokens(text).ok()? {
        let range = usize::try_from(token.start).ok()?..usize::try_from(token.end).ok()?;
        let word = text.get(range)?;
        let is_name = word.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '"');
        if is_name && before != "." && !before.eq_ignore_ascii_case("as") {
            let quoted = word.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            used.insert(quoted.map_or_else(|| word.to_lowercase(), |inner| inner.replace("\"\"", "\"")));
        }
        before = word.to_owned();
    }
    Some(used)
}
