//! The header of a spool file, and frames: what one write puts on the disk, under one checksum.

use rastro_model::Timestamp;

pub(crate) const MAGIC: [u8; 8] = *b"RASTROSP";
/// The version written; the one before is read too.
pub(crate) const VERSION: u16 = 2;
/// Bit of the header's flags: what the file holds was imported, not recorded by a gateway.
const IMPORTED: u16 = 1;
/// Bytes of a file header.
pub const HEADER_LEN: usize = 64;
/// Bytes before the body of a frame.
pub(crate) const FRAME_HEAD_LEN: usize = 9;
/// Greatest body of a frame: its length has 24 bits.
pub(crate) const FRAME_BODY_MAX: usize = (1 << 24) - 1;

/// What the header of a spool file tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileFacts {
    /// Version of the format.
    pub version: u16,
    /// The entries come from logs that others wrote.
    pub imported: bool,
    /// How often the spool had been opened for writing when the file was begun.
    pub run: u32,
    /// Position of the file in the spool, from 1.
    pub seq: u64,
    /// Seeds the checksums, so that bytes of another file are never taken for this file's.
    pub salt: u64,
    /// Number of the first entry.
    pub first_no: u64,
    /// The time the first time difference counts from.
    pub base_time: Timestamp,
    /// Greatest moment in the file before: time of an entry or end of a reason.
    pub before_max_time: Timestamp,
}

/// Why the header of a file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The file does not begin as a spool file.
    #[error("not a spool file")]
    Magic,
    /// A version this program does not know.
    #[error("format version {found}, this program reads versions 1 to {VERSION}")]
    Version {
        /// Version found.
        found: u16,
    },
    /// The checksum does not match.
    #[error("header is damaged")]
    Damaged,
}

impl FileFacts {
    /// Returns the 64 bytes of the header.
    pub(crate) fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = Vec::with_capacity(HEADER_LEN);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.version.to_le_bytes());
        let flags = if self.imported { IMPORTED } else { 0 };
        out.extend_from_slice(&flags.to_le_bytes());
        out.extend_from_slice(&self.run.to_le_bytes());
        out.extend_from_slice(&self.seq.to_le_bytes());
        out.extend_from_slice(&self.salt.to_le_bytes());
        out.extend_from_slice(&self.first_no.to_le_bytes());
        out.extend_from_slice(&self.base_time.0.to_le_bytes());
        out.extend_from_slice(&self.before_max_time.0.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
        let mut header = [0; HEADER_LEN];
        for (to, from) in header.iter_mut().zip(out) {
            *to = from;
        }
        header
    }

    /// Reads a header.
    pub(crate) fn decode(bytes: &[u8]) -> Result<FileFacts, HeaderError> {
        let (head, crc) =
            bytes.get(..HEADER_LEN).and_then(|h| h.split_last_chunk::<4>()).ok_or(HeaderError::Damaged)?;
        if !head.starts_with(&MAGIC) {
            return Err(HeaderError::Magic);
        }
        let found = u16::from_le_bytes(field(head, 8));
        if !(1..=VERSION).contains(&found) {
            return Err(HeaderError::Version { found });
        }
        if crc32c::crc32c(head) != u32::from_le_bytes(*crc) {
            return Err(HeaderError::Damaged);
        }
        let flags = u16::from_le_bytes(field(head, 10));
        if found > 1 && flags & !IMPORTED != 0 {
            return Err(HeaderError::Damaged);
        }
        Ok(FileFacts {
            version: found,
            imported: found > 1 && flags & IMPORTED != 0,
            run: u32::from_le_bytes(field(head, 12)),
            seq: u64::from_le_bytes(field(head, 16)),
            salt: u64::from_le_bytes(field(head, 24)),
            first_no: u64::from_le_bytes(field(head, 32)),
            base_time: Timestamp(i64::from_le_bytes(field(head, 40))),
            before_max_time: Timestamp(i64::from_le_bytes(field(head, 48))),
        })
    }
}

/// Copies a field out of a header whose length was checked.
fn field<const N: usize>(head: &[u8], at: usize) -> [u8; N] {
    head.get(at..).and_then(|rest| rest.first_chunk::<N>()).copied().unwrap_or([0; N])
}

/// Returns the head of a frame with the given body at `offset` of the file with `salt`.
pub(crate) fn frame_head(salt: u64, offset: u64, body: &[u8]) -> [u8; FRAME_HEAD_LEN] {
    let [l0, l1, l2, _] = (body.len() as u32).to_le_bytes();
    let seed = head_crc(salt, offset, [l0, l1, l2]);
    let [c0, c1, ..] = seed.to_le_bytes();
    let [d0, d1, d2, d3] = crc32c::crc32c_append(seed, body).to_le_bytes();
    [l0, l1, l2, c0, c1, d0, d1, d2, d3]
}

fn head_crc(salt: u64, offset: u64, len: [u8; 3]) -> u32 {
    let crc = crc32c::crc32c(&salt.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(crc, &offset.to_le_bytes()), &len)
}

/// Returns the length of the body if `head` can begin a frame at `offset`.
pub(crate) fn body_len(salt: u64, offset: u64, head: &[u8]) -> Option<usize> {
    let [l0, l1, l2, c0, c1, ..] = *head.first_chunk::<FRAME_HEAD_LEN>()?;
    let [e0, e1, ..] = head_crc(salt, offset, [l0, l1, l2]).to_le_bytes();
    let len = u32::from_le_bytes([l0, l1, l2, 0]) as usize;
    (len > 0 && [c0, c1] == [e0, e1]).then_some(len)
}

/// Returns whether `body` is what the frame's head promised.
pub(crate) fn body_matches(salt: u64, offset: u64, head: &[u8], body: &[u8]) -> bool {
    head == frame_head(salt, offset, body)
}
