#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use rastro_attribution::HashKey;
use rastro_attribution::tokens::Scanner;
use rastro_attribution::value_index::{IndexBuilder, ValueIndex};
use rastro_model::{FieldSet, KindId, SubjectKey};

const VALUES: [&str; 8] = [
    "ana@example.com",
    "+44 7911 123456",
    "3105550199",
    "0171 5550001",
    "CS-000012345",
    "T20240305",
    "4111111111111111",
    "1AB-22222",
];

static INDEX: LazyLock<ValueIndex> = LazyLock::new(|| {
    let directory = tempfile::tempdir().unwrap();
    let mut builder = IndexBuilder::new(directory.path(), HashKey::from_bytes([0; 16]), [0; 16]).unwrap();
    for (subject, value) in (0..).map(SubjectKey::Int).zip(VALUES) {
        builder.add(value, KindId(0), FieldSet(1), &subject, false).unwrap();
    }
    let table = builder.finish(&directory.path().join("index")).unwrap();
    ValueIndex::new(Arc::new(table), Arc::default())
});

// A value set apart is found whatever stands around it, in one piece or two.
fuzz_target!(|data: &[u8]| {
    let Some((&choice, around)) = data.split_first() else { return };
    let value = VALUES[usize::from(choice) % VALUES.len()];
    let (before, after) = around.split_at(around.len() / 2);
    let text = [before, b"\n", value.as_bytes(), b"\n", after].concat();
    let found = |scanner: &Scanner| {
        let subject = SubjectKey::Int((usize::from(choice) % VALUES.len()) as i64);
        scanner.hits().iter().any(|hit| hit.owner.key == subject)
    };
    let mut scanner = Scanner::default();
    scanner.value(&INDEX, &text);
    assert!(found(&scanner), "{}", text.escape_ascii());
    let mut scanner = Scanner::default();
    let (first, second) = text.split_at(before.len() + 1 + usize::from(choice) / VALUES.len() % value.len());
    scanner.chunk(&INDEX, first);
    scanner.chunk(&INDEX, second);
    assert!(found(&scanner), "{}|{}", first.escape_ascii(), second.escape_ascii());
});
