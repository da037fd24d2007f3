//! Builds key queries from resolved selects.
//!
//! A select whose rows are rows of what it reads carries the keys along as further columns; of any other
//! (groups, set operations) the keys of all that it reads are asked for apart. Sub-queries in expressions are
//! asked about beside each row of the select around them (LATERAL).

use std::collections::BTreeSet;

use pg_query::NodeEnum;
use pg_query::protobuf::{Alias, Node, SelectStmt, SetOperation};

use super::limit;
use crate::lineage::{Deps, Item, Level, Place, Schema, Source, reading_with, tree};

// Selects joined in one key query; more than the parser's depth of nesting lets pass are not asked for.
const ARMS_MAX: usize = 40;

const KIND: &str = "rastro_kind";
const KEY: &str = "rastro_key";
const ASKED: &str = "rastro_asked";

pub(super) struct Builder<'b> {
    schema: &'b Schema,
    needed: BTreeSet<Place>,
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
    pub(super) fn new(schema: &'b Schema, needed: &Deps) -> Builder<'b> {
        let needed = needed.0.keys().copied().filter(|place| place.source.is_some()).collect();
        Builder { schema, needed, found: BTreeSet::new(), names: 0 }
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
            return None;
        }
        let from = self.from(level)?;
        for (place, key) in from.keys {
            let mut arm = tree::plain_select();
            arm.target_list = vec![
                tree::target(KIND, tree::integer(i32::from(place.kind.0))),
                tree::target(KEY, tree::as_text(key)),
            ];
            arm.from_clause.clone_from(&from.clause);
            let all = self.conditions(level, &mut arm);
            if all && level.is_simple() && !level.target_effects {
                limit::keep(&level.select, &mut arm);
            }
            arms.push(arm);
        }
        let mut beside = from.beside;
        for link in &level.sublinks {
            beside.extend(self.arms(link)?);
        }
        for inner in beside {
            let mut arm = tree::plain_select();
            arm.target_list = [KIND, KEY].map(|name| tree::target("", tree::column(&[ASKED, name]))).into();
            arm.from_clause.clone_from(&from.clause);
            arm.from_clause.push(tree::subselect(inner, named(ASKED), true));
            self.conditions(level, &mut arm);
            arms.push(arm);
        }
        arms.extend(from.apart);
        self.within(level, arms)
    }

    // Whether anything needed is read in or below a level.
    fn is_wanted(&self, level: &Level) -> bool {
        let mut wanted = false;
        level.visit(&mut |level| {
            wanted |= level.items.iter().any(|item| match &item.source {
                Source::Base { keys } => keys.iter().any(|(place, _)| self.needed.contains(place)),
                _ => false,
            });
        });
        wanted
    }

    // Puts selects into the reach of the level's WITH clause.
    fn within(&self, level: &Level, mut arms: Vec<SelectStmt>) -> Option<Vec<SelectStmt>> {
        let Some(with) = level.select.with_clause.as_ref().filter(|_| !arms.is_empty()) else {
            return Some(arms);
        };
        let with = reading_with(with, self.schema)?;
        for arm in &mut arms {
            if arm.with_clause.is_some() {
                let mut outer = tree::plain_select();
                outer.target_list =
                    [KIND, KEY].map(|name| tree::target("", tree::column(&[ASKED, name]))).into();
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
        let named: BTreeSet<Place> = level.conjuncts.iter().flat_map(|c| c.names.iter().copied()).collect();
        let kept: Vec<Node> = level
            .conjuncts
            .iter()
            .filter(|conjunct| {
                let asks = conjunct
                    .deps
                    .0
                    .keys()
                    .any(|place| named.iter().any(|known| level.are_joined(known, place)));
                !conjunct.effects && !asks
            })
            .map(|conjunct| conjunct.node.clone())
            .collect();
        let all = kept.len() == level.conjuncts.len();
        arm.where_clause = tree::all_of(kept);
        all
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
                for (place, column) in keys.iter().filter(|(place, _)| self.needed.contains(place)) {
                    // Names within a join that has a name of its own cannot be reached.
                    if !item.hidden {
                        self.found.insert(*place);
                        from.keys.push((*place, tree::column(&[&item.alias, column])));
                    }
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
        let from = self.from(level)?;
        let mut select = level.select.clone();
        select.from_clause.clone_from(&from.clause);
        select.locking_clause.clear();
        if let Some(with) = &select.with_clause {
            select.with_clause = Some(reading_with(with, self.schema)?);
        }
        let all = self.conditions(level, &mut select);
        limit::loosen(&mut select, all);
        let mut keys = Vec::new();
        for (place, key) in from.keys {
            self.names += 1;
            let name = format!("{KEY}_{}", self.names);
            select.target_list.push(tree::target(&name, key));
            keys.push((place, name));
        }
        let mut rest = from.apart;
        let mut beside = from.beside;
        for link in &level.sublinks {
            beside.extend(self.arms(link)?);
        }
        for inner in beside {
            let mut arm = tree::plain_select();
            arm.target_list = [KIND, KEY].map(|name| tree::target("", tree::column(&[ASKED, name]))).into();
            arm.from_clause.clone_from(&from.clause);
            arm.from_clause.push(tree::subselect(inner, named(ASKED), true));
            self.conditions(level, &mut arm);
            rest.push(arm);
        }
        Some(Carried { select, keys, rest: self.within(level, rest)? })
    }
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
    let joined = arms.into_iter().reduce(|left, right| SelectStmt {
        op: SetOperation::SetopUnion as i32,
        all: true,
        larg: Some(Box::new(left)),
        rarg: Some(Box::new(right)),
        ..tree::plain_select()
    })?;
    let mut select = tree::plain_select();
    if !reads_one {
        // DISTINCT over all columns is a list of one empty node.
        select.distinct_clause = vec![Node { node: None }];
    }
    select.target_list = [KIND, KEY].map(|name| tree::target("", tree::column(&[ASKED, name]))).into();
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
