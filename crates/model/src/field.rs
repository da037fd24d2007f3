/// Greatest number of distinct fields one configuration may name; the width of [`FieldSet`].
pub const MAX_FIELDS: usize = 32;

/// A set of fields (categories of personal data) as a bitmap: bit i stands for the i-th field name of the
/// configuration, counted over all subjects.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord, Debug)]
pub struct FieldSet(pub u32);

impl FieldSet {
    /// The empty set.
    pub const EMPTY: FieldSet = FieldSet(0);

    /// Returns the set of the one field `index` (0 to 31); larger indexes give the empty set.
    pub fn single(index: usize) -> FieldSet {
        u32::try_from(index).ok().and_then(|i| 1u32.checked_shl(i)).map_or(FieldSet::EMPTY, FieldSet)
    }

    /// Returns the fields in either set.
    #[must_use]
    pub fn union(self, other: FieldSet) -> FieldSet {
        FieldSet(self.0 | other.0)
    }

    /// Returns whether the set holds every field of `other`.
    pub fn contains(self, other: FieldSet) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns whether no field is in the set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Iterates over the indexes of the fields in the set, rising.
    pub fn iter(self) -> FieldSetIter {
        FieldSetIter(self.0)
    }
}

/// Rising indexes of the fields of a [`FieldSet`].
#[derive(Clone, Debug)]
pub struct FieldSetIter(u32);

impl Iterator for FieldSetIter {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let index = self.0.trailing_zeros();
        self.0 &= self.0 - 1;
        usize::try_from(index).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_set_iterates_its_indexes_in_order() {
        let set = FieldSet::single(3).union(FieldSet::single(0)).union(FieldSet::single(31));
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 3, 31]);
        assert!(set.contains(FieldSet::single(31)));
        assert_eq!(FieldSet::single(32), FieldSet::EMPTY);
    }
}
