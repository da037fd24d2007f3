//! Engines that know nothing of Rastro read the archive, with the counts that the log has.

use std::path::{Path, PathBuf};
use std::process::Command;

use rastro_ledger::{Content, Entry, SpoolReader, Subjects};
use rastro_model::Certainty;

use crate::ledger::Ledger;
use crate::made::{DAY, START};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The interpreter that `tests/prepare` gave the engines.
fn python() -> PathBuf {
    let place = std::env::var_os("RASTRO_TEST_CLIENTS");
    let place = place.map_or_else(|| root().join("target/test-clients"), PathBuf::from);
    let python = place.join("python/bin/python");
    assert!(python.exists(), "`{}` is missing: run tests/prepare", python.display());
    python
}

fn expected(all: &[Entry]) -> serde_json::Value {
    let (mut rows, mut unattributed, mut of_ana, mut email, mut seventeen, mut in_sets) = (0, 0, 0, 0, 0, 0);
    let (mut acts, mut reasons) = (0, 0);
    for entry in all {
        let disclosure = match &entry.content {
            Content::Disclosure(disclosure) => disclosure,
            Content::Reason(_) => {
                reasons += 1;
                continue;
            }
            Content::ErasedReason(_) | Content::Erasure(_) | Content::Account(_) => continue,
            Content::Control(_) => {
                acts += 1;
                continue;
            }
        };
        for set in &disclosure.sets {
            match &set.subjects {
                Subjects::Ints(keys) if keys.len() <= 1024 => {
                    rows += keys.len();
                    of_ana += if disclosure.principal.as_str() == "ana" { keys.len() } else { 0 };
                    let both = set.fields.0 == 3 && set.certainty == Certainty::Exact;
                    email += if both { keys.len() } else { 0 };
                    seventeen += usize::from(keys.contains(&17));
                }
                Subjects::Ints(keys) => in_sets += keys.len(),
                Subjects::Unattributed { rows } => unattributed += *rows,
                _ => {}
            }
        }
    }
    serde_json::json!({
        "entries": all.len(), "last_entry": all.last().unwrap().no.0, "first_time": START,
        "sum_of_entries": all.iter().map(|entry| entry.no.0).sum::<u64>(),
        "acts": acts, "reasons": reasons, "rows": rows, "unattributed": unattributed, "of_ana": of_ana,
        "email": email, "subjects_17": seventeen, "in_sets": in_sets,
    })
}

fn check(engine: &str) {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::below(dir.path());
    ledger.write(900, 40);
    ledger.seal();
    ledger.archivist().compact(START + 35 * DAY).unwrap();
    let all: Vec<Entry> = SpoolReader::open(&ledger.paths().spool).unwrap().map(Result::unwrap).collect();
    let output = Command::new(python())
        .arg(root().join("tests/archive/count.py"))
        .arg(engine)
        .arg(dir.path().join("store"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let counted: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let expected = expected(&all);
    assert!(expected.as_object().unwrap().values().all(|count| count.as_i64() > Some(0)), "{expected}");
    assert_eq!(counted, expected);
}

#[test]
fn duckdb_counts_what_the_log_holds() {
    check("duckdb");
}

#[test]
fn pyarrow_counts_what_the_log_holds() {
    check("pyarrow");
}
