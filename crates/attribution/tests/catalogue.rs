//! The catalogue on facts captured from a real PostgreSQL 15 (`fixtures/`).
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail by panic")]

use rastro_attribution::{
    Catalogue, CatalogueProblem, ColumnDescription, PlanOutcome, RelatedSpec, RelationFacts, RelationName,
    RowPlan, SubjectSpec,
};
use rastro_model::{Certainty, FieldSet, ShownBatch, ShownKey};

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

fn table(name: &str) -> RelationName {
    name.parse().unwrap()
}

fn specs() -> Vec<SubjectSpec> {
    let tickets = RelatedSpec {
        table: table("public.tickets"),
        key: "customer_id".into(),
        fields: pairs(&[("ticket", "ticket_number")]),
    };
    vec![SubjectSpec {
        name: "customer".into(),
        table: table("public.customers"),
        key: "id".into(),
        fields: pairs(&[("name", "name"), ("email", "email"), ("phone", "telephone")]),
        related: vec![tickets],
        cohorts: vec!["language".into()],
    }]
}

struct Captured {
    facts: RelationFacts,
    names: Vec<(String, u32)>,
}

impl Captured {
    // Views only as far as wanted, as the gateway fetches them.
    fn read(specs: &[SubjectSpec]) -> Captured {
        let text = include_str!("fixtures/support-pg15.tsv");
        let mut captured = Captured { facts: RelationFacts::default(), names: Vec::new() };
        let lines = || text.lines().map(|line| line.split('\t').collect::<Vec<_>>());
        for line in lines() {
            let facts = &mut captured.facts;
            let oid = |at: usize| line[at].parse::<u32>().unwrap();
            match line[0] {
                "relation" => {
                    facts.push_relation(oid(1), line[2], line[3], line[4].parse().unwrap());
                    captured.names.push((line[3].to_owned(), oid(1)));
                }
                "column" => facts.push_column(oid(1), line[2].parse().unwrap(), line[3], oid(4)),
                "inherits" => facts.push_inherits(oid(1), oid(2)),
                "dependency" => facts.push_dependency(oid(1), oid(2), line[3].parse().unwrap()),
                _ => {}
            }
        }
        let wanted = captured.facts.views_wanted(specs, None);
        for line in lines().filter(|line| line[0] == "view") {
            let oid = line[1].parse().unwrap();
            if wanted.contains(&oid) {
                captured.facts.push_view(oid, line[2]);
            }
        }
        captured
    }

    fn oid(&self, name: &str) -> u32 {
        self.names.iter().find(|(known, _)| known == name).map(|(_, oid)| *oid).unwrap()
    }
}

// What a row of columns (relation, attnum) shows, every value being `7`: `key fields certainty`.
fn shows(columns: &[(&str, i16)]) -> Vec<String> {
    let specs = specs();
    let captured = Captured::read(&specs);
    let described: Vec<_> = columns
        .iter()
        .map(|(name, attnum)| ColumnDescription {
            table_oid: if name.is_empty() { 0 } else { captured.oid(name) },
            attnum: *attnum,
            type_oid: 25,
            format: 0,
        })
        .collect();
    let catalogue = Catalogue::build(&specs, captured.facts).unwrap();
    let plan = match RowPlan::build(&catalogue, described.into_iter()) {
        PlanOutcome::Unprotected => return Vec::new(),
        PlanOutcome::Refresh { oids } => return vec![format!("refresh {}", oids.len())],
        PlanOutcome::Protected(plan) => plan,
    };
    let mut row = (columns.len() as i16).to_be_bytes().to_vec();
    columns.iter().for_each(|_| row.extend(b"\0\0\0\x017"));
    let mut batch = ShownBatch::default();
    plan.read_row(&row, &mut batch).unwrap();
    let spell = |shown: &rastro_model::Shown| {
        let key = if shown.key == ShownKey::Unknown { "?" } else { "key" };
        let names: Vec<_> = catalogue.field_names().names_of(shown.fields).collect();
        let certainty = if shown.certainty == Certainty::Exact { "exact" } else { "possible" };
        format!("{key} {} {certainty}", names.join("+"))
    };
    batch.entries().iter().map(spell).collect()
}

#[test]
fn columns_of_tables_partitions_and_children_are_protected() {
    let check =
        |columns: &[(&str, i16)], expected: &[&str]| assert_eq!(shows(columns), expected, "{columns:?}");
    check(&[("customers", 1), ("customers", 4), ("customers", 5)], &["key email+phone exact"]);
    check(&[("customers", 1), ("customers", 6), ("", 0)], &[]);
    check(&[("customers", -1), ("customers", -6)], &[]);
    check(&[("customers_old", 3), ("customers_old", 1)], &["key email exact"]);
    check(&[("tickets", 1), ("tickets", 2)], &["key ticket exact"]);
    check(&[("tickets_0", 1), ("tickets_0", 2)], &["key ticket exact"]);
    check(&[("tickets_1", 3), ("tickets_1", 4)], &["key ticket exact"]);
    check(&[("tickets_1", 1), ("tickets_1", 4)], &[]);
    check(&[("tickets_1a", 2), ("tickets_1a", 3)], &["key ticket exact"]);
    check(&[("plain", 1), ("plain", 2)], &[]);
    check(&[("customers", 0)], &["? name+email+phone possible"]);
    check(
        &[("customers", 0), ("customers", 1)],
        &["key name+email+phone possible", "? name+email+phone possible"],
    );
    check(&[("customers", 8)], &["refresh 1"]);
}

#[test]
fn columns_of_views_have_the_roles_of_their_origins() {
    let check =
        |columns: &[(&str, i16)], expected: &[&str]| assert_eq!(shows(columns), expected, "{columns:?}");
    check(&[("v_simple", 1), ("v_simple", 2), ("v_simple", 3)], &["key email exact"]);
    check(&[("v_simple", 3), ("v_simple", 2)], &[]);
    check(&[("v_chain", 1), ("v_chain", 2)], &["key email exact"]);
    check(
        &[("v_join", 1), ("v_join", 2), ("v_join", 3)],
        &["key name exact", "key ticket possible", "? ticket possible"],
    );
    check(
        &[("v_join", 1), ("v_join", 2), ("v_join", 3), ("v_join", 4)],
        &["key name exact", "key ticket exact"],
    );
    check(&[("v_sub", 1), ("v_sub", 2)], &["key email exact"]);
    check(&[("v_cte", 1), ("v_cte", 2)], &["key phone exact"]);
    check(&[("v_odd", 1), ("v_odd", 2)], &["key email exact"]);
    check(&[("m_copy", 1), ("m_copy", 2)], &["key email exact"]);
    check(&[("v_over_m", 1)], &["? email possible"]);
    check(&[("v_part", 1), ("v_part", 2)], &["key ticket exact"]);
    check(&[("v_plain", 1), ("v_plain", 2)], &[]);
}

#[test]
fn computed_columns_of_views_are_unattributed() {
    let check =
        |columns: &[(&str, i16)], expected: &[&str]| assert_eq!(shows(columns), expected, "{columns:?}");
    check(&[("v_expr", 2)], &["? email possible"]);
    check(&[("v_expr", 1), ("v_expr", 2)], &["key email possible", "? email possible"]);
    check(&[("v_expr", 3), ("v_expr", 4)], &[]);
    check(&[("v_over_expr", 1)], &["? email possible"]);
    check(&[("v_union", 2)], &["? email possible"]);
    check(&[("v_whole", 2)], &["? name+email+phone possible"]);
    check(&[("v_whole", 3)], &["? name+email+phone possible"]);
    check(&[("v_scalar", 2)], &["? phone possible"]);
    check(&[("v_count", 2)], &[]);
}

#[test]
fn unread_view_query_makes_every_column_dependent() {
    let specs = specs();
    let mut captured = Captured::read(&specs);
    let oid = captured.oid("v_simple");
    captured.facts.push_view(oid, "({QUERY :surprise");
    let catalogue = Catalogue::build(&specs, captured.facts).unwrap();
    let column = ColumnDescription { table_oid: oid, attnum: 3, type_oid: 25, format: 0 };
    let outcome = RowPlan::build(&catalogue, std::iter::once(column));
    assert!(matches!(outcome, PlanOutcome::Protected(_)), "{outcome:?}");
}

#[test]
fn catalogue_knows_what_the_snapshot_holds() {
    let specs = specs();
    let captured = Captured::read(&specs);
    let (customers, plain) = (captured.oid("customers"), captured.oid("plain"));
    let catalogue = Catalogue::build(&specs, captured.facts).unwrap();
    assert!(catalogue.knows(customers, 7) && !catalogue.knows(customers, 8));
    assert!(catalogue.knows(plain, 2) && !catalogue.knows(plain, 3));
    assert!(catalogue.knows(1259, 30) && !catalogue.knows(99_999, 1));
    let newer = ColumnDescription { table_oid: 99_999, attnum: 1, type_oid: 25, format: 0 };
    let outcome = RowPlan::build(&catalogue, [newer, newer].into_iter());
    assert!(matches!(outcome, PlanOutcome::Refresh { ref oids } if *oids == [99_999]), "{outcome:?}");
    let PlanOutcome::Protected(plan) = RowPlan::build_unresolved(&catalogue, std::iter::once(newer)) else {
        panic!("unknown relation is not protected");
    };
    let mut batch = ShownBatch::default();
    plan.read_row(b"\0\x01\0\0\0\x017", &mut batch).unwrap();
    let fields: Vec<_> = batch.entries().iter().map(|shown| (shown.key, shown.fields)).collect();
    assert_eq!(fields, [(ShownKey::Unknown, FieldSet(0b1111))]);
}

#[test]
fn build_reports_all_problems_at_once() {
    let mut specs = specs();
    specs[0].key = "nr".into();
    specs[0].cohorts = vec!["continent".into()];
    specs[0].related[0].table = table("public.tickets_0");
    specs.push(SubjectSpec { related: Vec::new(), table: table("other.people"), ..specs[0].clone() });
    let captured = Captured::read(&specs);
    let problems = Catalogue::build(&specs, captured.facts).unwrap_err();
    let texts: Vec<_> = problems.iter().map(CatalogueProblem::to_string).collect();
    assert_eq!(
        texts,
        [
            "subject `customer`: table `public.customers` has no column `nr`",
            "subject `customer`: table `public.tickets_0` is a child of `public.tickets`; name the parent instead",
            "subject `customer`: table `public.customers` has no column `continent`",
            "subject `customer` is defined twice",
            "subject `customer`: table `other.people` does not exist",
        ]
    );
}

// `people` with its view, as the server tells it after some DDL: name of the table, of its field's column, and
// what it is a child of.
fn people(table: &str, column: &str, parent: Option<u32>) -> RelationFacts {
    let mut facts = RelationFacts::default();
    facts.push_relation(20_000, "public", table, 2);
    facts.push_relation(20_001, "public", "everybody", 2);
    for oid in [20_000, 20_001] {
        facts.push_column(oid, 1, "id", 20);
        if oid != 20_000 || column == "email" {
            facts.push_column(oid, 2, "email", 25);
        }
    }
    parent.into_iter().for_each(|parent| facts.push_inherits(20_000, parent));
    facts
}

fn person() -> SubjectSpec {
    SubjectSpec {
        name: "person".into(),
        table: table("public.people"),
        key: "id".into(),
        fields: pairs(&[("email", "email")]),
        related: Vec::new(),
        cohorts: Vec::new(),
    }
}

// What a row with a key and a field of a relation is taken to show; nothing if it is not protected.
fn row_of(catalogue: &Catalogue, table_oid: u32) -> String {
    let column = |attnum| ColumnDescription { table_oid, attnum, type_oid: 25, format: 0 };
    let PlanOutcome::Protected(plan) = RowPlan::build(catalogue, [1, 2].map(column).into_iter()) else {
        return String::new();
    };
    let mut batch = ShownBatch::default();
    plan.read_row(b"\0\x02\0\0\0\x017\0\0\0\x01m", &mut batch).unwrap();
    let spell = |shown: &rastro_model::Shown| format!("{:?} {:?}", shown.key, shown.certainty);
    batch.entries().iter().map(spell).collect::<Vec<_>>().join(", ")
}

#[test]
fn view_that_reads_a_source_twice_attributes_nothing_for_sure() {
    let specs = [person()];
    let reading = |reads: &[u32], view: u32| {
        let mut facts = people("people", "email", None);
        facts.push_relation(20_002, "public", "part", 2);
        facts.push_column(20_002, 1, "id", 20);
        facts.push_column(20_002, 2, "email", 25);
        facts.push_inherits(20_002, 20_000);
        let entry = |column: i16| {
            let origin = reads.first().unwrap();
            format!(
                "{{TARGETENTRY :expr {{VAR :varattno {column}}} :resno {column} :resname x :ressortgroupref 0 \
                 :resorigtbl {origin} :resorigcol {column} :resjunk false}}"
            )
        };
        let ranges: String = reads
            .iter()
            .map(|oid| format!("{{RANGETBLENTRY :eref {{ALIAS}} :rtekind 0 :relid {oid} :relkind r}}"))
            .collect();
        let query = format!(
            "({{QUERY :rtable ({{RANGETBLENTRY :rtekind 0 :relid 20003}} {ranges}) :targetList ({} {})}})",
            entry(1),
            entry(2)
        );
        for oid in [20_003, 20_004] {
            facts.push_relation(oid, "public", "view", 2);
        }
        reads.iter().for_each(|oid| facts.push_dependency(20_003, *oid, 2));
        facts.push_view(20_003, &query);
        let over = query.replace("20000", "20003").replace("20002", "20003");
        facts.push_dependency(20_004, 20_003, 2);
        facts.push_view(20_004, &over);
        row_of(&Catalogue::build(&specs, facts).unwrap(), view)
    };
    assert_eq!(reading(&[20_000], 20_003), "Int(7) Exact");
    assert_eq!(reading(&[20_000, 20_000], 20_003), "Unknown Possible");
    assert_eq!(reading(&[20_000, 20_002], 20_003), "Unknown Possible");
    assert_eq!(reading(&[20_000, 20_000], 20_004), "Unknown Possible");
}

#[test]
fn column_renamed_or_of_a_renamed_table_stays_protected() {
    let specs = [person()];
    let first = Catalogue::build(&specs, people("people", "email", None)).unwrap();
    let second = |name: &str, column: &str, parent| {
        Catalogue::build_present(&specs, people(name, column, parent), Some(&first))
    };
    assert_eq!(row_of(&first, 20_000), "Int(7) Exact");
    assert_eq!(row_of(&first, 20_001), "");
    let (renamed, problems) = second("persons", "email", None);
    assert_eq!(problems.len(), 1);
    assert_eq!(row_of(&renamed, 20_000), "Int(7) Exact");
    let (again, _) = Catalogue::build_present(&specs, people("folk", "mail", None), Some(&renamed));
    assert_eq!(row_of(&again, 20_000), "Int(7) Exact");
    let (column, problems) = second("people", "mail", None);
    assert_eq!(problems.len(), 1);
    assert_eq!(row_of(&column, 20_000), "Int(7) Exact");
    let (child, problems) = second("people", "email", Some(20_001));
    assert_eq!(problems.len(), 1);
    assert_eq!(row_of(&child, 20_001), "Int(7) Exact");
    // The child's column goes by an unknown name, the parent's by the known one.
    let (both, _) = second("persons", "mail", Some(20_001));
    assert_eq!(row_of(&both, 20_000), "Int(7) Exact");
    assert_eq!(row_of(&both, 20_001), "Int(7) Exact");
    let (gone, _) = Catalogue::build_present(&specs, RelationFacts::default(), Some(&first));
    assert!(!gone.protects_any());
    let (fresh, _) = Catalogue::build_present(&specs, people("persons", "email", None), None);
    assert_eq!(row_of(&fresh, 20_000), "");
}
