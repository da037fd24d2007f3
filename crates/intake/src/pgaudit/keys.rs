use super::SubjectTable;
use super::sql::{Token, tokens};

/// Words that may follow a table's name and are no alias.
const NO_ALIAS: [&str; 22] = [
    "where",
    "join",
    "on",
    "left",
    "right",
    "inner",
    "full",
    "cross",
    "natural",
    "order",
    "group",
    "limit",
    "offset",
    "having",
    "union",
    "except",
    "intersect",
    "for",
    "using",
    "window",
    "fetch",
    "tablesample",
];

/// The subjects that a statement names, and what it shows of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Keys {
    pub(super) keys: Vec<String>,
    words: Vec<String>,
    star: bool,
}

impl Keys {
    /// Returns whether the statement may show a column: it names it, or has a `*`.
    pub(super) fn shows(&self, column: &str) -> bool {
        self.star || self.words.iter().any(|word| word == column)
    }
}

/// Returns the literal keys by which a statement asks for rows of `table`; `None` if it does not name the
/// table. `parameters` are the values of `$1` and on.
pub(super) fn keys_in(sql: &str, parameters: &[String], table: &SubjectTable) -> Option<Keys> {
    let tokens = tokens(sql);
    let (schema, name) = match table.table.split_once('.') {
        Some((schema, name)) => (Some(schema), name),
        None => (None, table.table.as_str()),
    };
    let names = table_names(&tokens, schema, name);
    if names.is_empty() {
        return None;
    }
    let mut keys = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let qualifier = match (
            at.checked_sub(2).and_then(|q| tokens.get(q)),
            at.checked_sub(1).and_then(|d| tokens.get(d)),
        ) {
            (Some(Token::Word(qualifier)), Some(Token::Sign('.'))) => Some(qualifier),
            _ => None,
        };
        let ours = qualifier.is_none_or(|qualifier| names.contains(qualifier));
        if *token == Token::Word(table.key.clone()) && ours {
            let rest = tokens.get(at + 1..).unwrap_or_default();
            keys.extend(compared(rest, parameters));
        }
    }
    keys.sort();
    keys.dedup();
    let words = tokens.iter().filter_map(|token| match token {
        Token::Word(word) => Some(word.clone()),
        _ => None,
    });
    // A star between operands is a product, which shows no more than its operands.
    let star = tokens.windows(2).any(|pair| {
        matches!(pair, [Token::Word(word), Token::Sign('*')] if word == "select" || word == "distinct")
            || matches!(pair, [Token::Sign('.' | ','), Token::Sign('*')])
    });
    Some(Keys { keys, words: words.collect(), star })
}

/// Returns the names under which the table goes in a statement: its own and its aliases.
fn table_names(tokens: &[Token], schema: Option<&str>, name: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if *token != Token::Word(name.to_owned()) {
            continue;
        }
        let before = |back: usize| at.checked_sub(back).and_then(|place| tokens.get(place));
        let (in_from, other_schema) = match (before(3), before(2), before(1)) {
            (from, Some(Token::Word(given)), Some(Token::Sign('.'))) => {
                (starts_table(from), schema.is_some_and(|schema| schema != given))
            }
            (_, _, from) => (starts_table(from), false),
        };
        if !in_from || other_schema {
            continue;
        }
        names.push(name.to_owned());
        let mut after = tokens.get(at + 1..).unwrap_or_default().iter();
        let mut next = after.next();
        if next == Some(&Token::Word("as".to_owned())) {
            next = after.next();
        }
        if let Some(Token::Word(alias)) = next
            && !NO_ALIAS.contains(&alias.as_str())
        {
            names.push(alias.clone());
        }
    }
    names
}

fn starts_table(before: Option<&Token>) -> bool {
    match before {
        Some(Token::Word(word)) => ["from", "join", "only", "into", "update"].contains(&word.as_str()),
        Some(Token::Sign(',')) => true,
        _ => false,
    }
}

/// Returns the values that what follows a key compares it with: `= v`, `IN (v, …)`, `= ANY (…)`.
fn compared(rest: &[Token], parameters: &[String]) -> Vec<String> {
    let rest = after_cast(rest);
    match rest {
        [Token::Sign('='), Token::Word(any), Token::Sign('('), inside @ ..] if any == "any" => {
            let list = values(inside, parameters);
            list.iter().flat_map(|text| elements(text)).collect()
        }
        [Token::Sign('='), Token::Sign('-'), Token::Literal(value), ..] => vec![format!("-{value}")],
        [Token::Sign('='), value, ..] => value_of(value, parameters).into_iter().collect(),
        [Token::Word(word), Token::Sign('('), inside @ ..] if word == "in" => values(inside, parameters),
        _ => Vec::new(),
    }
}

fn after_cast(rest: &[Token]) -> &[Token] {
    match rest {
        [Token::Sign(':'), Token::Word(_), rest @ ..] => rest,
        rest => rest,
    }
}

/// Reads values up to the closing bracket; nothing if anything but values, commas and casts is there.
fn values(inside: &[Token], parameters: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = inside;
    loop {
        rest = match rest {
            [Token::Sign(')'), ..] => return found,
            [Token::Sign(',' | '[' | ']'), rest @ ..] | [Token::Sign(':'), Token::Word(_), rest @ ..] => rest,
            [Token::Word(word), rest @ ..] if word == "array" => rest,
            [Token::Sign('-'), Token::Literal(value), rest @ ..] => {
                found.push(format!("-{value}"));
                rest
            }
            [value @ (Token::Literal(_) | Token::Parameter(_)), rest @ ..] => {
                found.extend(value_of(value, parameters));
                rest
            }
            _ => return Vec::new(),
        };
    }
}

fn value_of(token: &Token, parameters: &[String]) -> Option<String> {
    match token {
        Token::Literal(value) => Some(value.clone()),
        Token::Parameter(number) => parameters.get(number.checked_sub(1)?).cloned(),
        _ => None,
    }
}

/// Returns the elements of an array's text such as `{1,2}`, or the text itself if it is none.
fn elements(text: &str) -> Vec<String> {
    match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        Some(inside) => inside
            .split(',')
            .map(|element| element.trim().trim_matches('"').to_owned())
            .filter(|element| !element.is_empty())
            .collect(),
        None => vec![text.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> SubjectTable {
        SubjectTable { table: "public.customers".into(), key: "id".into(), fields: Vec::new() }
    }

    #[test]
    fn literal_keys_are_found_wherever_they_stand() {
        let parameters = ["7".to_owned(), "{8,9}".to_owned()];
        for (sql, expected) in [
            ("SELECT name FROM customers WHERE id = 5", Some(vec!["5"])),
            ("select c.* from public.customers c where c.id='5' and c.name = '6'", Some(vec!["5"])),
            (
                "SELECT * FROM customers AS x JOIN tickets t ON t.cid = x.id WHERE t.id = 4 AND x.id IN (1, 2,3)",
                Some(vec!["1", "2", "3"]),
            ),
            ("SELECT 1 FROM \"customers\" WHERE id::bigint = $1", Some(vec!["7"])),
            ("SELECT 1 FROM customers WHERE id = ANY ($2::bigint[])", Some(vec!["8", "9"])),
            ("SELECT 1 FROM customers WHERE id = ANY ('{1,2}')", Some(vec!["1", "2"])),
            ("SELECT 1 FROM customers WHERE id = ANY (ARRAY[1,-2])", Some(vec!["-2", "1"])),
            ("SELECT 1 FROM customers WHERE id > 5", Some(vec![])),
            ("SELECT 1 FROM customers WHERE id IN (SELECT 4)", Some(vec![])),
            ("SELECT 1 FROM other.customers WHERE id = 5", None),
            ("SELECT 1 FROM tickets WHERE id = 5 -- FROM customers", None),
            ("SELECT 'it''s FROM customers WHERE id = 3' FROM tickets", None),
            ("SELECT 1 /* c */ FROM customers WHERE id = 'a''b'", Some(vec!["a'b"])),
        ] {
            let found = keys_in(sql, &parameters, &table()).map(|keys| keys.keys);
            assert_eq!(found, expected.map(|keys| keys.into_iter().map(String::from).collect()), "{sql}");
        }
    }

    #[test]
    fn columns_shown_are_those_named_or_all_behind_a_star() {
        let shows = |sql: &str, column: &str| keys_in(sql, &[], &table()).unwrap().shows(column);
        assert!(shows("SELECT name FROM customers WHERE id = 1", "name"));
        assert!(!shows("SELECT name FROM customers WHERE id = 1", "email"));
        assert!(shows("SELECT c.* FROM customers c WHERE id = 1", "email"));
        assert!(!shows("SELECT count(*), 2 * 3 FROM customers WHERE id = 1", "email"));
    }
}
