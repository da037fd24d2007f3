use crate::rig::{Rig, check_shape, has_caveat};

const LOG: &str = "time,principal,subject,fields\n2026-05-12T08:00:00Z,ana,17,name\n";
const VICTIMS: &str = "subject,reported_at\n17,2026-06-01\n";

/// Checks that unusable input is one sentence and status 2, and nothing on standard output.
#[track_caller]
fn check(log: &[u8], victims: &[u8], arguments: &[&str], expected: &str) {
    let rig = Rig::new();
    rig.write("access.csv", log);
    rig.write("victims.csv", victims);
    let all = ["trace", "--victims", "victims.csv", "--access-log", "access.csv", "--format", "json"];
    let answer = rig.run(&[&all, arguments].concat());
    assert_eq!(answer.status, Some(2), "{expected}: {}{}", answer.complaint, answer.out);
    assert_eq!(answer.out, "", "{expected}");
    assert!(answer.complaint.contains(expected), "expected {expected:?}: {}", answer.complaint);
    assert!(!answer.complaint.contains("panicked"), "{}", answer.complaint);
}

#[test]
fn unusable_log_is_status_2_and_one_sentence() {
    let huge = format!("{LOG}2026-05-12T08:00:00Z,ana,{},name\n", "7".repeat(6 << 20));
    for (log, expected) in [
        (b"".as_slice(), "`access.csv` is empty"),
        (b"time,principal,fields\n2026-05-12T08:00:00Z,ana,name\n", "no column `subject`"),
        (b"time,principal,subject,fields,subject\n", "the column `subject` 2 times"),
        (b"time,principal,subject,fields\nsoon,ana,17,name\n", "line 2: `time` is not a time"),
        (b"time,principal,subject,fields\n2026-05-12T08:00:00Z,ana,17\n", "line 2: it has 3 columns"),
        (huge.as_bytes(), "line 3: the line is longer than 1 MiB"),
        (b"\x00\x01\x02\xff\xfe\x80garbage\x00", "binary data"),
        (b"\x1f\x8b\x08\x00garbage that is no gzip", "cannot read `access.csv`"),
    ] {
        check(log, VICTIMS.as_bytes(), &[], expected);
    }
}

#[test]
fn unusable_victims_are_status_2_and_one_sentence() {
    for (victims, expected) in [
        (b"".as_slice(), "`victims.csv` is empty"),
        (b"who,when\nx,y\n", "it names no victims"),
        (b"subject,subject\n1,2\n", "the column `subject` 2 times"),
        (b"subject,reported_at\n17,tomorrow\n", "line 2: `reported_at` is not a time"),
        (b"email\nmaria@example.com\n", "victims are named by `email`: that needs the guarded database"),
        (b"\x00\x01\x02", "binary data"),
    ] {
        check(LOG.as_bytes(), victims, &[], expected);
    }
}

#[test]
fn unusable_options_are_status_2() {
    let check = |arguments: &[&str], expected| check(LOG.as_bytes(), VICTIMS.as_bytes(), arguments, expected);
    check(&["--time-zone", "Mars/Olympus"], "`Mars/Olympus` is not a time zone");
    check(&["--map", "moment=time"], "`moment` is not one of");
    check(&["--map", "time=when"], "no column `when`");
    check(&["--delimiter", "ab"], "a delimiter is one character");
    check(&["--access-log", "none.csv"], "cannot read `none.csv`");
    check(&["--report", "no/such/folder.html"], "cannot write `no/such/folder.html`");
    check(&["--reasons", "none.csv"], "cannot read `none.csv`");
}

#[test]
fn bad_lines_are_skipped_on_demand_and_counted_in_the_caveats() {
    let rig = Rig::new();
    rig.write(
        "access.csv",
        format!("{LOG}nonsense\n2026-05-12T08:00:00Z,,17,name\n{}", &LOG[LOG.find('\n').unwrap() + 1..]),
    );
    rig.write("victims.csv", format!("{VICTIMS}18,never\n"));
    let answer = rig.trace(&["--access-log", "access.csv", "--skip-bad-lines"]);
    check_shape(&answer);
    for part in
        ["2 malformed lines of `access.csv` were skipped (line 3: ", "1 malformed lines of `victims.csv`"]
    {
        assert!(has_caveat(&answer, part), "{}", answer["caveats"]);
    }
}

#[test]
fn log_without_records_and_time_without_zone_are_caveats() {
    let rig = Rig::new();
    rig.write("victims.csv", VICTIMS);
    rig.write("access.csv", "time,principal,subject,fields\n");
    let answer = rig.trace(&["--access-log", "access.csv"]);
    check_shape(&answer);
    assert!(has_caveat(&answer, "`access.csv` holds no records"), "{}", answer["caveats"]);
    rig.write("access.csv", LOG.replace("T08:00:00Z", " 08:00:00"));
    let answer = rig.trace(&["--access-log", "access.csv"]);
    assert!(has_caveat(&answer, "read as UTC"), "{}", answer["caveats"]);
    let answer = rig.trace(&["--access-log", "access.csv", "--time-zone", "America/Sao_Paulo"]);
    assert!(!has_caveat(&answer, "read as UTC"), "{}", answer["caveats"]);
}
