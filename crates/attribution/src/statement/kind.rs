use super::lexer::{Token, TokenKind};
use super::{Arena, SettingValue, Span, StatementKind};

/// How many tokens of a statement are kept to tell its kind.
pub(super) const HEAD_TOKENS: usize = 20;

const VALUE_BYTES_MAX: usize = 4096;

/// The first tokens of a statement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    tokens: [Token; HEAD_TOKENS],
    count: usize,
}

impl Head {
    pub(super) fn new() -> Head {
        let none = Token { kind: TokenKind::Semicolon, start: 0, end: 0, spaced: false };
        Head { tokens: [none; HEAD_TOKENS], count: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.count = 0;
    }

    #[inline]
    pub(super) fn push(&mut self, token: Token) {
        if let Some(place) = self.tokens.get_mut(self.count) {
            *place = token;
        }
        self.count = self.count.saturating_add(1);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the first word in upper case; brackets before it are passed over.
    pub(super) fn first_keyword(&self, sql: &[u8], arena: &mut Arena) -> Span {
        let tokens = self.tokens.get(..self.count.min(HEAD_TOKENS)).unwrap_or_default();
        let word = tokens.iter().find(|token| token.kind != TokenKind::Open);
        match word.filter(|token| token.kind == TokenKind::Word && token.end - token.start <= 16) {
            Some(token) => arena.add(bytes(sql, token).iter().map(u8::to_ascii_uppercase)),
            None => Span::default(),
        }
    }

    /// Tells the statement's kind.
    pub(super) fn kind(&self, sql: &[u8], arena: &mut Arena) -> StatementKind {
        let Some(tokens) = self.tokens.get(..self.count) else {
            return StatementKind::Other;
        };
        let mut reader = Reader { sql, rest: tokens };
        let kind = match reader.word() {
            b"rollback" | b"abort" => reader.rollback(),
            b"set" => reader.set(arena),
            b"reset" => reader.reset(arena),
            b"discard" => (reader.takes(b"all") && reader.ends()).then_some(StatementKind::DiscardAll),
            b"select" => reader.set_config(arena),
            _ => None,
        };
        kind.unwrap_or_default()
    }
}

struct Reader<'a> {
    sql: &'a [u8],
    rest: &'a [Token],
}

impl<'a> Reader<'a> {
    // Takes the first word, which is among those told apart here or empty.
    fn word(&mut self) -> &'static [u8] {
        let known: [&'static [u8]; 6] = [b"rollback", b"abort", b"set", b"reset", b"discard", b"select"];
        known.into_iter().find(|word| self.takes(word)).unwrap_or_default()
    }

    fn peek(&self) -> Option<(TokenKind, &'a [u8])> {
        self.rest.first().map(|token| (token.kind, bytes(self.sql, token)))
    }

    fn skip(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or_default();
    }

    fn take(&mut self) -> Option<(TokenKind, &'a [u8])> {
        let token = self.peek();
        self.skip();
        token
    }

    fn takes(&mut self, text: &[u8]) -> bool {
        let found = self.peek().is_some_and(|(kind, bytes)| {
            !matches!(kind, TokenKind::QuotedWord) && bytes.eq_ignore_ascii_case(text)
        });
        if found {
            self.skip();
        }
        found
    }

    fn ends(&self) -> bool {
        self.rest.is_empty()
    }

    fn rollback(&mut self) -> Option<StatementKind> {
        let _ = self.takes(b"work") || self.takes(b"transaction");
        let chain_off = !self.takes(b"and") || (self.takes(b"no") && self.takes(b"chain"));
        (chain_off && self.ends()).then_some(StatementKind::Rollback)
    }

    fn set(&mut self, arena: &mut Arena) -> Option<StatementKind> {
        let mut local = false;
        if matches!(self.rest.get(1), Some(Token { kind: TokenKind::Word | TokenKind::QuotedWord, .. }))
            && !self.takes(b"session")
        {
            local = self.takes(b"local");
        }
        let name = self.name(arena)?;
        if !self.takes(b"=") && !self.takes(b"to") {
            return None;
        }
        let value = self.set_value(arena);
        Some(StatementKind::Set { name, value, local })
    }

    fn reset(&mut self, arena: &mut Arena) -> Option<StatementKind> {
        if self.takes(b"all") {
            return self.ends().then_some(StatementKind::ResetAll);
        }
        let name = self.name(arena)?;
        self.ends().then_some(StatementKind::Reset { name })
    }

    fn set_config(&mut self, arena: &mut Arena) -> Option<StatementKind> {
        if self.takes(b"pg_catalog") && !self.takes(b".") {
            return None;
        }
        if !self.takes(b"set_config") || !self.takes(b"(") {
            return None;
        }
        let (kind, text) = self.take()?;
        let name = decoded(kind, text, arena)?;
        arena.lowercase(name);
        self.cast();
        self.takes(b",").then_some(())?;
        let value = match self.take()? {
            (TokenKind::Parameter, text) => parameter(text),
            (TokenKind::Word, text) if text.eq_ignore_ascii_case(b"null") => SettingValue::Default,
            (kind, text) => decoded(kind, text, arena).map_or(SettingValue::Unreadable, SettingValue::Text),
        };
        self.cast();
        self.takes(b",").then_some(())?;
        let local = if self.takes(b"true") || self.takes(b"'true'") || self.takes(b"'t'") {
            Some(true)
        } else if self.takes(b"false") || self.takes(b"'false'") || self.takes(b"'f'") {
            Some(false)
        } else {
            self.skip();
            None
        };
        self.cast();
        self.takes(b")").then_some(())?;
        if !self.ends() && (self.takes(b"as") || self.rest.len() == 1) {
            self.skip();
        }
        let value = if local.is_some() { value } else { SettingValue::Unreadable };
        self.ends().then_some(StatementKind::Set { name, value, local: local.unwrap_or(false) })
    }

    fn cast(&mut self) {
        if self.takes(b":") && self.takes(b":") {
            self.skip();
        }
    }

    // A name of parts joined by dots, in lower case as settings are compared.
    fn name(&mut self, arena: &mut Arena) -> Option<Span> {
        let mut name = self.name_part(arena)?;
        while self.takes(b".") {
            let dot = arena.add(std::iter::once(b'.'));
            let part = self.name_part(arena)?;
            name.len = name.len.saturating_add(dot.len).saturating_add(part.len);
        }
        arena.lowercase(name);
        Some(name)
    }

    fn name_part(&mut self, arena: &mut Arena) -> Option<Span> {
        match self.take()? {
            (TokenKind::Word, text) => Some(arena.add(text.iter().copied())),
            (TokenKind::QuotedWord, text) => decoded(TokenKind::QuotedWord, text, arena),
            _ => None,
        }
    }

    fn set_value(&mut self, arena: &mut Arena) -> SettingValue {
        let value = match self.take() {
            Some((TokenKind::Word, text)) if text.eq_ignore_ascii_case(b"default") => SettingValue::Default,
            Some((TokenKind::Parameter, text)) => parameter(text),
            Some((TokenKind::Symbol, b"-")) => match self.take() {
                Some((TokenKind::Number, text)) => {
                    SettingValue::Text(arena.add(std::iter::once(b'-').chain(text.iter().copied())))
                }
                _ => SettingValue::Unreadable,
            },
            Some((kind, text)) => {
                decoded(kind, text, arena).map_or(SettingValue::Unreadable, SettingValue::Text)
            }
            None => SettingValue::Unreadable,
        };
        if self.ends() { value } else { SettingValue::Unreadable }
    }
}

fn bytes<'a>(sql: &'a [u8], token: &Token) -> &'a [u8] {
    sql.get(token.start..token.end).unwrap_or_default()
}

fn parameter(text: &[u8]) -> SettingValue {
    let number = text.get(1..).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    number.map_or(SettingValue::Unreadable, SettingValue::Parameter)
}

// The value of a literal or name, None if only the server can tell.
fn decoded(kind: TokenKind, text: &[u8], arena: &mut Arena) -> Option<Span> {
    if text.len() > VALUE_BYTES_MAX {
        return None;
    }
    match kind {
        TokenKind::Word => Some(arena.add(text.iter().map(u8::to_ascii_lowercase))),
        TokenKind::Number => Some(arena.add(text.iter().copied())),
        TokenKind::QuotedWord => {
            let inner = text.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
            Some(arena.add(undoubled(inner, b'"')))
        }
        TokenKind::Text => {
            let text = text.strip_prefix(b"N").or(text.strip_prefix(b"n")).unwrap_or(text);
            let inner = text.strip_prefix(b"'")?.strip_suffix(b"'")?;
            // Backslashes depend on the server's setting; a lone quote is a literal in several pieces.
            (plain(inner) && !inner.contains(&b'\\')).then(|| arena.add(undoubled(inner, b'\'')))
        }
        TokenKind::EscapeText => {
            let inner = text.get(2..)?.strip_suffix(b"'")?;
            (plain(inner) && !inner.contains(&b'\\')).then(|| arena.add(undoubled(inner, b'\'')))
        }
        TokenKind::DollarText => {
            let tag = text.get(1..)?.iter().position(|byte| *byte == b'$')? + 2;
            let end = text.len().checked_sub(tag)?;
            Some(arena.add(text.get(tag..end)?.iter().copied()))
        }
        _ => None,
    }
}

// Whether every quote is doubled.
fn plain(inner: &[u8]) -> bool {
    let mut quotes = inner.iter().copied();
    while let Some(byte) = quotes.next() {
        if byte == b'\'' && quotes.next() != Some(b'\'') {
            return false;
        }
    }
    true
}

fn undoubled(inner: &[u8], quote: u8) -> impl Iterator<Item = u8> {
    let mut bytes = inner.iter().copied();
    std::iter::from_fn(move || {
        let byte = bytes.next()?;
        if byte == quote {
            bytes.next();
        }
        Some(byte)
    })
}
