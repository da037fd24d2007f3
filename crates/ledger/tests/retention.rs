//! Old entries go, and what is left still proves itself.
#![expect(clippy::unwrap_used, reason = "test")]

use std::path::Path;

use rastro_ledger::note::NoteVerifier;
use rastro_ledger::seal::{KeyFiles, SealPaths, forget_before};
use rastro_ledger::store::DirectoryStore;
use rastro_ledger::verify::{Evidence, Fault, Progress, Report, verify};
use rastro_ledger::*;
use rastro_model::Timestamp;

/// Moment of entry `i` of run `run`.
fn moment(run: usize, i: usize) -> Timestamp {
    Timestamp(1_700_000_000_000_000 + (run * 1_000_000 + i) as i64)
}

fn append_run(dir: &Path, run: usize, entries: usize) {
    let paths = SealPaths::below(dir);
    let spool = Spool::open(SpoolConfig::new(&paths.spool, Schema::default())).unwrap();
    for i in 0..entries {
        let kind = ControlKind::Configured;
        let (time, why) = (moment(run, i), &*format!("change {i} of run {run}"));
        let entry = ControlEntry { time, kind, principal: None, session: None, by: "test", why };
        spool.append_control(&entry).unwrap();
    }
    spool.close().unwrap();
    let mut sealer = paths.open().unwrap();
    while sealer.advance(None, 1000).unwrap() == 1000 {}
    sealer.publish(0).unwrap().unwrap();
}

fn keys(dir: &Path) -> Vec<NoteVerifier> {
    let text = std::fs::read_to_string(dir.join("keys/ledger.pub")).unwrap();
    text.lines().map(|line| NoteVerifier::decode(line).unwrap()).collect()
}

fn check(dir: &Path, key: &NoteVerifier) -> Report {
    let paths = SealPaths::below(dir);
    let evidence = Evidence {
        tree: &DirectoryStore::new(&paths.tree),
        salts: &DirectoryStore::new(&paths.salts),
        key,
        witnesses: &[],
        must_be_witnessed: false,
        known: &[],
        threads: 2,
    };
    verify(&evidence, || Directory::new(&paths.spool), &Progress::default()).unwrap()
}

#[test]
fn ledger_without_its_oldest_files_still_verifies_and_the_removal_is_signed() {
    let dir = tempfile::tempdir().unwrap();
    let (dir, paths) = (dir.path(), SealPaths::below(dir.path()));
    for (run, entries) in [300, 477, 900].into_iter().enumerate() {
        append_run(dir, run, entries);
    }
    let first_key = keys(dir).remove(0);
    assert_eq!(forget_before(&paths, moment(0, 299)).unwrap(), None, "the last entry of the file is not old");
    let retained = forget_before(&paths, moment(1, 300)).unwrap().unwrap();
    assert_eq!((retained.first, retained.first_file), (300, 2));
    let retained = forget_before(&paths, moment(5, 0)).unwrap().unwrap();
    assert_eq!((retained.first, retained.first_file), (777, 3), "the file being sealed stays");
    let gone = ["spool/spool-0000000002.log", "salts/0000000002.salt", "tile/0/000", "tree/tile/0/002"];
    assert!(gone.iter().all(|name| !dir.join(name).exists()));
    assert!(dir.join("tree/tile/0/003").exists(), "the tile with the first entry that is kept");
    let report = check(dir, &first_key);
    assert_eq!((report.fault, report.removed, report.entries), (None, 777, 900));
    let read = SpoolReader::open(&paths.spool).unwrap().map(|entry| entry.unwrap().time());
    assert_eq!(read.min(), Some(moment(2, 0)));

    // Life goes on, under a new key too.
    KeyFiles::new(&paths.keys).prepare_change().unwrap();
    append_run(dir, 3, 40);
    for key in keys(dir) {
        let report = check(dir, &key);
        assert_eq!((report.fault, report.removed, report.entries), (None, 777, 940));
    }

    // What is left is protected as before, and so is the stump.
    let break_and_mend = |name: &str, expected: fn(Option<Fault>) -> bool| {
        let path = dir.join(name);
        let genuine = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(expected(check(dir, &first_key).fault), "{name} removed: {:?}", check(dir, &first_key).fault);
        let mut changed = genuine.clone();
        *changed.get_mut(40).unwrap() ^= 1;
        std::fs::write(&path, changed).unwrap();
        assert!(check(dir, &first_key).fault.is_some(), "{name} changed");
        std::fs::write(&path, genuine).unwrap();
    };
    break_and_mend("tree/retained", |fault| fault == Some(Fault::Missing { first: 0, last: 776 }));
    break_and_mend("tree/tile/1/000.p/6", |fault| matches!(fault, Some(Fault::Tile { .. })));
    break_and_mend("tree/tile/0/003", |fault| matches!(fault, Some(Fault::Tile { .. })));
    break_and_mend("spool/spool-0000000003.log", |fault| {
        fault == Some(Fault::Missing { first: 777, last: 1676 })
    });
    assert_eq!(check(dir, &first_key).fault, None);
}
