//! LIMIT and OFFSET in key queries. The server may break ties in another way the second time: all that tie
//! with the last row are taken along. Without an order any rows may come, so all are taken.

use pg_query::NodeEnum;
use pg_query::protobuf::{LimitOption, Node, SelectStmt, TypeCast, TypeName, a_const};

use crate::lineage::{output_index, tree};

/// Gives `arm`, which selects other columns than `select`, the order and limit of it as far as they hold.
pub(super) fn keep(select: &SelectStmt, arm: &mut SelectStmt) {
    if select.limit_count.is_none() || select.sort_clause.is_empty() {
        return;
    }
    let Some(sort) = select.sort_clause.iter().map(|key| spelled_out(key, select)).collect() else { return };
    arm.sort_clause = sort;
    arm.limit_count.clone_from(&select.limit_count);
    arm.limit_offset.clone_from(&select.limit_offset);
    loosen(arm, true);
}

/// Loosens a select's limit so that what it gives holds whatever it may give. With `all` it has all of its
/// conditions.
pub(super) fn loosen(select: &mut SelectStmt, all: bool) {
    let count = select.limit_count.take();
    let offset = select.limit_offset.take();
    select.limit_option = LimitOption::Default as i32;
    let unlimited = count.as_ref().is_none_or(|count| is_null(count));
    if unlimited || !all || select.sort_clause.is_empty() {
        select.sort_clause.clear();
        return;
    }
    let bigint = |node: Box<Node>| {
        let names = vec![tree::word("pg_catalog"), tree::word("int8")];
        let type_name = Some(TypeName { names, typemod: -1, ..TypeName::default() });
        tree::node(NodeEnum::TypeCast(Box::new(TypeCast { arg: Some(node), type_name, location: 0 })))
    };
    select.limit_count = count.map(|count| {
        let count = bigint(count);
        Box::new(match offset {
            Some(offset) => tree::operation(count, "+", bigint(offset)),
            None => count,
        })
    });
    select.limit_option = LimitOption::WithTies as i32;
}

// A sort key that is the number or name of an output is written as what it stands for.
fn spelled_out(key: &Node, select: &SelectStmt) -> Option<Node> {
    let Some(NodeEnum::SortBy(sort)) = &key.node else { return None };
    let inner = sort.node.as_deref()?;
    let Some(index) = output_index(inner, select) else { return Some(key.clone()) };
    let Some(NodeEnum::ResTarget(target)) = &select.target_list.get(index)?.node else { return None };
    let value = target.val.as_deref()?;
    if let Some(NodeEnum::ColumnRef(column)) = &value.node
        && tree::words(&column.fields).contains(&"*")
    {
        return None;
    }
    // A number stands for another column if a star comes before it.
    let has_star = select.target_list.iter().take(index).any(|target| match &target.node {
        Some(NodeEnum::ResTarget(target)) => {
            match target.val.as_ref().and_then(|value| value.node.as_ref()) {
                Some(NodeEnum::ColumnRef(column)) => tree::words(&column.fields).contains(&"*"),
                _ => false,
            }
        }
        _ => false,
    });
    let is_number = matches!(inner.node, Some(NodeEnum::AConst(_)));
    if has_star && is_number {
        return None;
    }
    let mut sort = sort.clone();
    sort.node = Some(Box::new(value.clone()));
    Some(tree::node(NodeEnum::SortBy(sort)))
}

fn is_null(node: &Node) -> bool {
    match &node.node {
        Some(NodeEnum::AConst(constant)) => {
            constant.isnull && !matches!(constant.val, Some(a_const::Val::Ival(_)))
        }
        _ => false,
    }
}
