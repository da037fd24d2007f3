//! PostgreSQL's parse tree: what stands below an expression, and making of nodes.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    AConst, AExpr, AExprKind, Alias, Boolean, CoercionForm, ColumnRef, FuncCall, Integer, JoinExpr, JoinType,
    JsonAggConstructor, JsonValueExpr, Node, RangeSubselect, ResTarget, SelectStmt, String as Word, SubLink,
    SubLinkType, TypeCast, TypeName, WindowDef, a_const,
};

// Of a window that names none: RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW.
const FRAME_OPTIONS_DEFAULT: i32 = 1058;

/// Returns the expressions directly below one; `None` for a kind of node that is not known here.
pub(crate) fn children(node: &NodeEnum) -> Option<Vec<&Node>> {
    let mut below = Vec::new();
    match node {
        NodeEnum::AConst(_)
        | NodeEnum::ParamRef(_)
        | NodeEnum::ColumnRef(_)
        | NodeEnum::AStar(_)
        | NodeEnum::String(_)
        | NodeEnum::Integer(_)
        | NodeEnum::SqlvalueFunction(_)
        | NodeEnum::SetToDefault(_)
        | NodeEnum::TypeName(_)
        | NodeEnum::CurrentOfExpr(_) => {}
        NodeEnum::AExpr(e) => below.extend(each([&e.lexpr, &e.rexpr])),
        NodeEnum::BoolExpr(e) => below.extend(&e.args),
        NodeEnum::FuncCall(e) => {
            below.extend(e.args.iter().chain(&e.agg_order).chain(each([&e.agg_filter])));
            below.extend(e.over.iter().flat_map(|over| window(over)));
        }
        NodeEnum::SubLink(e) => below.extend(each([&e.testexpr])),
        NodeEnum::CaseExpr(e) => below.extend(each([&e.arg, &e.defresult]).chain(&e.args)),
        NodeEnum::CaseWhen(e) => below.extend(each([&e.expr, &e.result])),
        NodeEnum::CoalesceExpr(e) => below.extend(&e.args),
        NodeEnum::MinMaxExpr(e) => below.extend(&e.args),
        NodeEnum::RowExpr(e) => below.extend(&e.args),
        NodeEnum::AArrayExpr(e) => below.extend(&e.elements),
        NodeEnum::AIndirection(e) => below.extend(each([&e.arg]).chain(&e.indirection)),
        NodeEnum::AIndices(e) => below.extend(each([&e.lidx, &e.uidx])),
        NodeEnum::CollateClause(e) => below.extend(each([&e.arg])),
        NodeEnum::NullTest(e) => below.extend(each([&e.arg])),
        NodeEnum::BooleanTest(e) => below.extend(each([&e.arg])),
        NodeEnum::TypeCast(e) => below.extend(each([&e.arg])),
        NodeEnum::NamedArgExpr(e) => below.extend(each([&e.arg])),
        NodeEnum::XmlExpr(e) => below.extend(e.named_args.iter().chain(&e.args)),
        NodeEnum::XmlSerialize(e) => below.extend(each([&e.expr])),
        NodeEnum::GroupingFunc(_) => {}
        NodeEnum::GroupingSet(e) => below.extend(&e.content),
        NodeEnum::List(e) => below.extend(&e.items),
        NodeEnum::ResTarget(e) => below.extend(each([&e.val])),
        NodeEnum::SortBy(e) => below.extend(each([&e.node])),
        NodeEnum::WindowDef(e) => below.extend(window(e)),
        NodeEnum::MultiAssignRef(e) => below.extend(each([&e.source])),
        NodeEnum::JsonObjectConstructor(e) => below.extend(&e.exprs),
        NodeEnum::JsonArrayConstructor(e) => below.extend(&e.exprs),
        NodeEnum::JsonKeyValue(e) => below.extend(each([&e.key]).chain(json(e.value.as_deref()))),
        NodeEnum::JsonValueExpr(e) => below.extend(json(Some(e))),
        NodeEnum::JsonParseExpr(e) => below.extend(json(e.expr.as_deref())),
        NodeEnum::JsonScalarExpr(e) => below.extend(each([&e.expr])),
        NodeEnum::JsonSerializeExpr(e) => below.extend(json(e.expr.as_deref())),
        NodeEnum::JsonIsPredicate(e) => below.extend(each([&e.expr])),
        NodeEnum::JsonFuncExpr(e) => {
            below.extend(json(e.context_item.as_deref()).chain(each([&e.pathspec])).chain(&e.passing));
        }
        NodeEnum::JsonArgument(e) => below.extend(json(e.val.as_deref())),
        NodeEnum::JsonObjectAgg(e) => {
            let pair = e.arg.as_deref();
            below.extend(pair.into_iter().flat_map(|pair| each([&pair.key])));
            below.extend(json(pair.and_then(|pair| pair.value.as_deref())));
            below.extend(aggregate(e.constructor.as_deref()));
        }
        NodeEnum::JsonArrayAgg(e) => {
            below.extend(json(e.arg.as_deref()).chain(aggregate(e.constructor.as_deref())));
        }
        _ => return None,
    }
    Some(below)
}

fn each<const N: usize>(nodes: [&Option<Box<Node>>; N]) -> impl Iterator<Item = &Node> {
    nodes.into_iter().filter_map(|node| node.as_deref())
}

fn json(value: Option<&JsonValueExpr>) -> impl Iterator<Item = &Node> {
    value.into_iter().flat_map(|value| each([&value.raw_expr, &value.formatted_expr]))
}

fn aggregate(constructor: Option<&JsonAggConstructor>) -> impl Iterator<Item = &Node> {
    constructor.into_iter().flat_map(|constructor| {
        let over = constructor.over.iter().flat_map(|over| window(over));
        each([&constructor.agg_filter]).chain(&constructor.agg_order).chain(over)
    })
}

/// Returns the expressions of a window.
pub(crate) fn window(def: &WindowDef) -> impl Iterator<Item = &Node> {
    def.partition_clause.iter().chain(&def.order_clause).chain(each([&def.start_offset, &def.end_offset]))
}

/// Calls `see` for an expression and all below it, sub-queries not included; returns whether every kind of
/// node was known.
pub(crate) fn walk<'a>(node: &'a Node, see: &mut impl FnMut(&'a NodeEnum)) -> bool {
    let Some(node) = &node.node else { return true };
    see(node);
    match children(node) {
        None => false,
        Some(below) => {
            let mut known = true;
            for node in below {
                known &= walk(node, see);
            }
            known
        }
    }
}

/// Returns the parts of a list of names.
pub(crate) fn words(nodes: &[Node]) -> Vec<&str> {
    nodes
        .iter()
        .filter_map(|node| match &node.node {
            Some(NodeEnum::String(word)) => Some(word.sval.as_str()),
            Some(NodeEnum::AStar(_)) => Some("*"),
            _ => None,
        })
        .collect()
}

/// Splits at the outermost ANDs.
pub(crate) fn conjuncts(node: &Node) -> Vec<&Node> {
    match &node.node {
        Some(NodeEnum::BoolExpr(e)) if e.boolop == pg_query::protobuf::BoolExprType::AndExpr as i32 => {
            e.args.iter().flat_map(conjuncts).collect()
        }
        _ => vec![node],
    }
}

/// Joins conditions by AND.
pub(crate) fn all_of(mut nodes: Vec<Node>) -> Option<Box<Node>> {
    if nodes.len() < 2 {
        return nodes.pop().map(Box::new);
    }
    let boolop = pg_query::protobuf::BoolExprType::AndExpr as i32;
    let and = pg_query::protobuf::BoolExpr { boolop, args: nodes, ..Default::default() };
    Some(Box::new(node(NodeEnum::BoolExpr(Box::new(and)))))
}

pub(crate) fn node(node: NodeEnum) -> Node {
    Node { node: Some(node) }
}

pub(crate) fn word(text: &str) -> Node {
    node(NodeEnum::String(Word { sval: text.to_owned() }))
}

pub(crate) fn integer(value: i32) -> Node {
    let val = Some(a_const::Val::Ival(Integer { ival: value }));
    node(NodeEnum::AConst(AConst { val, ..Default::default() }))
}

fn boolean(value: bool) -> Node {
    let val = Some(a_const::Val::Boolval(Boolean { boolval: value }));
    node(NodeEnum::AConst(AConst { val, ..Default::default() }))
}

pub(crate) fn truth() -> Node {
    boolean(true)
}

pub(crate) fn falsehood() -> Node {
    boolean(false)
}

/// Returns `*` as an entry of a target list.
pub(crate) fn star() -> Node {
    let fields = vec![node(NodeEnum::AStar(pg_query::protobuf::AStar {}))];
    target("", node(NodeEnum::ColumnRef(ColumnRef { fields, location: 0 })))
}

/// Returns whether an entry of a target list is `*` or `x.*`.
pub(crate) fn is_star(entry: &Node) -> bool {
    let Some(NodeEnum::ResTarget(target)) = &entry.node else { return false };
    match target.val.as_ref().and_then(|value| value.node.as_ref()) {
        Some(NodeEnum::ColumnRef(column)) => words(&column.fields).contains(&"*"),
        _ => false,
    }
}

pub(crate) fn left_join(left: Node, right: Node, condition: Node) -> Node {
    node(NodeEnum::JoinExpr(Box::new(JoinExpr {
        jointype: JoinType::JoinLeft as i32,
        larg: Some(Box::new(left)),
        rarg: Some(Box::new(right)),
        quals: Some(Box::new(condition)),
        ..JoinExpr::default()
    })))
}

/// Returns `count(*) OVER ()`.
pub(crate) fn count_over_all() -> Node {
    let call = FuncCall {
        funcname: vec![word("pg_catalog"), word("count")],
        agg_star: true,
        funcformat: CoercionForm::CoerceExplicitCall as i32,
        over: Some(Box::new(WindowDef { frame_options: FRAME_OPTIONS_DEFAULT, ..WindowDef::default() })),
        ..FuncCall::default()
    };
    node(NodeEnum::FuncCall(Box::new(call)))
}

/// Returns a select of one column as a value.
pub(crate) fn scalar(select: SelectStmt) -> Node {
    node(NodeEnum::SubLink(Box::new(SubLink {
        sub_link_type: SubLinkType::ExprSublink as i32,
        subselect: Some(Box::new(select_node(select))),
        ..SubLink::default()
    })))
}

pub(crate) fn column(parts: &[&str]) -> Node {
    let fields = parts.iter().map(|part| word(part)).collect();
    node(NodeEnum::ColumnRef(ColumnRef { fields, location: 0 }))
}

pub(crate) fn as_text(arg: Node) -> Node {
    let names = vec![word("text")];
    let type_name = Some(TypeName { names, typemod: -1, ..Default::default() });
    node(NodeEnum::TypeCast(Box::new(TypeCast { arg: Some(Box::new(arg)), type_name, location: 0 })))
}

pub(crate) fn operation(left: Node, operator: &str, right: Node) -> Node {
    node(NodeEnum::AExpr(Box::new(AExpr {
        kind: AExprKind::AexprOp as i32,
        name: vec![word(operator)],
        lexpr: Some(Box::new(left)),
        rexpr: Some(Box::new(right)),
        ..Default::default()
    })))
}

pub(crate) fn target(name: &str, val: Node) -> Node {
    let target = ResTarget { name: name.to_owned(), val: Some(Box::new(val)), ..Default::default() };
    node(NodeEnum::ResTarget(Box::new(target)))
}

pub(crate) fn select_node(select: SelectStmt) -> Node {
    node(NodeEnum::SelectStmt(Box::new(select)))
}

pub(crate) fn subselect(select: SelectStmt, alias: Alias, lateral: bool) -> Node {
    node(NodeEnum::RangeSubselect(Box::new(RangeSubselect {
        lateral,
        subquery: Some(Box::new(select_node(select))),
        alias: Some(alias),
    })))
}

/// An empty SELECT with the defaults that the printer needs.
pub(crate) fn plain_select() -> SelectStmt {
    SelectStmt {
        op: pg_query::protobuf::SetOperation::SetopNone as i32,
        limit_option: pg_query::protobuf::LimitOption::Default as i32,
        ..Default::default()
    }
}

/// Returns the expression that is all a select gives.
pub(crate) fn only_value(select: &SelectStmt) -> Option<&Node> {
    match select.target_list.as_slice() {
        [Node { node: Some(NodeEnum::ResTarget(target)) }] => target.val.as_deref(),
        _ => None,
    }
}

/// Returns the SELECT in a node, if it is one.
pub(crate) fn as_select(node: Option<&Node>) -> Option<&SelectStmt> {
    match &node?.node {
        Some(NodeEnum::SelectStmt(select)) => Some(select),
        _ => None,
    }
}

/// Returns whether an option is given as off.
pub(crate) fn is_off(value: Option<&Node>) -> bool {
    match value.and_then(|value| value.node.as_ref()) {
        Some(NodeEnum::String(word)) => ["off", "false", "0"].contains(&word.sval.to_lowercase().as_str()),
        Some(NodeEnum::Integer(number)) => number.ival == 0,
        Some(NodeEnum::Boolean(value)) => !value.boolval,
        _ => false,
    }
}
