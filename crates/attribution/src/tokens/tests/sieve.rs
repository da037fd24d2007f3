use proptest::prelude::*;

use super::*;
use crate::value_index::Owner;

/// Values of many shapes; which of them are indexed decides what the sieve leaves out.
const VALUES: [&str; 16] = [
    "+44 7911 123456",
    "+1 (212) 555-0142",
    "+47 20 12 34 56",
    "3105550199",
    "0171 5550001",
    "20240305",
    "CS-000012345",
    "TZ1234567",
    "T-20240305",
    "A.123.456",
    "4111111111111111",
    "1AB-22222",
    "ABCDEFGHIJ-123",
    "12345",
    "x.y@z.example",
    "ana@example.com",
];

// `learned`: they are in the overlay, not in the table.
fn index_of(values: &[&str], learned: bool) -> ValueIndex {
    let directory = tempfile::tempdir().unwrap();
    let key = HashKey::from_bytes([7; 16]);
    let mut builder = IndexBuilder::new(directory.path(), key, [0; 16]).unwrap();
    let mut overlay = Overlay::default();
    for (subject, value) in (0..).map(SubjectKey::Int).zip(values) {
        if learned {
            overlay.add(&key, value, Owner { kind: KindId(0), fields: PHONE, key: subject }, false);
        } else {
            builder.add(value, KindId(0), PHONE, &subject, false).unwrap();
        }
    }
    let table = builder.finish(&directory.path().join("index")).unwrap();
    ValueIndex::new(Arc::new(table), Arc::new(overlay))
}

#[track_caller]
fn assert_nothing_is_lost(index: &ValueIndex, bytes: &[u8]) -> usize {
    let mut hits = 0;
    for whole in [true, false] {
        let (mut former, mut sieved) = (Scanner::default(), Scanner::default());
        former.former_plain(index, bytes, whole);
        sieved.plain(index, bytes, whole);
        assert_eq!(sieved.hits, former.hits, "{whole} `{}`", bytes.escape_ascii());
        hits += former.hits.len();
    }
    hits
}

// The value as it may be written: every separator another one, or none, and what stands around it.
fn written() -> impl Strategy<Value = Vec<u8>> {
    let value = (proptest::sample::select(&VALUES), "[ ()./_:#-]{0,2}", any::<bool>(), any::<bool>());
    let digits = "[0-9]{1,20}";
    let date =
        "(19|20)[0-9]{2}-[01][0-9]-[0-3][0-9]([T ][0-2][0-9]:[0-5][0-9](:[0-5][0-9](\\.[0-9]{1,6})?Z?)?)?";
    prop_oneof![
        4 => value.prop_map(|(value, gap, lower, shorter)| {
            let from = usize::from(shorter);
            let value = if lower { value.to_lowercase() } else { value.to_owned() };
            let parts: Vec<_> = value.get(from..).unwrap().split([' ', '-', '.', '(', ')']).collect();
            parts.join(&gap).into_bytes()
        }),
        2 => digits.prop_map(String::into_bytes),
        2 => date.prop_map(String::into_bytes),
        2 => "[ +0-9()./-]{1,40}".prop_map(String::into_bytes),
        1 => "[A-Ta-z]{1,9}".prop_map(String::into_bytes),
        2 => "[, ;\"{}()@_+0:-]{1,3}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 1..5),
        1 => (1usize..130).prop_map(|count| vec![b'.'; count]),
        1 => (1usize..700).prop_map(|count| b"7".repeat(count)),
        1 => (1usize..700).prop_map(|count| b"ab ".repeat(count)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn prop_sieved_text_gives_what_cutting_every_token_gives(
        indexed in proptest::sample::subsequence(&VALUES[..], 1..=VALUES.len()),
        learned in any::<bool>(),
        texts in proptest::collection::vec(proptest::collection::vec(written(), 1..24), 1..8),
    ) {
        let index = index_of(&indexed, learned);
        for parts in texts {
            assert_nothing_is_lost(&index, &parts.concat());
        }
    }
}

#[test]
fn value_at_any_place_of_a_long_text_is_found() {
    for value in VALUES {
        // Alone, so that the shapes leave out as much as they can.
        let index = index_of(&[value], false);
        let value = value.as_bytes();
        assert!(assert_nothing_is_lost(&index, value) > 0, "`{}`", value.escape_ascii());
        for filling in [&b"no digits here, "[..], b"on 2024-03-05T12:30:00.123Z 4711 (18.50) "] {
            let filling = filling.repeat(20);
            // Over the ends of blocks of 64 bytes and of stretches of 256.
            for before in (0..2).chain(42..66).chain(234..258) {
                let text = [&filling[..before], b",", value, b",", &filling[..300]].concat();
                assert!(assert_nothing_is_lost(&index, &text) > 0, "{before} `{}`", value.escape_ascii());
            }
        }
    }
}

#[test]
fn value_learned_after_the_table_was_built_is_found_whatever_its_shape() {
    for value in VALUES {
        let index = index_of(&[value], true);
        let text = format!("on 2024-03-05 at 12:30, {value}, 4711 of 3");
        assert!(assert_nothing_is_lost(&index, text.as_bytes()) > 0, "`{value}`");
    }
}
