//! What is appended is read back, on a real directory.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test")]

use std::path::Path;
use std::task::Poll;

use rastro_ledger::*;
use rastro_model::{
    Certainty, FieldSet, KindId, Login, Principal, ShownBatch, ShownKey, SubjectKey, Timestamp,
};

fn config(dir: &Path) -> SpoolConfig {
    let schema = Schema { kinds: vec!["customer".into()], fields: vec!["name".into(), "email".into()] };
    SpoolConfig::new(dir, schema)
}

fn session(spool: &Spool) -> SessionRef {
    spool.session(&SessionFacts {
        login: Login::new("helpdesk"),
        client_addr: "10.0.0.7:51000".into(),
        database: "support".into(),
        application: "desk".into(),
    })
}

fn lookup(spool: &Spool, session: &SessionRef, statement: u64, key: i64) -> EntryNo {
    let mut batch = ShownBatch::default();
    for _ in 0..3 {
        batch.begin_row();
        batch.push(KindId(0), ShownKey::Int(key), FieldSet(3), Certainty::Exact);
    }
    let entry = DisclosureEntry {
        time: Timestamp(1_700_000_000_000_000 + key),
        session,
        principal: &spool.principal(&Principal::new("ana")),
        statement,
        text: &spool.statement_text(7, "SELECT 1"),
        outcome: Outcome::Completed,
        batch: &batch,
        rows: 3,
    };
    spool.append_disclosure(&entry).unwrap()
}

/// Waits on this thread.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut std::task::Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

fn keys(dir: &Path) -> Vec<i64> {
    let key = |entry: Entry| match entry.content {
        Content::Disclosure(Disclosure { sets, .. }) => match &sets[0].subjects {
            Subjects::Ints(keys) => keys[0],
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    SpoolReader::open(dir).unwrap().map(|entry| key(entry.unwrap())).collect()
}

#[test]
fn reader_follows_the_writer_across_restarts_and_files() {
    let dir = tempfile::tempdir().unwrap();
    let mut reader = SpoolReader::open(dir.path()).unwrap();
    assert!(reader.next_entry().unwrap().is_none());
    let mut ids = Vec::new();
    for run in 0..3 {
        let spool = Spool::open(SpoolConfig { file_bytes_max: 300, ..config(dir.path()) }).unwrap();
        let session = session(&spool);
        ids.push(session.id());
        for i in 0..40 {
            let no = lookup(&spool, &session, i as u64, run * 40 + i);
            assert_eq!(no, EntryNo((run * 40 + i) as u64));
            block_on(spool.until_durable(no)).unwrap();
            let entry = reader.next_entry().unwrap().unwrap();
            assert_eq!(entry.no, no);
            assert_eq!(entry.schema.kinds, ["customer"]);
            let Content::Disclosure(shown) = entry.content else { panic!() };
            assert_eq!(shown.session.id, session.id());
            assert_eq!(shown.session.facts.application, "desk");
            assert_eq!((shown.statement, shown.rows), (i as u64, 3));
            assert_eq!(shown.text.sql, "SELECT 1");
            assert_eq!(shown.time, Timestamp(1_700_000_000_000_000 + run * 40 + i));
            assert!(reader.next_entry().unwrap().is_none());
        }
        spool.close().unwrap();
    }
    ids.dedup();
    assert_eq!(ids.len(), 3);
    assert_eq!(keys(dir.path()), (0..120).collect::<Vec<_>>());
}

#[test]
fn spool_bytes_end_with_the_last_whole_frame_of_each_file() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(spool_bytes(dir.path()).unwrap(), 0);
    let mut bytes = Vec::new();
    for run in 0..2 {
        let spool = Spool::open(config(dir.path())).unwrap();
        for key in 0..3 {
            lookup(&spool, &session(&spool), 0, run * 10 + key);
        }
        spool.close().unwrap();
        bytes.push(spool_bytes(dir.path()).unwrap());
    }
    let mut files: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.metadata().unwrap().len() > 0);
    files.sort();
    let [_, last] = files.as_slice() else { panic!("{files:?}") };
    // What is counted of the last file is exactly what its entries need.
    let end = bytes[1] - bytes[0];
    let shorten = |to| std::fs::File::options().write(true).open(last).unwrap().set_len(to).unwrap();
    shorten(end);
    assert_eq!(keys(dir.path()), [0, 1, 2, 10, 11, 12]);
    shorten(end - 1);
    assert_ne!(keys(dir.path()), [0, 1, 2, 10, 11, 12]);
    assert!(spool_bytes(dir.path()).unwrap() < bytes[1]);
}

#[test]
fn reading_from_any_entry_on_gives_the_end_of_reading_all() {
    let dir = tempfile::tempdir().unwrap();
    for run in 0..2 {
        let spool = Spool::open(config(dir.path())).unwrap();
        for at in 0..5 {
            // Sessions and times are told by difference to what was passed over.
            lookup(&spool, &session(&spool), at * 3, run * 10 + at.cast_signed());
        }
        spool.close().unwrap();
    }
    let entries = |seq, from| {
        let mut reader = SpoolReader::open(dir.path()).unwrap();
        reader.begin_at(seq, from).unwrap();
        reader.collect::<Result<Vec<Entry>, _>>().unwrap()
    };
    let all = entries(0, EntryNo(0));
    assert!(all.len() >= 10);
    for at in 0..=all.len() {
        let from = all.get(at).map_or(EntryNo(u64::MAX), |entry| entry.no);
        assert_eq!(entries(1, from), all[at..], "from {from:?}");
    }
}

#[test]
fn second_writer_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(config(dir.path())).unwrap();
    assert!(matches!(Spool::open(config(dir.path())), Err(OpenError::Locked { .. })));
    spool.close().unwrap();
}

#[test]
fn every_kind_of_entry_comes_back_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(config(dir.path())).unwrap();
    let session = session(&spool);
    let ana = spool.principal(&Principal::new("ana"));
    let mut batch = ShownBatch::default();
    for row in 0..4u32 {
        batch.begin_row();
        batch.push(KindId(0), ShownKey::Unknown, FieldSet(1), Certainty::Possible);
        batch.push(KindId(0), ShownKey::Unknown, FieldSet(1), Certainty::Possible);
        batch.push(KindId(1), ShownKey::Uuid(u128::from(row % 2) << 64), FieldSet(2), Certainty::Exact);
        let key = batch.text_key(["bob", "ana", "bob", "zoe"][row as usize].as_bytes());
        batch.push(KindId(2), key, FieldSet(2), Certainty::Derived);
    }
    let text = spool.statement_text(9, "SELECT 2");
    let entry = DisclosureEntry {
        time: Timestamp(-5),
        session: &session,
        principal: &ana,
        statement: u64::MAX,
        text: &text,
        outcome: Outcome::Cut,
        batch: &batch,
        rows: 3,
    };
    spool.append_disclosure(&entry).unwrap();
    for key in [SubjectKey::Int(-1), SubjectKey::Uuid(5), SubjectKey::Text("é".into())] {
        let (asked_at, until) = (Timestamp(7), Timestamp(i64::MAX));
        let reason =
            ReasonEntry { principal: &ana, kind: KindId(3), key: &key, reason: "T-1", asked_at, until };
        spool.append_reason(&reason).unwrap();
    }
    for kind in ControlKind::ALL {
        let (principal, session) = (Some(&ana), Some(&session));
        let control = ControlEntry { time: Timestamp(9), kind, principal, session, by: "eve", why: "test" };
        spool.append_control(&control).unwrap();
    }
    spool.close().unwrap();
    let entries: Vec<Entry> = SpoolReader::open(dir.path()).unwrap().map(Result::unwrap).collect();
    let Content::Disclosure(shown) = &entries[0].content else { panic!() };
    assert_eq!((shown.time, shown.statement, shown.rows), (Timestamp(-5), u64::MAX, 3));
    assert_eq!(shown.outcome, Outcome::Cut);
    let sets: Vec<_> =
        shown.sets.iter().map(|set| (set.kind.0, set.certainty, set.subjects.clone())).collect();
    let texts = vec![b"ana".to_vec().into_boxed_slice(), b"bob".to_vec().into_boxed_slice()];
    assert_eq!(
        sets,
        [
            (1, Certainty::Exact, Subjects::Uuids(vec![0, 1 << 64])),
            (2, Certainty::Derived, Subjects::Texts(texts)),
            (0, Certainty::Possible, Subjects::Unattributed { rows: 3 }),
        ]
    );
    let Content::Reason(reason) = &entries[3].content else { panic!() };
    assert_eq!((&reason.key, &*reason.reason), (&SubjectKey::Text("é".into()), "T-1"));
    assert_eq!(reason.until, Timestamp(i64::MAX));
    let kinds: Vec<_> = entries[4..]
        .iter()
        .map(|entry| match &entry.content {
            Content::Control(control) => control.kind,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(kinds, ControlKind::ALL);
}

fn reason(spool: &Spool, principal: &str, key: i64, from: i64, until: i64, reason: &str) {
    let (asked_at, until) =
        (Timestamp(1_700_000_000_000_000 + from), Timestamp(1_700_000_000_000_000 + until));
    let principal = &spool.principal(&Principal::new(principal));
    let key = &SubjectKey::Int(key);
    spool.append_reason(&ReasonEntry { principal, kind: KindId(0), key, reason, asked_at, until }).unwrap();
}

#[test]
fn disclosures_find_their_reasons_before_and_after() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(SpoolConfig { file_bytes_max: 200, ..config(dir.path()) }).unwrap();
    let session = session(&spool);
    reason(&spool, "ana", 1, 0, 10, "before");
    reason(&spool, "bob", 2, 0, 10, "of another principal");
    for key in 1..=5 {
        // The key is also the time.
        lookup(&spool, &session, key as u64, key);
    }
    reason(&spool, "ana", 3, 3, 10, "after");
    reason(&spool, "ana", 4, 0, 3, "over too early");
    spool.close().unwrap();
    let read = |filter| -> Vec<(i64, Option<String>)> {
        let number = |key| match key {
            Some(SubjectKey::Int(key)) => key,
            other => panic!("{other:?}"),
        };
        let records = disclosures(dir.path(), filter).unwrap().map(Result::unwrap);
        records.map(|record| (number(record.subject), record.reason)).collect()
    };
    let all = [(1, Some("before".into())), (2, None), (3, Some("after".into())), (4, None), (5, None)];
    assert_eq!(read(Filter::default()), all);
    assert_eq!(read(Filter { subject: Some("3".into()), ..Filter::default() }), all[2..3]);
    assert_eq!(read(Filter { principal: Some(Principal::new("bob")), ..Filter::default() }), []);
    let at = |micros: i64| Some(Timestamp(1_700_000_000_000_000 + micros));
    assert_eq!(read(Filter { since: at(2), until: at(4), ..Filter::default() }), all[1..4]);
    let record = disclosures(dir.path(), Filter::default()).unwrap().next().unwrap().unwrap();
    assert_eq!(record.statement, format!("{}-1", session.id()));
    assert_eq!((record.kind.as_str(), record.rows), ("customer", 3));
    assert_eq!(record.fields, ["name", "email"]);
}

#[test]
fn replay_skips_files_that_ended_before_and_keeps_reasons_in_force() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(SpoolConfig { file_bytes_max: 200, ..config(dir.path()) }).unwrap();
    let session = session(&spool);
    reason(&spool, "ana", 1, 0, 35, "T");
    for key in 0..60 {
        lookup(&spool, &session, key as u64, key);
    }
    spool.close().unwrap();
    let count = |since: i64| {
        let mut found = 0;
        replay(dir.path(), Timestamp(1_700_000_000_000_000 + since), |_| found += 1).unwrap();
        found
    };
    assert_eq!((count(0), count(30), count(36), count(59), count(60)), (61, 31, 24, 1, 0));
    // A damaged file that is not needed is not read.
    std::fs::write(dir.path().join("spool-0000000001.log"), b"gone").unwrap();
    assert_eq!(count(59), 1);
}

#[test]
fn damage_before_the_end_is_refused_and_a_torn_end_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(config(dir.path())).unwrap();
    let session = session(&spool);
    for key in 0..5 {
        block_on(spool.until_durable(lookup(&spool, &session, key as u64, key))).unwrap();
    }
    spool.close().unwrap();
    let path = dir.path().join("spool-0000000001.log");
    let whole = std::fs::read(&path).unwrap();
    let reopen = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let _ = std::fs::remove_file(dir.path().join("spool-0000000002.log"));
        Spool::open(config(dir.path())).map(|spool| assert_eq!(spool.close(), Ok(())))
    };
    let mut last_frame = whole.len();
    for len in 64..whole.len() {
        reopen(&whole[..len]).unwrap();
        let found = keys(dir.path());
        assert_eq!(found, (0..found.len() as i64).collect::<Vec<_>>());
        if found.len() == 4 {
            last_frame = last_frame.min(len);
        }
    }
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 4;
        let opened = reopen(&damaged);
        // Only a flaw in the last frame looks like a torn write.
        assert_eq!(opened.is_ok(), at >= last_frame, "byte {at} of {}", whole.len());
    }
}
