//! Keeps the index of values fresh: follows changes where the server tells them, and looks for those of the other
//! tables. A table is followed once a look has seen every transaction that its feed does not tell in whole.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rastro_attribution::value_index::{IndexTable, Overlay};
use rastro_model::Clock;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_postgres::Client;

use super::following::{Changes, Reading};
use super::lag::Lag;
use super::learning::Learner;
use super::looking::{Look, Wanted, look};
use super::source::Source;
use super::store::Store;
use crate::config::Freshness;
use crate::freshness::LagRecord;
use crate::gateway::{Gateway, metric};
use crate::publication::Publication;

const FOLLOW_EVERY: Duration = Duration::from_millis(100);
// A look or a reading that takes long is followed by a pause of so many times its length.
const LOOK_PAUSE_FACTOR: u32 = 10;
const FOLLOW_PAUSE_FACTOR: u32 = 1;
// A table that is about to be followed is looked at again so soon, if not sooner.
const SETTLE_WITHIN: Duration = Duration::from_secs(1);
const READ_WITHIN: Duration = Duration::from_secs(600);
// A feed that was lost or refused is opened again after the first, then after twice as long, up to the second.
const REOPEN_AFTER_MIN: Duration = Duration::from_secs(1);
const REOPEN_AFTER_MAX: Duration = Duration::from_secs(60);

/// One table, and how much of it is known.
struct Table {
    source: Arc<Source>,
    // Its columns are to be looked up anew.
    is_stale: bool,
    // Every transaction before this number is known.
    horizon: i64,
    // Everything that was changed before is known.
    known: Instant,
    // It is looked at until every transaction before this number is known.
    look_until: i64,
}

impl Table {
    fn new(source: Source, horizon: i64, known: Instant) -> Table {
        Table { source: Arc::new(source), is_stale: false, horizon, known, look_until: i64::MAX }
    }

    fn is_followed(&self) -> bool {
        self.horizon >= self.look_until
    }

    fn note(&mut self, horizon: i64, known: Instant) {
        self.horizon = self.horizon.max(horizon);
        self.known = self.known.max(known);
    }
}

type Task<T> = Option<JoinHandle<anyhow::Result<T>>>;

pub(super) struct Keeper {
    gateway: Arc<Gateway>,
    store: Store,
    tables: Vec<Table>,
    lag: Arc<Lag>,
    feed: Option<Box<Changes>>,
    feed_since: Instant,
    reopen_after: Duration,
    follow_at: Instant,
    opening: Task<Changes>,
    look_at: Instant,
    looking: Task<Look>,
    // Of the last look.
    client: Option<Client>,
    // Why nothing is followed, as it was told last.
    why_not: String,
    // More has changed than should be held in memory.
    is_full: bool,
}

impl Keeper {
    /// Builds the index; `before`, and what was `learned` since, add values that the database does not hold any
    /// more.
    ///
    /// # Errors
    /// No connection, or the index cannot be written. A table that cannot be read is reported and left out.
    pub(super) async fn build(
        gateway: Arc<Gateway>,
        mut store: Store,
        before: Option<&IndexTable>,
        learned: &Overlay,
    ) -> anyhow::Result<Keeper> {
        let tables = build(&gateway, &mut store, before, learned).await?;
        let now = Instant::now();
        let known = tables.iter().map(|table| table.known).min().unwrap_or(now);
        let lag = Lag::watch(known, LagRecord::open(&gateway.settings.data_dir, gateway.clock.now()));
        Ok(Keeper {
            gateway,
            store,
            tables,
            lag,
            feed: None,
            feed_since: now,
            reopen_after: REOPEN_AFTER_MIN,
            follow_at: now,
            opening: None,
            look_at: now,
            looking: None,
            client: None,
            why_not: String::new(),
            is_full: false,
        })
    }

    /// Keeps the index fresh, for ever.
    pub(super) async fn run(mut self) {
        loop {
            let is_wanted =
                self.gateway.settings.value_freshness == Freshness::Auto && !self.tables.is_empty();
            let may_follow = is_wanted && self.opening.is_none();
            tokio::select! {
                opened = ended(&mut self.opening) => self.take_feed(opened),
                looked = ended(&mut self.looking) => self.take_look(looked),
                () = sleep_until(self.follow_at), if may_follow => self.follow().await,
                () = sleep_until(self.look_at), if self.looking.is_none() => self.start_look(),
            }
            if self.is_full {
                self.build_anew().await;
            }
            if let Some(known) = self.tables.iter().map(|table| table.known).min() {
                self.lag.note(known, Instant::now());
            }
            metric::values_followed(self.tables.iter().filter(|table| table.is_followed()).count());
        }
    }

    async fn follow(&mut self) {
        if self.feed.is_none() {
            self.start_feed();
            return;
        }
        let began = Instant::now();
        match self.read_feed().await {
            Ok(reading) => self.advance(&reading),
            Err(error) => self.lose_feed(&error),
        }
        let pause = began.elapsed().saturating_mul(FOLLOW_PAUSE_FACTOR);
        self.follow_at = self.follow_at.max(Instant::now() + FOLLOW_EVERY.max(pause));
    }

    async fn read_feed(&mut self) -> anyhow::Result<Reading> {
        let mut learner = learner(&self.gateway, &self.store)?;
        let sources: Vec<Arc<Source>> = self.tables.iter().map(|table| Arc::clone(&table.source)).collect();
        let feed = self.feed.as_mut().context("there is no feed")?;
        let reading = tokio::time::timeout(READ_WITHIN, feed.read(&sources, &mut learner)).await;
        self.is_full |= learner.is_full();
        // What was read before an error is true as well.
        self.is_full |= self.store.learn(&self.gateway, &learner.into_learned())?;
        reading.context("no answer in time")?
    }

    fn advance(&mut self, reading: &Reading) {
        for (place, table) in self.tables.iter_mut().enumerate() {
            if reading.unclear.contains(&place) {
                table.look_until = table.look_until.max(reading.next);
            } else if table.is_followed()
                && let Some(known) = reading.known
            {
                table.note(known.horizon, known.since);
            }
        }
    }

    fn start_feed(&mut self) {
        let settings = &self.gateway.settings;
        let connection = settings.own_connection.clone();
        let sources = self.tables.iter().map(|table| table.source.configured().clone());
        let publication = Publication::new(&settings.value_publication, sources.collect());
        self.opening = Some(tokio::spawn(async move { Changes::open(&connection, publication).await }));
    }

    fn take_feed(&mut self, opened: anyhow::Result<Changes>) {
        let now = Instant::now();
        match opened {
            Ok(feed) => {
                for (place, table) in self.tables.iter_mut().enumerate() {
                    table.look_until = if feed.tells(place) { feed.begins() } else { i64::MAX };
                }
                let polled = feed.untold().join("; ");
                tracing::info!(polled, "changed values are followed by logical replication");
                (self.feed, self.feed_since, self.follow_at) = (Some(Box::new(feed)), now, now);
                self.why_not.clear();
                self.look_at = now;
            }
            Err(error) => {
                let why = format!("{error:#}");
                if why != self.why_not {
                    tracing::info!(why, "changed values are looked for by polling, not followed");
                    self.why_not = why;
                }
                self.reopen_later();
            }
        }
    }

    fn reopen_later(&mut self) {
        self.follow_at = Instant::now() + self.reopen_after;
        self.reopen_after = self.reopen_after.saturating_mul(2).min(REOPEN_AFTER_MAX);
    }

    /// Until there is a new feed, every table is looked at, at once.
    fn lose_feed(&mut self, error: &anyhow::Error) {
        metric::values_source_failed();
        tracing::warn!("changed values are not followed any more: {error:#}");
        self.close_feed();
        let now = Instant::now();
        if now.saturating_duration_since(self.feed_since) > REOPEN_AFTER_MAX {
            self.reopen_after = REOPEN_AFTER_MIN;
        }
        self.reopen_later();
        self.look_at = now;
    }

    fn close_feed(&mut self) {
        self.feed = None;
        self.tables.iter_mut().for_each(|table| table.look_until = i64::MAX);
    }

    fn start_look(&mut self) {
        self.look_at = Instant::now() + self.gateway.settings.value_poll;
        let looked_at = self.tables.iter().enumerate().filter(|(_, table)| !table.is_followed());
        let wanted = looked_at.map(|(place, table)| Wanted {
            place,
            source: Arc::clone(&table.source),
            horizon: table.horizon,
            is_stale: table.is_stale,
        });
        let wanted: Vec<Wanted> = wanted.collect();
        if wanted.is_empty() {
            return;
        }
        let (gateway, client) = (Arc::clone(&self.gateway), self.client.take());
        let learner = match learner(&self.gateway, &self.store) {
            Ok(learner) => move || learner.begin_anew(),
            Err(error) => return report(&error),
        };
        let connection = gateway.settings.own_connection.clone();
        self.looking = Some(tokio::spawn(look(connection, client, wanted, learner)));
    }

    fn take_look(&mut self, looked: anyhow::Result<Look>) {
        let Look { began, client, horizon, seen } = match looked {
            Ok(look) => look,
            Err(error) => return report(&error),
        };
        self.client = client;
        for seen in seen {
            self.is_full |= seen.is_full;
            let learned = seen.learned.and_then(|learned| self.store.learn(&self.gateway, &learned));
            let Some(table) = self.tables.get_mut(seen.place) else { continue };
            table.source = seen.source;
            table.is_stale = learned.is_err();
            match learned {
                Ok(is_full) => {
                    self.is_full |= is_full;
                    table.note(horizon, began);
                }
                Err(error) => report(&error),
            }
        }
        let mut pause = self.gateway.settings.value_poll;
        if self.tables.iter().any(|table| table.look_until < i64::MAX && !table.is_followed()) {
            pause = pause.min(SETTLE_WITHIN);
        }
        self.look_at = Instant::now() + pause.max(began.elapsed().saturating_mul(LOOK_PAUSE_FACTOR));
    }

    async fn build_anew(&mut self) {
        self.close_feed();
        self.opening.take().into_iter().for_each(|task| task.abort());
        self.looking.take().into_iter().for_each(|task| task.abort());
        let Some(index) = self.gateway.values.load_full() else { return };
        match build(&self.gateway, &mut self.store, Some(index.table()), index.overlay()).await {
            Ok(tables) => (self.tables, self.is_full) = (tables, false),
            Err(error) => {
                report(&error);
                tokio::time::sleep(REOPEN_AFTER_MIN).await;
            }
        }
        (self.follow_at, self.look_at) = (Instant::now(), Instant::now());
    }
}

/// Reads all tables into a new index.
async fn build(
    gateway: &Gateway,
    store: &mut Store,
    before: Option<&IndexTable>,
    learned: &Overlay,
) -> anyhow::Result<Vec<Table>> {
    let client = gateway.settings.own_connection.connect(None).await?;
    let snapshot = gateway.guarded_snapshot()?;
    let known = Instant::now();
    let horizon = super::source::horizon(&client).await?;
    let mut builder = store.builder()?;
    let mut tables = Vec::new();
    for configured in &gateway.settings.value_sources {
        let read = async {
            let source = Source::survey(&client, configured).await?;
            let every = source.stream(&client, None, |key, column, value| {
                let key = snapshot.catalogue.subject_key(source.kind(), key);
                builder.add(value, source.kind(), column.fields, &key, column.texts)?;
                Ok(())
            });
            every.await?;
            Ok::<Source, anyhow::Error>(source)
        };
        match read.await {
            Ok(source) => tables.push(Table::new(source, horizon, known)),
            Err(error) => {
                metric::values_source_failed();
                tracing::error!(table = %configured.table, "values are not indexed: {error:#}");
            }
        }
    }
    store.finish(gateway, builder, before, learned).await?;
    Ok(tables)
}

fn learner(gateway: &Gateway, store: &Store) -> anyhow::Result<Learner> {
    let index = gateway.values.load_full().context("the index is not built yet")?;
    Ok(Learner::new(index, gateway.guarded_snapshot()?, store.key()))
}

fn report(error: &anyhow::Error) {
    metric::values_source_failed();
    tracing::warn!("changed values could not be read: {error:#}");
}

/// Waits for a task; for ever if there is none. Cancel safe.
async fn ended<T>(task: &mut Task<T>) -> anyhow::Result<T> {
    let Some(running) = task else { return std::future::pending().await };
    let ended = running.await;
    *task = None;
    ended.context("a task failed")?
}
