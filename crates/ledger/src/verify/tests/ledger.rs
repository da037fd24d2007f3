//! A ledger in memory that tests write, seal and change.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rastro_model::{
    Certainty, FieldSet, KindId, Login, Principal, ShownBatch, ShownKey, SubjectKey, Timestamp,
};

use crate::checkpoint::Checkpoint;
use crate::frame::{FRAME_HEAD_LEN, FileFacts, HEADER_LEN, body_len, frame_head};
use crate::note::{NoteKey, NoteVerifier, SignatureKind};
use crate::seal::{CHECKPOINT, KeyFiles, Sealer, WITNESSED};
use crate::verify::{Evidence, Progress, Report, verify};
use crate::*;

pub(super) type Files_ = BTreeMap<u64, Vec<u8>>;
pub(super) type Named = BTreeMap<String, Vec<u8>>;

#[derive(Clone)]
pub(super) struct MemoryFiles(pub(super) Arc<Files_>);

impl Files for MemoryFiles {
    fn list(&self) -> io::Result<Vec<u64>> {
        Ok(self.0.keys().copied().collect())
    }

    fn read_at(&self, seq: u64, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let file = self.0.get(&seq).ok_or(io::ErrorKind::NotFound)?;
        let from = file.get(offset as usize..).unwrap_or_default();
        let n = from.len().min(into.len());
        into[..n].copy_from_slice(&from[..n]);
        Ok(n)
    }
}

#[derive(Clone, Default)]
pub(super) struct MemoryStore(pub(super) Arc<Mutex<Named>>);

impl store::Store for MemoryStore {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.lock().unwrap().get(name).cloned())
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap().insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn write_durable(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.write(name, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.0.lock().unwrap().remove(name);
        Ok(())
    }
}

/// The files of a ledger; a clone is a copy of the files, with the same keys.
#[derive(Clone)]
pub(super) struct Ledger {
    pub(super) spool: Files_,
    pub(super) tree: Named,
    pub(super) salts: Named,
    pub(super) key: NoteVerifier,
    pub(super) witnesses: Vec<NoteVerifier>,
    pub(super) known: Vec<Vec<u8>>,
    dir: Arc<tempfile::TempDir>,
    file_bytes_max: u64,
    seed: u64,
    time: i64,
}

impl Ledger {
    pub(super) fn new(seed: u64) -> Ledger {
        Ledger::with_files_of(seed, 4 << 10)
    }

    pub(super) fn with_files_of(seed: u64, file_bytes_max: u64) -> Ledger {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let keys = KeyFiles::new(dir.path().join("keys")).load_or_create().unwrap();
        let key = keys.public()[0].clone();
        let (spool, tree, salts, witnesses, known) = Default::default();
        Ledger { spool, tree, salts, key, witnesses, known, dir, file_bytes_max, seed, time: 1 << 50 }
    }

    pub(super) fn keys(&self) -> PathBuf {
        self.dir.path().join("keys")
    }

    /// Writes entries of all kinds in one run of a spool.
    pub(super) fn write(&mut self, entries: usize) {
        let dir = self.dir.path().join("spool");
        // What the directory holds may be another history than this copy's.
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        for (seq, bytes) in &self.spool {
            std::fs::write(dir.join(crate::disk::file_name(*seq)), bytes).unwrap();
        }
        let schema = Schema { kinds: vec!["customer".into()], fields: vec!["name".into(), "email".into()] };
        let mut config = SpoolConfig::new(&dir, schema);
        config.file_bytes_max = self.file_bytes_max;
        config.durability = Durability::Group;
        let spool = Spool::open(config).unwrap();
        let session = |login: &str| {
            let (client_addr, database) = ("10.0.0.7:5".into(), "support".into());
            let login = Login::new(login);
            spool.session(&SessionFacts { login, client_addr, database, application: String::new() })
        };
        let sessions = [session("desk"), session("batch")];
        let mut rng = StdRng::seed_from_u64(self.seed ^ self.time as u64);
        for i in 0..entries {
            self.append(&spool, &sessions, i, &mut rng);
        }
        spool.close().unwrap();
        drop(spool);
        self.spool = std::fs::read_dir(&dir)
            .unwrap()
            .filter_map(|entry| {
                let path = entry.unwrap().path();
                let seq = path.file_stem()?.to_str()?.strip_prefix("spool-")?.parse().ok()?;
                Some((seq, std::fs::read(path).unwrap()))
            })
            .collect();
    }

    fn append(&mut self, spool: &Spool, sessions: &[SessionRef], i: usize, rng: &mut StdRng) {
        self.time += rng.random_range(0..50_000);
        let time = Timestamp(self.time);
        let principal = spool.principal(&Principal::new(["ana", "bo"][rng.random_range(0..2)]));
        let session = &sessions[rng.random_range(0..2)];
        match rng.random_range(0..20) {
            0 => {
                let entry = ControlEntry {
                    time,
                    kind: ControlKind::BudgetReached,
                    principal: Some(&principal),
                    session: Some(session),
                    by: "gateway",
                    why: "1000 a day",
                };
                spool.append_control(&entry).unwrap();
            }
            1 | 2 => {
                let key = SubjectKey::Int(rng.random_range(0..900));
                let (asked_at, until, kind) = (time, Timestamp(self.time + 500), KindId(0));
                let entry =
                    ReasonEntry { principal: &principal, kind, key: &key, reason: "T-7", asked_at, until };
                spool.append_reason(&entry).unwrap();
            }
            _ => {
                let mut batch = ShownBatch::default();
                for _ in 0..rng.random_range(1..4) {
                    batch.begin_row();
                    let fields = FieldSet(rng.random_range(1..4));
                    let key = ShownKey::Int(rng.random_range(1..900));
                    batch.push(KindId(0), key, fields, Certainty::Exact);
                }
                let text = spool.statement_text(i as u64 % 5, &format!("SELECT {}", i % 5));
                let entry = DisclosureEntry {
                    time,
                    session,
                    principal: &principal,
                    statement: i as u64,
                    text: &text,
                    outcome: Outcome::Completed,
                    batch: &batch,
                    rows: batch.rows(),
                };
                spool.append_disclosure(&entry).unwrap();
            }
        }
    }

    pub(super) fn files(&self) -> MemoryFiles {
        MemoryFiles(Arc::new(self.spool.clone()))
    }

    /// Seals everything.
    pub(super) fn seal(&mut self) {
        let keys = self.keys();
        self.seal_with(KeyFiles::new(keys));
    }

    /// Seals everything with keys of any directory, as somebody without the ledger's own could.
    pub(super) fn seal_with(&mut self, keys: KeyFiles) {
        let tree = MemoryStore(Arc::new(Mutex::new(std::mem::take(&mut self.tree))));
        let salts = MemoryStore(Arc::new(Mutex::new(std::mem::take(&mut self.salts))));
        let keys = keys.load_or_create().unwrap();
        let stores = (Box::new(tree.clone()), Box::new(salts.clone()));
        let mut sealer = Sealer::open(self.files(), stores.0, stores.1, keys).unwrap();
        while sealer.advance(None, 1000).unwrap() > 0 {}
        sealer.publish(1_700_000_000).unwrap();
        drop(sealer);
        self.tree = std::mem::take(&mut *tree.0.lock().unwrap());
        self.salts = std::mem::take(&mut *salts.0.lock().unwrap());
    }

    /// Has the last checkpoint cosigned by a new witness.
    pub(super) fn witness(&mut self) {
        let witness = NoteKey::generate("witness.example/w", SignatureKind::Cosignature).unwrap();
        let (_, mut note) =
            Checkpoint::open(&self.tree[CHECKPOINT], std::slice::from_ref(&self.key)).unwrap();
        note.sign(&witness, 1_700_000_001);
        self.tree.insert(WITNESSED.to_owned(), note.encode().into_bytes());
        self.witnesses.push(witness.verifier().clone());
    }

    pub(super) fn verify(&self) -> Report {
        let tree = MemoryStore(Arc::new(Mutex::new(self.tree.clone())));
        let salts = MemoryStore(Arc::new(Mutex::new(self.salts.clone())));
        let (key, witnesses, known) = (&self.key, &self.witnesses, &self.known);
        let must_be_witnessed = !witnesses.is_empty();
        let evidence =
            Evidence { tree: &tree, salts: &salts, key, witnesses, must_be_witnessed, known, threads: 2 };
        let files = self.files();
        verify(&evidence, || files.clone(), &Progress::default()).unwrap()
    }

    /// Returns everything the spool says, or that it cannot be read to its end.
    pub(super) fn said(&self) -> Result<Vec<Entry>, String> {
        let reader = SpoolReader::open_on(self.files()).map_err(|e| e.to_string())?;
        reader.map(|entry| entry.map_err(|e| e.to_string())).collect()
    }

    /// Returns everything the spool says, each entry with the header of its file.
    pub(super) fn told(&self) -> Result<Vec<(Entry, FileFacts)>, String> {
        let mut reader = SpoolReader::open_on(self.files()).map_err(|e| e.to_string())?;
        let mut told = Vec::new();
        while let Some(entry) = reader.next_entry().map_err(|e| e.to_string())? {
            told.push((entry, *reader.facts().unwrap()));
        }
        Ok(told)
    }

    /// Returns the spool file with entry `index`.
    pub(super) fn file_of(&self, index: u64) -> u64 {
        let mut reader = SpoolReader::open_on(self.files()).unwrap();
        for _ in 0..=index {
            reader.next_entry().unwrap().unwrap();
        }
        reader.facts().unwrap().seq
    }

    /// Takes entries off the end, repairing checksums, until `left` are left.
    pub(super) fn truncate_to(&mut self, left: usize) {
        let mut excess = self.said().unwrap().len() - left;
        while excess > 0 {
            let (seq, mut parts) = {
                let (seq, bytes) = self.spool.last_key_value().unwrap();
                (*seq, Parts::of(bytes))
            };
            let removable = parts.entries();
            if removable.len() <= excess {
                excess -= removable.len();
                self.spool.remove(&seq);
                continue;
            }
            for at in removable.iter().rev().take(excess) {
                parts.records.remove(*at);
            }
            excess = 0;
            self.spool.insert(seq, parts.bytes());
        }
    }

    /// Changes how many rows a disclosure at or after entry `index` had; returns its position.
    pub(super) fn change_a_row_count(&mut self, index: usize) -> u64 {
        let before = self.said().unwrap();
        let seqs: Vec<u64> = self.spool.keys().copied().collect();
        let mut passed = 0;
        for seq in seqs {
            let parts = Parts::of(&self.spool[&seq]);
            for at in parts.entries() {
                if passed >= index {
                    for bit in 0..parts.records[at].len() * 8 {
                        let mut changed = parts.clone();
                        changed.records[at][bit / 8] ^= 1 << (bit % 8);
                        let old = self.spool.insert(seq, changed.bytes()).unwrap();
                        let changed_rows = self.said().is_ok_and(|said| {
                            said.len() == before.len()
                                && said.iter().zip(&before).filter(|(a, b)| a != b).count() == 1
                        });
                        if changed_rows {
                            return passed as u64;
                        }
                        self.spool.insert(seq, old);
                    }
                }
                passed += 1;
            }
        }
        panic!("no entry can be changed alone");
    }
}

/// A spool file taken apart into its header and records, to be put together again with right checksums.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) facts: FileFacts,
    pub(super) records: Vec<Vec<u8>>,
}

impl Parts {
    pub(super) fn of(bytes: &[u8]) -> Parts {
        let facts = FileFacts::decode(bytes).unwrap();
        let mut records = Vec::new();
        let mut at = HEADER_LEN;
        while let Some(len) = bytes.get(at..).and_then(|rest| body_len(facts.salt, at as u64, rest)) {
            at += FRAME_HEAD_LEN;
            let mut cursor = crate::bytes::Cursor(&bytes[at..at + len]);
            while cursor.len() > 0 {
                records.push(cursor.counted().unwrap().to_vec());
            }
            at += len;
        }
        Parts { facts, records }
    }

    /// Positions of the records that are entries.
    pub(super) fn entries(&self) -> Vec<usize> {
        (0..self.records.len()).filter(|i| self.records[*i].first().is_some_and(|tag| *tag >= 0x10)).collect()
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut out = self.facts.encode().to_vec();
        let mut body = Vec::new();
        for record in &self.records {
            crate::bytes::put_varint(&mut body, record.len() as u64);
            body.extend_from_slice(record);
        }
        if !body.is_empty() {
            out.extend_from_slice(&frame_head(self.facts.salt, out.len() as u64, &body));
            out.extend_from_slice(&body);
        }
        out
    }
}
