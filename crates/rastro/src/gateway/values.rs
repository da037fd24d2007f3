//! The index of protected values: built at the start from the guarded database, then kept fresh by following its
//! changes, or by looking for changed rows. Values that were changed or deleted stay known, over a restart too.

mod following;
mod keeping;
mod lag;
mod learning;
mod looking;
mod source;
mod store;

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use rastro_attribution::HashKey;
use rastro_attribution::value_index::{IndexTable, OverlayJournal, fingerprint};
use tokio::time::Instant;

use super::Gateway;
use keeping::Keeper;
use store::Store;

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
    let store = Store::new(directory, key, print, journal);
    let begun = Instant::now();
    let keeper = Keeper::build(Arc::clone(gateway), store, before.as_ref(), &learned).await?;
    tracing::info!(seconds = begun.elapsed().as_secs_f64(), "value index is built");
    tokio::spawn(keeper.run());
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
