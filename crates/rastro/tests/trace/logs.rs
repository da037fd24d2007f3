use std::io::Write;

use crate::rig::{Rig, check_shape, has_caveat};
use crate::world::{Dice, World, victims};

fn packed(text: &str) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(text.as_bytes()).unwrap();
    packer.finish().unwrap()
}

#[test]
fn account_that_copied_the_victims_is_named_and_nobody_is_without_a_leak() {
    for seed in 1..=3 {
        let (rig, world) = (Rig::new(), World::new(seed));
        rig.write("access.csv", world.log());
        rig.write("victims.csv", victims(world.copied.iter().copied().take(8)));
        let answer = rig.trace(&["--access-log", "access.csv", "--population", "20000"]);
        check_shape(&answer);
        assert_eq!(answer["named"], serde_json::json!([world.insider]), "seed {seed}: {}", answer["verdict"]);
        assert_eq!(answer["accounts"][0]["principal"], world.insider.as_str(), "seed {seed}");
        assert!(answer["accounts"][0]["victims_seen"].as_u64() >= Some(7), "seed {seed}");

        let mut dice = Dice::new(seed + 100);
        let strangers: Vec<u64> = (0..8).map(|_| 1 + dice.below(20_000)).collect();
        rig.write("victims.csv", victims(strangers));
        let answer = rig.trace(&["--access-log", "access.csv", "--population", "20000"]);
        check_shape(&answer);
        assert_eq!(answer["named"], serde_json::json!([]), "seed {seed}: {}", answer["verdict"]);
    }
}

#[test]
fn log_gives_the_same_answer_in_every_spelling() {
    let (rig, world) = (Rig::new(), World::new(4));
    let log = world.log();
    rig.write("victims.csv", victims(world.copied.iter().copied().take(6)));
    rig.write("plain.csv", &log);
    rig.write("packed.csv.gz", packed(&log));
    let (head, body) = log.split_once('\n').unwrap();
    let lines: Vec<&str> = body.lines().collect();
    let (first, second) = lines.split_at(lines.len() / 3);
    rig.write("first.csv", format!("{head}\n{}\n", first.join("\n")));
    rig.write("second.csv", format!("\u{feff}{head}\r\n{}\r\n", second.join("\r\n")));
    let foreign: String = std::iter::once("why\twho\twhen\twhom\n".to_owned())
        .chain(world.rows.iter().map(|row| {
            let reason = row.reason.as_deref().unwrap_or_default();
            format!("{reason}\t{}\t{}\t{}\n", row.principal, row.time * 1000, row.subject)
        }))
        .collect();
    rig.write("foreign.tsv", foreign);
    let plain = rig.trace(&["--access-log", "plain.csv"]);
    check_shape(&plain);
    let probability = |answer: &serde_json::Value| answer["accounts"][0]["probability"].as_f64().unwrap();
    for arguments in [
        vec!["--access-log", "packed.csv.gz"],
        vec!["--access-log", "second.csv", "first.csv"],
        vec![
            "--access-log",
            "foreign.tsv",
            "--map",
            "time=when,principal=who,subject=whom,reason=why",
            "--shown-fields",
            "name;email",
        ],
    ] {
        let other = rig.trace(&arguments);
        assert_eq!(other["named"], plain["named"], "{arguments:?}");
        assert!((probability(&other) - probability(&plain)).abs() < 1e-9, "{arguments:?}");
        assert_eq!(other["window"], plain["window"], "{arguments:?}");
    }
}

#[test]
fn odd_victims_are_caveats() {
    let (rig, world) = (Rig::new(), World::new(5));
    rig.write("access.csv", world.log());
    let some: Vec<u64> = world.copied.iter().copied().take(6).collect();
    let doubled = some.iter().copied().chain(some.iter().copied()).chain([999_999]);
    rig.write("victims.csv", victims(doubled));
    let answer = rig.trace(&["--access-log", "access.csv", "--population", "5"]);
    check_shape(&answer);
    assert_eq!(answer["victims"], 7);
    for part in ["6 repeated reports", "1 victims appear nowhere", "population was given as 5"] {
        assert!(has_caveat(&answer, part), "{part}: {}", answer["caveats"]);
    }
    rig.write("victims.csv", "subject\n");
    let answer = rig.trace(&["--access-log", "access.csv"]);
    check_shape(&answer);
    assert_eq!((answer["victims"].as_u64(), answer["named"].as_array().unwrap().len()), (Some(0), 0));
    assert!(has_caveat(&answer, "no victims"), "{}", answer["caveats"]);
}

#[test]
fn text_for_people_leads_with_the_verdict_and_says_how_the_victims_were_seen() {
    let (rig, world) = (Rig::new(), World::new(6));
    rig.write("access.csv", world.log());
    rig.write("victims.csv", victims(world.copied.iter().copied().take(8)));
    let answer = rig.run(&["trace", "--victims", "victims.csv", "--access-log", "access.csv"]);
    assert_eq!((answer.status, answer.complaint.as_str()), (Some(0), ""));
    let first = answer.out.lines().next().unwrap();
    assert!(first.contains(&format!("through the account `{}`", world.insider)), "{first}");
    for part in
        ["One more report:", "What each victim says", "Before believing it:", "How `agent_", "none of these"]
    {
        assert!(answer.out.contains(part), "no {part:?} in:\n{}", answer.out);
    }
}

#[test]
fn report_is_one_page_without_scripts_in_which_markup_stays_text() {
    let (rig, world) = (Rig::new(), World::new(7));
    let evil = "<script>alert(1)</script>\"'&";
    let log = world.log().replace(&world.insider, &format!("\"{}\"", evil.replace('"', "\"\"")));
    rig.write("access.csv", log);
    rig.write("victims.csv", victims(world.copied.iter().copied().take(8)));
    let answer = rig.trace(&["--access-log", "access.csv", "--report", "report.html"]);
    assert_eq!(answer["named"], serde_json::json!([evil]));
    let page = std::fs::read_to_string(rig.path("report.html")).unwrap();
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;"));
    assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("https://"));
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    assert!(page.matches("<svg").count() >= 2, "plots are missing");
}

#[test]
fn reasons_beside_the_log_explain_accesses() {
    let (rig, world) = (Rig::new(), World::new(8));
    let mut log = String::from("time,principal,subject,fields\n");
    let mut reasons = String::from("subject,principal,from,until,reason\n");
    for row in &world.rows {
        log.push_str(&format!("{},{},{},name;email\n", row.time, row.principal, row.subject));
        if let Some(reason) = &row.reason {
            let (from, until) = (row.time - 60, row.time + 60);
            reasons.push_str(&format!("{},{},{from},{until},{reason}\n", row.subject, row.principal));
        }
    }
    rig.write("access.csv", log);
    rig.write("reasons.csv", reasons);
    rig.write("victims.csv", victims(world.copied.iter().copied().take(8)));
    let without = rig.trace(&["--access-log", "access.csv"]);
    assert!(has_caveat(&without, "no reasons"), "{}", without["caveats"]);
    let with = rig.trace(&["--access-log", "access.csv", "--reasons", "reasons.csv"]);
    assert!(!has_caveat(&with, "no reasons"), "{}", with["caveats"]);
    assert_eq!(with["named"], serde_json::json!([world.insider]));
}

#[test]
fn log_of_pgaudit_names_the_account_by_the_keys_in_its_statements() {
    let (rig, world) = (Rig::new(), World::new(13));
    let mut log = String::new();
    for (line, row) in world.rows.iter().enumerate() {
        let statement = match line % 3 {
            0 => format!("SELECT name, email FROM customers WHERE id = {}", row.subject),
            1 => format!("select c.* from public.customers c where c.id in ({})", row.subject),
            _ => "SELECT name FROM customers WHERE id = $1".to_owned(),
        };
        let parameter = if line % 3 == 2 { row.subject.to_string() } else { "<not logged>".to_owned() };
        let audit = format!("AUDIT: SESSION,1,1,READ,SELECT,,,\"\"{statement}\"\",{parameter}");
        let time = rastro_model::Timestamp(row.time as i64 * 1_000_000).to_string();
        let time = time.replace('T', " ").replace("000Z", " UTC");
        log.push_str(&format!(
            "{time},{},support,1,10.0.0.7:5000,6.1,1,SELECT,{time},3/1,0,LOG,00000,\"{audit}\",,,,,,,,,psql\n",
            row.principal
        ));
    }
    rig.write("audit.csv", log);
    rig.write("victims.csv", victims(world.copied.iter().copied().take(8)).replace("name;email", "name"));
    let table = ["--subject-table", "customers", "--subject-key", "id", "--shown-fields", "name;email"];
    let answer = rig.trace(&[&["--access-log", "audit.csv", "--population", "20000"][..], &table].concat());
    check_shape(&answer);
    assert_eq!(answer["named"], serde_json::json!([world.insider]), "{}", answer["caveats"]);
    assert!(has_caveat(&answer, "a log of statements"), "{}", answer["caveats"]);

    let import = ["import", "--access-log", "audit.csv", "--out", "old", "--format", "json"];
    let told = rig.objects(&[&import[..], &table].concat());
    assert!(has_caveat(&told[0], "a log of statements"), "{}", told[0]);
    let shown = rig.objects(&["disclosures", "--store", "old", "--format", "ndjson"]);
    assert_eq!(shown.len(), world.rows.len());
    // A key in a statement says whom it asked for; nobody knows that there was a row.
    assert!(shown.iter().all(|disclosure| disclosure["certainty"] == "derived"), "{}", shown[0]);
    let from_ledger = rig.trace(&["--store", "old", "--population", "20000"]);
    assert_eq!(from_ledger["named"], answer["named"], "{}", from_ledger["caveats"]);

    let without = rig.run(&["trace", "--victims", "victims.csv", "--access-log", "audit.csv"]);
    assert_eq!(without.status, Some(2));
    assert!(without.complaint.contains("name the subjects' table"), "{}", without.complaint);
}
