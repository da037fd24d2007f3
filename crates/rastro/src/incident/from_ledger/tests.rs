use std::collections::HashMap;

use rastro_archive::{LedgerReader, Query};
use rastro_ledger::erase::{ErasureRequest, erase};
use rastro_ledger::seal::SealPaths;
use rastro_ledger::{
    Account, AccountEntry, ControlEntry, ControlKind, DisclosureEntry, Outcome, PrincipalRef, ReasonEntry,
    SessionFacts, SessionRef, Spool, SpoolConfig,
};
use rastro_model::{Login, ShownBatch, Timestamp};
use rastro_trace::{Disclosure as Given, Explanation, History};

use super::*;
use crate::store::Sealing;

const MINUTE: i64 = 60_000_000;
const PEOPLE: [&str; 4] = ["ana", "bo", "cy", "dee"];
const ERASED: i64 = 7;

/// Every kind of key, in turn, of two kinds of subject.
fn keys_at(step: i64) -> Vec<(KindId, SubjectKey)> {
    let text = |text: String| SubjectKey::Text(text.into());
    match step % 6 {
        0 => vec![(KindId(0), SubjectKey::Int(step * 7 % 50))],
        1 => vec![(KindId(0), text(format!("caller {}", step % 9))), (KindId(0), text("12".to_owned()))],
        2 => vec![(KindId(0), SubjectKey::Uuid(u128::from(step.unsigned_abs()) << 64 | 5))],
        3 => (0..400).map(|n| (KindId(0), SubjectKey::Int(n + step % 30))).collect(),
        4 => (0..40).map(|n| (KindId(1), SubjectKey::Int(n * n * 31 + step))).collect(),
        _ => (1..30).map(|n| (KindId(0), SubjectKey::Int(n * 977 % 5_000))).collect(),
    }
}

struct Writer {
    spool: Spool,
    people: Vec<(SessionRef, PrincipalRef)>,
}

impl Writer {
    /// Files of a few kilobytes, so that there are many.
    fn open(data_dir: &Path, fields: [&str; 3]) -> Writer {
        let kinds = ["customer", "employee"].map(str::to_owned).into();
        let schema = Schema { kinds, fields: fields.map(str::to_owned).into() };
        let config =
            SpoolConfig { file_bytes_max: 4_096, ..SpoolConfig::new(data_dir.join("spool"), schema) };
        let spool = Spool::open(config).unwrap();
        let person = |name: &&str| {
            let facts = SessionFacts {
                login: Login::new(format!("{name}_app")),
                client_addr: "10.0.0.7:5".into(),
                database: "support".into(),
                application: String::new(),
            };
            (spool.session(&facts), spool.principal(&Principal::new(*name)))
        };
        let people = PEOPLE.iter().map(person).collect();
        Writer { spool, people }
    }

    fn write(self, steps: std::ops::Range<i64>, reasons: bool) {
        let text = self.spool.statement_text(7, "SELECT name FROM customers WHERE id = $1");
        for step in steps {
            let time = Timestamp(1_700_000_000_000_000 + step * MINUTE);
            let (session, principal) = &self.people[usize::try_from(step % 4).unwrap()];
            let mut batch = ShownBatch::default();
            let fields = FieldSet(u32::try_from(step % 7).unwrap() + 1);
            let certainties = [Certainty::Exact, Certainty::Derived, Certainty::Possible];
            for (place, (kind, key)) in keys_at(step).into_iter().enumerate() {
                batch.begin_row();
                let key = batch.subject(&key);
                batch.push(kind, key, fields, certainties[place % 3]);
            }
            if step % 5 == 0 {
                batch.begin_row();
                batch.push(KindId(0), rastro_model::ShownKey::Unknown, fields, Certainty::Exact);
            }
            let (outcome, rows) = (Outcome::ALL[usize::try_from(step % 5).unwrap()], batch.rows());
            let batch = &batch;
            let statement = step.unsigned_abs();
            let text = &text;
            let entry = DisclosureEntry { time, session, principal, statement, text, outcome, batch, rows };
            self.spool.append_disclosure(&entry).unwrap();
            for (kind, key) in keys_at(step).iter().step_by(3).filter(|_| reasons && step % 5 < 3) {
                let (asked_at, until) = (Timestamp(time.0 + MINUTE / 60), Timestamp(time.0 + 3 * MINUTE));
                let entry = ReasonEntry { principal, kind: *kind, key, reason: "T-1", asked_at, until };
                self.spool.append_reason(&entry).unwrap();
            }
            if step % 10 == 0 {
                let account = Account { reported: 10, recorded: 8, ..Account::default() };
                self.spool.append_account(&AccountEntry { time, session, account }).unwrap();
                let kind = ControlKind::ALL[usize::try_from(step / 10 % 9).unwrap()];
                let (principal, session) = (Some(principal), Some(session));
                let entry = ControlEntry { time, kind, principal, session, by: "x", why: "y" };
                self.spool.append_control(&entry).unwrap();
            }
        }
        self.spool.close().unwrap();
    }
}

fn sign(data_dir: &Path) {
    let mut sealer = SealPaths::below(data_dir).open().unwrap();
    while sealer.advance(None, 65_536).unwrap() == 65_536 {}
    sealer.publish(1_700_000_000).unwrap();
}

/// What the whole entries say, put into a history one by one.
struct Plain {
    history: History,
    keys: Vec<SubjectKey>,
    possible: usize,
    disclosures: u64,
}

fn read_plainly(data_dir: &Path, kind: &str) -> Plain {
    let ledger: LedgerReader = crate::store::reader(data_dir, None).unwrap();
    let all = Query::default();
    let entries: Vec<_> = ledger.entries(&all).unwrap().map(Result::unwrap).collect();
    let mut reasons: HashMap<(Principal, SubjectKey), Vec<(i64, i64)>> = HashMap::new();
    for entry in &entries {
        if let Content::Reason(reason) = &entry.content
            && entry.schema.kinds[usize::from(reason.kind.0)] == kind
        {
            let span = (reason.asked_at.0 - 2_000_000, reason.until.0);
            reasons.entry((reason.principal.clone(), normal(reason.key.clone()))).or_default().push(span);
        }
    }
    let (mut builder, mut keys, mut possible, mut disclosures) = (HistoryBuilder::new(), Vec::new(), 0, 0);
    let (names, mut known) = (rastro_intake::FieldNames::default(), false);
    for entry in &entries {
        let of_kind = |number: KindId| entry.schema.kinds[usize::from(number.0)] == kind;
        known |= matches!(&entry.content, Content::Reason(reason) if of_kind(reason.kind));
        for name in &entry.schema.fields {
            names.set(name.as_bytes()).unwrap();
        }
        let Content::Disclosure(shown) = &entry.content else { continue };
        for set in shown.sets.iter().filter(|set| of_kind(set.kind)) {
            if set.certainty == Certainty::Possible {
                possible += set.subjects.len();
                continue;
            }
            let fields: Vec<&str> =
                set.fields.iter().map(|index| entry.schema.fields[index].as_str()).collect();
            let fields = names.set(fields.join(";").as_bytes()).unwrap();
            for key in keys_of(&set.subjects).map(normal) {
                let spans = reasons.get(&(shown.principal.clone(), key.clone()));
                let explained = spans.is_some_and(|spans| {
                    spans.iter().any(|span| span.0 <= shown.time.0 && shown.time.0 <= span.1)
                });
                let explanation = match (explained, known) {
                    (true, _) => Explanation::Explained,
                    (false, true) => Explanation::Unexplained,
                    (false, false) => Explanation::Unknown,
                };
                let principal = builder.principal(&shown.principal).unwrap();
                let subject = builder.subject(&key).unwrap();
                builder.add(Given { principal, subject, time: shown.time, fields, explanation });
                keys.push(key);
                disclosures += 1;
            }
        }
    }
    Plain { history: builder.finish(), keys, possible, disclosures }
}

#[track_caller]
fn check_same(data_dir: &Path) -> Record {
    let mut last = None;
    for kind in ["customer", "employee"] {
        let plain = read_plainly(data_dir, kind);
        let victims = ["3".to_owned(), "caller 1".to_owned(), "977".to_owned()];
        let read = read_ledger(data_dir, None, Some(kind), &victims, &[]).unwrap();
        assert!(plain.disclosures > 500, "{kind}: {}", plain.disclosures);
        assert_eq!(read.disclosures, plain.disclosures, "{kind}");
        let count = |history: &History| (history.pairs(), history.subjects_seen(), history.accounts());
        assert_eq!(count(&read.history), count(&plain.history), "{kind}");
        for name in PEOPLE.map(Principal::new) {
            assert_eq!(read.history.moments(&name), plain.history.moments(&name), "{kind} {name}");
            assert_eq!(read.history.exposed(&name), plain.history.exposed(&name), "{kind} {name}");
        }
        for key in &plain.keys {
            assert_eq!(read.history.views(key), plain.history.views(key), "{kind} {key}");
        }
        for victim in victims.iter().map(|victim| subject_key(victim)) {
            let noted = read.noted.iter().filter(|shown| shown.subject == victim).count();
            let shown = plain.keys.iter().filter(|key| **key == victim).count();
            assert_eq!(noted, shown, "{kind} {victim}");
        }
        let possible = format!("{} disclosures that are only `possible`", plain.possible);
        assert!(read.caveats.iter().any(|caveat| caveat.contains(&possible)), "{:?}", read.caveats);
        assert!(kind == "employee" || read.noted.iter().any(|shown| shown.reason.is_some()));
        last.get_or_insert(read);
    }
    last.unwrap()
}

#[test]
fn history_is_that_of_the_whole_entries_in_spool_and_archive() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path();
    Writer::open(data_dir, ["name", "email", "phone"]).write(0..90, false);
    Writer::open(data_dir, ["name", "email", "phone"]).write(90..200, true);
    check_same(data_dir);
    sign(data_dir);
    let why = "art. 17";
    let (subject, by, time) = (&*ERASED.to_string(), "x", Timestamp(1_700_100_000_000_000));
    let request = ErasureRequest { subject, kind: Some("customer"), by, why, time };
    assert!(erase(&SealPaths::below(data_dir), &request, |_, _| {}).unwrap().places > 3);
    let erased = check_same(data_dir);
    assert!(erased.history.views(&SubjectKey::Int(ERASED)).is_empty());
    sign(data_dir);
    Sealing::open("file", data_dir).unwrap().seal().unwrap();
    // The fields stand elsewhere in what follows.
    Writer::open(data_dir, ["phone", "address", "name"]).write(200..300, true);
    let whole = check_same(data_dir);
    assert!(whole.disclosures > erased.disclosures);
    // What the spool has no longer is read from the archive.
    let mut files: Vec<_> =
        std::fs::read_dir(data_dir.join("spool")).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    files.sort();
    assert!(files.len() > 5, "{files:?}");
    for file in &files[..files.len() / 2] {
        std::fs::remove_file(file).unwrap();
    }
    let partly = check_same(data_dir);
    assert_eq!(partly.disclosures, whole.disclosures);
    assert_eq!(partly.noted.len(), whole.noted.len());
}

#[test]
fn damaged_ledger_is_not_read_past_its_damage() {
    let folder = tempfile::tempdir().unwrap();
    Writer::open(folder.path(), ["name", "email", "phone"]).write(0..100, true);
    let first = folder.path().join("spool/spool-0000000001.log");
    let mut bytes = std::fs::read(&first).unwrap();
    let middle = bytes.len() / 3;
    bytes[middle] ^= 4;
    std::fs::write(&first, bytes).unwrap();
    let error = read_ledger(folder.path(), None, None, &[], &[]).unwrap_err();
    assert!(format!("{error:#}").contains("is damaged at byte"), "{error:#}");
}
