//! Whatever bytes come from outside, the proof's decoders give a value or an error, and a value is written as it
//! was read.
#![expect(clippy::unwrap_used, reason = "test")]

use proptest::prelude::*;
use rastro_ledger::checkpoint::{Checkpoint, LogProof};
use rastro_ledger::merkle::{decode_bundle, decode_tile};
use rastro_ledger::note::{Note, NoteKey, NoteVerifier, SignatureKind};
use rastro_ledger::seal::KeyChange;
use rastro_ledger::witness::AddCheckpoint;

fn decode_all(bytes: &[u8]) {
    if let Ok(note) = Note::decode(bytes) {
        assert_eq!(Note::decode(note.encode().as_bytes()).unwrap(), note);
        if let Ok(checkpoint) = Checkpoint::decode(&note.text) {
            let again = Checkpoint::decode(&checkpoint.encode()).unwrap();
            assert_eq!(again, checkpoint);
        }
    }
    if let Some(request) = AddCheckpoint::decode(bytes) {
        assert_eq!(AddCheckpoint::decode(request.encode().as_bytes()).unwrap(), request);
    }
    let text = String::from_utf8_lossy(bytes);
    if let Ok(proof) = LogProof::decode(&text) {
        assert_eq!(LogProof::decode(&proof.encode()).unwrap(), proof);
    }
    if let Ok(key) = NoteVerifier::decode(&text) {
        assert_eq!(NoteVerifier::decode(&key.encode()).unwrap(), key);
        assert!(KeyChange::open(bytes, &key).is_none());
    }
    let _ = decode_bundle(bytes);
    let _ = decode_tile(bytes, 7);
    let _ = NoteKey::decode(&text);
}

/// One of each thing that comes from outside.
fn samples() -> Vec<Vec<u8>> {
    let key = NoteKey::from_seed("log.example/1", SignatureKind::Plain, [7; 32]).unwrap();
    let checkpoint = Checkpoint { origin: "log.example/1".into(), size: 1000, root: [3; 32] };
    let mut note = Note::new(checkpoint.encode());
    note.sign(&key, 0);
    let proof = vec![[1; 32], [2; 32]];
    let request = AddCheckpoint { old: 7, proof: proof.clone(), note: note.clone() };
    let log_proof = LogProof { index: 9, path: proof, checkpoint: note.clone() };
    [note.encode(), request.encode(), log_proof.encode(), key.verifier().encode(), key.encode_private()]
        .map(String::into_bytes)
        .to_vec()
}

proptest! {
    #[test]
    fn prop_decoders_take_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        decode_all(&bytes);
    }

    #[test]
    fn prop_decoders_take_mutated_samples(which in 0usize..5, at in any::<prop::sample::Index>(),
                                          byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut bytes = samples().swap_remove(which);
        let place = at.index(bytes.len());
        if let Some(changed) = bytes.get_mut(place) {
            *changed = byte;
        }
        decode_all(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        decode_all(&bytes);
    }

    #[test]
    fn prop_checkpoint_opens_only_as_it_was_signed(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let key = NoteVerifier::decode(&String::from_utf8(samples().swap_remove(3)).unwrap()).unwrap();
        let keys = [key];
        let genuine = samples().swap_remove(0);
        prop_assert!(Checkpoint::open(&genuine, &keys).is_ok());
        let mut changed = genuine.clone();
        let place = at.index(changed.len());
        if let Some(byte) = changed.get_mut(place) {
            *byte ^= 1 << bit;
        }
        prop_assert!(Checkpoint::open(&changed, &keys).is_err(), "byte {}", place);
    }
}
