//! Records that define what entries cite by number.

use std::sync::Arc;

use rastro_model::{FieldSet, KindId, Principal, Timestamp};

use super::{Decoder, StatementText};
use crate::body::Combination;
use crate::bytes::{Cursor, FormatError};
use crate::encode::{CERTAINTIES, COMBINATION, PRINCIPAL, SCHEMA, SECTION, SESSION, Schema, TEXT};

impl Decoder {
    /// Reads a record that defines.
    pub(super) fn define(&mut self, tag: u8, cursor: &mut Cursor<'_>) -> Result<(), FormatError> {
        match tag {
            SECTION => self.section(cursor),
            SCHEMA => self.schema(cursor),
            SESSION => self.sessions.define(cursor),
            PRINCIPAL => {
                self.principals.push(Principal::new(cursor.text()?));
                Ok(())
            }
            TEXT => {
                let fingerprint = u64::from_le_bytes(cursor.array()?);
                let sql = cursor.text()?.to_owned();
                self.texts.push(Arc::new(StatementText { fingerprint, sql }));
                Ok(())
            }
            COMBINATION => self.combination(cursor),
            tag => Err(FormatError::Tag(tag)),
        }
    }

    fn section(&mut self, cursor: &mut Cursor<'_>) -> Result<(), FormatError> {
        let next_no = cursor.varint()?;
        if next_no < self.next_no {
            return Err(FormatError::Range("entry number"));
        }
        *self = Decoder::new(next_no, Timestamp(cursor.signed()?));
        Ok(())
    }

    fn schema(&mut self, cursor: &mut Cursor<'_>) -> Result<(), FormatError> {
        let mut names = |max, what| -> Result<Vec<String>, FormatError> {
            let n = cursor.count(max, what)?;
            (0..n).map(|_| Ok(cursor.text()?.to_owned())).collect()
        };
        let kinds = names(256, "kinds")?;
        let fields = names(rastro_model::MAX_FIELDS, "fields")?;
        self.schema = Arc::new(Schema { kinds, fields });
        Ok(())
    }

    fn combination(&mut self, cursor: &mut Cursor<'_>) -> Result<(), FormatError> {
        let kind = KindId(cursor.byte()?);
        let certainty =
            CERTAINTIES.get(usize::from(cursor.byte()?)).ok_or(FormatError::Range("certainty"))?;
        let fields = u32::try_from(cursor.varint()?).map_err(|_| FormatError::Range("fields"))?;
        self.combinations.push(Combination { kind, certainty: *certainty, fields: FieldSet(fields) });
        Ok(())
    }
}
