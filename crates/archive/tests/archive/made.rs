//! Entries made at random, of every form that the spool knows.

use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};
use rastro_archive::ArchiveError;
use rastro_ledger::{
    Account, Content, Control, ControlKind, Disclosure, Entry, EntryNo, ErasedReason, Erasure, Outcome,
    PlacedEntry, Reason, Schema, Session, SessionAccount, SessionFacts, StatementText, SubjectSet, Subjects,
};
use rastro_model::{Certainty, FieldSet, KindId, Login, Principal, SubjectKey, Timestamp};

pub const DAY: i64 = 86_400_000_000;
pub const START: i64 = 1_700_000_000_000_000;

/// Makes entries one after another.
pub struct Maker {
    rng: SmallRng,
    pub time: i64,
    next: u64,
    position: u64,
    file: u64,
    schemas: [Arc<Schema>; 2],
    sessions: Vec<Arc<Session>>,
    texts: Vec<Arc<StatementText>>,
    /// Subjects of a set that is too large for rows; 0: none.
    pub bulk: usize,
}

impl Maker {
    pub fn new(seed: u64) -> Maker {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let sessions = (0..6).map(|i| {
            Arc::new(Session {
                id: (1 << 32) + i,
                facts: SessionFacts {
                    login: Login::new(["desk", "batch"][i as usize % 2]),
                    client_addr: format!("10.0.0.{i}:5{i}000"),
                    database: "support".to_owned(),
                    application: if i == 0 { String::new() } else { "app".to_owned() },
                },
            })
        });
        let texts = (0..4).map(|i| {
            Arc::new(StatementText { fingerprint: u64::MAX - i, sql: format!("SELECT $1 FROM t{i}\n") })
        });
        Maker {
            rng: SmallRng::seed_from_u64(seed),
            time: START,
            next: 0,
            position: 0,
            file: 1,
            schemas: [
                Arc::new(Schema { kinds: names(&["customer"]), fields: names(&["name", "email"]) }),
                Arc::new(Schema {
                    kinds: names(&["customer", "patient"]),
                    fields: names(&["email", "name", "a;b"]),
                }),
            ],
            sessions: sessions.collect(),
            texts: texts.collect(),
            bulk: 1500,
        }
    }

    pub fn entries(&mut self, count: usize) -> Vec<PlacedEntry> {
        (0..count).map(|_| self.entry()).collect()
    }

    pub fn entry(&mut self) -> PlacedEntry {
        let begins = self.position == 0 || self.rng.random_ratio(1, 40);
        self.file += u64::from(begins && self.position > 0);
        // Numbers that a full disk took are not used again.
        self.next += u64::from(self.rng.random_ratio(1, 30)) * 3;
        self.time += self.rng.random_range(-1_000..3_000_000);
        let schema = Arc::clone(&self.schemas[usize::from(self.rng.random_ratio(1, 4))]);
        let principal = Principal::new(["ana", "ben", "", "čeněk"][self.rng.random_range(0..4)]);
        let content = match self.rng.random_range(0..10) {
            0 => Content::Reason(Reason {
                principal,
                kind: KindId(self.rng.random_range(0..3)),
                key: match self.rng.random_range(0..3) {
                    0 => SubjectKey::Int(self.rng.random_range(-3..30)),
                    1 => SubjectKey::Uuid(self.rng.random()),
                    _ => SubjectKey::Text("K-1".into()),
                },
                reason: "T-7 \"urgent\"".to_owned(),
                asked_at: Timestamp(self.time),
                until: Timestamp(self.time + 1_000_000),
            }),
            1 => Content::Control(Control {
                time: Timestamp(self.time),
                kind: ControlKind::ALL[self.rng.random_range(0..ControlKind::ALL.len())],
                principal: self.rng.random_bool(0.5).then_some(principal),
                session: self.rng.random_bool(0.5).then(|| Arc::clone(&self.sessions[0])),
                by: "gateway".to_owned(),
                why: String::new(),
            }),
            2 => match self.rng.random_range(0..3) {
                0 => Content::ErasedReason(ErasedReason {
                    principal,
                    asked_at: Timestamp(self.time),
                    until: Timestamp(self.time + 1_000_000),
                }),
                1 => Content::Erasure(Erasure {
                    time: Timestamp(self.time),
                    number: self.rng.random(),
                    places: self.rng.random(),
                    list: self.rng.random(),
                    by: "ana".to_owned(),
                    why: "request of 12 \"May\"".to_owned(),
                }),
                _ => Content::Account(SessionAccount {
                    time: Timestamp(self.time),
                    session: Arc::clone(&self.sessions[0]),
                    account: Account {
                        reported: self.rng.next_u64(),
                        recorded: self.rng.next_u64(),
                        ended: self.rng.random(),
                        ..Account::default()
                    },
                }),
            },
            _ => Content::Disclosure(Disclosure {
                time: Timestamp(self.time),
                session: Arc::clone(&self.sessions[self.rng.random_range(0..6)]),
                principal,
                statement: self.rng.next_u64() >> self.rng.random_range(0..64),
                text: Arc::clone(&self.texts[self.rng.random_range(0..4)]),
                outcome: Outcome::ALL[self.rng.random_range(0..Outcome::ALL.len())],
                rows: self.rng.random_range(0..100),
                sets: self.sets(),
            }),
        };
        let entry = Entry { no: EntryNo(self.next), schema, content };
        let header = begins.then(|| [u8::try_from(self.file % 251).unwrap(); 64]);
        let placed = PlacedEntry { position: self.position, file: self.file, header, entry };
        self.next += 1;
        self.position += 1;
        placed
    }

    fn sets(&mut self) -> Vec<SubjectSet> {
        let mut sets: Vec<SubjectSet> = (0..self.rng.random_range(0..4)).map(|_| self.set()).collect();
        // Mostly in the order that the spool's writer gives them.
        if self.rng.random_ratio(9, 10) {
            let class = |set: &SubjectSet| match set.subjects {
                Subjects::Ints(_) => 0,
                Subjects::Uuids(_) => 1,
                Subjects::Texts(_) => 2,
                Subjects::Unattributed { .. } => 3,
            };
            let order = |set: &SubjectSet| (class(set), set.kind, set.certainty, set.fields);
            sets.sort_by_key(order);
            sets.dedup_by_key(|set| order(set));
        }
        sets
    }

    fn set(&mut self) -> SubjectSet {
        let count = if self.bulk > 0 && self.rng.random_ratio(1, 20) { self.bulk } else { 4 };
        let count = self.rng.random_range(1..=count);
        let subjects = match self.rng.random_range(0..8) {
            0 => {
                let mut keys: Vec<u128> = (0..count).map(|_| self.rng.random()).collect();
                keys.sort_unstable();
                Subjects::Uuids(keys)
            }
            1 => {
                let mut keys: Vec<Box<[u8]>> = (0..count)
                    .map(|i| match self.rng.random_ratio(1, 5) {
                        true => [0xff, 0xfe, u8::try_from(i % 250).unwrap()].into(),
                        false => format!("K-{}", self.rng.random_range(0..1000)).into_bytes().into(),
                    })
                    .collect();
                keys.sort_unstable();
                keys.dedup();
                Subjects::Texts(keys)
            }
            2 => Subjects::Unattributed { rows: self.rng.random_range(1..9) },
            _ => {
                let mut keys: Vec<i64> = (0..count).map(|_| self.rng.random_range(-5..3000)).collect();
                keys.sort_unstable();
                keys.dedup();
                Subjects::Ints(keys)
            }
        };
        SubjectSet {
            kind: KindId(self.rng.random_range(0..3)),
            certainty: [Certainty::Exact, Certainty::Derived, Certainty::Possible]
                [self.rng.random_range(0..3)],
            fields: FieldSet(self.rng.random_range(0..16)),
            erased: match &subjects {
                Subjects::Unattributed { .. } => 0,
                _ if self.rng.random_ratio(1, 20) => self.rng.random_range(1..4),
                _ => 0,
            },
            subjects,
        }
    }
}

/// Gives entries as a spool would.
pub fn source(entries: &[PlacedEntry]) -> impl Iterator<Item = Result<PlacedEntry, ArchiveError>> {
    entries.iter().cloned().map(Ok)
}
