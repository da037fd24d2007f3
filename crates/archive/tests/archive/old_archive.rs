//! An archive written by an earlier version of the format is read, and agrees with its ledger, by every later one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rastro_archive::{Archivist, Key, LedgerReader, Objects, Query};
use rastro_ledger::{Content, Entry, SpoolReader, Subjects};
use rastro_model::Principal;

use crate::ledger::Ledger;
use crate::made::{DAY, START};

fn fixture(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/archive-v{version}"))
}

/// Copies the fixture: opening a directory may write into it.
fn copied(version: &str, to: &Path) -> Ledger {
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
    copy(&fixture(version), to);
    Ledger { dir: to.to_owned(), objects: Objects::directory(&to.join("store")).unwrap() }
}

/// Checks the fixture of a version: `sealed` entries in the archive, `all` in the ledger, `seen` sightings of a subject.
fn check(version: &str, sealed: u64, all: usize, subject: i64, seen: usize) {
    let dir = tempfile::tempdir().unwrap();
    let ledger = copied(version, dir.path());
    let report = ledger.check();
    assert_eq!((report.fault, report.entries), (None, sealed));
    let spool = ledger.paths().spool;
    let written: Vec<Entry> = SpoolReader::open(&spool).unwrap().map(Result::unwrap).collect();
    let reader = LedgerReader::open(Some(&ledger.objects), &spool).unwrap();
    assert_eq!(reader.archive().unwrap().manifest().next_entry(), sealed);
    let read: Vec<Entry> = reader.entries(&Query::default()).unwrap().map(Result::unwrap).collect();
    assert!(read == written && written.len() == all);
    let query = Query { subjects: Some(vec![Key::Int(subject)]), ..Query::default() };
    assert_eq!(reader.who_saw(&query).unwrap().map(Result::unwrap).count(), seen);
    // Of a principal, the archive's own table says what the entries say.
    let shown = |query: &Query| {
        let exposures = reader.subjects_of(query).unwrap().map(Result::unwrap);
        exposures.flat_map(|exposure| ints(&exposure.subjects)).collect::<BTreeSet<_>>()
    };
    let query = Query { principal: Some(Principal::new("ana")), ..Query::default() };
    let told = written.iter().filter_map(|entry| match &entry.content {
        Content::Disclosure(disclosure) if disclosure.principal.as_str() == "ana" => Some(&disclosure.sets),
        _ => None,
    });
    let told: BTreeSet<i64> = told.flatten().flat_map(|set| ints(&set.subjects)).collect();
    assert!(shown(&query) == told && told.len() > 10);
}

fn ints(subjects: &Subjects) -> Vec<i64> {
    if let Subjects::Ints(keys) = subjects { keys.clone() } else { Vec::new() }
}

#[test]
fn archive_of_version_1_is_read_and_agrees_with_its_ledger() {
    check("1", 200, 210, 17, 7);
}

/// Sets are coded in the ways that version 2 brought.
#[test]
fn archive_of_version_2_is_read_and_agrees_with_its_ledger() {
    check("2", 2000, 2010, 7919, 33);
}

/// Entries are numbered by a clock, and exposure is coded with its ways, as version 3 does.
#[test]
fn archive_of_version_3_is_read_and_agrees_with_its_ledger() {
    check("3", 2000, 2010, 7919, 33);
}

/// A merge writes in this version what earlier ones wrote.
#[test]
fn archives_of_earlier_versions_are_merged_to_this_one() {
    for version in ["1", "2", "3"] {
        let dir = tempfile::tempdir().unwrap();
        let ledger = copied(version, dir.path());
        // The fixture has no key to sign with.
        let archivist = Archivist::new(ledger.objects.clone(), None, Duration::ZERO);
        archivist.compact(START + 400 * DAY).unwrap();
        let spool = ledger.paths().spool;
        let written: Vec<Entry> = SpoolReader::open(&spool).unwrap().map(Result::unwrap).collect();
        let reader = LedgerReader::open(Some(&ledger.objects), &spool).unwrap();
        let read: Vec<Entry> = reader.entries(&Query::default()).unwrap().map(Result::unwrap).collect();
        assert!(read == written);
    }
}

/// Wrote the fixture:
/// `RASTRO_WRITE_FIXTURE=1 cargo test -p rastro-archive --test archive -- --ignored fixture_is_written`.
#[test]
#[ignore = "writes the fixture of a new format version"]
fn fixture_is_written() {
    if std::env::var_os("RASTRO_WRITE_FIXTURE").is_none() {
        return;
    }
    let fixture = fixture("3");
    let ledger = Ledger::below(&fixture);
    ledger.write_of(2000, 40, |key| key * 7919 % 60_013);
    ledger.seal();
    ledger.archivist().compact(START + 25 * DAY).unwrap();
    ledger.archivist().sweep(i64::MAX / 2).unwrap();
    ledger.write(10, 1);
    let mut sealer = ledger.paths().open().unwrap();
    while sealer.advance(None, 1000).unwrap() == 1000 {}
    sealer.publish(0).unwrap();
    for unneeded in ["keys/ledger.key", "tree/resume", "tree/seal.lock", "spool/spool.lock"] {
        std::fs::remove_file(fixture.join(unneeded)).unwrap();
    }
}
