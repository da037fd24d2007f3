//! Reading of a view's stored query: the node text of `pg_rewrite.ev_action`, as PostgreSQL 12 and newer
//! print it (`outfuncs.c`, read by `read.c`).

use std::collections::HashMap;

/// One column of a view's output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ViewColumn {
    /// Its number in the view.
    pub attnum: i16,
    /// Where it comes from, unchanged: (relation, column), column 0 for a whole row.
    pub origin: Option<(u32, i16)>,
    /// Whether its expression reads any column or sub-query; false for constants and `count(*)`.
    pub reads: bool,
}

/// What a view's stored query says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ViewQuery {
    /// The columns of its output, junk columns left out.
    pub columns: Vec<ViewColumn>,
    /// Whether a whole row is read anywhere, which no dependency on a column tells.
    pub whole_row: bool,
    /// The relations that it reads, each as often as it is named, all twice where a common table expression is read
    /// twice; the view itself too, in older versions.
    pub relations: Vec<u32>,
}

/// Why a stored query cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ViewQueryError {
    /// The text does not begin with `({QUERY`, or has more than one query.
    #[error("view query is not a list of one query")]
    NotOneQuery,
    /// Brackets do not match, or the text ends early.
    #[error("view query has unbalanced brackets at byte {at}")]
    Unbalanced {
        /// Offset of the bracket.
        at: usize,
    },
    /// The query has no target list, or two.
    #[error("view query has {found} target lists, expected 1")]
    TargetList {
        /// How many.
        found: usize,
    },
    /// A target entry lacks a number or has one out of range.
    #[error("view query has a malformed target entry that ends at byte {at}")]
    TargetEntry {
        /// Offset of the entry's end.
        at: usize,
    },
}

/// Reads the stored query of a view. O(n), no recursion.
///
/// Only the target list of the outermost query counts; those of sub-queries and common table expressions
/// are deeper in the brackets.
///
/// # Errors
/// The text is not what PostgreSQL prints.
pub fn parse(text: &str) -> Result<ViewQuery, ViewQueryError> {
    let mut tokens = Tokens { text: text.as_bytes(), at: 0 };
    for expected in [b"(".as_slice(), b"{", b"QUERY"] {
        if tokens.next() != Some(expected) {
            return Err(ViewQueryError::NotOneQuery);
        }
    }
    let mut walk = Walk::default();
    while let Some(token) = tokens.next() {
        walk.step(token, tokens.at)?;
        if walk.open.is_empty() {
            break;
        }
    }
    if !walk.open.is_empty() {
        return Err(ViewQueryError::Unbalanced { at: text.len() });
    }
    if tokens.next().is_some() {
        return Err(ViewQueryError::NotOneQuery);
    }
    if walk.target_lists != 1 {
        return Err(ViewQueryError::TargetList { found: walk.target_lists });
    }
    let mut query = walk.query;
    if walk.ctes.values().any(|mentions| *mentions > 2) {
        query.relations.extend_from_within(..);
    }
    Ok(query)
}

// Depth of the brackets around each part: `(` 1, `{QUERY` 2, `:targetList (` 3, `{TARGETENTRY` 4.
const QUERY: usize = 2;
const LIST: usize = 3;
const ENTRY: usize = 4;

struct Walk<'a> {
    open: Vec<u8>,
    key: &'a [u8],
    in_targets: bool,
    target_lists: usize,
    entry: Entry,
    before: &'a [u8],
    // The entry of the range table that is being read names a relation, which comes next.
    names_relation: bool,
    // Common table expressions: once where they are made, once where each is read.
    ctes: HashMap<&'a [u8], usize>,
    query: ViewQuery,
}

impl Default for Walk<'_> {
    fn default() -> Self {
        Walk {
            open: b"({".to_vec(),
            key: b"",
            in_targets: false,
            target_lists: 0,
            entry: Entry::default(),
            before: b"",
            names_relation: false,
            ctes: HashMap::new(),
            query: ViewQuery::default(),
        }
    }
}

#[derive(Default)]
struct Entry {
    attnum: Option<i16>,
    relation: Option<u32>,
    column: Option<i16>,
    junk: Option<bool>,
    reads: bool,
}

impl<'a> Walk<'a> {
    fn step(&mut self, token: &'a [u8], at: usize) -> Result<(), ViewQueryError> {
        match token {
            b"(" | b"{" => {
                if self.open.len() == QUERY && self.key == b":targetList" {
                    self.in_targets = true;
                    self.target_lists += 1;
                }
                self.open.extend_from_slice(token);
                if self.in_targets && self.open.len() == ENTRY {
                    self.entry = Entry::default();
                }
                if self.value_ends() {
                    self.key = b"";
                }
            }
            b")" | b"}" => self.close(token, at)?,
            _ if self.open.len() == QUERY || (self.in_targets && self.open.len() == ENTRY) => {
                self.pair(token, at)?;
            }
            _ => {}
        }
        if self.in_targets && self.before == b"{" && matches!(token, b"VAR" | b"SUBLINK") {
            self.entry.reads = true;
        }
        match self.before {
            b":varattno" => self.query.whole_row |= token == b"0",
            b":rtekind" => self.names_relation = token == b"0",
            b":relid" if std::mem::take(&mut self.names_relation) => {
                self.query.relations.extend(number::<u32>(token));
            }
            b":ctename" => *self.ctes.entry(token).or_default() += 1,
            _ => {}
        }
        self.before = token;
        Ok(())
    }

    // A bracket just opened is the value of the key before it; deeper brackets belong to the value.
    fn value_ends(&self) -> bool {
        self.open.len() == QUERY + 1 || (self.in_targets && self.open.len() == ENTRY + 1)
    }

    fn close(&mut self, token: &[u8], at: usize) -> Result<(), ViewQueryError> {
        let expected: &[u8] = if token == b")" { b"(" } else { b"{" };
        if self.open.last() != expected.first() {
            return Err(ViewQueryError::Unbalanced { at });
        }
        if self.in_targets && self.open.len() == ENTRY {
            let entry = std::mem::take(&mut self.entry);
            self.query.columns.extend(entry.column().ok_or(ViewQueryError::TargetEntry { at })?);
        }
        if self.in_targets && self.open.len() == LIST {
            self.in_targets = false;
        }
        self.open.pop();
        self.key = b"";
        Ok(())
    }

    // Strictly key, value, key, value: an output column may be named `:resorigtbl`.
    fn pair(&mut self, token: &'a [u8], at: usize) -> Result<(), ViewQueryError> {
        if self.key.is_empty() {
            if token.starts_with(b":") {
                self.key = token;
            }
            return Ok(());
        }
        let key = std::mem::replace(&mut self.key, b"");
        if self.open.len() == QUERY {
            return Ok(());
        }
        let bad = ViewQueryError::TargetEntry { at };
        match key {
            b":resno" => self.entry.attnum = Some(number(token).ok_or(bad)?),
            b":resorigtbl" => self.entry.relation = Some(number(token).ok_or(bad)?),
            b":resorigcol" => self.entry.column = Some(number(token).ok_or(bad)?),
            b":resjunk" => self.entry.junk = Some(token == b"true"),
            _ => {}
        }
        Ok(())
    }
}

impl Entry {
    // The outer option is None for an incomplete entry, the inner one for a junk column.
    fn column(self) -> Option<Option<ViewColumn>> {
        let (attnum, relation, column) = (self.attnum?, self.relation?, self.column?);
        if self.junk? {
            return Some(None);
        }
        let origin = (relation != 0).then_some((relation, column));
        Some(Some(ViewColumn { attnum, origin, reads: self.reads }))
    }
}

fn number<T: std::str::FromStr>(token: &[u8]) -> Option<T> {
    std::str::from_utf8(token).ok()?.parse().ok()
}

// The rules of pg_strtok: brackets stand alone, anything else runs to white space or a bracket, and a
// backslash takes the next byte with it.
struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Tokens<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.text.get(self.at..)?;
        let start = self.at + rest.iter().position(|byte| !matches!(byte, b' ' | b'\n' | b'\t'))?;
        let mut end = start;
        while let Some(byte) = self.text.get(end) {
            match byte {
                b'(' | b')' | b'{' | b'}' => {
                    end += usize::from(end == start);
                    break;
                }
                b' ' | b'\n' | b'\t' => break,
                b'\\' => end += 2,
                _ => end += 1,
            }
        }
        self.at = end.min(self.text.len());
        self.text.get(start..self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY_TEXT: &str = "{TARGETENTRY :expr {VAR :varno 3 :varattno 4 :location 31} :resno 1 :resname \
                              :resorigtbl :ressortgroupref 0 :resorigtbl 16384 :resorigcol 4 :resjunk false}";

    fn parse_targets(targets: &str) -> Result<ViewQuery, ViewQueryError> {
        parse(&format!("({{QUERY :cteList <> :targetList ({targets}) :returningList <>}})"))
    }

    #[test]
    fn parse_column_named_like_a_key_keeps_its_origin() {
        let query = parse_targets(ENTRY_TEXT).unwrap();
        let expected = ViewColumn { attnum: 1, origin: Some((16384, 4)), reads: true };
        assert_eq!(query, ViewQuery { columns: vec![expected], ..ViewQuery::default() });
    }

    #[test]
    fn parse_ignores_target_lists_of_sub_queries() {
        let text = format!(
            "({{QUERY :rtable ({{RANGETBLENTRY :subquery {{QUERY :targetList ({ENTRY_TEXT}) :x 1}}}}) \
             :targetList ({{TARGETENTRY :expr {{CONST :constvalue 4 [ 1 0 ]}} :resno 2 :resname \\ \\)b \
             :resorigtbl 0 :resorigcol 0 :resjunk false}})}})"
        );
        let expected = ViewColumn { attnum: 2, origin: None, reads: false };
        assert_eq!(parse(&text).unwrap().columns, [expected]);
    }

    #[test]
    fn parse_counts_each_mention_of_a_relation_and_no_permission() {
        let text = "({QUERY :rtable ({RANGETBLENTRY :eref {ALIAS :aliasname a} :rtekind 0 :relid 7 :relkind r} \
                    {RANGETBLENTRY :rtekind 1 :subquery {QUERY :rtable ({RANGETBLENTRY :rtekind 0 :relid 7})}} \
                    {RANGETBLENTRY :rtekind 3 :functions <>}) :rteperminfos ({RTEPERMISSIONINFO :relid 7}) \
                    :targetList ()})";
        assert_eq!(parse(text).unwrap().relations, [7, 7]);
    }

    #[test]
    fn parse_counts_twice_what_is_read_through_an_expression_read_twice() {
        let read = "{RANGETBLENTRY :rtekind 6 :ctename c :ctelevelsup 0}";
        let relations = |reads: &str| {
            let text = format!(
                "({{QUERY :cteList ({{COMMONTABLEEXPR :ctename c :ctequery {{QUERY :rtable \
                 ({{RANGETBLENTRY :rtekind 0 :relid 7}})}}}}) :rtable ({reads}) :targetList ()}})"
            );
            parse(&text).unwrap().relations
        };
        assert_eq!(relations(read), [7]);
        assert_eq!(relations(&read.repeat(2)), [7, 7]);
    }

    #[test]
    fn parse_malformed_text_is_rejected() {
        let check = |text: &str, expected| assert_eq!(parse(text), Err(expected), "{text}");
        check("", ViewQueryError::NotOneQuery);
        check("<>", ViewQueryError::NotOneQuery);
        check("({QUERY :targetList ()}) x", ViewQueryError::NotOneQuery);
        check("({QUERY :targetList ()})({", ViewQueryError::NotOneQuery);
        check("({QUERY :a 1})", ViewQueryError::TargetList { found: 0 });
        check("({QUERY :a (})", ViewQueryError::Unbalanced { at: 13 });
        check("({QUERY :a 1", ViewQueryError::Unbalanced { at: 12 });
        assert!(matches!(parse_targets("{T :resno 1}"), Err(ViewQueryError::TargetEntry { .. })));
        let big = ENTRY_TEXT.replace(":resno 1", ":resno 99999");
        assert!(matches!(parse_targets(&big), Err(ViewQueryError::TargetEntry { .. })));
    }

    #[test]
    fn parse_of_every_prefix_is_an_error() {
        let text = format!("({{QUERY :targetList ({ENTRY_TEXT}) :returningList <>}})");
        for end in 0..text.len() {
            assert!(parse(&text[..end]).is_err(), "{end}");
        }
        assert!(parse(&text).is_ok());
    }
}
