//! Any text, of which the first line names a protected relation: reading it neither panics nor gives a key
//! query that PostgreSQL's parser does not take.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rastro_attribution::lineage::{Schema, analyse};
use rastro_attribution::{Catalogue, RelationFacts, SubjectSpec};

fuzz_target!(|sql: &str| {
    let name = sql.lines().next().unwrap_or_default();
    let spec = SubjectSpec {
        name: "person".into(),
        table: format!("public.{name}").parse().unwrap_or_else(|_| "public.people".parse().unwrap()),
        key: "id".into(),
        fields: vec![("mail".into(), "mail".into())],
        related: Vec::new(),
        cohorts: Vec::new(),
    };
    let mut facts = RelationFacts::default();
    let table = spec.table.clone();
    facts.push_relation(20000, &table.schema, &table.name, 2);
    facts.push_column(20000, 1, "id", 20);
    facts.push_column(20000, 2, "mail", 25);
    let (catalogue, _) = Catalogue::build_present(&[spec], facts, None);
    let mut schema = Schema::build(&catalogue);
    let named = (&*table.schema, &*table.name);
    schema.push_column(20000, named, 1, ("id", true), (20, false));
    schema.push_column(20000, named, 2, ("mail", false), (25, false));
    let lineage = analyse(sql, &schema.finish(), &|name| Some(format!("PREPARE {name} AS TABLE people")));
    assert!(lineage.query.is_none_or(|query| query.sql.starts_with("SELECT ")));
});
