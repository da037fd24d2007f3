//! What code that a statement runs reads: each of its steps as a select beside what it is given.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pg_query::NodeEnum;
use pg_query::protobuf::{Alias, Node, SelectStmt, TypeCast};

use super::code::{Bound, Code, Step, fold, names_used};
use super::from::reach;
use super::level::{Deps, Level};
use super::parts::{Part, Shown, parts};
use super::resolve::Resolver;
use super::{parameters, tree};

// Code within code.
const RUNNING_MAX: usize = 8;
// Steps of one statement, with those of the code that code runs.
const STEPS_MAX: usize = 512;

/// What the steps of a code stand beside.
#[derive(Clone, Debug, Default)]
pub(super) struct Given {
    // In the order in which they may refer to each other.
    bound: Vec<Row>,
    // Arguments, for texts that are put together from them.
    constants: BTreeMap<String, Node>,
}

#[derive(Clone, Debug)]
struct Row {
    bound: Bound,
    select: SelectStmt,
    /// What it depends on is asked for anyway.
    is_asked: bool,
}

impl Given {
    /// Adds a row by the name `alias`, with these columns.
    ///
    /// * `is_asked`: what it depends on is asked for anyway.
    pub(super) fn row(&mut self, alias: &str, columns: &[String], select: SelectStmt, is_asked: bool) {
        let bound = Bound { alias: alias.to_owned(), columns: columns.to_vec() };
        self.bound.push(Row { bound, select, is_asked });
    }
}

impl Resolver<'_> {
    /// Adds to `level` what a call of a function reads, and returns what it may give; `None` if nobody can
    /// say.
    pub(super) fn unfold_call(&mut self, name: &str, args: &[Node], level: &mut Level) -> Option<Deps> {
        let fits = |code: &&Arc<Code>| {
            let required = code.parameters.iter().filter(|parameter| parameter.default.is_none()).count();
            code.variadic || (required..=code.parameters.len()).contains(&args.len())
        };
        let codes: Vec<Arc<Code>> = self.schema.codes(name).iter().filter(fits).cloned().collect();
        if codes.is_empty() || self.schema.has_unread(name) {
            return None;
        }
        let mut deps = Deps::default();
        for code in codes {
            match arguments(&code, args) {
                Some((given, defaults)) => {
                    deps.unite(&self.run(&code, given, level));
                    for default in defaults {
                        deps.unite(&self.expression(default, level));
                    }
                }
                None => self.unseen_code = true,
            }
        }
        Some(deps)
    }

    /// Adds to `level` what a code reads, and returns what it may give, as far as it can be seen.
    pub(super) fn run(&mut self, code: &Arc<Code>, given: Given, level: &mut Level) -> Deps {
        // What calls itself is not followed.
        if self.running.len() >= RUNNING_MAX || self.running.iter().any(|known| Arc::ptr_eq(known, code)) {
            self.unseen_code = true;
            return Deps::default();
        }
        self.running.push(Arc::clone(code));
        let ctes = std::mem::take(&mut self.ctes);
        let mut given = given;
        let mut deps = Deps::default();
        for step in &code.steps {
            match self.run_step(step, code, &mut given, level) {
                Some(found) => deps.unite(&found),
                None => self.unseen_code = true,
            }
        }
        self.ctes = ctes;
        self.running.pop();
        deps
    }

    // `None` if nobody can say what the step does.
    fn run_step(&mut self, step: &Step, code: &Code, given: &mut Given, level: &mut Level) -> Option<Deps> {
        match step {
            Step::Unseen => None,
            Step::Run(node) => self.run_statement(node, code, given, level),
            Step::Bind { bound, select } => {
                let found = self.run_statement(&tree::select_node(select.clone()), code, given, level);
                if let (Some(value), [name]) = (tree::only_value(select), bound.columns.as_slice())
                    && !code.changed.contains(name)
                {
                    given.constants.insert(name.clone(), value.clone());
                }
                given.bound.push(Row { bound: bound.clone(), select: select.clone(), is_asked: true });
                found
            }
            Step::Execute { text, using, bound } => {
                let text = fold(text, &|name| given.constants.get(name))?;
                let mut deps = Deps::default();
                if !self.schema.concerns(&text) {
                    return Some(deps);
                }
                for raw in super::parse(&text)?.protobuf.stmts {
                    let node = parameters::fill_in(raw.stmt.as_deref()?, using)?;
                    deps.unite(&self.run_statement(&node, code, given, level)?);
                    if let (Some(bound), Some(select)) = (bound, tree::as_select(Some(&node))) {
                        given.bound.push(Row {
                            bound: bound.clone(),
                            select: select.clone(),
                            is_asked: true,
                        });
                    }
                }
                Some(deps)
            }
        }
    }

    fn run_statement(&mut self, node: &Node, code: &Code, given: &Given, level: &mut Level) -> Option<Deps> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return None;
        }
        let mut deps = Deps::default();
        for part in parts(node, self.schema)? {
            let found = match part {
                Part::Select(select, shown) => {
                    let (inner, found) = self.beside_given(&select, code, given, shown.within_code())?;
                    level.sublinks.extend(inner);
                    found
                }
                Part::Code(other, rows) => {
                    // Rows of the statement that sets the other code off may be made of what this is given.
                    let mut all = given.clone();
                    all.bound.extend(rows.bound);
                    self.run(&other, all, level)
                }
            };
            deps.unite(&found);
        }
        Some(deps)
    }

    // Resolves a select beside what it is given; `None` for the level if it depends on nothing.
    fn beside_given(
        &mut self,
        select: &SelectStmt,
        code: &Code,
        given: &Given,
        shown: Shown,
    ) -> Option<(Option<Level>, Deps)> {
        let used = names_used(&parameters::print(&tree::select_node(select.clone()))?)?;
        let Beside { from, known, is_asked } = given.joined(&used, code)?;
        let mut around = tree::plain_select();
        around.from_clause = from.into_iter().collect();
        let mut level = self.select(&around);
        // What is around a call is out of the code's reach.
        let scope = level.items.iter().filter(|item| !item.hidden).map(reach).collect();
        let scopes = std::mem::replace(&mut self.scopes, vec![scope]);
        let (reached, instances) = (self.reached.get(), self.instances);
        let inner = self.select(select);
        self.reached.set(reached);
        self.scopes = scopes;
        let mut deps = shown.needed(&inner);
        if is_asked {
            deps.0.retain(|place, _| place.instance > instances);
        }
        if deps.is_empty() {
            return Some((None, deps));
        }
        if used.iter().any(|name| code.variables.contains(name) && !known.contains(name)) {
            return None;
        }
        level.sublinks.push(inner);
        Some((Some(level), deps))
    }
}

impl Given {
    // Returns those that the names refer to.
    fn joined(&self, used: &BTreeSet<String>, code: &Code) -> Option<Beside> {
        let mut used = used.clone();
        let mut wanted = Vec::new();
        for row in self.bound.iter().rev() {
            let bound = &row.bound;
            let named = used.contains(&bound.alias) || bound.names().any(|name| used.contains(name));
            let changed =
                code.changed.contains(&bound.alias) || bound.names().any(|name| code.changed.contains(name));
            if named && !changed {
                used.extend(names_used(&parameters::print(&tree::select_node(row.select.clone()))?)?);
                wanted.push(row);
            }
        }
        let mut beside = Beside { from: None, known: BTreeSet::new(), is_asked: true };
        for Row { bound, select, is_asked } in wanted.into_iter().rev() {
            beside.is_asked &= is_asked;
            beside.known.insert(bound.alias.clone());
            beside.known.extend(bound.names().map(str::to_owned));
            let colnames = bound.columns.iter().map(|name| tree::word(name)).collect();
            let alias = Alias { aliasname: bound.alias.clone(), colnames };
            let item = tree::subselect(select.clone(), alias, true);
            beside.from = Some(match beside.from {
                None => item,
                // A select without a row leaves its names without a value.
                Some(left) => tree::left_join(left, item, tree::truth()),
            });
        }
        Some(beside)
    }
}

/// What a step stands beside, as one FROM clause.
struct Beside {
    from: Option<Node>,
    /// The names it gives a meaning to.
    known: BTreeSet<String>,
    is_asked: bool,
}

// The arguments of a call as a row by the function's name, and those that the call leaves to their defaults.
fn arguments<'c>(code: &'c Code, args: &[Node]) -> Option<(Given, Vec<&'c Node>)> {
    let (mut given, mut defaults) = (Given::default(), Vec::new());
    if code.parameters.is_empty() {
        return Some((given, defaults));
    }
    let named = |name: &str| {
        args.iter().find_map(|arg| match &arg.node {
            Some(NodeEnum::NamedArgExpr(named)) if named.name == name => named.arg.as_deref(),
            _ => None,
        })
    };
    let mut select = tree::plain_select();
    for (index, parameter) in code.parameters.iter().enumerate() {
        if code.variadic && index + 1 == code.parameters.len() {
            // However many there are, they are not told apart.
            break;
        }
        let positional = args.get(index).filter(|arg| !matches!(arg.node, Some(NodeEnum::NamedArgExpr(_))));
        let value = match positional.or_else(|| named(&parameter.name)) {
            Some(value) => value,
            None => {
                let default = parameter.default.as_ref()?;
                defaults.push(default);
                default
            }
        };
        given.constants.insert(parameter.name.clone(), value.clone());
        let value = match &parameter.type_name {
            Some(type_name) => tree::node(NodeEnum::TypeCast(Box::new(TypeCast {
                arg: Some(Box::new(value.clone())),
                type_name: Some(type_name.clone()),
                location: 0,
            }))),
            None => value.clone(),
        };
        select.target_list.push(tree::target(&parameter.name, value));
    }
    let columns = code.parameters.iter().take(select.target_list.len());
    let columns: Vec<String> = columns.map(|parameter| parameter.name.clone()).collect();
    given.row(&code.name, &columns, select, true);
    Some((given, defaults))
}
