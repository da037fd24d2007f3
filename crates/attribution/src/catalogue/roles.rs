use std::collections::BTreeSet;

use rastro_model::{FieldSet, KindId};

/// The form in which a kind's keys are kept, so that one subject has one key wherever it is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum KeyForm {
    Int,
    Uuid,
    Text,
}

/// What one column means.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Role {
    /// Holds the key of source `source` (a position in the list of all subjects' relations).
    Key { kind: KindId, source: u16 },
    /// Holds a field of source `source`.
    Field { kind: KindId, source: u16, fields: FieldSet },
    /// Depends on fields of subjects that cannot be told from this column's relation.
    Dependent { kind: KindId, fields: FieldSet },
}

/// The roles of one relation's columns.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct RelationRoles {
    // Sorted by column, then role; no duplicates.
    columns: Vec<(i16, Role)>,
}

impl RelationRoles {
    pub(crate) fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// Returns whether some column has this role.
    pub(crate) fn have(&self, role: Role) -> bool {
        self.columns.iter().any(|(_, known)| *known == role)
    }

    /// Returns the sources whose keys or fields are in its columns.
    pub(crate) fn sources(&self) -> BTreeSet<u16> {
        self.columns.iter().filter_map(|(_, role)| role.source()).collect()
    }

    /// Adds a role and returns whether it is new. Fields that depend are united.
    pub(crate) fn add(&mut self, attnum: i16, role: Role) -> bool {
        if let Role::Dependent { kind, fields } = role {
            if fields.is_empty() {
                return false;
            }
            for (column, known) in &mut self.columns {
                if let Role::Dependent { kind: known_kind, fields: known } = known
                    && *column == attnum
                    && *known_kind == kind
                {
                    let united = known.union(fields);
                    let new = united != *known;
                    *known = united;
                    return new;
                }
            }
        }
        match self.columns.binary_search(&(attnum, role)) {
            Ok(_) => false,
            Err(at) => {
                self.columns.insert(at, (attnum, role));
                true
            }
        }
    }

    /// Iterates over the roles of column `attnum`; 0, the whole row, depends on every field of the relation.
    pub(crate) fn of(&self, attnum: i16) -> impl Iterator<Item = Role> {
        let start = match attnum {
            0 => 0,
            _ => self.columns.partition_point(|(column, _)| *column < attnum),
        };
        let rest = self.columns.get(start..).unwrap_or_default();
        rest.iter().take_while(move |(column, _)| attnum == 0 || *column == attnum).filter_map(
            move |(_, role)| {
                if attnum == 0 { role.as_dependent() } else { Some(*role) }
            },
        )
    }
}

impl Role {
    /// Returns the source that a key or field is of.
    pub(crate) fn source(self) -> Option<u16> {
        match self {
            Role::Key { source, .. } | Role::Field { source, .. } => Some(source),
            Role::Dependent { .. } => None,
        }
    }

    /// Returns the role of something computed from a column of this role; nothing for a key, which is no
    /// field by itself.
    pub(crate) fn as_dependent(self) -> Option<Role> {
        match self {
            Role::Key { .. } => None,
            Role::Field { kind, fields, .. } | Role::Dependent { kind, fields } => {
                Some(Role::Dependent { kind, fields })
            }
        }
    }
}
