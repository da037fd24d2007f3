use std::collections::VecDeque;

use rastro_model::KindId;
use roaring::RoaringTreemap;

use super::Slice;

/// Integer keys of every kind, by position.
#[derive(Debug, Default)]
struct KindSets(Vec<RoaringTreemap>);

impl KindSets {
    fn of(&mut self, kind: KindId) -> Option<&mut RoaringTreemap> {
        let index = usize::from(kind.0);
        if self.0.len() <= index {
            self.0.resize_with(index + 1, RoaringTreemap::new);
        }
        self.0.get_mut(index)
    }

    fn subtract(&mut self, other: &KindSets) {
        for (set, other) in self.0.iter_mut().zip(&other.0) {
            *set -= other;
        }
    }

    fn unite(&mut self, other: KindSets) {
        for (index, other) in other.0.into_iter().enumerate() {
            match self.0.get_mut(index) {
                Some(set) => *set |= other,
                None => self.0.push(other),
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(RoaringTreemap::is_empty)
    }

    fn len(&self) -> u64 {
        self.0.iter().map(RoaringTreemap::len).sum()
    }
}

/// Integer keys: all of the window, and those shown in each slice. A key shown in several slices is in each.
#[derive(Debug, Default)]
pub(super) struct IntWindow {
    all: KindSets,
    /// Rising by slice; only slices in which something was shown.
    slices: VecDeque<(Slice, KindSets)>,
}

impl IntWindow {
    /// Returns whether the key is new.
    pub(super) fn insert(&mut self, kind: KindId, value: u64) -> bool {
        self.all.of(kind).is_some_and(|set| set.insert(value))
    }

    pub(super) fn contains(&self, kind: KindId, value: u64) -> bool {
        self.all.0.get(usize::from(kind.0)).is_some_and(|set| set.contains(value))
    }

    pub(super) fn undo(&mut self, kind: KindId, value: u64) {
        if let Some(set) = self.all.of(kind) {
            set.remove(value);
        }
    }

    pub(super) fn touch(&mut self, kind: KindId, value: u64, slice: Slice) {
        if let Some(set) = self.slice(slice).and_then(|sets| sets.of(kind)) {
            set.insert(value);
        }
    }

    /// Inserts keys, at most `room` new ones; returns how many were new.
    pub(super) fn extend(&mut self, kind: KindId, keys: &[i64], slice: Slice, room: u64) -> u64 {
        let mut new = 0;
        for key in keys {
            let value = key.cast_unsigned();
            let counted = if new < room { self.insert(kind, value) } else { !self.contains(kind, value) };
            if counted && new >= room {
                continue;
            }
            new += u64::from(counted);
            self.touch(kind, value, slice);
        }
        new
    }

    /// Drops the slices before `oldest` and returns how many keys left the window. The cost is that of the
    /// dropped keys, times the slices in which other keys were shown.
    pub(super) fn expire(&mut self, oldest: Slice) -> u64 {
        if self.slices.front().is_none_or(|(slice, _)| *slice >= oldest) {
            return 0;
        }
        if self.slices.back().is_some_and(|(slice, _)| *slice < oldest) {
            self.slices = VecDeque::new();
            return std::mem::take(&mut self.all).len();
        }
        let mut gone = KindSets::default();
        while let Some((slice, sets)) = self.slices.pop_front() {
            if slice >= oldest {
                self.slices.push_front((slice, sets));
                break;
            }
            gone.unite(sets);
        }
        for (_, later) in &self.slices {
            if gone.is_empty() {
                return 0;
            }
            gone.subtract(later);
        }
        self.all.subtract(&gone);
        gone.len()
    }

    fn slice(&mut self, slice: Slice) -> Option<&mut KindSets> {
        if self.slices.back().is_none_or(|(last, _)| *last < slice) {
            // The slice before is complete: runs of consecutive keys shrink to a few bytes.
            if let Some((_, sets)) = self.slices.back_mut() {
                sets.0.iter_mut().for_each(|set| {
                    set.optimize();
                });
            }
            self.slices.push_back((slice, KindSets::default()));
        } else if self.slices.back().is_some_and(|(last, _)| *last > slice) {
            // The clock was set back.
            let at = self.slices.partition_point(|(other, _)| *other < slice);
            if self.slices.get(at).is_none_or(|(other, _)| *other != slice) {
                self.slices.insert(at, (slice, KindSets::default()));
            }
            return self.slices.get_mut(at).map(|(_, sets)| sets);
        }
        self.slices.back_mut().map(|(_, sets)| sets)
    }
}
