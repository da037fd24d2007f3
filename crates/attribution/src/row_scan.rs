use rastro_model::{Certainty, FieldSet, KindId, ShownBatch, SubjectKey};

use crate::catalogue::{Catalogue, Role};
use crate::row_description::ColumnDescription;
use crate::tokens::Scanner;
use crate::value_index::ValueIndex;

/// Which cells of a result are read for known values: those whose subject their origin does not tell.
/// Immutable; one per RowDescription.
#[derive(Clone, Debug)]
pub struct RowScan {
    columns: Box<[Column]>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reading {
    Skip,
    Text,
    /// A chunk of bytes: a value may go on in the next row.
    Bytes,
    /// int8 or numeric in text form.
    Digits,
    /// int8 in binary form.
    Int8,
}

#[derive(Clone, Copy, Debug)]
struct Column {
    reading: Reading,
    /// The protected column it is, without a key beside it: kind, relation and source, field.
    loose: Option<(KindId, (u32, u16), FieldSet)>,
}

impl RowScan {
    /// Decides per column; `None` if no cell can hold a value that its origin does not tell.
    pub fn build(
        catalogue: &Catalogue,
        columns: impl Iterator<Item = ColumnDescription> + Clone,
    ) -> Option<RowScan> {
        let roles = |column: &ColumnDescription| {
            let roles = if column.table_oid == 0 { None } else { catalogue.roles(column.table_oid) };
            let attnum = column.attnum;
            roles.into_iter().flat_map(move |roles| roles.of(attnum))
        };
        let mut keys = Vec::new();
        for column in columns.clone() {
            for role in roles(&column) {
                if let Role::Key { kind, source } = role {
                    keys.push((kind, column.table_oid, source));
                }
            }
        }
        let mut made: Vec<Column> = Vec::new();
        for column in columns {
            let mut loose = None;
            let mut told = false;
            for role in roles(&column) {
                match role {
                    Role::Key { .. } => told = true,
                    Role::Field { kind, source, .. } if keys.contains(&(kind, column.table_oid, source)) => {
                        told = true;
                    }
                    Role::Field { kind, source, fields } => {
                        loose = Some((kind, (column.table_oid, source), fields));
                    }
                    Role::Dependent { .. } => {}
                }
            }
            let told = told && loose.is_none();
            let reading = if told { Reading::Skip } else { reading(&column) };
            made.push(Column { reading, loose });
        }
        made.iter().any(|column| column.reading != Reading::Skip).then(|| RowScan { columns: made.into() })
    }

    /// Returns the scan of rows of which nothing is known: every cell is read.
    pub fn of_anything() -> RowScan {
        RowScan { columns: Box::default() }
    }

    /// Reads one row and appends what known values it shows to the row of `batch` begun last. Bytes that are
    /// no row are passed over.
    ///
    /// * `payload`: the DataRow after its length word.
    pub fn read_row(
        &self,
        index: &ValueIndex,
        payload: &[u8],
        scanner: &mut Scanner,
        batch: &mut ShownBatch,
    ) {
        scanner.clear();
        let mut cells = Cells::of(payload);
        let mut found_in_loose = Vec::new();
        let unknown = std::iter::repeat(&Column { reading: Reading::Text, loose: None });
        for column in self.columns.iter().chain(unknown) {
            let Some(cell) = cells.next() else { break };
            let Some(cell) = cell else { continue };
            let before = scanner.hits().len();
            match column.reading {
                Reading::Skip => continue,
                Reading::Text => scanner.value(index, cell),
                Reading::Bytes => scanner.chunk(index, cell),
                Reading::Digits => scanner.number(index, cell),
                Reading::Int8 => {
                    if let Ok(bytes) = <[u8; 8]>::try_from(cell)
                        && let value @ 1_000_000_000.. = i64::from_be_bytes(bytes)
                    {
                        scanner.number(index, value.to_string().as_bytes());
                    }
                }
            }
            if let Some((kind, relation, fields)) = column.loose {
                let own = scanner.hits().get(before..).unwrap_or_default().iter().find(|hit| {
                    hit.certainty == Certainty::Exact
                        && hit.owner.kind == kind
                        && fields.contains(hit.owner.fields)
                });
                found_in_loose.push((kind, relation, fields, own.map(|hit| hit.owner.key.clone())));
            }
        }
        scanner.record(batch);
        if found_in_loose.iter().any(|(.., key)| key.is_some()) {
            explain(&found_in_loose, batch);
        }
    }
}

/// The cells of a DataRow, NULL as `None`; ends early where they are cut short.
pub(crate) struct Cells<'r>(&'r [u8]);

impl<'r> Cells<'r> {
    /// * `payload`: the DataRow after its length word.
    pub(crate) fn of(payload: &'r [u8]) -> Cells<'r> {
        Cells(payload.get(2..).unwrap_or_default())
    }

    /// Returns whether no byte is left.
    pub(crate) fn is_over(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'r> Iterator for Cells<'r> {
    type Item = Option<&'r [u8]>;

    #[inline]
    fn next(&mut self) -> Option<Option<&'r [u8]>> {
        let (length, after) = self.0.split_first_chunk::<4>()?;
        self.0 = after;
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else { return Some(None) };
        let (cell, after) = after.split_at_checked(length)?;
        self.0 = after;
        Some(Some(cell))
    }
}

type Loose = (KindId, (u32, u16), FieldSet, Option<SubjectKey>);

// A value of one column tells whose the columns of the same relation beside it are, unless the relation is
// there twice.
#[cold]
fn explain(found: &[Loose], batch: &mut ShownBatch) {
    let mut unexplained: Vec<(KindId, FieldSet)> = Vec::new();
    let mut explained: Vec<(KindId, FieldSet)> = Vec::new();
    for (kind, relation, fields, own) in found {
        let beside = || found.iter().filter(|(k, r, ..)| (k, r) == (kind, relation));
        let repeated = beside().filter(|(.., f, _)| f == fields).count() > 1;
        let key = own.as_ref().or_else(|| beside().find_map(|(.., key)| key.as_ref()).filter(|_| !repeated));
        match key {
            Some(key) => {
                if own.is_none() {
                    let shown = batch.subject(key);
                    batch.push(*kind, shown, *fields, Certainty::Derived);
                }
                explained.push((*kind, *fields));
            }
            None => unexplained.push((*kind, *fields)),
        }
    }
    for (kind, fields) in explained {
        if !unexplained.iter().any(|(other, left)| *other == kind && left.0 & fields.0 != 0) {
            batch.explain(kind, fields);
        }
    }
}

fn reading(column: &ColumnDescription) -> Reading {
    match (column.type_oid, column.format) {
        // bool, int2, int4, oid, xid, cid, tid, float4, float8, money, dates and times, uuid.
        (16 | 21 | 23 | 26..=29 | 700 | 701 | 790 | 1082 | 1083 | 1114 | 1184 | 1186 | 1266 | 2950, _) => {
            Reading::Skip
        }
        (20 | 1700, 0) => Reading::Digits,
        (20, _) => Reading::Int8,
        (1700, _) => Reading::Skip,
        (17, _) => Reading::Bytes,
        _ => Reading::Text,
    }
}
