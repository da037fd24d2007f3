use std::collections::HashMap;
use std::sync::Arc;

use rastro_model::{FieldSet, KindId, SubjectKey};

use crate::relation_facts::RelationFacts;
use crate::subject_spec::{FieldNames, FieldNamesError, RelationName, SubjectSpec};

mod build;
mod roles;

pub(crate) use roles::{KeyForm, RelationRoles, Role};

/// Which relations and columns are protected: an immutable snapshot, cheap to clone.
#[derive(Clone, Debug)]
pub struct Catalogue(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    names: FieldNames,
    kinds: Vec<Kind>,
    roles: HashMap<u32, RelationRoles>,
    // Those that do not follow from what a view reads.
    named: HashMap<u32, RelationRoles>,
    // By source: the relations that had its name, as long as they exist.
    roots: Vec<Vec<u32>>,
    attributes: HashMap<u32, i16>,
}

#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) form: KeyForm,
    pub(crate) fields: FieldSet,
}

// Relations below are PostgreSQL's own: they hold no subjects and do not come and go.
const FIRST_USER_OID: u32 = 16384;

/// Something in the configuration that the guarded server's catalogue does not bear out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogueProblem {
    /// Too many field names.
    #[error(transparent)]
    Fields(#[from] FieldNamesError),
    /// More `[[subject]]` tables than a `KindId` can tell apart.
    #[error("{count} subjects, at most 256 are possible")]
    Subjects {
        /// How many there are.
        count: usize,
    },
    /// Two subjects of one name.
    #[error("subject `{subject}` is defined twice")]
    SubjectTwice {
        /// The name.
        subject: String,
    },
    /// A relation does not exist.
    #[error("subject `{subject}`: table `{table}` does not exist")]
    TableMissing {
        /// The subject's name.
        subject: String,
        /// The relation.
        table: RelationName,
    },
    /// A column does not exist.
    #[error("subject `{subject}`: table `{table}` has no column `{column}`")]
    ColumnMissing {
        /// The subject's name.
        subject: String,
        /// The relation.
        table: RelationName,
        /// The column.
        column: String,
    },
    /// A relation is read through its parent too, whose rows would pass unseen.
    #[error("subject `{subject}`: table `{table}` is a child of `{parent}`; name the parent instead")]
    ChildNamed {
        /// The subject's name.
        subject: String,
        /// The relation.
        table: RelationName,
        /// What it is a partition of or inherits from.
        parent: RelationName,
    },
}

impl Catalogue {
    /// Builds a snapshot from the configuration and what the server's catalogue says.
    ///
    /// # Errors
    /// Every problem, not only the first.
    pub fn build(specs: &[SubjectSpec], facts: RelationFacts) -> Result<Catalogue, Vec<CatalogueProblem>> {
        let (catalogue, problems) = Catalogue::build_present(specs, facts, None);
        if problems.is_empty() { Ok(catalogue) } else { Err(problems) }
    }

    /// Builds a snapshot of what is there, for a database that need not hold every subject, and returns it
    /// with what the configuration names in vain.
    ///
    /// * `before`: the snapshot before this one, of the same specs. Columns that it protects stay protected as
    ///   long as their relation exists, under whatever name.
    pub fn build_present(
        specs: &[SubjectSpec],
        facts: RelationFacts,
        before: Option<&Catalogue>,
    ) -> (Catalogue, Vec<CatalogueProblem>) {
        let (inner, problems) = build::build(specs, facts, before.map(|before| &*before.0));
        (Catalogue(Arc::new(inner)), problems)
    }

    /// Returns the field names and their bits.
    pub fn field_names(&self) -> &FieldNames {
        &self.0.names
    }

    /// Returns whether the snapshot knows column `attnum` of relation `oid`. What it does not know is newer
    /// than the snapshot, or not committed.
    pub fn knows(&self, oid: u32, attnum: i16) -> bool {
        oid < FIRST_USER_OID || self.0.attributes.get(&oid).is_some_and(|attributes| attnum <= *attributes)
    }

    /// Returns whether any column of relation `oid` is protected.
    pub fn protects(&self, oid: u32) -> bool {
        self.0.roles.contains_key(&oid)
    }

    /// Returns a key of a subject from its column's text, in the form in which rows give it too.
    pub fn subject_key(&self, kind: KindId, text: &str) -> SubjectKey {
        let typed = match self.key_form(kind) {
            KeyForm::Int => text.parse().ok().map(SubjectKey::Int),
            KeyForm::Uuid => u128::from_str_radix(&text.replace('-', ""), 16).ok().map(SubjectKey::Uuid),
            KeyForm::Text => None,
        };
        typed.unwrap_or_else(|| SubjectKey::Text(text.into()))
    }

    /// Returns whether anything is protected.
    pub fn protects_any(&self) -> bool {
        !self.0.roles.is_empty()
    }

    /// Returns the relations protected by name, now or before.
    pub(crate) fn named(&self) -> impl Iterator<Item = u32> {
        self.0.named.keys().copied()
    }

    /// Returns the relations with any protected column.
    pub(crate) fn protected(&self) -> impl Iterator<Item = u32> {
        self.0.roles.keys().copied()
    }

    pub(crate) fn roles(&self, oid: u32) -> Option<&RelationRoles> {
        self.0.roles.get(&oid)
    }

    pub(crate) fn key_form(&self, kind: KindId) -> KeyForm {
        self.0.kinds.get(usize::from(kind.0)).map_or(KeyForm::Text, |kind| kind.form)
    }

    pub(crate) fn kinds(&self) -> impl Iterator<Item = (KindId, FieldSet)> {
        (0..=u8::MAX).zip(&self.0.kinds).map(|(id, kind)| (KindId(id), kind.fields))
    }
}
