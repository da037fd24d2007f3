//! PL/pgSQL, on PostgreSQL's own parser: its tree as JSON.

use pg_query::NodeEnum;
use pg_query::protobuf::Node;
use serde_json::Value;

use super::routine::{read_statement, twice};
use super::{Bound, Code, Parameter, Step};
use crate::lineage::{on_deep_stack, tree};

// What plpgsql itself gives a meaning to.
const OWN_VARIABLES: [&str; 17] = [
    "new",
    "old",
    "found",
    "sqlstate",
    "sqlerrm",
    "tg_name",
    "tg_when",
    "tg_level",
    "tg_op",
    "tg_relid",
    "tg_relname",
    "tg_table_name",
    "tg_table_schema",
    "tg_nargs",
    "tg_argv",
    "tg_event",
    "tg_tag",
];

/// What a body is read with.
pub(super) struct Reading<'r> {
    /// What `$1`, `$2`, … stand for.
    pub(super) numbered: &'r [String],
    pub(super) parameters: &'r [Parameter],
}

/// Reads the text of a DO statement; `None` if it cannot be read.
pub(in crate::lineage) fn read_block(sql: &str) -> Option<Code> {
    let mut code = Code::default();
    read_into(sql, &Reading { numbered: &[], parameters: &[] }, &mut code)?;
    Some(code)
}

/// Reads the body of the one function or block in a text into `code`: its steps and its variables.
pub(super) fn read_into(sql: &str, reading: &Reading<'_>, code: &mut Code) -> Option<()> {
    let tree = on_deep_stack(|| pg_query::parse_plpgsql(sql).ok())?;
    let function = tree.get(0)?.get("PLpgSQL_function")?;
    let mut block = Block {
        reading,
        datums: function.get("datums").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default(),
        steps: Vec::new(),
        set: reading.parameters.iter().map(|parameter| parameter.name.clone()).collect(),
        rows: 0,
    };
    code.variables.extend(OWN_VARIABLES.map(str::to_owned));
    for datum in block.datums {
        code.variables.extend(name_of(datum).map(str::to_owned));
        block.declare(datum);
    }
    block.statement(function.get("action")?);
    code.changed = twice(block.set.iter().map(String::as_str));
    code.steps = block.steps;
    Some(())
}

struct Block<'r> {
    reading: &'r Reading<'r>,
    datums: &'r [Value],
    steps: Vec<Step>,
    // Every setting of a variable.
    set: Vec<String>,
    rows: usize,
}

impl Block<'_> {
    fn declare(&mut self, datum: &Value) {
        let Some(variable) = datum.get("PLpgSQL_var") else { return };
        if let (Some(name), Some(text)) = (name_of(datum), text_of(variable, "default_val")) {
            self.assign(name, text);
        }
        self.run(text_of(variable, "cursor_explicit_expr"));
    }

    fn statements(&mut self, list: Option<&Value>) {
        list.and_then(Value::as_array).into_iter().flatten().for_each(|node| self.statement(node));
    }

    fn statement(&mut self, node: &Value) {
        let Some((kind, node)) = node.as_object().and_then(|object| object.iter().next()) else { return };
        let part = |name: &str| node.get(name);
        let text = |name: &str| text_of(node, name);
        match kind.as_str() {
            "PLpgSQL_stmt_assign" => match text("expr").and_then(split_assignment) {
                Some((name, text)) if name.bytes().any(|byte| matches!(byte, b'.' | b'[')) => {
                    // A part of it is set, the rest stays.
                    let root = name.split(['.', '[']).next().unwrap_or_default().trim().to_owned();
                    self.set.extend([root.clone(), root]);
                    self.run(Some(text));
                }
                Some((name, text)) => self.assign(&name, text),
                None => self.steps.push(Step::Unseen),
            },
            "PLpgSQL_stmt_fori" => {
                let (lower, upper) = (text("lower").unwrap_or("0"), text("upper").unwrap_or("0"));
                let backward = part("reverse").and_then(Value::as_bool).unwrap_or(false);
                let (lower, upper) = if backward { (upper, lower) } else { (lower, upper) };
                self.bind(part("var"), Some(&format!("generate_series(({lower})::int, ({upper})::int)")));
            }
            "PLpgSQL_stmt_fors" => self.bind(part("var"), text("query")),
            "PLpgSQL_stmt_forc" => {
                self.run(text("argquery"));
                let cursor = part("curvar").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
                let cursor = cursor.and_then(|at| self.datums.get(at)?.get("PLpgSQL_var"));
                let query = cursor.and_then(|cursor| text_of(cursor, "cursor_explicit_expr"));
                self.bind(part("var"), query);
            }
            "PLpgSQL_stmt_foreach_a" => {
                let array = text("expr").map(|array| format!("unnest({array})"));
                let variable = part("varno").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
                let variable = variable.and_then(|at| self.datums.get(at));
                self.bind(variable, array.as_deref());
            }
            "PLpgSQL_stmt_execsql" => match part("target") {
                Some(target) => self.bind(Some(target), text("sqlstmt")),
                None => self.run(text("sqlstmt")),
            },
            "PLpgSQL_stmt_dynexecute" => self.execute(text("query"), part("params"), part("target")),
            "PLpgSQL_stmt_dynfors" => self.execute(text("query"), part("params"), part("var")),
            "PLpgSQL_stmt_return_query" | "PLpgSQL_stmt_open" => {
                self.run(text("query"));
                self.run(text("argquery"));
                if let Some(query) = text("dynquery") {
                    self.execute(Some(query), part("params"), None);
                }
            }
            "PLpgSQL_stmt_fetch" => {
                // A row that a cursor stands at is not known.
                let names: Vec<String> = part("target").map(|target| self.names(target)).unwrap_or_default();
                self.set.extend(names.iter().chain(&names).cloned());
                self.run(text("expr"));
            }
            _ => self.parts(node),
        }
        self.statements(part("body"));
    }

    // Whatever else holds expressions and statements: all of them.
    fn parts(&mut self, node: &Value) {
        let Some(parts) = node.as_object() else { return };
        for (name, part) in parts {
            match part {
                // The body comes after what is around it.
                Value::Array(_) if name == "body" => {}
                Value::Array(list) => list.iter().for_each(|part| self.part(part)),
                Value::Object(_) => self.part(part),
                _ => {}
            }
        }
    }

    fn part(&mut self, part: &Value) {
        match part.as_object().and_then(|object| object.iter().next()) {
            Some((kind, expression)) if kind == "PLpgSQL_expr" => {
                self.run(expression.get("query").and_then(Value::as_str));
            }
            Some((kind, _)) if kind.starts_with("PLpgSQL_stmt_") => self.statement(part),
            Some((_, inner)) => self.parts(inner),
            None => {}
        }
    }

    fn run(&mut self, text: Option<&str>) {
        let Some(text) = text else { return };
        self.steps.push(read_statement(text, self.reading.numbered).map_or(Step::Unseen, Step::Run));
    }

    fn assign(&mut self, name: &str, text: &str) {
        self.set.push(name.to_owned());
        let Some(Node { node: Some(NodeEnum::SelectStmt(select)) }) =
            read_statement(&format!("SELECT {text}"), self.reading.numbered)
        else {
            return self.steps.push(Step::Unseen);
        };
        let bound = Bound { alias: name.to_owned(), columns: vec![name.to_owned()] };
        self.steps.push(Step::Bind { bound, select: *select });
    }

    fn bind(&mut self, target: Option<&Value>, text: Option<&str>) {
        let bound = target.and_then(|target| self.bound(target));
        let Some(statement) = text.and_then(|text| read_statement(text, self.reading.numbered)) else {
            return self.steps.push(Step::Unseen);
        };
        match (bound, statement) {
            (Some(bound), Node { node: Some(NodeEnum::SelectStmt(select)) }) => {
                self.steps.push(Step::Bind { bound, select: *select });
            }
            (bound, statement) => {
                // Set by something that gives its rows only when it runs.
                let names: Vec<String> = bound.iter().flat_map(Bound::names).map(str::to_owned).collect();
                self.set.extend(names);
                self.steps.push(Step::Run(statement));
            }
        }
    }

    fn execute(&mut self, text: Option<&str>, using: Option<&Value>, target: Option<&Value>) {
        let numbered = self.reading.numbered;
        let expression = |text: &str| match read_statement(&format!("SELECT {text}"), numbered)?.node? {
            NodeEnum::SelectStmt(select) => tree::only_value(&select).cloned(),
            _ => None,
        };
        let using = using.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let using = using.iter().map(|value| expression(value.get("PLpgSQL_expr")?.get("query")?.as_str()?));
        let bound = target.and_then(|target| self.bound(target));
        let step = match (text.and_then(expression), using.collect::<Option<Vec<Node>>>()) {
            (Some(text), Some(using)) => Step::Execute { text, using, bound },
            _ => Step::Unseen,
        };
        self.steps.push(step);
    }

    // Takes note that a target is set.
    fn bound(&mut self, target: &Value) -> Option<Bound> {
        let names = self.names(target);
        self.set.extend(names.iter().cloned());
        let alias = names.first()?.clone();
        if target.get("PLpgSQL_rec").is_some() {
            return Some(Bound { alias, columns: Vec::new() });
        }
        self.rows += 1;
        let alias = if names.len() == 1 { alias } else { format!("rastro_row_{}", self.rows) };
        Some(Bound { alias, columns: names })
    }

    fn names(&self, target: &Value) -> Vec<String> {
        if let Some(fields) = target.get("PLpgSQL_row").and_then(|row| row.get("fields")?.as_array()) {
            let name = |field: &Value| Some(field.get("name")?.as_str()?.to_owned());
            return fields.iter().filter_map(name).collect();
        }
        name_of(target).map(str::to_owned).into_iter().collect()
    }
}

fn name_of(datum: &Value) -> Option<&str> {
    let (_, datum) = datum.as_object()?.iter().next()?;
    datum.get("refname")?.as_str().filter(|name| !name.starts_with('('))
}

fn text_of<'v>(node: &'v Value, name: &str) -> Option<&'v str> {
    node.get(name)?.get("PLpgSQL_expr")?.get("query")?.as_str()
}

// `name := expression`.
fn split_assignment(text: &str) -> Option<(String, &str)> {
    let (target, value) = match (text.find(":="), text.find('=')) {
        (Some(at), Some(equals)) if at < equals => (text.get(..at)?, text.get(at + 2..)?),
        (_, Some(equals)) => (text.get(..equals)?, text.get(equals + 1..)?),
        _ => return None,
    };
    let target = target.trim();
    let name = match target.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => target.to_lowercase(),
    };
    Some((name, value))
}
