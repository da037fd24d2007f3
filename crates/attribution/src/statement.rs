//! SQL texts: normal form without literals, fingerprint, and what the gateway must know of a statement.

mod kind;
mod lexer;
mod normal_form;
mod tags;
#[cfg(test)]
mod tests;

use kind::Head;
use lexer::{Lexer, TokenKind};
use normal_form::NormalForm;
use tags::Tag;

/// How `'…'` without prefix treats a backslash (the server's `standard_conforming_strings`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Backslash {
    /// Not known: where the two readings differ, the normal form ends.
    #[default]
    Unknown,
    /// `on`: an ordinary character.
    Plain,
    /// `off`: an escape.
    Escape,
}

/// A piece of a [`Normalised`]'s arena; read it with [`Normalised::text_of`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Span {
    start: u32,
    len: u32,
}

/// The value a setting is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SettingValue {
    /// This text, decoded.
    Text(Span),
    /// The default.
    Default,
    /// The bind parameter of this number, counted from 1.
    Parameter(u16),
    /// Something that only the server can evaluate.
    Unreadable,
}

/// What a statement does, as far as the gateway must know.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum StatementKind {
    /// Anything else.
    #[default]
    Other,
    /// ROLLBACK or ABORT of the whole transaction, without AND CHAIN.
    Rollback,
    /// `SET [SESSION | LOCAL] name {= | TO} value` or `SELECT set_config(name, value, is_local)`.
    Set {
        /// Lower case, parts joined by dots.
        name: Span,
        /// The new value.
        value: SettingValue,
        /// Until the end of the transaction only.
        local: bool,
    },
    /// `RESET name`.
    Reset {
        /// Lower case, parts joined by dots.
        name: Span,
    },
    /// `RESET ALL`.
    ResetAll,
    /// `DISCARD ALL`.
    DiscardAll,
}

/// What is known of one statement of a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StatementFacts {
    /// The first word in upper case, brackets before it passed over; empty if it is no word or longer than
    /// 16 bytes.
    pub first_keyword: Span,
    /// What it does.
    pub kind: StatementKind,
    /// Whether it may call `set_config` in a way that `kind` does not tell: settings may have changed.
    pub sets_unseen: bool,
}

/// Greatest length of a normal form in bytes, without the `…` that marks a cut.
pub const NORMALISED_BYTES_MAX: usize = 8192;

/// Greatest number of statements of one text whose facts are kept.
pub const STATEMENTS_MAX: usize = 1024;

/// What [`normalise`] finds. Used again and again, it keeps its memory.
#[derive(Clone, Debug, Default)]
pub struct Normalised {
    form: NormalForm,
    fingerprint: u64,
    statements: Vec<StatementFacts>,
    tags: Vec<Tag>,
    arena: Arena,
    complete: bool,
}

#[derive(Clone, Debug, Default)]
struct Arena(Vec<u8>);

impl Arena {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    fn add(&mut self, bytes: impl Iterator<Item = u8>) -> Span {
        let start = self.0.len();
        self.0.extend(bytes);
        let len = self.0.len() - start;
        // Bounded far below 4 GiB: pieces are at most 4 KiB, statements and tags are counted.
        Span { start: u32::try_from(start).unwrap_or(u32::MAX), len: u32::try_from(len).unwrap_or(0) }
    }

    fn lowercase(&mut self, span: Span) {
        let start = span.start as usize;
        if let Some(bytes) = self.0.get_mut(start..start.saturating_add(span.len as usize)) {
            bytes.make_ascii_lowercase();
        }
    }

    fn get(&self, span: Span) -> &[u8] {
        let start = span.start as usize;
        self.0.get(start..start.saturating_add(span.len as usize)).unwrap_or_default()
    }
}

impl Normalised {
    /// Returns the normal form: no literal, no comment, single blanks, at most [`NORMALISED_BYTES_MAX`] bytes
    /// and `…` if cut. Bytes of other encodings than UTF-8 are replaced.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(self.form.text())
    }

    /// Returns the fingerprint: the first 8 bytes, little-endian, of BLAKE3 of the complete normal form.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Returns the statements of the text in order, empty ones left out.
    pub fn statements(&self) -> &[StatementFacts] {
        &self.statements
    }

    /// Returns whether `statements` tells of the whole text: false if it depends on the unknown
    /// `standard_conforming_strings` or on the encoding where a literal ends, or for more than
    /// [`STATEMENTS_MAX`] statements.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Returns the bytes of a span of these facts.
    pub fn text_of(&self, span: Span) -> &[u8] {
        self.arena.get(span)
    }

    /// Returns the value of the sqlcommenter tag `key`, URL-decoded: the last one in the text.
    pub fn tag(&self, key: &str) -> Option<&[u8]> {
        self.find_tag(|_, found| found == key.as_bytes())
    }

    /// Returns the value of the sqlcommenter tag `key` in the comments of one statement, counted from 0. A
    /// comment after the last semicolon belongs to the statement before it.
    pub fn tag_of(&self, statement: usize, key: &str) -> Option<&[u8]> {
        let last = self.statements.len().saturating_sub(1);
        self.find_tag(|tag, found| tag.statement.min(last) == statement && found == key.as_bytes())
    }

    fn find_tag(&self, matches: impl Fn(&Tag, &[u8]) -> bool) -> Option<&[u8]> {
        let tag = self.tags.iter().rev().find(|tag| matches(tag, self.arena.get(tag.key)))?;
        Some(self.arena.get(tag.value))
    }
}

/// Reads a text of one or more statements; see [`normalise_with`].
pub fn normalise(sql: &[u8], normalised: &mut Normalised) {
    normalise_with(sql, Backslash::Unknown, normalised);
}

/// Reads a text of one or more statements in one pass by PostgreSQL's lexical rules, and fills `normalised`.
///
/// Keeps P4: no literal survives, whatever the text. Does not allocate once `normalised` has grown, but for
/// texts with a normal form beyond the bound.
pub fn normalise_with(sql: &[u8], backslash: Backslash, normalised: &mut Normalised) {
    normalised.form.clear();
    normalised.statements.clear();
    normalised.tags.clear();
    normalised.arena.truncate(0);
    normalised.complete = true;
    let cut = Reading::new(sql, normalised).run(Lexer::new(sql, backslash));
    normalised.fingerprint = normalised.form.finish(sql, cut);
}

struct Reading<'a> {
    sql: &'a [u8],
    out: &'a mut Normalised,
    head: Head,
    depth: usize,
    // After BEGIN ATOMIC, semicolons divide the body of a function.
    in_body: bool,
    begin_end: usize,
    sets_unseen: bool,
}

impl<'a> Reading<'a> {
    fn new(sql: &'a [u8], out: &'a mut Normalised) -> Reading<'a> {
        Reading { sql, out, head: Head::new(), depth: 0, in_body: false, begin_end: 0, sets_unseen: false }
    }

    // Returns whether the text was cut for want of knowing where a literal ends.
    fn run(mut self, mut lexer: Lexer<'_>) -> bool {
        let mut spaced = false;
        while let Some(mut token) = lexer.next() {
            token.spaced |= spaced;
            spaced = false;
            match token.kind {
                TokenKind::Comment => {
                    spaced = true;
                    let comment = self.sql.get(token.start..token.end).unwrap_or_default();
                    let statement = self.out.statements.len();
                    tags::read(comment, statement, &mut self.out.arena, &mut self.out.tags);
                    continue;
                }
                TokenKind::Open => self.depth += 1,
                TokenKind::Close => self.depth = self.depth.saturating_sub(1),
                TokenKind::Word => self.read_word(token),
                TokenKind::Symbol if self.is_sign(token) => {
                    spaced = token.spaced;
                    continue;
                }
                TokenKind::Semicolon if self.depth == 0 && !self.in_body => {
                    self.end_statement();
                    self.out.form.push(self.sql, token);
                    continue;
                }
                TokenKind::Ambiguous => {
                    self.out.complete = false;
                    self.out.form.push(self.sql, token);
                    self.head.push(token);
                    self.end_statement();
                    return true;
                }
                _ => {}
            }
            self.head.push(token);
            self.out.form.push(self.sql, token);
        }
        self.end_statement();
        false
    }

    #[inline]
    fn read_word(&mut self, token: lexer::Token) {
        let len = token.end - token.start;
        if !matches!(len, 5 | 6 | 10) {
            return;
        }
        let word = self.sql.get(token.start..token.end).unwrap_or_default();
        if word.eq_ignore_ascii_case(b"begin") {
            self.begin_end = token.end;
        } else if word.eq_ignore_ascii_case(b"atomic") && self.begin_end > 0 {
            let between = self.sql.get(self.begin_end..token.start).unwrap_or_default();
            self.in_body |= between.trim_ascii().is_empty();
        }
        self.sets_unseen |= word.eq_ignore_ascii_case(b"set_config");
    }

    // A sign that belongs to the number after it, in a list of literals.
    fn is_sign(&self, token: lexer::Token) -> bool {
        let next = self.sql.get(token.end);
        self.out.form.awaits_item()
            && matches!(self.sql.get(token.start..token.end), Some(b"-" | b"+"))
            && next.is_some_and(|byte| byte.is_ascii_digit() || *byte == b'.')
    }

    fn end_statement(&mut self) {
        if !self.head.is_empty() {
            if self.out.statements.len() < STATEMENTS_MAX {
                let first_keyword = self.head.first_keyword(self.sql, &mut self.out.arena);
                let kind = self.head.kind(self.sql, &mut self.out.arena);
                let sets_unseen = self.sets_unseen && !matches!(kind, StatementKind::Set { .. });
                self.out.statements.push(StatementFacts { first_keyword, kind, sets_unseen });
            } else {
                self.out.complete = false;
            }
        }
        self.head.clear();
        self.sets_unseen = false;
    }
}
