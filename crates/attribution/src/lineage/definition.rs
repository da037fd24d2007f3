//! What statements that define relations compute at once, of rows that are there or for none.

use pg_query::NodeEnum;
use pg_query::protobuf::{Node, RangeVar, SelectStmt};

use super::tree;

/// Returns whether a text of definitions may run functions or queries at once, before anybody uses what it defines;
/// true if that cannot be told.
pub fn computes_at_once(sql: &str) -> bool {
    let Some(parsed) = super::parse(sql) else { return true };
    let statements = parsed.protobuf.stmts;
    statements.iter().any(|raw| raw.stmt.as_deref().is_none_or(statement_computes))
}

fn statement_computes(statement: &Node) -> bool {
    match &statement.node {
        Some(NodeEnum::AlterTableStmt(_) | NodeEnum::IndexStmt(_) | NodeEnum::CreateStmt(_)) => {
            let mut calls = false;
            let mut see =
                |node: &NodeEnum| calls |= matches!(node, NodeEnum::FuncCall(_) | NodeEnum::SubLink(_));
            let known = values(statement)
                .is_some_and(|select| select.target_list.iter().all(|value| tree::walk(value, &mut see)));
            calls || !known
        }
        Some(node) => !matches!(
            node,
            NodeEnum::ViewStmt(_)
                | NodeEnum::CreateFunctionStmt(_)
                | NodeEnum::CreateTrigStmt(_)
                | NodeEnum::CreatePolicyStmt(_)
                | NodeEnum::RuleStmt(_)
                | NodeEnum::CreateSchemaStmt(_)
                | NodeEnum::CreateSeqStmt(_)
                | NodeEnum::AlterSeqStmt(_)
                | NodeEnum::CreateRoleStmt(_)
                | NodeEnum::AlterRoleStmt(_)
                | NodeEnum::CreateEnumStmt(_)
                | NodeEnum::CompositeTypeStmt(_)
                | NodeEnum::CreateDomainStmt(_)
                | NodeEnum::DefineStmt(_)
                | NodeEnum::CommentStmt(_)
                | NodeEnum::GrantStmt(_)
                | NodeEnum::GrantRoleStmt(_)
                | NodeEnum::AlterOwnerStmt(_)
                | NodeEnum::RenameStmt(_)
                | NodeEnum::DropStmt(_)
                | NodeEnum::DropRoleStmt(_)
                | NodeEnum::VariableSetStmt(_)
                | NodeEnum::TransactionStmt(_)
        ),
        None => true,
    }
}

/// Returns a select of the values that a definition computes; `None` if it is no such statement.
pub(super) fn values(node: &Node) -> Option<SelectStmt> {
    let mut values: Vec<&Node> = Vec::new();
    let relation: Option<&RangeVar> = match node.node.as_ref()? {
        NodeEnum::AlterTableStmt(alter) => {
            for command in &alter.cmds {
                let Some(NodeEnum::AlterTableCmd(command)) = &command.node else { continue };
                computed_by(command.def.as_deref(), &mut values);
            }
            alter.relation.as_ref()
        }
        NodeEnum::IndexStmt(index) => {
            values.extend(index.index_params.iter().filter_map(|node| match &node.node {
                Some(NodeEnum::IndexElem(element)) => element.expr.as_deref(),
                _ => None,
            }));
            values.extend(index.where_clause.as_deref());
            index.relation.as_ref()
        }
        NodeEnum::CreateStmt(create) => {
            let bound = create.partbound.iter();
            values
                .extend(bound.flat_map(|b| b.listdatums.iter().chain(&b.lowerdatums).chain(&b.upperdatums)));
            None
        }
        _ => return None,
    };
    let mut select = tree::plain_select();
    select.target_list = values.into_iter().map(|value| tree::target("", value.clone())).collect();
    select.from_clause.extend(relation.map(|relation| tree::node(NodeEnum::RangeVar(relation.clone()))));
    Some(select)
}

// A column's default or its new values, a condition on the rows.
fn computed_by<'n>(definition: Option<&'n Node>, values: &mut Vec<&'n Node>) {
    match definition.and_then(|node| node.node.as_ref()) {
        Some(NodeEnum::ColumnDef(column)) => {
            values.extend(column.raw_default.as_deref());
            column.constraints.iter().for_each(|constraint| computed_by(Some(constraint), values));
        }
        Some(NodeEnum::Constraint(constraint)) => values.extend(constraint.raw_expr.as_deref()),
        _ => {}
    }
}
