//! Checkpoints: what the log promises, signed. C2SP tlog-checkpoint and tlog-proof.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::merkle::{Hash, PROOF_MAX, ProofError, verify_inclusion};
use crate::note::{Note, NoteError, NoteVerifier, SignatureError, is_key_name};

/// The size and root of a log at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Names the log.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Root of their tree.
    pub root: Hash,
}

/// Why a checkpoint or a proof is not to be trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// It is no signed note.
    #[error("checkpoint is malformed")]
    Note(#[from] NoteError),
    /// The signed text is no checkpoint.
    #[error("checkpoint's text is malformed")]
    Text,
    /// No trusted signature, or a wrong one.
    #[error("checkpoint is not to be trusted")]
    Signature(#[from] SignatureError),
    /// It is signed, but for another log.
    #[error("checkpoint is of log `{found}`")]
    Origin {
        /// The origin found.
        found: String,
    },
}

impl Checkpoint {
    /// Returns the text that is signed.
    pub fn encode(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(self.root))
    }

    /// Reads the text of a note; lines after the third are ignored.
    ///
    /// # Errors
    /// `Text`.
    pub fn decode(text: &str) -> Result<Checkpoint, CheckpointError> {
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(CheckpointError::Text);
        };
        let size = decimal(size).ok_or(CheckpointError::Text)?;
        let root = decode_hash(root).ok_or(CheckpointError::Text)?;
        if lines.next_back() != Some("") || !is_key_name(origin) {
            return Err(CheckpointError::Text);
        }
        Ok(Checkpoint { origin: origin.to_owned(), size, root })
    }

    /// Reads a note and checks that one of the log's `keys` signed it as its own log.
    ///
    /// # Errors
    /// See [`CheckpointError`].
    pub fn open(bytes: &[u8], keys: &[NoteVerifier]) -> Result<(Checkpoint, Note), CheckpointError> {
        let note = Note::decode(bytes)?;
        note.verify(keys)?;
        let checkpoint = Checkpoint::decode(&note.text)?;
        if !keys.iter().any(|key| key.name() == checkpoint.origin) {
            return Err(CheckpointError::Origin { found: checkpoint.origin });
        }
        Ok((checkpoint, note))
    }
}

/// Reads a number in its only decimal form.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

pub(crate) fn decode_hash(text: &str) -> Option<Hash> {
    BASE64.decode(text).ok()?.try_into().ok()
}

pub(crate) fn encode_hash(hash: &Hash) -> String {
    BASE64.encode(hash)
}

/// That one entry is in a log: everything needed to check it but the keys. C2SP tlog-proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogProof {
    /// Position of the entry.
    pub index: u64,
    /// Siblings, from the leaf upwards.
    pub path: Vec<Hash>,
    /// The checkpoint it leads to.
    pub checkpoint: Note,
}

/// Why a proof does not show what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogProofError {
    /// The text is no proof.
    #[error("line {line} of the proof is malformed")]
    Line {
        /// From 1.
        line: usize,
    },
    /// Its checkpoint is not to be trusted.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The hashes do not fit.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

const PROOF_HEAD: &str = "c2sp.org/tlog-proof@v1";

impl LogProof {
    /// Returns the text of a `.tlog-proof` file.
    pub fn encode(&self) -> String {
        let path: String = self.path.iter().map(|hash| format!("{}\n", encode_hash(hash))).collect();
        format!("{PROOF_HEAD}\nindex {}\n{path}\n{}", self.index, self.checkpoint.encode())
    }

    /// Reads a `.tlog-proof` file; extra data in it is ignored.
    ///
    /// # Errors
    /// `Line`, `Checkpoint`.
    pub fn decode(text: &str) -> Result<LogProof, LogProofError> {
        let (head, note) = text.split_once("\n\n").ok_or(LogProofError::Line { line: 1 })?;
        let mut lines = head.split('\n').enumerate().peekable();
        let bad = |line: usize| LogProofError::Line { line: line + 1 };
        if lines.next().is_none_or(|(_, line)| line != PROOF_HEAD) {
            return Err(bad(0));
        }
        lines.next_if(|(_, line)| line.starts_with("extra "));
        let (at, line) = lines.next().ok_or(bad(1))?;
        let index = line.strip_prefix("index ").and_then(decimal).ok_or(bad(at))?;
        let mut path = Vec::new();
        for (at, line) in lines {
            if path.len() == PROOF_MAX {
                return Err(bad(at));
            }
            path.push(decode_hash(line).ok_or(bad(at))?);
        }
        let checkpoint = Note::decode(note.as_bytes()).map_err(CheckpointError::from)?;
        Ok(LogProof { index, path, checkpoint })
    }

    /// Checks that `leaf` is in the log whose keys are given; returns the checkpoint it is in.
    ///
    /// # Errors
    /// See [`LogProofError`].
    pub fn verify(&self, leaf: &Hash, keys: &[NoteVerifier]) -> Result<Checkpoint, LogProofError> {
        let (checkpoint, _) = Checkpoint::open(self.checkpoint.encode().as_bytes(), keys)?;
        verify_inclusion(leaf, self.index, checkpoint.size, &self.path, &checkpoint.root)?;
        Ok(checkpoint)
    }
}
