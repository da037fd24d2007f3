use crate::checkpoint::{decimal, decode_hash, encode_hash};
use crate::merkle::{Hash, PROOF_MAX};
use crate::note::{NOTE_BYTES_MAX, Note};

/// Greatest length of a request in bytes.
pub const REQUEST_BYTES_MAX: usize = NOTE_BYTES_MAX + 4096;

/// The body of `POST add-checkpoint`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Size that the witness saw last, as the client knows.
    pub old: u64,
    /// That the tree of `old` entries is the beginning of the checkpoint's.
    pub proof: Vec<Hash>,
    /// The checkpoint.
    pub note: Note,
}

impl AddCheckpoint {
    /// Returns the body.
    pub fn encode(&self) -> String {
        let proof: String = self.proof.iter().map(|hash| format!("{}\n", encode_hash(hash))).collect();
        format!("old {}\n{proof}\n{}", self.old, self.note.encode())
    }

    /// Reads a body; `None` if it is malformed.
    pub fn decode(body: &[u8]) -> Option<AddCheckpoint> {
        let text = std::str::from_utf8(body).ok().filter(|text| text.len() <= REQUEST_BYTES_MAX)?;
        let (head, note) = text.split_once("\n\n")?;
        let mut lines = head.split('\n');
        let old = decimal(lines.next()?.strip_prefix("old ")?)?;
        let proof = lines.map(decode_hash).take(PROOF_MAX + 1).collect::<Option<Vec<Hash>>>()?;
        let note = Note::decode(note.as_bytes()).ok()?;
        (proof.len() <= PROOF_MAX).then_some(AddCheckpoint { old, proof, note })
    }
}
