//! Frames of both sides.

use rastro_wire::{CancelKey, Frame, read_header, write_frame};

pub fn frame(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    write_frame(&mut out, tag, parts);
    out
}

pub fn query(sql: &str) -> Vec<u8> {
    frame(b'Q', &[sql.as_bytes(), b"\0"])
}

pub fn parse(name: &str, sql: &str) -> Vec<u8> {
    frame(b'P', &[name.as_bytes(), b"\0", sql.as_bytes(), b"\0\0\0"])
}

pub fn bind(portal: &str, statement: &str) -> Vec<u8> {
    frame(b'B', &[portal.as_bytes(), b"\0", statement.as_bytes(), b"\0\0\0\0\0\0\0"])
}

pub fn describe_portal(name: &str) -> Vec<u8> {
    frame(b'D', &[b"P", name.as_bytes(), b"\0"])
}

pub fn describe_statement(name: &str) -> Vec<u8> {
    frame(b'D', &[b"S", name.as_bytes(), b"\0"])
}

pub fn execute(portal: &str, rows_max: u32) -> Vec<u8> {
    frame(b'E', &[portal.as_bytes(), b"\0", &rows_max.to_be_bytes()])
}

pub fn close_portal(name: &str) -> Vec<u8> {
    frame(b'C', &[b"P", name.as_bytes(), b"\0"])
}

pub fn sync() -> Vec<u8> {
    frame(b'S', &[])
}

pub fn copy_data(bytes: &[u8]) -> Vec<u8> {
    frame(b'd', &[bytes])
}

pub fn copy_done() -> Vec<u8> {
    frame(b'c', &[])
}

pub fn copy_fail(why: &str) -> Vec<u8> {
    frame(b'f', &[why.as_bytes(), b"\0"])
}

/// RowDescription of one text column of the table `oid`; the test inspector reads rows of odd tables.
pub fn described(oid: u32) -> Vec<u8> {
    frame(
        b'T',
        &[
            &1u16.to_be_bytes(),
            b"name\0",
            &oid.to_be_bytes(),
            &[0, 1, 0, 0, 0, 25, 255, 255, 0, 0, 0, 0, 0, 0],
        ],
    )
}

pub fn row(value: &[u8]) -> Vec<u8> {
    let length = u32::try_from(value.len()).unwrap().to_be_bytes();
    frame(b'D', &[&1u16.to_be_bytes(), &length, value])
}

pub fn complete(tag: &str) -> Vec<u8> {
    frame(b'C', &[tag.as_bytes(), b"\0"])
}

pub fn ready(status: u8) -> Vec<u8> {
    frame(b'Z', &[&[status]])
}

pub fn failed(text: &str) -> Vec<u8> {
    frame(b'E', &[b"SERROR\0VERROR\0C57014\0M", text.as_bytes(), b"\0\0"])
}

pub fn notice(text: &str) -> Vec<u8> {
    frame(b'N', &[b"SNOTICE\0M", text.as_bytes(), b"\0\0"])
}

pub fn notification(channel: &str) -> Vec<u8> {
    frame(b'A', &[&[0, 0, 0, 9], channel.as_bytes(), b"\0payload\0"])
}

pub fn parameter(name: &str, value: &str) -> Vec<u8> {
    frame(b'S', &[name.as_bytes(), b"\0", value.as_bytes(), b"\0"])
}

pub fn copy_response(tag: u8) -> Vec<u8> {
    frame(tag, &[&[0, 0, 1, 0, 0]])
}

/// A message without payload.
pub fn bare(tag: u8) -> Vec<u8> {
    frame(tag, &[])
}

pub fn key() -> CancelKey {
    CancelKey { process_id: 4711, secret: vec![1, 2, 3, 4] }
}

/// What a server says from the password to its first ReadyForQuery.
pub fn greeting() -> Vec<u8> {
    [
        frame(b'R', &[&[0, 0, 0, 0]]),
        parameter("server_version", "18.0"),
        frame(b'K', &[&key().process_id.to_be_bytes(), &key().secret]),
        ready(b'I'),
    ]
    .concat()
}

pub fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let Frame { tag, bytes: length } = read_header(bytes, usize::MAX - 1).unwrap().unwrap();
        found.push((tag, bytes[5..length].to_vec()));
        bytes = &bytes[length..];
    }
    found
}

/// The tags of whole frames.
pub fn tags(bytes: &[u8]) -> String {
    frames(bytes).into_iter().map(|(tag, _)| char::from(tag)).collect()
}
