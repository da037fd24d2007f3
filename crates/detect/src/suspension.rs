use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use rastro_model::{Principal, Timestamp};
use serde::{Deserialize, Serialize};

/// Restorations remembered in the file; the ledger keeps them all.
const RESTORED_MAX: usize = 1_000;
const VERSION: u32 = 1;

/// Why a principal receives nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Suspension {
    /// Who suspended.
    pub who: String,
    /// The reason given.
    pub why: String,
    /// Since when.
    pub since: Timestamp,
}

/// A suspension that ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Restoration {
    /// Whom.
    pub principal: Principal,
    /// Who restored.
    pub who: String,
    /// The reason given.
    pub why: String,
    /// When.
    pub at: Timestamp,
}

/// A file of suspensions that cannot be read. Whoever reads it keeps what was in force.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SuspensionFileError {
    /// Not JSON of the expected shape.
    #[error("suspensions are not valid JSON of version {VERSION}")]
    Json(#[source] serde_json::Error),
    /// Written by a newer Rastro.
    #[error("suspensions have version {found}, expected {VERSION}")]
    Version {
        /// The version found.
        found: u32,
    },
    /// A time that is not RFC 3339.
    #[error("suspension of `{principal}` has the invalid time `{time}`")]
    Time {
        /// Whose entry.
        principal: String,
        /// The text found.
        time: String,
    },
}

/// The suspended principals. `generation` rises with every change.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Suspensions {
    generation: u64,
    suspended: BTreeMap<Principal, Suspension>,
    restored: Vec<Restoration>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    generation: u64,
    suspended: Vec<Entry>,
    #[serde(default)]
    restored: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    principal: String,
    who: String,
    why: String,
    at: String,
}

impl Entry {
    fn time(&self) -> Result<Timestamp, SuspensionFileError> {
        self.at.parse().map_err(|_| SuspensionFileError::Time {
            principal: self.principal.clone(),
            time: self.at.clone(),
        })
    }
}

impl Suspensions {
    /// Returns the suspension of a principal.
    pub fn of(&self, principal: &Principal) -> Option<&Suspension> {
        self.suspended.get(principal)
    }

    /// Iterates over the suspended principals, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&Principal, &Suspension)> {
        self.suspended.iter()
    }

    /// Returns the restorations remembered, oldest first.
    pub fn restorations(&self) -> &[Restoration] {
        &self.restored
    }

    /// Returns the number of changes so far.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Suspends a principal; returns false, and changes nothing, if it is suspended already.
    pub fn suspend(&mut self, principal: Principal, suspension: Suspension) -> bool {
        if self.suspended.contains_key(&principal) {
            return false;
        }
        self.suspended.insert(principal, suspension);
        self.generation = self.generation.saturating_add(1);
        true
    }

    /// Ends a suspension; returns false, and changes nothing, if there is none.
    pub fn restore(&mut self, restoration: Restoration) -> bool {
        if self.suspended.remove(&restoration.principal).is_none() {
            return false;
        }
        self.restored.push(restoration);
        self.forget_old();
        self.generation = self.generation.saturating_add(1);
        true
    }

    /// Joins what two gateways know. Of two suspensions of a principal the earlier stays; a restoration at
    /// or after the start of a suspension ends it.
    pub fn merge(&mut self, other: &Suspensions) {
        for (principal, theirs) in &other.suspended {
            let ours = self.suspended.entry(principal.clone()).or_insert_with(|| theirs.clone());
            if theirs.since < ours.since {
                *ours = theirs.clone();
            }
        }
        for restoration in &other.restored {
            if !self.restored.contains(restoration) {
                self.restored.push(restoration.clone());
            }
        }
        self.restored.sort_by_key(|restoration| restoration.at);
        let restored = &self.restored;
        self.suspended.retain(|principal, suspension| {
            !restored.iter().any(|end| end.principal == *principal && end.at >= suspension.since)
        });
        self.forget_old();
        self.generation = self.generation.max(other.generation).saturating_add(1);
    }

    /// Reads what [`render`](Self::render) wrote.
    ///
    /// # Errors
    /// Not JSON of this shape, a newer version, an invalid time.
    pub fn parse(text: &str) -> Result<Suspensions, SuspensionFileError> {
        let file: File = serde_json::from_str(text).map_err(SuspensionFileError::Json)?;
        if file.version != VERSION {
            return Err(SuspensionFileError::Version { found: file.version });
        }
        let mut read = Suspensions { generation: file.generation, ..Suspensions::default() };
        for entry in file.suspended {
            let since = entry.time()?;
            let suspension = Suspension { who: entry.who, why: entry.why, since };
            read.suspended.insert(Principal::new(entry.principal), suspension);
        }
        for entry in file.restored {
            let at = entry.time()?;
            let principal = Principal::new(entry.principal);
            read.restored.push(Restoration { principal, who: entry.who, why: entry.why, at });
        }
        Ok(read)
    }

    /// Returns the text of `suspended.json`, ending in a newline.
    pub fn render(&self) -> String {
        let suspended = self.suspended.iter().map(|(principal, suspension)| Entry {
            principal: principal.as_str().to_owned(),
            who: suspension.who.clone(),
            why: suspension.why.clone(),
            at: suspension.since.to_string(),
        });
        let restored = self.restored.iter().map(|restoration| Entry {
            principal: restoration.principal.as_str().to_owned(),
            who: restoration.who.clone(),
            why: restoration.why.clone(),
            at: restoration.at.to_string(),
        });
        let file = File {
            version: VERSION,
            generation: self.generation,
            suspended: suspended.collect(),
            restored: restored.collect(),
        };
        // Strings and numbers only: nothing here can fail to serialise.
        let mut text = serde_json::to_string_pretty(&file).unwrap_or_default();
        text.push('\n');
        text
    }

    fn forget_old(&mut self) {
        let excess = self.restored.len().saturating_sub(RESTORED_MAX);
        self.restored.drain(..excess);
    }
}

/// The suspensions in force, shared by all sessions. A session looks again only when
/// [`generation`](Self::generation) has changed, which costs one atomic load.
#[derive(Debug, Default)]
pub struct SuspensionBoard {
    generation: AtomicU64,
    current: RwLock<Arc<Suspensions>>,
}

impl SuspensionBoard {
    /// Starts with `suspensions` in force.
    pub fn new(suspensions: Suspensions) -> SuspensionBoard {
        SuspensionBoard { generation: AtomicU64::new(0), current: RwLock::new(Arc::new(suspensions)) }
    }

    /// Returns a number that changes whenever what is in force changes.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Returns what is in force.
    pub fn current(&self) -> Arc<Suspensions> {
        Arc::clone(&self.current.read())
    }

    /// Returns whether a principal is suspended.
    pub fn is_suspended(&self, principal: &Principal) -> bool {
        self.current.read().of(principal).is_some()
    }

    /// Puts `suspensions` in force; returns whether anything changed.
    pub fn replace(&self, suspensions: Suspensions) -> bool {
        let mut current = self.current.write();
        if **current == suspensions {
            return false;
        }
        *current = Arc::new(suspensions);
        self.generation.fetch_add(1, Ordering::Release);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suspension(since: i64) -> Suspension {
        Suspension { who: "ana".into(), why: "harvest \"x\"".into(), since: Timestamp(since) }
    }

    fn restoration(principal: &str, at: i64) -> Restoration {
        Restoration {
            principal: Principal::new(principal),
            who: "bo".into(),
            why: "cleared".into(),
            at: Timestamp(at),
        }
    }

    #[test]
    fn rendered_suspensions_are_read_back() {
        let mut set = Suspensions::default();
        assert!(set.suspend(Principal::new("mallory"), suspension(5)));
        assert!(set.suspend(Principal::new("eve"), suspension(6)));
        assert!(!set.suspend(Principal::new("eve"), suspension(7)));
        assert!(set.restore(restoration("eve", 8)));
        assert!(!set.restore(restoration("eve", 9)));
        assert_eq!(set.generation(), 3);
        assert_eq!(Suspensions::parse(&set.render()).unwrap(), set);
    }

    #[test]
    fn unreadable_suspensions_are_refused() {
        for text in ["", "[]", "{\"version\":2,\"generation\":0,\"suspended\":[]}", "{\"version\":1}"] {
            assert!(Suspensions::parse(text).is_err(), "{text}");
        }
        let time =
            r#"{"version":1,"generation":0,"suspended":[{"principal":"p","who":"w","why":"y","at":"noon"}]}"#;
        assert!(matches!(Suspensions::parse(time), Err(SuspensionFileError::Time { .. })));
    }

    #[test]
    fn merge_keeps_the_earlier_suspension_and_applies_restorations() {
        let mut ours = Suspensions::default();
        ours.suspend(Principal::new("a"), suspension(10));
        ours.suspend(Principal::new("b"), suspension(10));
        let mut theirs = Suspensions::default();
        theirs.suspend(Principal::new("a"), suspension(5));
        theirs.suspend(Principal::new("b"), suspension(10));
        theirs.restore(restoration("b", 20));
        ours.merge(&theirs);
        assert_eq!(ours.of(&Principal::new("a")).unwrap().since, Timestamp(5));
        assert_eq!(ours.of(&Principal::new("b")), None);
    }

    #[test]
    fn board_changes_its_generation_only_with_its_content() {
        let board = SuspensionBoard::default();
        let mut set = Suspensions::default();
        set.suspend(Principal::new("eve"), suspension(1));
        let before = board.generation();
        assert!(board.replace(set.clone()));
        assert_ne!(board.generation(), before);
        assert!(board.is_suspended(&Principal::new("eve")));
        let after = board.generation();
        assert!(!board.replace(set));
        assert_eq!(board.generation(), after);
    }
}
