//! Any plan, any bytes as a DataRow: no panic; an error leaves the batch alone, a success begins one row.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rastro_attribution::{
    Catalogue, ColumnDescription, PlanOutcome, RelationFacts, RelationName, RowPlan, SubjectSpec,
};
use rastro_model::ShownBatch;

const RELATIONS: [(u32, &str, u32); 3] = [(20_001, "a", 20), (20_002, "b", 2950), (20_003, "c", 25)];
const TYPES: [u32; 9] = [20, 21, 23, 25, 26, 700, 1042, 1700, 2950];

fn catalogue() -> Catalogue {
    let mut facts = RelationFacts::default();
    let mut specs = Vec::new();
    for (oid, name, key_type) in RELATIONS {
        facts.push_relation(oid, "public", name, 3);
        facts.push_column(oid, 1, "id", key_type);
        facts.push_column(oid, 2, "name", 25);
        specs.push(SubjectSpec {
            name: name.into(),
            table: RelationName { schema: "public".into(), name: name.into() },
            key: "id".into(),
            fields: vec![("name".into(), "name".into())],
            related: Vec::new(),
            cohorts: Vec::new(),
        });
    }
    Catalogue::build(&specs, facts).expect("the catalogue has no problem")
}

fuzz_target!(|input: &[u8]| {
    let Some((count, rest)) = input.split_first() else { return };
    let count = usize::from(*count % 48);
    let Some((described, row)) = rest.split_at_checked(2 * count) else { return };
    let columns = described.chunks_exact(2).map(|pair| ColumnDescription {
        table_oid: RELATIONS.get(usize::from(pair[0] >> 4) % 4).map_or(0, |relation| relation.0),
        attnum: i16::from(pair[0] % 4),
        type_oid: TYPES[usize::from(pair[1] >> 1) % TYPES.len()],
        format: i16::from(pair[1] & 1),
    });
    let PlanOutcome::Protected(plan) = RowPlan::build(&catalogue(), columns) else { return };
    let mut payload = (count as u16).to_be_bytes().to_vec();
    payload.extend_from_slice(row);
    let mut batch = ShownBatch::default();
    match plan.read_row(&payload, &mut batch) {
        Ok(()) => assert_eq!(batch.rows(), 1),
        Err(_) => assert!(batch.is_empty() && batch.entries().is_empty()),
    }
    for shown in batch.entries() {
        assert!(!shown.fields.is_empty());
        let _ = batch.subject_key(shown.key);
    }
});
