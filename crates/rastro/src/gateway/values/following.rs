//! Changes of the guarded tables, read out of a temporary slot of logical replication.
//!
//! The slot is read by SQL and ends with its connection, so that it cannot hold back the server's WAL once the
//! gateway is gone; the server ends the connection of a gateway that hangs (`docs/adr/007`).

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use futures_util::TryStreamExt;
use rastro_attribution::row_changes::{Cell, Cells, Change, Columns, Old, change};
use tokio::time::Instant;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};

use super::learning::Learner;
use super::source::Source;
use crate::guarded::{OwnConnection, told};
use crate::publication::slot::{self, Slot};
use crate::publication::{Publication, Standing, reasons};

// The server holds the changes of one reading in a temporary file; it ends a reading with the transaction that
// passes this number.
const CHANGES_MAX: i32 = 100_000;
// A page of the WAL begins with a header of 24 or 40 bytes, less than header and record together can have.
const PAGE_HEADER_BYTES_MAX: i64 = 40;

const NEXT_SQL: &str = "SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::bigint";
// What the snapshot sees as ended has its end in the WAL before the place of insertion.
const POSITION_SQL: &str = "\
SELECT pg_catalog.pg_snapshot_xmin(s)::text::bigint, \
pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), '0/0')::bigint, \
pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_flush_lsn(), '0/0')::bigint \
FROM pg_catalog.pg_current_snapshot() s";
// Relations, inserted and updated rows.
const CHANGES_SQL: &str = "\
SELECT data FROM pg_catalog.pg_logical_slot_get_binary_changes($1, NULL, $2, \
'proto_version', '1', 'publication_names', $3) WHERE get_byte(data, 0) IN (73, 82, 85)";
const READ_SQL: &str = "\
SELECT pg_catalog.pg_wal_lsn_diff(confirmed_flush_lsn, '0/0')::bigint, \
pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::bigint \
FROM pg_catalog.pg_replication_slots WHERE slot_name = $1";

/// The changes from the making of a slot on.
pub(super) struct Changes {
    client: Client,
    queries: Queries,
    slot: Slot,
    publication: Publication,
    /// What the publication tells depends on.
    state: String,
    /// By source.
    standings: Vec<Standing>,
    /// Transactions from this number on are told in whole.
    begins: i64,
    /// Everything before this place in the WAL was read.
    read: i64,
    /// Where the server was when it was asked last, until that was read. Kept, because a server that does not wait
    /// for its disk is always further in memory than what can be read.
    ahead: Option<Position>,
}

struct Queries {
    position: Statement,
    changes: Statement,
    read: Statement,
    state: Statement,
}

#[derive(Clone, Copy, Debug)]
struct Position {
    known: Known,
    inserted: i64,
}

/// What was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// Every transaction before this number.
    pub(super) horizon: i64,
    /// Everything that was changed before.
    pub(super) since: Instant,
}

/// What a reading has come to.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// Nothing new if the server has not written all that it has ended.
    pub(super) known: Option<Known>,
    /// Places of sources that have changed rows which the messages do not tell in whole.
    pub(super) unclear: Vec<usize>,
    /// Every transaction read so far has a number below.
    pub(super) next: i64,
}

impl Changes {
    /// Makes a slot, and the publication where it is missing and the role may make it. Takes as long as the
    /// longest of the transactions that are open.
    ///
    /// # Errors
    /// The server does not allow it, or none of the tables is published.
    pub(super) async fn open(
        connection: &OwnConnection,
        publication: Publication,
    ) -> anyhow::Result<Changes> {
        let client = connection.connect(None).await?;
        slot::prepare(&client).await?;
        let mut standings = publication.survey(&client).await?;
        if let Some(statement) = publication.statement(&client, &standings).await? {
            // Nothing is published for a server or a role that cannot follow.
            Slot::make(&client).await.map_err(told)?.remove(&client).await.map_err(told)?;
            standings = publication.publish(&client, &statement, true).await?;
        }
        ensure!(standings.iter().any(Standing::is_published), "{}", reasons(&standings).join("; "));
        let queries = Queries {
            position: client.prepare(POSITION_SQL).await.map_err(told)?,
            changes: client.prepare(CHANGES_SQL).await.map_err(told)?,
            read: client.prepare(READ_SQL).await.map_err(told)?,
            state: publication.state_query(&client).await?,
        };
        // What changes from here on differs from it.
        let state = publication.state(&client, &queries.state).await?;
        let again = publication.survey(&client).await?;
        let are_same =
            again.iter().zip(&standings).all(|(now, before)| now == before || !before.is_published());
        ensure!(are_same, "the publication has just changed");
        let slot = Slot::make(&client).await.map_err(told)?;
        let begins = client.query_one(NEXT_SQL, &[]).await.map_err(told)?.try_get(0)?;
        let read = slot.begins;
        Ok(Changes { client, queries, slot, publication, state, standings, begins, read, ahead: None })
    }

    /// Returns the number from which on transactions are told in whole.
    pub(super) fn begins(&self) -> i64 {
        self.begins
    }

    /// Returns whether the changes of a source are told.
    pub(super) fn tells(&self, source: usize) -> bool {
        self.standings.get(source).is_some_and(Standing::is_published)
    }

    /// Returns why other tables' changes are not told.
    pub(super) fn untold(&self) -> Vec<String> {
        reasons(&self.standings)
    }

    /// Reads what has changed since the last reading.
    ///
    /// # Errors
    /// The connection or the slot is gone, the publication or a table has changed, a message cannot be read, or
    /// `learner` is full. What was not read is lost to this slot.
    pub(super) async fn read(
        &mut self,
        sources: &[Arc<Source>],
        learner: &mut Learner,
    ) -> anyhow::Result<Reading> {
        let since = Instant::now();
        let row = self.client.query_one(&self.queries.position, &[]).await.map_err(told)?;
        let (horizon, inserted, flushed): (i64, i64, i64) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let ahead = *self.ahead.get_or_insert(Position { known: Known { horizon, since }, inserted });
        let mut reading = Reading { next: horizon, ..Reading::default() };
        if flushed > self.read {
            self.read_changes(sources, learner, &mut reading.unclear).await?;
            let row = self.client.query_one(&self.queries.read, &[&self.slot.name]).await.map_err(told)?;
            (self.read, reading.next) = (row.try_get(0)?, row.try_get(1)?);
        }
        let state = self.publication.state(&self.client, &self.queries.state).await?;
        if state != self.state {
            // What ended between the reading and the question, together with the change, is in this slot alone.
            self.read_changes(sources, learner, &mut reading.unclear).await?;
            bail!("the publication or a table has changed");
        }
        if !self.is_behind(ahead.inserted) {
            reading.known = Some(ahead.known);
            self.ahead = None;
        }
        Ok(reading)
    }

    /// Returns whether there may be records between what was read and a place of insertion.
    fn is_behind(&self, inserted: i64) -> bool {
        let header = if self.read % self.slot.page_bytes == 0 { PAGE_HEADER_BYTES_MAX } else { 0 };
        inserted > self.read + header
    }

    async fn read_changes(
        &self,
        sources: &[Arc<Source>],
        learner: &mut Learner,
        unclear: &mut Vec<usize>,
    ) -> anyhow::Result<()> {
        let name = self.publication.quoted();
        let parameters: [&(dyn ToSql + Sync); 3] = [&self.slot.name, &CHANGES_MAX, &name];
        let mut messages =
            pin!(self.client.query_raw(&self.queries.changes, parameters).await.map_err(told)?);
        // The server tells the columns of a relation in each reading anew.
        let mut readers: HashMap<u32, Vec<RowReader>> = HashMap::new();
        while let Some(row) = messages.try_next().await.map_err(told)? {
            match change(row.try_get(0)?)? {
                Change::Relation { relation, columns } => {
                    let published =
                        |(_, standing): &(usize, &Standing)| **standing == Standing::Published(relation);
                    let told = self.standings.iter().enumerate().filter(published);
                    let made = told.filter_map(|(place, _)| Some((place, sources.get(place)?)));
                    let made = made.map(|(place, source)| RowReader::new(place, source, &columns));
                    readers.insert(relation, made.collect::<anyhow::Result<_>>()?);
                }
                Change::Row { relation, old, new } => {
                    for reader in readers.get(&relation).into_iter().flatten() {
                        if !reader.read(&old, &new, learner)? && !unclear.contains(&reader.place) {
                            unclear.push(reader.place);
                        }
                    }
                }
                Change::Other => {}
            }
        }
        Ok(())
    }
}

/// Reads the rows of one relation as those of one source.
struct RowReader {
    place: usize,
    source: Arc<Source>,
    key: usize,
    /// The key cannot change without being told.
    key_identifies: bool,
    /// In the order of the source's columns.
    columns: Vec<usize>,
}

impl RowReader {
    fn new(place: usize, source: &Arc<Source>, published: &Columns<'_>) -> anyhow::Result<RowReader> {
        let find = |name: &str| {
            let found = published.clone().position(|column| column.name == name.as_bytes());
            found.with_context(|| {
                format!("`{name}` of `{}` is not published any more", source.configured().table)
            })
        };
        let key = find(&source.key.text)?;
        Ok(RowReader {
            place,
            source: Arc::clone(source),
            key,
            key_identifies: published.clone().nth(key).is_some_and(|column| column.identifies),
            columns: source.columns.iter().map(|column| find(&column.name.text)).collect::<Result<_, _>>()?,
        })
    }

    /// Returns whether the row was told in whole.
    fn read(&self, old: &Old<'_>, new: &Cells<'_>, learner: &mut Learner) -> anyhow::Result<bool> {
        let new: Vec<Cell<'_>> = new.clone().collect();
        let before: Vec<Cell<'_>> =
            if let Old::Whole(cells) = old { cells.clone().collect() } else { Vec::new() };
        let cell = |at: usize| match new.get(at) {
            Some(Cell::Unchanged) => before.get(at).copied().unwrap_or(Cell::Unchanged),
            Some(cell) => *cell,
            None => Cell::Unchanged,
        };
        let key = match cell(self.key) {
            Cell::Text(key) => String::from_utf8_lossy(key),
            Cell::Null => return Ok(true),
            Cell::Unchanged => return Ok(false),
        };
        let key = self.source.key.value_of(&key);
        let same_key = self.key_identifies && matches!(old, Old::Untold);
        let mut whole = true;
        for (at, column) in self.columns.iter().zip(&self.source.columns) {
            match cell(*at) {
                Cell::Text(value) => {
                    let value = String::from_utf8_lossy(value);
                    learner.take(&self.source, column, key, column.name.value_of(&value))?;
                }
                Cell::Null => {}
                // Known already, unless it is the value of another subject now.
                Cell::Unchanged => whole &= same_key,
            }
        }
        Ok(whole)
    }
}
