use std::collections::HashMap;

use super::form::{Class, form};
use super::{Owner, SHARED_MAX, Shapes};
use crate::keyed_hash::HashKey;

/// What was learned after the table was built: values that came or changed. Values that went stay known.
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    owners: HashMap<u64, Vec<Owner>>,
    shapes: Shapes,
    count: usize,
}

impl Overlay {
    /// Adds a value; one that has no shape to be found by adds nothing.
    pub fn add(&mut self, key: &HashKey, value: &str, owner: Owner, all_texts: bool) {
        let Some(form) = form(value, all_texts) else { return };
        self.shapes.learn(&form);
        if let Some(domain) = domain_of(form.class, &form.canonical) {
            self.add_hash(key.hash(Class::Domain as u8, domain), None);
        }
        self.add_hash(key.hash(form.class as u8, &form.canonical), Some(owner));
    }

    /// Adds all that another one holds.
    pub fn unite(&mut self, other: &Overlay) {
        self.shapes.unite(&other.shapes);
        for (hash, owners) in other.entries() {
            self.add_hash(hash, None);
            owners.iter().for_each(|owner| self.add_hash(hash, Some(owner.clone())));
        }
    }

    pub(super) fn with_shapes(shapes: Shapes) -> Overlay {
        Overlay { shapes, ..Overlay::default() }
    }

    /// Adds what has a hash; a domain has no owner.
    pub(super) fn add_hash(&mut self, hash: u64, owner: Option<Owner>) {
        let owners = self.owners.entry(hash).or_default();
        if let Some(owner) = owner
            && owners.len() <= SHARED_MAX
            && !owners.contains(&owner)
        {
            owners.push(owner);
            self.count += 1;
        }
    }

    /// Iterates over the hashes and their owners; a domain has none.
    pub(super) fn entries(&self) -> impl Iterator<Item = (u64, &[Owner])> {
        self.owners.iter().map(|(hash, owners)| (*hash, owners.as_slice()))
    }

    /// Returns how many values it holds.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Returns whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn shapes(&self) -> &Shapes {
        &self.shapes
    }

    #[inline]
    pub(super) fn holds(&self, hash: u64) -> bool {
        !self.owners.is_empty() && self.owners.contains_key(&hash)
    }

    #[inline]
    pub(super) fn find(&self, hash: u64, owners: &mut Vec<Owner>) {
        if !self.owners.is_empty()
            && let Some(found) = self.owners.get(&hash)
        {
            for owner in found {
                if !owners.contains(owner) {
                    owners.push(owner.clone());
                }
            }
        }
    }
}

impl Shapes {
    pub(super) fn learn(&mut self, form: &super::Form) {
        match form.class {
            Class::Email => self.emails = true,
            Class::Number | Class::BareNumber => self.learn_number(&form.canonical, form.code_len),
            Class::Identifier => self.learn_identifier(&form.canonical),
            Class::Text => self.texts = true,
            Class::Domain => {}
        }
    }
}

pub(super) fn domain_of(class: Class, canonical: &[u8]) -> Option<&[u8]> {
    let at = memchr::memrchr(b'@', canonical).filter(|_| class == Class::Email)?;
    canonical.get(at + 1..)
}
