//! The little of SQL that is needed to find literal keys: words, literals, parameters, signs.

/// A piece of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// An identifier or keyword; in lower case unless it was quoted.
    Word(String),
    /// A number or the text of a literal.
    Literal(String),
    /// `$1` is 1.
    Parameter(usize),
    /// Any other character; `::` is one sign, `:`.
    Sign(char),
}

/// Splits a statement; comments and blanks are left out.
pub(super) fn tokens(sql: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            c if c.is_whitespace() => (None, c.len_utf8()),
            '-' if rest.starts_with("--") => (None, rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => (None, rest.find("*/").map_or(rest.len(), |end| end + 2)),
            '\'' => {
                let (text, length) = quoted(rest, '\'');
                (Some(Token::Literal(text)), length)
            }
            '"' => {
                let (text, length) = quoted(rest, '"');
                (Some(Token::Word(text)), length)
            }
            '$' => {
                let digits = length_where(rest.get(1..).unwrap_or_default(), |c| c.is_ascii_digit());
                let number = rest.get(1..1 + digits).and_then(|digits| digits.parse().ok());
                (Some(number.map_or(Token::Sign('$'), Token::Parameter)), 1 + digits)
            }
            c if c.is_ascii_digit() => {
                let length = length_where(rest, |c| c.is_ascii_digit() || c == '.');
                (Some(Token::Literal(rest.get(..length).unwrap_or_default().to_owned())), length)
            }
            c if c.is_alphabetic() || c == '_' => {
                let length = length_where(rest, |c| c.is_alphanumeric() || c == '_' || c == '$');
                (Some(Token::Word(rest.get(..length).unwrap_or_default().to_lowercase())), length)
            }
            ':' if rest.starts_with("::") => (Some(Token::Sign(':')), 2),
            c => (Some(Token::Sign(c)), c.len_utf8()),
        };
        found.extend(token);
        rest = rest.get(length.max(1)..).unwrap_or_default();
    }
    found
}

fn length_where(text: &str, wanted: impl Fn(char) -> bool) -> usize {
    text.find(|c| !wanted(c)).unwrap_or(text.len())
}

/// Reads what stands between quotes, doubled ones undoubled; returns it with its length in the statement.
fn quoted(text: &str, quote: char) -> (String, usize) {
    let mut inside = String::new();
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if character != quote {
            inside.push(character);
            continue;
        }
        match characters.peek() {
            Some((_, next)) if *next == quote => {
                inside.push(quote);
                characters.next();
            }
            _ => return (inside, at + 1),
        }
    }
    (inside, text.len())
}
