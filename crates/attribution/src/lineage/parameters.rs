//! Parameters of a text: filled in for EXECUTE, renumbered for a query of the gateway's own.

use pg_query::protobuf::{Node, ParseResult, RawStmt, Token};

/// Returns a query with its parameters replaced by what EXECUTE gives for them.
pub(super) fn fill_in(query: &Node, values: &[Node]) -> Option<Node> {
    if values.is_empty() {
        return Some(query.clone());
    }
    let text = print(query)?;
    let mut printed = Vec::with_capacity(values.len());
    for value in values {
        let mut select = super::tree::plain_select();
        select.target_list = vec![super::tree::target("", value.clone())];
        let text = print(&super::tree::select_node(select))?;
        printed.push(format!("({})", text.strip_prefix("SELECT ")?));
    }
    let filled = replace(&text, |number| printed.get(number.checked_sub(1)?).cloned())?;
    let parsed = pg_query::parse(&filled, 0).ok()?;
    parsed.protobuf.stmts.into_iter().next()?.stmt.map(|node| *node)
}

/// Returns a text whose parameters are numbered from 1 without a gap, and the numbers they had.
pub(crate) fn renumber(text: &str) -> Option<(String, Vec<u16>)> {
    let mut numbers: Vec<u16> = Vec::new();
    let text = replace(text, |number| {
        let number = u16::try_from(number).ok()?;
        let index = numbers.iter().position(|known| *known == number).unwrap_or_else(|| {
            numbers.push(number);
            numbers.len() - 1
        });
        Some(format!("${}", index + 1))
    })?;
    Some((text, numbers))
}

/// Prints a statement as SQL.
pub(crate) fn print(node: &Node) -> Option<String> {
    let stmt = RawStmt { stmt: Some(Box::new(node.clone())), stmt_location: 0, stmt_len: 0 };
    let tree = ParseResult { version: 0, stmts: vec![stmt] };
    pg_query::deparse(&tree, pg_query::DeparseOptions::default()).ok()
}

/// Writes something in the place of each numbered parameter of a text.
pub(super) fn replace(text: &str, mut with: impl FnMut(usize) -> Option<String>) -> Option<String> {
    let tokens = pg_query::scan_tokens(text).ok()?;
    let mut replaced = String::with_capacity(text.len());
    let mut from = 0;
    for token in tokens.iter().filter(|token| token.token == Token::Param as i32) {
        let (start, end) = (usize::try_from(token.start).ok()?, usize::try_from(token.end).ok()?);
        let number = text.get(start..end)?.strip_prefix('$')?.parse().ok()?;
        replaced.push_str(text.get(from..start)?);
        replaced.push_str(&with(number)?);
        from = end;
    }
    replaced.push_str(text.get(from..)?);
    Some(replaced)
}
