//! Rolling windows of distinct subjects.
//!
//! A window of length W is kept in slices of W / 1024, at least 1 ms. A subject belongs to the slice it was
//! last shown in; slice s covers `s * slice .. (s + 1) * slice` and leaves the window once `(s + 1) * slice
//! + W` has come. So a subject counts for at least W after it was last shown, at most W and a slice.
//!
//! Memory: integer keys are roaring bitmaps, one for the window and one for each slice in which something
//! was shown (10 million consecutive keys: about 3 MB). Other keys take about 80 bytes each.

mod hashed;
mod ints;

use std::time::Duration;

use rastro_model::Timestamp;

pub(crate) use hashed::HashedWindow;
use ints::IntWindow;

use crate::identity::SubjectId;

const SLICES: i64 = 1024;
const SLICE_MICROS_MIN: i64 = 1_000;

/// The number of a slice: time divided by the length of a slice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Slice(i64);

/// Lengths of window and slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    window_micros: i64,
    slice_micros: i64,
}

impl Span {
    pub(crate) fn new(window: Duration) -> Span {
        let window_micros = i64::try_from(window.as_micros()).unwrap_or(i64::MAX);
        Span { window_micros, slice_micros: (window_micros / SLICES).max(SLICE_MICROS_MIN) }
    }

    pub(crate) fn slice_of(self, time: Timestamp) -> Slice {
        Slice(time.0.div_euclid(self.slice_micros))
    }

    /// Returns the oldest slice that still counts at `now`.
    pub(crate) fn oldest_live(self, now: Timestamp) -> Slice {
        self.slice_of(now.minus_micros(self.window_micros))
    }
}

/// What an attempt to count a subject met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Added {
    /// It was counted before.
    Present,
    /// It is counted now.
    New,
    /// It would be one too many.
    Full,
}

/// At most `limit` distinct subjects.
///
/// Counting has two steps, so that a row with several subjects is counted as a whole or not at all:
/// [`add`](Self::add) each, then [`touch`](Self::touch) each, or [`undo`](Self::undo) the new ones.
#[derive(Debug)]
pub(crate) struct DistinctWindow {
    limit: u64,
    count: u64,
    ints: IntWindow,
    hashed: HashedWindow,
}

impl DistinctWindow {
    pub(crate) fn new(limit: u64) -> DistinctWindow {
        DistinctWindow { limit, count: 0, ints: IntWindow::default(), hashed: HashedWindow::default() }
    }

    pub(crate) fn add(&mut self, id: SubjectId, slice: Slice) -> Added {
        let fits = self.count < self.limit;
        let new = match id.as_int() {
            Some((kind, value)) if fits => self.ints.insert(kind, value),
            Some((kind, value)) => !self.ints.contains(kind, value),
            None if fits => self.hashed.insert(id, slice),
            None => !self.hashed.contains(id),
        };
        match (new, fits) {
            (false, _) => Added::Present,
            (true, false) => Added::Full,
            (true, true) => {
                self.count += 1;
                Added::New
            }
        }
    }

    /// Notes that a counted subject was shown in `slice`.
    pub(crate) fn touch(&mut self, id: SubjectId, slice: Slice) {
        match id.as_int() {
            Some((kind, value)) => self.ints.touch(kind, value, slice),
            None => self.hashed.touch(id, slice),
        }
    }

    /// The same for a subject that may not be counted, as in observe mode.
    pub(crate) fn touch_counted(&mut self, id: SubjectId, slice: Slice) {
        if self.count < self.limit || self.contains(id) {
            self.touch(id, slice);
        }
    }

    fn contains(&self, id: SubjectId) -> bool {
        match id.as_int() {
            Some((kind, value)) => self.ints.contains(kind, value),
            None => self.hashed.contains(id),
        }
    }

    /// Takes back what [`add`](Self::add) counted as new and nothing touched since.
    pub(crate) fn undo(&mut self, id: SubjectId) {
        match id.as_int() {
            Some((kind, value)) => self.ints.undo(kind, value),
            None => self.hashed.remove(id),
        }
        self.count = self.count.saturating_sub(1);
    }

    /// Counts integer keys, as far as they fit.
    pub(crate) fn add_ints(&mut self, kind: rastro_model::KindId, keys: &[i64], slice: Slice) {
        let room = self.limit.saturating_sub(self.count);
        self.count += self.ints.extend(kind, keys, slice, room);
    }

    pub(crate) fn expire(&mut self, oldest: Slice) {
        let gone = self.ints.expire(oldest) + self.hashed.expire(oldest);
        self.count = self.count.saturating_sub(gone);
    }

    pub(crate) fn len(&self) -> u64 {
        self.count
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }
}
