//! Looks for changed values by reading the rows that were written since: works on every server.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rastro_attribution::value_index::Overlay;
use tokio::time::Instant;
use tokio_postgres::Client;

use super::learning::Learner;
use super::source::{self, Source};
use crate::guarded::OwnConnection;

const LOOK_WITHIN: Duration = Duration::from_secs(600);

/// A table to look at.
pub(super) struct Wanted {
    pub(super) place: usize,
    pub(super) source: Arc<Source>,
    /// Every transaction from this number on may not have been read.
    pub(super) horizon: i64,
    /// Its columns are to be looked up anew.
    pub(super) is_stale: bool,
}

/// What a look at a table found.
pub(super) struct Seen {
    pub(super) place: usize,
    /// With its columns looked up anew where that was wanted.
    pub(super) source: Arc<Source>,
    pub(super) learned: anyhow::Result<Overlay>,
    /// More has changed than should be held in memory.
    pub(super) is_full: bool,
}

/// What a look found.
pub(super) struct Look {
    pub(super) began: Instant,
    /// The connection, if it can be used again.
    pub(super) client: Option<Client>,
    /// Every transaction before this number was seen.
    pub(super) horizon: i64,
    pub(super) seen: Vec<Seen>,
}

/// Looks at the wanted tables; `learner` makes one for each.
///
/// # Errors
/// No connection, or the server does not answer in time.
pub(super) async fn look(
    connection: OwnConnection,
    client: Option<Client>,
    wanted: Vec<Wanted>,
    learner: impl Fn() -> Learner,
) -> anyhow::Result<Look> {
    let look = async {
        let began = Instant::now();
        let client = match client {
            Some(client) if !client.is_closed() => client,
            _ => connection.connect(None).await?,
        };
        let horizon = source::horizon(&client).await?;
        let mut seen = Vec::new();
        for table in wanted {
            seen.push(look_at(&client, table, learner()).await);
        }
        let client = (!client.is_closed()).then_some(client);
        Ok(Look { began, client, horizon, seen })
    };
    tokio::time::timeout(LOOK_WITHIN, look).await.context("no answer in time")?
}

async fn look_at(client: &Client, table: Wanted, mut learner: Learner) -> Seen {
    let mut source = table.source;
    let read = async {
        if table.is_stale {
            source = Arc::new(Source::survey(client, source.configured()).await?);
        }
        let take =
            |key: &str, column: &source::Column, value: &str| learner.take(&source, column, key, value);
        source.stream(client, Some(table.horizon), take).await
    };
    let read = read.await;
    let is_full = learner.is_full();
    Seen { place: table.place, learned: read.map(|()| learner.into_learned()), source, is_full }
}
