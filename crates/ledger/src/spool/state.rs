use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use rastro_model::Timestamp;

use super::{AppendError, Health, StoreError};
use crate::commit::Chunk;
use crate::encode::Encoder;
use crate::frame::{FRAME_HEAD_LEN, FileFacts, HEADER_LEN};
use crate::reader::Position;

#[derive(Debug)]
pub(crate) struct State {
    pub(super) encoder: Encoder,
    /// The file the encoder writes for; the committer's may be an earlier one.
    pub(super) file: FileFacts,
    pub(super) file_bytes: u64,
    pub(super) next_no: u64,
    /// Records were dropped: what comes next needs a section of its own.
    pub(super) section_due: bool,
    pub(crate) pending: VecDeque<Chunk>,
    pub(crate) pending_bytes: usize,
    pub(crate) first_pending_at: Option<Instant>,
    pub(crate) committer_idle: bool,
    /// An emptied buffer to be used again.
    pub(crate) spare: Vec<u8>,
    pub(crate) health: Health,
    pub(crate) closing: bool,
    pub(crate) closed: bool,
    pub(super) dropped: Vec<Dropped>,
    /// Everything before is on stable storage.
    pub(crate) durable_at: Position,
    pub(super) waiters: Vec<(u64, Waker)>,
    pub(super) room_waiters: Vec<Waker>,
}

/// Entries `from..until` were dropped.
#[derive(Debug)]
pub(super) struct Dropped {
    pub(super) from: u64,
    pub(super) until: u64,
    pub(super) cause: Arc<str>,
}

/// Ranges of dropped entries remembered; each stands for one time the disk became full.
const DROPPED_MAX: usize = 1024;

impl State {
    /// Drops all that is not durable; what comes next goes to `file`, whose whole frames end at `end`.
    pub(crate) fn drop_pending(&mut self, durable: u64, cause: &Arc<str>, file: FileFacts, end: u64) {
        (self.file, self.file_bytes) = (file, end);
        if self.dropped.len() >= DROPPED_MAX
            && let [first, second, ..] = self.dropped.as_mut_slice()
        {
            // Says of durable entries between the two that they were dropped: late askers refuse in vain.
            second.from = first.from;
            self.dropped.remove(0);
        }
        self.dropped.push(Dropped { from: durable, until: self.next_no, cause: Arc::clone(cause) });
        self.pending.clear();
        self.pending_bytes = 0;
        self.first_pending_at = None;
        self.section_due = true;
    }

    /// Returns whoever waits for an entry below `durable`, and for room.
    pub(crate) fn take_wakers(&mut self, durable: u64) -> Vec<Waker> {
        let due = self.waiters.extract_if(.., |(no, _)| *no < durable).map(|(_, waker)| waker);
        due.chain(self.room_waiters.drain(..)).collect()
    }

    pub(super) fn check_open(&self) -> Result<(), AppendError> {
        match &self.health {
            _ if self.closing => Err(AppendError::Closed),
            Health::Writable => Ok(()),
            Health::Refusing { cause } => Err(AppendError::Refusing { cause: Arc::clone(cause) }),
            Health::Poisoned { cause } => Err(AppendError::Poisoned { cause: Arc::clone(cause) }),
        }
    }

    pub(super) fn settled(&self, no: u64, durable: u64) -> Option<Result<(), StoreError>> {
        if let Some(dropped) = self.dropped.iter().rev().find(|d| (d.from..d.until).contains(&no)) {
            let cause = Arc::clone(&dropped.cause);
            return Some(Err(match &self.health {
                Health::Poisoned { cause } => StoreError::Poisoned { cause: Arc::clone(cause) },
                _ => StoreError::Dropped { cause },
            }));
        }
        if no < durable {
            return Some(Ok(()));
        }
        self.closed.then_some(Err(StoreError::Closed))
    }
}

impl State {
    /// Puts a chunk at the end of what is pending, with `body` as its first records.
    pub(super) fn begin_chunk(&mut self, begins: Option<FileFacts>, body: Vec<u8>) {
        let mut bytes = std::mem::take(&mut self.spare);
        bytes.clear();
        bytes.extend_from_slice(&[0; FRAME_HEAD_LEN]);
        bytes.extend_from_slice(&body);
        self.pending_bytes += bytes.len();
        self.file_bytes += bytes.len() as u64;
        self.pending.push_back(Chunk { begins, bytes, next_no: self.next_no });
    }

    /// Sees to it that the last chunk can take an entry: of a new file, of a new section, or at all.
    pub(super) fn make_chunk(&mut self, file_bytes_max: u64, time: Timestamp) {
        let mut body = Vec::new();
        if self.section_due {
            self.section_due = false;
            self.encoder.begin_section(&mut body, self.next_no, time);
            self.begin_chunk(None, body);
        } else if self.file_bytes >= file_bytes_max {
            let before_max_time = self.encoder.max_time;
            self.encoder.begin_file(&mut body, time);
            self.file = FileFacts {
                seq: self.file.seq + 1,
                salt: new_salt(),
                first_no: self.next_no,
                base_time: time,
                before_max_time,
                ..self.file
            };
            self.file_bytes = HEADER_LEN as u64;
            self.begin_chunk(Some(self.file), body);
        } else if self.pending.is_empty() {
            self.begin_chunk(None, body);
        }
    }
}

/// Returns a number that no outsider can foresee.
pub(super) fn new_salt() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}
