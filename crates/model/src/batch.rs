use crate::{Certainty, FieldSet, KindId, SubjectKey};

/// The key of a [`Shown`], small and `Copy`; text keys live in the batch's arena.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShownKey {
    /// No subject is known: the row is unattributed.
    Unknown,
    /// smallint, integer or bigint.
    Int(i64),
    /// uuid, big-endian.
    Uuid(u128),
    /// `start..start + len` bytes of the batch's text.
    Text {
        /// First byte.
        start: u32,
        /// Length in bytes.
        len: u32,
    },
}

/// One subject shown by one row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shown {
    /// Which row of the batch, counted from 0; several entries may share a row.
    pub row: u32,
    /// Which `[[subject]]`.
    pub kind: KindId,
    /// How sure this is.
    pub certainty: Certainty,
    /// What was shown of the subject; never empty.
    pub fields: FieldSet,
    /// Who was shown.
    pub key: ShownKey,
}

/// What consecutive rows of one statement show, in row order, without an allocation per row: the vectors
/// are cleared and used again.
#[derive(Clone, Debug, Default)]
pub struct ShownBatch {
    entries: Vec<Shown>,
    text: Vec<u8>,
    rows: u32,
}

impl ShownBatch {
    /// Empties the batch and keeps its memory.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.text.clear();
        self.rows = 0;
    }

    /// Begins a row and returns its number.
    pub fn begin_row(&mut self) -> u32 {
        let row = self.rows;
        self.rows = self.rows.saturating_add(1);
        row
    }

    /// Adds a subject shown by the row begun last.
    pub fn push(&mut self, kind: KindId, key: ShownKey, fields: FieldSet, certainty: Certainty) {
        let row = self.rows.saturating_sub(1);
        self.entries.push(Shown { row, kind, certainty, fields, key });
    }

    /// Takes all rows but the first `rows` back.
    pub fn keep_rows(&mut self, rows: u32) {
        self.rows = self.rows.min(rows);
        let kept = self.entries.partition_point(|shown| shown.row < self.rows);
        self.entries.truncate(kept);
    }

    /// Returns the entries of the row begun last.
    pub fn last_row(&self) -> &[Shown] {
        let row = self.rows.saturating_sub(1);
        let start = self.entries.partition_point(|shown| shown.row < row);
        self.entries.get(start..).unwrap_or_default()
    }

    /// Takes `fields` off what the row begun last shows of unknown subjects of a kind: they are known now.
    pub fn explain(&mut self, kind: KindId, fields: FieldSet) {
        let row = self.rows.saturating_sub(1);
        let start = self.entries.partition_point(|shown| shown.row < row);
        let mut at = start;
        while let Some(shown) = self.entries.get_mut(at) {
            if shown.kind == kind && shown.key == ShownKey::Unknown {
                shown.fields.0 &= !fields.0;
                if shown.fields.is_empty() {
                    self.entries.remove(at);
                    continue;
                }
            }
            at += 1;
        }
    }

    /// Returns the key as entries of this batch hold it.
    pub fn subject(&mut self, key: &SubjectKey) -> ShownKey {
        match key {
            SubjectKey::Int(value) => ShownKey::Int(*value),
            SubjectKey::Uuid(value) => ShownKey::Uuid(*value),
            SubjectKey::Text(value) => self.text_key(value.as_bytes()),
        }
    }

    /// Copies a text key into the arena. The arena holds at most 4 GiB; batches are bounded far below.
    pub fn text_key(&mut self, key: &[u8]) -> ShownKey {
        let start = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        let len = u32::try_from(key.len()).unwrap_or(u32::MAX);
        self.text.extend_from_slice(key);
        ShownKey::Text { start, len }
    }

    /// Returns the bytes of a text key of this batch; empty for any other key.
    pub fn text_of(&self, key: ShownKey) -> &[u8] {
        match key {
            ShownKey::Text { start, len } => {
                let start = start as usize;
                self.text.get(start..start.saturating_add(len as usize)).unwrap_or_default()
            }
            _ => &[],
        }
    }

    /// Returns the key in owned form, `None` for an unattributed row.
    pub fn subject_key(&self, key: ShownKey) -> Option<SubjectKey> {
        match key {
            ShownKey::Unknown => None,
            ShownKey::Int(value) => Some(SubjectKey::Int(value)),
            ShownKey::Uuid(value) => Some(SubjectKey::Uuid(value)),
            ShownKey::Text { .. } => {
                Some(SubjectKey::Text(String::from_utf8_lossy(self.text_of(key)).into_owned().into()))
            }
        }
    }

    /// Returns all entries, in row order.
    pub fn entries(&self) -> &[Shown] {
        &self.entries
    }

    /// Returns the entries of rows `0..rows`.
    pub fn entries_before(&self, rows: u32) -> &[Shown] {
        let end = self.entries.partition_point(|shown| shown.row < rows);
        self.entries.get(..end).unwrap_or_default()
    }

    /// Returns the number of rows begun.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Returns whether no row was begun.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Removes what is unattributed; its rows stay, and may show nobody then.
    pub fn drop_unattributed(&mut self) {
        self.entries.retain(|shown| shown.key != ShownKey::Unknown);
    }

    /// Makes what is exact possible.
    pub fn doubt_exact(&mut self) {
        for shown in &mut self.entries {
            if shown.certainty == Certainty::Exact {
                shown.certainty = Certainty::Possible;
            }
        }
    }

    /// Removes the first `rows` rows and renumbers the rest from 0. O(entries left); used only when a
    /// batch is settled in parts.
    pub fn drop_rows(&mut self, rows: u32) {
        let rows = rows.min(self.rows);
        self.entries.retain(|shown| shown.row >= rows);
        for shown in &mut self.entries {
            shown.row -= rows;
        }
        self.rows -= rows;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batch_drops_its_first_rows_and_keeps_text_keys() {
        let mut batch = ShownBatch::default();
        for name in ["ana", "bo", "cy"] {
            batch.begin_row();
            let key = batch.text_key(name.as_bytes());
            batch.push(KindId(0), key, FieldSet(1), Certainty::Exact);
        }
        assert_eq!(batch.entries_before(2).len(), 2);
        batch.drop_rows(1);
        assert_eq!(batch.rows(), 2);
        let keys: Vec<_> =
            batch.entries().iter().map(|s| batch.subject_key(s.key).unwrap().to_string()).collect();
        assert_eq!(keys, ["bo", "cy"]);
        assert_eq!(batch.entries().first().map(|s| s.row), Some(0));
    }
}
