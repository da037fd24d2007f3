//! The index of protected values: built at the start from the guarded database, then kept fresh by looking for
//! changed rows. Values that were changed or deleted stay known, over a restart too.

mod source;

use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rastro_attribution::value_index::{
    IndexBuilder, IndexTable, Overlay, OverlayJournal, Owner, ValueIndex, fingerprint,
};
use rastro_attribution::{Catalogue, HashKey};
use tokio::time::Instant;

use super::{Gateway, metric};
use source::Source;

// Past this the changes become part of the table.
const OVERLAY_MAX: usize = 500_000;
const PAUSE_FACTOR: u32 = 10;
const LOOK_WITHIN: Duration = Duration::from_secs(600);

/// Builds the index and starts to follow changes; does nothing if no table has values to look for.
///
/// # Errors
/// The key or the index cannot be written. A table that cannot be read is reported and left out.
pub(super) async fn start(gateway: &Arc<Gateway>) -> anyhow::Result<()> {
    if gateway.settings.value_sources.is_empty() {
        return Ok(());
    }
    let directory = gateway.settings.data_dir.join("values");
    std::fs::create_dir_all(&directory)
        .with_context(|| format!("cannot create `{}`", directory.display()))?;
    let key = hash_key(&directory.join("key"))?;
    let schema = &gateway.settings.spool.schema;
    let print = fingerprint(&schema.kinds, &schema.fields);
    let before = match IndexTable::open(&directory.join("index"), key) {
        Ok(table) if table.fingerprint() == print => Some(table),
        Ok(_) => None,
        Err(error) => {
            tracing::info!(error = &error as &dyn std::error::Error, "no earlier value index is used");
            None
        }
    };
    let (journal, learned) = OverlayJournal::open(&directory.join("overlay"), key, print)?;
    let mut keeper = Keeper {
        gateway: Arc::clone(gateway),
        directory,
        key,
        print,
        journal,
        unkept: Overlay::default(),
        sources: Vec::new(),
        horizon: String::new(),
    };
    let begun = Instant::now();
    keeper.build(before.as_ref(), &learned).await?;
    tracing::info!(seconds = begun.elapsed().as_secs_f64(), "value index is built");
    tokio::spawn(keeper.follow(begun));
    Ok(())
}

fn hash_key(path: &Path) -> anyhow::Result<HashKey> {
    let name = || format!("cannot read or write `{}`", path.display());
    if !path.exists() {
        let mut random = [0; 16];
        std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut random)?;
        let mut options = std::fs::File::options();
        let mut file = options.write(true).create_new(true).mode(0o600).open(path).with_context(name)?;
        std::io::Write::write_all(&mut file, &random).with_context(name)?;
        file.sync_all().with_context(name)?;
    }
    let bytes = std::fs::read(path).with_context(name)?;
    let bytes =
        bytes.try_into().map_err(|_| anyhow::anyhow!("`{}` is no key of 16 bytes", path.display()))?;
    Ok(HashKey::from_bytes(bytes))
}

struct Keeper {
    gateway: Arc<Gateway>,
    directory: PathBuf,
    key: HashKey,
    print: [u8; 16],
    journal: OverlayJournal,
    // Learned, and not in the journal: the disk failed.
    unkept: Overlay,
    sources: Vec<Source>,
    // Every transaction from this number on may not have been read.
    horizon: String,
}

impl Keeper {
    // `before`, and what was `learned` since, add values that the database does not hold any more.
    async fn build(&mut self, before: Option<&IndexTable>, learned: &Overlay) -> anyhow::Result<()> {
        let client = self.gateway.settings.own_connection.connect(None).await?;
        let catalogue = self.catalogue()?;
        let horizon = source::horizon(&client).await?;
        let mut builder = IndexBuilder::new(&self.directory, self.key, self.print)?;
        self.sources.clear();
        for configured in &self.gateway.settings.value_sources {
            let read = async {
                let source = Source::survey(&client, configured).await?;
                let every = source.stream(&client, None, |key, column, value| {
                    let key = catalogue.subject_key(source.kind, key);
                    builder.add(value, source.kind, column.fields, &key, column.texts)?;
                    Ok(())
                });
                every.await?;
                Ok::<Source, anyhow::Error>(source)
            };
            match read.await {
                Ok(source) => self.sources.push(source),
                Err(error) => {
                    metric::values_source_failed();
                    tracing::error!(table = %configured.table, "values are not indexed: {error:#}");
                }
            }
        }
        if let Some(before) = before {
            builder.add_table(before)?;
        }
        builder.add_overlay(learned)?;
        let path = self.directory.join("index");
        let table = tokio::task::spawn_blocking(move || builder.finish(&path)).await??;
        self.journal.clear()?;
        self.unkept = Overlay::default();
        self.horizon = horizon;
        self.publish(ValueIndex::new(Arc::new(table), Arc::default()));
        Ok(())
    }

    fn catalogue(&self) -> anyhow::Result<Catalogue> {
        let database = self.gateway.settings.own_connection.database();
        let cell = self.gateway.catalogues.cell(database).context("too many databases are in use")?;
        let snapshot = cell.last_snapshot().context("the catalogue is not read yet")?;
        Ok(snapshot.catalogue.clone())
    }

    fn publish(&self, index: ValueIndex) {
        metric::values_indexed(index.table().entries(), index.overlay().len());
        self.gateway.values.store(Some(Arc::new(index)));
    }

    async fn follow(mut self, built: Instant) {
        let mut fresh_from = built;
        let mut client = None;
        let mut pause = self.gateway.settings.value_poll;
        loop {
            tokio::time::sleep(pause).await;
            let begun = Instant::now();
            match tokio::time::timeout(LOOK_WITHIN, self.look(&mut client)).await {
                Ok(Ok(())) => fresh_from = begun,
                failed => {
                    let cause = match failed {
                        Ok(Err(error)) => format!("{error:#}"),
                        _ => "no answer in time".to_owned(),
                    };
                    client = None;
                    metric::values_source_failed();
                    tracing::warn!(cause, "changed values could not be read");
                }
            }
            metric::values_lag(fresh_from.elapsed());
            pause = self.gateway.settings.value_poll.max(begun.elapsed().saturating_mul(PAUSE_FACTOR));
        }
    }

    async fn look(&mut self, client: &mut Option<tokio_postgres::Client>) -> anyhow::Result<()> {
        if client.as_ref().is_none_or(tokio_postgres::Client::is_closed) {
            *client = Some(self.gateway.settings.own_connection.connect(None).await?);
        }
        let client = client.as_ref().context("not connected")?;
        let catalogue = self.catalogue()?;
        let horizon = source::horizon(client).await?;
        let index = self.gateway.values.load_full().context("the index is not built yet")?;
        let mut learned = Overlay::default();
        for source in &self.sources {
            let changed = source.stream(client, Some(&self.horizon), |key, column, value| {
                let key = catalogue.subject_key(source.kind, key);
                let owner = Owner { kind: source.kind, fields: column.fields, key };
                if !index.knows(value, &owner, column.texts) {
                    learned.add(&self.key, value, owner, column.texts);
                }
                Ok(())
            });
            changed.await?;
        }
        if !learned.is_empty() {
            let mut overlay = (**index.overlay()).clone();
            overlay.unite(&learned);
            let overlay = Arc::new(overlay);
            self.publish(ValueIndex::new(Arc::clone(index.table()), Arc::clone(&overlay)));
            self.unkept.unite(&learned);
            self.journal.append(&self.unkept).context("a restart would forget changed values")?;
            self.unkept = Overlay::default();
            if overlay.len() > OVERLAY_MAX {
                return self.build(Some(index.table()), &overlay).await;
            }
        }
        self.horizon = horizon;
        Ok(())
    }
}
