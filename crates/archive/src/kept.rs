//! What questions read of an archive's files, unpacked and kept in memory for those that follow.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use rastro_model::Principal;

use crate::archive::Told;
use crate::row::{Disclosed, Exposed, Key};

/// Bytes kept of each table.
const BYTES_MAX: u64 = 256 << 20;

/// Bytes of large sets kept: what a year of nightly reads of 120,000 takes.
const SETS_BYTES_MAX: u64 = 256 << 20;

/// Rows of `statements` that are kept together.
pub(crate) const TOLD_ROWS: u32 = 256;

/// Rows, with what they take in memory.
#[derive(Clone)]
pub(crate) struct Rows<R> {
    rows: Arc<[R]>,
    bytes: u64,
}

impl<R> Rows<R> {
    pub(crate) fn new(rows: Vec<R>, beyond: impl Fn(&R) -> usize) -> Rows<R> {
        let bytes = rows.iter().map(|row| size_of::<R>() + beyond(row)).sum::<usize>() as u64;
        Rows { rows: rows.into(), bytes }
    }
}

impl<R> Deref for Rows<R> {
    type Target = [R];

    fn deref(&self) -> &[R] {
        &self.rows
    }
}

#[derive(Clone)]
pub(crate) struct Bytes;

impl<K, R> Weighter<K, Rows<R>> for Bytes {
    fn weight(&self, _: &K, rows: &Rows<R>) -> u64 {
        // What weighs nothing would never go.
        rows.bytes + 1
    }
}

type Parts<K, R> = Cache<K, Rows<R>, Bytes>;

/// Parts of the tables of one state of an archive; what was not asked for lately gives way. Segments are told apart by
/// their first entry.
pub(crate) struct Kept {
    /// Of `disclosures`, the rows of a page of a column of keys, by column and first row; sorted by key.
    pub(crate) disclosed: Parts<(u64, &'static str, usize), Disclosed>,
    /// Of `statements`, [`TOLD_ROWS`] rows, by their place.
    pub(crate) told: Parts<(u64, u32), Told>,
    /// Of `exposure`, the rows of a principal.
    pub(crate) exposed: Parts<(u64, Principal), Exposed>,
    room_for_sets: AtomicU64,
}

impl Kept {
    /// Takes room for large sets, if there is so much.
    pub(crate) fn take_room(&self, bytes: u64) -> bool {
        let less = |left: u64| left.checked_sub(bytes);
        self.room_for_sets.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

impl Default for Kept {
    fn default() -> Kept {
        Kept {
            disclosed: Cache::with_weighter(1 << 10, BYTES_MAX, Bytes),
            told: Cache::with_weighter(1 << 14, BYTES_MAX, Bytes),
            exposed: Cache::with_weighter(1 << 10, BYTES_MAX, Bytes),
            room_for_sets: AtomicU64::new(SETS_BYTES_MAX),
        }
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

/// Returns the bytes that a key has elsewhere.
pub(crate) fn bytes_beyond(key: &Key) -> usize {
    if let Key::Text(text) = key { text.len() } else { 0 }
}
