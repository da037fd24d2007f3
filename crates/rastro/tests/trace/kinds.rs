use crate::ledger::{CONFIGURATION, record_kind};
use crate::rig::{Answer, Rig, check_shape, has_caveat};
use crate::world::{World, victims};

const KINDS: [&str; 2] = ["customer", "employee"];
const EMPLOYEES: &str = r#"
[[subject]]
name   = "employee"
table  = "hr.people"
key    = "number"
fields = { name = "name", email = "email", ticket = "badge" }
"#;

/// Customers and employees with the same numbers, each with an insider of their own.
fn two_kinds() -> (Rig, World, World) {
    let (rig, customers, employees) = (Rig::new(), World::new(31), World::new(32));
    assert_ne!(customers.insider, employees.insider);
    rig.write("rastro.toml", format!("{CONFIGURATION}{EMPLOYEES}"));
    record_kind(&rig, &KINDS, "customer", &customers.rows);
    record_kind(&rig, &KINDS, "employee", &employees.rows);
    rig.write("victims.csv", victims(employees.copied.iter().copied().take(6)));
    (rig, customers, employees)
}

#[track_caller]
fn check_refused(answer: &Answer, why: &str) {
    assert_eq!(answer.status, Some(2), "{}", answer.out);
    assert!(answer.complaint.contains(why), "{}", answer.complaint);
}

#[test]
fn victims_are_traced_among_subjects_of_their_own_kind() {
    let (rig, _, employees) = two_kinds();
    for place in [&[][..], &["--store", "data"]] {
        let all = [&["--population", "20000"], place].concat();
        let answer = rig.trace(&[&all[..], &["--kind", "employee"]].concat());
        check_shape(&answer);
        assert_eq!(answer["named"], serde_json::json!([employees.insider]), "{}", answer["verdict"]);
        assert!(!has_caveat(&answer, "of kind"), "{}", answer["caveats"]);
        // The same numbers, taken for customers.
        let answer = rig.trace(&all);
        check_shape(&answer);
        assert_eq!(answer["named"], serde_json::json!([]), "{}", answer["verdict"]);
        assert!(has_caveat(&answer, "subjects of kind `customer`; --kind"), "{}", answer["caveats"]);
    }
    let trace = ["trace", "--victims", "victims.csv", "--kind", "supplier"];
    check_refused(&rig.run(&trace), "no [[subject]] `supplier`, only `customer`, `employee`");
    let store = [&trace[..], &["--store", "data"]].concat();
    check_refused(&rig.run(&store), "no subjects of kind `supplier`, only `customer`, `employee`");
    // Only employees have tickets: the kind is found, and the database asked for it.
    rig.write("victims.csv", "ticket\nT-1\n");
    check_refused(&rig.run(&["trace", "--victims", "victims.csv"]), "cannot ask the guarded database");
    let customer = ["trace", "--victims", "victims.csv", "--kind", "customer"];
    check_refused(&rig.run(&customer), "`ticket`, which is not a field of subject `customer`");
}

#[test]
fn incident_is_about_the_kind_of_its_first_report() {
    let (rig, _, employees) = two_kinds();
    let import = ["victims", "import", "victims.csv", "--population", "20000", "--format", "ndjson"];
    let steps = rig.objects(&[&import[..], &["--kind", "employee"]].concat());
    assert_eq!(steps[5]["named"], serde_json::json!([employees.insider]), "{}", steps[5]);
    let list = rig.objects(&["victims", "list", "--format", "ndjson"]);
    assert!(list.iter().all(|report| report["kind"] == "employee"), "{list:?}");
    let subject = employees.copied[6].to_string();
    let add = ["victims", "add", "--subject", &subject, "--population", "20000", "--format", "ndjson"];
    let step = rig.objects(&add).remove(0);
    assert_eq!(step["named"], serde_json::json!([employees.insider]), "{step}");
    let other = rig.run(&[&add[..], &["--kind", "customer"]].concat());
    check_refused(&other, "is about subjects of kind `employee`");
    assert_eq!(rig.objects(&["victims", "list", "--format", "ndjson"]).len(), 7);
}

#[test]
fn exposure_counts_all_kinds_or_the_one_asked_for() {
    let (rig, customers, employees) = two_kinds();
    let distinct = |world: &World| {
        let rows = world.rows.iter().filter(|row| row.principal == customers.insider);
        rows.map(|row| row.subject).collect::<std::collections::HashSet<_>>().len() as u64
    };
    let exposure = ["exposure", "--principal", &customers.insider, "--format", "json"];
    for (kind, subjects, not_exposed) in [
        (vec![], distinct(&customers) + distinct(&employees), vec!["phone", "ticket"]),
        (vec!["--kind", "customer"], distinct(&customers), vec!["phone"]),
        (vec!["--kind", "employee"], distinct(&employees), vec!["ticket"]),
    ] {
        let answer = rig.objects(&[&exposure[..], &kind].concat()).remove(0);
        assert_eq!(answer["subjects"], subjects, "{kind:?}");
        assert_eq!(answer["not_exposed"], serde_json::json!(not_exposed), "{kind:?}");
    }
    let unknown = rig.run(&[&exposure[..], &["--kind", "supplier"]].concat());
    check_refused(&unknown, "no [[subject]] `supplier`");
}
