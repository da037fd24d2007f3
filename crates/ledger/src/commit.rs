//! The thread that puts pending records on the disk, one write and one sync for all that waits.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::MutexGuard;
use tracing::{error, info, warn};

use crate::disk::Disk;
use crate::frame::{FRAME_HEAD_LEN, FileFacts, HEADER_LEN, frame_head};
use crate::reader::Position;
use crate::spool::{Durability, Health, Shared, State};

/// How long a full disk is left alone before it is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// Records of one file that wait to be written: one frame.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// The file to begin before the write.
    pub(crate) begins: Option<FileFacts>,
    /// Room for the frame's head, then its body.
    pub(crate) bytes: Vec<u8>,
    /// Number after the last entry.
    pub(crate) next_no: u64,
}

/// What a step of the committer found to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing, or everything that was pending is settled.
    Done,
    /// The disk is full: try again after a while.
    Retry,
    /// Nothing can be written any more.
    Stopped,
}

/// Owns the disk; everything it learns goes into [`Shared`].
pub(crate) struct Committer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) disk: Box<dyn Disk>,
    /// The current file.
    pub(crate) file: FileFacts,
    /// End of its last whole frame.
    pub(crate) end: u64,
}

impl Committer {
    /// Runs until the spool is closed or poisoned.
    pub(crate) fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        loop {
            {
                let mut state = shared.state.lock();
                self.wait_for_work(&mut state);
                if state.closing && state.pending.is_empty() {
                    break;
                }
            }
            match self.step() {
                Step::Done => {}
                Step::Retry => {
                    let mut state = shared.state.lock();
                    if !state.closing {
                        shared.work.wait_for(&mut state, RETRY_AFTER);
                    }
                    if state.closing {
                        break;
                    }
                }
                Step::Stopped => break,
            }
        }
        self.finish();
    }

    /// Waits until something is due: at once in `strict`, at the end of the group's delay in `group`.
    fn wait_for_work(&self, state: &mut MutexGuard<'_, State>) {
        let shared = &self.shared;
        loop {
            if state.closing || matches!(state.health, Health::Refusing { .. }) {
                return;
            }
            let due = match (state.first_pending_at, shared.durability) {
                (None, _) => None,
                (Some(_), Durability::Strict) => return,
                (Some(at), Durability::Group) => Some(at + shared.group_delay),
            };
            state.committer_idle = true;
            match due {
                None => shared.work.wait(state),
                Some(due) if due <= Instant::now() || state.pending_bytes >= shared.pending_bytes_max / 2 => {
                    state.committer_idle = false;
                    return;
                }
                Some(due) => {
                    shared.work.wait_until(state, due);
                }
            }
            state.committer_idle = false;
        }
    }

    /// Writes everything that is pending, or tries a full disk again.
    pub(crate) fn step(&mut self) -> Step {
        let mut chunks = {
            let mut state = self.shared.state.lock();
            match state.health {
                Health::Poisoned { .. } => return Step::Stopped,
                Health::Refusing { .. } => {
                    drop(state);
                    return self.try_again();
                }
                Health::Writable => {}
            }
            state.first_pending_at = None;
            std::mem::take(&mut state.pending)
        };
        while let Some(mut chunk) = chunks.pop_front() {
            let written = self.write(&mut chunk);
            match written {
                Ok(()) => {}
                Err(Fault::Full(cause)) => return self.refuse(&cause),
                Err(Fault::Broken(cause)) => return self.poison(&cause),
            }
            self.settle(chunk, &chunks);
        }
        Step::Done
    }

    fn write(&mut self, chunk: &mut Chunk) -> Result<(), Fault> {
        if let Some(facts) = chunk.begins {
            // Everything in the old file is durable; only the zeros written ahead go.
            self.disk.cut(self.file.seq, self.end).map_err(Fault::of)?;
            self.disk.create(facts.seq, &facts.encode()).map_err(Fault::of)?;
            self.file = facts;
            self.end = HEADER_LEN as u64;
        }
        let (head, body) = chunk.bytes.split_at_mut_checked(FRAME_HEAD_LEN).unwrap_or_default();
        head.copy_from_slice(&frame_head(self.file.salt, self.end, body));
        self.disk.write(self.end, &chunk.bytes).map_err(Fault::of)?;
        self.disk.sync().map_err(Fault::Broken)?;
        self.end += chunk.bytes.len() as u64;
        Ok(())
    }

    fn settle(&self, mut chunk: Chunk, left: &VecDeque<Chunk>) {
        let mut state = self.shared.state.lock();
        state.pending_bytes = state.pending.iter().chain(left).map(|c| c.bytes.len()).sum();
        chunk.bytes.clear();
        if state.spare.capacity() < chunk.bytes.capacity() {
            state.spare = chunk.bytes;
        }
        self.shared.durable.store(chunk.next_no, Ordering::Release);
        state.durable_at = Position { seq: self.file.seq, offset: self.end };
        let wakers = state.take_wakers(chunk.next_no);
        drop(state);
        wakers.into_iter().for_each(std::task::Waker::wake);
    }

    /// Drops what is pending after the disk said that it is full.
    fn refuse(&mut self, cause: &io::Error) -> Step {
        warn!(cause = %cause, "spool disk is full; rows with protected fields are refused");
        self.drop_pending(|cause| Health::Refusing { cause }, cause);
        self.try_again()
    }

    fn poison(&mut self, cause: &io::Error) -> Step {
        error!(cause = %cause, "spool is poisoned by a failed write; restart needed");
        self.drop_pending(|cause| Health::Poisoned { cause }, cause);
        Step::Stopped
    }

    fn drop_pending(&self, health: impl FnOnce(Arc<str>) -> Health, cause: &io::Error) {
        let cause: Arc<str> = cause.to_string().into();
        let mut state = self.shared.state.lock();
        state.drop_pending(self.shared.durable.load(Ordering::Relaxed), &cause, self.file, self.end);
        self.shared.drops.fetch_add(1, Ordering::Release);
        state.health = health(cause);
        let wakers = state.take_wakers(u64::MAX);
        drop(state);
        wakers.into_iter().for_each(std::task::Waker::wake);
    }

    /// Cuts the torn tail off and writes a few zeros: if that succeeds there is room again.
    fn try_again(&mut self) -> Step {
        let cut = self.disk.cut(self.file.seq, self.end);
        let tried = cut.and_then(|()| self.disk.write(self.end, &[0; 4096]));
        match tried.map_err(Fault::of).and_then(|()| self.disk.sync().map_err(Fault::Broken)) {
            Ok(()) => {
                info!("spool disk has room again");
                self.shared.state.lock().health = Health::Writable;
                Step::Done
            }
            Err(Fault::Full(_)) => Step::Retry,
            Err(Fault::Broken(cause)) => self.poison(&cause),
        }
    }

    /// Gives the zeros written ahead and the directory back when the spool is closed.
    fn finish(mut self) {
        let writable = matches!(self.shared.state.lock().health, Health::Writable);
        if writable && let Err(cause) = self.disk.cut(self.file.seq, self.end) {
            warn!(cause = %cause, "cannot shorten the last spool file");
        }
        drop(self.disk);
        let mut state = self.shared.state.lock();
        state.closed = true;
        let wakers = state.take_wakers(u64::MAX);
        drop(state);
        wakers.into_iter().for_each(std::task::Waker::wake);
        self.shared.ended.notify_all();
    }
}

enum Fault {
    Full(io::Error),
    Broken(io::Error),
}

impl Fault {
    fn of(error: io::Error) -> Fault {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Fault::Full(error),
            _ => Fault::Broken(error),
        }
    }
}
