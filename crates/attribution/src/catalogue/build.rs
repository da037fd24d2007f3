use std::collections::{BTreeMap, BTreeSet, HashMap};

use rastro_model::KindId;

use super::roles::{KeyForm, RelationRoles, Role};
use super::{CatalogueProblem, Inner, Kind};
use crate::relation_facts::{ColumnFact, RelationFacts};
use crate::subject_spec::{FieldNames, RelationName, SubjectSpec};
use crate::view_query::{self, ViewQuery};

/// Builds what is there, and lists what is not as the specs say. What `before` knew of a relation that still
/// exists stays true: its rows are the same whatever it and its columns are called now.
pub(super) fn build(
    specs: &[SubjectSpec],
    facts: RelationFacts,
    before: Option<&Inner>,
) -> (Inner, Vec<CatalogueProblem>) {
    let mut problems = Vec::new();
    let names = FieldNames::assign(specs).unwrap_or_else(|error| {
        problems.push(error.into());
        FieldNames::default()
    });
    if specs.len() > 256 {
        problems.push(CatalogueProblem::Subjects { count: specs.len() });
    }
    let mut builder = Builder {
        facts: &facts,
        names: &names,
        before,
        problems,
        roles: HashMap::new(),
        roots: Vec::new(),
        source: 0,
    };
    builder.add_known();
    let mut seen = BTreeSet::new();
    let mut kinds = Vec::with_capacity(specs.len());
    for (kind, spec) in (0..=u8::MAX).zip(specs) {
        if !seen.insert(spec.name.as_str()) {
            builder.problems.push(CatalogueProblem::SubjectTwice { subject: spec.name.clone() });
        }
        kinds.push(builder.add_subject(KindId(kind), spec));
    }
    let mut named = builder.roles.clone();
    named.retain(|_, relation| !relation.is_empty());
    builder.add_views();
    let Builder { mut roles, roots, problems, .. } = builder;
    roles.retain(|_, relation| !relation.is_empty());
    let attributes = facts.relations.iter().map(|(oid, fact)| (*oid, fact.attributes)).collect();
    (Inner { names, kinds, roles, named, roots, attributes }, problems)
}

struct Builder<'a> {
    facts: &'a RelationFacts,
    names: &'a FieldNames,
    before: Option<&'a Inner>,
    problems: Vec<CatalogueProblem>,
    roles: HashMap<u32, RelationRoles>,
    roots: Vec<Vec<u32>>,
    source: u16,
}

impl Builder<'_> {
    // Views are left to `add_views`: their columns follow from the relations they read.
    fn add_known(&mut self) {
        let known = self.before.iter().flat_map(|before| &before.named);
        let present = known.filter(|(oid, _)| self.facts.relations.contains_key(oid));
        self.roles.extend(present.map(|(oid, relation)| (*oid, relation.clone())));
    }

    fn add_subject(&mut self, kind: KindId, spec: &SubjectSpec) -> Kind {
        let mut form = None;
        let mut fields_of_kind = rastro_model::FieldSet::EMPTY;
        for (table, key, fields) in spec.sources() {
            fields_of_kind =
                fields.iter().fold(fields_of_kind, |set, (name, _)| set.union(self.names.field(name)));
            let found = self.add_source(kind, spec, table, (key, fields));
            // The form stays when the key cannot be found any more, so that a subject keeps its key.
            let known = || self.before?.kinds.get(usize::from(kind.0)).map(|kind| kind.form);
            let found = found.map(key_form).or_else(known).unwrap_or(KeyForm::Text);
            form = form.or(Some(found));
            self.source = self.source.saturating_add(1);
        }
        let oid = self.facts.find(&spec.table);
        for cohort in &spec.cohorts {
            if oid.is_some_and(|oid| self.facts.column(oid, cohort).is_none()) {
                self.column_missing(spec, &spec.table, cohort);
            }
        }
        Kind { form: form.unwrap_or(KeyForm::Text), fields: fields_of_kind }
    }

    // Returns the key's type, `None` if there is a problem.
    fn add_source(
        &mut self,
        kind: KindId,
        spec: &SubjectSpec,
        table: &RelationName,
        (key, fields): (&str, &[(String, String)]),
    ) -> Option<u32> {
        let source = self.source;
        let found = self.facts.find(table);
        match found {
            Some(root) => self.check_source(root, spec, table, (key, fields)),
            None => {
                let (subject, table) = (spec.name.clone(), table.clone());
                self.problems.push(CatalogueProblem::TableMissing { subject, table });
            }
        }
        let mut columns = vec![(key, Role::Key { kind, source })];
        columns.extend(fields.iter().map(|(name, column)| {
            let fields = self.names.field(name);
            (column.as_str(), Role::Field { kind, source, fields })
        }));
        let known = self.before.and_then(|before| before.roots.get(usize::from(source)));
        let known = known.into_iter().flatten().filter(|oid| self.facts.relations.contains_key(oid));
        let mut roots: Vec<u32> = known.copied().collect();
        roots.extend(found.filter(|root| !roots.contains(root)));
        for root in &roots {
            for oid in self.facts.relatives(*root) {
                for (column, role) in &columns {
                    self.add_column(*root, oid, column, *role);
                }
            }
        }
        self.roots.push(roots);
        Some(self.facts.column(found?, key)?.type_oid)
    }

    fn check_source(
        &mut self,
        root: u32,
        spec: &SubjectSpec,
        table: &RelationName,
        (key, fields): (&str, &[(String, String)]),
    ) {
        let parent = self.facts.parents.get(&root).and_then(|parents| parents.first());
        if let Some(parent) = parent.and_then(|oid| self.facts.name(*oid)) {
            let (subject, table) = (spec.name.clone(), table.clone());
            self.problems.push(CatalogueProblem::ChildNamed { subject, table, parent });
        }
        for column in std::iter::once(key).chain(fields.iter().map(|(_, column)| column.as_str())) {
            if self.facts.column(root, column).is_none() {
                self.column_missing(spec, table, column);
            }
        }
    }

    fn add_column(&mut self, root: u32, oid: u32, column: &str, role: Role) {
        let facts = self.facts;
        let relation = self.roles.entry(oid).or_default();
        if let Some(found) = facts.column(oid, column) {
            relation.add(found.attnum, role);
        } else if oid != root && facts.column(root, column).is_none() && !relation.have(role) {
            // The root's column has a name that is not known: so may have the relative's.
            let attributes = facts.relations.get(&oid).map_or(0, |fact| fact.attributes);
            if let Some(role) = role.as_dependent() {
                (1..=attributes).for_each(|attnum| {
                    relation.add(attnum, role);
                });
            }
        }
    }

    fn column_missing(&mut self, spec: &SubjectSpec, table: &RelationName, column: &str) {
        let problem = CatalogueProblem::ColumnMissing {
            subject: spec.name.clone(),
            table: table.clone(),
            column: column.to_owned(),
        };
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    // Views get their roles from relations that may be views themselves. A view that reads a source twice may
    // show the key of one row beside fields of another, under the same origin: its columns only depend.
    fn add_views(&mut self) {
        let facts = self.facts;
        let queries: Vec<(u32, Option<ViewQuery>)> = facts
            .dependencies
            .keys()
            .filter_map(|oid| Some((*oid, view_query::parse(facts.views.get(oid)?).ok())))
            .collect();
        let unread = facts.dependencies.keys().filter(|oid| !facts.views.contains_key(oid));
        let views: Vec<(u32, Option<ViewQuery>)> =
            queries.into_iter().chain(unread.map(|oid| (*oid, None))).collect();
        let known = self.roles.clone();
        self.grow(&views, &HashMap::new());
        let mixed = |(oid, query): &(u32, Option<ViewQuery>)| {
            let mixed = self.sources_read_twice(*oid, query.as_ref()?);
            (!mixed.is_empty()).then_some((*oid, mixed))
        };
        let mixed: HashMap<u32, BTreeSet<u16>> = views.iter().filter_map(mixed).collect();
        if !mixed.is_empty() {
            self.roles = known;
            self.grow(&views, &mixed);
        }
    }

    // Roles only ever grow, so the loop ends whatever refers to whatever.
    fn grow(&mut self, views: &[(u32, Option<ViewQuery>)], mixed: &HashMap<u32, BTreeSet<u16>>) {
        let mut grown = true;
        while grown {
            grown = false;
            for (oid, query) in views {
                let mixed = mixed.get(oid);
                let is_mixed = |role: Role| {
                    role.source().is_some_and(|source| mixed.is_some_and(|mixed| mixed.contains(&source)))
                };
                let found = self.view_roles(*oid, query.as_ref());
                let relation = self.roles.entry(*oid).or_default();
                for (attnum, role) in found {
                    let role = if is_mixed(role) { role.as_dependent() } else { Some(role) };
                    grown |= role.is_some_and(|role| relation.add(attnum, role));
                }
            }
        }
    }

    fn sources_read_twice(&self, view: u32, query: &ViewQuery) -> BTreeSet<u16> {
        let mut reads: BTreeMap<u16, usize> = BTreeMap::new();
        for relation in query.relations.iter().filter(|relation| **relation != view) {
            let sources = self.roles.get(relation).map(RelationRoles::sources).unwrap_or_default();
            sources.into_iter().for_each(|source| *reads.entry(source).or_default() += 1);
        }
        reads.into_iter().filter(|(_, count)| *count > 1).map(|(source, _)| source).collect()
    }

    fn view_roles(&self, oid: u32, query: Option<&ViewQuery>) -> Vec<(i16, Role)> {
        let whole_row = query.is_none_or(|query| query.whole_row);
        let depends: Vec<Role> = self
            .facts
            .dependencies
            .get(&oid)
            .into_iter()
            .flatten()
            .filter(|(_, attnum)| whole_row || *attnum != 0)
            .flat_map(|(relation, attnum)| {
                // Dropping the column number of a whole-row reader: any column may be in it.
                let attnum = if whole_row { 0 } else { i16::try_from(*attnum).unwrap_or(0) };
                self.roles.get(relation).into_iter().flat_map(move |roles| roles.of(attnum))
            })
            .filter_map(Role::as_dependent)
            .collect();
        let Some(query) = query else {
            // A query that cannot be read: any column may hold anything the view depends on.
            let attributes = self.facts.relations.get(&oid).map_or(0, |fact| fact.attributes);
            return (1..=attributes)
                .flat_map(|attnum| depends.iter().map(move |role| (attnum, *role)))
                .collect();
        };
        let mut found = Vec::new();
        for column in &query.columns {
            match column.origin {
                Some((relation, attnum)) => {
                    let roles = self.roles.get(&relation);
                    found.extend(
                        roles.into_iter().flat_map(|r| r.of(attnum)).map(|role| (column.attnum, role)),
                    );
                }
                None if column.reads => found.extend(depends.iter().map(|role| (column.attnum, *role))),
                None => {}
            }
        }
        found
    }
}

fn key_form(type_oid: u32) -> KeyForm {
    match type_oid {
        20 | 21 | 23 => KeyForm::Int,
        2950 => KeyForm::Uuid,
        _ => KeyForm::Text,
    }
}

impl RelationFacts {
    fn find(&self, table: &RelationName) -> Option<u32> {
        let found = self.relations.iter().find(|(_, f)| f.schema == table.schema && f.name == table.name);
        found.map(|(oid, _)| *oid)
    }

    fn name(&self, oid: u32) -> Option<RelationName> {
        let fact = self.relations.get(&oid)?;
        Some(RelationName { schema: fact.schema.clone(), name: fact.name.clone() })
    }

    fn column(&self, oid: u32, name: &str) -> Option<&ColumnFact> {
        self.columns.get(&oid)?.iter().find(|column| column.name == name)
    }

    // The relation, everything below it, and everything above those, each once. Whoever reads a parent gets
    // the parent's OID with the rows of its children.
    fn relatives(&self, root: u32) -> Vec<u32> {
        let below = reach(vec![root], &self.children);
        reach(below, &self.parents)
    }
}

fn reach(mut reached: Vec<u32>, links: &HashMap<u32, Vec<u32>>) -> Vec<u32> {
    let mut seen: BTreeSet<u32> = reached.iter().copied().collect();
    let mut next = 0;
    while let Some(oid) = reached.get(next) {
        let linked = links.get(oid).into_iter().flatten();
        let new: Vec<u32> = linked.copied().filter(|oid| seen.insert(*oid)).collect();
        reached.extend(new);
        next += 1;
    }
    reached
}
