//! The catalogue of each database in use, read over a connection of our own and kept fresh.
//!
//! A result that names a relation or column newer than the snapshot makes its session wait for a fresh one,
//! so a table made a moment ago cannot pass unseen; renames are found by looking every few seconds.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use rastro_attribution::lineage::{
    LINEAGE_CODE_SQL, LINEAGE_COLUMNS_SQL, LINEAGE_INDEXES_SQL, LINEAGE_NAMESAKES_SQL, LINEAGE_ROUTINES_SQL,
    LINEAGE_VIEWS_SQL, Schema,
};
use rastro_attribution::{
    COLUMNS_SQL, Catalogue, CatalogueProblem, DEPENDENCIES_SQL, INHERITS_SQL, RELATIONS_SQL, RelationFacts,
    SubjectSpec, VIEWS_SQL,
};
use rastro_wire::ClientError;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_postgres::Transaction;

use super::metric;
use super::settings::Settings;
use crate::guarded::OwnConnection;

const LOOK_EVERY: Duration = Duration::from_secs(2);
const LOAD_WITHIN: Duration = Duration::from_secs(20);
// A database that cannot be read is tried again after the first, then after twice as long, up to the second.
const RETRY_AFTER_MIN: Duration = Duration::from_millis(500);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);
const DATABASES_MAX: usize = 256;
const REQUESTS_MAX: usize = 4_096;

// Changes whenever what the snapshot depends on changes: relations, the columns the configuration names,
// views, inheritance, routines, defaults.
const SIGNATURE_SQL: &str = "\
SELECT coalesce((SELECT sum(hashtextextended(concat_ws('/', oid, relname, relnamespace, relnatts, xmin), 0)) \
FROM pg_catalog.pg_class WHERE oid >= 16384), 0)::text \
|| coalesce((SELECT sum(hashtextextended(concat_ws('/', attrelid, attname, attnum, xmin), 1)) \
FROM pg_catalog.pg_attribute WHERE attrelid >= 16384 AND attname = ANY ($1::text[])), 0)::text \
|| coalesce((SELECT sum(hashtextextended(concat_ws('/', ev_class, xmin), 2)) \
FROM pg_catalog.pg_rewrite WHERE ev_class >= 16384), 0)::text \
|| coalesce((SELECT sum(hashtextextended(concat_ws('/', inhrelid, inhparent), 3)) \
FROM pg_catalog.pg_inherits), 0)::text \
|| coalesce((SELECT sum(hashtextextended(concat_ws('/', oid, proname, xmin), 4)) \
FROM pg_catalog.pg_proc WHERE oid >= 16384), 0)::text \
|| coalesce((SELECT sum(hashtextextended(concat_ws('/', oid, adrelid, xmin), 5)) \
FROM pg_catalog.pg_attrdef), 0)::text";

/// A catalogue and its place in the order of snapshots.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) catalogue: Catalogue,
    pub(super) schema: Schema,
    pub(super) generation: u64,
}

/// The catalogue of one database.
#[derive(Debug)]
pub(super) struct CatalogueCell {
    database: String,
    snapshot: ArcSwapOption<Snapshot>,
    failure: Mutex<Option<String>>,
    // DDL went through the gateway since the snapshot was read.
    stale: AtomicBool,
    requests: mpsc::Sender<oneshot::Sender<()>>,
}

impl CatalogueCell {
    /// Returns the latest snapshot, if one was read since the last DDL.
    pub(super) fn snapshot(&self) -> Option<Arc<Snapshot>> {
        if self.stale.load(Ordering::Acquire) {
            return None;
        }
        self.snapshot.load_full()
    }

    /// Returns the latest snapshot, whatever changed since.
    pub(super) fn last_snapshot(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.load_full()
    }

    /// Takes note that relations may have changed: nobody plans with the present snapshot any more.
    pub(super) fn mark_stale(&self) {
        self.stale.store(true, Ordering::Release);
    }

    /// Returns why there is no snapshot, once reading one has failed.
    pub(super) fn failure(&self) -> Option<ClientError> {
        self.failure.lock().as_ref().map(|_| {
            ClientError::error(
                "42501",
                format!(
                    "results of database \"{}\" are refused: the gateway cannot read its catalogue",
                    self.database
                ),
            )
            .with_hint("Let the gateway's own role connect to this database.")
        })
    }

    /// Waits until the catalogue was read after this call, or could not be.
    pub(super) async fn refresh(&self) {
        let (done, wait) = oneshot::channel();
        if self.requests.send(done).await.is_ok() {
            let _ = wait.await;
        }
    }
}

type Cells = Arc<Mutex<HashMap<String, Arc<CatalogueCell>>>>;

/// The catalogues of all databases in use.
pub(super) struct Catalogues {
    cells: Cells,
    connection: OwnConnection,
    specs: Arc<[SubjectSpec]>,
    runtime: Handle,
}

impl Catalogues {
    /// Prepares; reads nothing yet. Catalogues are read on the calling runtime.
    pub(super) fn start(settings: &Settings) -> Catalogues {
        Catalogues {
            cells: Cells::default(),
            connection: settings.own_connection.clone(),
            specs: Arc::clone(&settings.specs),
            runtime: Handle::current(),
        }
    }

    /// Reads the catalogue of the configured database, and insists on it.
    pub(super) async fn load_guarded(&self) -> anyhow::Result<()> {
        let database = self.connection.database().to_owned();
        let mut client = None;
        let client = connected(&self.connection, &database, &mut client).await?;
        let facts = read_facts(&snapshot_of(client).await?, &self.specs, None).await?;
        Catalogue::build(&self.specs, facts).map_err(|problems| {
            let list: Vec<String> = problems.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("{}", list.join("; "))
        })?;
        if let Some(cell) = self.cell(&database) {
            cell.refresh().await;
        }
        Ok(())
    }

    /// Takes note that relations of a database may have changed.
    pub(super) fn mark_stale(&self, database: &str) {
        if let Some(cell) = self.cells.lock().get(database) {
            cell.mark_stale();
        }
    }

    /// Returns the catalogue of a database; `None` when more databases are in use than can be kept. Only for
    /// sessions that the server let in: a database nobody can enter is not looked for.
    pub(super) fn cell(&self, database: &str) -> Option<Arc<CatalogueCell>> {
        let mut cells = self.cells.lock();
        if let Some(cell) = cells.get(database) {
            return Some(Arc::clone(cell));
        }
        if cells.len() >= DATABASES_MAX {
            return None;
        }
        let (requests, received) = mpsc::channel(REQUESTS_MAX);
        let cell = Arc::new(CatalogueCell {
            database: database.to_owned(),
            snapshot: ArcSwapOption::empty(),
            failure: Mutex::new(None),
            stale: AtomicBool::new(false),
            requests,
        });
        cells.insert(database.to_owned(), Arc::clone(&cell));
        let keeper = Keeper {
            cell: Arc::downgrade(&cell),
            database: database.to_owned(),
            connection: self.connection.clone(),
            specs: Arc::clone(&self.specs),
            client: None,
            signature: String::new(),
            cells: Arc::clone(&self.cells),
            problems: Vec::new(),
        };
        self.runtime.spawn(keeper.run(received));
        Some(cell)
    }
}

struct Keeper {
    cell: std::sync::Weak<CatalogueCell>,
    database: String,
    connection: OwnConnection,
    specs: Arc<[SubjectSpec]>,
    client: Option<tokio_postgres::Client>,
    signature: String,
    cells: Cells,
    problems: Vec<CatalogueProblem>,
}

impl Keeper {
    async fn run(mut self, mut requests: mpsc::Receiver<oneshot::Sender<()>>) {
        let mut retry_after = Duration::ZERO;
        let mut look_at = Instant::now() + LOOK_EVERY;
        let mut waiting = Vec::new();
        loop {
            let asked = tokio::select! {
                count = requests.recv_many(&mut waiting, REQUESTS_MAX) => {
                    if count == 0 {
                        return;
                    }
                    true
                }
                () = tokio::time::sleep_until(look_at) => false,
            };
            if asked && !retry_after.is_zero() && Instant::now() < look_at {
                // The failure stands until the next try.
                answer(&mut waiting);
                continue;
            }
            if !asked && self.ends() {
                return;
            }
            let Some(cell) = self.cell.upgrade() else { return };
            match tokio::time::timeout(LOAD_WITHIN, self.look(&cell, asked)).await {
                Ok(Ok(())) => {
                    *cell.failure.lock() = None;
                    retry_after = Duration::ZERO;
                    look_at = Instant::now() + LOOK_EVERY;
                }
                failed => {
                    let cause = match failed {
                        Ok(Err(error)) => format!("{error:#}"),
                        _ => "no answer in time".to_owned(),
                    };
                    self.client = None;
                    tracing::warn!(database = self.database, cause, "catalogue could not be read");
                    *cell.failure.lock() = Some(cause);
                    retry_after = next_retry(retry_after);
                    look_at = Instant::now() + retry_after;
                }
            }
            answer(&mut waiting);
        }
    }

    // Ends with its last session, except where something is protected: what relations were once called is
    // known to the snapshot only.
    fn ends(&self) -> bool {
        let mut cells = self.cells.lock();
        let Some(cell) = cells.get(&self.database) else { return true };
        let protects = cell.snapshot.load().as_ref().is_some_and(|s| s.catalogue.protects_any());
        // Nobody can take it while the map is locked.
        let ends = Arc::strong_count(cell) == 1 && !protects && self.database != self.connection.database();
        if ends {
            cells.remove(&self.database);
        }
        ends
    }

    async fn look(&mut self, cell: &CatalogueCell, asked: bool) -> anyhow::Result<()> {
        // Whoever marks it from here on wants a reading that begins later.
        let stale = cell.stale.swap(false, Ordering::AcqRel);
        let asked = asked || stale;
        let read = self.read(cell, asked).await;
        if read.is_err() && stale {
            cell.mark_stale();
        }
        read
    }

    async fn read(&mut self, cell: &CatalogueCell, asked: bool) -> anyhow::Result<()> {
        let client = connected(&self.connection, &self.database, &mut self.client).await?;
        let names = RelationFacts::column_names(&self.specs);
        let signature: String = client.query_one(SIGNATURE_SQL, &[&names]).await?.get(0);
        if !asked && signature == self.signature && cell.snapshot.load().is_some() {
            return Ok(());
        }
        let before = cell.snapshot.load_full();
        let before = before.as_ref().map(|snapshot| &snapshot.catalogue);
        let transaction = snapshot_of(client).await?;
        let facts = read_facts(&transaction, &self.specs, before).await?;
        let (catalogue, problems) = Catalogue::build_present(&self.specs, facts, before);
        if self.database == self.connection.database() && problems != self.problems {
            for problem in &problems {
                tracing::error!(%problem, "guarded database changed; columns known before stay protected");
            }
            metric::catalogue_problems(problems.len());
            self.problems = problems;
        }
        let schema = read_schema(&transaction, &catalogue).await?;
        transaction.commit().await?;
        let generation = cell.snapshot.load().as_ref().map_or(1, |old| old.generation + 1);
        cell.snapshot.store(Some(Arc::new(Snapshot { catalogue, schema, generation })));
        self.signature = signature;
        Ok(())
    }
}

fn answer(waiting: &mut Vec<oneshot::Sender<()>>) {
    for done in waiting.drain(..) {
        let _ = done.send(());
    }
}

fn next_retry(last: Duration) -> Duration {
    last.saturating_mul(2).clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX)
}

async fn connected<'c>(
    connection: &OwnConnection,
    database: &str,
    client: &'c mut Option<tokio_postgres::Client>,
) -> anyhow::Result<&'c mut tokio_postgres::Client> {
    if client.as_ref().is_none_or(tokio_postgres::Client::is_closed) {
        *client = Some(connection.connect(Some(database)).await?);
    }
    client.as_mut().ok_or_else(|| anyhow::anyhow!("not connected"))
}

/// Begins to read a database as it is at one moment.
async fn snapshot_of(client: &mut tokio_postgres::Client) -> Result<Transaction<'_>, tokio_postgres::Error> {
    let transaction = client.build_transaction();
    let isolation = tokio_postgres::IsolationLevel::RepeatableRead;
    transaction.isolation_level(isolation).read_only(true).start().await
}

/// Reads what a catalogue is built from.
async fn read_facts(
    transaction: &Transaction<'_>,
    specs: &[SubjectSpec],
    before: Option<&Catalogue>,
) -> Result<RelationFacts, tokio_postgres::Error> {
    let mut facts = RelationFacts::default();
    for row in transaction.query(RELATIONS_SQL, &[]).await? {
        facts.push_relation(row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
    }
    for row in transaction.query(COLUMNS_SQL, &[&RelationFacts::column_names(specs)]).await? {
        facts.push_column(row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
    }
    for row in transaction.query(INHERITS_SQL, &[]).await? {
        facts.push_inherits(row.try_get(0)?, row.try_get(1)?);
    }
    for row in transaction.query(DEPENDENCIES_SQL, &[]).await? {
        facts.push_dependency(row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    }
    let views = facts.views_wanted(specs, before);
    for row in transaction.query(VIEWS_SQL, &[&views]).await? {
        facts.push_view(row.try_get(0)?, row.try_get(1)?);
    }
    Ok(facts)
}

/// Reads what lineage needs beyond the catalogue.
async fn read_schema(
    transaction: &Transaction<'_>,
    catalogue: &Catalogue,
) -> Result<Schema, tokio_postgres::Error> {
    // Names in the queries of views come qualified.
    transaction.batch_execute("SET LOCAL search_path = pg_catalog").await?;
    let mut schema = Schema::build(catalogue);
    let wanted = Schema::relations_wanted(catalogue);
    for row in transaction.query(LINEAGE_COLUMNS_SQL, &[&wanted]).await? {
        let name: (&str, &str) = (row.try_get(1)?, row.try_get(2)?);
        let (column, written) = ((row.try_get(4)?, row.try_get(5)?), (row.try_get(6)?, row.try_get(7)?));
        schema.push_column(row.try_get(0)?, name, row.try_get(3)?, column, written);
    }
    for row in transaction.query(LINEAGE_VIEWS_SQL, &[&wanted]).await? {
        schema.push_view(row.try_get(0)?, row.try_get(1)?);
    }
    for row in transaction.query(LINEAGE_INDEXES_SQL, &[&wanted]).await? {
        let name: (&str, &str) = (row.try_get(1)?, row.try_get(2)?);
        schema.push_index(row.try_get(0)?, name, row.try_get(3)?, row.try_get(4)?);
    }
    for row in transaction.query(LINEAGE_NAMESAKES_SQL, &[&wanted]).await? {
        schema.push_namesake(row.try_get(0)?);
    }
    for row in transaction.query(LINEAGE_ROUTINES_SQL, &[]).await? {
        let does = (row.try_get(1)?, row.try_get(2)?);
        schema.push_routine(row.try_get(0)?, does, (row.try_get(3)?, row.try_get(4)?, row.try_get(5)?));
    }
    for row in transaction.query(LINEAGE_CODE_SQL, &[]).await? {
        let (schema_name, name): (&str, &str) = (row.try_get(1)?, row.try_get(2)?);
        let columns: Option<Vec<String>> = row.try_get(4)?;
        schema.push_code(row.try_get(0)?, (schema_name, name), row.try_get(3)?, &columns.unwrap_or_default());
    }
    Ok(schema.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_come_at_growing_distances_up_to_a_bound() {
        let after = |count| (0..count).fold(Duration::ZERO, |last, _| next_retry(last));
        assert_eq!(after(1), Duration::from_millis(500));
        assert_eq!(after(3), Duration::from_secs(2));
        assert_eq!(after(40), RETRY_AFTER_MAX);
    }
}
