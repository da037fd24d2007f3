use clap::Args;

use super::{CommandResult, ConfigFile, Failure, block_on};
use crate::config::Config;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  rastro serve -c rastro.toml\n\n\
    Ready when /readyz on the console's address answers 200; SIGTERM drains and exits 0.\n\
    RUST_LOG sets what is logged, such as RUST_LOG=rastro=debug.")]
pub(super) struct ServeArguments {
    #[command(flatten)]
    file: ConfigFile,
}

pub(super) fn run(arguments: &ServeArguments) -> CommandResult {
    let config = Config::load(&arguments.file.config)?;
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    block_on(async { crate::gateway::serve(config).await.map_err(Failure::Unusable) })
}
