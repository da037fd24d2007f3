//! Frame headers of the PostgreSQL protocol 3.x: one tag byte, then an `int32` length that counts itself.

/// Bytes of a frame header.
pub const HEADER_BYTES: usize = 5;

/// The header of one frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame {
    /// The tag byte.
    pub tag: u8,
    /// Length of the whole frame in bytes, header included; at least 5.
    pub bytes: usize,
}

/// A frame whose length field cannot be right.
#[derive(Debug, thiserror::Error)]
#[error("frame `{tag}` has length {length}, expected 4 to {max}", tag = char::from(*.tag))]
pub struct FrameError {
    tag: u8,
    length: i64,
    max: usize,
}

/// Reads the header at the start of `bytes`.
///
/// * `max`: greatest length field accepted, in bytes.
/// * Returns `None` while fewer than 5 bytes are there.
///
/// # Errors
/// A length below 4 or above `max`.
#[inline]
pub fn read_header(bytes: &[u8], max: usize) -> Result<Option<Frame>, FrameError> {
    let Some((&[tag, a, b, c, d], _)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Ok(None);
    };
    let length = i32::from_be_bytes([a, b, c, d]);
    match usize::try_from(length) {
        Ok(length) if length >= 4 && length <= max => Ok(Some(Frame { tag, bytes: length + 1 })),
        _ => Err(FrameError { tag, length: i64::from(length), max }),
    }
}

/// Splits a NUL-terminated string off the front of `bytes`; `None` if no NUL is there.
pub fn split_cstr(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(0, bytes)?;
    Some((bytes.get(..end)?, bytes.get(end + 1..)?))
}

/// Appends a frame made of `tag` and `payload` parts to `out`.
pub fn write_frame(out: &mut Vec<u8>, tag: u8, parts: &[&[u8]]) {
    let length = 4 + parts.iter().map(|part| part.len()).sum::<usize>();
    out.push(tag);
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    for part in parts {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_shorter_than_five_bytes_waits() {
        assert_eq!(read_header(&[b'Z', 0, 0, 0], 100).unwrap(), None);
        assert_eq!(read_header(b"Z\0\0\0\x05I", 100).unwrap(), Some(Frame { tag: b'Z', bytes: 6 }));
    }

    #[test]
    fn header_with_impossible_length_is_rejected() {
        for length in [0i32, 3, -1, i32::MIN, 101] {
            let mut bytes = vec![b'D'];
            bytes.extend_from_slice(&length.to_be_bytes());
            assert!(read_header(&bytes, 100).is_err(), "{length}");
        }
    }

    #[test]
    fn written_frame_reads_back() {
        let mut out = Vec::new();
        write_frame(&mut out, b'Q', &[b"select 1", b"\0"]);
        let frame = read_header(&out, 100).unwrap().unwrap();
        assert_eq!((frame.tag, frame.bytes), (b'Q', out.len()));
        assert_eq!(split_cstr(&out[5..]).unwrap(), (&b"select 1"[..], &b""[..]));
    }
}
