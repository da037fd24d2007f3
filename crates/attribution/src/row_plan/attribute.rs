use rastro_model::{Certainty, FieldSet, ShownBatch, ShownKey};

use super::key::Key;
use super::{Cell, Field, Group, KindPlan};

impl KindPlan {
    /// Appends what one row shows of subjects of this kind.
    #[inline]
    pub(super) fn attribute(&self, cells: &[Cell<'_>], batch: &mut ShownBatch) {
        let mut loose = shown(&self.loose, cells);
        for group in &self.groups {
            let fields = shown(&group.fields, cells);
            if fields.is_empty() {
                continue;
            }
            match group.keys.as_slice() {
                [] => loose = loose.union(fields),
                [(cell, codec)] if !group.repeated => match value(cells, *cell) {
                    Some(bytes) => self.push(codec.decode(bytes), fields, Certainty::Exact, batch),
                    None => self.push_unknown(fields, batch),
                },
                _ => self.attribute_repeated(group, fields, cells, batch),
            }
        }
        if !loose.is_empty() {
            self.attribute_loose(loose, cells, batch);
        }
    }

    // The same relation twice: origin does not tell which value goes with which key.
    #[cold]
    fn attribute_repeated(
        &self,
        group: &Group,
        fields: FieldSet,
        cells: &[Cell<'_>],
        batch: &mut ShownBatch,
    ) {
        let keys = || group.keys.iter().filter_map(|(cell, codec)| Some(codec.decode(value(cells, *cell)?)));
        let keys_shown = keys().count();
        let Some(first) = keys().next() else {
            return self.push_unknown(fields, batch);
        };
        // More different values of one field than keys: some subject's key is not in the row.
        let unexplained = group.values_beyond(keys_shown, cells);
        let one_subject = keys_shown == group.keys.len() && keys().all(|key| key == first);
        if one_subject && unexplained.is_empty() {
            return self.push(first, fields, Certainty::Exact, batch);
        }
        self.push_possible(keys, fields, batch);
        if !unexplained.is_empty() {
            self.push_unknown(unexplained, batch);
        }
    }

    // Fields without the key of their own relation: perhaps of a subject whose key the row has from
    // another, perhaps of one it does not name.
    #[cold]
    fn attribute_loose(&self, fields: FieldSet, cells: &[Cell<'_>], batch: &mut ShownBatch) {
        let keys = || {
            let all = self.groups.iter().flat_map(|group| &group.keys);
            all.filter_map(|(cell, codec)| Some(codec.decode(value(cells, *cell)?)))
        };
        self.push_possible(keys, fields, batch);
        self.push_unknown(fields, batch);
    }

    // Leaves out repetitions of the first keys only, so that the cost stays linear; more are harmless.
    fn push_possible<'a, I: Iterator<Item = Key<'a>>>(
        &self,
        keys: impl Fn() -> I,
        fields: FieldSet,
        batch: &mut ShownBatch,
    ) {
        const COMPARED: usize = 8;
        for (at, key) in keys().enumerate() {
            if !keys().take(at.min(COMPARED)).any(|before| before == key) {
                self.push(key, fields, Certainty::Possible, batch);
            }
        }
    }

    fn push(&self, key: Key<'_>, fields: FieldSet, certainty: Certainty, batch: &mut ShownBatch) {
        let key = key.store(batch);
        batch.push(self.kind, key, fields, certainty);
    }

    fn push_unknown(&self, fields: FieldSet, batch: &mut ShownBatch) {
        batch.push(self.kind, ShownKey::Unknown, fields, Certainty::Possible);
    }
}

impl Group {
    // The fields with more non-NULL values than `keys`, unless all values of the field are equal.
    fn values_beyond(&self, keys: usize, cells: &[Cell<'_>]) -> FieldSet {
        let mut beyond = FieldSet::EMPTY;
        for same in self.fields.chunk_by(|a, b| a.fields == b.fields) {
            let values = || same.iter().filter_map(|field| value(cells, field.cell));
            let first = values().next();
            if values().count() > keys && values().any(|value| Some(value) != first) {
                beyond = same.first().map_or(beyond, |field| beyond.union(field.fields));
            }
        }
        beyond
    }
}

#[inline]
fn value<'a>(cells: &[Cell<'a>], cell: u16) -> Cell<'a> {
    cells.get(usize::from(cell)).copied().flatten()
}

#[inline]
fn shown(fields: &[Field], cells: &[Cell<'_>]) -> FieldSet {
    fields.iter().fold(FieldSet::EMPTY, |set, field| match value(cells, field.cell) {
        Some(_) => set.union(field.fields),
        None => set,
    })
}
