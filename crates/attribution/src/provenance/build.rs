//! Builds key queries from resolved selects.
//!
//! A select whose rows are rows of what it reads carries the keys along as further columns; of any other
//! (groups, set operations) the keys of all that it reads are asked for apart. Sub-queries in expressions are
//! asked about beside each row of the select around them (LATERAL).

use std::collections::BTreeSet;

use pg_query::NodeEnum;
use pg_query::protobuf::{Alias, LimitOption, Node, SelectStmt, SetOperation};

use super::limit;
use crate::lineage::{Conjunct, Item, Level, Place, Question, Schema, Source, reading_with, tree};

// Selects joined in one key query; more are not asked for.
const ARMS_MAX: usize = 200;

// As long as so few people are chosen, a condition on protected columns tells about all of them.
const FEW_MAX: i32 = 100;
// And how many of them have a value at all.
const COUNTED_MAX: i32 = 5;

const KIND: &str = "rastro_kind";
const KEY: &str = "rastro_key";
const ASKED: &str = "rastro_asked";
const COUNT: &str = "rastro_count";

pub(super) struct Builder<'b> {
    schema: &'b Schema,
    needed: BTreeSet<Place>,
    // Of whom it matters only whether there is a value.
    weak: BTreeSet<Place>,
    found: BTreeSet<Place>,
    names: usize,
}

/// A select that carries keys as further columns.
struct Carried {
    select: SelectStmt,
    keys: Vec<(Place, String)>,
    /// Selects of keys that it cannot carry.
    rest: Vec<SelectStmt>,
}

/// A FROM clause and the keys that it gives, as references.
struct From {
    clause: Vec<Node>,
    keys: Vec<(Place, Node)>,
    /// Those to be asked beside each row, and those to be asked apart.
    beside: Vec<SelectStmt>,
    apart: Vec<SelectStmt>,
}

impl<'b> Builder<'b> {
    pub(super) fn new(schema: &'b Schema, question: &Question) -> Builder<'b> {
        let needed: BTreeSet<Place> =
            question.needed.0.keys().copied().filter(|place| place.source.is_some()).collect();
        let mut weak = BTreeSet::new();
        question.level.visit(&mut |level| {
            weak.extend(level.weak.0.keys().copied().filter(|place| place.source.is_some()));
        });
        weak.retain(|place| !needed.contains(place));
        Builder { schema, needed, weak, found: BTreeSet::new(), names: 0 }
    }

    /// Returns whether each instance that is needed is in some arm.
    pub(super) fn has_all(&self) -> bool {
        self.needed.is_subset(&self.found)
    }

    /// Returns selects of kind and key; `None` if they cannot be had without running something twice that
    /// must run once.
    pub(super) fn arms(&mut self, level: &Level) -> Option<Vec<SelectStmt>> {
        let mut arms = Vec::new();
        if !level.sides.is_empty() {
            for side in &level.sides {
                arms.extend(self.arms(side)?);
            }
            return self.within(level, arms);
        }
        if !self.is_wanted(level) {
            return Some(arms);
        }
        if level.effects {
            // What stands by itself can be asked all the same.
            for link in level.sublinks.iter().filter(|link| !link.is_correlated) {
                arms.extend(self.arms_if_any(link));
            }
            return self.within(level, arms);
        }
        let mut from = self.from(level)?;
        for (place, key) in from.keys.iter().filter(|(place, _)| self.needed.contains(place)) {
            let mut arm = key_of(*place, key, &from.clause);
            let all = self.conditions(level, &mut arm);
            if all && level.is_simple() && !level.target_effects {
                limit::keep(&level.select, &mut arm);
            }
            arms.push(arm);
        }
        arms.extend(self.few(level, &from.keys, &from.clause));
        self.links(level, &mut from);
        arms.extend(self.asked_beside(level, &from.clause, from.beside));
        arms.extend(from.apart);
        self.within(level, arms)
    }

    // Of what cannot be asked, nothing is found.
    fn arms_if_any(&mut self, level: &Level) -> Vec<SelectStmt> {
        let found = self.found.clone();
        self.arms(level).unwrap_or_else(|| {
            self.found = found;
            Vec::new()
        })
    }

    // Sub-queries within the level's expressions.
    fn links(&mut self, level: &Level, from: &mut From) {
        for link in &level.sublinks {
            let arms = self.arms_if_any(link);
            if link.is_correlated { from.beside.extend(arms) } else { from.apart.extend(arms) }
        }
    }

    // Selects of keys beside each row of the level.
    fn asked_beside(&self, level: &Level, clause: &[Node], beside: Vec<SelectStmt>) -> Vec<SelectStmt> {
        let ask = |inner| {
            let mut arm = asked_keys();
            arm.from_clause = clause.to_vec();
            arm.from_clause.push(tree::subselect(inner, named(ASKED), true));
            self.conditions(level, &mut arm);
            arm
        };
        beside.into_iter().map(ask).collect()
    }

    // A condition on protected columns of few people who are chosen by other means tells about each of them,
    // whether it holds or not: those people, as long as there are few.
    fn few(&self, level: &Level, keys: &[(Place, Node)], clause: &[Node]) -> Vec<SelectStmt> {
        let (mut asked, mut weak) = (BTreeSet::new(), BTreeSet::new());
        for conjunct in self.kept(level).into_iter().chain(&level.joins) {
            asked.extend(conjunct.deps.0.keys().copied());
            weak.extend(conjunct.weak.0.keys().copied());
        }
        weak.extend(level.weak.0.keys().copied());
        let chooses =
            |conjunct: &&Conjunct| conjunct.deps.is_empty() && conjunct.weak.is_empty() && !conjunct.effects;
        let chosen: Vec<Node> =
            level.conjuncts.iter().filter(chooses).map(|conjunct| conjunct.node.clone()).collect();
        if chosen.is_empty() && !level.joins.iter().filter(chooses).any(|c| !joins_columns(&c.node)) {
            return Vec::new();
        }
        let asking: Vec<&Node> =
            level.joins.iter().filter(|c| !chooses(c)).map(|conjunct| &conjunct.node).collect();
        let clause: Vec<Node> = clause.iter().map(|node| joined_without(node, &asking)).collect();
        let mut arms = Vec::new();
        for (place, key) in keys {
            let most = if asked.contains(place) && self.needed.contains(place) {
                FEW_MAX
            } else if weak.contains(place) {
                COUNTED_MAX
            } else {
                continue;
            };
            let mut inner = key_of(*place, key, &clause);
            inner.where_clause = tree::all_of(chosen.clone());
            inner.limit_count = Some(Box::new(tree::integer(most + 1)));
            inner.limit_option = LimitOption::Count as i32;
            let mut counted = asked_keys();
            counted.target_list.push(tree::target(COUNT, tree::count_over_all()));
            counted.from_clause = vec![tree::subselect(inner, named(ASKED), false)];
            let mut arm = asked_keys();
            arm.from_clause = vec![tree::subselect(counted, named(ASKED), false)];
            let count = tree::column(&[ASKED, COUNT]);
            arm.where_clause = Some(Box::new(tree::operation(count, "<=", tree::integer(most))));
            arms.push(arm);
        }
        arms
    }

    // Whether anything needed is read in or below a level.
    fn is_wanted(&self, level: &Level) -> bool {
        let mut wanted = false;
        level.visit(&mut |level| {
            wanted |= level.items.iter().any(|item| match &item.source {
                Source::Base { keys } => keys.iter().any(|(place, _)| self.is_asked(place)),
                _ => false,
            });
        });
        wanted
    }

    fn is_asked(&self, place: &Place) -> bool {
        self.needed.contains(place) || self.weak.contains(place)
    }

    // Puts selects into the reach of the level's WITH clause.
    fn within(&self, level: &Level, mut arms: Vec<SelectStmt>) -> Option<Vec<SelectStmt>> {
        let Some(with) = level.select.with_clause.as_ref().filter(|_| !arms.is_empty()) else {
            return Some(arms);
        };
        let with = reading_with(with, self.schema)?;
        for arm in &mut arms {
            if arm.with_clause.is_some() {
                let mut outer = asked_keys();
                outer.from_clause = vec![tree::subselect(std::mem::take(arm), named(ASKED), false)];
                *arm = outer;
            }
            arm.with_clause = Some(with.clone());
        }
        Some(arms)
    }

    // Gives `arm` the level's conditions; returns whether it has all of them. What would run twice and must
    // not is left out, and so is what is asked about a person who is named: the answer no tells as much.
    fn conditions(&self, level: &Level, arm: &mut SelectStmt) -> bool {
        let kept = self.kept(level);
        let all = kept.len() == level.conjuncts.len();
        arm.where_clause = tree::all_of(kept.into_iter().map(|conjunct| conjunct.node.clone()).collect());
        all
    }

    fn kept<'l>(&self, level: &'l Level) -> Vec<&'l Conjunct> {
        let named: BTreeSet<Place> = level.conjuncts.iter().flat_map(|c| c.names.iter().copied()).collect();
        let asks = |conjunct: &Conjunct| {
            let mut places = conjunct.deps.0.keys();
            places.any(|place| named.iter().any(|known| level.are_joined(known, place)))
        };
        level.conjuncts.iter().filter(|conjunct| !conjunct.effects && !asks(conjunct)).collect()
    }

    fn from(&mut self, level: &Level) -> Option<From> {
        let mut from = From { clause: Vec::new(), keys: Vec::new(), beside: Vec::new(), apart: Vec::new() };
        let mut items = level.items.iter();
        for node in &level.select.from_clause {
            let node = self.rewrite(node, &mut items, &mut from)?;
            from.clause.push(node);
        }
        Some(from)
    }

    // Takes the items of a FROM clause in the order in which they were read.
    fn rewrite<'l>(
        &mut self,
        node: &Node,
        items: &mut impl Iterator<Item = &'l Item>,
        from: &mut From,
    ) -> Option<Node> {
        match node.node.as_ref()? {
            NodeEnum::JoinExpr(join) => {
                let mut join = join.clone();
                for side in [&mut join.larg, &mut join.rarg].into_iter().flatten() {
                    **side = self.rewrite(side, items, from)?;
                }
                if join.alias.is_some() {
                    items.next();
                }
                Some(tree::node(NodeEnum::JoinExpr(join)))
            }
            NodeEnum::RangeTableSample(sample) => self.rewrite(sample.relation.as_deref()?, items, from),
            _ => {
                let item = items.next()?;
                self.item(node, item, from)
            }
        }
    }

    fn item(&mut self, node: &Node, item: &Item, from: &mut From) -> Option<Node> {
        match &item.source {
            Source::Other => {}
            Source::Base { keys } => {
                for (place, column) in keys {
                    // Names within a join that has a name of its own cannot be reached.
                    if self.is_asked(place) && !item.hidden {
                        self.found.insert(*place);
                        from.keys.push((*place, tree::column(&[&item.alias, column])));
                    }
                }
                if let (Some(schema), NodeEnum::RangeVar(var)) = (&item.within, node.node.as_ref()?) {
                    let mut var = var.clone();
                    var.schemaname.clone_from(schema);
                    return Some(tree::node(NodeEnum::RangeVar(var)));
                }
            }
            Source::Query { level, lateral, names } if self.is_wanted(level) => {
                if level.is_simple() && !item.hidden && !level.effects && !level.target_effects {
                    let carried = self.carry(level)?;
                    let keys = carried
                        .keys
                        .into_iter()
                        .map(|(place, name)| (place, tree::column(&[&item.alias, &name])));
                    from.keys.extend(keys);
                    let rest = if *lateral { &mut from.beside } else { &mut from.apart };
                    rest.extend(carried.rest);
                    let colnames = names.iter().map(|name| tree::word(name)).collect();
                    let alias = Alias { aliasname: item.alias.clone(), colnames };
                    return Some(tree::subselect(carried.select, alias, *lateral));
                }
                let arms = self.arms(level)?;
                if *lateral {
                    from.beside.extend(arms)
                } else {
                    from.apart.extend(arms)
                }
                if level.has_effects() {
                    return None;
                }
            }
            Source::Query { level, .. } => {
                if level.has_effects() {
                    return None;
                }
            }
        }
        Some(node.clone())
    }

    fn carry(&mut self, level: &Level) -> Option<Carried> {
        let mut from = self.from(level)?;
        let mut select = level.select.clone();
        select.from_clause.clone_from(&from.clause);
        select.locking_clause.clear();
        if let Some(with) = &select.with_clause {
            select.with_clause = Some(reading_with(with, self.schema)?);
        }
        let all = self.conditions(level, &mut select);
        limit::loosen(&mut select, all);
        let few = self.few(level, &from.keys, &from.clause);
        let mut keys = Vec::new();
        for (place, key) in std::mem::take(&mut from.keys) {
            self.names += 1;
            let name = format!("{KEY}_{}", self.names);
            select.target_list.push(tree::target(&name, key));
            keys.push((place, name));
        }
        self.links(level, &mut from);
        let mut rest = from.apart;
        rest.extend(few);
        rest.extend(self.asked_beside(level, &from.clause, from.beside));
        Some(Carried { select, keys, rest: self.within(level, rest)? })
    }
}

fn key_of(place: Place, key: &Node, clause: &[Node]) -> SelectStmt {
    let mut select = tree::plain_select();
    select.target_list = vec![
        tree::target(KIND, tree::integer(i32::from(place.kind.0))),
        tree::target(KEY, tree::as_text(key.clone())),
    ];
    select.from_clause = clause.to_vec();
    select
}

// Whether a condition does no more than join.
fn joins_columns(node: &Node) -> bool {
    let is_column = |side: &Option<Box<Node>>| {
        side.as_ref().is_some_and(|side| matches!(side.node, Some(NodeEnum::ColumnRef(_))))
    };
    matches!(&node.node, Some(NodeEnum::AExpr(e)) if is_column(&e.lexpr) && is_column(&e.rexpr))
}

// Takes conditions out of joins.
fn joined_without(node: &Node, asking: &[&Node]) -> Node {
    let Some(NodeEnum::JoinExpr(join)) = node.node.as_ref().filter(|_| !asking.is_empty()) else {
        return node.clone();
    };
    let mut join = join.clone();
    for side in [&mut join.larg, &mut join.rarg].into_iter().flatten() {
        **side = joined_without(side, asking);
    }
    if let Some(condition) = join.quals.take() {
        let kept = tree::conjuncts(&condition).into_iter().filter(|part| !asking.contains(part)).cloned();
        join.quals = tree::all_of(kept.collect()).or_else(|| Some(Box::new(tree::truth())));
    }
    tree::node(NodeEnum::JoinExpr(join))
}

// Kind and key of what a sub-select asked.
fn asked_keys() -> SelectStmt {
    let mut select = tree::plain_select();
    select.target_list = [KIND, KEY].map(|name| tree::target("", tree::column(&[ASKED, name]))).into();
    select
}

fn named(alias: &str) -> Alias {
    Alias { aliasname: alias.to_owned(), colnames: Vec::new() }
}

/// Joins selects of kind and key to one that gives each pair once, `limit` at most. Rows of one relation alone
/// are taken as they come: they seldom repeat a key, and sorting them out would cost more than reading them.
pub(super) fn union(arms: Vec<SelectStmt>, limit: usize) -> Option<SelectStmt> {
    if arms.len() > ARMS_MAX {
        return None;
    }
    let reads_one = match arms.as_slice() {
        [arm] => match arm.from_clause.as_slice() {
            [from] => matches!(from.node, Some(NodeEnum::RangeVar(_))),
            _ => false,
        },
        _ => false,
    };
    let joined = side_by_side(arms)?;
    let mut select = asked_keys();
    if !reads_one {
        // DISTINCT over all columns is a list of one empty node.
        select.distinct_clause = vec![Node { node: None }];
    }
    select.from_clause = vec![tree::subselect(joined, named(ASKED), false)];
    let test = pg_query::protobuf::NullTest {
        arg: Some(Box::new(tree::column(&[ASKED, KEY]))),
        nulltesttype: pg_query::protobuf::NullTestType::IsNotNull as i32,
        ..Default::default()
    };
    select.where_clause = Some(Box::new(tree::node(NodeEnum::NullTest(Box::new(test)))));
    select.limit_count = Some(Box::new(tree::integer(i32::try_from(limit).unwrap_or(i32::MAX))));
    select.limit_option = pg_query::protobuf::LimitOption::Count as i32;
    Some(select)
}

// By halves, so that many of them are not nested deep.
fn side_by_side(mut arms: Vec<SelectStmt>) -> Option<SelectStmt> {
    if arms.len() < 2 {
        return arms.pop();
    }
    let right = arms.split_off(arms.len() / 2);
    Some(SelectStmt {
        op: SetOperation::SetopUnion as i32,
        all: true,
        larg: side_by_side(arms).map(Box::new),
        rarg: side_by_side(right).map(Box::new),
        ..tree::plain_select()
    })
}
