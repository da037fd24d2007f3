//! Which subject and which field is in these bytes: bytes in, values out; no sockets, no clock.
//!
//! Step 1 of four, origin: a RowDescription names table and column of plain columns, a [`Catalogue`] says
//! which of them are protected, a [`RowPlan`] reads keys and fields out of each DataRow. Step 2, values:
//! [`tokens`] cuts known shapes out of any bytes, and [`value_index`] knows whose they are. Steps 3 and 4,
//! [`lineage`] and [`provenance`]: what a statement's rows do not tell by themselves is asked for before it
//! runs. [`statement`] normalises SQL texts and reads from them what the gateway must know.

mod catalogue;
pub mod copy_rows;
mod keyed_hash;
pub mod lineage;
pub mod provenance;
mod relation_facts;
pub mod row_changes;
pub mod row_description;
mod row_plan;
mod row_scan;
pub mod statement;
mod subject_scan;
mod subject_spec;
pub mod tokens;
pub mod value_index;
pub mod view_query;

pub use catalogue::{Catalogue, CatalogueProblem};
pub use keyed_hash::HashKey;
pub use relation_facts::{
    COLUMNS_SQL, DEPENDENCIES_SQL, INHERITS_SQL, RELATIONS_SQL, RelationFacts, VIEWS_SQL,
};
pub use row_description::ColumnDescription;
pub use row_plan::{PlanOutcome, RowError, RowPlan};
pub use row_scan::RowScan;
pub use subject_scan::SubjectScan;
pub use subject_spec::{FieldNames, FieldNamesError, RelatedSpec, RelationName, SubjectSpec};
