//! What of a result its rows attribute by themselves.

use std::collections::BTreeSet;

use super::level::{Deps, Level, Place};
use crate::SubjectScan;
use crate::catalogue::Role;

/// Returns what the rows of a result depend on that is not attributed when they are read.
///
/// * `origins`: their columns name where they come from, so that a key attributes the fields beside it.
pub(super) fn uncovered(level: &Level, origins: bool) -> Deps {
    let keys: BTreeSet<Place> = plain(level, |role| origins && matches!(role, Role::Key { .. }));
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
            if !as_it_is || !has_key {
                needed.add(*place, *found);
            }
        }
    }
    // A condition tells nothing more about somebody whose fields the row shows.
    let shown: Vec<&Place> = keys.iter().filter(|key| fields.contains(key)).collect();
    let questioned = level.questioned(false);
    for (place, found) in &level.all_conditions().0 {
        let shown = shown.iter().any(|key| key.kind == place.kind && same_subject(level, key, place));
        if !shown || questioned.0.contains_key(place) {
            needed.add(*place, *found);
        }
    }
    needed
}

/// Returns how to read off each row whose it is, if it shows one subject by its outputs and nobody else.
pub(super) fn one_each(level: &Level) -> Option<SubjectScan> {
    let mut simple = !level.has_unknown_outputs() && !level.outputs.is_empty();
    level.visit(&mut |level| simple &= level.is_simple() && level.sublinks.is_empty() && !level.has_weak());
    let total = level.total();
    let mut places = total.0.iter();
    let (Some((place, fields)), None, true) = (places.next(), places.next(), simple) else { return None };
    let depends = level.outputs.iter().map(|output| !output.deps.is_empty()).collect();
    Some(SubjectScan::new(place.kind, *fields, depends))
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
