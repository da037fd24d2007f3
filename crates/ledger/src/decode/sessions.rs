//! The sessions that a file defines, each made of its record when it is first cited: who passes over entries makes none.

use std::sync::{Arc, OnceLock};

use rastro_model::Login;

use super::Session;
use crate::bytes::{Cursor, FormatError};
use crate::names::SessionFacts;

/// Sessions by their numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions {
    /// The records that define them, without their tags, one behind the other.
    records: Vec<u8>,
    all: Vec<Defined>,
}

#[derive(Clone, Debug)]
struct Defined {
    /// Where its record ends.
    end: usize,
    made: OnceLock<Arc<Session>>,
    /// Ordinal of its last statement.
    last: u64,
}

impl Sessions {
    /// Reads the record that defines the next session.
    pub(super) fn define(&mut self, cursor: &mut Cursor<'_>) -> Result<(), FormatError> {
        let all = cursor.0;
        read(cursor)?;
        let (record, _) = all.split_at(all.len() - cursor.len());
        self.records.extend_from_slice(record);
        self.all.push(Defined { end: self.records.len(), made: OnceLock::new(), last: 0 });
        Ok(())
    }

    pub(super) fn get(&self, number: u64) -> Result<&Arc<Session>, FormatError> {
        let at = place(number);
        let defined = self.all.get(at).ok_or(UNDEFINED)?;
        if let Some(made) = defined.made.get() {
            return Ok(made);
        }
        let from = at.checked_sub(1).and_then(|before| self.all.get(before)).map_or(0, |before| before.end);
        let (id, [login, client_addr, database, application]) =
            read(&mut Cursor(self.records.get(from..defined.end).unwrap_or_default()))?;
        let facts = SessionFacts {
            login: Login::new(login),
            client_addr: client_addr.to_owned(),
            database: database.to_owned(),
            application: application.to_owned(),
        };
        Ok(defined.made.get_or_init(|| Arc::new(Session { id, facts })))
    }

    /// Returns the ordinal of a session's last statement.
    pub(super) fn last_mut(&mut self, number: u64) -> Result<&mut u64, FormatError> {
        self.all.get_mut(place(number)).map(|defined| &mut defined.last).ok_or(UNDEFINED)
    }
}

const UNDEFINED: FormatError = FormatError::Undefined("session");

/// No file defines so many sessions that they have no place.
fn place(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Reads number, login, address, database and application.
fn read<'a>(cursor: &mut Cursor<'a>) -> Result<(u64, [&'a str; 4]), FormatError> {
    Ok((cursor.varint()?, [cursor.text()?, cursor.text()?, cursor.text()?, cursor.text()?]))
}
