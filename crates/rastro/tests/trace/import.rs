//! `rastro import`, and what reads and changes the ledger it makes.

use crate::rig::{Rig, has_caveat};
use crate::world::{World, victims};

const LOG: &str = "time,principal,subject,fields,reason,statement\n\
    2026-05-12T08:00:00Z,ana,1017,name;email,T-1,SELECT * FROM c WHERE id = 1017 AND x = 'secret-value'\n\
    2026-05-12T07:00:00Z,bo,1017,name,,\n\
    2026-05-12T07:00:00Z,bo,1018,name;phone,,\n\
    2026-05-12T09:00:00Z,ana,9b2f17c4-55d0-4a8e-b3e1-6c70f1a2d4c9,name,,\n\
    2026-05-12T09:00:00Z,ana,maria-17-kettle,name,,\n";

fn imported(log: &str) -> Rig {
    let rig = Rig::new();
    rig.write("access.csv", log);
    let answer = rig.objects(&["import", "--access-log", "access.csv", "--out", "old", "--format", "json"]);
    assert_eq!(answer[0]["ledger"], "old");
    rig
}

fn shown(rig: &Rig) -> Vec<String> {
    let objects = rig.objects(&["disclosures", "--store", "old", "--format", "ndjson"]);
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let line = |o: &serde_json::Value| {
        assert_eq!(o["imported"], true, "{o}");
        let parts = [&o["time"], &o["principal"], &o["subject"], &o["fields"], &o["reason"]];
        parts.map(text).join(" ")
    };
    objects.iter().map(line).collect()
}

#[test]
fn imported_log_reads_as_it_was_written_and_verifies() {
    let rig = imported(LOG);
    assert_eq!(
        shown(&rig),
        [
            "2026-05-12T07:00:00.000000Z bo 1017 [\"name\"] null",
            "2026-05-12T07:00:00.000000Z bo 1018 [\"name\",\"phone\"] null",
            "2026-05-12T08:00:00.000000Z ana 1017 [\"name\",\"email\"] T-1",
            "2026-05-12T09:00:00.000000Z ana 9b2f17c4-55d0-4a8e-b3e1-6c70f1a2d4c9 [\"name\"] null",
            "2026-05-12T09:00:00.000000Z ana maria-17-kettle [\"name\"] null",
        ]
    );
    let verified = rig.objects(&["verify", "old", "--format", "json"]);
    assert_eq!((&verified[0]["intact"], &verified[0]["imported"]), (&true.into(), &true.into()));
    assert_eq!(verified[0]["younger"], 0);
    let words = rig.run(&["verify", "old"]);
    assert!(words.out.contains("imported from logs that others wrote"), "{}", words.out);
    let exposure = rig.objects(&["exposure", "--store", "old", "--principal", "ana", "--format", "json"]);
    assert_eq!((&exposure[0]["subjects"], &exposure[0]["not_exposed"]), (&3.into(), &vec!["phone"].into()));
    assert!(has_caveat(&exposure[0], "imported from logs"), "{}", exposure[0]);
    // Statements lose their literals on the way (P4).
    assert!(!holds(&rig, b"secret-value"));
    assert!(holds(&rig, b"SELECT * FROM c WHERE id = "));
}

#[test]
fn trace_over_the_imported_ledger_is_that_over_the_log() {
    let rig = Rig::new();
    let world = World::new(5);
    rig.write("access.csv", world.log());
    rig.write("victims.csv", victims(world.copied.iter().copied().take(25)));
    rig.objects(&["import", "--access-log", "access.csv", "--out", "old", "--format", "json"]);
    let population = ["--population", "100000"];
    let from_log = rig.trace(&[&["--access-log", "access.csv"], &population[..]].concat());
    let from_ledger = rig.trace(&[&["--store", "old"], &population[..]].concat());
    let leading = |answer: &serde_json::Value| {
        let account = &answer["accounts"][0];
        let probability = (account["probability"].as_f64().unwrap() * 1e6).round();
        (account["principal"].clone(), probability, account["victims_seen"].clone())
    };
    assert_eq!(leading(&from_ledger), leading(&from_log));
    assert!(has_caveat(&from_ledger, "imported from logs"), "{from_ledger}");
}

#[test]
fn failed_import_leaves_no_ledger_and_the_next_one_starts_anew() {
    let rig = Rig::new();
    let bad = format!("{LOG}soon,ana,5,name,,\n");
    rig.write("access.csv", &bad);
    let import = ["import", "--access-log", "access.csv", "--out", "old"];
    let answer = rig.run(&import);
    assert_eq!(answer.status, Some(2));
    assert!(answer.complaint.contains("`access.csv` line 7: `time` is not a time"), "{}", answer.complaint);
    assert!(!rig.path("old").exists() && !rig.path("old.importing").exists());
    // As if it had been killed.
    std::fs::create_dir_all(rig.path("old.importing/spool")).unwrap();
    rig.write("old.importing/spool/spool-0000000001.log", b"half");
    let answer = rig.run(&[&import[..], &["--skip-bad-lines", "--format", "json"]].concat());
    assert_eq!(answer.status, Some(0), "{}", answer.complaint);
    let told: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(told["accesses"], 5);
    assert!(has_caveat(&told, "1 malformed lines"), "{told}");
    assert_eq!(shown(&rig).len(), 5);
    assert!(!rig.path("old.importing").exists());
    let again = rig.run(&import);
    assert_eq!(again.status, Some(2));
    assert!(again.complaint.contains("`old` exists"), "{}", again.complaint);
    assert_eq!(shown(&rig).len(), 5);
    rig.write("empty.csv", "time,principal,subject,fields\n");
    let empty = rig.run(&["import", "--access-log", "empty.csv", "--out", "none"]);
    assert!(empty.status == Some(2) && !rig.path("none").exists(), "{}", empty.complaint);
}

fn holds(rig: &Rig, needle: &[u8]) -> bool {
    let mut open = vec![rig.path("old")];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if std::fs::read(&path).unwrap().windows(needle.len()).any(|window| window == needle) {
                return true;
            }
        }
    }
    false
}

#[test]
fn erased_subject_is_gone_from_every_file_and_answer() {
    let rig = imported(LOG);
    std::fs::create_dir_all(rig.path("old/incidents")).unwrap();
    let report = |subject: &str| {
        format!("{{\"noted_at\":\"2026-08-03T09:00:00Z\",\"noted_by\":\"ana\",\"subject\":\"{subject}\"}}\n")
    };
    rig.write("old/incidents/august.ndjson", report("maria-17-kettle") + &report("1018"));
    std::fs::create_dir_all(rig.path("old/values")).unwrap();
    rig.write("old/values/index", b"maria-17-kettle");
    assert!(holds(&rig, b"maria-17-kettle"));
    let erase =
        |subject: &str, why: &str| rig.run(&["erase", "--store", "old", "--subject", subject, "--why", why]);
    let kept = erase("maria-17-kettle", "maria-17-kettle asked for it");
    assert_eq!(kept.status, Some(2), "{}", kept.complaint);
    for subject in ["maria-17-kettle", "9b2f17c4-55d0-4a8e-b3e1-6c70f1a2d4c9", "1017"] {
        let answer = erase(subject, "art. 17, case 9");
        assert!(answer.status == Some(0) && answer.out.contains("is taken out of"), "{}", answer.complaint);
    }
    assert!(!holds(&rig, b"maria-17-kettle") && !holds(&rig, b"kettle"));
    assert!(!holds(&rig, &0x9b2f17c455d04a8eb3e16c70f1a2d4c9u128.to_be_bytes()));
    assert_eq!(shown(&rig), ["2026-05-12T07:00:00.000000Z bo 1018 [\"name\",\"phone\"] null"]);
    let verified = rig.objects(&["verify", "old", "--format", "json"]);
    // Four disclosures and a reason.
    assert_eq!(
        (&verified[0]["intact"], &verified[0]["erased"]),
        (&true.into(), &5.into()),
        "{}",
        verified[0]
    );
    let book = std::fs::read_to_string(rig.path("old/incidents/august.ndjson")).unwrap();
    assert_eq!(book, report("1018"));
    let exposure = rig.objects(&["exposure", "--store", "old", "--principal", "ana", "--format", "json"]);
    assert_eq!(exposure[0]["subjects"], 0);
    assert!(has_caveat(&exposure[0], "3 disclosures are of subjects who were erased"), "{}", exposure[0]);
    assert!(erase("maria-17-kettle", "again").out.contains("does not name the subject"));
}
