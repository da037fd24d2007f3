//! The parts of client messages that decide which result belongs to what.

use crate::frame::{split_cstr, write_frame};

/// Names longer than this are cut off by PostgreSQL (NAMEDATALEN - 1).
const NAME_BYTES_MAX: usize = 63;

/// A prepared statement or a portal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// A prepared statement.
    Statement,
    /// A portal.
    Portal,
}

/// Returns a name as PostgreSQL keeps it.
pub fn kept_name(name: &[u8]) -> &[u8] {
    name.get(..NAME_BYTES_MAX).unwrap_or(name)
}

/// Reads Parse: statement name and text; the text may be cut off where `payload` ends.
pub fn parse(payload: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, rest) = split_cstr(payload)?;
    let sql = split_cstr(rest).map_or(rest, |(sql, _)| sql);
    Some((kept_name(name), sql))
}

/// Reads the head of Bind: portal name and statement name.
pub fn bind(payload: &[u8]) -> Option<(&[u8], &[u8])> {
    let (portal, rest) = split_cstr(payload)?;
    let (statement, _) = split_cstr(rest)?;
    Some((kept_name(portal), kept_name(statement)))
}

/// Reads Describe or Close: what, and its name.
pub fn target(payload: &[u8]) -> Option<(Target, &[u8])> {
    let (&kind, rest) = payload.split_first()?;
    let target = match kind {
        b'S' => Target::Statement,
        b'P' => Target::Portal,
        _ => return None,
    };
    Some((target, kept_name(split_cstr(rest)?.0)))
}

/// Reads Execute: the portal's name.
pub fn execute(payload: &[u8]) -> Option<&[u8]> {
    Some(kept_name(split_cstr(payload)?.0))
}

/// Returns a Describe of a portal.
pub fn describe_portal_frame(name: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(name.len() + 8);
    write_frame(&mut frame, b'D', &[b"P", name, b"\0"]);
    frame
}

// What the server gets in place of a refused message: it fails there as any mistake would, which puts
// session and transaction into the state the client is told about.
const REFUSED: &[u8] = b"refused by rastro\0";

/// Returns a simple Query that fails without touching anything.
pub fn failing_query_frame() -> Vec<u8> {
    let mut frame = Vec::new();
    write_frame(&mut frame, b'Q', &[REFUSED]);
    frame
}

/// Returns a Parse that fails without touching anything; what follows it is skipped until Sync.
pub fn failing_parse_frame() -> Vec<u8> {
    let mut frame = Vec::new();
    write_frame(&mut frame, b'P', &[b"rastro_refused\0", REFUSED, &[0, 0]]);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_where_postgresql_cuts_them() {
        let long = [b'n'; 70];
        let mut payload = long.to_vec();
        payload.extend_from_slice(b"\0\0\0\0\0");
        assert_eq!(execute(&payload).unwrap().len(), 63);
    }

    #[test]
    fn truncated_heads_are_none() {
        assert_eq!(bind(b"portal\0statement"), None);
        assert_eq!(target(b"X\0"), None);
        assert_eq!(target(b""), None);
        assert_eq!(parse(b"name"), None);
        assert_eq!(parse(b"name\0select"), Some((&b"name"[..], &b"select"[..])));
    }
}
