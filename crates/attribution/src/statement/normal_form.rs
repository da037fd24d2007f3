use super::NORMALISED_BYTES_MAX;
use super::lexer::{Token, TokenKind};

const OVERFLOW_BYTES: usize = 4096;

/// Writes the normal form of a text, token by token.
#[derive(Debug, Default, Clone)]
pub(super) struct NormalForm {
    text: Vec<u8>,
    // The normal form beyond the bound, on its way into the hash.
    overflow: Vec<u8>,
    hasher: Option<Box<blake3::Hasher>>,
    last: u8,
    // A piece of the source that goes out as it is, not yet copied: copying runs of tokens is much
    // cheaper than copying each.
    run: (usize, usize),
    list: List,
    item: (usize, usize, bool),
    in_values: bool,
}

/// Where in a list of literals after IN or VALUES the text is. States from `Comma` on hold text back, which
/// is left out if the list turns out to be of literals only.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum List {
    #[default]
    Outside,
    /// After IN or VALUES.
    Before,
    /// After its bracket.
    Open,
    /// After its first item.
    Item,
    /// `,` held back.
    Comma,
    /// `, item` held back.
    CommaItem,
    /// After the bracket that closes a row of VALUES.
    RowEnd,
    /// `,` held back.
    RowComma,
    /// `, (` held back.
    RowOpen,
    /// `, (item` held back.
    RowItem,
    /// `, (item,` held back.
    RowItemComma,
}

impl NormalForm {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.overflow.clear();
        self.hasher = None;
        self.last = 0;
        self.run = (0, 0);
        self.list = List::Outside;
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Ends the text and returns its fingerprint.
    ///
    /// * `cut`: the text has more that was not read.
    pub(super) fn finish(&mut self, sql: &[u8], cut: bool) -> u64 {
        self.flush_run(sql);
        while matches!(self.text.last(), Some(b' ' | b';')) && self.hasher.is_none() {
            self.text.pop();
        }
        let hash = match &mut self.hasher {
            Some(hasher) => hasher.update(&self.overflow).finalize(),
            None => blake3::hash(&self.text),
        };
        if cut || self.hasher.is_some() {
            drop_broken_tail(&mut self.text);
            self.text.extend_from_slice("…".as_bytes());
        }
        hash.as_bytes().first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    /// Adds a token; comments are not for here.
    #[inline]
    pub(super) fn push(&mut self, sql: &[u8], token: Token) {
        if self.list != List::Outside && self.push_in_list(sql, token) {
            return;
        }
        match token.kind {
            TokenKind::Word => {
                self.copy(sql, token, token.spaced);
                if matches!(token.end - token.start, 2 | 6) {
                    let word = sql.get(token.start..token.end).unwrap_or_default();
                    let values = word.eq_ignore_ascii_case(b"values");
                    if values || word.eq_ignore_ascii_case(b"in") {
                        self.list = List::Before;
                        self.in_values = values;
                    }
                }
            }
            TokenKind::QuotedWord if looks_like_value(sql, token) => self.emit(sql, b"?", token.spaced),
            kind if is_literal(kind) => self.emit(sql, b"?", token.spaced),
            TokenKind::Close | TokenKind::Comma | TokenKind::Semicolon => self.copy(sql, token, false),
            _ => self.copy(sql, token, token.spaced),
        }
    }

    /// Whether a sign directly before a number belongs to it: at the place of a list's item.
    pub(super) fn awaits_item(&self) -> bool {
        matches!(self.list, List::Open | List::Comma | List::RowOpen | List::RowItemComma)
    }

    // Returns whether the token is dealt with.
    fn push_in_list(&mut self, sql: &[u8], token: Token) -> bool {
        use TokenKind::{Close, Comma, Open};
        let item = is_literal(token.kind)
            || token.kind == TokenKind::Parameter
            || (token.kind == TokenKind::Word && self.awaits_item() && is_constant(sql, token));
        let (next, shown) = match (self.list, token.kind) {
            (List::Before, Open) => (List::Open, true),
            (List::Open, _) if item => (List::Item, true),
            (List::Item | List::CommaItem, Comma) => (List::Comma, false),
            (List::Item | List::CommaItem, Close) => {
                (if self.in_values { List::RowEnd } else { List::Outside }, true)
            }
            (List::Comma, _) if item => (List::CommaItem, false),
            (List::RowEnd, Comma) => (List::RowComma, false),
            (List::RowComma, Open) => (List::RowOpen, false),
            (List::RowOpen | List::RowItemComma, _) if item => (List::RowItem, false),
            (List::RowItem, Comma) => (List::RowItemComma, false),
            (List::RowItem, Close) => (List::RowEnd, false),
            _ => {
                self.release(sql);
                return false;
            }
        };
        if item {
            self.item = (token.start, token.end, token.kind == TokenKind::Parameter);
        }
        self.list = next;
        match token.kind {
            _ if !shown => {}
            _ if item => self.emit_item(sql, token.spaced),
            Close => self.emit(sql, b")", false),
            _ => self.emit(sql, b"(", token.spaced),
        }
        true
    }

    // The list is not of literals only: writes what was held back.
    fn release(&mut self, sql: &[u8]) {
        let list = std::mem::take(&mut self.list);
        let row = matches!(list, List::RowOpen | List::RowItem | List::RowItemComma);
        if row || matches!(list, List::Comma | List::CommaItem | List::RowComma) {
            self.emit(sql, b",", false);
        }
        if row {
            self.emit(sql, b"(", true);
        }
        if matches!(list, List::CommaItem | List::RowItem | List::RowItemComma) {
            self.emit_item(sql, true);
        }
        if list == List::RowItemComma {
            self.emit(sql, b",", false);
        }
    }

    fn emit_item(&mut self, sql: &[u8], spaced: bool) {
        let (start, end, parameter) = self.item;
        let bytes = if parameter { sql.get(start..end).unwrap_or_default() } else { b"?" };
        self.emit(sql, bytes, spaced);
    }

    // Writes a token as it stands in the source.
    #[inline]
    fn copy(&mut self, sql: &[u8], token: Token, spaced: bool) {
        let first = sql.get(token.start).copied().unwrap_or_default();
        let blank = self.wants_blank(first, spaced);
        let (start, end) = self.run;
        let adjoins =
            if blank { token.start == end + 1 && sql.get(end) == Some(&b' ') } else { token.start == end };
        if adjoins && start < end {
            self.run.1 = token.end;
        } else {
            self.flush_run(sql);
            if blank {
                self.write(b" ");
            }
            self.run = (token.start, token.end);
        }
        self.last = token.end.checked_sub(1).and_then(|at| sql.get(at)).copied().unwrap_or_default();
    }

    // Writes something else than the source has.
    fn emit(&mut self, sql: &[u8], bytes: &[u8], spaced: bool) {
        self.flush_run(sql);
        let first = bytes.first().copied().unwrap_or_default();
        if self.wants_blank(first, spaced) {
            self.write(b" ");
        }
        self.write(bytes);
        self.last = bytes.last().copied().unwrap_or(self.last);
    }

    #[inline]
    fn wants_blank(&self, first: u8, spaced: bool) -> bool {
        match self.last {
            0 | b'(' => false,
            b',' | b';' => !matches!(first, b',' | b';' | b')'),
            _ => spaced,
        }
    }

    #[inline]
    fn flush_run(&mut self, sql: &[u8]) {
        let (start, end) = std::mem::take(&mut self.run);
        if start < end {
            self.write(sql.get(start..end).unwrap_or_default());
        }
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        if self.hasher.is_none() && self.text.len() + bytes.len() <= NORMALISED_BYTES_MAX {
            self.text.extend_from_slice(bytes);
        } else {
            self.write_overflow(bytes);
        }
    }

    #[cold]
    fn write_overflow(&mut self, bytes: &[u8]) {
        if self.hasher.is_none() {
            let mut hasher = Box::new(blake3::Hasher::new());
            hasher.update(&self.text);
            self.hasher = Some(hasher);
            let room = NORMALISED_BYTES_MAX.saturating_sub(self.text.len());
            self.text.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        }
        self.overflow.extend_from_slice(bytes);
        if self.overflow.len() >= OVERFLOW_BYTES
            && let Some(hasher) = &mut self.hasher
        {
            hasher.update(&self.overflow);
            self.overflow.clear();
        }
    }
}

#[inline]
fn is_literal(kind: TokenKind) -> bool {
    use TokenKind::{Ambiguous, DollarText, EscapeText, Number, OtherLiteral, Text};
    matches!(kind, Text | EscapeText | DollarText | OtherLiteral | Number | Ambiguous)
}

// A name in quotes that is somebody's address or number rather than a column's (P4).
fn looks_like_value(sql: &[u8], token: Token) -> bool {
    const DIGITS_MAX: usize = 5;
    let name = sql.get(token.start..token.end).unwrap_or_default();
    name.contains(&b'@')
        || name.chunk_by(|a, b| a.is_ascii_digit() && b.is_ascii_digit()).any(|run| run.len() > DIGITS_MAX)
}

fn is_constant(sql: &[u8], token: Token) -> bool {
    let bytes = sql.get(token.start..token.end).unwrap_or_default();
    [b"null".as_slice(), b"true", b"false", b"default"].iter().any(|word| bytes.eq_ignore_ascii_case(word))
}

// Takes off a character of which only the beginning is there.
fn drop_broken_tail(text: &mut Vec<u8>) {
    for back in 1..=3.min(text.len()) {
        let at = text.len() - back;
        let needed = match text.get(at) {
            Some(0x80..=0xbf) => continue,
            Some(0xc0..=0xdf) => 2,
            Some(0xe0..=0xef) => 3,
            Some(0xf0..) => 4,
            _ => 1,
        };
        if needed > back {
            text.truncate(at);
        }
        return;
    }
}
