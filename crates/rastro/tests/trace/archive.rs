use std::path::PathBuf;

use crate::ledger::record;
use crate::rig::Rig;
use crate::world::{World, victims};

/// Seals what the spool holds and returns the Parquet files of the archive.
fn seal(rig: &Rig, arguments: &[&str]) -> Vec<PathBuf> {
    let answer = rig.run(&[&["seal"], arguments].concat());
    assert_eq!((answer.status, answer.complaint.as_str()), (Some(0), ""), "{}", answer.out);
    let files: Vec<PathBuf> =
        answer.out.lines().filter(|line| line.ends_with(".parquet")).map(PathBuf::from).collect();
    assert!(files.iter().all(|file| file.exists()), "{}", answer.out);
    for table in ["statements", "disclosures"] {
        assert!(answer.out.contains(&format!("/store/{table}/")), "{}", answer.out);
    }
    files
}

#[test]
fn sealed_ledger_answers_as_the_spool_alone_did() {
    let (rig, plain, world) = (Rig::new(), Rig::new(), World::new(21));
    let (early, late) = world.rows.split_at(world.rows.len() / 3);
    let (middle, late) = late.split_at(late.len() / 2);
    record(&rig, early);
    let days = seal(&rig, &[]).len();
    let months = seal(&rig, &["--compact"]).len();
    assert!(months < days / 4, "{months} files of {days}");
    record(&rig, middle);
    assert!(seal(&rig, &[]).len() > months);
    record(&rig, late);
    record(&plain, early);
    record(&plain, middle);
    record(&plain, late);
    for rig in [&rig, &plain] {
        rig.write("victims.csv", victims(world.copied.iter().copied().take(6)));
    }
    let subject = world.copied[0].to_string();
    for arguments in [
        vec!["disclosures", "--format", "ndjson"],
        vec!["disclosures", "--principal", &world.insider, "--format", "csv"],
        vec!["disclosures", "--subject", &subject, "--format", "json"],
        vec!["disclosures", "--subject", &subject, "--since", "2026-02-01", "--until", "2026-03-01"],
        vec!["exposure", "--principal", &world.insider, "--format", "json"],
        vec!["exposure", "--principal", &world.insider, "--since", "2026-02-10", "--format", "json"],
        vec!["trace", "--victims", "victims.csv", "--population", "20000", "--format", "json"],
    ] {
        let (sealed, spooled) = (rig.run(&arguments), plain.run(&arguments));
        assert_eq!(sealed.status, Some(0), "{arguments:?}: {}", sealed.complaint);
        assert!(sealed.out.len() > 20, "{arguments:?}: {}", sealed.out);
        assert!(sealed.out == spooled.out, "{arguments:?}");
    }
}

#[test]
fn verify_compares_the_archive_with_the_log_and_names_what_was_changed() {
    let (rig, world) = (Rig::new(), World::new(22));
    record(&rig, &world.rows[..300]);
    let files = seal(&rig, &["--compact"]);
    let answer = rig.run(&["verify", "data"]);
    assert_eq!(answer.status, Some(0), "{}", answer.complaint);
    assert!(
        answer.out.contains("the archive's") && answer.out.contains("what the log says"),
        "{}",
        answer.out
    );
    let json = rig.objects(&["verify", "data", "--format", "json"]).remove(0);
    assert_eq!(json["archive"]["files"], files.len());
    assert!(json["archive"]["entries"].as_u64() >= Some(300) && json["intact"] == true, "{json}");

    let victim = files.iter().find(|file| file.to_str().unwrap().contains("/disclosures/")).unwrap();
    let mut bytes = std::fs::read(victim).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(victim, bytes).unwrap();
    let answer = rig.run(&["verify", "data"]);
    assert_eq!(answer.status, Some(1), "{}", answer.out);
    let name = victim.file_name().unwrap().to_str().unwrap();
    assert!(answer.complaint.contains(name), "{}", answer.complaint);
}

#[test]
fn erased_subject_is_gone_from_the_archive_and_the_rest_stands() {
    let (rig, world) = (Rig::new(), World::new(24));
    record(&rig, &world.rows[..300]);
    let before = seal(&rig, &["--compact"]);
    record(&rig, &world.rows[300..320]);
    let subject = world.rows[7].subject.to_string();
    let all = rig.objects(&["disclosures", "--format", "ndjson"]);
    let left: Vec<_> = all.iter().filter(|shown| shown["subject"] != subject.as_str()).cloned().collect();
    assert!(left.len() < all.len());
    let answer = rig.run(&["erase", "--subject", &subject, "--why", "art. 17, case 9"]);
    assert_eq!(answer.status, Some(0), "{}", answer.complaint);
    assert!(answer.out.contains("the archive is made anew without the subject"), "{}", answer.out);
    assert!(before.iter().all(|file| !file.exists()));
    assert_eq!(rig.objects(&["disclosures", "--format", "ndjson"]), left);
    let json = rig.objects(&["verify", "data", "--format", "json"]).remove(0);
    assert!(json["intact"] == true && json["erased"].as_u64() >= Some(1), "{json}");
    // The erasure itself is in the archive as well.
    assert_eq!(json["archive"]["entries"], json["entries"], "{json}");
    // Merged, it still says what the log says.
    seal(&rig, &["--compact"]);
    assert_eq!(rig.objects(&["disclosures", "--format", "ndjson"]), left);
    let verified = rig.run(&["verify", "data"]);
    assert_eq!(verified.status, Some(0), "{}", verified.complaint);
    let again = rig.run(&["erase", "--subject", &subject, "--why", "again"]);
    assert!(again.out.contains("does not name the subject") && !again.out.contains("anew"), "{}", again.out);
}

#[cfg(not(feature = "query"))]
#[test]
fn sql_in_a_build_without_it_says_how_to_get_it() {
    let rig = Rig::new();
    record(&rig, &World::new(23).rows[..10]);
    let answer = rig.run(&["sql", "SELECT 1"]);
    assert_eq!(answer.status, Some(2));
    assert!(answer.complaint.contains("--features query"), "{}", answer.complaint);
}

#[cfg(feature = "query")]
#[test]
fn sql_answers_over_archive_and_spool() {
    let (rig, world) = (Rig::new(), World::new(23));
    record(&rig, &world.rows[..100]);
    seal(&rig, &[]);
    record(&rig, &world.rows[100..120]);
    let rows = rig.objects(&["sql", "SELECT count(subject) AS n FROM disclosures", "--format", "ndjson"]);
    assert_eq!(rows, [serde_json::json!({"n": 120})]);
}
