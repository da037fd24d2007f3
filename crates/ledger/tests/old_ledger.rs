//! A ledger written by version 1 of the format is verified and read by every later version.

use std::path::{Path, PathBuf};

use rastro_ledger::note::NoteVerifier;
use rastro_ledger::seal::SealPaths;
use rastro_ledger::store::DirectoryStore;
use rastro_ledger::verify::{Evidence, Progress, verify};
use rastro_ledger::*;
use rastro_model::{
    Certainty, FieldSet, KindId, Login, Principal, ShownBatch, ShownKey, SubjectKey, Timestamp,
};

const ENTRIES: u64 = 300;
const ROOT: &str = "4a855f0f09f29210f19e33201131c6711fc59739ea06f27f82dca8969ce39356";

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ledger-v1")
}

#[test]
fn ledger_of_version_1_verifies_with_the_root_it_had() {
    let paths = SealPaths::below(&fixture());
    let key = std::fs::read_to_string(paths.keys.join("ledger.pub")).unwrap();
    let evidence = Evidence {
        tree: &DirectoryStore::new(&paths.tree),
        salts: &DirectoryStore::new(&paths.salts),
        key: &NoteVerifier::decode(key.lines().next().unwrap()).unwrap(),
        witnesses: &[],
        must_be_witnessed: false,
        known: &[],
        threads: 2,
    };
    let report = verify(&evidence, || Directory::new(&paths.spool), &Progress::default()).unwrap();
    let checkpoint = report.checkpoint.unwrap();
    let root: String = checkpoint.root.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((report.fault, checkpoint.size, root.as_str()), (None, ENTRIES, ROOT));
    let entries: Vec<Entry> = SpoolReader::open(&paths.spool).unwrap().map(Result::unwrap).collect();
    assert_eq!(entries.len() as u64, ENTRIES);
    let Content::Disclosure(first) = &entries[0].content else { unreachable!("{:?}", entries[0]) };
    assert_eq!((first.principal.as_str(), first.rows), ("ana", 2));
    assert_eq!(first.sets[0].subjects, Subjects::Ints(vec![1, 4711]));
}

/// Wrote the fixture: `RASTRO_WRITE_FIXTURE=1 cargo test -p rastro-ledger --test old_ledger -- --ignored`.
#[test]
#[ignore = "writes the fixture of a new format version"]
fn fixture_is_written() {
    if std::env::var_os("RASTRO_WRITE_FIXTURE").is_none() {
        return;
    }
    let paths = SealPaths::below(&fixture());
    let schema = Schema { kinds: vec!["customer".into()], fields: vec!["name".into(), "email".into()] };
    let mut config = SpoolConfig::new(&paths.spool, schema);
    config.file_bytes_max = 3000;
    let spool = Spool::open(config).unwrap();
    let (client_addr, database) = ("10.0.0.7:51000".into(), "support".into());
    let login = Login::new("desk");
    let session = spool.session(&SessionFacts { login, client_addr, database, application: "desk".into() });
    let principal = spool.principal(&Principal::new("ana"));
    let text = spool.statement_text(7, "SELECT name FROM customers WHERE id = $1");
    for i in 0..ENTRIES {
        let time = Timestamp(1_700_000_000_000_000 + i as i64 * 1_000);
        if i % 50 == 7 {
            let (kind, until) = (KindId(0), Timestamp(time.0 + 1_000_000));
            let key = SubjectKey::Int(i as i64);
            let entry =
                ReasonEntry { principal: &principal, kind, key: &key, reason: "T-7", asked_at: time, until };
            spool.append_reason(&entry).unwrap();
        } else if i % 50 == 9 {
            let (principal, session) = (Some(&principal), Some(&session));
            let kind = ControlKind::BudgetReached;
            spool
                .append_control(&ControlEntry { time, kind, principal, session, by: "b", why: "w" })
                .unwrap();
        } else {
            let mut batch = ShownBatch::default();
            for key in [4711, i as i64 + 1] {
                batch.begin_row();
                batch.push(KindId(0), ShownKey::Int(key), FieldSet(3), Certainty::Exact);
            }
            let rows = batch.rows();
            let entry = DisclosureEntry {
                time,
                session: &session,
                principal: &principal,
                statement: i,
                text: &text,
                outcome: Outcome::Completed,
                batch: &batch,
                rows,
            };
            spool.append_disclosure(&entry).unwrap();
        }
    }
    spool.close().unwrap();
    let mut sealer = paths.open().unwrap();
    while sealer.advance(None, 1000).unwrap() == 1000 {}
    let checkpoint = sealer.publish(0).unwrap().unwrap();
    println!("{}", checkpoint.root.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    for unneeded in ["keys/ledger.key", "tree/resume", "tree/seal.lock", "spool/spool.lock"] {
        std::fs::remove_file(fixture().join(unneeded)).unwrap();
    }
}
