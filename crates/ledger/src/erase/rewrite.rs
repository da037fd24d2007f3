//! A spool file without a subject: the records that name it are written anew, all others byte for byte.

use rastro_model::Timestamp;

use super::target::{Target, without};
use crate::bytes::{Cursor, FormatError, put_varint};
use crate::decode::{Content, Decoder, Disclosure, Entry};
use crate::encode::{ERASED_REASON, Schema};
use crate::frame::{
    FRAME_BODY_MAX, FRAME_HEAD_LEN, FileFacts, HEADER_LEN, body_len, body_matches, frame_head,
};
use crate::set::put_erased;

/// Returns the bytes of a file without the subject; its header and every entry's number and place stay.
///
/// # Errors
/// The file is damaged.
pub(super) fn rewrite_file(bytes: &[u8], facts: &FileFacts, target: &Target) -> Result<Vec<u8>, FormatError> {
    let mut decoder = Decoder::new(facts.first_no, facts.base_time);
    let mut out = bytes.get(..HEADER_LEN).unwrap_or_default().to_vec();
    let mut at = HEADER_LEN;
    while let Some((head, rest)) = bytes.get(at..).and_then(|rest| rest.split_at_checked(FRAME_HEAD_LEN))
        && let Some(len) = body_len(facts.salt, at as u64, head)
        && let Some(body) = rest.get(..len)
        && body_matches(facts.salt, at as u64, head, body)
    {
        let body = rewrite_body(body, &mut decoder, target)?;
        if body.len() > FRAME_BODY_MAX {
            return Err(FormatError::Range("frame"));
        }
        let head = frame_head(facts.salt, out.len() as u64, &body);
        out.extend_from_slice(&head);
        out.extend_from_slice(&body);
        at += FRAME_HEAD_LEN + len;
    }
    Ok(out)
}

fn rewrite_body(mut body: &[u8], decoder: &mut Decoder, target: &Target) -> Result<Vec<u8>, FormatError> {
    let mut out = Vec::with_capacity(body.len());
    loop {
        let before = body;
        let entry = decoder.next_entry(&mut body)?;
        let read = before.get(..before.len() - body.len()).unwrap_or_default();
        match entry {
            Some(entry) if target.is_in(&entry) => {
                let (definitions, record) = split_last_record(read)?;
                out.extend_from_slice(definitions);
                let record = rewrite_record(record, &entry, target)?;
                put_varint(&mut out, record.len() as u64);
                out.extend_from_slice(&record);
            }
            Some(_) => out.extend_from_slice(read),
            None => {
                out.extend_from_slice(before);
                return Ok(out);
            }
        }
    }
}

/// Splits records into all but the last, and what is in the last.
fn split_last_record(records: &[u8]) -> Result<(&[u8], &[u8]), FormatError> {
    let mut cursor = Cursor(records);
    loop {
        let begin = records.len() - cursor.len();
        let record = cursor.counted()?;
        if cursor.len() == 0 {
            return Ok((records.get(..begin).unwrap_or_default(), record));
        }
    }
}

fn rewrite_record(record: &[u8], entry: &Entry, target: &Target) -> Result<Vec<u8>, FormatError> {
    let mut cursor = Cursor(record);
    cursor.byte()?;
    match &entry.content {
        Content::Disclosure(disclosure) => {
            cursor.signed()?;
            cursor.varint()?;
            cursor.varint()?;
            cursor.signed()?;
            cursor.varint()?;
            cursor.varint()?;
            let head = record.get(..record.len() - cursor.len()).unwrap_or_default();
            let mut out = head.to_vec();
            rewrite_sets(&mut out, cursor, disclosure, &entry.schema, target)?;
            Ok(out)
        }
        Content::Reason(_) => {
            let fields = cursor;
            cursor.signed()?;
            cursor.signed()?;
            cursor.varint()?;
            let mut out = vec![ERASED_REASON];
            out.extend_from_slice(fields.0.get(..fields.len() - cursor.len()).unwrap_or_default());
            Ok(out)
        }
        _ => Ok(record.to_vec()),
    }
}

fn rewrite_sets(
    out: &mut Vec<u8>,
    mut cursor: Cursor<'_>,
    disclosure: &Disclosure,
    schema: &Schema,
    target: &Target,
) -> Result<(), FormatError> {
    for set in &disclosure.sets {
        put_varint(out, cursor.varint()?);
        let len = match cursor.count(usize::MAX, "length")? {
            0 => cursor.len(),
            len => len,
        };
        let coded = cursor.take(len)?;
        let anew = target.find(schema, set).map(|at| {
            let mut coded = Vec::new();
            put_erased(&mut coded, set.erased.saturating_add(1), &without(&set.subjects, at));
            coded
        });
        let coded = anew.as_deref().unwrap_or(coded);
        // The last set ends where the record ends.
        put_varint(out, if cursor.len() == 0 { 0 } else { coded.len() as u64 });
        out.extend_from_slice(coded);
    }
    Ok(())
}

/// Returns the schema that the last records of a file are written by.
pub(super) fn last_schema(bytes: &[u8], facts: &FileFacts) -> Result<Schema, FormatError> {
    let mut decoder = Decoder::new(facts.first_no, Timestamp(0));
    let mut at = HEADER_LEN;
    while let Some((head, rest)) = bytes.get(at..).and_then(|rest| rest.split_at_checked(FRAME_HEAD_LEN))
        && let Some(len) = body_len(facts.salt, at as u64, head)
        && let Some(mut body) = rest.get(..len)
    {
        while decoder.next_entry(&mut body)?.is_some() {}
        at += FRAME_HEAD_LEN + len;
    }
    Ok((*decoder.schema).clone())
}
