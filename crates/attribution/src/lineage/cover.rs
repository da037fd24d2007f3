//! What of a result its rows attribute by themselves.

use std::collections::BTreeSet;

use rastro_model::FieldSet;

use super::level::{Deps, Level, Place};
use crate::catalogue::Role;

/// How rows are attributed when they are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// Their columns name origins, so that a key attributes the fields beside it.
    pub(super) origins: bool,
    /// Fields whose values tell whose they are.
    pub(super) by_value: FieldSet,
}

/// Returns what the rows of a result depend on that is not attributed when they are read.
pub(super) fn uncovered(level: &Level, reading: Reading) -> Deps {
    let is_known = |fields: FieldSet| reading.by_value.contains(fields);
    let by_key = |role: &Role| reading.origins && matches!(role, Role::Key { .. });
    let keys: BTreeSet<Place> = plain(level, by_key);
    let values = plain(level, |role| matches!(role, Role::Field { fields, .. } if is_known(*fields)));
    let fields: BTreeSet<Place> = plain(level, |role| matches!(role, Role::Field { .. }));
    let mut needed = Deps::default();
    for output in &level.outputs {
        for (place, found) in &output.deps.0 {
            let as_it_is = output
                .plain
                .iter()
                .any(|(instance, role)| *instance == place.instance && matches!(role, Role::Field { .. }));
            let has_key = keys.contains(place)
                || keys.iter().any(|key| key.kind == place.kind && same_subject(level, key, place));
            if !as_it_is || !(is_known(*found) || has_key) {
                needed.add(*place, *found);
            }
        }
    }
    // A condition tells nothing more about somebody whose fields the row shows.
    let shown: Vec<&Place> = keys.iter().filter(|key| fields.contains(key)).chain(&values).collect();
    let questioned = level.questioned(false);
    for (place, found) in &level.all_conditions().0 {
        let shown = shown.iter().any(|key| key.kind == place.kind && same_subject(level, key, place));
        if !shown || questioned.0.contains_key(place) {
            needed.add(*place, *found);
        }
    }
    needed
}

/// Returns whether rows show a key of one occurrence of a relation beside fields of another: PostgreSQL names
/// the same origin for both.
pub(super) fn is_mixed(level: &Level) -> bool {
    let keys = plain(level, |role| matches!(role, Role::Key { .. }));
    let fields = plain(level, |role| matches!(role, Role::Field { .. }));
    fields
        .iter()
        .filter(|field| !keys.contains(field))
        .any(|field| keys.iter().any(|key| key.kind == field.kind && key.source == field.source))
}

fn plain(level: &Level, wanted: impl Fn(&Role) -> bool) -> BTreeSet<Place> {
    let roles = level.outputs.iter().flat_map(|output| &output.plain).filter(|(_, role)| wanted(role));
    roles.filter_map(|(instance, role)| place(*instance, role)).collect()
}

fn place(instance: u32, role: &Role) -> Option<Place> {
    match *role {
        Role::Key { kind, source } | Role::Field { kind, source, .. } => {
            Some(Place { instance, kind, source: Some(source) })
        }
        Role::Dependent { .. } => None,
    }
}

// Joins of this level, and of those below whose rows are its rows.
fn same_subject(level: &Level, a: &Place, b: &Place) -> bool {
    let mut joins = Level::default();
    collect(level, &mut joins);
    joins.are_joined(a, b)
}

fn collect(level: &Level, joins: &mut Level) {
    joins.joined.extend_from_slice(&level.joined);
    for item in &level.items {
        if let super::level::Source::Query { level, .. } = &item.source
            && level.is_simple()
        {
            collect(level, joins);
        }
    }
}
