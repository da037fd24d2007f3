//! What a statement shows or stages, as selects that change nothing.

use std::sync::Arc;

use pg_query::NodeEnum;
use pg_query::protobuf::{
    AlterTableStmt, ConstrType, CopyStmt, DeleteStmt, DoStmt, ExplainStmt, InsertStmt, MergeStmt, Node,
    ObjectType, RangeVar, SelectStmt, UpdateStmt, WithClause,
};

use super::code::{Code, dollar_quote, read_block};
use super::cover;
use super::level::{Deps, Level};
use super::schema::{Event, Found, Schema};
use super::unfold::Given;
use super::{changes, definition, tree};
use crate::catalogue::Role;

/// A part of what a statement does.
#[allow(clippy::large_enum_variant, reason = "a statement has few parts, and they are not kept")]
pub(super) enum Part {
    Select(SelectStmt, Shown),
    /// Code that it sets off, and the rows that this is given.
    Code(Arc<Code>, Given),
}

/// Who gets to know what a select gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shown {
    /// Rows go to the client under a description that names their origin.
    Rows,
    /// Rows go to the client as text or in COPY's binary form.
    Copied,
    /// Values go somewhere without an origin.
    Staged,
    /// Values go into rows that a condition of the same level chose.
    Assigned,
    /// Only how many rows there were.
    Count,
    /// Only how many rows a command changed.
    Changed,
}

impl Shown {
    /// Returns how it is shown where code gets it first.
    pub(super) fn within_code(self) -> Shown {
        match self {
            Shown::Rows | Shown::Copied => Shown::Staged,
            shown => shown,
        }
    }

    /// Returns what has to be asked for.
    pub(super) fn needed(self, level: &Level) -> Deps {
        match self {
            Shown::Rows => cover::uncovered(level, true),
            Shown::Copied => cover::uncovered(level, false),
            Shown::Staged => level.total(),
            Shown::Assigned => {
                let mut assigned = level.output_deps();
                level.sublinks.iter().for_each(|link| assigned.unite(&link.all_conditions()));
                assigned
            }
            Shown::Count => level.all_conditions(),
            Shown::Changed => level.probed(),
        }
    }
}

/// Takes a statement apart; `None` if nobody can say what it shows.
pub(super) fn parts(node: &Node, schema: &Schema) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    match node.node.as_ref()? {
        NodeEnum::SelectStmt(select) => {
            let staged = select.into_clause.is_some() || first_into(select);
            let mut select = (**select).clone();
            set_off_within(select.with_clause.as_ref(), schema, &mut parts)?;
            select.into_clause = None;
            parts.push(Part::Select(select, if staged { Shown::Staged } else { Shown::Rows }));
        }
        NodeEnum::InsertStmt(insert) => insert_parts(insert, schema, &mut parts)?,
        NodeEnum::UpdateStmt(update) => {
            let select = update_rows(update);
            set_off_within(select.with_clause.as_ref(), schema, &mut parts)?;
            let staged = staged_by(update, schema);
            if !staged.is_empty() {
                let select = SelectStmt { target_list: staged, ..select.clone() };
                parts.push(Part::Select(select, Shown::Assigned));
            }
            parts.push(Part::Select(select, changed(update.returning_clause.is_some())));
            changes::set_off(Event::Update, node, schema, &mut parts)?;
        }
        NodeEnum::DeleteStmt(delete) => {
            let select = delete_rows(delete);
            set_off_within(select.with_clause.as_ref(), schema, &mut parts)?;
            parts.push(Part::Select(select, changed(delete.returning_clause.is_some())));
            changes::set_off(Event::Delete, node, schema, &mut parts)?;
        }
        NodeEnum::MergeStmt(merge) => {
            set_off_within(merge.with_clause.as_ref(), schema, &mut parts)?;
            parts.push(Part::Select(merge_rows(merge), Shown::Staged));
            changes::set_off(Event::Merge, node, schema, &mut parts)?;
        }
        // WITH NO DATA runs nothing; a materialised view may be filled later.
        NodeEnum::CreateTableAsStmt(create)
            if create.objtype() == ObjectType::ObjectTable
                && create.into.as_ref().is_some_and(|into| into.skip_data) => {}
        NodeEnum::CreateTableAsStmt(create) => {
            parts.push(Part::Select(tree::as_select(create.query.as_deref())?.clone(), Shown::Staged));
        }
        NodeEnum::CopyStmt(copy) => copy_parts(copy, schema, &mut parts)?,
        NodeEnum::DeclareCursorStmt(declare) => return self::parts(declare.query.as_deref()?, schema),
        NodeEnum::ExplainStmt(explain) => return explain_parts(explain, schema),
        NodeEnum::DoStmt(block) => {
            let body = option(block, "as").filter(|body| schema.concerns(body));
            if let Some(body) = body {
                let language = option(block, "language").unwrap_or("plpgsql");
                let code = read_block(&block_text(language, body))?;
                parts.push(Part::Code(Arc::new(code), Given::default()));
            }
        }
        NodeEnum::CallStmt(call) => {
            let mut select = tree::plain_select();
            let call = tree::node(NodeEnum::FuncCall(call.funccall.clone()?));
            select.target_list = vec![tree::target("", call)];
            parts.push(Part::Select(select, Shown::Staged));
        }
        NodeEnum::AlterTableStmt(alter) if computes(alter, schema) => return None,
        NodeEnum::AlterTableStmt(_) | NodeEnum::IndexStmt(_) | NodeEnum::CreateStmt(_)
            if schema.calls_a_reader(node)? =>
        {
            parts.push(Part::Select(definition::values(node)?, Shown::Staged));
        }
        NodeEnum::ExecuteStmt(_) => return None,
        _ => {}
    }
    Some(parts)
}

// Changes within a WITH clause set off code like others.
fn set_off_within(with: Option<&WithClause>, schema: &Schema, parts: &mut Vec<Part>) -> Option<()> {
    for node in with.iter().flat_map(|with| &with.ctes) {
        let Some(NodeEnum::CommonTableExpr(cte)) = &node.node else { continue };
        let query = cte.ctequery.as_deref()?;
        let event = match query.node.as_ref()? {
            NodeEnum::InsertStmt(_) => Event::Insert,
            NodeEnum::UpdateStmt(_) => Event::Update,
            NodeEnum::DeleteStmt(_) => Event::Delete,
            NodeEnum::MergeStmt(_) => Event::Merge,
            _ => continue,
        };
        let before = parts.len();
        changes::set_off(event, query, schema, parts)?;
        // The rows may be made of other parts of the clause, which are out of reach then.
        if parts.len() > before {
            return None;
        }
        if let NodeEnum::InsertStmt(insert) = query.node.as_ref()? {
            let mut inner = Vec::new();
            insert_parts(insert, schema, &mut inner)?;
            for part in inner {
                let Part::Select(mut select, shown) = part else { return None };
                if select.with_clause.is_none() {
                    select.with_clause = with.and_then(|with| reading_with(with, schema));
                }
                parts.push(Part::Select(select, shown.within_code()));
            }
        }
    }
    Some(())
}

fn insert_parts(insert: &InsertStmt, schema: &Schema, parts: &mut Vec<Part>) -> Option<()> {
    if let Some(source) = insert_source(insert) {
        set_off_within(source.with_clause.as_ref(), schema, parts)?;
        parts.push(Part::Select(source, Shown::Staged));
    }
    let upserted = changes::upserted(insert, schema)?;
    if insert.returning_clause.is_some() && (upserted.is_none() || !changes::is_protected(insert, schema)) {
        parts.push(Part::Select(changes::returned(insert, schema)?, Shown::Rows));
    }
    if let Some(select) = upserted {
        parts.push(Part::Select(select.clone(), Shown::Rows));
        parts.push(Part::Select(select, Shown::Assigned));
    }
    let node = tree::node(NodeEnum::InsertStmt(Box::new(insert.clone())));
    changes::set_off(Event::Insert, &node, schema, parts)
}

/// Returns what an INSERT inserts; `None` for rows of defaults.
pub(super) fn insert_source(insert: &InsertStmt) -> Option<SelectStmt> {
    let mut source = tree::as_select(insert.select_stmt.as_deref())?.clone();
    match (&mut source.with_clause, &insert.with_clause) {
        (Some(inner), Some(outer)) => {
            let own = std::mem::replace(&mut inner.ctes, outer.ctes.clone());
            inner.ctes.extend(own);
            inner.recursive |= outer.recursive;
        }
        (inner @ None, outer) => inner.clone_from(outer),
        (Some(_), None) => {}
    }
    Some(source)
}

fn copy_parts(copy: &CopyStmt, schema: &Schema, parts: &mut Vec<Part>) -> Option<()> {
    if copy.is_from {
        // What the rows are that set something off comes later.
        let relation = copy.relation.as_ref()?;
        return schema.changes(&relation.schemaname, &relation.relname).is_empty().then_some(());
    }
    let to_client = !copy.is_program && copy.filename.is_empty();
    let shown = if to_client { Shown::Copied } else { Shown::Staged };
    if let Some(query) = &copy.query {
        for part in self::parts(query, schema)? {
            parts.push(match part {
                Part::Select(select, Shown::Rows) => Part::Select(select, shown),
                part => part,
            });
        }
    } else if let Some(relation) = &copy.relation {
        let mut select = tree::plain_select();
        select.target_list = match copied_columns(copy, relation, schema) {
            None => vec![tree::star()],
            Some(columns) => {
                columns.into_iter().map(|name| tree::target("", tree::column(&[name]))).collect()
            }
        };
        select.from_clause = vec![tree::node(NodeEnum::RangeVar(relation.clone()))];
        parts.push(Part::Select(select, shown));
    }
    Some(())
}

// A table is copied without what is generated, unless that is named.
fn copied_columns<'c>(copy: &'c CopyStmt, relation: &RangeVar, schema: &'c Schema) -> Option<Vec<&'c str>> {
    let named: Vec<&str> = tree::words(&copy.attlist);
    if !named.is_empty() {
        return Some(named);
    }
    match schema.find(&relation.schemaname, &relation.relname) {
        Found::One(found) => {
            let copied = found.columns.iter().filter(|column| !column.is_generated);
            Some(copied.map(|column| column.name.as_str()).collect())
        }
        Found::Unprotected | Found::Several => None,
    }
}

fn explain_parts(explain: &ExplainStmt, schema: &Schema) -> Option<Vec<Part>> {
    let runs = explain.options.iter().any(|option| match &option.node {
        Some(NodeEnum::DefElem(option)) => {
            option.defname == "analyze" && !tree::is_off(option.arg.as_deref())
        }
        _ => false,
    });
    let query = explain.query.as_deref()?;
    if !runs {
        // Planning may call functions and shows what they gave.
        let calls = schema.calls_a_reader(query)?;
        return (!calls).then(Vec::new);
    }
    let parts = self::parts(query, schema)?;
    Some(parts.into_iter().map(counted).collect())
}

fn counted(part: Part) -> Part {
    match part {
        Part::Select(select, Shown::Rows | Shown::Copied) => Part::Select(select, Shown::Count),
        part => part,
    }
}

fn option<'b>(block: &'b DoStmt, name: &str) -> Option<&'b str> {
    block.args.iter().find_map(|arg| match &arg.node {
        Some(NodeEnum::DefElem(def)) if def.defname == name => match &def.arg.as_ref()?.node {
            Some(NodeEnum::String(word)) => Some(word.sval.as_str()),
            _ => None,
        },
        _ => None,
    })
}

// Of a block in another language than PL/pgSQL nothing can be read.
fn block_text(language: &str, body: &str) -> String {
    let quote = dollar_quote(body);
    format!("DO LANGUAGE {language} {quote}{body}{quote}")
}

// A column that is computed from others shows them under a name that nothing protects.
fn computes(alter: &AlterTableStmt, schema: &Schema) -> bool {
    let Some(relation) = &alter.relation else { return false };
    if matches!(schema.find(&relation.schemaname, &relation.relname), Found::Unprotected) {
        return false;
    }
    let generated = ConstrType::ConstrGenerated as i32;
    alter.cmds.iter().any(|command| {
        let Some(NodeEnum::AlterTableCmd(command)) = &command.node else { return true };
        let Some(NodeEnum::ColumnDef(column)) = command.def.as_ref().and_then(|def| def.node.as_ref()) else {
            return false;
        };
        column.raw_default.is_some() && command.subtype != 1
            || column.constraints.iter().any(|constraint| match &constraint.node {
                Some(NodeEnum::Constraint(constraint)) => constraint.contype == generated,
                _ => false,
            })
    })
}

fn changed(returns: bool) -> Shown {
    if returns { Shown::Rows } else { Shown::Changed }
}

// SELECT INTO may stand on the first side of a set operation.
fn first_into(select: &SelectStmt) -> bool {
    select.larg.as_deref().is_some_and(|left| left.into_clause.is_some() || first_into(left))
}

/// Returns a select that gives the rows a statement gives, without its changes; `None` if there is none.
pub(super) fn as_rows(node: &Node, schema: &Schema) -> Option<SelectStmt> {
    match node.node.as_ref()? {
        NodeEnum::SelectStmt(select) => Some((**select).clone()),
        NodeEnum::UpdateStmt(update) => {
            let mut select = update_rows(update);
            select.target_list.extend(staged_by(update, schema));
            Some(select)
        }
        NodeEnum::DeleteStmt(delete) => Some(delete_rows(delete)),
        NodeEnum::InsertStmt(insert) => changes::returned(insert, schema),
        _ => None,
    }
}

/// Returns a WITH clause that changes nothing; `None` if that cannot be had.
pub(crate) fn reading_with(with: &WithClause, schema: &Schema) -> Option<WithClause> {
    let mut with = with.clone();
    for node in &mut with.ctes {
        if let Some(NodeEnum::CommonTableExpr(cte)) = &mut node.node {
            let select = as_rows(cte.ctequery.as_deref()?, schema)?;
            cte.ctequery = Some(Box::new(tree::select_node(select)));
        }
    }
    Some(with)
}

pub(super) fn update_rows(update: &UpdateStmt) -> SelectStmt {
    rows(
        update.relation.as_ref(),
        &update.from_clause,
        update.where_clause.as_deref(),
        update.returning_clause.as_ref().map(|returning| returning.exprs.as_slice()),
        update.with_clause.as_ref(),
    )
}

pub(super) fn delete_rows(delete: &DeleteStmt) -> SelectStmt {
    rows(
        delete.relation.as_ref(),
        &delete.using_clause,
        delete.where_clause.as_deref(),
        delete.returning_clause.as_ref().map(|returning| returning.exprs.as_slice()),
        delete.with_clause.as_ref(),
    )
}

fn rows(
    relation: Option<&RangeVar>,
    others: &[Node],
    condition: Option<&Node>,
    targets: Option<&[Node]>,
    with: Option<&WithClause>,
) -> SelectStmt {
    let mut select = tree::plain_select();
    select.from_clause.extend(relation.map(|relation| tree::node(NodeEnum::RangeVar(relation.clone()))));
    select.from_clause.extend_from_slice(others);
    select.where_clause = condition.map(|condition| Box::new(condition.clone()));
    select.target_list = targets.map(<[Node]>::to_vec).unwrap_or_default();
    select.with_clause = with.cloned();
    select
}

// Source and target side by side, with all that is computed of them.
fn merge_rows(merge: &MergeStmt) -> SelectStmt {
    let mut select = tree::plain_select();
    let target = merge.relation.clone().map(|relation| tree::node(NodeEnum::RangeVar(relation)));
    select.from_clause = match (merge.source_relation.as_deref().cloned(), target) {
        (Some(source), Some(target)) => {
            let condition = merge.join_condition.as_deref().cloned().unwrap_or_else(tree::truth);
            vec![tree::left_join(source, target, condition)]
        }
        (source, target) => source.into_iter().chain(target).collect(),
    };
    for node in &merge.merge_when_clauses {
        let Some(NodeEnum::MergeWhenClause(clause)) = &node.node else { continue };
        let values = clause.target_list.iter().filter_map(|target| match &target.node {
            Some(NodeEnum::ResTarget(target)) => target.val.as_deref(),
            _ => None,
        });
        let given = clause.condition.as_deref().into_iter().chain(values).chain(&clause.values);
        select.target_list.extend(given.map(|value| tree::target("", value.clone())));
    }
    select.target_list.extend(merge.returning_clause.iter().flat_map(|returning| returning.exprs.clone()));
    select.with_clause.clone_from(&merge.with_clause);
    select
}

// What an UPDATE puts where it is not protected; changing a protected column from the row itself is not
// staging.
fn staged_by(update: &UpdateStmt, schema: &Schema) -> Vec<Node> {
    let relation = update.relation.as_ref().and_then(|relation| {
        match schema.find(&relation.schemaname, &relation.relname) {
            Found::One(found) => Some(found),
            _ => None,
        }
    });
    let is_field = |name: &str| {
        let columns = relation.iter().flat_map(|relation| &relation.columns);
        columns
            .filter(|column| column.name == name)
            .any(|column| column.roles.iter().any(|role| matches!(role, Role::Field { .. })))
    };
    let mut staged = Vec::new();
    for node in &update.target_list {
        let Some(NodeEnum::ResTarget(target)) = &node.node else { continue };
        let Some(value) = &target.val else { continue };
        let mut links = false;
        tree::walk(value, &mut |node| links |= matches!(node, NodeEnum::SubLink(_)));
        if links || !update.from_clause.is_empty() || !is_field(&target.name) {
            staged.push(tree::target("", (**value).clone()));
        }
    }
    staged
}
