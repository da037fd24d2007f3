//! The format is what docs/ledger-format.md says, takes any bytes, and holds no values.
#![expect(clippy::unwrap_used, reason = "test")]

use std::path::Path;

use proptest::prelude::*;
use rastro_ledger::*;
use rastro_model::{
    Certainty, FieldSet, KindId, Login, Principal, ShownBatch, ShownKey, SubjectKey, Timestamp,
};

/// Writes every kind of record and returns the bytes of the file.
fn sample() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    write_sample(dir.path());
    std::fs::read(dir.path().join("spool-0000000001.log")).unwrap()
}

fn write_sample(dir: &Path) {
    let schema = Schema { kinds: vec!["customer".into()], fields: vec!["name".into(), "email".into()] };
    // One frame, whatever the writing thread's pace: all is written when the spool is closed.
    let (durability, group_delay) = (Durability::Group, std::time::Duration::from_secs(3600));
    let config = SpoolConfig { durability, group_delay, ..SpoolConfig::new(dir, schema) };
    let spool = Spool::open(config).unwrap();
    let (login, client_addr) = (Login::new("desk"), "10.0.0.7:51000".into());
    let facts = SessionFacts { login, client_addr, database: "support".into(), application: "app".into() };
    let (session, ana) = (spool.session(&facts), spool.principal(&Principal::new("ana")));
    let text = spool.statement_text(7, "SELECT $1");
    let time = Timestamp(1_700_000_000_000_000);
    for i in 0..20i64 {
        let mut batch = ShownBatch::default();
        for row in 0..=i {
            batch.begin_row();
            batch.push(KindId(0), ShownKey::Int(row * row), FieldSet(3), Certainty::Exact);
            batch.push(KindId(0), ShownKey::Uuid(row as u128), FieldSet(1), Certainty::Derived);
            batch.push(KindId(0), ShownKey::Unknown, FieldSet(2), Certainty::Possible);
            let key = batch.text_key(format!("key-{row}").as_bytes());
            batch.push(KindId(0), key, FieldSet(1), Certainty::Exact);
        }
        let rows = batch.rows();
        let (session, principal, text, outcome) = (&session, &ana, &text, Outcome::Continues);
        let (statement, batch) = (i as u64, &batch);
        let entry = DisclosureEntry { time, session, principal, statement, text, outcome, batch, rows };
        spool.append_disclosure(&entry).unwrap();
    }
    let (kind, key, until) = (KindId(0), SubjectKey::Text("key-1".into()), Timestamp(time.0 + 1));
    let entry = ReasonEntry { principal: &ana, kind, key: &key, reason: "T-1", asked_at: time, until };
    spool.append_reason(&entry).unwrap();
    let (principal, session, kind) = (Some(&ana), Some(&session), ControlKind::Suspended);
    spool.append_control(&ControlEntry { time, kind, principal, session, by: "eve", why: "test" }).unwrap();
    spool.close().unwrap();
}

/// Returns the bytes of the worked example.
fn example() -> Vec<u8> {
    let document = include_str!("../../../docs/ledger-format.md");
    let example = document.split("<!-- example -->").nth(1).unwrap();
    example
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .flat_map(|line| line.split("  ").next().unwrap_or_default().split_whitespace())
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect()
}

#[test]
fn worked_example_of_the_format_reads_as_the_document_says() {
    let hex = example();
    let mut entries = Vec::new();
    decode_file(&hex, |entry| entries.push(entry)).unwrap();
    let [entry] = entries.as_slice() else { panic!("{} entries", entries.len()) };
    let Content::Disclosure(shown) = &entry.content else { panic!("{entry:?}") };
    assert_eq!(entry.no, EntryNo(0));
    assert_eq!(shown.time.to_string(), "2023-11-14T22:13:20.000000Z");
    assert_eq!((shown.session.id, shown.session.facts.login.as_str()), (1 << 32, "desk"));
    assert_eq!((shown.principal.as_str(), shown.statement, shown.rows), ("ana", 1, 3));
    assert_eq!(shown.text.sql, "SELECT $1");
    assert_eq!(shown.sets[0].subjects, Subjects::Ints(vec![4711]));
    assert_eq!(shown.sets[0].fields, FieldSet(3));
}

#[test]
fn file_holds_no_bytes_but_those_it_was_given_to_keep() {
    // P4: the batch is the only way in for what the rows hold, and it has keys and bits alone. What a file
    // says in letters is exactly the names, texts, keys and reasons appended.
    let allowed = [
        "RASTROSP",
        "customer",
        "name",
        "email",
        "desk",
        "10.0.0.7:51000",
        "support",
        "app",
        "ana",
        "SELECT $1",
        "key-",
        "T-1",
        "eve",
        "test",
    ];
    let bytes = sample();
    let printable = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    // The header's salt and checksums may look like letters by chance; start at the records.
    for run in bytes[73..].split(|byte| !printable(byte)).filter(|run| run.len() >= 8) {
        let text = String::from_utf8_lossy(run);
        assert!(allowed.iter().any(|word| text.contains(word)), "unexpected text {text:?}");
    }
}

#[test]
fn sample_cut_at_every_byte_gives_a_prefix_or_nothing() {
    let bytes = sample();
    let mut whole = 0;
    decode_file(&bytes, |_| whole += 1).unwrap();
    assert_eq!(whole, 22);
    for len in 0..bytes.len() {
        decode_file(&bytes[..len], |_| panic!("an entry of a torn frame")).unwrap();
        // Past the checksum: an error or a prefix, never a panic.
        let _ = decode_body(bytes.get(73..len).unwrap_or_default(), drop);
    }
}

proptest! {
    #[test]
    fn prop_decoder_takes_mutated_records(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        static SAMPLE: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(sample);
        let mut body = SAMPLE[73..].to_vec();
        for (at, byte) in flips {
            let at = at.index(body.len());
            body[at] = byte;
        }
        let _ = decode_body(&body, drop);
        body.truncate(cut.index(body.len()));
        let _ = decode_body(&body, drop);
    }

    #[test]
    fn prop_decoder_takes_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode_body(&bytes, drop);
        let _ = decode_file(&bytes, drop);
    }
}

#[test]
fn worked_example_of_the_format_is_what_the_writer_writes() {
    let dir = tempfile::tempdir().unwrap();
    let schema = Schema { kinds: vec!["customer".into()], fields: vec!["name".into(), "email".into()] };
    let spool = Spool::open(SpoolConfig::new(dir.path(), schema)).unwrap();
    let (login, client_addr) = (Login::new("desk"), "10.0.0.7:5".into());
    let facts = SessionFacts { login, client_addr, database: "support".into(), application: String::new() };
    let mut batch = ShownBatch::default();
    for _ in 0..3 {
        batch.begin_row();
        batch.push(KindId(0), ShownKey::Int(4711), FieldSet(3), Certainty::Exact);
    }
    let (session, principal) = (&spool.session(&facts), &spool.principal(&Principal::new("ana")));
    let (text, time) = (&spool.statement_text(7, "SELECT $1"), Timestamp(1_700_000_000_000_000));
    let (outcome, batch, statement, rows) = (Outcome::Completed, &batch, 1, 3);
    let entry = DisclosureEntry { time, session, principal, statement, text, outcome, batch, rows };
    spool.append_disclosure(&entry).unwrap();
    spool.close().unwrap();
    let bytes = std::fs::read(dir.path().join("spool-0000000001.log")).unwrap();
    let example = example();
    // But for the salt and the checksums that follow from it.
    for range in [0..24, 32..60, 64..67, 73..example.len()] {
        assert_eq!(bytes[range.clone()], example[range.clone()], "{range:?} of {bytes:02x?}");
    }
    assert_eq!(bytes.len(), example.len());
}
