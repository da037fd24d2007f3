//! Entries of a ledger in order, decoded on a thread beside the one that takes them.

use std::path::Path;
use std::sync::mpsc::sync_channel;

use anyhow::{Context, anyhow};
use rastro_ledger::{Content, Entry, ReadError, SpoolReader};

/// A chunk ends with so many entries, or so many subjects.
const CHUNK_ENTRIES: usize = 2_048;
const CHUNK_SUBJECTS: usize = 1 << 16;
/// Chunks decoded ahead.
const CHUNKS_AHEAD: usize = 4;

/// Calls `take` with all entries of the spool, chunk by chunk, and how many bytes were read so far.
///
/// # Errors
/// The spool is damaged before its end, cannot be read, or `take` failed.
pub(super) fn read_beside(
    spool: &Path,
    mut take: impl FnMut(Vec<Entry>, u64) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let cannot_read = || format!("cannot read the ledger at `{}`", spool.display());
    let sizes = file_sizes(spool).with_context(cannot_read)?;
    let mut reader = SpoolReader::open(spool).with_context(cannot_read)?;
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(CHUNKS_AHEAD);
        let decoding = scope.spawn(move || -> Result<(), ReadError> {
            let (mut files, mut seq) = (0, None);
            loop {
                let chunk = next_chunk(&mut reader)?;
                let position = reader.position();
                if seq != Some(position.seq) {
                    (files, seq) = (files + 1, Some(position.seq));
                }
                let earlier: u64 = sizes.iter().take(files - 1).sum();
                let is_last = chunk.is_empty();
                if sender.send((chunk, earlier + position.offset)).is_err() || is_last {
                    return Ok(());
                }
            }
        });
        let mut taken = Ok(());
        for (chunk, bytes) in receiver {
            taken = take(chunk, bytes);
            if taken.is_err() {
                break;
            }
        }
        taken?;
        let decoded = decoding.join().map_err(|_| anyhow!("the reading of the ledger was interrupted"))?;
        decoded.with_context(cannot_read)
    })
}

fn next_chunk(reader: &mut SpoolReader) -> Result<Vec<Entry>, ReadError> {
    let mut chunk = Vec::with_capacity(CHUNK_ENTRIES);
    let mut subjects = 0;
    while chunk.len() < CHUNK_ENTRIES && subjects < CHUNK_SUBJECTS {
        let Some(entry) = reader.next_entry()? else { break };
        if let Content::Disclosure(disclosure) = &entry.content {
            subjects += disclosure.sets.iter().map(|set| set.subjects.len()).sum::<usize>();
        }
        chunk.push(entry);
    }
    Ok(chunk)
}

/// Returns the sizes of the spool's files in order, and their sum for a progress report.
fn file_sizes(spool: &Path) -> std::io::Result<Vec<u64>> {
    let mut files = Vec::new();
    for file in std::fs::read_dir(spool)? {
        let file = file?;
        files.push((file.file_name(), file.metadata()?.len()));
    }
    files.sort();
    Ok(files.into_iter().map(|(_, bytes)| bytes).collect())
}

/// Returns how many bytes the files of the spool take, what is allocated ahead of use included; 0 if unknown.
pub(super) fn allocated_bytes(spool: &Path) -> u64 {
    file_sizes(spool).map_or(0, |sizes| sizes.iter().sum())
}
