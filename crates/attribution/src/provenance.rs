//! Step 4, provenance: the query that asks for a statement's subjects before it runs. It has the statement's
//! own FROM and WHERE and selects keys.

mod build;
mod limit;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use rastro_model::{Certainty, FieldSet, KindId, ShownBatch, ShownKey};

use crate::catalogue::KeyForm;
use crate::lineage::{Question, Schema, print, renumber};
use crate::row_plan::KeyCodec;

/// Most subjects of one statement that are asked for; of what is beyond, one row is recorded as unattributed.
pub const KEYS_MAX: usize = 1_000_000;

/// A query that gives the subjects of a statement: rows of kind (integer, as text) and key (text).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyQuery {
    /// The query.
    pub sql: Arc<str>,
    /// The numbers, counted from 1, of the statement's parameters that stand for `$1`, `$2`, … here.
    pub parameters: Vec<u16>,
    kinds: Vec<(KindId, FieldSet, KeyForm)>,
}

/// Why a row of a key query cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("row of a key query is malformed")]
pub struct KeyRowError;

/// What could be made of the questions of one text.
pub(crate) struct Compiled {
    pub(crate) query: Option<KeyQuery>,
    /// Some subjects cannot be asked for.
    pub(crate) is_partial: bool,
}

/// Makes one query of all questions of a text.
pub(crate) fn compile(questions: &[Question], schema: &Schema) -> Compiled {
    let mut fields: Vec<(KindId, FieldSet, KeyForm)> = Vec::new();
    let mut arms = Vec::new();
    let mut is_partial = false;
    for question in questions {
        let mut asked = question.needed.clone();
        question.level.visit(&mut |level| asked.unite(&level.weak));
        is_partial |= question.needed.0.keys().any(|place| place.source.is_none());
        for (place, found) in &asked.0 {
            match fields.iter_mut().find(|(kind, ..)| *kind == place.kind) {
                Some((_, known, _)) => *known = known.union(*found),
                None => fields.push((place.kind, *found, schema.key_form(place.kind))),
            }
        }
        let mut builder = build::Builder::new(schema, question);
        match builder.arms(&question.level) {
            Some(found) => {
                is_partial |= !builder.has_all();
                arms.extend(found);
            }
            None => is_partial = true,
        }
    }
    let query = build::union(arms, KEYS_MAX + 1)
        .and_then(|select| print(&crate::lineage::tree::select_node(select)))
        .and_then(|sql| renumber(&sql))
        .map(|(sql, parameters)| KeyQuery { sql: sql.into(), parameters, kinds: fields });
    is_partial |= query.is_none() && questions.iter().any(|question| !question.needed.is_empty());
    Compiled { query, is_partial }
}

impl KeyQuery {
    /// Reads the payload of one DataRow of the query, in text format, into the row of `batch` begun last.
    ///
    /// # Errors
    /// It is not such a row; the batch is unchanged.
    pub fn read_row(&self, payload: &[u8], batch: &mut ShownBatch) -> Result<(), KeyRowError> {
        let rest = payload.strip_prefix(&[0, 2]).ok_or(KeyRowError)?;
        let (kind, rest) = cell(rest)?;
        let (key, _) = cell(rest)?;
        let kind =
            kind.and_then(|text| std::str::from_utf8(text).ok()?.parse::<u8>().ok()).ok_or(KeyRowError)?;
        let kind = self.kinds.iter().find(|(known, ..)| known.0 == kind).ok_or(KeyRowError)?;
        let (kind, fields, form) = *kind;
        let key = match key {
            Some(key) => KeyCodec::of_text(form).read(key, batch),
            None => ShownKey::Unknown,
        };
        let certainty = if key == ShownKey::Unknown { Certainty::Possible } else { Certainty::Derived };
        batch.push(kind, key, fields, certainty);
        Ok(())
    }
}

fn cell(bytes: &[u8]) -> Result<(Option<&[u8]>, &[u8]), KeyRowError> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or(KeyRowError)?;
    match usize::try_from(i32::from_be_bytes(*length)) {
        Ok(length) => {
            rest.split_at_checked(length).map(|(value, rest)| (Some(value), rest)).ok_or(KeyRowError)
        }
        Err(_) => Ok((None, rest)),
    }
}
