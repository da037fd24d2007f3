//! Functions, rules and expressions as PostgreSQL prints them (`pg_get_functiondef`, `pg_get_ruledef`,
//! `pg_get_expr`).

use std::collections::BTreeSet;

use pg_query::NodeEnum;
use pg_query::protobuf::{CreateFunctionStmt, FunctionParameterMode, Node};

use super::block::{Reading, read_into};
use super::constant::quoted;
use super::{Code, Parameter, Step};
use crate::lineage::{parameters, parse, tree};

/// Reads a function or procedure in SQL or PL/pgSQL; `None` if it cannot be read.
pub(in crate::lineage) fn read_routine(definition: &str) -> Option<Code> {
    let parsed = parse(definition)?;
    let NodeEnum::CreateFunctionStmt(create) = parsed.protobuf.stmts.first()?.stmt.as_ref()?.node.as_ref()?
    else {
        return None;
    };
    let mut code = Code { name: (*tree::words(&create.funcname).last()?).to_owned(), ..Code::default() };
    read_parameters(create, &mut code);
    let numbered: Vec<String> = code
        .parameters
        .iter()
        .map(|parameter| format!("{}.{}", quoted(&code.name), quoted(&parameter.name)))
        .collect();
    match option(create, "language")?.as_str() {
        "sql" => {
            let text = match create.sql_body {
                // The parameters of a body that is not a literal are in the definition itself.
                Some(_) => return with_body(&numbered_text(definition, &numbered)?, code),
                None => numbered_text(&option(create, "as")?, &numbered)?,
            };
            for raw in parse(&text)?.protobuf.stmts {
                code.steps.extend(raw.stmt.map(|node| Step::Run(*node)));
            }
        }
        "plpgsql" => {
            let parameters = code.parameters.clone();
            let reading = Reading { numbered: &numbered, parameters: &parameters };
            let returns =
                create.return_type.as_ref().map(|name| tree::words(&name.names)).unwrap_or_default();
            if returns.last() == Some(&"trigger") {
                read_into(&as_ordinary(&option(create, "as")?), &reading, &mut code)?;
            } else {
                read_into(definition, &reading, &mut code)?;
            }
        }
        _ => return None,
    }
    Some(code)
}

/// Reads the actions of a rule on a change.
pub(in crate::lineage) fn read_rule(definition: &str) -> Option<Code> {
    let parsed = parse(definition)?;
    let NodeEnum::RuleStmt(rule) = parsed.protobuf.stmts.into_iter().next()?.stmt?.node? else { return None };
    let mut steps: Vec<Step> = rule.actions.into_iter().map(Step::Run).collect();
    if let Some(condition) = rule.where_clause {
        let mut select = tree::plain_select();
        select.target_list = vec![tree::target("", *condition)];
        steps.push(Step::Run(tree::select_node(select)));
    }
    Some(Code { steps, ..Code::default() })
}

/// Reads an expression that is computed of a row (a default, a check).
pub(in crate::lineage) fn read_expression(text: &str) -> Option<Code> {
    let parsed = parse(&format!("SELECT {text}"))?;
    let node = parsed.protobuf.stmts.into_iter().next()?.stmt?;
    Some(Code { steps: vec![Step::Run(*node)], ..Code::default() })
}

// The parser does not print what it makes of a trigger's variables; as parameters it does.
fn as_ordinary(body: &str) -> String {
    let quote = dollar_quote(body);
    format!(
        "CREATE FUNCTION f(new record, old record, tg_name text, tg_when text, tg_level text, tg_op text, tg_relid oid, \
         tg_relname text, tg_table_name text, tg_table_schema text, tg_nargs int, tg_argv text[]) RETURNS record \
         LANGUAGE plpgsql AS {quote}{body}{quote}"
    )
}

/// Returns quotes that a body does not hold.
pub(in crate::lineage) fn dollar_quote(body: &str) -> String {
    let mut quote = "$rastro$".to_owned();
    while body.contains(&quote) {
        quote.insert(1, '_');
    }
    quote
}

fn read_parameters(create: &CreateFunctionStmt, code: &mut Code) {
    for node in &create.parameters {
        let Some(NodeEnum::FunctionParameter(parameter)) = &node.node else { continue };
        let mode = FunctionParameterMode::try_from(parameter.mode).unwrap_or_default();
        if matches!(mode, FunctionParameterMode::FuncParamOut | FunctionParameterMode::FuncParamTable) {
            if option(create, "language").is_some_and(|language| language == "plpgsql") {
                code.variables.insert(parameter.name.clone());
            }
            // A procedure is given values for these too.
            if !create.is_procedure || mode == FunctionParameterMode::FuncParamTable {
                continue;
            }
        }
        code.variadic |= mode == FunctionParameterMode::FuncParamVariadic;
        let name = match parameter.name.as_str() {
            "" => format!("rastro_{}", code.parameters.len() + 1),
            name => name.to_owned(),
        };
        code.variables.insert(name.clone());
        let type_name = parameter.arg_type.clone().filter(|type_name| {
            let pseudo = |word: &&str| {
                word.starts_with("any") || ["record", "trigger", "internal", "cstring"].contains(word)
            };
            !tree::words(&type_name.names).last().is_some_and(pseudo)
        });
        code.parameters.push(Parameter { name, type_name, default: parameter.defexpr.as_deref().cloned() });
    }
}

fn with_body(definition: &str, mut code: Code) -> Option<Code> {
    let parsed = parse(definition)?;
    let NodeEnum::CreateFunctionStmt(create) = parsed.protobuf.stmts.into_iter().next()?.stmt?.node? else {
        return None;
    };
    let mut nodes = vec![*create.sql_body?];
    let mut steps = Vec::new();
    while let Some(node) = nodes.pop() {
        match node.node {
            Some(NodeEnum::List(list)) => nodes.extend(list.items.into_iter().rev()),
            Some(NodeEnum::ReturnStmt(give)) => {
                let mut select = tree::plain_select();
                select.target_list = vec![tree::target("", *give.returnval?)];
                steps.push(Step::Run(tree::select_node(select)));
            }
            Some(node) => steps.push(Step::Run(tree::node(node))),
            None => {}
        }
    }
    code.steps = steps;
    Some(code)
}

/// Writes what numbered parameters stand for in their place.
pub(super) fn numbered_text(text: &str, numbered: &[String]) -> Option<String> {
    if !text.contains('$') {
        return Some(text.to_owned());
    }
    parameters::replace(text, |number| numbered.get(number.checked_sub(1)?).cloned())
}

fn option(create: &CreateFunctionStmt, name: &str) -> Option<String> {
    create.options.iter().find_map(|node| {
        let Some(NodeEnum::DefElem(option)) = &node.node else { return None };
        if option.defname != name {
            return None;
        }
        match option.arg.as_ref()?.node.as_ref()? {
            NodeEnum::String(word) => Some(word.sval.clone()),
            NodeEnum::List(list) => tree::words(&list.items).first().map(|word| (*word).to_owned()),
            _ => None,
        }
    })
}

/// Returns the names in an assignment list or the like, each counted.
pub(super) fn twice<'n>(names: impl Iterator<Item = &'n str>) -> BTreeSet<String> {
    let (mut once, mut twice) = (BTreeSet::new(), BTreeSet::new());
    for name in names {
        if !once.insert(name) {
            twice.insert(name.to_owned());
        }
    }
    twice
}

/// Returns a query or expression as a statement.
pub(super) fn read_statement(text: &str, numbered: &[String]) -> Option<Node> {
    let text = numbered_text(text, numbered)?;
    let parsed = parse(&text).or_else(|| parse(&format!("SELECT {text}")))?;
    let mut statements = parsed.protobuf.stmts;
    let only = statements.pop().filter(|_| statements.is_empty())?;
    only.stmt.map(|node| *node)
}
