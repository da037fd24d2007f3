//! What a FROM clause gives.

use pg_query::NodeEnum;
use pg_query::protobuf::{Alias, JoinExpr, Node, RangeVar};

use super::level::{Deps, Item, Level, Output, Place, Source};
use super::resolve::{Cte, Reach, Resolver};
use super::schema::{Found, Relation, Standing};
use super::tree;
use crate::catalogue::Role;

/// A join by columns of one name.
pub(super) struct Using {
    // Where the items of both sides end.
    left: (usize, usize),
    right: (usize, usize),
    // None: all names in common.
    names: Option<Vec<String>>,
}

impl Using {
    /// Takes note of the keys that it makes equal.
    pub(super) fn join(&self, level: &mut Level) {
        let of = |(start, end): (usize, usize)| level.items.get(start..end).unwrap_or_default().iter();
        let mut joined = Vec::new();
        let mut conditions = Deps::default();
        for left in of(self.left).flat_map(|item| &item.columns) {
            for right in of(self.right).flat_map(|item| &item.columns).filter(|c| c.name == left.name) {
                if self.names.as_ref().is_none_or(|names| names.contains(&left.name)) {
                    joined.extend(same_kind(left, right));
                    conditions.unite(&left.deps);
                    conditions.unite(&right.deps);
                }
            }
        }
        level.joined.extend(joined);
        level.conditions.unite(&conditions);
    }
}

/// Returns the pairs of keys of one kind that two columns hold.
pub(super) fn same_kind(left: &Output, right: &Output) -> Vec<(Place, Place)> {
    let keys = |output: &Output| -> Vec<Place> {
        output.plain.iter().filter_map(|(instance, role)| key_place(*instance, role)).collect()
    };
    let rights = keys(right);
    keys(left)
        .into_iter()
        .flat_map(|left| {
            rights.iter().filter(move |right| right.kind == left.kind).map(move |right| (left, *right))
        })
        .collect()
}

pub(super) fn key_place(instance: u32, role: &Role) -> Option<Place> {
    match role {
        Role::Key { kind, source } => Some(Place { instance, kind: *kind, source: Some(*source) }),
        _ => None,
    }
}

pub(super) fn reach(item: &Item) -> Reach {
    Reach {
        alias: item.alias.clone(),
        schema: item.schema.clone(),
        columns: item.columns.clone(),
        known: item.known,
    }
}

/// Gives columns other names, as far as there are some.
pub(super) fn renamed(mut columns: Vec<Output>, names: &[String]) -> Vec<Output> {
    for (column, name) in columns.iter_mut().zip(names) {
        column.name.clone_from(name);
    }
    columns
}

fn alias_columns(alias: &Alias) -> Vec<String> {
    tree::words(&alias.colnames).into_iter().map(str::to_owned).collect()
}

fn query_item(inner: Level, lateral: bool, alias: &Alias, names: &[String]) -> Item {
    let mut names = names.to_vec();
    let others = alias_columns(alias);
    names.splice(..others.len().min(names.len()), others);
    let mut columns = renamed(inner.outputs.clone(), &names);
    if inner.has_unknown_outputs() && !names.is_empty() {
        // Which of the names is which column is not known.
        let deps = inner.output_deps();
        columns = names
            .iter()
            .map(|name| Output { name: name.clone(), deps: deps.clone(), ..Output::default() })
            .collect();
        columns.push(Output { deps, ..Output::default() });
    }
    Item {
        alias: alias.aliasname.clone(),
        schema: None,
        within: None,
        // A star over an unprotected relation gives columns whose names are not known.
        known: !inner.has_unknown_outputs(),
        source: Source::Query { level: Box::new(inner), lateral, names },
        columns,
        hidden: false,
    }
}

impl<'s> Resolver<'s> {
    /// Adds what one node of a FROM clause gives.
    pub(super) fn from<'a>(
        &mut self,
        node: &'a Node,
        level: &mut Level,
        quals: &mut Vec<&'a Node>,
        using: &mut Vec<Using>,
    ) {
        match &node.node {
            Some(NodeEnum::RangeVar(var)) => {
                let item = self.range_var(var);
                level.items.push(item);
            }
            Some(NodeEnum::RangeSubselect(sub)) => {
                let Some(select) = tree::as_select(sub.subquery.as_deref()) else {
                    self.opaque = true;
                    return;
                };
                let inner = self.beside(sub.lateral, level, |resolver| resolver.select(select));
                let alias = sub.alias.clone().unwrap_or_default();
                level.items.push(query_item(inner, sub.lateral, &alias, &[]));
            }
            Some(NodeEnum::JoinExpr(join)) => self.join(join, level, quals, using),
            Some(NodeEnum::RangeTableSample(sample)) => {
                // The sample differs from run to run.
                level.grouped = true;
                if let Some(relation) = &sample.relation {
                    self.from(relation, level, quals, using);
                }
                // How many rows there are tells what the share was made of.
                for node in sample.args.iter().chain(sample.repeatable.as_deref()) {
                    let deps = self.beside_expression(node, level);
                    level.conditions.unite(&deps);
                }
            }
            Some(NodeEnum::RangeFunction(function)) => {
                let mut deps = Deps::default();
                for call in &function.functions {
                    let found = self.beside(true, level, |resolver| {
                        let mut inner = Level::default();
                        let deps = resolver.expression(call, &mut inner);
                        (deps, inner)
                    });
                    deps.unite(&found.0);
                    level.sublinks.extend(found.1.sublinks);
                    level.effects |= found.1.effects;
                    level.weak.unite(&found.1.weak);
                }
                // How many rows there are tells too.
                level.conditions.unite(&deps);
                level.items.push(anything(function.alias.as_ref(), deps));
            }
            Some(NodeEnum::RangeTableFunc(function)) => {
                let mut deps = Deps::default();
                let columns = function.columns.iter().filter_map(|column| match &column.node {
                    Some(NodeEnum::RangeTableFuncCol(column)) => Some([&column.colexpr, &column.coldefexpr]),
                    _ => None,
                });
                let given = std::iter::once([&function.docexpr, &function.rowexpr]).chain(columns);
                for node in given.flatten().filter_map(|node| node.as_deref()) {
                    deps.unite(&self.beside_expression(node, level));
                }
                level.items.push(anything(function.alias.as_ref(), deps));
            }
            Some(NodeEnum::JsonTable(table)) => {
                let mut deps = Deps::default();
                let document = table.context_item.as_ref().and_then(|item| item.raw_expr.as_deref());
                for node in document.into_iter().chain(&table.passing) {
                    deps.unite(&self.beside_expression(node, level));
                }
                level.items.push(anything(table.alias.as_ref(), deps));
            }
            _ => self.opaque = true,
        }
    }

    fn beside_expression(&mut self, node: &Node, level: &mut Level) -> Deps {
        let (deps, inner) = self.beside(true, level, |resolver| {
            let mut inner = Level::default();
            (resolver.expression(node, &mut inner), inner)
        });
        level.sublinks.extend(inner.sublinks);
        level.effects |= inner.effects;
        deps
    }

    // Reads with what stands before in the FROM clause in reach, if `lateral`.
    fn beside<T>(&mut self, lateral: bool, level: &Level, read: impl FnOnce(&mut Self) -> T) -> T {
        if lateral {
            self.scopes.push(level.items.iter().filter(|item| !item.hidden).map(reach).collect());
        }
        let found = read(self);
        if lateral {
            self.scopes.pop();
        }
        found
    }

    fn join<'a>(
        &mut self,
        join: &'a JoinExpr,
        level: &mut Level,
        quals: &mut Vec<&'a Node>,
        using: &mut Vec<Using>,
    ) {
        let start = level.items.len();
        if let Some(left) = &join.larg {
            self.from(left, level, quals, using);
        }
        let middle = level.items.len();
        if let Some(right) = &join.rarg {
            self.from(right, level, quals, using);
        }
        let end = level.items.len();
        quals.extend(join.quals.as_deref());
        if join.is_natural || !join.using_clause.is_empty() {
            let names = tree::words(&join.using_clause).into_iter().map(str::to_owned).collect();
            let names = (!join.is_natural).then_some(names);
            using.push(Using { left: (start, middle), right: (middle, end), names });
        }
        if let Some(alias) = &join.alias {
            let mut columns = Vec::new();
            let mut known = true;
            for item in level.items.get_mut(start..).unwrap_or_default() {
                columns.extend(item.columns.iter().cloned());
                known &= item.known;
                item.hidden = true;
            }
            level.items.push(Item {
                alias: alias.aliasname.clone(),
                schema: None,
                within: None,
                source: Source::Other,
                columns: renamed(columns, &alias_columns(alias)),
                known,
                hidden: false,
            });
        }
    }

    fn range_var(&mut self, var: &RangeVar) -> Item {
        let alias = var.alias.clone().unwrap_or_default();
        let name = if alias.aliasname.is_empty() { &var.relname } else { &alias.aliasname };
        let alias = Alias { aliasname: name.clone(), ..alias };
        if var.schemaname.is_empty()
            && let Some(index) = self.ctes.iter().rposition(|cte| cte.name == var.relname)
        {
            return self.cte(index, &alias);
        }
        let schema = self.schema;
        self.has_namesakes |= var.schemaname.is_empty() && schema.has_namesake(&var.relname);
        match schema.find(&var.schemaname, &var.relname) {
            // Within its own query it is what it is.
            Found::One(relation)
                if relation.standing != Standing::View
                    && self.standing.iter().any(|known| std::ptr::eq(*known, relation)) =>
            {
                anything(Some(&alias), Deps::default())
            }
            Found::Unprotected => {
                self.opaque |= schema.holds_values(&var.relname);
                anything(Some(&alias), Deps::default())
            }
            Found::One(relation) => self.relation(relation, var, &alias),
            Found::Several => {
                self.opaque = true;
                anything(Some(&alias), Deps::default())
            }
        }
    }

    fn cte(&mut self, index: usize, alias: &Alias) -> Item {
        let Some(cte) = self.ctes.get(index).cloned() else { return anything(Some(alias), Deps::default()) };
        if let Some(columns) = cte.reading {
            return Item {
                alias: alias.aliasname.clone(),
                schema: None,
                within: None,
                source: Source::Other,
                columns: renamed(columns, &alias_columns(alias)),
                known: true,
                hidden: false,
            };
        }
        // Its own names are those before it, and itself if it is recursive.
        let later = self.ctes.split_off(index);
        let scopes = std::mem::take(&mut self.scopes);
        if cte.recursive && mentions(&cte.query, &cte.name) {
            self.ctes.push(Cte { reading: Some(Vec::new()), ..cte.clone() });
        }
        // Common table expressions may reach what is around the whole select.
        self.scopes = scopes;
        let inner = self.select(&cte.query);
        self.ctes.truncate(index);
        self.ctes.extend(later);
        query_item(inner, false, alias, &cte.columns)
    }

    fn relation(&mut self, relation: &'s Relation, var: &RangeVar, alias: &Alias) -> Item {
        if !relation.has_keys()
            && let Some(query) = &relation.query
            && let Ok(parsed) = pg_query::parse(query, 0)
            && let Some(select) =
                parsed.protobuf.stmts.first().and_then(|raw| tree::as_select(raw.stmt.as_deref()))
        {
            let select = select.clone();
            let (scopes, ctes) = (std::mem::take(&mut self.scopes), std::mem::take(&mut self.ctes));
            self.standing.push(relation);
            let mut inner = self.select(&select);
            self.standing.pop();
            (self.scopes, self.ctes) = (scopes, ctes);
            if relation.standing == Standing::Statistics {
                inner.forget_conditions();
            }
            let names: Vec<String> = relation.columns.iter().map(|column| column.name.clone()).collect();
            let mut item = query_item(inner, false, alias, &names);
            item.schema = var.alias.is_none().then(|| var.schemaname.clone());
            return item;
        }
        self.instances += 1;
        let instance = self.instances;
        let places: Vec<Place> = relation
            .columns
            .iter()
            .flat_map(|column| &column.roles)
            .filter_map(|role| key_place(instance, role))
            .collect();
        let columns: Vec<Output> = relation
            .columns
            .iter()
            .map(|column| {
                let mut deps = Deps::default();
                for role in &column.roles {
                    match *role {
                        Role::Key { .. } => {}
                        Role::Field { kind, source, fields } => {
                            deps.add(Place { instance, kind, source: Some(source) }, fields);
                        }
                        Role::Dependent { kind, fields } => {
                            deps.add(Place { instance, kind, source: None }, fields);
                        }
                    }
                }
                let plain = column.roles.iter().map(|role| (instance, *role)).collect();
                let mut names: Vec<Place> =
                    column.roles.iter().filter_map(|role| key_place(instance, role)).collect();
                if column.is_unique && deps.is_empty() {
                    names.clone_from(&places);
                }
                Output { name: column.name.clone(), deps, plain, names, origin: column.origin }
            })
            .collect();
        let renamed = renamed(columns, &alias_columns(alias));
        let keys = relation
            .columns
            .iter()
            .zip(&renamed)
            .flat_map(|(column, output)| {
                column
                    .roles
                    .iter()
                    .filter_map(|role| key_place(instance, role))
                    .map(|place| (place, output.name.clone()))
            })
            .collect();
        Item {
            alias: alias.aliasname.clone(),
            schema: var.alias.is_none().then(|| var.schemaname.clone()),
            within: (!self.running.is_empty()).then(|| relation.schema.clone()),
            source: Source::Base { keys },
            columns: renamed,
            known: true,
            hidden: false,
        }
    }
}

// A relation or function with nothing protected in it but what a function was given.
fn anything(alias: Option<&Alias>, deps: Deps) -> Item {
    let alias = alias.cloned().unwrap_or_default();
    let mut names = alias_columns(&alias);
    if !deps.is_empty() {
        // A function's only column has the name of its alias.
        names.push(alias.aliasname.clone());
        names.push(String::new());
    }
    let columns = if deps.is_empty() {
        Vec::new()
    } else {
        names.into_iter().map(|name| Output { name, deps: deps.clone(), ..Output::default() }).collect()
    };
    Item {
        alias: alias.aliasname,
        schema: None,
        within: None,
        source: Source::Other,
        known: !columns.is_empty(),
        columns,
        hidden: false,
    }
}

fn mentions(select: &pg_query::protobuf::SelectStmt, name: &str) -> bool {
    let sides = [&select.larg, &select.rarg];
    let in_from = |node: &Node| from_mentions(node, name);
    select.from_clause.iter().any(in_from) || sides.into_iter().flatten().any(|side| mentions(side, name))
}

fn from_mentions(node: &Node, name: &str) -> bool {
    match &node.node {
        Some(NodeEnum::RangeVar(var)) => var.schemaname.is_empty() && var.relname == name,
        Some(NodeEnum::JoinExpr(join)) => {
            [&join.larg, &join.rarg].into_iter().flatten().any(|side| from_mentions(side, name))
        }
        Some(NodeEnum::RangeSubselect(sub)) => {
            tree::as_select(sub.subquery.as_deref()).is_some_and(|select| mentions(select, name))
        }
        _ => false,
    }
}
