use super::{Arena, Span};

const TAGS_MAX: usize = 64;
const TAG_BYTES_MAX: usize = 1024;

/// One key and value of a sqlcommenter comment, decoded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tag {
    pub(super) statement: usize,
    pub(super) key: Span,
    pub(super) value: Span,
}

/// Reads the tags of one comment; a comment that is not wholly `key='value',…` has none.
///
/// * `comment`: with its delimiters. Source: the sqlcommenter specification.
pub(super) fn read(comment: &[u8], statement: usize, arena: &mut Arena, tags: &mut Vec<Tag>) {
    let body = comment.strip_prefix(b"/*").and_then(|rest| rest.strip_suffix(b"*/"));
    let Some(body) = body.filter(|body| memchr::memmem::find(body, b"='").is_some()) else {
        return;
    };
    let (tags_before, arena_before) = (tags.len(), arena.len());
    if read_pairs(body.trim_ascii(), statement, arena, tags).is_none() {
        tags.truncate(tags_before);
        arena.truncate(arena_before);
    }
    // The last comments win, so the first are dropped.
    let excess = tags.len().saturating_sub(TAGS_MAX);
    tags.drain(..excess);
}

fn read_pairs(mut body: &[u8], statement: usize, arena: &mut Arena, tags: &mut Vec<Tag>) -> Option<()> {
    let mut count = 0;
    loop {
        let equals = memchr::memchr(b'=', body)?;
        let (key, rest) = body.split_at_checked(equals)?;
        let value = rest.strip_prefix(b"='")?;
        let close = closing_quote(value)?;
        let (value, rest) = value.split_at_checked(close)?;
        let key = key.trim_ascii();
        let key_plain = !key.is_empty()
            && key.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'%' | b':'));
        count += 1;
        if !key_plain || key.len() > TAG_BYTES_MAX || value.len() > TAG_BYTES_MAX || count > TAGS_MAX {
            return None;
        }
        let key = arena.add(url_decoded(key, false));
        let value = arena.add(url_decoded(value, true));
        tags.push(Tag { statement, key, value });
        body = rest.get(1..)?.trim_ascii_start();
        if body.is_empty() {
            return Some(());
        }
        body = body.strip_prefix(b",")?.trim_ascii_start();
    }
}

fn closing_quote(value: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'\'', b'\\', value.get(at..)?)?;
        if value.get(at) == Some(&b'\'') {
            return Some(at);
        }
        at += 2;
    }
}

fn url_decoded(text: &[u8], escapes: bool) -> impl Iterator<Item = u8> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let hex = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let (byte, tail) = match rest {
            [b'\\', byte, tail @ ..] if escapes => (*byte, tail),
            [b'%', high, low, tail @ ..] => match (hex(high), hex(low)) {
                (Some(high), Some(low)) => (high << 4 | low, tail),
                _ => (b'%', rest.get(1..)?),
            },
            [byte, tail @ ..] => (*byte, tail),
            [] => return None,
        };
        rest = tail;
        Some(byte)
    })
}
