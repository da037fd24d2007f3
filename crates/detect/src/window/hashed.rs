use std::collections::VecDeque;

use hashbrown::HashMap;

use super::Slice;
use crate::identity::{IdBuildHasher, SubjectId};

#[derive(Clone, Copy, Debug)]
struct Place {
    /// When it was shown last.
    last: Slice,
    /// The list that holds it; entries of other lists are left-overs.
    listed: Slice,
}

/// Subjects of any form. Each is in one list: that of the slice in which it was shown when it was listed;
/// when that slice expires, a subject shown since moves to the list of its last slice.
#[derive(Debug, Default)]
pub(crate) struct HashedWindow {
    places: HashMap<SubjectId, Place, IdBuildHasher>,
    /// Rising by slice.
    lists: VecDeque<(Slice, Vec<SubjectId>)>,
}

impl HashedWindow {
    /// Returns whether the subject is new.
    pub(crate) fn insert(&mut self, id: SubjectId, slice: Slice) -> bool {
        if self.places.contains_key(&id) {
            return false;
        }
        self.places.insert(id, Place { last: slice, listed: slice });
        self.list(id, slice);
        true
    }

    pub(crate) fn contains(&self, id: SubjectId) -> bool {
        self.places.contains_key(&id)
    }

    pub(crate) fn touch(&mut self, id: SubjectId, slice: Slice) {
        if let Some(place) = self.places.get_mut(&id) {
            place.last = place.last.max(slice);
        }
    }

    pub(crate) fn remove(&mut self, id: SubjectId) {
        let Some(place) = self.places.remove(&id) else { return };
        // The common case: what was listed last is taken back first.
        if let Some((slice, list)) = self.lists.back_mut()
            && *slice == place.listed
            && list.last() == Some(&id)
        {
            list.pop();
        }
    }

    /// Drops what was last shown before `oldest` and returns how many that were.
    pub(crate) fn expire(&mut self, oldest: Slice) -> u64 {
        let mut gone = 0;
        while self.lists.front().is_some_and(|(slice, _)| *slice < oldest) {
            let Some((slice, list)) = self.lists.pop_front() else { break };
            for id in list {
                let Some(place) = self.places.get_mut(&id).filter(|place| place.listed == slice) else {
                    continue;
                };
                if place.last < oldest {
                    self.places.remove(&id);
                    gone += 1;
                } else {
                    place.listed = place.last;
                    let last = place.last;
                    self.list(id, last);
                }
            }
        }
        if gone > 0 && self.places.is_empty() {
            self.places.shrink_to_fit();
        }
        gone
    }

    pub(crate) fn len(&self) -> u64 {
        self.places.len() as u64
    }

    fn list(&mut self, id: SubjectId, slice: Slice) {
        let at = if self.lists.back().is_some_and(|(last, _)| *last == slice) {
            self.lists.len().saturating_sub(1)
        } else {
            self.lists.partition_point(|(other, _)| *other < slice)
        };
        match self.lists.get_mut(at) {
            Some((other, list)) if *other == slice => list.push(id),
            _ => self.lists.insert(at, (slice, vec![id])),
        }
    }
}
