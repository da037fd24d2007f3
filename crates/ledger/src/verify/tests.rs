mod crash;
mod ledger;
mod tamper;

use crate::checkpoint::Checkpoint;
use crate::merkle::TILE_BYTES;
use crate::note::{NoteKey, SignatureKind};
use crate::seal::{CHECKPOINT, KeyFiles, WITNESSED};
use crate::verify::Fault;
use ledger::Ledger;

#[test]
fn ledger_as_it_was_sealed_verifies_at_every_stage() {
    let mut ledger = Ledger::new(1);
    for (entries, expected) in [(1, 1), (254, 255), (1, 256), (1, 257), (900, 1157)] {
        ledger.write(entries);
        ledger.seal();
        let report = ledger.verify();
        assert_eq!((report.fault, report.entries, report.younger), (None, expected, 0));
        assert_eq!(report.checkpoint.unwrap().size, expected);
    }
    ledger.write(3);
    let report = ledger.verify();
    assert_eq!((report.fault, report.younger), (None, 3), "entries that are not sealed yet are no fault");
}

#[test]
fn ledger_of_three_tile_levels_verifies_and_its_bad_entry_is_named() {
    let mut ledger = Ledger::with_files_of(2, 256 << 10);
    ledger.write(66_500);
    ledger.seal();
    assert_eq!(ledger.verify().fault, None);
    assert_eq!(ledger.tree["tile/0/000"].len(), TILE_BYTES);
    assert!(ledger.tree.contains_key("tile/2/000.p/1"));
    let index = ledger.change_a_row_count(40_000);
    assert_eq!(ledger.verify().fault, Some(Fault::Altered { index, file: ledger.file_of(index) }));
    // With the hashes of that stretch gone, the signed hashes above still narrow it down.
    let tile = index / 256;
    ledger.tree.remove(&format!("tile/0/{tile:03}"));
    let (first, last) = (tile * 256, tile * 256 + 255);
    assert_eq!(ledger.verify().fault, Some(Fault::AlteredWithin { first, last }));
}

#[test]
fn truncation_is_told_apart_by_the_last_witnessed_checkpoint() {
    let mut ledger = Ledger::new(3);
    ledger.write(700);
    ledger.seal();
    ledger.witness();
    ledger.write(500);
    ledger.seal();
    let seen = ledger.clone();
    ledger.truncate_to(900);
    assert_eq!(
        ledger.verify().fault,
        Some(Fault::TruncatedAfterWitnessed { first: 900, last: 1199, witnessed: 700 })
    );
    let mut ledger = seen.clone();
    ledger.truncate_to(650);
    assert_eq!(ledger.verify().fault, Some(Fault::Missing { first: 650, last: 1199 }));
    // Both truncated and changed: the change comes first.
    let mut ledger = seen;
    let index = ledger.change_a_row_count(300);
    ledger.truncate_to(900);
    assert_eq!(ledger.verify().fault, Some(Fault::Altered { index, file: ledger.file_of(index) }));
}

#[test]
fn rolled_back_ledger_is_found_with_a_checkpoint_kept_elsewhere() {
    let mut ledger = Ledger::new(4);
    ledger.write(300);
    ledger.seal();
    let old = ledger.clone();
    ledger.write(300);
    ledger.seal();
    let mut rolled_back = old;
    assert_eq!(rolled_back.verify().fault, None, "nothing inside the ledger can tell");
    rolled_back.known.push(ledger.tree[CHECKPOINT].clone());
    let fault = Fault::RolledBack { size: 300, known: 600, how: "kept elsewhere" };
    assert_eq!(rolled_back.verify().fault, Some(fault));
}

#[test]
fn history_rewritten_with_the_key_is_found_with_a_checkpoint_kept_elsewhere() {
    let mut ledger = Ledger::new(5);
    ledger.write(600);
    ledger.seal();
    let kept = ledger.tree[CHECKPOINT].clone();
    ledger.change_a_row_count(10);
    (ledger.tree, ledger.salts) = Default::default();
    ledger.write(50);
    ledger.seal();
    assert_eq!(ledger.verify().fault, None, "whoever has the key can seal anything");
    ledger.known.push(kept);
    assert_eq!(ledger.verify().fault, Some(Fault::Rewritten { size: 600, how: "kept elsewhere" }));
}

#[test]
fn forged_checkpoints_are_refused() {
    let mut ledger = Ledger::new(6);
    ledger.write(400);
    ledger.seal();
    let genuine = ledger.tree[CHECKPOINT].clone();
    let text = String::from_utf8(genuine.clone()).unwrap();
    let is_forged = |ledger: &Ledger| matches!(ledger.verify().fault, Some(Fault::Forged { .. }));
    ledger.tree.insert(CHECKPOINT.into(), text.replacen("\n400\n", "\n399\n", 1).into_bytes());
    assert!(is_forged(&ledger));
    // Signed with another key of the same name.
    let (checkpoint, _) = Checkpoint::open(&genuine, std::slice::from_ref(&ledger.key)).unwrap();
    let thief = NoteKey::generate(&checkpoint.origin, SignatureKind::Plain).unwrap();
    let mut note = crate::note::Note::new(checkpoint.encode());
    note.sign(&thief, 0);
    ledger.tree.insert(CHECKPOINT.into(), note.encode().into_bytes());
    assert!(is_forged(&ledger));
    ledger.tree.insert(WITNESSED.into(), note.encode().into_bytes());
    ledger.tree.insert(CHECKPOINT.into(), genuine);
    assert!(is_forged(&ledger));
    ledger.tree.remove(WITNESSED);
    assert_eq!(ledger.verify().fault, None);
    ledger.tree.remove(CHECKPOINT);
    assert_eq!(ledger.verify().fault, Some(Fault::NoCheckpoint));
}

#[test]
fn key_change_is_followed_from_the_first_key_and_ends_the_old_one() {
    let mut ledger = Ledger::new(7);
    ledger.write(100);
    ledger.seal();
    let old = std::fs::read_to_string(ledger.keys().join("ledger.key")).unwrap();
    let next = KeyFiles::new(ledger.keys()).prepare_change().unwrap();
    ledger.write(100);
    ledger.seal();
    ledger.write(100);
    ledger.seal();
    let report = ledger.verify();
    assert_eq!((report.fault, report.key_changes, report.entries), (None, 1, 300));
    assert_ne!(std::fs::read_to_string(ledger.keys().join("ledger.key")).unwrap(), old);
    assert!(!ledger.keys().join("next.key").exists());
    // Whoever trusts the new key only needs no history.
    let first = std::mem::replace(&mut ledger.key, next);
    assert_eq!((ledger.verify().fault, ledger.verify().key_changes), (None, 0));
    ledger.key = first;
    // The old key signs no more.
    let (checkpoint, _) = {
        let keys = KeyFiles::new(ledger.keys()).load_or_create().unwrap();
        Checkpoint::open(&ledger.tree[CHECKPOINT], keys.public()).unwrap()
    };
    let mut note = crate::note::Note::new(checkpoint.encode());
    note.sign(&NoteKey::decode(&old).unwrap(), 0);
    ledger.tree.insert(CHECKPOINT.into(), note.encode().into_bytes());
    assert_eq!(ledger.verify().fault, Some(Fault::OldKey { size: 300, replaced_at: 200 }));
}

#[test]
fn altered_tree_files_are_told_from_altered_entries() {
    let mut ledger = Ledger::new(8);
    ledger.write(1000);
    ledger.seal();
    for path in ["tile/0/002", "tile/0/003.p/232", "tile/1/000.p/3"] {
        let mut other = ledger.clone();
        other.tree.get_mut(path).unwrap()[40] ^= 1;
        assert_eq!(other.verify().fault, Some(Fault::Tile { path: path.into() }));
        other.tree.remove(path);
        assert_eq!(other.verify().fault, Some(Fault::Tile { path: path.into() }));
    }
}
