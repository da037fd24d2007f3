//! A temporary slot of logical replication: it ends with its connection.

use anyhow::ensure;
use tokio_postgres::{Client, Error};

use crate::guarded::told;

// The server ends a connection that asks for nothing for so long, or whose other end is gone; it must not keep its
// WAL for a gateway that hangs. And how long to wait for those who vacuum a table that is to be published.
const SETTINGS: &str =
    "SET idle_session_timeout = '60s'; SET client_connection_check_interval = '10s'; SET lock_timeout = '5s'";
const STANDBY_SQL: &str = "SELECT pg_catalog.pg_is_in_recovery()";
const NAME_SQL: &str = "SELECT 'rastro_values_' || pg_catalog.pg_backend_pid()";
const MAKE_SQL: &str = "SELECT pg_catalog.current_setting('wal_block_size')::bigint, \
    pg_catalog.pg_wal_lsn_diff(lsn, '0/0')::bigint \
    FROM pg_catalog.pg_create_logical_replication_slot($1, 'pgoutput', true)";
const DROP_SQL: &str = "SELECT pg_catalog.pg_drop_replication_slot($1)";

/// A slot of the connection that made it.
#[derive(Debug)]
pub(crate) struct Slot {
    /// Its name, as SQL functions take it.
    pub(crate) name: String,
    /// Size of a page of the WAL.
    pub(crate) page_bytes: i64,
    /// Place in the WAL before which nothing is told.
    pub(crate) begins: i64,
}

/// Makes a connection fit for slots.
///
/// # Errors
/// The server is a standby, or too old.
pub(crate) async fn prepare(client: &Client) -> anyhow::Result<()> {
    client.batch_execute(SETTINGS).await.map_err(told)?;
    let standby: bool = client.query_one(STANDBY_SQL, &[]).await.map_err(told)?.try_get(0)?;
    ensure!(!standby, "the server is a standby");
    Ok(())
}

impl Slot {
    /// Makes a slot, which takes until all transactions that are open now have ended.
    ///
    /// # Errors
    /// The server or the role is not allowed to, or there are too many slots.
    pub(crate) async fn make(client: &Client) -> Result<Slot, Error> {
        let name: String = client.query_one(NAME_SQL, &[]).await?.try_get(0)?;
        let row = client.query_one(MAKE_SQL, &[&name]).await?;
        Ok(Slot { name, page_bytes: row.try_get(0)?, begins: row.try_get(1)? })
    }

    /// Removes the slot.
    ///
    /// # Errors
    /// The connection is gone, and the slot with it.
    pub(crate) async fn remove(self, client: &Client) -> Result<(), Error> {
        client.execute(DROP_SQL, &[&self.name]).await.map(drop)
    }
}
