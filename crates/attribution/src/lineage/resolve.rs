//! Resolves the names of a SELECT against what its FROM clause gives.

use std::cell::Cell;
use std::sync::Arc;

use pg_query::NodeEnum;
use pg_query::protobuf::{Node, SelectStmt, WithClause};

use super::code::Code;
use super::from::{Using, reach, renamed};
use super::level::{Deps, Level, Output};
use super::schema::{Relation, Schema};
use super::tree;

// Selects of one statement, views and each use of a common table expression counted: more are not looked
// into, and what the statement gives counts as dependent.
const LEVELS_MAX: usize = 256;
// Selects within selects; each takes a few kilobytes of the stack.
const DEPTH_MAX: usize = 24;

/// What a column reference can reach.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    pub(super) alias: String,
    pub(super) schema: Option<String>,
    pub(super) columns: Vec<Output>,
    pub(super) known: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Cte {
    pub(super) name: String,
    pub(super) query: SelectStmt,
    pub(super) columns: Vec<String>,
    /// The columns of a recursive one while it is being read.
    pub(super) reading: Option<Vec<Output>>,
    pub(super) recursive: bool,
}

/// Resolves the selects of one text.
pub(crate) struct Resolver<'s> {
    pub(super) schema: &'s Schema,
    pub(super) instances: u32,
    levels: usize,
    depth: usize,
    /// Something could not be seen through.
    pub(crate) opaque: bool,
    /// Code could not be seen through.
    pub(crate) unseen_code: bool,
    /// A literal stands for a column.
    pub(crate) by_literals: bool,
    /// A name may stand for another relation than the protected one.
    pub(crate) has_namesakes: bool,
    pub(super) scopes: Vec<Vec<Reach>>,
    pub(super) ctes: Vec<Cte>,
    /// Relations that name themselves in the queries that stand for them and are being read.
    pub(super) standing: Vec<&'s Relation>,
    /// Code that is being read, the outermost first.
    pub(super) running: Vec<Arc<Code>>,
    /// Steps of code read so far.
    pub(super) steps: usize,
    /// The outermost scope that a name was found in since this was set.
    pub(super) reached: Cell<usize>,
}

impl<'s> Resolver<'s> {
    pub(crate) fn new(schema: &'s Schema) -> Resolver<'s> {
        Resolver {
            schema,
            instances: 0,
            levels: 0,
            depth: 0,
            opaque: false,
            unseen_code: false,
            by_literals: false,
            has_namesakes: false,
            scopes: Vec::new(),
            ctes: Vec::new(),
            standing: Vec::new(),
            running: Vec::new(),
            steps: 0,
            reached: Cell::new(usize::MAX),
        }
    }

    /// Resolves one select within the names that are open now.
    pub(crate) fn select(&mut self, select: &SelectStmt) -> Level {
        self.levels += 1;
        if self.levels > LEVELS_MAX || self.depth >= DEPTH_MAX {
            self.opaque = true;
            return Level { select: select.clone(), effects: true, ..Level::default() };
        }
        self.depth += 1;
        let ctes = self.ctes.len();
        let reached = self.reached.replace(usize::MAX);
        if let Some(with) = &select.with_clause {
            self.open_with(with);
        }
        let mut level = if let (Some(left), Some(right)) = (&select.larg, &select.rarg) {
            self.set_operation(select, left, right)
        } else if select.values_lists.is_empty() {
            self.plain_select(select)
        } else {
            self.values(select)
        };
        self.ctes.truncate(ctes);
        self.depth -= 1;
        level.is_correlated = self.reached.get() < self.scopes.len();
        self.reached.set(reached.min(self.reached.get()));
        level
    }

    fn open_with(&mut self, with: &WithClause) {
        for node in &with.ctes {
            let Some(NodeEnum::CommonTableExpr(cte)) = &node.node else { continue };
            let query = cte.ctequery.as_deref().and_then(|query| super::parts::as_rows(query, self.schema));
            let Some(query) = query else {
                self.opaque = true;
                continue;
            };
            self.ctes.push(Cte {
                name: cte.ctename.clone(),
                query,
                columns: tree::words(&cte.aliascolnames).into_iter().map(str::to_owned).collect(),
                reading: None,
                recursive: with.recursive,
            });
        }
    }

    fn set_operation(&mut self, select: &SelectStmt, left: &SelectStmt, right: &SelectStmt) -> Level {
        let left = self.select(left);
        // The recursive term sees what the other one gives.
        if let Some(cte) = self.ctes.last_mut()
            && cte.reading.as_ref().is_some_and(Vec::is_empty)
        {
            let outputs = left.outputs.iter().map(Output::computed).collect();
            cte.reading = Some(renamed(outputs, &cte.columns));
        }
        let right = self.select(right);
        let mut outputs: Vec<Output> = left.outputs.iter().map(Output::computed).collect();
        for (output, other) in outputs.iter_mut().zip(&right.outputs) {
            output.deps.unite(&other.deps);
        }
        if left.has_unknown_outputs() || right.has_unknown_outputs() {
            let mut all = left.output_deps();
            all.unite(&right.output_deps());
            outputs.iter_mut().for_each(|output| output.deps = all.clone());
            outputs.push(Output { deps: all, ..Output::default() });
        }
        let mut level = Level { select: select.clone(), outputs, grouped: true, ..Level::default() };
        level.sides = vec![left, right];
        level
    }

    fn values(&mut self, select: &SelectStmt) -> Level {
        let mut level = Level { select: select.clone(), ..Level::default() };
        for row in &select.values_lists {
            let Some(NodeEnum::List(row)) = &row.node else { continue };
            for (index, cell) in row.items.iter().enumerate() {
                let deps = self.expression(cell, &mut level);
                if level.outputs.len() <= index {
                    level.outputs.push(Output { name: format!("column{}", index + 1), ..Output::default() });
                }
                if let Some(output) = level.outputs.get_mut(index) {
                    output.deps.unite(&deps);
                }
            }
        }
        level
    }

    fn plain_select(&mut self, select: &SelectStmt) -> Level {
        let mut level = Level { select: select.clone(), ..Level::default() };
        let mut quals: Vec<&Node> = Vec::new();
        let mut using: Vec<Using> = Vec::new();
        for node in &select.from_clause {
            self.from(node, &mut level, &mut quals, &mut using);
        }
        let scope = level.items.iter().filter(|item| !item.hidden).map(reach).collect();
        self.scopes.push(scope);
        for using in &using {
            using.join(&mut level);
        }
        for node in quals {
            for part in tree::conjuncts(node) {
                let conjunct = self.conjunct(part, &mut level);
                level.conditions.unite(&conjunct.deps);
                level.effects |= conjunct.effects;
                level.joins.push(conjunct);
            }
        }
        for node in &select.target_list {
            self.target(node, &mut level);
        }
        for part in select.where_clause.iter().flat_map(|node| tree::conjuncts(node)) {
            let conjunct = self.conjunct(part, &mut level);
            if conjunct.looks_up {
                level.look_ups.unite(&conjunct.deps);
            } else {
                level.conditions.unite(&conjunct.deps);
            }
            level.conjuncts.push(conjunct);
        }
        self.other_clauses(select, &mut level);
        self.scopes.pop();
        level
    }

    fn other_clauses(&mut self, select: &SelectStmt, level: &mut Level) {
        level.grouped |= !select.group_clause.is_empty()
            || select.having_clause.is_some()
            || !select.distinct_clause.is_empty();
        // What is grouped by shows how many values there are, not which.
        for node in select.group_clause.iter().chain(&select.distinct_clause) {
            self.expression(node, level);
        }
        let limits = [&select.limit_count, &select.limit_offset, &select.having_clause];
        for node in limits.into_iter().filter_map(|node| node.as_deref()) {
            let deps = self.expression(node, level);
            level.conditions.unite(&deps);
        }
        for node in select.sort_clause.iter().chain(&select.window_clause) {
            let deps = self.sort_key(node, level);
            level.conditions.unite(&deps);
        }
    }

    // An ordinal or the name of an output stands for the output.
    fn sort_key(&mut self, node: &Node, level: &mut Level) -> Deps {
        let key = match &node.node {
            Some(NodeEnum::SortBy(sort)) => sort.node.as_deref(),
            _ => Some(node),
        };
        let Some(key) = key else { return Deps::default() };
        self.by_literals |= matches!(key.node, Some(NodeEnum::AConst(_)));
        if let Some(output) = output_named(key, level) {
            return output.deps.clone();
        }
        self.expression(key, level)
    }
}

/// Returns the output that a sort key stands for: by number, or by name.
pub(crate) fn output_index(key: &Node, select: &SelectStmt) -> Option<usize> {
    use pg_query::protobuf::a_const::Val;
    match &key.node {
        Some(NodeEnum::AConst(constant)) => match &constant.val {
            Some(Val::Ival(number)) => usize::try_from(number.ival).ok()?.checked_sub(1),
            _ => None,
        },
        Some(NodeEnum::ColumnRef(column)) => match tree::words(&column.fields).as_slice() {
            [name] => select.target_list.iter().position(|target| match &target.node {
                Some(NodeEnum::ResTarget(target)) => {
                    if target.name.is_empty() {
                        false
                    } else {
                        target.name == *name
                    }
                }
                _ => false,
            }),
            _ => None,
        },
        _ => None,
    }
}

fn output_named<'l>(key: &Node, level: &'l Level) -> Option<&'l Output> {
    // A star gives more outputs than targets: then everything a number may mean is taken together elsewhere.
    let index = output_index(key, &level.select)?;
    if level.outputs.len() == level.select.target_list.len() { level.outputs.get(index) } else { None }
}
