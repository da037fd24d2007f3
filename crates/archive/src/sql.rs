//! SQL over the whole ledger, in process: tables `statements` and `disclosures` on DataFusion.

mod narrow;
mod printed;
mod rows;

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DataFusionError;
use datafusion::datasource::TableType;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::prelude::{SessionConfig, SessionContext};
use futures_util::StreamExt;

use crate::archive::Query;
use crate::ledger_reader::LedgerReader;
use narrow::narrow;
pub use printed::{Printed, PrintedCell};
use rows::Rows;

pub use arrow_array::RecordBatch as Batch;
pub use arrow_schema::SchemaRef as Columns;

/// Batches ahead of the query, for each part of the ledger.
const AHEAD: usize = 2;

/// Runs one statement; `each` is called with the columns and, one after another, the batches of the result.
///
/// The tables `statements` (a row an entry) and `disclosures` (a row a subject of an entry) hold the archive and
/// what stands in the spool alone. Conditions on `principal`, `subject` and `time` that an index can answer are
/// answered by it.
///
/// # Errors
/// The statement is wrong, the ledger cannot be read, or `each` fails.
pub async fn query(
    reader: LedgerReader,
    sql: &str,
    mut each: impl FnMut(&SchemaRef, Option<&RecordBatch>) -> std::io::Result<()>,
) -> Result<(), DataFusionError> {
    let config = SessionConfig::new().with_information_schema(true);
    let context = SessionContext::new_with_config(config);
    let reader = Arc::new(reader);
    for rows in [Rows::Statements, Rows::Disclosures] {
        let table = LedgerTable { reader: Arc::clone(&reader), rows };
        context.register_table(rows.name(), Arc::new(table))?;
    }
    let options = datafusion::prelude::SQLOptions::new().with_allow_ddl(false).with_allow_dml(false);
    let frame = context.sql_with_options(sql, options).await?;
    let mut stream = frame.execute_stream().await?;
    let schema = stream.schema();
    each(&schema, None)?;
    while let Some(batch) = stream.next().await {
        each(&schema, Some(&batch?))?;
    }
    Ok(())
}

#[derive(Debug)]
struct LedgerTable {
    reader: Arc<LedgerReader>,
    rows: Rows,
}

#[async_trait]
impl TableProvider for LedgerTable {
    fn schema(&self) -> SchemaRef {
        self.rows.columns()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>, DataFusionError> {
        // Rows that do not match may still come: DataFusion filters them again.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let query = narrow(filters, self.rows == Rows::Disclosures);
        let segments = self.reader.archive().map_or(0, |archive| archive.segments().len());
        let parts = (0..=segments).map(|part| {
            let (reader, query) = (Arc::clone(&self.reader), query.clone());
            Arc::new(Part { reader, rows: self.rows, query, part: (part < segments).then_some(part) })
                as Arc<dyn PartitionStream>
        });
        let limit = limit.filter(|_| filters.is_empty());
        let columns = self.schema();
        let plan = StreamingTableExec::try_new(columns, parts.collect(), projection, [], false, limit)?;
        Ok(Arc::new(plan))
    }
}

/// A segment of the archive, or the spool's part.
#[derive(Debug)]
struct Part {
    reader: Arc<LedgerReader>,
    rows: Rows,
    query: Query,
    part: Option<usize>,
}

impl PartitionStream for Part {
    fn schema(&self) -> &SchemaRef {
        self.rows.columns_ref()
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStreamBuilder::new(self.rows.columns(), AHEAD);
        let (reader, rows, query, part) =
            (Arc::clone(&self.reader), self.rows, self.query.clone(), self.part);
        let send = builder.tx();
        builder.spawn_blocking(move || {
            let send_batch = |batch| send.blocking_send(Ok(batch)).is_ok();
            let entries = reader.part_entries(part, &query);
            let entries = entries.map_err(|error| DataFusionError::External(error.into()))?;
            rows.write(entries, &query, send_batch)
        });
        builder.build()
    }
}
