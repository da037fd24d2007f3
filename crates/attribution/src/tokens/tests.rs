mod former;
mod sieve;

use std::sync::Arc;

use rastro_model::{Certainty, FieldSet, KindId, SubjectKey};

use super::Scanner;
use crate::HashKey;
use crate::value_index::{IndexBuilder, Overlay, ValueIndex};

const EMAIL: FieldSet = FieldSet(1);
const PHONE: FieldSet = FieldSet(2);
const TICKET: FieldSet = FieldSet(4);

fn index() -> ValueIndex {
    let directory = tempfile::tempdir().unwrap();
    let key = HashKey::from_bytes([7; 16]);
    let mut builder = IndexBuilder::new(directory.path(), key, [0; 16]).unwrap();
    let mut add = |subject: i64, field, value: &str| {
        builder.add(value, KindId(0), field, &SubjectKey::Int(subject), false).unwrap();
    };
    add(1, EMAIL, "Ana.Lopez@Example.com");
    add(1, PHONE, "+44 7911 123456");
    add(1, TICKET, "CS-000012345");
    add(2, EMAIL, "bo@mail.example.org");
    add(2, PHONE, "+55 (11) 91234-5678");
    add(2, TICKET, "CS-000099999");
    add(3, EMAIL, "shared@example.com");
    add(4, EMAIL, "shared@example.com");
    add(5, PHONE, "3105550199");
    add(6, EMAIL, "zoë@exämple.de");
    let table = builder.finish(&directory.path().join("index")).unwrap();
    ValueIndex::new(Arc::new(table), Arc::default())
}

fn found(index: &ValueIndex, value: &[u8]) -> Vec<(String, Certainty)> {
    let mut scanner = Scanner::default();
    scanner.value(index, value);
    let mut hits: Vec<_> =
        scanner.hits().iter().map(|hit| (hit.owner.key.to_string(), hit.certainty)).collect();
    hits.sort();
    hits
}

#[track_caller]
fn check(index: &ValueIndex, value: &str, expected: &[(&str, Certainty)]) {
    let expected: Vec<_> = expected.iter().map(|(key, sure)| ((*key).to_owned(), *sure)).collect();
    assert_eq!(found(index, value.as_bytes()), expected, "in `{value}`");
}

#[test]
fn value_is_found_whatever_surrounds_it() {
    use Certainty::{Exact, Possible};
    let index = index();
    for (text, subject) in [
        ("ana.lopez@example.com", "1"),
        ("ANA.LOPEZ@EXAMPLE.COM", "1"),
        (r#"[{"id":17,"email":"ana.lopez@example.com","x":[1,2]}]"#, "1"),
        ("Write to ana.lopez@example.com.", "1"),
        ("{ana.lopez@example.com,x@y.zz}", "1"),
        ("(9,ana.lopez@example.com,,f)", "1"),
        (r#"["ana.lopez\u0040example.com"]"#, "1"),
        ("<row>ana.lopez&#x40;example.com</row>", "1"),
        ("?q=ana.lopez%40example.com&n=1", "1"),
        (r"\x616e612e6c6f70657a406578616d706c652e636f6d", "1"),
        ("616e612e6c6f70657a406578616d706c652e636f6d", "1"),
        (r"1\\x616e612e6c6f70657a406578616d706c652e636f6d,x", "1"),
        ("YW5hLmxvcGV6QGV4YW1wbGUuY29t", "1"),
        ("ZOË@EXÄMPLE.DE", "6"),
        ("call +447911123456 now", "1"),
        ("0044 7911 123456", "1"),
        ("+44 (0)7911-123456", "1"),
        ("+55 11 91234 5678;x", "2"),
        ("Bo+5511912345678", "2"),
        ("17+447911123456ana", "1"),
        ("cs-000012345", "1"),
        ("see ticket CS000012345, closed", "1"),
        ("AnaCS-000012345", "1"),
        ("key (n)=(CS-000099999) already exists", "2"),
        ("3105550199", "5"),
        ("(310) 555-0199", "5"),
    ] {
        check(&index, text, &[(subject, Exact)]);
    }
    check(&index, "shared@example.com", &[("3", Possible), ("4", Possible)]);
    for text in [
        "17ana.lopez@example.com",
        "ana.lopez@example.comAna Lopez",
        "ana.lopez@example.com.br",
        "Lopezana.lopez@example.com.",
        "447911123456",
        "07911 123456",
        "000012345",
    ] {
        check(&index, text, &[("1", Possible)]);
    }
}

#[test]
fn text_without_a_protected_value_shows_nobody() {
    let index = index();
    for text in [
        "",
        "@",
        "12345",
        "2024-01-02 12:30:00.123456",
        "na.lopez@example.com",
        "ana.lopez@example.co",
        "lopez@example.com",
        "CS-0000123456",
        "CS-00001234",
        "1CS",
        "447911123457",
        "d41d8cd98f00b204e9800998ecf8427e",
        "100000000000000000000000",
        "%zz &#; \\u00 \\x0",
    ] {
        check(&index, text, &[]);
    }
}

#[test]
fn value_over_two_chunks_is_found_wherever_it_is_divided() {
    let index = index();
    for value in ["ana.lopez@example.com", "+447911123456", "CS-000012345"] {
        for divide in 1..value.len() {
            let (first, second) = value.split_at(divide);
            let mut scanner = Scanner::default();
            scanner.chunk(&index, format!("some text {first}").as_bytes());
            scanner.chunk(&index, format!("{second} and more").as_bytes());
            let keys: Vec<_> = scanner.hits().iter().map(|hit| hit.owner.key.clone()).collect();
            assert_eq!(keys, [SubjectKey::Int(1)], "`{first}|{second}`");
        }
    }
}

#[test]
fn number_of_a_numeric_column_is_never_exact() {
    let index = index();
    let mut scanner = Scanner::default();
    scanner.number(&index, b"3105550199");
    scanner.number(&index, b"12345");
    let sure: Vec<_> = scanner.hits().iter().map(|hit| hit.certainty).collect();
    assert_eq!(sure, [Certainty::Possible]);
}

#[test]
fn overlay_adds_a_new_value_and_the_old_one_still_resolves() {
    use crate::value_index::Owner;
    let index = index();
    let mut overlay = Overlay::default();
    let owner = Owner { kind: KindId(0), fields: EMAIL, key: SubjectKey::Int(1) };
    overlay.add(index.table().key(), "new.ana@elsewhere.net", owner, false);
    let index = ValueIndex::new(Arc::clone(index.table()), Arc::new(overlay));
    check(&index, "to new.ana@elsewhere.net", &[("1", Certainty::Exact)]);
    check(&index, "to ana.lopez@example.com", &[("1", Certainty::Exact)]);
}

proptest::proptest! {
    #[test]
    fn prop_scan_of_any_bytes_ends(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
        let index = index();
        found(&index, &bytes);
    }

    #[test]
    fn prop_address_between_any_delimiters_is_found(before in "[ ,;\"{(<\n\t]{0,9}", after in "[ ,;\"})>\n\t]{0,9}") {
        let index = index();
        let text = format!("{before}bo@mail.example.org{after}");
        assert_eq!(found(&index, text.as_bytes()), [("2".to_owned(), Certainty::Exact)]);
    }
}
