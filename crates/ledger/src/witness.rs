//! Witnesses: who sees every checkpoint of a log and cosigns it if it continues what they saw before. C2SP
//! tlog-witness, both sides, without the network.

mod request;
mod server;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::merkle::prove_consistency;
use crate::note::{Note, NoteVerifier, Signature};
use crate::seal::{CHECKPOINT, SealError, StoredNodes, WITNESSED};
use crate::store::Store;

pub use request::{AddCheckpoint, REQUEST_BYTES_MAX};
pub use server::{Answer, Witness};

/// What a log asks its witnesses: cosign the last checkpoint.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The checkpoint to be cosigned.
    pub checkpoint: Checkpoint,
    note: Note,
}

/// What a witness said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It cosigned.
    Cosigned(Signature),
    /// It last saw this many entries: to be asked again with a proof from there.
    Behind(u64),
    /// It refused, or its answer is not to be trusted.
    Refused(String),
}

impl Submission {
    /// Takes the last checkpoint of a tree; `None` if there is none.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn latest(tree: &dyn Store) -> Result<Option<Submission>, SealError> {
        let Some(bytes) = tree.read(CHECKPOINT).map_err(SealError::store(CHECKPOINT))? else {
            return Ok(None);
        };
        let note = Note::decode(&bytes).map_err(CheckpointError::from)?;
        Ok(Some(Submission { checkpoint: Checkpoint::decode(&note.text)?, note }))
    }

    /// Returns the body of the request to a witness that last saw `old` entries.
    ///
    /// # Errors
    /// Tiles are missing: a newer checkpoint may have replaced them, so try again with the latest.
    pub fn request(&self, tree: &dyn Store, old: u64) -> Result<String, SealError> {
        let size = self.checkpoint.size;
        let proof = prove_consistency(&StoredNodes::new(tree, size), old.min(size), size)?;
        Ok(AddCheckpoint { old, proof, note: self.note.clone() }.encode())
    }

    /// Reads the answer of the witness with `key`.
    pub fn read_answer(&self, status: u16, body: &str, key: &NoteVerifier) -> Verdict {
        match status {
            200 => {
                let signatures = body.lines().filter_map(Signature::decode);
                let note = Note { text: self.note.text.clone(), signatures: signatures.collect() };
                let found = note.signatures.iter().find(|signature| key.is_of(signature));
                match (note.verify([key]), found) {
                    (Ok(_), Some(found)) => Verdict::Cosigned(found.clone()),
                    (Err(error), _) => Verdict::Refused(error.to_string()),
                    _ => Verdict::Refused("no signature".to_owned()),
                }
            }
            409 => match crate::checkpoint::decimal(body.trim_end()) {
                Some(size) => Verdict::Behind(size),
                None => Verdict::Refused("conflict without a size".to_owned()),
            },
            other => Verdict::Refused(format!("status {other}")),
        }
    }

    /// Returns the cosignatures of this very checkpoint that are kept already.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn known_signatures(&self, tree: &dyn Store) -> Result<Vec<Signature>, SealError> {
        let bytes = tree.read(WITNESSED).map_err(SealError::store(WITNESSED))?;
        let note = bytes.and_then(|bytes| Note::decode(&bytes).ok());
        let note = note.filter(|note| note.text == self.note.text);
        let of_others = |s: &Signature| !self.note.signatures.contains(s);
        Ok(note.into_iter().flat_map(|note| note.signatures).filter(of_others).collect())
    }

    /// Returns the checkpoint with the witnesses' signatures below the log's.
    pub fn cosigned(&self, signatures: Vec<Signature>) -> Note {
        let mut note = self.note.clone();
        note.signatures.extend(signatures);
        note
    }
}

#[cfg(test)]
mod tests;
