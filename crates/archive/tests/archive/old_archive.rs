//! An archive written by version 1 of the format is read, and agrees with its ledger, by every later version.

use std::path::{Path, PathBuf};

use rastro_archive::{Key, LedgerReader, Objects, Query};
use rastro_ledger::{Entry, SpoolReader};

use crate::ledger::Ledger;
use crate::made::{DAY, START};

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/archive-v1")
}

/// Copies the fixture: opening a directory may write into it.
fn copied(to: &Path) -> Ledger {
    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let to = to.join(entry.file_name());
            if entry.path().is_dir() {
                copy(&entry.path(), &to)
            } else {
                std::fs::copy(entry.path(), to).map(|_| ()).unwrap()
            }
        }
    }
    copy(&fixture(), to);
    Ledger { dir: to.to_owned(), objects: Objects::directory(&to.join("store")).unwrap() }
}

#[test]
fn archive_of_version_1_is_read_and_agrees_with_its_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = copied(dir.path());
    let report = ledger.check();
    assert_eq!((report.fault, report.entries), (None, 200));
    let spool = ledger.paths().spool;
    let all: Vec<Entry> = SpoolReader::open(&spool).unwrap().map(Result::unwrap).collect();
    let reader = LedgerReader::open(Some(&ledger.objects), &spool).unwrap();
    assert_eq!(reader.archive().unwrap().manifest().next_entry(), 200);
    let read: Vec<Entry> = reader.entries(&Query::default()).unwrap().map(Result::unwrap).collect();
    assert!(read == all && all.len() == 210);
    let query = Query { subjects: Some(vec![Key::Int(17)]), ..Query::default() };
    let seen = reader.who_saw(&query).unwrap().map(Result::unwrap).count();
    assert_eq!(seen, SEEN);
}

/// Sightings of subject 17 in the fixture.
const SEEN: usize = 7;

/// Wrote the fixture:
/// `RASTRO_WRITE_FIXTURE=1 cargo test -p rastro-archive --test archive -- --ignored fixture_is_written`.
#[test]
#[ignore = "writes the fixture of a new format version"]
fn fixture_is_written() {
    if std::env::var_os("RASTRO_WRITE_FIXTURE").is_none() {
        return;
    }
    let ledger = Ledger::below(&fixture());
    ledger.write(200, 40);
    ledger.seal();
    ledger.archivist().compact(START + 25 * DAY).unwrap();
    ledger.archivist().sweep(i64::MAX / 2).unwrap();
    ledger.write(10, 1);
    let mut sealer = ledger.paths().open().unwrap();
    while sealer.advance(None, 1000).unwrap() == 1000 {}
    sealer.publish(0).unwrap();
    for unneeded in ["keys/ledger.key", "tree/resume", "tree/seal.lock", "spool/spool.lock"] {
        std::fs::remove_file(fixture().join(unneeded)).unwrap();
    }
}
