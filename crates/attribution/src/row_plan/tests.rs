use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rastro_model::{Certainty, FieldSet, KindId, ShownBatch, ShownKey, SubjectKey};

use super::*;
use crate::relation_facts::RelationFacts;
use crate::subject_spec::{RelatedSpec, RelationName, SubjectSpec};

const CUSTOMERS: u32 = 20_001;
const TICKETS: u32 = 20_002;
const VENDORS: u32 = 20_003;
const PLAIN: u32 = 20_004;
const ACCOUNTS: u32 = 20_005;

// Fields: name 1, email 2, ticket 4, iban 8.
fn catalogue() -> Catalogue {
    let table = |name: &str| RelationName { schema: "public".into(), name: name.into() };
    let fields = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect();
    let tickets = RelatedSpec {
        table: table("tickets"),
        key: "customer_id".into(),
        fields: fields(&[("ticket", "number")]),
    };
    let spec = |name: &str, of: &str, key: &str, pairs: &[(&str, &str)], related| SubjectSpec {
        name: name.into(),
        table: table(of),
        key: key.into(),
        fields: fields(pairs),
        related,
        cohorts: Vec::new(),
    };
    let specs = [
        spec("customer", "customers", "id", &[("name", "name"), ("email", "email")], vec![tickets]),
        spec("vendor", "vendors", "id", &[("name", "name")], Vec::new()),
        spec("account", "accounts", "iban", &[("iban", "iban")], Vec::new()),
    ];
    let mut facts = RelationFacts::default();
    for (oid, name, columns) in [
        (CUSTOMERS, "customers", [("id", 20), ("name", 25), ("email", 25)].as_slice()),
        (TICKETS, "tickets", &[("customer_id", 20), ("number", 25)]),
        (VENDORS, "vendors", &[("id", 25), ("name", 25)]),
        (PLAIN, "plain", &[("id", 20), ("note", 25)]),
        (ACCOUNTS, "accounts", &[("iban", 25)]),
    ] {
        facts.push_relation(oid, "public", name, columns.len() as i16);
        for (attnum, (column, type_oid)) in (1..).zip(columns) {
            facts.push_column(oid, attnum, column, *type_oid);
        }
    }
    Catalogue::build(&specs, facts).unwrap()
}

fn plan(columns: &[(u32, i16)]) -> Option<RowPlan> {
    let described = columns.iter().map(|(table_oid, attnum)| ColumnDescription {
        table_oid: *table_oid,
        attnum: *attnum,
        type_oid: 25,
        format: 0,
    });
    match RowPlan::build(&catalogue(), described) {
        PlanOutcome::Protected(plan) => Some(plan),
        PlanOutcome::Unprotected => None,
        PlanOutcome::Refresh { oids } => panic!("refresh of {oids:?}"),
    }
}

fn row(cells: &[Option<&str>]) -> Vec<u8> {
    let mut row = (cells.len() as i16).to_be_bytes().to_vec();
    for cell in cells {
        row.extend(cell.map_or(-1, |text| text.len() as i32).to_be_bytes());
        row.extend(cell.unwrap_or_default().as_bytes());
    }
    row
}

type Entry = (KindId, Option<String>, FieldSet, Certainty);

fn entries(batch: &ShownBatch) -> Vec<Entry> {
    let key = |key| batch.subject_key(key).map(|key: SubjectKey| key.to_string());
    batch.entries().iter().map(|s| (s.kind, key(s.key), s.fields, s.certainty)).collect()
}

fn read(columns: &[(u32, i16)], cells: &[Option<&str>]) -> Vec<String> {
    let mut batch = ShownBatch::default();
    plan(columns).unwrap().read_row(&row(cells), &mut batch).unwrap();
    assert_eq!(batch.rows(), 1);
    let spell = |(kind, key, fields, certainty): Entry| {
        format!("{} {} {} {}", kind.0, key.unwrap_or("?".into()), fields.0, certainty.as_str())
    };
    entries(&batch).into_iter().map(spell).collect()
}

#[test]
fn read_row_names_the_subject_of_each_group() {
    let check = |columns: &[(u32, i16)], cells: &[Option<&str>], expected: &[&str]| {
        assert_eq!(read(columns, cells), expected, "{columns:?} {cells:?}");
    };
    let customer = [(CUSTOMERS, 2), (0, 0), (CUSTOMERS, 1), (CUSTOMERS, 3)];
    check(&customer, &[Some("Ana"), Some("x"), Some("7"), Some("a@b")], &["0 7 3 exact"]);
    check(&customer, &[None, Some("x"), Some("7"), Some("a@b")], &["0 7 2 exact"]);
    check(&customer, &[None, Some("x"), Some("7"), None], &[]);
    check(&customer, &[Some(""), None, None, None], &["0 ? 1 possible"]);
    let both = [(CUSTOMERS, 1), (CUSTOMERS, 2), (VENDORS, 1), (VENDORS, 2)];
    check(&both, &[Some("7"), Some("A"), Some("v"), Some("V")], &["0 7 1 exact", "1 v 1 exact"]);
    check(&[(ACCOUNTS, 1)], &[Some("PT50")], &["2 PT50 8 exact"]);
    let borrowed = [(CUSTOMERS, 1), (TICKETS, 2)];
    check(&borrowed, &[Some("7"), Some("T1")], &["0 7 4 possible", "0 ? 4 possible"]);
    check(&borrowed, &[None, Some("T1")], &["0 ? 4 possible"]);
    check(&[(VENDORS, 1), (TICKETS, 2)], &[Some("v"), Some("T1")], &["0 ? 4 possible"]);
}

#[test]
fn read_row_of_a_self_join_is_exact_only_for_one_subject() {
    let check = |columns: &[(u32, i16)], cells: &[Option<&str>], expected: &[&str]| {
        assert_eq!(read(columns, cells), expected, "{columns:?} {cells:?}");
    };
    let twice = [(CUSTOMERS, 1), (CUSTOMERS, 1), (CUSTOMERS, 2), (CUSTOMERS, 2)];
    check(&twice, &[Some("7"), Some("7"), Some("A"), Some("A")], &["0 7 1 exact"]);
    check(&twice, &[Some("7"), Some("8"), Some("A"), Some("B")], &["0 7 1 possible", "0 8 1 possible"]);
    check(&twice, &[Some("7"), None, Some("A"), None], &["0 7 1 possible"]);
    check(&twice, &[Some("7"), None, Some("A"), Some("B")], &["0 7 1 possible", "0 ? 1 possible"]);
    check(&twice, &[None, None, Some("A"), None], &["0 ? 1 possible"]);
    check(&twice, &[Some("7"), Some("8"), None, None], &[]);
    // `SELECT *, name`: one instance as far as the values tell.
    let again = [(CUSTOMERS, 1), (CUSTOMERS, 2), (CUSTOMERS, 2)];
    check(&again, &[Some("7"), Some("A"), Some("A")], &["0 7 1 exact"]);
    check(&again, &[Some("7"), Some("A"), Some("B")], &["0 7 1 possible", "0 ? 1 possible"]);
}

#[test]
fn plan_of_keys_alone_is_unprotected() {
    assert!(plan(&[(CUSTOMERS, 1), (PLAIN, 2), (0, 0)]).is_none());
    assert!(plan(&[]).is_none());
}

#[test]
fn read_row_of_many_columns_keeps_them_apart() {
    for extra in [3, 20, 80] {
        let mut columns = vec![(CUSTOMERS, 2); extra];
        columns.push((CUSTOMERS, 1));
        let mut cells = vec![Some("A"); extra];
        cells.push(Some("9"));
        assert_eq!(read(&columns, &cells), ["0 9 1 exact"], "{extra}");
    }
}

#[test]
fn read_row_that_is_malformed_is_refused_and_leaves_the_batch() {
    let plan = plan(&[(CUSTOMERS, 1), (CUSTOMERS, 2), (PLAIN, 2)]).unwrap();
    let good = row(&[Some("7"), Some("A"), Some("n")]);
    let check = |payload: &[u8], expected: RowError| {
        let mut batch = ShownBatch::default();
        assert_eq!(plan.read_row(payload, &mut batch), Err(expected));
        assert!(batch.is_empty() && batch.entries().is_empty());
    };
    check(b"", RowError::Truncated { bytes: 0, column: 0 });
    check(&row(&[Some("7"), Some("A")]), RowError::Columns { found: 2, expected: 3 });
    check(b"\xff\xff", RowError::Columns { found: -1, expected: 3 });
    let mut negative = good.clone();
    negative[2..6].copy_from_slice(&(-2_i32).to_be_bytes());
    check(&negative, RowError::Truncated { bytes: negative.len(), column: 0 });
}

// The rules once more, slow and obvious.
fn reference(columns: &[(u32, i16)], cells: &[Option<&str>]) -> BTreeSet<Entry> {
    const ROLES: [(u32, i16, u8, u32); 8] = [
        (CUSTOMERS, 1, 0, 0),
        (CUSTOMERS, 2, 0, 1),
        (CUSTOMERS, 3, 0, 2),
        (TICKETS, 1, 0, 0),
        (TICKETS, 2, 0, 4),
        (VENDORS, 1, 1, 0),
        (VENDORS, 2, 1, 1),
        (ACCOUNTS, 1, 2, 8),
    ];
    let mut found = BTreeSet::new();
    for kind in 0..3_u8 {
        let mut keys: BTreeMap<u32, Vec<Option<&str>>> = BTreeMap::new();
        let mut values: BTreeMap<u32, BTreeMap<u32, Vec<&str>>> = BTreeMap::new();
        for ((oid, attnum), cell) in columns.iter().zip(cells) {
            let role = ROLES.iter().find(|role| (role.0, role.1) == (*oid, *attnum) && role.2 == kind);
            let Some((.., bit)) = role else { continue };
            if *bit == 0 || kind == 2 {
                keys.entry(*oid).or_default().push(*cell);
            }
            if let (1.., Some(value)) = (bit, cell) {
                values.entry(*oid).or_default().entry(*bit).or_default().push(value);
            }
        }
        let mut add = |key: Option<&str>, fields: u32, certainty| {
            found.insert((KindId(kind), key.map(str::to_owned), FieldSet(fields), certainty));
        };
        let mut loose = 0;
        for (oid, fields) in &values {
            let all: u32 = fields.keys().sum();
            let Some(keys) = keys.get(oid) else {
                loose |= all;
                continue;
            };
            let known: Vec<&str> = keys.iter().copied().flatten().collect();
            let beyond = |values: &Vec<&str>| {
                values.len() > known.len() && values.iter().collect::<BTreeSet<_>>().len() > 1
            };
            let unexplained: u32 = fields.iter().filter(|(_, v)| beyond(v)).map(|(bit, _)| bit).sum();
            let distinct: BTreeSet<&str> = known.iter().copied().collect();
            if known.is_empty() {
                add(None, all, Certainty::Possible);
            } else if distinct.len() == 1 && known.len() == keys.len() && unexplained == 0 {
                add(Some(known[0]), all, Certainty::Exact);
            } else {
                distinct.iter().for_each(|key| add(Some(key), all, Certainty::Possible));
                if unexplained != 0 {
                    add(None, unexplained, Certainty::Possible);
                }
            }
        }
        if loose != 0 {
            keys.values().flatten().flatten().for_each(|key| add(Some(key), loose, Certainty::Possible));
            add(None, loose, Certainty::Possible);
        }
    }
    found
}

fn column() -> impl Strategy<Value = (u32, i16)> {
    prop::sample::select(vec![
        (CUSTOMERS, 1),
        (CUSTOMERS, 2),
        (CUSTOMERS, 3),
        (TICKETS, 1),
        (TICKETS, 2),
        (VENDORS, 1),
        (VENDORS, 2),
        (ACCOUNTS, 1),
        (PLAIN, 1),
        (PLAIN, 2),
        (CUSTOMERS, -1),
        (0, 0),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn prop_read_row_agrees_with_the_slow_reading(
        drawn in prop::collection::vec((column(), prop::option::weighted(0.8, 1..4_u8)), 0..12),
    ) {
        let columns: Vec<_> = drawn.iter().map(|(column, _)| *column).collect();
        let texts: Vec<_> = drawn.iter().map(|(_, value)| value.map(|v| v.to_string())).collect();
        let cells: Vec<_> = texts.iter().map(Option::as_deref).collect();
        let expected = reference(&columns, &cells);
        let Some(plan) = plan(&columns) else {
            prop_assert!(expected.is_empty());
            return Ok(());
        };
        let payload = row(&cells);
        let mut batch = ShownBatch::default();
        plan.read_row(&payload, &mut batch).unwrap();
        prop_assert_eq!(batch.rows(), 1);
        let found: BTreeSet<_> = entries(&batch).into_iter().collect();
        prop_assert_eq!(&found, &expected);

        // Up to the last column of interest every byte is needed; behind it none is.
        let last = plan.skips.iter().map(|skip| usize::from(*skip) + 1).sum::<usize>();
        let needed = row(&cells[..last]).len();
        for end in 0..payload.len() {
            let mut cut = ShownBatch::default();
            let outcome = plan.read_row(&payload[..end], &mut cut);
            prop_assert_eq!(outcome.is_ok(), end >= needed);
            if outcome.is_ok() {
                prop_assert_eq!(entries(&cut), entries(&batch));
            } else {
                prop_assert!(cut.is_empty() && cut.entries().is_empty());
            }
        }
    }

    #[test]
    fn prop_read_row_of_any_bytes_never_panics(payload in prop::collection::vec(any::<u8>(), 0..64)) {
        let plan = plan(&[(PLAIN, 1), (CUSTOMERS, 1), (CUSTOMERS, 2)]).unwrap();
        let mut payload = payload;
        if let Some(count) = payload.get_mut(..2) {
            count.copy_from_slice(&[0, 3]);
        }
        let _ = plan.read_row(&payload, &mut ShownBatch::default());
    }
}

#[test]
fn read_row_keeps_text_keys_of_many_rows_apart() {
    let plan = plan(&[(VENDORS, 1), (VENDORS, 2)]).unwrap();
    let mut batch = ShownBatch::default();
    for key in ["a", "bb", "ccc"] {
        plan.read_row(&row(&[Some(key), Some("V")]), &mut batch).unwrap();
    }
    let keys: Vec<_> = entries(&batch).into_iter().map(|(_, key, ..)| key.unwrap()).collect();
    assert_eq!(keys, ["a", "bb", "ccc"]);
    assert_ne!(batch.entries().first().map(|shown| shown.key), Some(ShownKey::Unknown));
}

// Run by hand: cargo test --release -- --ignored --nocapture
#[test]
#[ignore = "a measurement"]
fn measure_read_row() {
    let describe = |oid, attnum, format| ColumnDescription { table_oid: oid, attnum, type_oid: 20, format };
    for format in [0, 1] {
        for before in [0, 10] {
            let mut columns = vec![describe(0, 0, 0); before];
            columns.extend([
                describe(CUSTOMERS, 1, format),
                describe(CUSTOMERS, 2, 0),
                describe(CUSTOMERS, 3, 0),
            ]);
            let PlanOutcome::Protected(plan) = RowPlan::build(&catalogue(), columns.into_iter()) else {
                panic!("not protected");
            };
            let mut cells = vec![Some("some text"); before];
            cells.extend([Some("12345678"), Some("Ana Souza"), Some("ana@example.com")]);
            let payload = row(&cells);
            let mut batch = ShownBatch::default();
            let start = std::time::Instant::now();
            const ROUNDS: u32 = 20_000_000;
            for at in 0..ROUNDS {
                if at % 256 == 0 {
                    batch.clear();
                }
                plan.read_row(std::hint::black_box(&payload), &mut batch).unwrap();
            }
            let nanos = start.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS);
            println!("format {format}, {before} columns skipped: {nanos:.1} ns a row");
        }
    }
}
