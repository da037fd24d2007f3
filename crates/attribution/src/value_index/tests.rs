use std::sync::Arc;

use rastro_model::{FieldSet, KindId, SubjectKey};

use super::form::Class;
use super::{IndexBuilder, IndexTable, Overlay, OverlayJournal, Owner, SHARED_MAX, ValueIndex, form};
use crate::HashKey;

const KEY: [u8; 16] = [3; 16];

fn owner(key: SubjectKey) -> Owner {
    Owner { kind: KindId(0), fields: FieldSet(1), key }
}

fn build(directory: &std::path::Path, values: &[(String, SubjectKey)]) -> IndexTable {
    let mut builder = IndexBuilder::new(directory, HashKey::from_bytes(KEY), [9; 16]).unwrap();
    for (value, key) in values {
        builder.add(value, KindId(0), FieldSet(1), key, false).unwrap();
    }
    builder.finish(&directory.join("index")).unwrap()
}

fn owners(table: IndexTable, value: &str) -> Vec<Owner> {
    let index = ValueIndex::new(Arc::new(table), Arc::default());
    let form = form(value, false).unwrap();
    let mut owners = Vec::new();
    index.find(form.class, &form.canonical, &mut owners);
    owners
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(40))]
    #[test]
    fn prop_every_value_added_is_found_with_its_key(
        ints in proptest::collection::vec(proptest::num::i64::ANY, 0..60),
        uuids in proptest::collection::vec(proptest::num::u128::ANY, 0..20),
        texts in proptest::collection::vec("[a-zé]{1,40}", 0..20),
    ) {
        let keys = ints.into_iter().map(SubjectKey::Int)
            .chain(uuids.into_iter().map(SubjectKey::Uuid))
            .chain(texts.into_iter().map(|text| SubjectKey::Text(text.into())));
        let values: Vec<_> = keys.enumerate().map(|(n, key)| (format!("v{n}@x{}.org", n % 3), key)).collect();
        let directory = tempfile::tempdir().unwrap();
        let table = build(directory.path(), &values);
        assert_eq!(table.entries(), values.len() as u64);
        let index = ValueIndex::new(Arc::new(table), Arc::default());
        for (value, key) in values {
            let mut owners = Vec::new();
            index.find(Class::Email, value.as_bytes(), &mut owners);
            assert_eq!(owners, [owner(key)]);
        }
    }
}

#[test]
fn value_of_too_many_subjects_is_nobodys() {
    let directory = tempfile::tempdir().unwrap();
    let shared: Vec<_> = (0..40).map(|n| ("none@x.org".to_owned(), SubjectKey::Int(n))).collect();
    assert!(owners(build(directory.path(), &shared), "none@x.org").len() > SHARED_MAX);
}

#[test]
fn table_built_on_an_earlier_one_knows_the_values_of_both() {
    let directory = tempfile::tempdir().unwrap();
    let key = SubjectKey::Text("k".into());
    let old =
        build(directory.path(), &[("old@x.org".into(), key.clone()), ("both@x.org".into(), key.clone())]);
    let mut builder = IndexBuilder::new(directory.path(), HashKey::from_bytes(KEY), [9; 16]).unwrap();
    for value in ["both@x.org", "new@x.org"] {
        builder.add(value, KindId(0), FieldSet(1), &key, false).unwrap();
    }
    builder.add_table(&old).unwrap();
    let table = builder.finish(&directory.path().join("next")).unwrap();
    assert_eq!(table.entries(), 3);
    let index = ValueIndex::new(Arc::new(table), Arc::default());
    for value in ["old@x.org", "both@x.org", "new@x.org"] {
        assert!(index.knows(value, &owner(key.clone()), false), "{value}");
    }
}

fn learned(values: &[&str]) -> Overlay {
    let mut overlay = Overlay::default();
    for (number, value) in (1..).zip(values) {
        let key = if number % 2 == 0 { SubjectKey::Int(number) } else { SubjectKey::Text("k".into()) };
        overlay.add(&HashKey::from_bytes(KEY), value, owner(key), false);
    }
    overlay
}

fn knows(overlay: Overlay, directory: &std::path::Path, value: &str) -> bool {
    let index = ValueIndex::new(Arc::new(build(directory, &[])), Arc::new(overlay));
    let mut scanner = crate::tokens::Scanner::default();
    scanner.value(&index, format!("is {value} known?").as_bytes());
    !scanner.hits().is_empty()
}

#[test]
fn journal_gives_back_every_batch_up_to_one_that_is_torn_or_damaged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("overlay");
    let open = |print| OverlayJournal::open(&path, HashKey::from_bytes(KEY), [print; 16]).unwrap();
    let batches = [&["a@one.example", "+49 171 5550001"][..], &["b@two.example", "AB-1234567"]];
    let (mut journal, before) = open(9);
    assert!(before.is_empty());
    let mut ends = Vec::new();
    for batch in batches {
        journal.append(&learned(batch)).unwrap();
        ends.push(std::fs::metadata(&path).unwrap().len());
    }
    drop(journal);
    let good = std::fs::read(&path).unwrap();
    assert!(
        memchr::memmem::find(&good, b"example").is_none()
            && memchr::memmem::find(&good, b"1234567").is_none()
    );
    for value in batches.concat() {
        assert!(knows(open(9).1, directory.path(), value), "{value}");
    }
    for cut in 24..good.len() as u64 {
        std::fs::write(&path, &good[..cut as usize]).unwrap();
        let whole = ends.iter().filter(|end| **end <= cut).count();
        let (mut journal, overlay) = open(9);
        assert_eq!(overlay.len(), 2 * whole, "{cut} bytes");
        journal.append(&learned(&["c@three.example"])).unwrap();
        assert_eq!(open(9).1.len(), 2 * whole + 1, "{cut} bytes");
    }
    for place in (24..good.len()).step_by(7) {
        let mut bad = good.clone();
        bad[place] ^= 1;
        std::fs::write(&path, &bad).unwrap();
        assert!(open(9).1.len() < 4, "byte {place}");
    }
    std::fs::write(&path, &good).unwrap();
    assert!(OverlayJournal::open(&path, HashKey::from_bytes([4; 16]), [9; 16]).unwrap().1.is_empty());
    std::fs::write(&path, &good).unwrap();
    assert!(open(8).1.is_empty(), "of another configuration");
}

#[test]
fn table_built_on_a_journal_knows_its_values() {
    let directory = tempfile::tempdir().unwrap();
    let mut builder = IndexBuilder::new(directory.path(), HashKey::from_bytes(KEY), [9; 16]).unwrap();
    builder.add_overlay(&learned(&["a@one.example", "AB-1234567"])).unwrap();
    let table = builder.finish(&directory.path().join("index")).unwrap();
    let index = ValueIndex::new(Arc::new(table), Arc::default());
    for value in ["a@one.example", "AB-1234567"] {
        let mut scanner = crate::tokens::Scanner::default();
        scanner.value(&index, format!("is {value} known?").as_bytes());
        assert_eq!(scanner.hits().len(), 1, "{value}");
    }
}

#[test]
fn damaged_table_or_another_key_is_refused_and_no_value_is_in_clear() {
    let directory = tempfile::tempdir().unwrap();
    build(directory.path(), &[("secret.person@x.org".into(), SubjectKey::Int(1))]);
    let path = directory.path().join("index");
    let good = std::fs::read(&path).unwrap();
    assert!(memchr::memmem::find(&good, b"secret").is_none());
    assert!(IndexTable::open(&path, HashKey::from_bytes([4; 16])).is_err());
    for place in (0..good.len()).step_by(good.len() / 97).chain([0, 8, 16, 24, 79, good.len() - 1]) {
        let mut bad = good.clone();
        bad[place] ^= 1;
        std::fs::write(&path, &bad).unwrap();
        assert!(IndexTable::open(&path, HashKey::from_bytes(KEY)).is_err(), "byte {place}");
    }
    std::fs::write(&path, &good[..good.len() / 2]).unwrap();
    assert!(IndexTable::open(&path, HashKey::from_bytes(KEY)).is_err());
    std::fs::write(&path, &good).unwrap();
    IndexTable::open(&path, HashKey::from_bytes(KEY)).unwrap();
}
