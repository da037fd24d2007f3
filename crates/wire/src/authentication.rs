//! The one change made to authentication messages.

use crate::frame::{split_cstr, write_frame};

const SASL: u32 = 10;
const SCRAM_PLUS: &[u8] = b"SCRAM-SHA-256-PLUS";

/// Takes `SCRAM-SHA-256-PLUS` off the mechanisms of an AuthenticationSASL payload and returns the new frame.
/// Channel binding binds to the certificate the client sees, which is the gateway's.
///
/// Returns `None` if the message is another one, is malformed, or does not offer it: then it goes unchanged.
pub(crate) fn without_channel_binding(payload: &[u8]) -> Option<Vec<u8>> {
    let (code, mut rest) = payload.split_first_chunk::<4>()?;
    if u32::from_be_bytes(*code) != SASL {
        return None;
    }
    let mut kept = code.to_vec();
    let mut found = false;
    loop {
        let (mechanism, after) = split_cstr(rest)?;
        if mechanism.is_empty() {
            break;
        }
        if mechanism == SCRAM_PLUS {
            found = true;
        } else {
            kept.extend_from_slice(mechanism);
            kept.push(0);
        }
        rest = after;
    }
    kept.push(0);
    let mut frame = Vec::with_capacity(kept.len() + 5);
    write_frame(&mut frame, b'R', &[&kept]);
    found.then_some(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_binding_is_taken_off_the_offer() {
        let frame = without_channel_binding(b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0").unwrap();
        assert_eq!(frame, b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0");
    }

    #[test]
    fn other_offers_go_unchanged() {
        for payload in
            [&b"\0\0\0\x0aSCRAM-SHA-256\0\0"[..], b"\0\0\0\0", b"\0\0\0\x0aSCRAM-SHA-256-PLUS", b"\0"]
        {
            assert_eq!(without_channel_binding(payload), None);
        }
    }
}
