use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rastro_archive::{Key, LedgerReader, Query};
use rastro_ledger::{Content, Disclosure, Entry, SpoolReader, Subjects};
use rastro_model::{Principal, Timestamp};

use crate::ledger::Ledger;
use crate::made::{DAY, START};

/// A ledger of which the archive has a merged part, a part by days, and the spool alone the rest.
fn mixed(dir: &std::path::Path) -> (Ledger, Vec<Entry>) {
    let ledger = Ledger::below(dir);
    ledger.write(600, 40);
    ledger.seal();
    ledger.archivist().compact(START + 25 * DAY).unwrap();
    assert!(ledger.archivist().manifest().unwrap().segments.len() > 3);
    ledger.write(150, 2);
    let all = SpoolReader::open(&ledger.paths().spool).unwrap().map(Result::unwrap).collect();
    (ledger, all)
}

fn keys_of(subjects: &Subjects) -> Vec<Key> {
    match subjects {
        Subjects::Ints(keys) => keys.iter().copied().map(Key::Int).collect(),
        _ => Vec::new(),
    }
}

fn disclosures(all: &[Entry]) -> impl Iterator<Item = &Disclosure> {
    all.iter().filter_map(|entry| match &entry.content {
        Content::Disclosure(disclosure) => Some(disclosure),
        _ => None,
    })
}

#[test]
fn reader_joins_archive_and_spool_without_loss_or_repetition() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, all) = mixed(dir.path());
    let reader = LedgerReader::open(Some(&ledger.objects), &ledger.paths().spool).unwrap();
    let read: Vec<Entry> = reader.entries(&Query::default()).unwrap().map(Result::unwrap).collect();
    assert_eq!(read.len(), 750);
    assert!(read == all);
    let without = LedgerReader::open(None, &ledger.paths().spool).unwrap();
    let read: Vec<Entry> = without.entries(&Query::default()).unwrap().map(Result::unwrap).collect();
    assert!(read == all);
}

#[test]
fn who_saw_finds_what_a_scan_of_the_spool_finds() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, all) = mixed(dir.path());
    let reader = LedgerReader::open(Some(&ledger.objects), &ledger.paths().spool).unwrap();
    for (subjects, since, until) in [
        (vec![17, 50, 96, 3999], None, None),
        (vec![0], Some(START + 3 * DAY), Some(START + 9 * DAY)),
        (vec![-1, 1_000_000], None, None),
    ] {
        let query = Query {
            subjects: Some(subjects.iter().copied().map(Key::Int).collect()),
            since: since.map(Timestamp),
            until: until.map(Timestamp),
            ..Query::default()
        };
        let mut found: Vec<(i64, String, Key, String)> = reader
            .who_saw(&query)
            .unwrap()
            .map(Result::unwrap)
            .map(|s| (s.time, s.principal.to_string(), s.key, s.combination.fields.to_string()))
            .collect();
        let mut wanted = Vec::new();
        for disclosure in disclosures(&all).filter(|d| query.has_time(d.time.0)) {
            for set in &disclosure.sets {
                for key in keys_of(&set.subjects) {
                    if subjects.iter().any(|subject| Key::Int(*subject) == key) {
                        let fields = ["", "name", "email", "name;email"][set.fields.0 as usize].to_owned();
                        wanted.push((disclosure.time.0, disclosure.principal.to_string(), key, fields));
                    }
                }
            }
        }
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted);
    }
}

#[test]
fn subjects_and_counts_are_those_of_a_scan_whatever_the_window() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, all) = mixed(dir.path());
    let reader = LedgerReader::open(Some(&ledger.objects), &ledger.paths().spool).unwrap();
    for (principal, since, until) in [
        (Some("ana"), None, None),
        (Some("zoe"), Some(START + 2 * DAY), Some(START + 20 * DAY)),
        (Some("nobody"), None, None),
        (None, None, Some(START + 30 * DAY)),
    ] {
        let query = Query {
            principal: principal.map(Principal::new),
            since: since.map(Timestamp),
            until: until.map(Timestamp),
            ..Query::default()
        };
        let mut wanted: BTreeMap<String, BTreeSet<Key>> = BTreeMap::new();
        for disclosure in disclosures(&all).filter(|d| query.has_time(d.time.0)) {
            if principal.is_none_or(|name| name == disclosure.principal.as_str()) {
                let keys = disclosure.sets.iter().flat_map(|set| keys_of(&set.subjects));
                wanted.entry(disclosure.principal.to_string()).or_default().extend(keys);
            }
        }
        let mut found: BTreeMap<String, BTreeSet<Key>> = BTreeMap::new();
        for exposure in reader.subjects_of(&query).unwrap().map(Result::unwrap) {
            let name = exposure.principal.to_string();
            found.entry(name).or_default().extend(keys_of(&exposure.subjects));
        }
        assert_eq!(found, wanted, "{principal:?}");
        let (even, odd): (Arc<str>, Arc<str>) = ("even".into(), "odd".into());
        let counts = reader.counts(&query, |kind, key| match key {
            Key::Int(key) if kind == "customer" => Some(Arc::clone(if key % 2 == 0 { &even } else { &odd })),
            _ => None,
        });
        let counts = counts.unwrap();
        let counted: u64 = counts.iter().map(|count| count.subjects).sum();
        assert_eq!(counted, wanted.values().map(|keys| keys.len() as u64).sum::<u64>());
        let evens = counts.iter().filter(|c| &*c.cohort == "even").map(|c| c.subjects).sum::<u64>();
        let is_even = |key: &&Key| matches!(key, Key::Int(key) if key % 2 == 0);
        assert_eq!(evens, wanted.values().flatten().filter(is_even).count() as u64);
    }
}

#[test]
fn narrowed_entries_hold_the_principal_and_the_subjects_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, all) = mixed(dir.path());
    let reader = LedgerReader::open(Some(&ledger.objects), &ledger.paths().spool).unwrap();
    let archive = reader.archive().unwrap();
    let next = archive.manifest().next_entry();
    let query = Query {
        principal: Some(Principal::new("eva")),
        subjects: Some(vec![Key::Int(5), Key::Int(40)]),
        ..Query::default()
    };
    let seen = |entry: &Entry| match &entry.content {
        Content::Disclosure(d) if d.principal.as_str() == "eva" => {
            let keys = d.sets.iter().flat_map(|set| keys_of(&set.subjects));
            let keys: Vec<Key> = keys.filter(|key| [Key::Int(5), Key::Int(40)].contains(key)).collect();
            (!keys.is_empty()).then_some((entry.no, keys))
        }
        Content::Reason(r) if r.principal.as_str() == "eva" => {
            [5, 40].iter().any(|key| r.key.to_string() == key.to_string()).then(|| (entry.no, Vec::new()))
        }
        _ => None,
    };
    let wanted: Vec<_> = all.iter().filter(|entry| entry.no.0 < next).filter_map(seen).collect();
    let found: Vec<Entry> = archive.entries(&query).map(Result::unwrap).collect();
    assert_eq!(found.iter().filter_map(seen).collect::<Vec<_>>(), wanted);
    assert_eq!(found.len(), wanted.len(), "nothing else is read");
    let reasons = Query { only_reasons: true, ..Query::default() };
    let found = archive.entries(&reasons).map(Result::unwrap).count();
    let is_reason = |entry: &&Entry| entry.no.0 < next && matches!(entry.content, Content::Reason(_));
    assert_eq!(found, all.iter().filter(is_reason).count());
}
