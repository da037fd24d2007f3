use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use rastro_model::{KindId, Shown, ShownBatch, ShownKey, SubjectKey};

/// A subject in 128 bits: bit 127 clear for integer keys (kind in bits 64 to 71, value below), set for the
/// keyed 127-bit hash of kind and key of every other form. Two of n hashed subjects fall together with
/// probability n² / 2¹²⁸.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct SubjectId(u128);

const HASHED: u128 = 1 << 127;

impl SubjectId {
    pub(crate) fn int(kind: KindId, value: i64) -> SubjectId {
        SubjectId((u128::from(kind.0) << 64) | u128::from(value.cast_unsigned()))
    }

    /// Returns kind and value of an integer key, the value as the unsigned number of the same bits.
    pub(crate) fn as_int(self) -> Option<(KindId, u64)> {
        if self.0 & HASHED != 0 {
            return None;
        }
        let [_, _, _, _, _, _, _, kind, a, b, c, d, e, f, g, h] = self.0.to_be_bytes();
        Some((KindId(kind), u64::from_be_bytes([a, b, c, d, e, f, g, h])))
    }
}

/// Names subjects; the random keys of the hash are those of one process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identifier {
    high: RandomState,
    low: RandomState,
}

impl Identifier {
    /// Returns `None` for an unattributed row.
    pub(crate) fn of_shown(&self, shown: &Shown, batch: &ShownBatch) -> Option<SubjectId> {
        match shown.key {
            ShownKey::Unknown => None,
            ShownKey::Int(value) => Some(SubjectId::int(shown.kind, value)),
            ShownKey::Uuid(value) => Some(self.hashed(shown.kind, 0, &value.to_be_bytes())),
            ShownKey::Text { .. } => Some(self.hashed(shown.kind, 1, batch.text_of(shown.key))),
        }
    }

    pub(crate) fn of_key(&self, kind: KindId, key: &SubjectKey) -> SubjectId {
        match key {
            SubjectKey::Int(value) => SubjectId::int(kind, *value),
            SubjectKey::Uuid(value) => self.hashed(kind, 0, &value.to_be_bytes()),
            SubjectKey::Text(value) => self.hashed(kind, 1, value.as_bytes()),
        }
    }

    fn hashed(&self, kind: KindId, form: u8, key: &[u8]) -> SubjectId {
        let half = |state: &RandomState| {
            let mut hasher = state.build_hasher();
            hasher.write_u16(u16::from_be_bytes([kind.0, form]));
            hasher.write(key);
            u128::from(hasher.finish())
        };
        SubjectId((half(&self.high) << 64) | half(&self.low) | HASHED)
    }
}

/// Hashes a [`SubjectId`] for a table in one multiplication; integer keys are sequential, so their bits are
/// spread, hashed ones are random already.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IdHasher(u64);

pub(crate) type IdBuildHasher = BuildHasherDefault<IdHasher>;

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u128(&mut self, id: u128) {
        const ODD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
        let mixed = (id ^ (id >> 64)).wrapping_mul(ODD);
        self.0 = u64::try_from(mixed >> 64).unwrap_or_default();
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integer_identity_gives_kind_and_value_back() {
        for value in [0, 1, -1, i64::MIN, i64::MAX] {
            let id = SubjectId::int(KindId(7), value);
            assert_eq!(id.as_int(), Some((KindId(7), value.cast_unsigned())));
        }
    }

    #[test]
    fn identity_of_shown_and_owned_key_agree_and_forms_stay_apart() {
        let names = Identifier::default();
        let mut batch = ShownBatch::default();
        batch.begin_row();
        let text = batch.text_key(b"ana");
        for (key, owned) in [
            (text, SubjectKey::Text("ana".into())),
            (ShownKey::Uuid(5), SubjectKey::Uuid(5)),
            (ShownKey::Int(5), SubjectKey::Int(5)),
        ] {
            let shown = Shown {
                row: 0,
                kind: KindId(1),
                certainty: rastro_model::Certainty::Exact,
                fields: rastro_model::FieldSet(1),
                key,
            };
            assert_eq!(names.of_shown(&shown, &batch), Some(names.of_key(KindId(1), &owned)));
            assert_ne!(names.of_key(KindId(2), &owned), names.of_key(KindId(1), &owned));
        }
    }
}
