//! What lineage has to know of the guarded database: the protected relations with all their columns, the
//! queries of views, and which code reads what its arguments do not show.

mod collect;
mod sql;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use pg_query::protobuf::Node;
use rastro_model::{FieldSet, KindId};

pub use collect::SchemaBuilder;
pub use sql::{
    LINEAGE_CODE_SQL, LINEAGE_COLUMNS_SQL, LINEAGE_INDEXES_SQL, LINEAGE_NAMESAKES_SQL, LINEAGE_ROUTINES_SQL,
    LINEAGE_VIEWS_SQL,
};

use super::code::Code;
use super::words::{self, Words};
use crate::catalogue::{Catalogue, KeyForm, Role};
use crate::row_description::ColumnDescription;

/// A relation that is protected, or a view of one or of what a function reads.
#[derive(Debug)]
pub(crate) struct Relation {
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) columns: Vec<Column>,
    /// The query of a view.
    pub(crate) query: Option<String>,
    pub(crate) standing: Standing,
}

/// What the query of a relation is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    /// As the database has it.
    View,
    /// The gateway's own, in which its name stands for the relation itself. Its conditions tell nothing.
    Statistics,
    /// So too; its conditions are the policies that the server applies.
    Policies,
}

#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) roles: Vec<Role>,
    /// Each value stands for one row.
    pub(crate) is_unique: bool,
    /// As a RowDescription names it; `None` of a view that is always seen through.
    pub(crate) origin: Option<ColumnDescription>,
    /// COPY leaves it out unless it is named.
    pub(crate) is_generated: bool,
}

impl Column {
    /// A column of a view that is always seen through.
    pub(crate) fn of_view(name: &str) -> Column {
        Column {
            name: name.to_owned(),
            roles: Vec::new(),
            is_unique: false,
            origin: None,
            is_generated: false,
        }
    }
}

impl Relation {
    /// Returns the column that holds the key of a source.
    pub(crate) fn key(&self, kind: KindId, source: u16) -> Option<&str> {
        let wanted = Role::Key { kind, source };
        self.columns.iter().find(|column| column.roles.contains(&wanted)).map(|column| column.name.as_str())
    }

    /// Returns whether it has protected columns, each field of which has its key beside it.
    pub(crate) fn has_keys(&self) -> bool {
        let mut roles = self.columns.iter().flat_map(|column| &column.roles).peekable();
        roles.peek().is_some()
            && roles.all(|role| match role {
                Role::Key { .. } => true,
                Role::Field { kind, source, .. } => self.key(*kind, *source).is_some(),
                Role::Dependent { .. } => false,
            })
    }
}

/// What a call of a function of some name means; the worst of all functions of the name.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Routine {
    pub(crate) aggregate: bool,
    /// Calling it once more may change something.
    pub(crate) volatile: bool,
    /// It may read protected relations by itself.
    pub(crate) reads: bool,
}

/// What changes a relation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Event {
    Insert,
    Update,
    Delete,
    Merge,
}

/// Code that a change of a relation sets off.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(super) schema: String,
    pub(crate) events: Vec<Event>,
    /// `None` if it cannot be read.
    pub(crate) code: Option<Arc<Code>>,
    /// The columns of the relation, in order.
    pub(crate) columns: Vec<String>,
}

/// What lineage knows of one database: an immutable snapshot.
#[derive(Debug, Default)]
pub struct Schema {
    relations: Vec<Relation>,
    by_name: HashMap<String, Vec<usize>>,
    routines: HashMap<String, Routine>,
    codes: HashMap<String, Vec<Arc<Code>>>,
    // Functions of these names read, but cannot be read themselves.
    unread: HashSet<String>,
    changes: HashMap<String, Vec<Change>>,
    // Functions that read, by the operator or type whose use calls them.
    operators: HashMap<String, String>,
    types: HashMap<String, String>,
    words: Words,
    // Relations whose rows come from elsewhere, perhaps from this database in a roundabout way.
    foreign: HashSet<String>,
    kinds: Vec<(KeyForm, FieldSet)>,
    namesakes: HashSet<String>,
}

impl Schema {
    /// Begins to collect.
    pub fn build(catalogue: &Catalogue) -> SchemaBuilder<'_> {
        SchemaBuilder::new(catalogue)
    }

    /// Returns the relations whose columns and queries are wanted.
    pub fn relations_wanted(catalogue: &Catalogue) -> Vec<u32> {
        catalogue.protected().collect()
    }

    /// Returns whether a text has a word in it that may lead to protected values. What has none discloses
    /// nothing by lineage, and needs no parsing.
    pub fn concerns(&self, sql: &str) -> bool {
        !self.relations.is_empty() && self.words.are_in(sql)
    }

    /// Returns whether the rows of an unprotected relation may hold protected values of others.
    pub(crate) fn holds_values(&self, name: &str) -> bool {
        words::HOLDS_VALUES.contains(&name) || self.foreign.contains(name)
    }

    /// Returns whether a name without a schema may stand for a relation that is not protected.
    pub(crate) fn has_namesake(&self, name: &str) -> bool {
        self.namesakes.contains(name)
    }

    pub(crate) fn find(&self, schema: &str, name: &str) -> Found<'_> {
        let mut found = self
            .by_name
            .get(name)
            .into_iter()
            .flatten()
            .filter_map(|index| self.relations.get(*index))
            .filter(|relation| schema.is_empty() || relation.schema == schema);
        match (found.next(), found.next()) {
            (None, _) => Found::Unprotected,
            (Some(relation), None) => Found::One(relation),
            // Which one it is depends on the session's search_path: public is the usual answer, the rest
            // is not looked into.
            (Some(_), Some(_)) => Found::Several,
        }
    }

    pub(crate) fn routine(&self, name: &str) -> Routine {
        let mut routine = self.routines.get(name).copied().unwrap_or_default();
        routine.reads |= words::READS_BY_NAME.contains(&name);
        routine.volatile |= routine.reads;
        routine.volatile &= !words::HARMLESS.contains(&name);
        routine
    }

    /// Returns the bodies of the functions of a name of which some reads.
    pub(crate) fn codes(&self, name: &str) -> &[Arc<Code>] {
        self.codes.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns whether a function of this name reads whose body cannot be read.
    pub(crate) fn has_unread(&self, name: &str) -> bool {
        self.unread.contains(name) || words::READS_BY_NAME.contains(&name)
    }

    /// Returns the function that an operator calls, if it reads.
    pub(crate) fn operator(&self, name: &str) -> Option<&str> {
        self.operators.get(name).map(String::as_str)
    }

    /// Returns the function that a cast to a type calls, or the check of a domain, if it reads.
    pub(crate) fn cast(&self, type_name: &str) -> Option<&str> {
        self.types.get(type_name).map(String::as_str)
    }

    /// Returns the code that changes of a relation set off, if any of it reads.
    pub(crate) fn changes(&self, schema: &str, name: &str) -> Vec<&Change> {
        let changes = self.changes.get(name).into_iter().flatten();
        changes.filter(|change| schema.is_empty() || change.schema == schema).collect()
    }

    /// Returns whether planning a statement may call a function that reads; `None` if it cannot be told.
    pub(super) fn calls_a_reader(&self, node: &Node) -> Option<bool> {
        let text = super::parameters::print(node)?;
        let readers: HashSet<&str> = self
            .routines
            .iter()
            .filter(|(_, routine)| routine.reads)
            .map(|(name, _)| name.as_str())
            .collect();
        let used = super::code::names_called(&text)?;
        Some(used.iter().any(|name| readers.contains(name.as_str())))
    }

    pub(crate) fn key_form(&self, kind: KindId) -> KeyForm {
        self.kinds.get(usize::from(kind.0)).map_or(KeyForm::Text, |(form, _)| *form)
    }

    /// Iterates over the kinds and all their fields.
    pub fn kinds(&self) -> impl Iterator<Item = (KindId, FieldSet)> {
        (0..=u8::MAX).map(KindId).zip(self.kinds.iter().map(|(_, fields)| *fields))
    }
}

/// What a name stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found<'a> {
    Unprotected,
    One(&'a Relation),
    Several,
}
