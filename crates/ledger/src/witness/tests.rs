use super::*;
use crate::merkle::{Hash, hash_leaf, merkle_root};
use crate::note::{NoteKey, SignatureKind};
use crate::store::DirectoryStore;

struct Log {
    key: NoteKey,
    leaves: Vec<Hash>,
}

impl Log {
    fn new() -> Log {
        let key = NoteKey::generate("log.example/1", SignatureKind::Plain).unwrap();
        Log { key, leaves: (0..100u8).map(|i| hash_leaf(&[i])).collect() }
    }

    fn request(&self, old: u64, new: usize) -> String {
        let Ok(proof) = prove_consistency(&self.leaves[..new], old, new as u64);
        let origin = "log.example/1".to_owned();
        let checkpoint = Checkpoint { origin, size: new as u64, root: merkle_root(&self.leaves[..new]) };
        let mut note = Note::new(checkpoint.encode());
        note.sign(&self.key, 0);
        AddCheckpoint { old, proof, note }.encode()
    }
}

fn witness(dir: &tempfile::TempDir, key: &NoteKey, log: &Log) -> Witness {
    let key = NoteKey::decode(&key.encode_private()).unwrap();
    Witness::new(key, vec![log.key.verifier().clone()], Box::new(DirectoryStore::new(dir.path())))
}

#[test]
fn witness_cosigns_what_continues_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let key = NoteKey::generate("witness.example/w", SignatureKind::Cosignature).unwrap();
    let (log, mut fork, stranger) = (Log::new(), Log::new(), Log::new());
    fork.key = NoteKey::decode(&log.key.encode_private()).unwrap();
    fork.leaves[3] = [9; 32];
    let mut server = witness(&dir, &key, &log);
    let mut status = |request: &str| server.add_checkpoint(request.as_bytes(), 1_700_000_000).status;
    assert_eq!(status(&log.request(0, 10)), 200);
    assert_eq!(status(&log.request(10, 10)), 200, "the same again");
    assert_eq!(status(&fork.request(10, 10)), 409, "another root for the same size");
    assert_eq!(status(&fork.request(10, 20)), 422, "a fork");
    assert_eq!(status(&log.request(10, 33)), 200);
    assert_eq!(status(&log.request(10, 50)), 409, "an old size that is not the last");
    assert_eq!(status(&log.request(0, 5)), 409, "a rollback");
    assert_eq!(status(&stranger.request(33, 50)), 403);
    assert_eq!(status(&log.request(33, 50).replace("log.example/1\n50", "log.example/2\n50")), 404);
    assert_eq!(status("old 33\n"), 400);
    assert_eq!(status(&log.request(33, 50).replace("old 33", "old 51")), 400);
    // It remembers across a restart.
    let mut server = witness(&dir, &key, &log);
    let answer = server.add_checkpoint(log.request(10, 50).as_bytes(), 0);
    assert_eq!((answer.status, answer.body.as_str()), (409, "33\n"));
    let file = dir.path().join(Witness::file_of("log.example/1"));
    std::fs::write(file, "damaged").unwrap();
    assert_eq!(server.add_checkpoint(log.request(33, 50).as_bytes(), 0).status, 500);
}

#[test]
fn client_takes_only_the_signature_of_the_witness_it_knows() {
    let dir = tempfile::tempdir().unwrap();
    let key = NoteKey::generate("witness.example/w", SignatureKind::Cosignature).unwrap();
    let log = Log::new();
    let request = log.request(0, 10);
    let note = AddCheckpoint::decode(request.as_bytes()).unwrap().note;
    let submission = Submission { checkpoint: Checkpoint::decode(&note.text).unwrap(), note };
    let answer = witness(&dir, &key, &log).add_checkpoint(request.as_bytes(), 1_700_000_000);
    let verdict = |status, body: &str| submission.read_answer(status, body, key.verifier());
    let Verdict::Cosigned(signature) = verdict(200, &answer.body) else { panic!("not cosigned") };
    let cosigned = submission.cosigned(vec![signature]);
    let keys = [log.key.verifier().clone(), key.verifier().clone()];
    assert_eq!(cosigned.verify(&keys).unwrap(), [(&keys[0], 0), (&keys[1], 1_700_000_000)]);
    assert_eq!(verdict(409, "77\n"), Verdict::Behind(77));
    let other = witness(&dir, &key, &log).add_checkpoint(log.request(10, 20).as_bytes(), 0);
    assert!(matches!(verdict(200, &other.body), Verdict::Refused(_)), "a cosignature of another checkpoint");
    assert!(matches!(verdict(200, ""), Verdict::Refused(_)));
    assert!(matches!(verdict(403, ""), Verdict::Refused(_)));
    assert!(matches!(verdict(409, "soon"), Verdict::Refused(_)));
}
