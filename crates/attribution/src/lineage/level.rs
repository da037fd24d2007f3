//! One SELECT with its names resolved.

use std::collections::{BTreeMap, BTreeSet};

use pg_query::protobuf::{Node, SelectStmt};
use rastro_model::{FieldSet, KindId};

use crate::catalogue::Role;
use crate::row_description::ColumnDescription;

/// One source of one occurrence of a relation in a statement; the source is `None` where no key belongs to it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Place {
    pub(crate) instance: u32,
    pub(crate) kind: KindId,
    pub(crate) source: Option<u16>,
}

/// The fields that something depends on, by where they come from.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Deps(pub(crate) BTreeMap<Place, FieldSet>);

impl Deps {
    pub(crate) fn add(&mut self, place: Place, fields: FieldSet) {
        if !fields.is_empty() {
            let known = self.0.entry(place).or_insert(FieldSet::EMPTY);
            *known = known.union(fields);
        }
    }

    pub(crate) fn unite(&mut self, other: &Deps) {
        for (place, fields) in &other.0 {
            self.add(*place, *fields);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A column of a result.
#[derive(Clone, Debug, Default)]
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) deps: Deps,
    /// What it holds unchanged, so that PostgreSQL names its origin.
    pub(crate) plain: Vec<(u32, Role)>,
    /// Whose row a value of it stands for, where it is no field itself.
    pub(crate) names: Vec<Place>,
    /// The column of a protected relation that it is, as PostgreSQL would name it.
    pub(crate) origin: Option<ColumnDescription>,
}

impl Output {
    /// Returns the column as one that is computed: it has no origin, and names nobody.
    pub(crate) fn computed(&self) -> Output {
        Output { name: self.name.clone(), deps: self.deps.clone(), ..Output::default() }
    }
}

/// Something in a FROM clause.
#[derive(Debug)]
pub(crate) struct Item {
    /// The name its columns are reached by.
    pub(crate) alias: String,
    /// The schema, where the name is that of a relation.
    pub(crate) schema: Option<String>,
    /// The schema it is in, where the name alone may stand for something else: in code.
    pub(crate) within: Option<String>,
    pub(crate) source: Source,
    pub(crate) columns: Vec<Output>,
    /// Whether `columns` are all it has.
    pub(crate) known: bool,
    /// Stands in a join with a name of its own, which hides this one's.
    pub(crate) hidden: bool,
}

#[derive(Debug)]
pub(crate) enum Source {
    /// A protected relation: the columns that hold its keys.
    Base { keys: Vec<(Place, String)> },
    /// A sub-select, common table expression or view.
    Query {
        level: Box<Level>,
        lateral: bool,
        /// Names given to its columns.
        names: Vec<String>,
    },
    /// Whatever holds nothing protected.
    Other,
}

/// One condition of a WHERE clause, of those joined by AND.
#[derive(Debug)]
pub(crate) struct Conjunct {
    pub(crate) node: Node,
    pub(crate) deps: Deps,
    /// What it asks no more of than whether there is a value.
    pub(crate) weak: Deps,
    /// Instances whose key it fixes.
    pub(crate) names: BTreeSet<Place>,
    /// It compares a protected column with a given value for equality: a look-up.
    pub(crate) looks_up: bool,
    pub(crate) effects: bool,
}

/// A resolved SELECT.
#[derive(Debug, Default)]
pub(crate) struct Level {
    pub(crate) select: SelectStmt,
    pub(crate) items: Vec<Item>,
    /// Sub-selects within expressions.
    pub(crate) sublinks: Vec<Level>,
    /// The two sides of a set operation.
    pub(crate) sides: Vec<Level>,
    pub(crate) outputs: Vec<Output>,
    /// It has outputs besides, of unprotected relations whose columns are not known.
    pub(crate) open: bool,
    /// What conditions, order and grouping depend on.
    pub(crate) conditions: Deps,
    /// What it compares with given values, whole and for equality.
    pub(crate) look_ups: Deps,
    /// Of what it tells no more than whether there is a value, or how many.
    pub(crate) weak: Deps,
    /// It refers to what is around it.
    pub(crate) is_correlated: bool,
    pub(crate) conjuncts: Vec<Conjunct>,
    /// The conditions of its joins.
    pub(crate) joins: Vec<Conjunct>,
    /// Keys of one kind that a condition makes equal.
    pub(crate) joined: Vec<(Place, Place)>,
    /// Output rows are not input rows: groups, aggregates, DISTINCT, window functions.
    pub(crate) grouped: bool,
    /// Its FROM clause calls what must not run once more.
    pub(crate) effects: bool,
    /// Its target list does.
    pub(crate) target_effects: bool,
}

impl Level {
    /// Visits this level and all below it.
    pub(crate) fn visit<'a>(&'a self, see: &mut impl FnMut(&'a Level)) {
        see(self);
        for item in &self.items {
            if let Source::Query { level, .. } = &item.source {
                level.visit(see);
            }
        }
        self.sublinks.iter().chain(&self.sides).for_each(|level| level.visit(see));
    }

    /// Forgets what the conditions of it and of all below it depend on.
    pub(crate) fn forget_conditions(&mut self) {
        (self.conditions, self.look_ups, self.weak) = (Deps::default(), Deps::default(), Deps::default());
        for conjunct in self.conjuncts.iter_mut().chain(&mut self.joins) {
            (conjunct.deps, conjunct.weak) = (Deps::default(), Deps::default());
        }
        for item in &mut self.items {
            if let Source::Query { level, .. } = &mut item.source {
                level.forget_conditions();
            }
        }
        self.sublinks.iter_mut().chain(&mut self.sides).for_each(Level::forget_conditions);
    }

    /// Returns whether it has columns whose names are not known.
    pub(crate) fn has_unknown_outputs(&self) -> bool {
        self.open || self.sides.iter().any(Level::has_unknown_outputs)
    }

    /// Returns whether each row of it comes from one row of what it reads.
    pub(crate) fn is_simple(&self) -> bool {
        !self.grouped && self.sides.is_empty() && self.select.values_lists.is_empty()
    }

    /// Returns whether running it once more may change something.
    pub(crate) fn has_effects(&self) -> bool {
        let mut found = false;
        self.visit(&mut |level| {
            found |= level.effects || level.target_effects || level.conjuncts.iter().any(|c| c.effects);
        });
        found
    }

    pub(crate) fn output_deps(&self) -> Deps {
        let mut deps = Deps::default();
        self.outputs.iter().for_each(|output| deps.unite(&output.deps));
        deps
    }

    /// Returns what its rows depend on, conditions below it included.
    pub(crate) fn total(&self) -> Deps {
        let mut total = self.output_deps();
        total.unite(&self.all_conditions());
        total
    }

    pub(crate) fn all_conditions(&self) -> Deps {
        let mut all = Deps::default();
        self.visit(&mut |level| {
            all.unite(&level.conditions);
            all.unite(&level.look_ups);
        });
        all
    }

    /// Returns what the number of its rows tells to somebody who knows the values looked up.
    pub(crate) fn probed(&self) -> Deps {
        let mut probed = self.questioned(true);
        self.visit(&mut |level| probed.unite(&level.conditions));
        probed
    }

    /// Returns whether it tells of somebody whether there is a value.
    pub(crate) fn has_weak(&self) -> bool {
        let mut found = false;
        self.visit(&mut |level| found |= !level.weak.is_empty());
        found
    }

    /// Returns the instances whose key a condition fixes while another asks about their fields: a question
    /// about a person, answered by yes or no. With `look_ups` questions of equality count too.
    pub(crate) fn questioned(&self, look_ups: bool) -> Deps {
        let mut asked = Deps::default();
        self.visit(&mut |level| {
            let named: BTreeSet<Place> =
                level.conjuncts.iter().flat_map(|conjunct| conjunct.names.iter().copied()).collect();
            for conjunct in &level.conjuncts {
                if conjunct.looks_up && !look_ups {
                    continue;
                }
                for (place, fields) in &conjunct.deps.0 {
                    if named.iter().any(|known| level.are_joined(known, place)) {
                        asked.add(*place, *fields);
                    }
                }
            }
        });
        asked
    }

    /// Returns whether two places hold the same subject in each row, as far as this level's joins tell.
    pub(crate) fn are_joined(&self, a: &Place, b: &Place) -> bool {
        let mut reached = BTreeSet::from([*a]);
        let mut grown = true;
        while grown && !reached.contains(b) {
            grown = false;
            for (left, right) in &self.joined {
                if reached.contains(left) {
                    grown |= reached.insert(*right);
                } else if reached.contains(right) {
                    grown |= reached.insert(*left);
                }
            }
        }
        reached.contains(b)
    }
}
