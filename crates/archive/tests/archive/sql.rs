//! SQL over archive and spool gives what a scan of the spool gives.

use std::collections::BTreeMap;

use rastro_archive::LedgerReader;
use rastro_archive::sql::{Printed, query};
use rastro_ledger::{Content, Entry, SpoolReader, Subjects};

use crate::ledger::Ledger;
use crate::made::{DAY, START};

fn asked(ledger: &Ledger, sql: &str) -> Vec<Vec<String>> {
    let reader = LedgerReader::open(Some(&ledger.objects), &ledger.paths().spool).unwrap();
    let mut rows = Vec::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let done = runtime.block_on(query(reader, sql, |_, batch| {
        let Some(batch) = batch else { return Ok(()) };
        let printed = Printed::of(batch).unwrap();
        let texts = |row| printed.row(row).iter().map(|cell| cell.text().to_owned()).collect();
        rows.extend((0..batch.num_rows()).map(texts));
        Ok(())
    }));
    done.unwrap();
    rows
}

#[test]
fn sql_answers_as_a_scan_of_the_spool_does() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::below(dir.path());
    ledger.write(600, 40);
    ledger.seal();
    ledger.archivist().compact(START + 25 * DAY).unwrap();
    ledger.write(100, 2);
    let all: Vec<Entry> = SpoolReader::open(&ledger.paths().spool).unwrap().map(Result::unwrap).collect();
    let (mut shown, mut of_17) = (BTreeMap::<String, u64>::new(), 0);
    for entry in &all {
        let Content::Disclosure(disclosure) = &entry.content else { continue };
        for set in &disclosure.sets {
            let Subjects::Ints(keys) = &set.subjects else { continue };
            *shown.entry(disclosure.principal.to_string()).or_default() += keys.len() as u64;
            of_17 += u64::from(keys.contains(&17) && disclosure.principal.as_str() == "ana");
        }
    }
    let wanted: Vec<Vec<String>> = shown.into_iter().map(|(who, n)| vec![who, n.to_string()]).collect();
    let by_principal =
        "SELECT principal, count(subject) FROM disclosures GROUP BY principal ORDER BY principal";
    assert_eq!(asked(&ledger, by_principal), wanted);
    assert_eq!(asked(&ledger, "SELECT count(*) FROM statements"), [["700"]]);
    let narrowed = "SELECT count(*) FROM disclosures WHERE subject IN ('17') AND principal = 'ana'";
    assert_eq!(asked(&ledger, narrowed), [[of_17.to_string()]]);
    let none = "SELECT count(*) FROM disclosures WHERE time < TIMESTAMP '2001-01-01T00:00:00Z'";
    assert_eq!(asked(&ledger, none), [["0"]]);
    let half = "SELECT count(*) FROM statements WHERE time >= to_timestamp_micros(1701000000000000)";
    let after = all.iter().filter(|entry| entry.time().0 >= 1_701_000_000_000_000).count();
    assert_eq!(asked(&ledger, half), [[after.to_string()]]);
}

#[test]
fn statement_that_would_change_something_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::below(dir.path());
    ledger.write(30, 1);
    let reader = LedgerReader::open(None, &ledger.paths().spool).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let done = runtime.block_on(query(reader, "CREATE TABLE t AS SELECT 1", |_, _| Ok(())));
    assert!(done.is_err());
}
