//! Whatever is changed in the archive, the check finds it and names it.

use std::fs;
use std::path::{Path, PathBuf};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rastro_archive::ArchiveFault;

use crate::ledger::Ledger;
use crate::made::{DAY, START};

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn prepared(dir: &Path) -> Ledger {
    let ledger = Ledger::below(dir);
    ledger.write(400, 10);
    ledger.seal();
    ledger.archivist().compact(START + 6 * DAY).unwrap();
    ledger.archivist().sweep(i64::MAX / 2).unwrap();
    ledger
}

#[test]
fn archive_that_nobody_touched_agrees_with_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = prepared(dir.path());
    let report = ledger.check();
    assert_eq!(report.fault, None);
    assert_eq!(report.entries, 400);
    assert!(report.files > 5 && report.bytes > 10_000);
    // Merged to one, and with more behind it, it still does.
    ledger.archivist().compact(START + 400 * DAY).unwrap();
    ledger.write(100, 1);
    ledger.seal();
    let report = ledger.check();
    assert_eq!((report.fault, report.entries), (None, 500));
}

/// `RASTRO_TAMPER_RUNS` (150) chooses how many.
#[test]
fn every_change_of_a_file_is_found_and_the_file_named() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = prepared(dir.path());
    let store = dir.path().join("store");
    let manifests = files_below(&store.join("manifest"));
    let newest = manifests.last().unwrap().clone();
    let mut targets = files_below(&store);
    targets.retain(|path| !manifests.contains(path) || *path == newest);
    let runs = std::env::var("RASTRO_TAMPER_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(150);
    let mut rng = SmallRng::seed_from_u64(11);
    for run in 0..runs {
        let path = &targets[rng.random_range(0..targets.len())];
        let before = fs::read(path).unwrap();
        let mut after = before.clone();
        let at = rng.random_range(0..after.len());
        let how = rng.random_range(0..5);
        match how {
            0 => after[at] ^= 1 << rng.random_range(0..8),
            1 => after.truncate(at),
            2 => after.extend_from_slice(b"x"),
            3 => {
                let other = fs::read(&targets[rng.random_range(0..targets.len())]).unwrap();
                after = other;
            }
            _ => after[at..].fill(0),
        }
        if after == before {
            continue;
        }
        fs::write(path, &after).unwrap();
        let report = ledger.check();
        fs::write(path, &before).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let fault = report.fault.unwrap_or_else(|| panic!("run {run}: change {how} of {name} was not found"));
        assert!(fault.to_string().contains(name), "run {run}: change {how} of {name}: {fault}");
    }
    assert_eq!(ledger.check().fault, None);
}

#[test]
fn file_or_manifest_that_is_gone_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = prepared(dir.path());
    let store = dir.path().join("store");
    let victim = files_below(&store.join("disclosures")).pop().unwrap();
    let bytes = fs::read(&victim).unwrap();
    fs::remove_file(&victim).unwrap();
    let fault = ledger.check().fault.unwrap();
    assert!(matches!(fault, ArchiveFault::File { .. }) && fault.to_string().contains("missing"), "{fault}");
    fs::write(&victim, bytes).unwrap();
    assert_eq!(ledger.check().fault, None);
}

/// Somebody who may write the store, but has no key of the ledger.
#[test]
fn archive_made_anew_with_an_entry_left_out_or_changed_is_found_entry_by_entry() {
    use std::sync::Arc;
    use std::time::Duration;

    use rastro_archive::{Archivist, Objects, Signer};
    use rastro_ledger::seal::KeyFiles;
    use rastro_ledger::store::DirectoryStore;
    use rastro_ledger::{Content, Directory, PlacedEntries, Subjects};

    let dir = tempfile::tempdir().unwrap();
    let ledger = prepared(dir.path());
    let place = dir.path().join("forged");
    for victim in [3u64, 57, 203, 399] {
        let objects = Objects::directory(&place).unwrap();
        let keys = KeyFiles::new(ledger.paths().keys);
        // Even if the key signed it.
        let sign: Signer = Arc::new(move |text: &str| keys.sign_statement(text).unwrap());
        let archivist = Archivist::new(objects.clone(), Some(sign), Duration::ZERO);
        let salts = DirectoryStore::new(ledger.paths().salts);
        let mut entries = PlacedEntries::open(Directory::new(&ledger.paths().spool), salts, 0).unwrap();
        let forged = std::iter::from_fn(|| entries.next_entry().transpose()).map(|placed| {
            placed.map(|mut placed| {
                if placed.position == victim {
                    match &mut placed.entry.content {
                        Content::Disclosure(disclosure) => match &mut disclosure.sets[0].subjects {
                            Subjects::Ints(keys) => keys[0] -= 1,
                            _ => disclosure.rows += 1,
                        },
                        Content::Reason(reason) => reason.reason.push('8'),
                        Content::Control(control) => control.why.push('8'),
                        Content::ErasedReason(reason) => reason.until.0 += 1,
                        Content::Erasure(erasure) => erasure.places += 1,
                        Content::Account(account) => account.account.reported += 1,
                    }
                }
                placed
            })
        });
        archivist.seal(forged).unwrap();
        let fault = Ledger { dir: ledger.dir.clone(), objects }.check().fault.unwrap();
        assert!(matches!(fault, ArchiveFault::Entry { position, .. } if position == victim), "{fault}");
        fs::remove_dir_all(&place).unwrap();
    }
    // Without the key.
    let objects = Objects::directory(&place).unwrap();
    let archivist = Archivist::new(objects.clone(), None, Duration::ZERO);
    let salts = DirectoryStore::new(ledger.paths().salts);
    let mut entries = PlacedEntries::open(Directory::new(&ledger.paths().spool), salts, 0).unwrap();
    archivist.seal(std::iter::from_fn(|| entries.next_entry().transpose())).unwrap();
    let fault = Ledger { dir: ledger.dir.clone(), objects }.check().fault.unwrap();
    assert!(matches!(fault, ArchiveFault::Manifest { .. }), "{fault}");
}
