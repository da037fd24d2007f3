use std::collections::{HashMap, HashSet};

use crate::catalogue::Catalogue;
use crate::subject_spec::SubjectSpec;

/// Selects every user relation that a result can name. No parameter. Columns: `oid` oid, `schema` text,
/// `name` text, `attributes` smallint (dropped ones included).
pub const RELATIONS_SQL: &str = "\
SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name, \
c.relnatts AS attributes \
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 't')";

/// Selects the columns with the names `$1` text[] ([`RelationFacts::column_names`]) of user relations.
/// Columns: `oid` oid of the relation, `attnum` smallint, `name` text, `type_oid` oid (of the base type for
/// a domain).
pub const COLUMNS_SQL: &str = "\
WITH RECURSIVE base(oid, type_oid) AS (\
SELECT t.oid, t.oid FROM pg_catalog.pg_type t WHERE t.typtype <> 'd' \
UNION ALL \
SELECT t.oid, b.type_oid FROM pg_catalog.pg_type t JOIN base b ON b.oid = t.typbasetype \
WHERE t.typtype = 'd') \
SELECT a.attrelid AS oid, a.attnum, a.attname::text AS name, b.type_oid \
FROM pg_catalog.pg_attribute a JOIN base b ON b.oid = a.atttypid \
WHERE a.attrelid >= 16384 AND a.attnum > 0 AND NOT a.attisdropped AND a.attname = ANY ($1::text[])";

/// Selects the direct inheritance and partition links. No parameter. Columns: `child` oid, `parent` oid.
pub const INHERITS_SQL: &str = "\
SELECT i.inhrelid AS child, i.inhparent AS parent FROM pg_catalog.pg_inherits i \
JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE c.relkind IN ('r', 'p', 'f')";

/// Selects what the queries of views refer to. No parameter. Columns: `view` oid, `relation` oid, `attnum`
/// integer (0 for the relation as a whole).
pub const DEPENDENCIES_SQL: &str = "\
SELECT DISTINCT r.ev_class AS view, d.refobjid AS relation, d.refobjsubid AS attnum \
FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_depend d \
ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid \
WHERE r.rulename = '_RETURN' AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
AND d.refobjid <> r.ev_class AND r.ev_class >= 16384";

/// Selects the stored queries of the views `$1` oid[] ([`RelationFacts::views_wanted`]). Columns: `view`
/// oid, `query` text.
pub const VIEWS_SQL: &str = "\
SELECT r.ev_class AS view, r.ev_action::text AS query FROM pg_catalog.pg_rewrite r \
WHERE r.rulename = '_RETURN' AND r.ev_class = ANY ($1::oid[])";

/// What the guarded server's catalogue says, read with the SQL of this module in one snapshot
/// (`REPEATABLE READ`): relations, columns, inheritance and dependencies in any order, then
/// [`RelationFacts::views_wanted`], then views.
#[derive(Clone, Debug, Default)]
pub struct RelationFacts {
    pub(crate) relations: HashMap<u32, RelationFact>,
    pub(crate) columns: HashMap<u32, Vec<ColumnFact>>,
    pub(crate) children: HashMap<u32, Vec<u32>>,
    pub(crate) parents: HashMap<u32, Vec<u32>>,
    pub(crate) dependencies: HashMap<u32, Vec<(u32, i32)>>,
    pub(crate) views: HashMap<u32, String>,
}

#[derive(Clone, Debug)]
pub(crate) struct RelationFact {
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) attributes: i16,
}

#[derive(Clone, Debug)]
pub(crate) struct ColumnFact {
    pub(crate) attnum: i16,
    pub(crate) name: String,
    pub(crate) type_oid: u32,
}

impl RelationFacts {
    /// Returns the column names that `specs` mention, the parameter of [`COLUMNS_SQL`].
    pub fn column_names(specs: &[SubjectSpec]) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for spec in specs {
            for (_, key, fields) in spec.sources() {
                names.push(key.to_owned());
                names.extend(fields.iter().map(|(_, column)| column.clone()));
            }
            names.extend(spec.cohorts.iter().cloned());
        }
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Adds a row of [`RELATIONS_SQL`].
    pub fn push_relation(&mut self, oid: u32, schema: &str, name: &str, attributes: i16) {
        let fact = RelationFact { schema: schema.to_owned(), name: name.to_owned(), attributes };
        self.relations.insert(oid, fact);
    }

    /// Adds a row of [`COLUMNS_SQL`].
    pub fn push_column(&mut self, oid: u32, attnum: i16, name: &str, type_oid: u32) {
        let fact = ColumnFact { attnum, name: name.to_owned(), type_oid };
        self.columns.entry(oid).or_default().push(fact);
    }

    /// Adds a row of [`INHERITS_SQL`].
    pub fn push_inherits(&mut self, child: u32, parent: u32) {
        self.children.entry(parent).or_default().push(child);
        self.parents.entry(child).or_default().push(parent);
    }

    /// Adds a row of [`DEPENDENCIES_SQL`].
    pub fn push_dependency(&mut self, view: u32, relation: u32, attnum: i32) {
        self.dependencies.entry(view).or_default().push((relation, attnum));
    }

    /// Adds a row of [`VIEWS_SQL`].
    pub fn push_view(&mut self, view: u32, query: &str) {
        self.views.insert(view, query.to_owned());
    }

    /// Returns the views whose queries are needed, the parameter of [`VIEWS_SQL`]: those that depend,
    /// over any number of views, on a relation that `specs` name or that the snapshot `before` protects, or
    /// on a parent or child of one.
    pub fn views_wanted(&self, specs: &[SubjectSpec], before: Option<&Catalogue>) -> Vec<u32> {
        let mut dependents: HashMap<u32, Vec<u32>> = HashMap::new();
        for (view, references) in &self.dependencies {
            for (relation, _) in references {
                dependents.entry(*relation).or_default().push(*view);
            }
        }
        let mut open: Vec<u32> = self
            .relations
            .iter()
            .filter(|(_, fact)| {
                specs
                    .iter()
                    .flat_map(SubjectSpec::sources)
                    .any(|(table, ..)| table.schema == fact.schema && table.name == fact.name)
            })
            .map(|(oid, _)| *oid)
            .chain(before.into_iter().flat_map(Catalogue::named))
            .collect();
        let mut reached: HashSet<u32> = open.iter().copied().collect();
        while let Some(oid) = open.pop() {
            // A parent's other children come along: a view too many costs only its reading.
            let links = [self.children.get(&oid), self.parents.get(&oid), dependents.get(&oid)];
            let next = links.into_iter().flatten().flatten();
            open.extend(next.filter(|oid| reached.insert(**oid)));
        }
        let mut views: Vec<u32> =
            reached.into_iter().filter(|oid| self.dependencies.contains_key(oid)).collect();
        views.sort_unstable();
        views
    }
}
