//! Finds the end of a spool after a stop of any kind.

use std::io;
use std::path::PathBuf;

use rastro_model::Timestamp;
use tracing::warn;

use crate::disk::{Disk, Files};
use crate::frame::{FRAME_BODY_MAX, FRAME_HEAD_LEN, FileFacts, body_len, body_matches};
use crate::reader::{ReadError, SpoolReader, read_facts};

/// Why a spool cannot be opened for writing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process writes to it.
    #[error("spool `{}` is in use by another process", dir.display())]
    Locked {
        /// The directory.
        dir: PathBuf,
    },
    /// The disk refused.
    #[error("cannot {action} of the spool")]
    Disk {
        /// What was tried.
        action: &'static str,
        /// What the disk said.
        source: io::Error,
    },
    /// What was durable is damaged; only a person can decide what to do.
    #[error("spool is damaged before its end; move its files away to begin anew")]
    Corrupt {
        /// Where.
        #[from]
        source: ReadError,
    },
}

/// Where a spool ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Recovered {
    pub(crate) run: u32,
    pub(crate) seq: u64,
    pub(crate) next_no: u64,
    pub(crate) last_time: Timestamp,
    /// Greatest moment of the last file.
    pub(crate) max_time: Timestamp,
}

/// Reads the last file and cuts off the frame that a crash tore. Earlier files were complete when the last
/// was begun; only their presence is checked.
pub(crate) fn recover(disk: &mut dyn Disk) -> Result<Recovered, OpenError> {
    let seqs = disk.list().map_err(|source| OpenError::Disk { action: "list the files", source })?;
    for pair in seqs.windows(2) {
        if let [a, b] = pair
            && a + 1 != *b
        {
            return Err(ReadError::Missing { seq: a + 1 }.into());
        }
    }
    let Some(seq) = seqs.last().copied() else {
        let (last_time, max_time) = (Timestamp(0), Timestamp(i64::MIN));
        return Ok(Recovered { run: 0, seq: 0, next_no: 0, last_time, max_time });
    };
    let facts = read_facts(disk, seq)?;
    let mut reader = SpoolReader::open_on(&*disk)?;
    reader.start_at(seq);
    let mut max_time = Timestamp(i64::MIN);
    while let Some(entry) = reader.next_entry()? {
        max_time = max_time.max(entry.last_moment());
    }
    let (next_no, last_time) = (reader.decoder().next_no, reader.decoder().last_time);
    let end = reader.offset();
    check_tail(reader.files(), &facts, end)?;
    disk.cut(seq, end).map_err(|source| OpenError::Disk { action: "cut the torn end", source })?;
    Ok(Recovered { run: facts.run, seq, next_no, last_time, max_time })
}

/// Nothing of the one write that may have been in flight lies farther behind the last whole frame.
const TORN_MAX: usize = FRAME_BODY_MAX + FRAME_HEAD_LEN;

/// Checks that what follows `end` is one torn write. A write begins only when all before is durable: a
/// whole frame behind a broken one proves that something durable was damaged.
fn check_tail<F: Files>(files: &F, facts: &FileFacts, end: u64) -> Result<(), OpenError> {
    let seq = facts.seq;
    let damaged = || OpenError::from(ReadError::Damaged { seq, offset: end });
    let mut tail = Vec::new();
    let mut block = vec![0; 256 << 10];
    let mut at = end;
    loop {
        let n = files.read_at(seq, at, &mut block).map_err(|source| ReadError::Disk { seq, source })?;
        let read = block.get(..n).unwrap_or_default();
        if let Some(last) = read.iter().rposition(|byte| *byte != 0) {
            if at - end > TORN_MAX as u64 {
                return Err(damaged());
            }
            tail.resize((at - end) as usize, 0);
            tail.extend_from_slice(read.get(..=last).unwrap_or_default());
        }
        at += n as u64;
        if n < block.len() {
            break;
        }
    }
    if tail.is_empty() {
        return Ok(());
    }
    for start in 1..tail.len() {
        let rest = tail.get(start..).unwrap_or_default();
        let offset = end + start as u64;
        if let Some(len) = body_len(facts.salt, offset, rest)
            && let Some((head, body)) = rest.split_at_checked(FRAME_HEAD_LEN)
            && let Some(body) = body.get(..len)
            && body_matches(facts.salt, offset, head, body)
        {
            return Err(damaged());
        }
    }
    warn!(file = seq, offset = end, bytes = tail.len(), "cut a torn write off the spool");
    Ok(())
}
