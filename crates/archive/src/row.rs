//! The rows of the archive's tables as values.

use std::sync::Arc;

use rastro_ledger::{ControlKind, Outcome, Session, StatementText, Subjects};
use rastro_model::{Certainty, Principal, SubjectKey};

use crate::columns::Malformed;
use crate::packed;

/// The key of a subject as the ledger holds it; sorts by type, then by value. Rows of which no subject is
/// known come last.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// smallint, integer or bigint.
    Int(i64),
    /// uuid, big-endian.
    Uuid(u128),
    /// Every other type, the bytes the server sent.
    Text(Box<[u8]>),
    /// So many rows without a known subject.
    Unattributed(u32),
}

impl Key {
    /// Returns the key as the other crates know it; `None` for unattributed rows.
    pub fn subject(&self) -> Option<SubjectKey> {
        match self {
            Key::Int(key) => Some(SubjectKey::Int(*key)),
            Key::Uuid(key) => Some(SubjectKey::Uuid(*key)),
            Key::Text(key) => Some(SubjectKey::Text(String::from_utf8_lossy(key).into())),
            Key::Unattributed(_) => None,
        }
    }

    /// Returns every key that a subject's text may stand for, whatever the type of its column.
    pub fn of_text(text: &str) -> Vec<Key> {
        let mut keys = vec![Key::Text(text.as_bytes().into())];
        if let Ok(key) = text.parse::<i64>()
            && key.to_string() == text
        {
            keys.push(Key::Int(key));
        }
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        if let Ok(key) = u128::from_str_radix(&digits, 16)
            && SubjectKey::Uuid(key).to_string() == text
        {
            keys.push(Key::Uuid(key));
        }
        keys
    }

    /// Returns the keys of a set.
    pub(crate) fn all_of(subjects: &Subjects) -> Box<dyn Iterator<Item = Key> + '_> {
        match subjects {
            Subjects::Ints(keys) => Box::new(keys.iter().copied().map(Key::Int)),
            Subjects::Uuids(keys) => Box::new(keys.iter().copied().map(Key::Uuid)),
            Subjects::Texts(keys) => Box::new(keys.iter().cloned().map(Key::Text)),
            Subjects::Unattributed { rows } => Box::new(std::iter::once(Key::Unattributed(*rows))),
        }
    }

    /// Returns the number of the key's type: the order of types in an entry.
    pub(crate) fn class(&self) -> u8 {
        match self {
            Key::Int(_) => 0,
            Key::Uuid(_) => 1,
            Key::Text(_) => 2,
            Key::Unattributed(_) => 3,
        }
    }
}

/// Returns the integers among keys.
pub(crate) fn ints_of(keys: &[Key]) -> impl Iterator<Item = i64> {
    keys.iter().filter_map(|key| if let Key::Int(key) = key { Some(*key) } else { None })
}

/// Returns the number of a set's type, as [`Key::class`].
pub(crate) fn class_of(subjects: &Subjects) -> u8 {
    match subjects {
        Subjects::Ints(_) => 0,
        Subjects::Uuids(_) => 1,
        Subjects::Texts(_) => 2,
        Subjects::Unattributed { .. } => 3,
    }
}

/// Joins keys of one type, in order, to a set; keys of another type are left out.
pub(crate) fn set_of(class: u8, keys: impl Iterator<Item = Key>) -> Subjects {
    match class {
        0 => Subjects::Ints(
            keys.filter_map(|key| if let Key::Int(key) = key { Some(key) } else { None }).collect(),
        ),
        1 => Subjects::Uuids(
            keys.filter_map(|key| if let Key::Uuid(key) = key { Some(key) } else { None }).collect(),
        ),
        2 => Subjects::Texts(
            keys.filter_map(|key| if let Key::Text(key) = key { Some(key) } else { None }).collect(),
        ),
        _ => {
            let rows =
                keys.filter_map(|key| if let Key::Unattributed(rows) = key { Some(rows) } else { None });
            Subjects::Unattributed { rows: rows.fold(0, u32::saturating_add) }
        }
    }
}

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Disclosure(Outcome),
    Reason,
    Control(ControlKind),
    ErasedReason,
    Erasure,
    Account,
}

impl What {
    const CONTROLS: [(&'static str, ControlKind); 9] = [
        ("gateway_started", ControlKind::GatewayStarted),
        ("gateway_stopped", ControlKind::GatewayStopped),
        ("suspended", ControlKind::Suspended),
        ("restored", ControlKind::Restored),
        ("budget_reached", ControlKind::BudgetReached),
        ("refused", ControlKind::Refused),
        ("configured", ControlKind::Configured),
        ("ledger_read", ControlKind::LedgerRead),
        ("imported", ControlKind::Imported),
    ];

    /// Returns the words of the columns `what` and `outcome`.
    pub(crate) fn words(self) -> (&'static str, Option<&'static str>) {
        match self {
            What::Disclosure(outcome) => ("disclosure", Some(outcome.as_str())),
            What::Reason => ("reason", None),
            What::ErasedReason => ("erased_reason", None),
            What::Erasure => ("erasure", None),
            What::Account => ("account", None),
            What::Control(kind) => {
                let word = What::CONTROLS.iter().find(|(_, known)| *known == kind);
                (word.map_or("control", |(word, _)| word), None)
            }
        }
    }

    /// Reads what [`What::words`] gave.
    pub(crate) fn of_words(what: &str, outcome: Option<&str>) -> Option<What> {
        match what {
            "disclosure" => {
                Outcome::ALL.into_iter().find(|known| Some(known.as_str()) == outcome).map(What::Disclosure)
            }
            "reason" => Some(What::Reason),
            "erased_reason" => Some(What::ErasedReason),
            "erasure" => Some(What::Erasure),
            "account" => Some(What::Account),
            _ => What::CONTROLS.iter().find(|(word, _)| *word == what).map(|(_, kind)| What::Control(*kind)),
        }
    }
}

/// A row of `statements`: an entry without its subjects.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Statement {
    pub(crate) entry: u64,
    pub(crate) time: i64,
    pub(crate) what: What,
    pub(crate) principal: Option<Principal>,
    pub(crate) session: Option<Arc<Session>>,
    pub(crate) ordinal: u64,
    pub(crate) text: Option<Arc<StatementText>>,
    pub(crate) rows: u32,
    pub(crate) by: Option<Arc<str>>,
    pub(crate) why: Option<Arc<str>>,
    /// Which of the segment's schemas.
    pub(crate) schema: u32,
}

impl Statement {
    /// Returns what the table is sorted by.
    pub(crate) fn order(&self) -> (Option<&Principal>, Option<u64>, u64) {
        (self.principal.as_ref(), self.session.as_ref().map(|session| session.id), self.entry)
    }
}

/// What subjects have in common that were shown in the same way; kind and fields as text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Combination {
    /// Name of the `[[subject]]`.
    pub kind: Arc<str>,
    /// Names of the fields, joined by `;`.
    pub fields: Arc<str>,
    /// How sure.
    pub certainty: Certainty,
}

/// A row of `disclosures`: a subject of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Disclosed {
    pub(crate) key: Key,
    /// Row of `statements`.
    pub(crate) row: u64,
    pub(crate) combination: Arc<Combination>,
}

impl Disclosed {
    /// Returns what the table is sorted by.
    pub(crate) fn order(&self) -> (&str, &Key, u64, &Combination) {
        (&self.combination.kind, &self.key, self.row, &self.combination)
    }
}

/// A row of `sets`: the subjects of an entry that are too many for a row each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BulkSet {
    pub(crate) facts: SetFacts,
    pub(crate) coded: Vec<u8>,
}

/// What such a row says beside the set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SetFacts {
    pub(crate) row: u64,
    /// Place among the entry's sets, where that does not follow from what they hold.
    pub(crate) place: Option<u32>,
    pub(crate) combination: Arc<Combination>,
    pub(crate) class: u8,
    pub(crate) subjects: u64,
    /// Least and greatest integer key.
    pub(crate) span: Option<(i64, i64)>,
}

impl BulkSet {
    /// Returns whether what the row says beside the set is true of it.
    pub(crate) fn is_consistent(&self) -> bool {
        let Ok((subjects, _)) = packed::decode(&self.coded) else { return false };
        let span = match &subjects {
            Subjects::Ints(keys) => keys.first().copied().zip(keys.last().copied()),
            _ => None,
        };
        let facts = &self.facts;
        class_of(&subjects) == facts.class && subjects.len() as u64 == facts.subjects && span == facts.span
    }
}

/// A row of `reasons`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReasonRow {
    pub(crate) row: u64,
    pub(crate) kind: Arc<str>,
    pub(crate) key: Key,
    pub(crate) until: i64,
    pub(crate) reason: Arc<str>,
}

/// A row of `exposure`: the distinct subjects that a principal was shown in the same way, or in one of several.
#[derive(Clone, Debug)]
pub(crate) struct Exposed {
    pub(crate) principal: Principal,
    /// One or more, of the same kind.
    pub(crate) ways: Vec<Arc<Combination>>,
    pub(crate) class: u8,
    pub(crate) subjects: u64,
    /// Rows of `disclosures` behind it.
    pub(crate) disclosures: u64,
    pub(crate) coded: Vec<u8>,
}

impl Exposed {
    /// Returns the subjects of each way.
    pub(crate) fn sets(&self) -> Result<Vec<(Arc<Combination>, Subjects)>, Malformed> {
        let sets = match &*self.ways {
            [_] => vec![packed::decode(&self.coded)?.0],
            _ => packed::decode_ways(&self.coded)?.into_iter().map(Subjects::Ints).collect(),
        };
        if sets.len() != self.ways.len() || sets.iter().any(|set| class_of(set) != self.class) {
            return Err("coded");
        }
        Ok(self.ways.iter().cloned().zip(sets).collect())
    }

    /// Returns whether there are as many distinct subjects as the row says.
    pub(crate) fn is_consistent(&self) -> bool {
        let mut keys: Vec<Key> = Vec::new();
        let Ok(sets) = self.sets() else { return false };
        sets.iter().for_each(|(_, subjects)| keys.extend(Key::all_of(subjects)));
        keys.sort_unstable();
        keys.dedup();
        keys.len() as u64 == self.subjects
    }
}
