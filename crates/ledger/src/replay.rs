//! Entries since a moment, for rebuilding state at start-up; skips files that ended before.

use std::path::Path;

use rastro_model::Timestamp;

use crate::decode::Entry;
use crate::disk::{Directory, Files};
use crate::reader::{ReadError, SpoolReader, read_facts};

/// Calls `visit` with every entry that speaks of a moment at or after `since`, in entry order: disclosures
/// and acts of that time, and reasons whose `until` is not before it.
///
/// # Errors
/// The spool is damaged before its end, or the disk fails.
pub fn replay(dir: &Path, since: Timestamp, mut visit: impl FnMut(Entry)) -> Result<(), ReadError> {
    let mut reader = reader_since(Directory::new(dir), since)?;
    while let Some(entry) = reader.next_entry()? {
        if entry.last_moment() >= since {
            visit(entry);
        }
    }
    Ok(())
}

/// Opens a reader at the first file that may speak of a moment at or after `since`. O(files) headers.
pub(crate) fn reader_since<F: Files>(files: F, since: Timestamp) -> Result<SpoolReader<F>, ReadError> {
    let seqs = files.list().map_err(|source| ReadError::Disk { seq: 0, source })?;
    let mut start = seqs.first().copied();
    for pair in seqs.windows(2) {
        let [this, next] = pair else { break };
        // The header of a file tells how late the file before it reaches. Times need not rise from file to
        // file, so the search stops at the first file that is needed.
        if read_facts(&files, *next)?.before_max_time >= since {
            start = Some(*this);
            break;
        }
        start = Some(*next);
    }
    let mut reader = SpoolReader::open_on(files)?;
    if let Some(seq) = start {
        reader.start_at(seq);
    }
    Ok(reader)
}
