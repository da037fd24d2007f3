//! Tiles, checkpoints and proofs are accepted by implementations that are not ours: the crates `tlog_tiles`
//! and `signed_note`, and a reader in Python written from the public specifications.
#![expect(clippy::unwrap_used, clippy::panic, reason = "test")]

use std::path::Path;
use std::process::Command;

use rastro_ledger::checkpoint::{Checkpoint, LogProof};
use rastro_ledger::merkle::{Hash, TileId, encode_bundle, hash_leaf, prove_consistency, verify_consistency};
use rastro_ledger::note::{Note, NoteKey, NoteVerifier, SignatureKind};
use rastro_ledger::seal::{SealPaths, StoredNodes, WITNESSED};
use rastro_ledger::store::{DirectoryStore, Store};
use rastro_ledger::*;
use rastro_model::Timestamp;

/// Appends acts and seals them, in runs of the given lengths; returns the checkpoints.
fn sealed_ledger(dir: &Path, runs: &[usize]) -> Vec<Checkpoint> {
    let paths = SealPaths::below(dir);
    let mut made = Vec::new();
    for entries in runs {
        let spool = Spool::open(SpoolConfig::new(&paths.spool, Schema::default())).unwrap();
        for i in 0..*entries {
            let time = Timestamp(1_700_000_000_000_000 + i as i64);
            let (kind, why) = (ControlKind::Configured, &*format!("change {i}"));
            let entry = ControlEntry { time, kind, principal: None, session: None, by: "test", why };
            spool.append_control(&entry).unwrap();
        }
        spool.close().unwrap();
        let mut sealer = paths.open().unwrap();
        while sealer.advance(None, 10_000).unwrap() == 10_000 {}
        made.push(sealer.publish(0).unwrap().unwrap());
    }
    made
}

fn key_of(dir: &Path) -> NoteVerifier {
    let text = std::fs::read_to_string(dir.join("keys/ledger.pub")).unwrap();
    NoteVerifier::decode(text.lines().next().unwrap()).unwrap()
}

/// Writes the entry bundles beside the tiles; returns the leaves.
fn write_bundles(dir: &Path, size: u64) -> Vec<Hash> {
    let paths = SealPaths::below(dir);
    let salts = DirectoryStore::new(&paths.salts);
    let mut entries = SealedEntries::open(Directory::new(&paths.spool), salts).unwrap();
    let mut all = Vec::new();
    while let Some(sealed) = entries.next_entry().unwrap() {
        assert_eq!(sealed.index, all.len() as u64);
        all.push(sealed.leaf_data);
    }
    let mut tree = DirectoryStore::new(&paths.tree);
    for (index, bundle) in all.chunks(256).enumerate() {
        let id = TileId { level: 0, index: index as u64, width: bundle.len() };
        let bytes = encode_bundle(bundle.iter().map(|data| data.as_slice())).unwrap();
        tree.write(&id.bundle_path(), &bytes).unwrap();
    }
    assert_eq!(all.len() as u64, size);
    all.iter().map(|data| hash_leaf(data)).collect()
}

/// The stored tiles for `tlog_tiles`, whose paths carry the height as well.
struct Tiles<'a>(&'a Path);

impl tlog_tiles::TileReader for Tiles<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        let read = |tile: &tlog_tiles::Tile| {
            let path = tile.path();
            let path = path.strip_prefix("tile/8/").unwrap_or_else(|| panic!("{path}"));
            std::fs::read(self.0.join("tile").join(path)).unwrap()
        };
        Ok(tiles.iter().map(read).collect())
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

fn foreign(hash: &Hash) -> tlog_tiles::Hash {
    tlog_tiles::Hash(*hash)
}

#[test]
fn tiles_checkpoints_and_proofs_are_accepted_by_tlog_tiles_and_signed_note() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoints = sealed_ledger(dir.path(), &[300, 900, 66_000]);
    let (latest, tree) = (&checkpoints[2], dir.path().join("tree"));
    assert_eq!(latest.size, 67_200);

    let key = signed_note::StandardVerifier::new(&key_of(dir.path()).encode()).unwrap();
    let note = signed_note::Note::from_bytes(&std::fs::read(tree.join("checkpoint")).unwrap()).unwrap();
    let known = signed_note::VerifierList::new(vec![Box::new(key)]);
    let (verified, unverified) = note.verify(&known).unwrap();
    assert_eq!((verified.len(), unverified.len()), (1, 0));
    let read = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
    assert_eq!((read.origin(), read.size(), read.hash().0), (&*latest.origin, latest.size, latest.root));

    let leaves = write_bundles(dir.path(), latest.size);
    let tiles = Tiles(&tree);
    let hashes = tlog_tiles::TileHashReader::new(latest.size, foreign(&latest.root), &tiles);
    for index in [0, 1, 299, 65_535, 65_536, 67_199] {
        let proof = tlog_tiles::prove_record(latest.size, index, &hashes).unwrap();
        let own = prove_entry(&DirectoryStore::new(&tree), index).unwrap();
        assert_eq!(proof.iter().map(|hash| hash.0).collect::<Vec<_>>(), own.path, "{index}");
        let leaf = foreign(&leaves[index as usize]);
        let root = foreign(&latest.root);
        tlog_tiles::check_record(&proof, latest.size, root, index, leaf).unwrap();
    }
    let store = DirectoryStore::new(&tree);
    for old in &checkpoints {
        let own = prove_consistency(&StoredNodes::new(&store, latest.size), old.size, latest.size).unwrap();
        verify_consistency(old.size, latest.size, &own, &old.root, &latest.root).unwrap();
        if old.size < latest.size {
            let theirs: tlog_tiles::TreeProof = own.iter().map(foreign).collect();
            let (new_root, old_root) = (foreign(&latest.root), foreign(&old.root));
            tlog_tiles::check_tree(&theirs, latest.size, new_root, old.size, old_root).unwrap();
        }
    }
}

#[test]
fn key_made_elsewhere_signs_and_verifies_here() {
    let seed = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    let key = NoteKey::decode(seed).unwrap();
    let mut note = Note::new("text\n".to_owned());
    note.sign(&key, 0);
    let verifier = signed_note::StandardVerifier::new(&key.verifier().encode()).unwrap();
    let known = signed_note::VerifierList::new(vec![Box::new(verifier)]);
    assert!(signed_note::Note::from_bytes(note.encode().as_bytes()).unwrap().verify(&known).is_ok());
}

#[test]
fn reader_in_python_accepts_the_log_and_rejects_a_changed_one() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoints = sealed_ledger(dir.path(), &[300, 477]);
    let tree = dir.path().join("tree");
    let leaves = write_bundles(dir.path(), 777);
    let witness = NoteKey::generate("witness.example/w", SignatureKind::Cosignature).unwrap();
    let mut note = Note::decode(&std::fs::read(tree.join("checkpoint")).unwrap()).unwrap();
    note.sign(&witness, 1_700_000_000);
    std::fs::write(tree.join(WITNESSED), note.encode()).unwrap();
    let mut arguments = vec![key_of(dir.path()).encode(), "--witness".into(), witness.verifier().encode()];
    for index in [0u64, 255, 256, 776] {
        let proof = prove_entry(&DirectoryStore::new(&tree), index).unwrap();
        let text = proof.encode();
        assert_eq!(LogProof::decode(&text).unwrap(), proof);
        let keys = [key_of(dir.path())];
        assert_eq!(proof.verify(&leaves[index as usize], &keys).unwrap(), checkpoints[1]);
        assert!(proof.verify(&leaves[7], &keys).is_err());
        let file = dir.path().join(format!("{index}.tlog-proof"));
        std::fs::write(&file, text).unwrap();
        arguments.extend(["--proof".into(), file.display().to_string(), index.to_string()]);
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/tlog/verify.py");
    let run = || Command::new("python3").arg(&script).arg(&tree).args(&arguments).output().unwrap();
    let output = run();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let root: String = checkpoints[1].root.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("777 {root}\n"));
    for name in ["tile/0/001", "tile/entries/002", "checkpoint", "witnessed", "tile/1/000.p/3"] {
        let path = match tree.join(name) {
            path if path.exists() => path,
            _ => tree.join(format!("{name}.p/{}", 777 - 512)),
        };
        let genuine = std::fs::read(&path).unwrap();
        let mut changed = genuine.clone();
        changed[70] ^= 1;
        std::fs::write(&path, changed).unwrap();
        assert!(!run().status.success(), "{name}");
        std::fs::write(&path, genuine).unwrap();
    }
}
