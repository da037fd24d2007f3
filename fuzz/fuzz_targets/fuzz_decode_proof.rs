//! The texts that a witness and a verifier read from outside: notes, checkpoints, requests, proofs, keys.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rastro_ledger::checkpoint::{Checkpoint, LogProof};
use rastro_ledger::note::{Note, NoteVerifier};
use rastro_ledger::witness::AddCheckpoint;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(note) = Note::decode(bytes) {
        assert_eq!(Note::decode(note.encode().as_bytes()), Ok(note.clone()));
        let _ = Checkpoint::decode(&note.text);
    }
    if let Some(request) = AddCheckpoint::decode(bytes) {
        assert_eq!(AddCheckpoint::decode(request.encode().as_bytes()), Some(request));
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(proof) = LogProof::decode(text) {
            assert_eq!(LogProof::decode(&proof.encode()), Ok(proof));
        }
        let _ = NoteVerifier::decode(text);
    }
});
