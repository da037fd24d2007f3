//! Seeded simulation: a disk that loses, tears, refuses and breaks, and a spool stepped over it.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rastro_model::{
    Certainty, FieldSet, KindId, Login, Principal, ShownBatch, ShownKey, SubjectKey, Timestamp,
};

use crate::commit::Step;
use crate::*;

const SECTOR: usize = 64;

/// The files as a reader sees them now, and as they would be after a power cut.
#[derive(Default)]
struct Platter {
    seen: BTreeMap<u64, Vec<u8>>,
    stable: BTreeMap<u64, Vec<u8>>,
    /// Sectors of the current file written since the last sync.
    dirty: Vec<usize>,
    full: bool,
    sync_fails: bool,
    powered: bool,
    /// Writes until the disk is full or the power goes.
    writes_to_full: Option<u32>,
    ops_to_power_cut: Option<u32>,
    loses_unsynced: bool,
}

#[derive(Clone)]
struct FakeDisk {
    platter: Arc<Mutex<Platter>>,
    rng: Arc<Mutex<StdRng>>,
    current: u64,
}

impl FakeDisk {
    fn new(seed: u64) -> FakeDisk {
        let platter = Platter { powered: true, loses_unsynced: true, ..Platter::default() };
        let rng = StdRng::seed_from_u64(seed);
        FakeDisk { platter: Arc::new(Mutex::new(platter)), rng: Arc::new(Mutex::new(rng)), current: 0 }
    }

    fn roll(&self, n: u32) -> u32 {
        self.rng.lock().unwrap().random_range(0..n)
    }

    /// Counts an operation; fails if the power goes before it.
    fn op(&self) -> io::Result<()> {
        let mut platter = self.platter.lock().unwrap();
        if let Some(left) = &mut platter.ops_to_power_cut {
            *left = left.saturating_sub(1);
            platter.powered &= *left > 0;
        }
        if platter.powered { Ok(()) } else { Err(io::Error::other("no power")) }
    }

    /// Keeps of the unsynced sectors whichever chance keeps, and switches the power on again.
    fn restart(&self) {
        let mut guard = self.platter.lock().unwrap();
        let platter = &mut *guard;
        if platter.loses_unsynced {
            for sector in std::mem::take(&mut platter.dirty) {
                if self.roll(2) == 0 {
                    persist(platter, self.current_file(platter), sector);
                }
            }
            platter.seen = platter.stable.clone();
        } else {
            platter.stable = platter.seen.clone();
            platter.dirty.clear();
        }
        platter.powered = true;
        platter.full = false;
        platter.sync_fails = false;
        platter.ops_to_power_cut = None;
        platter.writes_to_full = None;
    }

    fn current_file(&self, platter: &Platter) -> u64 {
        platter.seen.last_key_value().map_or(0, |(seq, _)| *seq)
    }
}

fn persist(platter: &mut Platter, seq: u64, sector: usize) {
    let (Some(seen), Some(stable)) = (platter.seen.get(&seq), platter.stable.get_mut(&seq)) else { return };
    let range = sector * SECTOR..((sector + 1) * SECTOR).min(seen.len());
    if range.start >= seen.len() {
        return;
    }
    if stable.len() < range.end {
        stable.resize(range.end, 0);
    }
    stable[range.clone()].copy_from_slice(&seen[range]);
}

impl Files for FakeDisk {
    fn list(&self) -> io::Result<Vec<u64>> {
        Ok(self.platter.lock().unwrap().seen.keys().copied().collect())
    }

    fn read_at(&self, seq: u64, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let platter = self.platter.lock().unwrap();
        let file = platter.seen.get(&seq).ok_or(io::ErrorKind::NotFound)?;
        let from = file.get(offset as usize..).unwrap_or_default();
        let n = from.len().min(into.len());
        into[..n].copy_from_slice(&from[..n]);
        Ok(n)
    }
}

impl Disk for FakeDisk {
    fn create(&mut self, seq: u64, header: &[u8]) -> io::Result<()> {
        self.op()?;
        let mut platter = self.platter.lock().unwrap();
        if platter.full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        platter.seen.insert(seq, header.to_vec());
        platter.stable.insert(seq, header.to_vec());
        platter.dirty.clear();
        self.current = seq;
        Ok(())
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.op()?;
        let part = self.roll(bytes.len() as u32 + 1) as usize;
        let mut guard = self.platter.lock().unwrap();
        let platter = &mut *guard;
        if let Some(left) = &mut platter.writes_to_full {
            *left = left.saturating_sub(1);
            platter.full |= *left == 0;
        }
        let kept = if platter.full { &bytes[..part.min(bytes.len() - 1)] } else { bytes };
        // Zeros written ahead, as on a real disk.
        let end = offset as usize + kept.len();
        let file = platter.seen.get_mut(&self.current).unwrap();
        if file.len() < end {
            file.resize(end + 100, 0);
        }
        file[offset as usize..end].copy_from_slice(kept);
        platter.dirty.extend(offset as usize / SECTOR..=end / SECTOR);
        if platter.full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.op()?;
        let mut guard = self.platter.lock().unwrap();
        if guard.sync_fails {
            return Err(io::Error::from_raw_os_error(5));
        }
        for sector in std::mem::take(&mut guard.dirty) {
            persist(&mut guard, self.current, sector);
        }
        Ok(())
    }

    fn cut(&mut self, seq: u64, len: u64) -> io::Result<()> {
        self.op()?;
        let mut guard = self.platter.lock().unwrap();
        let platter = &mut *guard;
        for files in [&mut platter.seen, &mut platter.stable] {
            files.get_mut(&seq).unwrap().truncate(len as usize);
        }
        Ok(())
    }
}

/// What was appended under a number, and what the caller was told of it.
#[derive(Default)]
struct Told {
    said: BTreeMap<u64, String>,
    durable: BTreeMap<u64, ()>,
    dropped: BTreeMap<u64, ()>,
}

/// Everything that an entry says, as text: equal if and only if the same was recorded.
fn said(content: &Content) -> String {
    match content {
        Content::Disclosure(d) => {
            let (session, text) = (&d.session, &d.text);
            format!(
                "{session:?} {text:?} {:?}",
                (d.time, &d.principal, d.statement, d.outcome, d.rows, &d.sets)
            )
        }
        other => format!("{other:?}"),
    }
}

struct World {
    rng: StdRng,
    disk: FakeDisk,
    told: Told,
    time: i64,
}

impl World {
    fn config(&mut self) -> SpoolConfig {
        let schema = Schema { kinds: vec!["customer".into()], fields: vec!["name".into()] };
        SpoolConfig {
            file_bytes_max: self.rng.random_range(100..3000),
            pending_bytes_max: self.rng.random_range(200..4000),
            ..SpoolConfig::new("", schema)
        }
    }

    /// One life of the gateway: opens, appends, steps, and ends at a random moment.
    fn live(&mut self) {
        let config = self.config();
        let (spool, mut committer) =
            Spool::prepare(config, Box::new(self.disk.clone()), self.rng.random()).unwrap();
        let facts = SessionFacts {
            login: Login::new("desk"),
            client_addr: "a:1".into(),
            database: "d".into(),
            application: String::new(),
        };
        let sessions: Vec<SessionRef> = (0..3).map(|_| spool.session(&facts)).collect();
        {
            let mut platter = self.disk.platter.lock().unwrap();
            platter.ops_to_power_cut = self.rng.random_bool(0.6).then(|| self.rng.random_range(1..60));
            platter.loses_unsynced = self.rng.random_bool(0.7);
        }
        let mut mine = Vec::new();
        for _ in 0..self.rng.random_range(1..120) {
            match self.rng.random_range(0..20) {
                0 => {
                    self.disk.platter.lock().unwrap().writes_to_full = Some(self.rng.random_range(1..4));
                }
                1..=3 => {
                    let mut platter = self.disk.platter.lock().unwrap();
                    platter.full = false;
                    platter.writes_to_full = None;
                }
                4 if self.rng.random_bool(0.1) => self.disk.platter.lock().unwrap().sync_fails = true,
                5..=9 => {
                    if committer.step() == Step::Stopped {
                        assert!(matches!(spool.health(), Health::Poisoned { .. }));
                    }
                    self.note(&spool, &mut mine);
                }
                _ => self.append(&spool, &sessions, &mut mine),
            }
        }
        self.note(&spool, &mut mine);
        self.disk.restart();
    }

    fn append(&mut self, spool: &Spool, sessions: &[SessionRef], mine: &mut Vec<u64>) {
        self.time += self.rng.random_range(-3..1000);
        let time = Timestamp(self.time);
        let name = Principal::new(["ana", "bo", "cy"][self.rng.random_range(0..3)]);
        let principal = spool.principal(&name);
        let session = &sessions[self.rng.random_range(0..sessions.len())];
        let read_session = Arc::new(Session { id: session.id(), facts: session.facts().clone() });
        let (content, appended) = if self.rng.random_bool(0.2) {
            let key = SubjectKey::Int(self.rng.random_range(0..50));
            let (kind, asked_at, until) = (KindId(0), time, Timestamp(self.time + 5));
            let entry = ReasonEntry { principal: &principal, kind, key: &key, reason: "T", asked_at, until };
            let read =
                Reason { principal: name, kind, key: key.clone(), reason: "T".into(), asked_at, until };
            (Content::Reason(read), spool.append_reason(&entry))
        } else if self.rng.random_bool(0.1) {
            let (session, kind) = (Some(session), ControlKind::BudgetReached);
            let entry = ControlEntry { time, kind, principal: Some(&principal), session, by: "b", why: "w" };
            let (by, why) = ("b".into(), "w".into());
            let read = Control { time, kind, principal: Some(name), session: Some(read_session), by, why };
            (Content::Control(read), spool.append_control(&entry))
        } else {
            let fingerprint = self.rng.random_range(0..4);
            let (statement, sql) = (self.rng.random_range(0..99), format!("SELECT {fingerprint}"));
            let text = spool.statement_text(fingerprint, &sql);
            let (batch, sets) = self.batch();
            let (rows, outcome) = (batch.rows(), Outcome::Continues);
            let batch = &batch;
            let entry = DisclosureEntry {
                time,
                session,
                principal: &principal,
                statement,
                text: &text,
                outcome,
                batch,
                rows,
            };
            let text = Arc::new(StatementText { fingerprint, sql });
            let read = Disclosure {
                time,
                session: read_session,
                principal: name,
                statement,
                text,
                outcome,
                rows,
                sets,
            };
            (Content::Disclosure(read), spool.append_disclosure(&entry))
        };
        if let Ok(no) = appended {
            assert!(
                self.told.said.insert(no.0, said(&content)).is_none()
                    || !self.told.durable.contains_key(&no.0)
            );
            self.told.dropped.remove(&no.0);
            mine.push(no.0);
        }
    }

    fn batch(&mut self) -> (ShownBatch, Vec<SubjectSet>) {
        let mut batch = ShownBatch::default();
        let mut keys = Vec::new();
        for _ in 0..self.rng.random_range(1..20) {
            batch.begin_row();
            let key = self.rng.random_range(-9..2000);
            keys.push(key);
            batch.push(KindId(0), ShownKey::Int(key), FieldSet(1), Certainty::Exact);
        }
        keys.sort_unstable();
        keys.dedup();
        let (kind, certainty, fields) = (KindId(0), Certainty::Exact, FieldSet(1));
        (batch, vec![SubjectSet { kind, certainty, fields, subjects: Subjects::Ints(keys), erased: 0 }])
    }

    /// Writes down what callers would be told of their entries now.
    fn note(&mut self, spool: &Spool, mine: &mut Vec<u64>) {
        mine.retain(|no| match spool.settled(EntryNo(*no)) {
            None => true,
            Some(Ok(())) => self.told.durable.insert(*no, ()).is_some(),
            Some(Err(StoreError::Dropped { .. })) => self.told.dropped.insert(*no, ()).is_some(),
            Some(Err(_)) => false,
        });
    }

    /// Reads everything back and compares it with what was told.
    fn check(&self) {
        let reader = SpoolReader::open_on(self.disk.clone()).unwrap();
        let mut found = HashMap::new();
        let mut last = None;
        for entry in reader {
            let entry = entry.unwrap();
            let no = entry.no.0;
            assert!(last < Some(no), "entry numbers do not rise at {no}");
            last = Some(no);
            assert_eq!(self.told.said.get(&no), Some(&said(&entry.content)), "entry {no} was invented");
            assert!(!self.told.dropped.contains_key(&no), "dropped entry {no} came back");
            found.insert(no, ());
        }
        for no in self.told.durable.keys() {
            assert!(found.contains_key(no), "durable entry {no} is lost");
        }
    }
}

fn simulate(seed: u64) -> (usize, usize) {
    let mut world = World {
        rng: StdRng::seed_from_u64(seed),
        disk: FakeDisk::new(seed),
        told: Told::default(),
        time: 1 << 50,
    };
    for _ in 0..3 {
        world.live();
        world.check();
    }
    (world.told.durable.len(), world.told.dropped.len())
}

#[test]
fn spool_over_a_failing_disk_loses_nothing_acknowledged_and_invents_nothing() {
    let (mut durable, mut dropped) = (0, 0);
    for seed in 0..2_500 {
        let run = std::panic::catch_unwind(|| simulate(seed));
        let (d, x) = run.unwrap_or_else(|_| panic!("seed {seed}"));
        durable += d;
        dropped += x;
    }
    // The runs reach what they are about.
    assert!(durable > 50_000 && dropped > 5_000, "{durable} durable, {dropped} dropped");
}

#[test]
fn simulation_notices_a_disk_that_lies_about_syncs() {
    let lost = (0..50).filter(|seed| {
        std::panic::catch_unwind(|| {
            let mut world = World {
                rng: StdRng::seed_from_u64(*seed),
                disk: FakeDisk::new(*seed),
                told: Told::default(),
                time: 0,
            };
            world.live();
            // As if the last file had never been synced.
            let seq = *world.disk.platter.lock().unwrap().seen.last_key_value().unwrap().0;
            world.disk.platter.lock().unwrap().seen.get_mut(&seq).unwrap().truncate(64);
            world.check();
        })
        .is_err()
    });
    assert!(lost.count() > 10);
}
