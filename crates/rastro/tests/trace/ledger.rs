use rastro_ledger::{DisclosureEntry, Outcome, ReasonEntry, Schema, SessionFacts, Spool, SpoolConfig};
use rastro_model::{
    Certainty, FieldSet, KindId, Login, Principal, ShownBatch, ShownKey, SubjectKey, Timestamp,
};

use crate::rig::{Rig, check_shape, has_caveat};
use crate::world::{Row, World, victims};

/// A configuration whose database does not answer: what the ledger says must do.
pub const CONFIGURATION: &str = r#"
data_dir = "data"
[database]
url = "postgres://nobody@127.0.0.1:9/none"
[[subject]]
name    = "customer"
table   = "public.customers"
key     = "id"
fields  = { name = "name", email = "email", phone = "phone" }
cohorts = ["language"]
"#;

/// Writes a world of customers into a ledger as the gateway would.
pub fn record(rig: &Rig, rows: &[Row]) {
    rig.write("rastro.toml", CONFIGURATION);
    record_kind(rig, &["customer"], "customer", rows);
}

/// Writes a world of subjects of one kind into the ledger of a configuration with these kinds.
pub fn record_kind(rig: &Rig, kinds: &[&str], kind: &str, rows: &[Row]) {
    std::fs::create_dir_all(rig.path("data")).unwrap();
    let schema = Schema {
        kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        fields: ["email", "name", "phone"].map(String::from).into(),
    };
    let kind = KindId(kinds.iter().position(|known| *known == kind).unwrap() as u8);
    let spool = Spool::open(SpoolConfig::new(rig.path("data/spool"), schema)).unwrap();
    let text = spool.statement_text(7, "SELECT name, email FROM customers WHERE id = $1");
    for row in rows {
        let session = spool.session(&SessionFacts {
            login: Login::new(row.principal.as_str()),
            client_addr: "10.0.0.7:51000".into(),
            database: "support".into(),
            application: String::new(),
        });
        let principal = spool.principal(&Principal::new(row.principal.as_str()));
        let (time, subject) = (Timestamp(row.time as i64 * 1_000_000), row.subject as i64);
        let mut batch = ShownBatch::default();
        batch.begin_row();
        batch.push(kind, ShownKey::Int(subject), FieldSet(0b011), Certainty::Exact);
        let entry = DisclosureEntry {
            time,
            session: &session,
            principal: &principal,
            statement: 1,
            text: &text,
            outcome: Outcome::Completed,
            batch: &batch,
            rows: 1,
        };
        spool.append_disclosure(&entry).unwrap();
        if let Some(reason) = &row.reason {
            let key = SubjectKey::Int(subject);
            let until = Timestamp(time.0 + 60_000_000);
            let reason =
                ReasonEntry { principal: &principal, kind, key: &key, reason, asked_at: time, until };
            spool.append_reason(&reason).unwrap();
        }
    }
    spool.close().unwrap();
}

#[test]
fn ledger_gives_the_same_answer_as_the_log_of_the_same_accesses() {
    let (rig, world) = (Rig::new(), World::new(9));
    record(&rig, &world.rows);
    rig.write("access.csv", world.log());
    rig.write("victims.csv", victims(world.copied.iter().copied().take(6)));
    let from_log = rig.trace(&["--access-log", "access.csv", "--population", "20000"]);
    let from_ledger = rig.trace(&["--population", "20000"]);
    check_shape(&from_ledger);
    assert_eq!(from_ledger["named"], serde_json::json!([world.insider]));
    let probability = |answer: &serde_json::Value| answer["accounts"][0]["probability"].as_f64().unwrap();
    let difference = probability(&from_log) - probability(&from_ledger);
    assert!(difference.abs() < 1e-6, "{difference}: {}", from_ledger["caveats"]);
    assert!(has_caveat(&from_ledger, "cohorts are not known"), "{}", from_ledger["caveats"]);

    let text = rig.run(&["trace", "--victims", "victims.csv"]).out;
    assert!(text.contains("session ") && text.contains("SELECT name, email FROM customers"), "{text}");
}

#[test]
fn reports_kept_one_by_one_move_the_probability_to_the_account() {
    let (rig, world) = (Rig::new(), World::new(10));
    record(&rig, &world.rows);
    let some: Vec<u64> = world.copied.iter().copied().take(8).collect();
    let mut last = serde_json::Value::Null;
    for (place, subject) in some.iter().enumerate() {
        let subject = subject.to_string();
        let mut steps = rig.objects(&[
            "victims",
            "add",
            "--subject",
            &subject,
            "--reported-at",
            "2026-03-25",
            "--fields",
            "name;email",
            "--population",
            "20000",
            "--format",
            "ndjson",
        ]);
        assert_eq!(steps.len(), 1);
        last = steps.remove(0);
        assert_eq!((&last["reports"], &last["subject"]), (&(place + 1).into(), &subject.into()));
    }
    assert_eq!(last["named"], serde_json::json!([world.insider]), "{last}");

    let list = rig.objects(&["victims", "list", "--format", "ndjson"]);
    assert_eq!(list.len(), 8);
    assert_eq!(list[0]["subject"], some[0].to_string().as_str());
    assert_eq!(list[0]["reported_at"], "2026-03-25T00:00:00.000000Z");

    rig.write("calls.csv", victims(some));
    let import = ["victims", "import", "calls.csv", "--incident", "second", "--population", "20000"];
    let steps = rig.objects(&[&import[..], &["--format", "ndjson"]].concat());
    assert_eq!(steps.len(), 8);
    assert_eq!(steps[7]["named"], last["named"]);
    let answer = rig.run(&import);
    assert!(answer.out.contains("report 16 (subject") && answer.out.contains("NAMED"), "{}", answer.out);
}

#[test]
fn report_that_cannot_be_used_is_not_kept() {
    let rig = Rig::new();
    record(&rig, &World::new(11).rows[..10]);
    for (arguments, expected) in [
        (vec!["victims", "add"], "required"),
        (vec!["victims", "add", "--subject", " "], "the victim's name is empty"),
        (vec!["victims", "add", "--subject", "1", "--incident", "../x"], "not a name for an incident"),
        (vec!["victims", "add", "--subject", "1", "--reported-at", "soon"], "`soon` is not a time"),
        (vec!["victims", "add", "--email", "a@b.c"], "cannot ask the guarded database"),
    ] {
        let answer = rig.run(&arguments);
        assert_eq!(answer.status, Some(2), "{arguments:?}: {}", answer.out);
        assert!(answer.complaint.contains(expected), "{arguments:?}: {}", answer.complaint);
    }
    assert!(rig.objects(&["victims", "list", "--format", "ndjson"]).is_empty());
}

#[test]
fn exposure_counts_each_person_once_within_its_span() {
    let (rig, world) = (Rig::new(), World::new(12));
    record(&rig, &world.rows);
    let distinct = |from: u64, until: u64| {
        let rows = world.rows.iter().filter(|row| row.principal == world.insider);
        let rows = rows.filter(|row| (from..until).contains(&row.time));
        rows.map(|row| row.subject).collect::<std::collections::HashSet<_>>().len() as u64
    };
    let day_30 = crate::world::START + 30 * 86_400;
    for (span, from, until) in [
        (vec![], 0, u64::MAX),
        (vec!["--since", "2026-01-31", "--until", "2026-02-01"], day_30, day_30 + 86_400),
    ] {
        let all = [&["exposure", "--principal", &world.insider, "--format", "json"][..], &span].concat();
        let exposure = rig.objects(&all).remove(0);
        assert_eq!(exposure["subjects"], distinct(from, until));
        assert_eq!(
            exposure["by_fields"],
            serde_json::json!([{"fields": ["email", "name"], "subjects": distinct(from, until)}])
        );
        assert_eq!(exposure["not_exposed"], serde_json::json!(["phone"]));
        assert_eq!(exposure["unattributed_rows"], 0);
        assert!(exposure["cohorts"].is_object());
    }
    let text = rig.run(&["exposure", "--principal", &world.insider]).out;
    assert!(text.contains("email, name") && text.contains("Not shown of anyone: phone"), "{text}");
    let nobody = rig.objects(&["exposure", "--principal", "nobody", "--format", "json"]).remove(0);
    assert_eq!((&nobody["subjects"], &nobody["by_fields"]), (&0.into(), &serde_json::json!([])));
}
