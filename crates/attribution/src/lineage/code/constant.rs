//! The text that an expression of constants gives, as far as it can be told without a server.

use pg_query::NodeEnum;
use pg_query::protobuf::a_const::Val;
use pg_query::protobuf::{AExprKind, Node};

use crate::lineage::tree;

const BYTES_MAX: usize = 64 * 1024;
const DEPTH_MAX: usize = 64;

/// Returns the text of an expression; `None` if it is not constant, or NULL.
///
/// * `variable`: gives what a name stands for, if that is known.
pub(in crate::lineage) fn fold<'n>(
    node: &'n Node,
    variable: &impl Fn(&str) -> Option<&'n Node>,
) -> Option<String> {
    fold_within(node, variable, DEPTH_MAX)
}

fn fold_within<'n>(
    node: &'n Node,
    variable: &impl Fn(&str) -> Option<&'n Node>,
    depth: usize,
) -> Option<String> {
    let depth = depth.checked_sub(1)?;
    let inner = |node: &'n Node| fold_within(node, variable, depth);
    let text = match node.node.as_ref()? {
        NodeEnum::AConst(constant) => match constant.val.as_ref()? {
            Val::Sval(text) => text.sval.clone(),
            Val::Ival(number) => number.ival.to_string(),
            Val::Fval(number) => number.fval.clone(),
            Val::Boolval(value) => if value.boolval { "true" } else { "false" }.to_owned(),
            Val::Bsval(_) => return None,
        },
        NodeEnum::TypeCast(cast) => {
            let text = inner(cast.arg.as_deref()?)?;
            let names = tree::words(&cast.type_name.as_ref()?.names);
            match *names.last()? {
                "text" | "varchar" | "name" | "regclass" | "regproc" | "int4" | "int8" | "bpchar" => text,
                _ => return None,
            }
        }
        NodeEnum::AExpr(e)
            if e.kind == AExprKind::AexprOp as i32 && tree::words(&e.name).last() == Some(&"||") =>
        {
            inner(e.lexpr.as_deref()?)? + &inner(e.rexpr.as_deref()?)?
        }
        NodeEnum::ColumnRef(column) => inner(variable(tree::words(&column.fields).last()?)?)?,
        NodeEnum::FuncCall(call) => {
            let values: Option<Vec<String>> = call.args.iter().map(inner).collect();
            called(tree::words(&call.funcname).last()?, &values?)?
        }
        _ => return None,
    };
    (text.len() <= BYTES_MAX).then_some(text)
}

fn called(name: &str, values: &[String]) -> Option<String> {
    match (name, values) {
        ("format", [pattern, values @ ..]) => format(pattern, values),
        ("concat", values) => Some(values.concat()),
        ("quote_ident", [value]) => Some(quoted(value)),
        ("quote_literal" | "quote_nullable", [value]) => Some(literal(value)),
        ("lower", [value]) => Some(value.to_lowercase()),
        ("upper", [value]) => Some(value.to_uppercase()),
        ("chr", [value]) => char::from_u32(value.parse().ok()?).map(String::from),
        ("reverse", [value]) => Some(value.chars().rev().collect()),
        ("replace", [value, from, to]) => Some(value.replace(from.as_str(), to)),
        ("convert_from", [value, encoding]) if encoding.eq_ignore_ascii_case("utf8") => Some(value.clone()),
        _ => None,
    }
}

// format() with %s, %I, %L, %% and positions; widths are not looked into.
fn format(pattern: &str, values: &[String]) -> Option<String> {
    let mut text = String::with_capacity(pattern.len());
    let mut rest = pattern;
    let mut next = 0;
    while let Some((before, after)) = rest.split_once('%') {
        text.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            text.push('%');
            rest = after;
            continue;
        }
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = after.split_at_checked(digits)?;
        let after = if number.is_empty() {
            next += 1;
            after
        } else {
            next = number.parse().ok()?;
            tail.strip_prefix('$')?
        };
        let value = values.get(usize::checked_sub(next, 1)?)?;
        let mut characters = after.chars();
        match characters.next()? {
            's' => text.push_str(value),
            'I' => text.push_str(&quoted(value)),
            'L' => text.push_str(&literal(value)),
            _ => return None,
        }
        rest = characters.as_str();
    }
    text.push_str(rest);
    Some(text)
}

/// Returns a name in quotes.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(value: &str) -> String {
    let doubled = value.replace('\'', "''");
    if value.contains('\\') {
        format!("E'{}'", doubled.replace('\\', "\\\\"))
    } else {
        format!("'{doubled}'")
    }
}
