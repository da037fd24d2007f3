//! Entry to the decoders for fuzzing and tests.

use rastro_model::Timestamp;

use crate::bytes::FormatError;
use crate::decode::{Decoder, Entry};
use crate::frame::{FRAME_HEAD_LEN, FileFacts, HEADER_LEN, body_len, body_matches};

/// Decodes the records of a frame's body as if they were the first of a file; stops at the first error.
///
/// # Errors
/// The bytes are not what docs/ledger-format.md says.
pub fn decode_body(mut body: &[u8], mut visit: impl FnMut(Entry)) -> Result<(), FormatError> {
    let mut decoder = Decoder::new(0, Timestamp(0));
    while let Some(entry) = decoder.next_entry(&mut body)? {
        visit(entry);
    }
    Ok(())
}

/// Decodes the bytes of one file up to its last whole frame; bytes that are no spool file give no entry.
///
/// # Errors
/// A whole frame holds what docs/ledger-format.md does not allow.
pub fn decode_file(bytes: &[u8], mut visit: impl FnMut(Entry)) -> Result<(), FormatError> {
    let Ok(facts) = FileFacts::decode(bytes) else { return Ok(()) };
    let mut decoder = Decoder::new(facts.first_no, facts.base_time);
    let mut at = HEADER_LEN;
    while let Some((head, rest)) = bytes.get(at..).and_then(|rest| rest.split_at_checked(FRAME_HEAD_LEN))
        && let Some(len) = body_len(facts.salt, at as u64, head)
        && let Some(mut body) = rest.get(..len)
        && body_matches(facts.salt, at as u64, head, body)
    {
        while let Some(entry) = decoder.next_entry(&mut body)? {
            visit(entry);
        }
        at += FRAME_HEAD_LEN + len;
    }
    Ok(())
}
