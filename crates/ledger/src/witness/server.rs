//! The witness's side: remembers the last checkpoint of each log and cosigns what continues it.

use super::AddCheckpoint;
use crate::checkpoint::Checkpoint;
use crate::merkle::{digest, verify_consistency};
use crate::note::{Note, NoteKey, NoteVerifier};
use crate::store::Store;

/// What is sent back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type` of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

impl Answer {
    fn refusal(status: u16, why: &str) -> Answer {
        Answer { status, content_type: "text/plain; charset=utf-8", body: format!("{why}\n") }
    }

    fn conflict(size: u64) -> Answer {
        Answer { status: 409, content_type: "text/x.tlog.size", body: format!("{size}\n") }
    }
}

/// A witness. Requests are answered one after the other, which the protocol asks for.
pub struct Witness {
    key: NoteKey,
    logs: Vec<NoteVerifier>,
    store: Box<dyn Store>,
}

impl Witness {
    /// Makes a witness that signs with `key` (a cosignature key) for the logs with the given keys, and
    /// remembers what it saw in `store`.
    pub fn new(key: NoteKey, logs: Vec<NoteVerifier>, store: Box<dyn Store>) -> Witness {
        Witness { key, logs, store }
    }

    /// Answers `POST add-checkpoint` at `time` (seconds since 1970). The new checkpoint is durable before the
    /// answer exists.
    pub fn add_checkpoint(&mut self, body: &[u8], time: u64) -> Answer {
        let Some(request) = AddCheckpoint::decode(body) else {
            return Answer::refusal(400, "malformed request");
        };
        let Ok(new) = Checkpoint::decode(&request.note.text) else {
            return Answer::refusal(400, "malformed checkpoint");
        };
        let keys: Vec<NoteVerifier> =
            self.logs.iter().filter(|key| key.name() == new.origin).cloned().collect();
        if keys.is_empty() {
            return Answer::refusal(404, "unknown log");
        }
        if request.note.verify(&keys).is_err() {
            return Answer::refusal(403, "no signature of the log's key");
        }
        if request.old > new.size {
            return Answer::refusal(400, "old size above the checkpoint's");
        }
        let name = Witness::file_of(&new.origin);
        let seen = match self.store.read(&name).map(|bytes| bytes.map(|bytes| last_seen(&bytes))) {
            Ok(None) => None,
            Ok(Some(Some(seen))) if seen.origin == new.origin => Some(seen),
            // What was seen cannot be told any more: cosigning could cover up a fork.
            _ => return Answer::refusal(500, "the witness's own record cannot be read"),
        };
        let seen_size = seen.as_ref().map_or(0, |seen| seen.size);
        if request.old != seen_size {
            return Answer::conflict(seen_size);
        }
        if let Some(seen) = &seen {
            if seen.size == new.size && seen.root != new.root {
                return Answer::conflict(seen.size);
            }
            if verify_consistency(seen.size, new.size, &request.proof, &seen.root, &new.root).is_err() {
                return Answer::refusal(422, "checkpoint does not continue the one seen before");
            }
        } else if !request.proof.is_empty() {
            return Answer::refusal(422, "proof from nothing");
        }
        let mut note = Note::new(request.note.text);
        note.signatures =
            request.note.signatures.into_iter().filter(|s| keys.iter().any(|k| k.is_of(s))).collect();
        note.sign(&self.key, time);
        if self.store.write_durable(&name, note.encode().as_bytes()).is_err() {
            return Answer::refusal(500, "checkpoint cannot be stored");
        }
        let body = note.signatures.last().map(crate::note::Signature::encode).unwrap_or_default();
        Answer { status: 200, content_type: "text/plain; charset=utf-8", body }
    }

    /// Returns the name of the file with the last checkpoint of a log, as seen and cosigned.
    pub fn file_of(origin: &str) -> String {
        let hash: String = digest(&[origin.as_bytes()]).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("logs/{hash}")
    }
}

fn last_seen(bytes: &[u8]) -> Option<Checkpoint> {
    Checkpoint::decode(&Note::decode(bytes).ok()?.text).ok()
}

impl std::fmt::Debug for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Witness").field("key", &self.key).field("logs", &self.logs).finish_non_exhaustive()
    }
}
