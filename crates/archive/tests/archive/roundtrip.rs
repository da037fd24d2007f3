use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;
use rastro_archive::{Archive, Archivist, Objects, Query, Table};
use rastro_ledger::Entry;

use crate::made::{DAY, Maker, source};

fn read(objects: &Objects) -> Vec<Entry> {
    Archive::open(objects).unwrap().entries(&Query::default()).map(Result::unwrap).collect()
}

#[test]
fn entries_come_back_as_they_were_before_and_after_every_compaction() {
    let objects = Objects::on(Arc::new(InMemory::new()));
    let archivist = Archivist::new(objects.clone(), None, Duration::ZERO);
    let mut maker = Maker::new(1);
    let mut all = Vec::new();
    for day in 0..30 {
        for _ in 0..2 {
            let more = maker.entries(20);
            let sealed = archivist.seal(source(&more)).unwrap();
            assert!(sealed.entries == 20 && !sealed.paths.is_empty());
            all.extend(more);
        }
        maker.time += DAY;
        if day == 20 {
            archivist.compact(maker.time).unwrap();
        }
    }
    let wanted: Vec<Entry> = all.iter().map(|placed| placed.entry.clone()).collect();
    assert_eq!(read(&objects), wanted);
    let before = archivist.manifest().unwrap();
    assert!(archivist.compact(maker.time + 40 * DAY).unwrap() >= 1);
    let after = archivist.manifest().unwrap();
    assert!(
        after.segments.len() <= 3 && before.segments.len() > 20,
        "{} {}",
        before.segments.len(),
        after.segments.len()
    );
    assert_eq!(read(&objects), wanted);
    assert!(archivist.sweep(maker.time + 50 * DAY).unwrap() > 0);
    assert_eq!(read(&objects), wanted);
    let disclosures = |state: &rastro_archive::Manifest| -> u64 {
        state.segments.iter().filter_map(|s| s.file(Table::Disclosures)).map(|file| file.rows).sum()
    };
    assert_eq!(disclosures(&before), disclosures(&after));
}

#[test]
fn entries_that_are_sealed_already_are_passed_over_and_a_gap_is_refused() {
    let objects = Objects::on(Arc::new(InMemory::new()));
    let archivist = Archivist::new(objects.clone(), None, Duration::ZERO);
    let all = Maker::new(2).entries(100);
    assert_eq!(archivist.seal(source(&all[..60])).unwrap().entries, 60);
    assert_eq!(archivist.seal(source(&all[..60])).unwrap().entries, 0);
    assert_eq!(archivist.seal(source(&all[30..])).unwrap().entries, 40);
    let mut more = Maker::new(3).entries(150);
    let error = archivist.seal(source(&more.split_off(101))).unwrap_err();
    assert!(error.to_string().contains("the archive ends before entry"), "{error}");
}
