use memchr::{memchr, memchr2, memmem};

use super::Backslash;

/// The lexical class of a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TokenKind {
    /// An identifier or keyword without quotes.
    Word,
    /// `"…"` or `U&"…"`.
    QuotedWord,
    /// `'…'` and `N'…'`, which may have escapes if the setting says so.
    Text,
    /// `E'…'`.
    EscapeText,
    /// `$tag$…$tag$`.
    DollarText,
    /// Any other literal: `B'…'`, `X'…'`, `U&'…'`, and what begins like a literal and is none.
    OtherLiteral,
    Number,
    /// `$1`.
    Parameter,
    Open,
    Close,
    Comma,
    Semicolon,
    /// A run of operator characters, or one other character.
    Symbol,
    /// `/* … */` with everything nested in it.
    Comment,
    /// A literal of which the end cannot be told; nothing follows.
    Ambiguous,
}

/// A token: `sql[start..end]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) start: usize,
    pub(super) end: usize,
    /// Whether white space or a `--` comment comes before it.
    pub(super) spaced: bool,
}

/// Cuts a text into tokens by the rules of PostgreSQL's `scan.l`.
pub(super) struct Lexer<'a> {
    sql: &'a [u8],
    at: usize,
    backslash: Backslash,
}

const SPACE: u8 = 1;
const WORD_START: u8 = 2;
const DIGIT: u8 = 4;
const DOLLAR: u8 = 8;
const OPERATOR: u8 = 16;
const WORD: u8 = WORD_START | DIGIT | DOLLAR;

static CLASS: [u8; 256] = classes();

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => SPACE,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80..=0xff => WORD_START,
            b'0'..=b'9' => DIGIT,
            b'$' => DOLLAR,
            b'~' | b'!' | b'@' | b'#' | b'^' | b'&' | b'|' | b'`' | b'?' | b'+' | b'-' | b'*' | b'/'
            | b'%' | b'<' | b'>' | b'=' => OPERATOR,
            _ => 0,
        };
        byte += 1;
    }
    table
}

#[inline]
fn is(byte: u8, class: u8) -> bool {
    CLASS.get(usize::from(byte)).is_some_and(|found| found & class != 0)
}

impl<'a> Lexer<'a> {
    pub(super) fn new(sql: &'a [u8], backslash: Backslash) -> Lexer<'a> {
        Lexer { sql, at: 0, backslash }
    }

    /// Returns the next token, `None` at the end.
    #[inline]
    pub(super) fn next(&mut self) -> Option<Token> {
        let from = self.at;
        let first = self.skip_space()?;
        let start = self.at;
        let kind = self.token(first);
        Some(Token { kind, start, end: self.at, spaced: start > from })
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.sql.get(self.at + ahead).copied()
    }

    #[inline]
    fn skip_space(&mut self) -> Option<u8> {
        loop {
            let byte = self.peek(0)?;
            if is(byte, SPACE) {
                self.at += 1;
            } else if byte == b'-' && self.peek(1) == Some(b'-') {
                self.skip_line();
            } else {
                return Some(byte);
            }
        }
    }

    fn skip_line(&mut self) {
        let rest = self.sql.get(self.at..).unwrap_or_default();
        self.at += memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
    }

    #[inline]
    fn skip_class(&mut self, class: u8) {
        let rest = self.sql.get(self.at..).unwrap_or_default();
        self.at += rest.iter().position(|byte| !is(*byte, class)).unwrap_or(rest.len());
    }

    #[inline]
    fn token(&mut self, first: u8) -> TokenKind {
        if is(first, WORD_START) {
            return self.word(first);
        }
        let single = |kind| (kind, 1);
        let (kind, len) = match first {
            b'\'' => return self.quoted(1, self.backslash, TokenKind::Text),
            b'"' => return self.quoted_word(1),
            b'0'..=b'9' => return self.number(TokenKind::Number),
            b'.' if self.peek(1).is_some_and(|byte| is(byte, DIGIT)) => {
                return self.number(TokenKind::Number);
            }
            b'$' => return self.dollar(),
            b'/' if self.peek(1) == Some(b'*') => return self.comment(),
            b'(' => single(TokenKind::Open),
            b')' => single(TokenKind::Close),
            b',' => single(TokenKind::Comma),
            b';' => single(TokenKind::Semicolon),
            _ if is(first, OPERATOR) => return self.operator(),
            _ => single(TokenKind::Symbol),
        };
        self.at += len;
        kind
    }

    #[inline]
    fn word(&mut self, first: u8) -> TokenKind {
        if !matches!(first | 0x20, b'e' | b'n' | b'b' | b'x' | b'u') {
            self.skip_class(WORD);
            return TokenKind::Word;
        }
        match (first | 0x20, self.peek(1), self.peek(2)) {
            (b'e', Some(b'\''), _) => return self.quoted(2, Backslash::Escape, TokenKind::EscapeText),
            (b'n', Some(b'\''), _) => return self.quoted(2, self.backslash, TokenKind::Text),
            (b'b' | b'x', Some(b'\''), _) => {
                return self.quoted(2, Backslash::Plain, TokenKind::OtherLiteral);
            }
            (b'u', Some(b'&'), Some(b'\'')) => {
                // Refused by the server if backslashes escape; safe either way.
                return self.quoted(3, self.backslash, TokenKind::OtherLiteral);
            }
            (b'u', Some(b'&'), Some(b'"')) => return self.quoted_word(3),
            _ => {}
        }
        self.skip_class(WORD);
        TokenKind::Word
    }

    fn operator(&mut self) -> TokenKind {
        while let Some(byte) = self.peek(0) {
            let comment = matches!((byte, self.peek(1)), (b'-', Some(b'-')) | (b'/', Some(b'*')));
            if comment || !is(byte, OPERATOR) {
                break;
            }
            self.at += 1;
        }
        TokenKind::Symbol
    }

    // Swallows what is glued to a number: older servers read it as the next word, newer ones refuse it.
    fn number(&mut self, kind: TokenKind) -> TokenKind {
        while let Some(byte) = self.peek(0) {
            let before = self.at.checked_sub(1).and_then(|at| self.sql.get(at)).copied();
            let exponent = matches!(before, Some(b'e' | b'E')) && self.peek(1).is_some_and(|b| is(b, DIGIT));
            match byte {
                _ if is(byte, WORD_START | DIGIT) => {}
                b'.' if self.peek(1) != Some(b'.') => {}
                b'+' | b'-' if exponent => {}
                // `1e'…'` is an E string to some servers and a plain one to others.
                b'\'' if matches!(before, Some(b'e' | b'E')) => {
                    return self.quoted(1, Backslash::Unknown, TokenKind::OtherLiteral);
                }
                _ => break,
            }
            self.at += 1;
        }
        kind
    }

    fn dollar(&mut self) -> TokenKind {
        self.at += 1;
        let Some(next) = self.peek(0) else {
            return TokenKind::Symbol;
        };
        if is(next, DIGIT) {
            self.skip_class(DIGIT);
            let glued = self.peek(0).is_some_and(|byte| is(byte, WORD_START));
            return if glued { self.number(TokenKind::OtherLiteral) } else { TokenKind::Parameter };
        }
        let open = self.at - 1;
        if is(next, WORD_START) {
            self.skip_class(WORD_START | DIGIT);
        }
        if self.peek(0) != Some(b'$') {
            // Not a quote after all: a `$` that stands alone, then a word.
            self.at = open + 1;
            return TokenKind::Symbol;
        }
        self.at += 1;
        let tag = self.sql.get(open..self.at).unwrap_or_default();
        let rest = self.sql.get(self.at..).unwrap_or_default();
        match memmem::find(rest, tag) {
            Some(close) => {
                self.at += close + tag.len();
                TokenKind::DollarText
            }
            None => self.rest(),
        }
    }

    fn rest(&mut self) -> TokenKind {
        self.at = self.sql.len();
        TokenKind::OtherLiteral
    }

    fn comment(&mut self) -> TokenKind {
        self.at += 2;
        let mut depth = 1_usize;
        while depth > 0 {
            let rest = self.sql.get(self.at..).unwrap_or_default();
            let Some(found) = memchr2(b'*', b'/', rest) else {
                self.at = self.sql.len();
                break;
            };
            self.at += found;
            match (self.peek(0), self.peek(1)) {
                (Some(b'*'), Some(b'/')) => depth -= 1,
                (Some(b'/'), Some(b'*')) => depth += 1,
                _ => {
                    self.at += 1;
                    continue;
                }
            }
            self.at += 2;
        }
        TokenKind::Comment
    }

    fn quoted_word(&mut self, prefix: usize) -> TokenKind {
        self.at += prefix;
        loop {
            let rest = self.sql.get(self.at..).unwrap_or_default();
            let Some(found) = memchr(b'"', rest) else {
                // No end: what was meant as a name may hold literals.
                return self.rest();
            };
            self.at += found + 1;
            if self.peek(0) != Some(b'"') {
                return TokenKind::QuotedWord;
            }
            self.at += 1;
        }
    }

    fn quoted(&mut self, prefix: usize, backslash: Backslash, kind: TokenKind) -> TokenKind {
        self.at += prefix;
        loop {
            let rest = self.sql.get(self.at..).unwrap_or_default();
            let found = match backslash {
                Backslash::Plain => memchr(b'\'', rest),
                _ => memchr2(b'\'', b'\\', rest),
            };
            let Some(found) = found else {
                return self.rest();
            };
            self.at += found;
            if self.peek(0) == Some(b'\\') {
                if self.escape(backslash).is_none() {
                    self.at = self.sql.len();
                    return TokenKind::Ambiguous;
                }
                continue;
            }
            self.at += 1;
            if self.peek(0) == Some(b'\'') {
                self.at += 1;
            } else if !self.continues() {
                return kind;
            }
        }
    }

    // Skips a backslash and what it may escape; None if it depends on what is not known where the literal
    // ends.
    fn escape(&mut self, backslash: Backslash) -> Option<()> {
        let before = self.at.checked_sub(1).and_then(|at| self.sql.get(at));
        // In Shift JIS, Big5, GBK and the like the second byte of a character may be a backslash.
        if before.is_some_and(|byte| *byte >= 0x80) && std::str::from_utf8(self.sql).is_err() {
            return None;
        }
        if backslash == Backslash::Unknown && self.peek(1) == Some(b'\'') {
            return None;
        }
        self.at = (self.at + 2).min(self.sql.len());
        Some(())
    }

    // A literal goes on in the next pair of quotes if only white space with a line end lies between.
    fn continues(&mut self) -> bool {
        let close = self.at;
        if self.skip_space() == Some(b'\'') {
            let between = self.sql.get(close..self.at).unwrap_or_default();
            if memchr2(b'\n', b'\r', between).is_some() {
                self.at += 1;
                return true;
            }
        }
        self.at = close;
        false
    }
}
