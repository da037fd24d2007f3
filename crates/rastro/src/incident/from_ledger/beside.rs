//! Entries of a ledger in order, decoded on a thread beside the one that takes them.

use std::sync::mpsc::sync_channel;

use anyhow::{Context, anyhow};
use rastro_archive::{ArchiveError, LedgerReader, Query};
use rastro_ledger::{Content, Entry};

use super::CANNOT_READ;

/// A chunk ends with so many entries, or so many subjects.
const CHUNK_ENTRIES: usize = 2_048;
const CHUNK_SUBJECTS: usize = 1 << 16;
/// Chunks decoded ahead.
const CHUNKS_AHEAD: usize = 4;

/// Calls `take` with all entries of a ledger, chunk by chunk, and how many entries were read so far.
///
/// # Errors
/// The ledger is damaged before its end, cannot be read, or `take` failed.
pub(super) fn read_beside(
    ledger: &LedgerReader,
    mut take: impl FnMut(Vec<Entry>, u64) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(CHUNKS_AHEAD);
        let decoding = scope.spawn(move || -> Result<(), ArchiveError> {
            let everything = Query::default();
            let mut entries = ledger.entries(&everything)?;
            loop {
                let chunk = next_chunk(&mut entries)?;
                if chunk.is_empty() || sender.send(chunk).is_err() {
                    return Ok(());
                }
            }
        });
        let (mut taken, mut read) = (Ok(()), 0);
        for chunk in receiver {
            read += chunk.len() as u64;
            taken = take(chunk, read);
            if taken.is_err() {
                break;
            }
        }
        taken?;
        let decoded = decoding.join().map_err(|_| anyhow!("the reading of the ledger was interrupted"))?;
        decoded.context(CANNOT_READ)
    })
}

fn next_chunk(
    entries: &mut impl Iterator<Item = Result<Entry, ArchiveError>>,
) -> Result<Vec<Entry>, ArchiveError> {
    let mut chunk = Vec::with_capacity(CHUNK_ENTRIES);
    let mut subjects = 0;
    while chunk.len() < CHUNK_ENTRIES && subjects < CHUNK_SUBJECTS {
        let Some(entry) = entries.next() else { break };
        let entry = entry?;
        if let Content::Disclosure(disclosure) = &entry.content {
            subjects += disclosure.sets.iter().map(|set| set.subjects.len()).sum::<usize>();
        }
        chunk.push(entry);
    }
    Ok(chunk)
}
