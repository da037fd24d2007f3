use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::log_arguments::LogArguments;
use super::suspend::acting_person;
use super::trace::people::{grouped, printable};
use super::{CommandResult, output};
use crate::config::Config;
use crate::import::import;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    rastro import --access-log jan.csv feb.csv.gz --out before-rastro\n  \
    rastro import --access-log app.csv --map time=ts,principal=user --reasons tickets.csv --out before-rastro\n  \
    rastro disclosures --store before-rastro --subject 4711\n\n\
    Makes a ledger of its own for the time before the gateway, marked as imported, sealed and signed. It proves\n\
    that nothing was changed since the import, not that the logs were true. Fails as a whole or succeeds as a\n\
    whole; `rastro verify`, and disclosures, exposure and trace with --store, read it.")]
pub(super) struct ImportArguments {
    /// Directory of the new ledger
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What the subjects are called; the configuration's first kind, or `subject`
    #[arg(long, value_name = "NAME")]
    kind: Option<String>,
    /// Who imports; the name of the operating system's account if missing
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Configuration file, for the tables of logs of pgaudit
    #[arg(short, long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    logs: LogArguments,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One object
    Json,
}

pub(super) fn run(arguments: &ImportArguments) -> CommandResult {
    let config = arguments.config.as_deref().map(Config::load).transpose()?;
    let Some(sources) = arguments.logs.sources(config.as_ref(), None)? else {
        return Err(anyhow::anyhow!("name the logs to import with --access-log").into());
    };
    let configured = config.as_ref().and_then(|config| config.subject.first());
    let kind = arguments.kind.clone().or_else(|| configured.map(|subject| subject.name.clone()));
    let kind = kind.unwrap_or_else(|| "subject".to_owned());
    let imported = import(&sources, &arguments.out, &kind, &acting_person(arguments.by.clone()))?;
    if arguments.format == Format::Json {
        output::print(&format!("{}\n", serde_json::to_string(&imported)?))?;
        return Ok(());
    }
    let mut text = format!(
        "{} accesses are imported into `{}`, in {} entries",
        grouped(imported.accesses),
        Path::new(&imported.ledger).display(),
        grouped(imported.entries)
    );
    if let (Some(first), Some(last)) = (&imported.first, &imported.last) {
        text += &format!(", from {first} to {last}");
    }
    text += &format!("\nits public key, to be kept elsewhere: {}\n", imported.key);
    for caveat in &imported.caveats {
        text += &format!("  - {}\n", printable(caveat));
    }
    output::print(&text)?;
    Ok(())
}
