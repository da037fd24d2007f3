//! The offline check: recomputes the tree from the spool's entries and compares it with what was signed.
//! Needs the files and a public key, nothing else. Keeps P5.

mod file;
mod locate;
mod merge;
mod redacted;
mod report;
mod trust;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;

use crate::checkpoint::CheckpointError;
use crate::disk::Files;
use crate::note::{KeyError, NoteVerifier};
use crate::reader::ReadError;
use crate::seal::{CHECKPOINT, SealError, WITNESSED};
use crate::store::Store;
use file::{FileCheck, Job, check_file};
use merge::Merge;
use trust::Trust;

pub use report::{Fault, Report, Witnessed};

/// What a verification is given.
pub struct Evidence<'a> {
    /// Tiles and checkpoints.
    pub tree: &'a (dyn Store + Sync),
    /// The secrets that commitments are salted with.
    pub salts: &'a (dyn Store + Sync),
    /// A key of the log that is trusted; later keys must be vouched for by it.
    pub key: &'a NoteVerifier,
    /// Keys of witnesses that are trusted.
    pub witnesses: &'a [NoteVerifier],
    /// Whether it is a fault if none of them has cosigned.
    pub must_be_witnessed: bool,
    /// Signed checkpoints that were kept elsewhere: the ledger must still hold what they say.
    pub known: &'a [Vec<u8>],
    /// Threads to use; at least one is.
    pub threads: usize,
}

/// Progress, for whoever shows it. Updated while the verification runs.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes of the spool read.
    pub bytes: AtomicU64,
    /// Entries recomputed.
    pub entries: AtomicU64,
}

/// Why a verification could not be made. A ledger that was changed is no error: see [`Report`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The spool cannot be read.
    #[error("cannot read the spool")]
    Read(#[from] ReadError),
    /// A file cannot be read.
    #[error(transparent)]
    Access(#[from] SealError),
    /// A checkpoint given as known is not to be trusted.
    #[error("checkpoint {number} of those given is not to be trusted")]
    Known {
        /// From 1.
        number: usize,
        /// Why.
        source: CheckpointError,
    },
    /// A key is unusable.
    #[error("cannot use the key")]
    Key(#[from] KeyError),
}

/// Checks a ledger. `open` opens the spool's files, once for each thread.
///
/// Streams: memory is 32 bytes for 256 entries, and for each thread one frame, the dictionaries of one file
/// and the tile roots of the files that are ahead. Cost: about ten SHA-256 blocks for an entry of one subject.
///
/// # Errors
/// The check could not be made. What was found wrong is in the report.
pub fn verify<F: Files + Send>(
    evidence: &Evidence<'_>,
    open: impl Fn() -> F + Sync,
    progress: &Progress,
) -> Result<Report, VerifyError> {
    let files = open();
    let mut seqs = files.list().map_err(|source| ReadError::Disk { seq: 0, source })?;
    let trust = match Trust::establish(evidence)? {
        Ok(trust) => trust,
        Err(fault) => return Ok(Report::of_fault(fault)),
    };
    // A removal that was broken off may have left some.
    seqs.retain(|seq| trust.retained.as_ref().is_none_or(|retained| *seq >= retained.first_file));
    let mut merge = match Merge::new(&trust, evidence.tree)? {
        Ok(merge) => merge,
        Err(fault) => return Ok(Report::of_fault(fault)),
    };
    merge.missing_file = first_gap(&seqs);
    let jobs: Vec<Job> =
        seqs.iter().enumerate().map(|(i, seq)| Job { seq: *seq, last: i + 1 == seqs.len() }).collect();
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let threads = evidence.threads.clamp(1, jobs.len().max(1));
    let special = trust.sizes();
    std::thread::scope(|scope| -> Result<(), VerifyError> {
        // A file ahead of its turn waits in the channel: two for each thread.
        let (send, results) = sync_channel::<(usize, Result<FileCheck, VerifyError>)>(threads * 2);
        for _ in 0..threads {
            let (send, next, stop, jobs, open, special) =
                (send.clone(), &next, &stop, &jobs, &open, &special);
            scope.spawn(move || {
                let files = open();
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(at).filter(|_| !stop.load(Ordering::Relaxed)) else { break };
                    let checked = check_file(&files, job, evidence, special, progress);
                    if send.send((at, checked)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(send);
        let mut early = std::collections::BTreeMap::new();
        let mut due = 0;
        for (at, checked) in results {
            early.insert(at, checked);
            while let Some(checked) = early.remove(&due) {
                due += 1;
                match checked {
                    Ok(checked) => merge.add(checked),
                    Err(error) => {
                        stop.store(true, Ordering::Relaxed);
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    })?;
    merge.finish()
}

/// Returns the first file that is missing between two others.
fn first_gap(seqs: &[u64]) -> Option<u64> {
    seqs.windows(2).find_map(|pair| match pair {
        [a, b] if a + 1 != *b => Some(a + 1),
        _ => None,
    })
}

fn read_checkpoint(tree: &dyn Store, name: &str) -> Result<Option<Vec<u8>>, VerifyError> {
    Ok(tree.read(name).map_err(|source| SealError::Store { name: name.to_owned(), source })?)
}

#[cfg(test)]
mod tests;
