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

/// Reads the parameter types of Parse, as far as the client gives them: OIDs, 0 for those it leaves open.
pub fn parse_types(payload: &[u8]) -> Vec<u32> {
    let read = || {
        let (_, rest) = split_cstr(payload)?;
        let (_, rest) = split_cstr(rest)?;
        let (count, rest) = rest.split_first_chunk::<2>()?;
        let types = rest.as_chunks::<4>().0.iter().map(|oid| u32::from_be_bytes(*oid));
        Some(types.take(usize::from(u16::from_be_bytes(*count))).collect())
    };
    read().unwrap_or_default()
}

/// A parameter of Bind: its format (0 text, 1 binary) and value, `None` for NULL.
pub type Parameter<'a> = (u16, Option<&'a [u8]>);

/// Reads the parameters of Bind; `None` if it is not whole.
pub fn bind_parameters(payload: &[u8]) -> Option<Vec<Parameter<'_>>> {
    let (_, rest) = split_cstr(payload)?;
    let (_, rest) = split_cstr(rest)?;
    let (count, mut rest) = rest.split_first_chunk::<2>()?;
    let mut formats = Vec::new();
    for _ in 0..u16::from_be_bytes(*count) {
        let (format, after) = rest.split_first_chunk::<2>()?;
        formats.push(u16::from_be_bytes(*format));
        rest = after;
    }
    let (count, mut rest) = rest.split_first_chunk::<2>()?;
    let mut parameters = Vec::new();
    for index in 0..usize::from(u16::from_be_bytes(*count)) {
        // None: all are text; one: it is that of all.
        let format = match formats.as_slice() {
            [] => 0,
            [format] => *format,
            formats => *formats.get(index)?,
        };
        let (length, after) = rest.split_first_chunk::<4>()?;
        rest = after;
        let value = match usize::try_from(i32::from_be_bytes(*length)) {
            Ok(length) => {
                let (value, after) = rest.split_at_checked(length)?;
                rest = after;
                Some(value)
            }
            Err(_) => None,
        };
        parameters.push((format, value));
    }
    Some(parameters)
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

// Names of the gateway's own statements and portals; gone before the client's next message is sent.
const OWN: &[u8] = b"rastro_inquiry\0";
const OWN_SAVEPOINT: &[u8] = b"rastro_savepoint\0";

/// Returns the frames that ask a query of the gateway's own, with Sync.
///
/// * `types`: of the parameters, 0 where the server is to find out.
/// * `in_transaction`: a transaction block is open; an error of the query is not to be one of the block.
pub fn inquiry_frames(
    sql: &str,
    types: &[u32],
    parameters: &[Parameter<'_>],
    in_transaction: bool,
) -> Vec<u8> {
    let mut frames = Vec::new();
    if in_transaction {
        write_own(&mut frames, OWN_SAVEPOINT, "SAVEPOINT rastro_savepoint", &[], &[]);
    }
    write_own(&mut frames, OWN, sql, types, parameters);
    if in_transaction {
        write_own(&mut frames, OWN_SAVEPOINT, "RELEASE SAVEPOINT rastro_savepoint", &[], &[]);
    }
    write_frame(&mut frames, b'S', &[]);
    frames
}

/// Returns the frames that undo an inquiry that failed within a transaction block.
pub fn undo_inquiry_frames() -> Vec<u8> {
    let mut frames = Vec::new();
    write_own(&mut frames, OWN_SAVEPOINT, "ROLLBACK TO SAVEPOINT rastro_savepoint", &[], &[]);
    write_own(&mut frames, OWN_SAVEPOINT, "RELEASE SAVEPOINT rastro_savepoint", &[], &[]);
    write_frame(&mut frames, b'S', &[]);
    frames
}

// Runs one statement and leaves nothing behind, whatever the one before of its name left.
fn write_own(frames: &mut Vec<u8>, name: &[u8], sql: &str, types: &[u32], parameters: &[Parameter<'_>]) {
    let count = |length: usize| u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    write_frame(frames, b'C', &[b"S", name]);
    let oids: Vec<u8> = types.iter().flat_map(|oid| oid.to_be_bytes()).collect();
    write_frame(frames, b'P', &[name, sql.as_bytes(), b"\0", &count(types.len()), &oids]);
    let formats: Vec<u8> = parameters.iter().flat_map(|(format, _)| format.to_be_bytes()).collect();
    let mut values = Vec::new();
    for (_, value) in parameters {
        let length = value.map_or(-1, |value| i32::try_from(value.len()).unwrap_or(-1));
        values.extend(length.to_be_bytes());
        values.extend_from_slice(value.unwrap_or_default());
    }
    let number = count(parameters.len());
    write_frame(frames, b'B', &[name, name, &number, &formats, &number, &values, &[0, 0]]);
    write_frame(frames, b'E', &[name, &[0; 4]]);
    write_frame(frames, b'C', &[b"P", name]);
    write_frame(frames, b'C', &[b"S", name]);
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
    fn parameters_of_bind_are_read_whole_or_not_at_all() {
        let payload = b"\0s\0\0\x01\0\x01\0\x02\0\0\0\x02ab\xff\xff\xff\xff\0\0";
        assert_eq!(bind_parameters(payload).unwrap(), [(1, Some(&b"ab"[..])), (1, None)]);
        for length in 0..payload.len() - 2 {
            assert_eq!(bind_parameters(&payload[..length]), None, "{length} bytes");
        }
        assert_eq!(parse_types(b"s\0select 1\0\0\x02\0\0\0\x17\0\0\0\0"), [23, 0]);
        assert_eq!(parse_types(b"s\0select 1\0"), [0; 0]);
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
