//! What an expression depends on.

use std::collections::BTreeSet;

use pg_query::NodeEnum;
use pg_query::protobuf::a_const::Val;
use pg_query::protobuf::{AExpr, AExprKind, FuncCall, Node, SelectStmt, SubLink, SubLinkType};

use super::from::{key_place, same_kind};
use super::level::{Conjunct, Deps, Level, Output};
use super::resolve::{Reach, Resolver};
use super::schema::Routine;
use super::tree;

// PostgreSQL adds these to every relation.
const SYSTEM_COLUMNS: [&str; 6] = ["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"];

/// What a column reference stands for.
enum Meaning<'r> {
    Column(&'r Output),
    /// A whole row, or a function written as a column.
    Row(&'r Reach),
    /// A column that holds nothing protected, as far as is known.
    Nothing,
}

impl Resolver<'_> {
    /// Adds one entry of a target list to the level's outputs.
    pub(super) fn target(&mut self, node: &Node, level: &mut Level) {
        let Some(NodeEnum::ResTarget(target)) = &node.node else { return };
        let Some(value) = target.val.as_deref() else { return };
        if let Some(NodeEnum::ColumnRef(column)) = &value.node
            && let Some((&"*", path)) = tree::words(&column.fields).split_last()
        {
            self.star(path, level);
            return;
        }
        let mut output = Output { name: target.name.clone(), ..Output::default() };
        if output.name.is_empty() {
            output.name = figure_name(value).unwrap_or("?column?").to_owned();
        }
        let before = std::mem::take(&mut level.effects);
        let weak = std::mem::take(&mut level.weak);
        output.deps = self.expression(value, level);
        if is_of_rows(&level.select) && !self.has_aggregate(value) {
            // Beside its own row, whether somebody has a value is a fact about that person.
            output.deps.unite(&level.weak);
            level.weak = weak;
        } else {
            level.weak.unite(&weak);
        }
        level.target_effects |= std::mem::replace(&mut level.effects, before);
        if let Some(held) = self.held(value) {
            (output.plain, output.names, output.origin) =
                (held.plain.clone(), held.names.clone(), held.origin);
        }
        level.outputs.push(output);
    }

    fn star(&mut self, path: &[&str], level: &mut Level) {
        let Some(scope) = self.scopes.last() else { return };
        let mut wanted = scope.iter().filter(|reach| is_named(reach, path));
        let mut found: Vec<Output> = Vec::new();
        let mut unknown = false;
        for reach in wanted.by_ref() {
            found.extend(reach.columns.iter().cloned());
            unknown |= !reach.known;
        }
        if unknown {
            level.open = true;
        }
        level.outputs.extend(found);
    }

    /// Returns the column that an expression holds unchanged.
    fn held(&self, node: &Node) -> Option<Output> {
        let Some(NodeEnum::ColumnRef(column)) = &node.node else { return None };
        match self.meaning(&tree::words(&column.fields)).as_slice() {
            [Meaning::Column(output)] => Some((*output).clone()),
            _ => None,
        }
    }

    /// Returns what an expression depends on; its sub-queries are added to the level.
    pub(super) fn expression(&mut self, node: &Node, level: &mut Level) -> Deps {
        let Some(inner) = &node.node else { return Deps::default() };
        match inner {
            NodeEnum::ColumnRef(column) => self.column(&tree::words(&column.fields)),
            NodeEnum::SubLink(link) => self.sublink(link, level),
            NodeEnum::FuncCall(call) => self.call(call, level),
            NodeEnum::NullTest(test) => {
                let Some(argument) = test.arg.as_deref() else { return Deps::default() };
                let deps = self.expression(argument, level);
                if is_column(argument) {
                    // That a value is there does not tell which.
                    level.weak.unite(&deps);
                    return Deps::default();
                }
                deps
            }
            NodeEnum::AExpr(e) => {
                let deps = self.below(inner, level);
                let Some(function) = tree::words(&e.name).last().and_then(|name| self.schema.operator(name))
                else {
                    return deps;
                };
                let operands = [&e.lexpr, &e.rexpr].into_iter().flatten().map(|node| (**node).clone());
                self.calls(function, &operands.collect::<Vec<Node>>(), deps, level)
            }
            NodeEnum::TypeCast(cast) => {
                let deps = self.below(inner, level);
                let names = cast.type_name.as_ref().map(|name| tree::words(&name.names)).unwrap_or_default();
                let Some(function) = names.last().and_then(|name| self.schema.cast(name)) else {
                    return deps;
                };
                let operand: Vec<Node> = cast.arg.as_deref().cloned().into_iter().collect();
                self.calls(function, &operand, deps, level)
            }
            NodeEnum::JsonObjectAgg(_) | NodeEnum::JsonArrayAgg(_) => {
                level.grouped = true;
                self.below(inner, level)
            }
            NodeEnum::JsonArrayQueryConstructor(query) => match tree::as_select(query.query.as_deref()) {
                Some(select) => {
                    let found = self.select(select);
                    let deps = found.output_deps();
                    level.sublinks.push(found);
                    deps
                }
                None => Deps::default(),
            },
            _ => self.below(inner, level),
        }
    }

    // Adds what a function reads that is called without its name.
    fn calls(&mut self, function: &str, args: &[Node], mut deps: Deps, level: &mut Level) -> Deps {
        match self.unfold_call(function, args, level) {
            Some(found) => deps.unite(&found),
            None => self.unseen_code = true,
        }
        deps
    }

    fn below(&mut self, node: &NodeEnum, level: &mut Level) -> Deps {
        let mut deps = Deps::default();
        let Some(below) = tree::children(node) else {
            // Everything in reach may be in it.
            self.opaque = true;
            for reach in self.scopes.iter().flatten() {
                reach.columns.iter().for_each(|column| deps.unite(&column.deps));
            }
            return deps;
        };
        for node in below {
            deps.unite(&self.expression(node, level));
        }
        deps
    }

    fn sublink(&mut self, link: &SubLink, level: &mut Level) -> Deps {
        let mut deps = Deps::default();
        if let Some(test) = &link.testexpr {
            deps.unite(&self.expression(test, level));
        }
        let Some(select) = tree::as_select(link.subselect.as_deref()) else {
            self.opaque = true;
            return deps;
        };
        let found = self.select(select);
        if link.sub_link_type != SubLinkType::ExistsSublink as i32 {
            deps.unite(&found.output_deps());
        }
        level.effects |= found.has_effects();
        level.sublinks.push(found);
        deps
    }

    fn call(&mut self, call: &FuncCall, level: &mut Level) -> Deps {
        let name = tree::words(&call.funcname).last().copied().unwrap_or_default();
        let mut routine = self.schema.routine(name);
        let mut deps = Deps::default();
        if routine.reads
            && let Some(select) = text_query(name, call)
        {
            routine = Routine::default();
            let (scopes, ctes) = (std::mem::take(&mut self.scopes), std::mem::take(&mut self.ctes));
            let found = self.select(&select);
            (self.scopes, self.ctes) = (scopes, ctes);
            deps.unite(&found.output_deps());
            level.sublinks.push(found);
        }
        if routine.reads {
            let mut args = call.args.clone();
            args.extend(call.agg_order.iter().filter_map(|key| match &key.node {
                Some(NodeEnum::SortBy(key)) => key.node.as_deref().cloned(),
                _ => None,
            }));
            deps = self.calls(name, &args, deps, level);
        }
        level.effects |= routine.volatile;
        level.grouped |= routine.aggregate
            || call.over.is_some()
            || call.agg_star
            || call.agg_filter.is_some()
            || call.agg_within_group;
        let counts = name == "count" && call.args.iter().all(is_column);
        for node in call.args.iter().chain(&call.agg_order) {
            let found = self.expression(node, level);
            if counts { level.weak.unite(&found) } else { deps.unite(&found) }
        }
        if let Some(filter) = &call.agg_filter {
            deps.unite(&self.expression(filter, level));
        }
        if let Some(over) = &call.over {
            for node in tree::window(over) {
                deps.unite(&self.expression(node, level));
            }
        }
        deps
    }

    fn column(&self, path: &[&str]) -> Deps {
        let mut deps = Deps::default();
        for meaning in self.meaning(path) {
            match meaning {
                Meaning::Column(output) => deps.unite(&output.deps),
                Meaning::Row(reach) => reach.columns.iter().for_each(|column| deps.unite(&column.deps)),
                Meaning::Nothing => {}
            }
        }
        deps
    }

    // More than one where it cannot be told.
    fn meaning(&self, path: &[&str]) -> Vec<Meaning<'_>> {
        for (depth, scope) in self.scopes.iter().enumerate().rev() {
            let found: Vec<Meaning<'_>> = match path {
                [name] => column_of(scope, name),
                [.., "*"] => {
                    let path = path.get(..path.len() - 1).unwrap_or_default();
                    scope.iter().filter(|reach| is_named(reach, path)).map(Meaning::Row).collect()
                }
                [table @ .., name] => scope
                    .iter()
                    .filter(|reach| is_named(reach, table))
                    .map(|reach| match reach.columns.iter().find(|column| column.name == *name) {
                        Some(column) => Meaning::Column(column),
                        None if SYSTEM_COLUMNS.contains(name) => Meaning::Nothing,
                        // A function may be written like a column of the row it is given.
                        None => Meaning::Row(reach),
                    })
                    .collect(),
                [] => Vec::new(),
            };
            if !found.is_empty() {
                self.reached.set(self.reached.get().min(depth));
                return found;
            }
        }
        // It may be a column of anything around.
        self.reached.set(0);
        // A column of something whose columns have no known names.
        let nameless = |reach: &&Reach| reach.columns.iter().any(|column| column.name.is_empty());
        let nameless: Vec<Meaning<'_>> =
            self.scopes.iter().flatten().filter(nameless).map(Meaning::Row).collect();
        if !nameless.is_empty() {
            return nameless;
        }
        // `column.part` of a composite column.
        match path {
            [name, _, ..] => self.scopes.iter().rev().flat_map(|scope| column_of(scope, name)).collect(),
            _ => Vec::new(),
        }
    }

    fn has_aggregate(&self, node: &Node) -> bool {
        let mut found = false;
        tree::walk(node, &mut |node| {
            found |= match node {
                NodeEnum::FuncCall(call) => {
                    let name = tree::words(&call.funcname).last().copied().unwrap_or_default();
                    self.schema.routine(name).aggregate && call.over.is_none()
                }
                NodeEnum::JsonObjectAgg(_) | NodeEnum::JsonArrayAgg(_) => true,
                _ => false,
            };
        });
        found
    }

    /// Reads one condition.
    pub(super) fn conjunct(&mut self, node: &Node, level: &mut Level) -> Conjunct {
        let before = std::mem::take(&mut level.effects);
        let weak_before = std::mem::take(&mut level.weak);
        let deps = self.expression(node, level);
        let effects = std::mem::replace(&mut level.effects, before);
        let weak = level.weak.clone();
        level.weak.unite(&weak_before);
        let mut conjunct =
            Conjunct { node: node.clone(), deps, weak, names: BTreeSet::new(), looks_up: false, effects };
        if let Some(NodeEnum::AExpr(e)) = &node.node {
            self.comparison(e, &mut conjunct, level);
        }
        conjunct
    }

    fn comparison(&mut self, e: &AExpr, conjunct: &mut Conjunct, level: &mut Level) {
        let (Some(left), Some(right)) = (e.lexpr.as_deref(), e.rexpr.as_deref()) else { return };
        let equal = tree::words(&e.name).last() == Some(&"=");
        let sure = [AExprKind::AexprOp, AExprKind::AexprOpAny, AExprKind::AexprIn]
            .iter()
            .any(|kind| *kind as i32 == e.kind)
            && equal;
        let between = e.kind == AExprKind::AexprBetween as i32;
        if !sure && !between {
            return;
        }
        let of = |resolver: &Self, node: &Node| resolver.held(uncast(node)).unwrap_or_default();
        let (lefts, rights) = (of(self, left), of(self, right));
        if sure && e.kind == AExprKind::AexprOp as i32 {
            level.joined.extend(same_kind(&lefts, &rights));
        }
        for (column, other) in [(&lefts, right), (&rights, left)] {
            if !is_given(other) {
                continue;
            }
            let is_key = column.plain.iter().any(|(instance, role)| key_place(*instance, role).is_some());
            conjunct.looks_up |= sure && !is_key && !column.plain.is_empty();
            conjunct.names.extend(&column.names);
        }
    }
}

// The query that a function is given as a literal, or that of the table it is given.
fn text_query(name: &str, call: &FuncCall) -> Option<SelectStmt> {
    let Some(NodeEnum::AConst(constant)) = &uncast(call.args.first()?).node else { return None };
    let Some(Val::Sval(text)) = &constant.val else { return None };
    let sql = match name {
        "query_to_xml"
        | "query_to_xml_and_xmlschema"
        | "ts_stat"
        | "crosstab"
        | "crosstab2"
        | "crosstab3"
        | "crosstab4" => text.sval.clone(),
        "table_to_xml" | "table_to_xml_and_xmlschema" => format!("TABLE {}", text.sval),
        _ => return None,
    };
    let mut statements = super::parse(&sql)?.protobuf.stmts;
    let only = statements.pop().filter(|_| statements.is_empty())?;
    tree::as_select(only.stmt.as_deref()).cloned()
}

fn column_of<'r>(scope: &'r [Reach], name: &str) -> Vec<Meaning<'r>> {
    let columns: Vec<Meaning<'r>> = scope
        .iter()
        .flat_map(|reach| &reach.columns)
        .filter(|column| column.name == name)
        .map(Meaning::Column)
        .collect();
    if !columns.is_empty() {
        return columns;
    }
    scope.iter().filter(|reach| reach.alias == name).map(Meaning::Row).collect()
}

fn is_named(reach: &Reach, path: &[&str]) -> bool {
    match path {
        [] => true,
        [alias] => reach.alias == *alias,
        [.., schema, table] => {
            reach.alias == *table
                && reach.schema.as_ref().is_some_and(|known| known.is_empty() || known == schema)
        }
    }
}

// Whether each row of a select is about rows of what it reads, not about groups of them.
fn is_of_rows(select: &SelectStmt) -> bool {
    select.group_clause.is_empty() && select.distinct_clause.is_empty()
}

fn is_column(node: &Node) -> bool {
    matches!(node.node, Some(NodeEnum::ColumnRef(_)))
}

fn uncast(node: &Node) -> &Node {
    match &node.node {
        Some(NodeEnum::TypeCast(cast)) => cast.arg.as_deref().map_or(node, uncast),
        _ => node,
    }
}

// Whether an expression has no column in it: the client gives its value.
fn is_given(node: &Node) -> bool {
    let mut given = true;
    tree::walk(node, &mut |node| {
        given &= !matches!(node, NodeEnum::ColumnRef(_) | NodeEnum::SubLink(_));
    }) && given
}

fn figure_name(node: &Node) -> Option<&str> {
    match node.node.as_ref()? {
        NodeEnum::ColumnRef(column) => tree::words(&column.fields).last().copied(),
        NodeEnum::FuncCall(call) => tree::words(&call.funcname).last().copied(),
        NodeEnum::TypeCast(cast) => match cast.arg.as_deref().and_then(figure_name) {
            Some(name) => Some(name),
            None => cast.type_name.as_ref().and_then(|name| tree::words(&name.names).last().copied()),
        },
        NodeEnum::CollateClause(clause) => clause.arg.as_deref().and_then(figure_name),
        NodeEnum::AIndirection(e) => {
            tree::words(&e.indirection).last().copied().or_else(|| e.arg.as_deref().and_then(figure_name))
        }
        NodeEnum::CaseExpr(e) => e.defresult.as_deref().and_then(figure_name).or(Some("case")),
        NodeEnum::CoalesceExpr(_) => Some("coalesce"),
        NodeEnum::MinMaxExpr(e) => Some(if e.op == 1 { "greatest" } else { "least" }),
        NodeEnum::RowExpr(_) => Some("row"),
        NodeEnum::AArrayExpr(_) => Some("array"),
        NodeEnum::SubLink(link) => {
            let select = tree::as_select(link.subselect.as_deref())?;
            match link.sub_link_type {
                kind if kind == SubLinkType::ExistsSublink as i32 => Some("exists"),
                kind if kind == SubLinkType::ArraySublink as i32 => Some("array"),
                _ => match &select.target_list.first()?.node {
                    Some(NodeEnum::ResTarget(target)) if target.name.is_empty() => {
                        figure_name(target.val.as_deref()?)
                    }
                    Some(NodeEnum::ResTarget(target)) => Some(&target.name),
                    _ => None,
                },
            }
        }
        _ => None,
    }
}
