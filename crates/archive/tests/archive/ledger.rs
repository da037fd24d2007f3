//! A real ledger: a spool, sealed and signed, with its archive.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rastro_archive::{ArchiveReport, Archivist, Checked, Objects, Signer, State, check};
use rastro_ledger::note::NoteVerifier;
use rastro_ledger::seal::{KeyFiles, SealPaths};
use rastro_ledger::store::DirectoryStore;
use rastro_ledger::verify::{Evidence, Progress, verify};
use rastro_ledger::{
    ControlEntry, ControlKind, Directory, DisclosureEntry, Outcome, PlacedEntries, ReasonEntry, Schema,
    SessionFacts, Spool, SpoolConfig,
};
use rastro_model::{
    Certainty, FieldSet, KindId, Login, Principal, ShownBatch, ShownKey, SubjectKey, Timestamp,
};

use crate::made::{DAY, START};

/// A data directory with a ledger in it.
pub struct Ledger {
    pub dir: PathBuf,
    pub objects: Objects,
}

impl Ledger {
    pub fn below(dir: &Path) -> Ledger {
        Ledger { dir: dir.to_owned(), objects: Objects::directory(&dir.join("store")).unwrap() }
    }

    pub fn paths(&self) -> SealPaths {
        SealPaths::below(&self.dir)
    }

    /// Appends `count` entries over `days` days, with reasons, acts, unattributed rows and bulk reads.
    pub fn write(&self, count: u64, days: i64) {
        self.write_of(count, days, |key| key);
    }

    /// The same about other subjects: `subject` says of whom.
    pub fn write_of(&self, count: u64, days: i64, subject: impl Fn(i64) -> i64) {
        let schema = Schema { kinds: vec!["customer".into()], fields: vec!["name".into(), "email".into()] };
        let mut config = SpoolConfig::new(self.paths().spool, schema);
        config.file_bytes_max = 20_000;
        let spool = Spool::open(config).unwrap();
        let sessions: Vec<_> = (0..5)
            .map(|i| {
                spool.session(&SessionFacts {
                    login: Login::new("desk"),
                    client_addr: format!("10.0.0.{i}:5000{i}"),
                    database: "support".into(),
                    application: "desk".into(),
                })
            })
            .collect();
        let principals: Vec<_> =
            ["ana", "ben", "eva", "lin", "zoe"].map(|name| spool.principal(&Principal::new(name))).into();
        let text = spool.statement_text(7, "SELECT name FROM customers WHERE id = $1");
        for i in 0..count {
            let who = (i * 7 % 5) as usize;
            let (session, principal) = (&sessions[who], &principals[who]);
            let time = Timestamp(START + i as i64 * days * DAY / count as i64);
            if i % 20 == 7 {
                let (key, until) = (SubjectKey::Int((i % 90) as i64), Timestamp(time.0 + 1_000_000));
                let kind = KindId(0);
                let entry = ReasonEntry { principal, kind, key: &key, reason: "T-7", asked_at: time, until };
                spool.append_reason(&entry).unwrap();
                continue;
            }
            if i % 50 == 9 {
                let (principal, session) = (Some(principal), Some(session));
                let kind = ControlKind::BudgetReached;
                let entry = ControlEntry { time, kind, principal, session, by: "b", why: "w" };
                spool.append_control(&entry).unwrap();
                continue;
            }
            let mut batch = ShownBatch::default();
            let keys = if i % 100 == 3 { 1500 } else { 1 + i % 4 };
            for at in 0..keys {
                batch.begin_row();
                let key = subject((i * 13 % 97 + at * at % 4001) as i64);
                batch.push(KindId(0), ShownKey::Int(key), FieldSet(1 + (i % 3) as u32), Certainty::Exact);
            }
            if i % 30 == 5 {
                batch.begin_row();
                batch.push(KindId(0), ShownKey::Unknown, FieldSet(2), Certainty::Possible);
            }
            let rows = batch.rows();
            let outcome = Outcome::Completed;
            spool
                .append_disclosure(&DisclosureEntry {
                    time,
                    session,
                    principal,
                    statement: i,
                    text: &text,
                    outcome,
                    batch: &batch,
                    rows,
                })
                .unwrap();
        }
        spool.close().unwrap();
    }

    /// Grows the tree, signs a checkpoint, and puts what it covers into the archive.
    pub fn seal(&self) {
        let mut sealer = self.paths().open().unwrap();
        while sealer.advance(None, 10_000).unwrap() == 10_000 {}
        sealer.publish(0).unwrap();
        let archivist = self.archivist();
        let from = archivist.manifest().unwrap().next_file();
        let salts = DirectoryStore::new(self.paths().salts);
        let mut entries = PlacedEntries::open(Directory::new(&self.paths().spool), salts, from).unwrap();
        archivist.seal(std::iter::from_fn(|| entries.next_entry().transpose())).unwrap();
    }

    pub fn archivist(&self) -> Archivist {
        let keys = KeyFiles::new(self.paths().keys);
        let sign: Signer = Arc::new(move |text: &str| keys.sign_statement(text).unwrap());
        Archivist::new(self.objects.clone(), Some(sign), Duration::ZERO)
    }

    pub fn key(&self) -> NoteVerifier {
        let text = std::fs::read_to_string(self.dir.join("keys/ledger.pub")).unwrap();
        NoteVerifier::decode(text.lines().next().unwrap()).unwrap()
    }

    /// Verifies the ledger, then its archive against it.
    pub fn check(&self) -> ArchiveReport {
        let paths = self.paths();
        let (tree, salts) = (DirectoryStore::new(&paths.tree), DirectoryStore::new(&paths.salts));
        let key = self.key();
        let evidence = Evidence {
            tree: &tree,
            salts: &salts,
            key: &key,
            witnesses: &[],
            must_be_witnessed: false,
            known: &[],
            threads: 1,
        };
        let report = verify(&evidence, || Directory::new(&paths.spool), &Progress::default()).unwrap();
        assert_eq!(report.fault, None);
        check(&Checked {
            objects: &self.objects,
            state: &State::load(&self.objects).unwrap(),
            tree: &tree,
            salts: &salts,
            size: report.checkpoint.unwrap().size,
            removed: report.removed,
            keys: &report.keys,
            threads: 2,
        })
        .unwrap()
    }
}
