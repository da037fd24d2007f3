use std::collections::BTreeMap;

use rastro_model::{FieldSet, KindId};

use super::key::KeyCodec;
use super::{Field, Group, KindPlan, PlanOutcome, RowPlan};
use crate::catalogue::{Catalogue, Role};
use crate::row_description::ColumnDescription;

/// What to do about columns the catalogue does not know.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    Refresh,
    AnyField,
}

pub(super) fn build(
    catalogue: &Catalogue,
    columns: impl Iterator<Item = ColumnDescription>,
    unknown: Unknown,
) -> PlanOutcome {
    let mut builder = Builder { catalogue, cells: Vec::new(), kinds: BTreeMap::new(), oids: Vec::new() };
    let mut count: u16 = 0;
    for column in columns {
        builder.add(count, &column, unknown);
        count = count.saturating_add(1);
    }
    if !builder.oids.is_empty() {
        return PlanOutcome::Refresh { oids: builder.oids };
    }
    builder.finish(count)
}

struct Builder<'a> {
    catalogue: &'a Catalogue,
    // Which columns are read, rising.
    cells: Vec<u16>,
    kinds: BTreeMap<KindId, KindDraft>,
    oids: Vec<u32>,
}

#[derive(Default)]
struct KindDraft {
    // By relation of the result and source: what stands for one instance as far as origin tells.
    groups: BTreeMap<(u32, u16), Group>,
    loose: Vec<Field>,
}

impl Builder<'_> {
    fn add(&mut self, index: u16, column: &ColumnDescription, unknown: Unknown) {
        let oid = column.table_oid;
        if oid == 0 {
            return;
        }
        let catalogue = self.catalogue;
        if !catalogue.knows(oid, column.attnum) {
            if unknown == Unknown::AnyField {
                let cell = self.cell(index);
                for (kind, fields) in catalogue.kinds() {
                    self.kinds.entry(kind).or_default().loose.push(Field { cell, fields });
                }
            } else if !self.oids.contains(&oid) {
                self.oids.push(oid);
            }
            return;
        }
        for role in catalogue.roles(oid).into_iter().flat_map(|roles| roles.of(column.attnum)) {
            let cell = self.cell(index);
            match role {
                Role::Key { kind, source } => {
                    let codec = KeyCodec::new(catalogue.key_form(kind), column.type_oid, column.format);
                    self.group(kind, oid, source).keys.push((cell, codec));
                }
                Role::Field { kind, source, fields } => {
                    self.group(kind, oid, source).fields.push(Field { cell, fields });
                }
                Role::Dependent { kind, fields } => {
                    self.kinds.entry(kind).or_default().loose.push(Field { cell, fields });
                }
            }
        }
    }

    fn cell(&mut self, index: u16) -> u16 {
        if self.cells.last() != Some(&index) {
            self.cells.push(index);
        }
        // At most as many cells as columns.
        u16::try_from(self.cells.len() - 1).unwrap_or(u16::MAX)
    }

    fn group(&mut self, kind: KindId, oid: u32, source: u16) -> &mut Group {
        self.kinds.entry(kind).or_default().groups.entry((oid, source)).or_default()
    }

    fn finish(self, columns: u16) -> PlanOutcome {
        let plans = self.kinds.into_iter().filter_map(|(kind, draft)| draft.finish(kind));
        let kinds: Box<[KindPlan]> = plans.collect();
        if kinds.is_empty() {
            return PlanOutcome::Unprotected;
        }
        let mut skips = Vec::with_capacity(self.cells.len());
        let mut next = 0;
        for cell in &self.cells {
            skips.push(cell.saturating_sub(next));
            next = cell.saturating_add(1);
        }
        PlanOutcome::Protected(RowPlan { columns, skips: skips.into(), kinds })
    }
}

impl KindDraft {
    // None if no field can be shown: keys alone disclose nothing.
    fn finish(self, kind: KindId) -> Option<KindPlan> {
        let mut groups: Vec<Group> = self.groups.into_values().collect();
        for group in &mut groups {
            group.settle();
        }
        let shows = !self.loose.is_empty() || groups.iter().any(|group| !group.fields.is_empty());
        shows.then(|| KindPlan { kind, groups: groups.into(), loose: self.loose.into() })
    }
}

impl Group {
    // The cells of one field stand together, in the order of the result.
    fn settle(&mut self) {
        self.fields.sort_by_key(|field| (field.fields, field.cell));
        let same: fn(&[Field]) -> bool = |pair| matches!(pair, [a, b] if a.fields == b.fields);
        self.repeated = self.keys.len() > 1 || self.fields.windows(2).any(same);
        debug_assert!(self.fields.iter().all(|field| field.fields != FieldSet::EMPTY));
    }
}
