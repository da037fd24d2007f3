//! What a change of a relation sets off: rules, triggers, defaults, checks; and what INSERT … ON CONFLICT
//! gives of the rows that were there.

use std::sync::Arc;

use pg_query::NodeEnum;
use pg_query::protobuf::{
    InsertStmt, Node, OnConflictAction, OnConflictClause, RangeVar, SelectStmt, SetOperation,
};

use super::parts::{Part, delete_rows, insert_source, update_rows};
use super::schema::{Change, Event, Found, Schema};
use super::unfold::Given;
use super::{code, tree};

// The name of the rows an INSERT brings, as PostgreSQL calls them.
const EXCLUDED: &str = "excluded";

/// Adds the code that a change sets off; `None` if nobody can say what it does.
pub(super) fn set_off(event: Event, node: &Node, schema: &Schema, parts: &mut Vec<Part>) -> Option<()> {
    let relation = match node.node.as_ref()? {
        NodeEnum::InsertStmt(insert) => insert.relation.as_ref(),
        NodeEnum::UpdateStmt(update) => update.relation.as_ref(),
        NodeEnum::DeleteStmt(delete) => delete.relation.as_ref(),
        NodeEnum::MergeStmt(merge) => merge.relation.as_ref(),
        _ => None,
    }?;
    for change in schema.changes(&relation.schemaname, &relation.relname) {
        if !change.events.contains(&event) {
            continue;
        }
        let code = change.code.as_ref()?;
        let given = match node.node.as_ref()? {
            NodeEnum::InsertStmt(insert) => {
                let mut given = Given::default();
                given.row("new", &change.columns, inserted(insert, relation, change)?, true);
                given
            }
            NodeEnum::UpdateStmt(update) => {
                changed_rows(&update_rows(update), relation, update, code, change)?
            }
            NodeEnum::DeleteStmt(delete) => {
                let mut given = Given::default();
                given.row("old", &change.columns, all_of(&delete_rows(delete), relation), false);
                given
            }
            _ => return None,
        };
        parts.push(Part::Code(Arc::clone(code), given));
    }
    Some(())
}

// The rows before and after an UPDATE; which of both belong together is not told, so that code that asks for
// both is not seen through.
fn changed_rows(
    rows: &SelectStmt,
    relation: &RangeVar,
    update: &pg_query::protobuf::UpdateStmt,
    code: &code::Code,
    change: &Change,
) -> Option<Given> {
    let mut new = all_of(rows, relation);
    let alias = name_of(relation);
    new.target_list = change
        .columns
        .iter()
        .map(|column| {
            let set = update.target_list.iter().find_map(|target| match &target.node {
                Some(NodeEnum::ResTarget(target)) if target.name == *column => target.val.as_deref(),
                _ => None,
            });
            tree::target(column, set.cloned().unwrap_or_else(|| tree::column(&[alias, column])))
        })
        .collect();
    let mut given = Given::default();
    match (code.mentions("old"), code.mentions("new")) {
        (true, true) => return None,
        (true, false) => given.row("old", &change.columns, all_of(rows, relation), false),
        (false, _) => given.row("new", &change.columns, new, false),
    }
    Some(given)
}

fn all_of(rows: &SelectStmt, relation: &RangeVar) -> SelectStmt {
    let fields =
        vec![tree::word(name_of(relation)), tree::node(NodeEnum::AStar(pg_query::protobuf::AStar {}))];
    let star = tree::node(NodeEnum::ColumnRef(pg_query::protobuf::ColumnRef { fields, location: 0 }));
    SelectStmt { target_list: vec![tree::target("", star)], ..rows.clone() }
}

fn name_of(relation: &RangeVar) -> &str {
    relation.alias.as_ref().map_or(&relation.relname, |alias| &alias.aliasname)
}

/// The rows an INSERT brings, with all columns of the relation.
fn inserted(insert: &InsertStmt, relation: &RangeVar, change: &Change) -> Option<SelectStmt> {
    let mut select = tree::plain_select();
    let mut named: Vec<String> = Vec::new();
    if let Some(source) = insert_source(insert) {
        named = columns_of(insert, &source, &change.columns)?;
        select.from_clause = vec![typed(relation, &named, source, "rastro_given")];
    }
    select.target_list = change
        .columns
        .iter()
        .map(|column| {
            let value = if named.contains(column) {
                tree::column(&["rastro_given", column])
            } else {
                tree::scalar(empty(relation, std::slice::from_ref(column)))
            };
            tree::target(column, value)
        })
        .collect();
    Some(select)
}

// Names of the columns that an INSERT gives, in the order of its rows.
fn columns_of(insert: &InsertStmt, source: &SelectStmt, all: &[String]) -> Option<Vec<String>> {
    let named = insert.cols.iter().filter_map(|node| match &node.node {
        Some(NodeEnum::ResTarget(target)) => Some(target.name.clone()),
        _ => None,
    });
    let named: Vec<String> = named.collect();
    if !named.is_empty() {
        return Some(named);
    }
    let width = match source.values_lists.first().and_then(|row| row.node.as_ref()) {
        Some(NodeEnum::List(row)) => row.items.len(),
        _ => {
            let first = std::iter::successors(Some(source), |select| select.larg.as_deref()).last()?;
            if first.target_list.iter().any(tree::is_star) { all.len() } else { first.target_list.len() }
        }
    };
    all.get(..width).map(<[String]>::to_vec)
}

// No row, but the types of the columns.
fn empty(relation: &RangeVar, columns: &[String]) -> SelectStmt {
    let mut select = tree::plain_select();
    let relation = RangeVar { alias: None, ..relation.clone() };
    select.target_list =
        columns.iter().map(|name| tree::target("", tree::column(&[&relation.relname, name]))).collect();
    select.from_clause = vec![tree::node(NodeEnum::RangeVar(relation))];
    select.where_clause = Some(Box::new(tree::falsehood()));
    select
}

// Gives literals the types of the columns that they are for.
fn typed(relation: &RangeVar, columns: &[String], source: SelectStmt, alias: &str) -> Node {
    let both = SelectStmt {
        op: SetOperation::SetopUnion as i32,
        all: true,
        larg: Some(Box::new(empty(relation, columns))),
        rarg: Some(Box::new(source)),
        ..tree::plain_select()
    };
    let colnames = columns.iter().map(|name| tree::word(name)).collect();
    let alias = pg_query::protobuf::Alias { aliasname: alias.to_owned(), colnames };
    tree::subselect(both, alias, false)
}

/// Returns the rows of a protected relation that INSERT … ON CONFLICT DO UPDATE gives back or makes something
/// of; inside `None` if there are none, outside if they cannot be told.
pub(super) fn upserted(insert: &InsertStmt, schema: &Schema) -> Option<Option<SelectStmt>> {
    let Some(conflict) = insert
        .on_conflict_clause
        .as_ref()
        .filter(|conflict| conflict.action == OnConflictAction::OnconflictUpdate as i32)
    else {
        return Some(None);
    };
    let relation = insert.relation.as_ref()?;
    let all: Vec<String> = match schema.find(&relation.schemaname, &relation.relname) {
        Found::Unprotected => return Some(Some(computed(conflict))),
        Found::Several => return None,
        Found::One(found) => found.columns.iter().map(|column| column.name.clone()).collect(),
    };
    let mut source = insert_source(insert)?;
    let with = source.with_clause.take();
    let columns = columns_of(insert, &source, &all)?;
    let mut select = tree::plain_select();
    select.with_clause = with;
    select.from_clause =
        vec![tree::node(NodeEnum::RangeVar(relation.clone())), typed(relation, &columns, source, EXCLUDED)];
    let infer = conflict.infer.as_ref()?;
    let mut conditions = Vec::new();
    for element in &infer.index_elems {
        let Some(NodeEnum::IndexElem(element)) = &element.node else { return None };
        if element.name.is_empty() || !columns.contains(&element.name) {
            return None;
        }
        let side = |alias: &str| tree::column(&[alias, &element.name]);
        conditions.push(tree::operation(side(name_of(relation)), "=", side(EXCLUDED)));
    }
    if conditions.is_empty() {
        return None;
    }
    select.where_clause = tree::all_of(conditions);
    select.target_list = computed(conflict).target_list;
    select.target_list.extend(insert.returning_clause.iter().flat_map(|returning| returning.exprs.clone()));
    Some(Some(select))
}

// What is computed where rows conflict.
fn computed(conflict: &OnConflictClause) -> SelectStmt {
    let set = conflict.target_list.iter().filter_map(|target| match &target.node {
        Some(NodeEnum::ResTarget(target)) => target.val.as_deref().cloned(),
        _ => None,
    });
    let all = set.chain(conflict.where_clause.as_deref().cloned());
    let target_list = all.map(|value| tree::target("", value)).collect();
    SelectStmt { target_list, ..tree::plain_select() }
}

/// Returns whether an INSERT is into a protected relation.
pub(super) fn is_protected(insert: &InsertStmt, schema: &Schema) -> bool {
    let unprotected = |relation: &RangeVar| {
        matches!(schema.find(&relation.schemaname, &relation.relname), Found::Unprotected)
    };
    !insert.relation.as_ref().is_some_and(unprotected)
}

/// Returns what an INSERT gives back.
pub(super) fn returned(insert: &InsertStmt, schema: &Schema) -> Option<SelectStmt> {
    let relation = insert.relation.as_ref()?;
    if let Some(select) = upserted(insert, schema)?.filter(|_| is_protected(insert, schema)) {
        return Some(select);
    }
    let mut select = tree::plain_select();
    let names: Vec<String> = insert
        .cols
        .iter()
        .filter_map(|node| match &node.node {
            Some(NodeEnum::ResTarget(target)) => Some(target.name.clone()),
            _ => None,
        })
        .collect();
    if let Some(source) = insert_source(insert) {
        select.from_clause = vec![if names.is_empty() {
            let alias =
                pg_query::protobuf::Alias { aliasname: name_of(relation).to_owned(), colnames: Vec::new() };
            tree::subselect(source, alias, false)
        } else {
            typed(relation, &names, source, name_of(relation))
        }];
    }
    let returning = insert.returning_clause.as_ref().map(|returning| returning.exprs.clone());
    select.target_list = returning.unwrap_or_default();
    Some(select)
}
