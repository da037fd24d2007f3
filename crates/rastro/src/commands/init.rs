mod propose;
mod shapes;
mod survey;
mod words;

use clap::Args;

use super::{CommandResult, block_on, output};
use crate::config::Config;
use crate::guarded::OwnConnection;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  rastro init --database postgres://rastro@db:5432/support > rastro.toml\n\n\
    Reads the catalogue and up to 200 rows of tables that look personal; writes nothing to the database."
)]
pub(super) struct InitArguments {
    /// The database to look at, as `database.url` in rastro.toml
    #[arg(long, value_name = "URL")]
    database: String,
}

pub(super) fn run(arguments: &InitArguments) -> CommandResult {
    // The same rules as in the file: `${NAME}`, and errors that do not repeat the url.
    let least = propose::database_section(&arguments.database);
    let config = Config::parse(&least, &|name| std::env::var(name).ok()).map_err(|problems| {
        let what = problems.iter().map(|problem| problem.what.as_str()).collect::<Vec<_>>().join("; ");
        anyhow::anyhow!("{what}")
    })?;
    let tables = block_on(async {
        let client = OwnConnection::resolve(&config)?.connect(None).await?;
        Ok(survey::survey(&client).await?)
    })?;
    output::print(&propose::propose(&arguments.database, &tables))?;
    Ok(())
}
