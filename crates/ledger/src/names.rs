//! Sessions, principals and statement texts as cheap references, written once per file and cited by number.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rastro_model::{Login, Principal};

/// What is known of a session when it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionFacts {
    /// The role the session authenticated as.
    pub login: Login,
    /// The client's address, as `host:port`.
    pub client_addr: String,
    /// The database connected to.
    pub database: String,
    /// `application_name` at the start; may be empty.
    pub application: String,
}

/// Number in the dictionary of one section of the spool; section 0 never exists.
#[derive(Debug, Default)]
pub(crate) struct Numbered(AtomicU64);

impl Numbered {
    /// Returns the number given in `section`, if one was. Called under the encoder's lock only.
    pub(crate) fn get(&self, section: u32) -> Option<u32> {
        let packed = self.0.load(Ordering::Relaxed);
        (packed >> 32 == u64::from(section)).then_some(packed as u32)
    }

    pub(crate) fn set(&self, section: u32, number: u32) {
        self.0.store(u64::from(section) << 32 | u64::from(number), Ordering::Relaxed);
    }
}

#[derive(Debug)]
pub(crate) struct SessionCell {
    pub(crate) id: u64,
    pub(crate) facts: SessionFacts,
    pub(crate) number: Numbered,
    pub(crate) last_statement: AtomicU64,
}

/// A session; clones are cheap.
#[derive(Clone, Debug)]
pub struct SessionRef(pub(crate) Arc<SessionCell>);

impl SessionRef {
    pub(crate) fn new(id: u64, facts: SessionFacts) -> SessionRef {
        let (number, last_statement) = Default::default();
        SessionRef(Arc::new(SessionCell { id, facts, number, last_statement }))
    }

    /// Returns the session's number, given to no other session of this ledger, before or after a restart.
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// Returns what was known when the session began.
    pub fn facts(&self) -> &SessionFacts {
        &self.0.facts
    }
}

#[derive(Debug)]
pub(crate) struct PrincipalCell {
    pub(crate) name: Principal,
    pub(crate) number: Numbered,
}

/// A principal; clones are cheap.
#[derive(Clone, Debug)]
pub struct PrincipalRef(pub(crate) Arc<PrincipalCell>);

impl PrincipalRef {
    /// Returns the principal.
    pub fn principal(&self) -> &Principal {
        &self.0.name
    }
}

#[derive(Debug)]
pub(crate) struct TextCell {
    pub(crate) fingerprint: u64,
    pub(crate) text: Box<str>,
    pub(crate) number: Numbered,
}

/// A statement's text with its literals removed; clones are cheap.
#[derive(Clone, Debug)]
pub struct TextRef(pub(crate) Arc<TextCell>);

impl TextRef {
    /// Returns the fingerprint given.
    pub fn fingerprint(&self) -> u64 {
        self.0.fingerprint
    }

    /// Returns the normalised text, at most [`TEXT_MAX`] bytes.
    pub fn text(&self) -> &str {
        &self.0.text
    }
}

/// Greatest length of a normalised statement kept; the rest is cut off.
pub const TEXT_MAX: usize = 64 << 10;
/// Greatest length of any name, address, or reason kept.
pub(crate) const NAME_MAX: usize = 4 << 10;

/// Cuts `text` at a character so that at most `max` bytes are left.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max)).unwrap_or(text)
}

/// A cache in two generations: what was not asked for while a whole generation filled is forgotten.
#[derive(Debug)]
pub(crate) struct Cache<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    bytes: usize,
}

/// Entries and bytes of one generation: room for the statements of a large application.
const GENERATION_MAX: usize = 8192;
const GENERATION_BYTES_MAX: usize = 8 << 20;

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    pub(crate) fn new() -> Self {
        Cache { young: HashMap::new(), old: HashMap::new(), bytes: 0 }
    }

    /// Returns the value of `key`, keeping it for another generation.
    pub(crate) fn get(&mut self, key: &K, bytes: impl Fn(&V) -> usize) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = self.old.remove_entry(key)?;
        let len = bytes(&value);
        self.insert(key, value.clone(), len);
        Some(value)
    }

    pub(crate) fn insert(&mut self, key: K, value: V, bytes: usize) {
        if self.young.len() >= GENERATION_MAX || self.bytes >= GENERATION_BYTES_MAX {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.bytes = self.bytes.saturating_add(bytes);
        self.young.insert(key, value);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_forgets_the_unused_and_keeps_the_used() {
        let mut cache = Cache::new();
        cache.insert(u64::MAX, 7, 8);
        for key in 0..100_000u64 {
            cache.insert(key, 0, 8);
            assert_eq!(cache.get(&u64::MAX, |_| 8), Some(7));
        }
        assert!(cache.len() <= 2 * GENERATION_MAX + 1, "{}", cache.len());
        assert_eq!(cache.get(&0, |_| 8), None);
    }
}
