use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rastro_model::{FieldSet, MAX_FIELDS};

/// A relation as the configuration names it; parts are matched exactly, without case folding.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct RelationName {
    /// The schema, such as `public`.
    pub schema: String,
    /// The table, view or materialised view.
    pub name: String,
}

impl fmt::Display for RelationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// A relation name without its two parts.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("table `{0}` is not of the form `schema.table`")]
pub struct RelationNameError(String);

impl FromStr for RelationName {
    type Err = RelationNameError;

    /// Reads `schema.table`; the first dot divides, a name without one is in `public`.
    fn from_str(text: &str) -> Result<RelationName, RelationNameError> {
        let (schema, name) = text.split_once('.').unwrap_or(("public", text));
        if schema.is_empty() || name.is_empty() {
            return Err(RelationNameError(text.to_owned()));
        }
        Ok(RelationName { schema: schema.to_owned(), name: name.to_owned() })
    }
}

/// One `[[subject]]` of the configuration. Its position in the list is its `KindId`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SubjectSpec {
    /// The word for such a subject, such as `customer`.
    pub name: String,
    /// The relation with one row per subject.
    pub table: RelationName,
    /// The column that identifies a subject.
    pub key: String,
    /// Protected columns: (field name, column).
    pub fields: Vec<(String, String)>,
    /// Other relations that hold fields of the same subjects.
    pub related: Vec<RelatedSpec>,
    /// Columns of `table` that divide subjects into cohorts.
    pub cohorts: Vec<String>,
}

/// One `[[subject.related]]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RelatedSpec {
    /// The relation.
    pub table: RelationName,
    /// The column that holds the subject's key.
    pub key: String,
    /// Protected columns: (field name, column).
    pub fields: Vec<(String, String)>,
}

impl SubjectSpec {
    /// Iterates over all relations of the subject: its own, then the related ones, as (table, key, fields).
    pub fn sources(&self) -> impl Iterator<Item = (&RelationName, &str, &[(String, String)])> {
        let own = (&self.table, self.key.as_str(), self.fields.as_slice());
        let related = self.related.iter().map(|r| (&r.table, r.key.as_str(), r.fields.as_slice()));
        std::iter::once(own).chain(related)
    }
}

/// Which bit of a [`FieldSet`] each field name has: distinct names in order of first mention, over all
/// subjects.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FieldNames(Arc<[Box<str>]>);

/// The configuration names more fields than a [`FieldSet`] holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{count} distinct field names, at most {MAX_FIELDS} are possible")]
pub struct FieldNamesError {
    /// How many distinct names there are.
    pub count: usize,
}

impl FieldNames {
    /// Gives each distinct field name of `specs` its bit.
    ///
    /// # Errors
    /// More than [`MAX_FIELDS`] distinct names.
    pub fn assign(specs: &[SubjectSpec]) -> Result<FieldNames, FieldNamesError> {
        let mut names: Vec<Box<str>> = Vec::new();
        for (name, _) in specs.iter().flat_map(SubjectSpec::sources).flat_map(|(_, _, fields)| fields) {
            if !names.iter().any(|known| **known == **name) {
                names.push(name.as_str().into());
            }
        }
        if names.len() > MAX_FIELDS {
            return Err(FieldNamesError { count: names.len() });
        }
        Ok(FieldNames(names.into()))
    }

    /// Returns the names in the order of their bits.
    pub fn names(&self) -> &[Box<str>] {
        &self.0
    }

    /// Returns the set of the one field `name`, empty if there is no such field.
    pub fn field(&self, name: &str) -> FieldSet {
        self.0.iter().position(|known| **known == *name).map_or(FieldSet::EMPTY, FieldSet::single)
    }

    /// Iterates over the names of the fields in `set`, in the order of their bits.
    pub fn names_of(&self, set: FieldSet) -> impl Iterator<Item = &str> {
        set.iter().filter_map(|index| self.0.get(index).map(|name| &**name))
    }
}
