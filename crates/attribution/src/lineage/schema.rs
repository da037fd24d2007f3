//! What lineage has to know of the guarded database: the protected relations with all their columns, the
//! queries of views, and which functions may read what their arguments do not show.

use std::collections::{HashMap, HashSet};

use rastro_model::{FieldSet, KindId};

use super::words::{self, Words};
use crate::catalogue::{Catalogue, KeyForm, Role};
use crate::row_description::ColumnDescription;

/// Selects the columns of the relations `$1` oid[] ([`Schema::relations_wanted`]). Columns: `oid` oid, `schema`
/// text, `name` text, `attnum` smallint, `column` text, `type` oid (for a domain its base type), `generated`
/// boolean.
pub const LINEAGE_COLUMNS_SQL: &str = "\
SELECT c.oid, n.nspname::text, c.relname::text, a.attnum, a.attname::text, \
coalesce(nullif(b.typbasetype, 0), nullif(t.typbasetype, 0), a.atttypid), a.attgenerated <> '' \
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid \
LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid LEFT JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype \
WHERE c.oid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.oid, a.attnum";

/// Selects the queries of those of the relations `$1` oid[] that are views, as SQL; read it with an empty
/// `search_path`, so that names come qualified. Columns: `oid` oid, `query` text.
pub const LINEAGE_VIEWS_SQL: &str = "\
SELECT c.oid, pg_catalog.pg_get_viewdef(c.oid) FROM pg_catalog.pg_class c \
WHERE c.oid = ANY ($1::oid[]) AND c.relkind IN ('v', 'm')";

/// Selects the routines that matter: aggregates, volatile ones, and all that do not belong to PostgreSQL
/// itself. No parameter. Columns: `name` text, `aggregate` boolean, `volatile` boolean, `language` text,
/// `own` boolean (made by a user), `source` text.
pub const LINEAGE_ROUTINES_SQL: &str = "\
SELECT p.proname::text, p.prokind = 'a', p.provolatile = 'v', l.lanname::text, p.oid >= 16384, \
coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc, '') \
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang \
WHERE p.oid >= 16384 OR p.prokind = 'a' OR p.provolatile = 'v'";

/// Selects the names that protected relations, `$1` oid[], share with others: a session's search_path decides
/// which is meant. Columns: `name` text.
pub const LINEAGE_NAMESAKES_SQL: &str = "\
SELECT DISTINCT o.relname::text FROM pg_catalog.pg_class c \
JOIN pg_catalog.pg_class o ON o.relname = c.relname AND o.oid <> ALL ($1::oid[]) \
WHERE c.oid = ANY ($1::oid[]) AND o.relkind IN ('r', 'p', 'v', 'm', 'f')";

/// A protected relation.
#[derive(Debug)]
pub(crate) struct Relation {
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) columns: Vec<Column>,
    /// The query of a view.
    pub(crate) query: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) roles: Vec<Role>,
    pub(crate) origin: ColumnDescription,
    /// COPY leaves it out unless it is named.
    pub(crate) generated: bool,
}

impl Relation {
    /// Returns the column that holds the key of a source.
    pub(crate) fn key(&self, kind: KindId, source: u16) -> Option<&str> {
        let wanted = Role::Key { kind, source };
        self.columns.iter().find(|column| column.roles.contains(&wanted)).map(|column| column.name.as_str())
    }

    /// Returns whether each of its fields has its key beside it.
    pub(crate) fn has_keys(&self) -> bool {
        self.columns.iter().flat_map(|column| &column.roles).all(|role| match role {
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
    pub(crate) opaque: bool,
}

/// What lineage knows of one database: an immutable snapshot.
#[derive(Debug, Default)]
pub struct Schema {
    relations: Vec<Relation>,
    by_name: HashMap<String, Vec<usize>>,
    routines: HashMap<String, Routine>,
    words: Words,
    kinds: Vec<(KeyForm, FieldSet)>,
    namesakes: HashSet<String>,
}

/// Collects a [`Schema`].
#[derive(Debug)]
pub struct SchemaBuilder<'a> {
    catalogue: &'a Catalogue,
    relations: HashMap<u32, Relation>,
    // Name, whether it reads for itself or only calls others, and its source.
    bodies: Vec<(String, bool, String)>,
    routines: HashMap<String, Routine>,
    namesakes: HashSet<String>,
}

impl Schema {
    /// Begins to collect.
    pub fn build(catalogue: &Catalogue) -> SchemaBuilder<'_> {
        SchemaBuilder {
            catalogue,
            relations: HashMap::new(),
            bodies: Vec::new(),
            routines: HashMap::new(),
            namesakes: HashSet::new(),
        }
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

    /// Returns whether a name without a schema may stand for a relation that is not protected.
    pub(crate) fn has_namesake(&self, name: &str) -> bool {
        self.namesakes.contains(name)
    }

    pub(crate) fn routine(&self, name: &str) -> Routine {
        let mut routine = self.routines.get(name).copied().unwrap_or_default();
        routine.opaque |= words::READS_BY_NAME.contains(&name);
        routine.volatile |= routine.opaque;
        routine.volatile &= !words::HARMLESS.contains(&name);
        routine
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

impl SchemaBuilder<'_> {
    /// Adds a row of [`LINEAGE_COLUMNS_SQL`].
    pub fn push_column(
        &mut self,
        (oid, schema, name): (u32, &str, &str),
        (attnum, column): (i16, &str),
        (type_oid, generated): (u32, bool),
    ) {
        let roles = self.catalogue.roles(oid).map(|roles| roles.of(attnum).collect()).unwrap_or_default();
        let relation = self.relations.entry(oid).or_insert_with(|| Relation {
            schema: schema.to_owned(),
            name: name.to_owned(),
            columns: Vec::new(),
            query: None,
        });
        let origin = ColumnDescription { table_oid: oid, attnum, type_oid, format: 0 };
        relation.columns.push(Column { name: column.to_owned(), roles, origin, generated });
    }

    /// Adds a row of [`LINEAGE_VIEWS_SQL`].
    pub fn push_view(&mut self, oid: u32, query: &str) {
        if let Some(relation) = self.relations.get_mut(&oid) {
            relation.query = Some(query.to_owned());
        }
    }

    /// Adds a row of [`LINEAGE_NAMESAKES_SQL`].
    pub fn push_namesake(&mut self, name: &str) {
        self.namesakes.insert(name.to_owned());
    }

    /// Adds a row of [`LINEAGE_ROUTINES_SQL`].
    pub fn push_routine(
        &mut self,
        name: &str,
        (aggregate, volatile): (bool, bool),
        (language, own, source): (&str, bool, &str),
    ) {
        let routine = self.routines.entry(name.to_owned()).or_default();
        routine.aggregate |= aggregate;
        routine.volatile |= volatile;
        if own && !aggregate && !matches!(language, "internal" | "c") {
            let seen_through = matches!(language, "sql" | "plpgsql");
            routine.opaque |= !seen_through;
            self.bodies.push((name.to_owned(), language == "plpgsql", source.to_owned()));
        }
    }

    /// Ends the collection.
    pub fn finish(mut self) -> Schema {
        let names: HashSet<String> = self.relations.values().map(|relation| relation.name.clone()).collect();
        let readers = Words::new(names.iter().map(String::as_str), false);
        // A function that calls one that reads, reads.
        let mut opaque: HashSet<String> = self
            .routines
            .iter()
            .filter(|(_, routine)| routine.opaque)
            .map(|(name, _)| name.clone())
            .collect();
        let mut grown = true;
        while grown {
            let calls = Words::new(opaque.iter().map(String::as_str).chain(words::READS_BY_NAME), false);
            grown = false;
            for (name, dynamic, source) in &self.bodies {
                let reads = readers.are_in(source)
                    || calls.are_in(source)
                    || (*dynamic && words::has_word(source, "execute"));
                grown |= reads && opaque.insert(name.clone());
            }
        }
        for name in &opaque {
            self.routines.entry(name.clone()).or_default().opaque = true;
        }
        let words = Words::new(names.iter().chain(&opaque).map(String::as_str), true);
        let mut relations: Vec<Relation> = self.relations.into_values().collect();
        relations.sort_by(|a, b| (&a.schema, &a.name).cmp(&(&b.schema, &b.name)));
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, relation) in relations.iter().enumerate() {
            by_name.entry(relation.name.clone()).or_default().push(index);
        }
        let kinds =
            self.catalogue.kinds().map(|(kind, fields)| (self.catalogue.key_form(kind), fields)).collect();
        Schema { relations, by_name, routines: self.routines, words, kinds, namesakes: self.namesakes }
    }
}
