use std::path::{Path, PathBuf};

use anyhow::ensure;
use clap::Args;

use crate::config::Config;

/// Which ledger: the configuration's, or one elsewhere.
#[derive(Debug, Args)]
pub(super) struct LedgerPlace {
    /// Directory of another ledger than the configuration's, such as an imported one; needs no configuration
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Configuration file [default: rastro.toml]
    #[arg(short, long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl LedgerPlace {
    /// Returns the data directory, and the configuration if one is given or needed.
    ///
    /// # Errors
    /// There is no ledger, or the configuration cannot be used.
    pub(super) fn open(&self) -> anyhow::Result<(PathBuf, Option<Config>)> {
        let config = match (&self.config, &self.store) {
            (Some(path), _) => Some(Config::load(path)?),
            (None, Some(_)) => None,
            (None, None) => Some(Config::load(Path::new("rastro.toml"))?),
        };
        let configured = config.as_ref().map(|config| config.data_dir.clone());
        let data_dir = self.store.clone().or(configured).unwrap_or_default();
        let spool = data_dir.join("spool");
        ensure!(spool.is_dir(), "there is no ledger at `{}`", spool.display());
        Ok((data_dir, config))
    }
}
