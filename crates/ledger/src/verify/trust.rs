//! What is trusted before any entry is looked at: keys, and the checkpoints they signed.

use super::report::{Fault, Witnessed};
use super::{CHECKPOINT, Evidence, VerifyError, WITNESSED, read_checkpoint};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::merkle::Hash;
use crate::note::{Note, NoteVerifier, SignatureError};
use crate::seal::{KeyChange, RETAINED, Retained};

/// Greatest number of key changes followed.
const CHANGES_MAX: usize = 10_000;

/// A size and root that the log has signed.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    pub(super) size: u64,
    pub(super) root: Hash,
    /// How it is known.
    pub(super) how: &'static str,
}

/// What the log has promised.
#[derive(Clone, Debug)]
pub(super) struct Trust {
    pub(super) checkpoint: Checkpoint,
    pub(super) witnessed: Option<Witnessed>,
    /// The checkpoint and all others known, by rising size.
    pub(super) signed: Vec<Signed>,
    pub(super) key_changes: usize,
    /// All keys of the log, the trusted one first.
    pub(super) keys: Vec<NoteVerifier>,
    /// What was removed on purpose.
    pub(super) retained: Option<Retained>,
}

impl Trust {
    /// Opens keys and checkpoints; inside is what is wrong with them.
    pub(super) fn establish(evidence: &Evidence<'_>) -> Result<Result<Trust, Fault>, VerifyError> {
        let (keys, changes) = follow_changes(evidence)?;
        let Some(bytes) = read_checkpoint(evidence.tree, CHECKPOINT)? else {
            return Ok(Err(Fault::NoCheckpoint));
        };
        let (checkpoint, note) = match Checkpoint::open(&bytes, &keys) {
            Ok(opened) => opened,
            Err(error) => return Ok(Err(forged(CHECKPOINT, &error))),
        };
        if let Some(fault) = signed_late(&checkpoint, &note, &keys, &changes) {
            return Ok(Err(fault));
        }
        let retained = match read_checkpoint(evidence.tree, RETAINED)?
            .map(|bytes| Retained::open(&bytes, &keys))
        {
            Some(Err(error)) => return Ok(Err(forged(RETAINED, &error.into()))),
            Some(Ok(retained)) if retained.first > checkpoint.size => {
                let (size, known) = (checkpoint.size, retained.at.size);
                return Ok(Err(Fault::RolledBack { size, known, how: "signed at a removal of old entries" }));
            }
            Some(Ok(retained)) => Some(retained),
            None => None,
        };
        let mut signed = Vec::new();
        let mut witnessed = None;
        if let Some(bytes) = read_checkpoint(evidence.tree, WITNESSED)? {
            match Checkpoint::open(&bytes, &keys) {
                Ok((seen, note)) => {
                    witnessed = match cosigned(&seen, &note, evidence.witnesses) {
                        Ok(witnessed) => witnessed,
                        Err(error) => return Ok(Err(forged(WITNESSED, &error.into()))),
                    };
                    let how = if witnessed.is_some() { "witnessed" } else { "sent to a witness" };
                    signed.push(Signed { size: seen.size, root: seen.root, how });
                }
                Err(error) => return Ok(Err(forged(WITNESSED, &error))),
            }
        }
        for change in &changes {
            signed.push(Signed {
                size: change.at.size,
                root: change.at.root,
                how: "signed at a change of keys",
            });
        }
        if let Some(Retained { at: Checkpoint { size, root, .. }, .. }) = &retained {
            signed.push(Signed { size: *size, root: *root, how: "signed at a removal of old entries" });
        }
        for (i, bytes) in evidence.known.iter().enumerate() {
            let opened = Checkpoint::open(bytes, &keys);
            let (known, note) = opened.map_err(|source| VerifyError::Known { number: i + 1, source })?;
            let seen = cosigned(&known, &note, evidence.witnesses)
                .map_err(|source| VerifyError::Known { number: i + 1, source: source.into() })?;
            if seen.as_ref().map(|s| s.size) > witnessed.as_ref().map(|w: &Witnessed| w.size) {
                witnessed = seen;
            }
            signed.push(Signed { size: known.size, root: known.root, how: "kept elsewhere" });
        }
        if evidence.must_be_witnessed && witnessed.is_none() {
            return Ok(Err(Fault::Unwitnessed));
        }
        signed.sort_by_key(|signed| signed.size);
        if let Some(later) = signed.last().filter(|later| later.size > checkpoint.size) {
            let Signed { size: known, how, .. } = *later;
            return Ok(Err(Fault::RolledBack { size: checkpoint.size, known, how }));
        }
        signed.push(Signed { size: checkpoint.size, root: checkpoint.root, how: "signed last" });
        Ok(Ok(Trust { checkpoint, witnessed, signed, key_changes: changes.len(), keys, retained }))
    }

    /// Returns the sizes at which roots are known.
    pub(super) fn sizes(&self) -> Vec<u64> {
        self.signed.iter().map(|signed| signed.size).collect()
    }
}

fn forged(name: &str, error: &CheckpointError) -> Fault {
    use std::error::Error;
    let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    Fault::Forged { name: name.to_owned(), why }
}

/// Returns the trusted key and those it vouches for, with the changes between them.
fn follow_changes(evidence: &Evidence<'_>) -> Result<(Vec<NoteVerifier>, Vec<KeyChange>), VerifyError> {
    let mut keys = vec![evidence.key.clone()];
    let mut changes = Vec::new();
    for n in 1..=CHANGES_MAX {
        let Some(bytes) = read_checkpoint(evidence.tree, &KeyChange::name(n))? else { break };
        let Some(last) = keys.last() else { break };
        // Changes before the trusted key are none of its business.
        if let Some(change) = KeyChange::open(&bytes, last) {
            keys.push(change.next.clone());
            changes.push(change);
        }
    }
    Ok((keys, changes))
}

/// Checks that no key signed beyond the point at which it was replaced.
fn signed_late(
    checkpoint: &Checkpoint,
    note: &Note,
    keys: &[NoteVerifier],
    changes: &[KeyChange],
) -> Option<Fault> {
    let newest = keys.iter().rposition(|key| note.verify([key]).is_ok())?;
    let replaced_at = changes.get(newest)?.at.size;
    let size = checkpoint.size;
    (size > replaced_at).then_some(Fault::OldKey { size, replaced_at })
}

/// Returns which trusted witnesses cosigned a checkpoint.
fn cosigned(
    checkpoint: &Checkpoint,
    note: &Note,
    witnesses: &[NoteVerifier],
) -> Result<Option<Witnessed>, SignatureError> {
    match note.verify(witnesses) {
        Ok(by) => {
            let by = by.into_iter().map(|(key, time)| (key.name().to_owned(), time)).collect();
            Ok(Some(Witnessed { size: checkpoint.size, by }))
        }
        Err(SignatureError::Unknown) => Ok(None),
        Err(error) => Err(error),
    }
}
