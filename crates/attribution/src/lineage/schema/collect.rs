//! Collects a [`Schema`] from what the guarded server's catalogue says.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use pg_query::NodeEnum;
use pg_query::protobuf::CmdType;

use super::{Change, Column, Event, Relation, Routine, Schema, Standing};
use crate::catalogue::{Catalogue, Role};
use crate::lineage::code::{Code, read_expression, read_routine, read_rule};
use crate::lineage::words::{self, Words};
use crate::lineage::{parse, tree};
use crate::row_description::ColumnDescription;

const STATISTICS: &str = "pg_stats";
// Columns of pg_stats that hold values of the column that a row is about.
const STATISTICS_VALUES: [&str; 3] = ["most_common_vals", "histogram_bounds", "most_common_elems"];

/// Collects a [`Schema`].
#[derive(Debug)]
pub struct SchemaBuilder<'a> {
    catalogue: &'a Catalogue,
    relations: HashMap<u32, Relation>,
    routines: HashMap<String, Routine>,
    bodies: Vec<Body>,
    carriers: Vec<Carrier>,
    indexed: Vec<Indexed>,
    namesakes: HashSet<String>,
}

/// The source of a function.
#[derive(Debug)]
struct Body {
    name: String,
    is_dynamic: bool,
    /// In a language whose statements can be read.
    is_readable: bool,
    source: String,
}

/// An expression that an index keeps statistics of.
#[derive(Debug)]
struct Indexed {
    relation: u32,
    schema: String,
    name: String,
    column: String,
    expression: String,
}

/// Something whose use runs code that the text of a statement does not name.
#[derive(Debug)]
struct Carrier {
    kind: String,
    schema: String,
    name: String,
    source: String,
    columns: Vec<String>,
}

impl<'a> SchemaBuilder<'a> {
    pub(super) fn new(catalogue: &'a Catalogue) -> SchemaBuilder<'a> {
        SchemaBuilder {
            catalogue,
            relations: HashMap::new(),
            routines: HashMap::new(),
            bodies: Vec::new(),
            carriers: Vec::new(),
            indexed: Vec::new(),
            namesakes: HashSet::new(),
        }
    }

    /// Adds a row of [`super::LINEAGE_COLUMNS_SQL`].
    pub fn push_column(
        &mut self,
        oid: u32,
        (schema, name): (&str, &str),
        attnum: i16,
        (column, is_unique): (&str, bool),
        (type_oid, is_generated): (u32, bool),
    ) {
        let roles = self.catalogue.roles(oid).map(|roles| roles.of(attnum).collect()).unwrap_or_default();
        let relation = self.relations.entry(oid).or_insert_with(|| Relation {
            schema: schema.to_owned(),
            name: name.to_owned(),
            columns: Vec::new(),
            query: None,
            standing: Standing::View,
        });
        let origin = Some(ColumnDescription { table_oid: oid, attnum, type_oid, format: 0 });
        relation.columns.push(Column { name: column.to_owned(), roles, is_unique, origin, is_generated });
    }

    /// Adds a row of [`super::LINEAGE_VIEWS_SQL`].
    pub fn push_view(&mut self, oid: u32, query: &str) {
        if let Some(relation) = self.relations.get_mut(&oid) {
            relation.query = Some(query.to_owned());
        }
    }

    /// Adds a row of [`super::LINEAGE_ROUTINES_SQL`].
    pub fn push_routine(
        &mut self,
        name: &str,
        (aggregate, volatile): (bool, bool),
        (language, own, source): (&str, bool, &str),
    ) {
        let routine = self.routines.entry(name.to_owned()).or_default();
        routine.aggregate |= aggregate;
        routine.volatile |= volatile;
        if own && (aggregate || !matches!(language, "internal" | "c")) {
            let is_readable = matches!(language, "sql" | "plpgsql") && !aggregate;
            routine.reads |= !is_readable && !aggregate;
            let is_dynamic = language == "plpgsql";
            self.bodies.push(Body {
                name: name.to_owned(),
                is_dynamic,
                is_readable,
                source: source.to_owned(),
            });
        }
    }

    /// Adds a row of [`super::LINEAGE_CODE_SQL`].
    pub fn push_code(&mut self, kind: &str, (schema, name): (&str, &str), source: &str, columns: &[String]) {
        self.carriers.push(Carrier {
            kind: kind.to_owned(),
            schema: schema.to_owned(),
            name: name.to_owned(),
            source: source.to_owned(),
            columns: columns.to_vec(),
        });
    }

    /// Adds a row of [`super::LINEAGE_INDEXES_SQL`].
    pub fn push_index(
        &mut self,
        relation: u32,
        (schema, name): (&str, &str),
        column: &str,
        expression: &str,
    ) {
        self.indexed.push(Indexed {
            relation,
            schema: schema.to_owned(),
            name: name.to_owned(),
            column: column.to_owned(),
            expression: expression.to_owned(),
        });
    }

    /// Adds a row of [`super::LINEAGE_NAMESAKES_SQL`].
    pub fn push_namesake(&mut self, name: &str) {
        self.namesakes.insert(name.to_owned());
    }

    /// Ends the collection.
    pub fn finish(mut self) -> Schema {
        let protected = |relation: &&Relation| relation.columns.iter().any(|column| !column.roles.is_empty());
        let names: HashSet<String> =
            self.relations.values().filter(protected).map(|relation| relation.name.clone()).collect();
        let reading = self.find_readers(&names);
        for name in &reading.functions {
            self.routines.entry(name.clone()).or_default().reads = true;
        }
        let (codes, unread) = self.read_bodies(&reading);
        let (mut operators, mut types, mut views) = (HashMap::new(), HashMap::new(), Vec::new());
        let (mut foreign, mut policies) = (HashSet::new(), BTreeMap::<_, Vec<&Carrier>>::new());
        let mut changes: HashMap<String, Vec<Change>> = HashMap::new();
        for (carrier, _) in self.carriers.iter().zip(&reading.carriers).filter(|(_, reads)| **reads) {
            match carrier.kind.as_str() {
                "operator" => drop(operators.insert(carrier.name.clone(), carrier.source.clone())),
                "type" => drop(types.insert(carrier.name.clone(), carrier.source.clone())),
                "view" => views.push(carrier),
                "foreign" => drop(foreign.insert(carrier.name.clone())),
                "policy" => policies.entry((&carrier.schema, &carrier.name)).or_default().push(carrier),
                _ => changes
                    .entry(carrier.name.clone())
                    .or_default()
                    .push(read_change(carrier, &codes, &unread)),
            }
        }
        let mut relations: Vec<Relation> = Vec::new();
        let made = views.into_iter().map(Carrier::as_view);
        for made in made.chain(policies.values().filter_map(|policies| guarded(policies))) {
            let known = |relation: &Relation| relation.schema == made.schema && relation.name == made.name;
            if !self.relations.values().any(known) {
                relations.push(made);
            }
        }
        let statistics = self.statistics();
        relations.extend(
            self.relations
                .into_values()
                .filter(|relation| relation.name != STATISTICS || protected(&relation)),
        );
        relations.extend(statistics);
        let words = relations.iter().map(|relation| &relation.name).chain(&reading.functions);
        let words = words.chain(operators.keys()).chain(types.keys()).chain(changes.keys()).chain(&foreign);
        let words = Words::new(words.map(String::as_str), true);
        relations.sort_by(|a, b| (&a.schema, &a.name).cmp(&(&b.schema, &b.name)));
        if names.is_empty() {
            relations.clear();
        }
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, relation) in relations.iter().enumerate() {
            by_name.entry(relation.name.clone()).or_default().push(index);
        }
        let kinds =
            self.catalogue.kinds().map(|(kind, fields)| (self.catalogue.key_form(kind), fields)).collect();
        Schema {
            relations,
            by_name,
            routines: self.routines,
            codes,
            unread,
            changes,
            operators,
            types,
            words,
            foreign,
            kinds,
            namesakes: self.namesakes,
        }
    }

    // What calls something that reads, reads.
    fn find_readers(&self, names: &HashSet<String>) -> Readers {
        let readers = Words::new(names.iter().map(String::as_str), false);
        let reading = self.routines.iter().filter(|(_, routine)| routine.reads);
        let mut functions: HashSet<String> = reading.map(|(name, _)| name.clone()).collect();
        let mut carriers: Vec<bool> = self.carriers.iter().map(|carrier| carrier.kind == "foreign").collect();
        let views = self.relations.values().filter(|relation| relation.query.is_some());
        let views: HashSet<&str> = views.map(|relation| relation.name.as_str()).collect();
        let mut grown = true;
        while grown {
            let used = self.carriers.iter().zip(&carriers).filter(|(_, reads)| **reads);
            let used = used.map(|(carrier, _)| carrier.name.as_str());
            let calls = functions.iter().map(String::as_str).chain(words::READS_BY_NAME).chain(used);
            let calls = Words::new(calls, false);
            grown = false;
            for Body { name, is_dynamic, source, .. } in &self.bodies {
                let reads = readers.are_in(source)
                    || calls.are_in(source)
                    || (*is_dynamic && words::has_word(source, "execute"));
                grown |= reads && functions.insert(name.clone());
            }
            for (carrier, reads) in self.carriers.iter().zip(&mut carriers).filter(|(_, reads)| !**reads) {
                *reads = readers.are_in(&carrier.source) || calls.are_in(&carrier.source);
                if matches!(carrier.kind.as_str(), "rule" | "trigger") {
                    // A protected table changes under everybody's hands: its name says nothing here. Who makes
                    // a view of it that does something else gets at its rows.
                    *reads = carrier.reads_beside_itself(&readers, &calls)
                        || views.contains(carrier.name.as_str());
                }
                grown |= *reads;
            }
        }
        Readers { functions, carriers }
    }

    // Those of functions that read, and of triggers.
    fn read_bodies(&self, reading: &Readers) -> (HashMap<String, Vec<Arc<Code>>>, HashSet<String>) {
        let (mut codes, mut unread) = (HashMap::<String, Vec<Arc<Code>>>::new(), HashSet::new());
        let set_off = |body: &Body| {
            let used = self.carriers.iter().zip(&reading.carriers).filter(|(_, reads)| **reads);
            used.filter(|(carrier, _)| carrier.kind == "trigger")
                .any(|(carrier, _)| words::has_word(&carrier.source, &body.name))
        };
        let wanted = |body: &&Body| reading.functions.contains(&body.name) || set_off(body);
        for body in self.bodies.iter().filter(wanted) {
            match body.is_readable.then(|| read_routine(&body.source)).flatten() {
                Some(code) => codes.entry(body.name.clone()).or_default().push(Arc::new(code)),
                None => drop(unread.insert(body.name.clone())),
            }
        }
        (codes, unread)
    }

    // pg_stats as a view that has the subjects whose values it shows beside them.
    fn statistics(&self) -> Option<Relation> {
        let found = self.relations.values().find(|relation| {
            relation.name == STATISTICS && relation.columns.iter().all(|column| column.roles.is_empty())
        })?;
        let columns: Vec<&str> = found.columns.iter().map(|column| column.name.as_str()).collect();
        let (mut joins, mut shown) = (String::new(), Vec::new());
        for kept in self.kept_statistics() {
            let number = shown.len() + 1;
            let (names, value) = (kept.names(), kept.value());
            joins += &format!(
                " LEFT JOIN LATERAL (SELECT {value} AS v FROM {} b WHERE {names} AND {value} = ANY \
                 (s.most_common_vals::text::text[] || s.histogram_bounds::text::text[])) v{number} ON true",
                kept.from
            );
            shown.push(format!("v{number}.v IS NULL"));
        }
        if shown.is_empty() {
            return None;
        }
        let target = |name: &&str| {
            if STATISTICS_VALUES.contains(name) {
                // Depends on the values, and is what it is.
                format!("CASE WHEN {} THEN s.{name} ELSE s.{name} END AS {name}", shown.join(" AND "))
            } else {
                format!("s.{name}")
            }
        };
        let targets: Vec<String> = columns.iter().map(target).collect();
        let query = format!("SELECT {} FROM pg_catalog.pg_stats s{joins}", targets.join(", "));
        let columns = columns.into_iter().map(Column::of_view);
        let (schema, name) = (found.schema.clone(), found.name.clone());
        let columns = columns.collect();
        Some(Relation { schema, name, columns, query: Some(query), standing: Standing::Statistics })
    }

    // Views have no statistics; materialised ones do, and those beside the tables may be read by whoever reads
    // these, which is more than can be said of somebody's own.
    fn kept_statistics(&self) -> Vec<Kept<'_>> {
        let tables = self.relations.values().filter(|relation| relation.query.is_none());
        let schemas: HashSet<&str> = tables.map(|relation| relation.schema.as_str()).collect();
        let mut kept = Vec::new();
        for (oid, relation) in &self.relations {
            let tells = |column: &&Column| column.roles.iter().any(|role| !matches!(role, Role::Key { .. }));
            let columns = relation.columns.iter().filter(tells);
            let values = columns.map(|column| {
                ([&*relation.schema, &*relation.name, &*column.name], format!("b.{}", quoted(&column.name)))
            });
            let indexed = self.indexed.iter().filter(|index| index.relation == *oid);
            let indexed = indexed
                .map(|index| ([&*index.schema, &*index.name, &*index.column], index.expression.clone()));
            let values: Vec<([&str; 3], String)> = values.chain(indexed).collect();
            if !values.is_empty() && schemas.contains(relation.schema.as_str()) {
                let from = format!("{}.{}", quoted(&relation.schema), quoted(&relation.name));
                kept.push(Kept { from, values });
            }
        }
        kept.sort_by(|a, b| a.from.cmp(&b.from));
        kept
    }
}

/// A relation of whose columns and indexes there may be statistics.
struct Kept<'k> {
    from: String,
    /// Schema, relation or index, and column, as pg_stats names them; the values.
    values: Vec<([&'k str; 3], String)>,
}

impl Kept<'_> {
    // Known before a row of the relation is read, so that most need no reading.
    fn names(&self) -> String {
        let schemas: BTreeSet<String> = self.values.iter().map(|([schema, ..], _)| literal(schema)).collect();
        let names: BTreeSet<String> = self.values.iter().map(|([_, name, _], _)| literal(name)).collect();
        let list = |set: BTreeSet<String>| set.into_iter().collect::<Vec<_>>().join(", ");
        format!("s.schemaname IN ({}) AND s.tablename IN ({})", list(schemas), list(names))
    }

    fn value(&self) -> String {
        let choices = self.values.iter().map(|([_, name, column], value)| {
            let (name, column) = (literal(name), literal(column));
            format!("WHEN s.tablename = {name} AND s.attname = {column} THEN ({value})::text")
        });
        format!("CASE {} END", choices.collect::<Vec<_>>().join(" "))
    }
}

// A relation of which the server shows rows by policies that read others.
fn guarded(policies: &[&Carrier]) -> Option<Relation> {
    let first = policies.first()?;
    let columns: Vec<String> = first.columns.iter().map(|name| quoted(name)).collect();
    let conditions: Vec<String> = policies.iter().map(|policy| format!("({})", policy.source)).collect();
    let (schema, name) = (quoted(&first.schema), quoted(&first.name));
    let (columns, conditions) = (columns.join(", "), conditions.join(" OR "));
    let query = format!("SELECT {columns} FROM {schema}.{name} WHERE {conditions}");
    Some(Relation { query: Some(query), standing: Standing::Policies, ..first.as_view() })
}

/// What reads.
struct Readers {
    functions: HashSet<String>,
    // In the order of the builder's carriers.
    carriers: Vec<bool>,
}

impl Carrier {
    // The definition of a rule or trigger names its relation too.
    fn reads_beside_itself(&self, readers: &Words, calls: &Words) -> bool {
        let body = match self.kind.as_str() {
            "trigger" => self.source.split_once(" FOR EACH ").map_or(self.source.as_str(), |(_, what)| what),
            _ => {
                let actions = self.source.find(" DO ").and_then(|at| self.source.get(at..));
                actions.unwrap_or(self.source.as_str())
            }
        };
        readers.are_in(body) || calls.are_in(body)
    }

    fn as_view(&self) -> Relation {
        let columns = self.columns.iter().map(|name| Column::of_view(name));
        Relation {
            schema: self.schema.clone(),
            name: self.name.clone(),
            columns: columns.collect(),
            query: Some(self.source.clone()),
            standing: Standing::View,
        }
    }
}

fn read_change(
    carrier: &Carrier,
    codes: &HashMap<String, Vec<Arc<Code>>>,
    unread: &HashSet<String>,
) -> Change {
    let (events, code) = match carrier.kind.as_str() {
        "rule" => (rule_events(&carrier.source), read_rule(&carrier.source).map(Arc::new)),
        "trigger" => trigger(&carrier.source, codes, unread),
        "default" => (vec![Event::Insert, Event::Merge], read_expression(&carrier.source).map(Arc::new)),
        _ => {
            (vec![Event::Insert, Event::Update, Event::Merge], read_expression(&carrier.source).map(Arc::new))
        }
    };
    Change { schema: carrier.schema.clone(), events, code, columns: carrier.columns.clone() }
}

fn first(definition: &str) -> Option<NodeEnum> {
    parse(definition)?.protobuf.stmts.into_iter().next()?.stmt?.node
}

fn rule_events(definition: &str) -> Vec<Event> {
    let Some(NodeEnum::RuleStmt(rule)) = first(definition) else { return ALL_EVENTS.to_vec() };
    match CmdType::try_from(rule.event) {
        Ok(CmdType::CmdInsert) => vec![Event::Insert],
        Ok(CmdType::CmdUpdate) => vec![Event::Update],
        Ok(CmdType::CmdDelete) => vec![Event::Delete],
        _ => ALL_EVENTS.to_vec(),
    }
}

const ALL_EVENTS: [Event; 4] = [Event::Insert, Event::Update, Event::Delete, Event::Merge];

fn trigger(
    definition: &str,
    codes: &HashMap<String, Vec<Arc<Code>>>,
    unread: &HashSet<String>,
) -> (Vec<Event>, Option<Arc<Code>>) {
    let Some(NodeEnum::CreateTrigStmt(trigger)) = first(definition) else {
        return (ALL_EVENTS.to_vec(), None);
    };
    // Bits of pg_trigger.tgtype.
    let bits = [(4, Event::Insert), (8, Event::Delete), (16, Event::Update)];
    let mut events: Vec<Event> =
        bits.into_iter().filter(|(bit, _)| trigger.events & bit != 0).map(|(_, event)| event).collect();
    events.push(Event::Merge);
    // Whether the condition holds tells of what it reads.
    let mut reads = false;
    let mut see = |node: &NodeEnum| {
        if let NodeEnum::FuncCall(call) = node {
            let name = tree::words(&call.funcname).last().copied().unwrap_or_default();
            reads |= codes.contains_key(name) || unread.contains(name);
        }
    };
    if trigger.when_clause.as_deref().is_some_and(|condition| !tree::walk(condition, &mut see)) || reads {
        return (events, None);
    }
    let name = tree::words(&trigger.funcname).last().copied().unwrap_or_default().to_owned();
    let code = match codes.get(&name).map(Vec::as_slice) {
        Some([code]) => Some(Arc::clone(code)),
        _ => None,
    };
    (events, code)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
