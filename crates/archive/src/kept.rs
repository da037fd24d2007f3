//! What questions read of an archive's files, kept in memory for those that follow.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use rastro_model::Principal;

use crate::archive::Told;
use crate::packed::Findable;
use crate::row::{Disclosed, Exposed, Key};

/// Bytes kept of each table: of `sets` what a year of nightly reads of 120,000 takes.
const BYTES_MAX: u64 = 256 << 20;

/// What something kept takes beside its own size.
const ABOUT_ITEM: usize = 64;

/// Something that has more memory than that of its own size.
pub(crate) trait Held {
    /// Returns how many bytes more.
    fn held(&self) -> usize;
}

impl Held for usize {
    fn held(&self) -> usize {
        0
    }
}

impl Held for Key {
    fn held(&self) -> usize {
        if let Key::Text(text) = self { text.len() } else { 0 }
    }
}

impl Held for Principal {
    fn held(&self) -> usize {
        self.as_str().len()
    }
}

impl Held for Disclosed {
    fn held(&self) -> usize {
        self.key.held()
    }
}

impl Held for Told {
    fn held(&self) -> usize {
        self.principal.as_ref().map_or(0, Held::held)
    }
}

impl Held for Exposed {
    fn held(&self) -> usize {
        self.coded.len()
    }
}

impl Held for Findable {
    fn held(&self) -> usize {
        self.bytes()
    }
}

impl<R: Held> Held for Arc<[R]> {
    fn held(&self) -> usize {
        self.iter().map(|row| size_of::<R>() + row.held()).sum()
    }
}

#[derive(Clone)]
pub(crate) struct Bytes;

impl<K: Held, V: Held> Weighter<(u64, K), V> for Bytes {
    fn weight(&self, (_, key): &(u64, K), value: &V) -> u64 {
        (ABOUT_ITEM + size_of::<K>() + size_of::<V>() + key.held() + value.held()) as u64
    }
}

type Part<K, V> = Cache<(u64, K), V, Bytes>;

/// Parts of the tables of one state of an archive; what was not asked for lately gives way. Segments are told apart by
/// their first entry.
pub(crate) struct Kept {
    /// Of `disclosures`, the rows of a subject, also where there is none.
    pub(crate) disclosed: Part<Key, Arc<[Disclosed]>>,
    /// Of `statements`, a row by its place.
    pub(crate) told: Part<usize, Told>,
    /// Of `exposure`, the rows of a principal.
    pub(crate) exposed: Part<Principal, Arc<[Exposed]>>,
    /// Of `sets`, a page by the place of its first row.
    pub(crate) sets: Part<usize, Arc<[Findable]>>,
}

impl Default for Kept {
    fn default() -> Kept {
        Kept {
            disclosed: Cache::with_weighter(1 << 14, BYTES_MAX, Bytes),
            told: Cache::with_weighter(1 << 14, BYTES_MAX, Bytes),
            exposed: Cache::with_weighter(1 << 10, BYTES_MAX, Bytes),
            sets: Cache::with_weighter(1 << 8, BYTES_MAX, Bytes),
        }
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}
