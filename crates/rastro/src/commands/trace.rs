mod json;
pub(super) mod people;

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};
use rastro_intake::read_victims;

use super::log_arguments::LogArguments;
use super::{CommandResult, output};
use crate::config::Config;
use crate::incident::{Case, Source, kind_of, page, told};

/// Reports up to which it is worth knowing what hangs on each.
const SPREAD_VICTIMS_MAX: usize = 60;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    rastro trace --victims victims.csv\n  \
    rastro trace --victims victims.csv --access-log jan.csv feb.csv.gz --population 12000000 --format json\n  \
    rastro trace --victims victims.csv --access-log app.csv --map time=ts,principal=user,subject=customer \\\n      \
    --time-zone America/Sao_Paulo --shown-fields 'name;email'\n\n\
    The list of victims is CSV: subject[,reported_at][,fields][,current_from][,current_until], where fields is\n    what the caller knew (name;phone), and current_* bound when what it knew was current.\n\
    Without --access-log the ledger of the configuration is read, and victims may be named by email, phone or\n\
    ticket instead of subject.")]
pub(super) struct TraceArguments {
    /// Who reported misuse, CSV: subject[,reported_at][,fields]
    #[arg(long, value_name = "FILE")]
    victims: PathBuf,
    /// Kind of subject that the victims are: the name of a [[subject]]. If missing, the first one that has the
    /// fields by which the victims are named
    #[arg(long, value_name = "NAME")]
    kind: Option<String>,
    /// How many subjects there are in all, shown to somebody or not
    #[arg(long, value_name = "N")]
    population: Option<u64>,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write a report for people here: one HTML file with plots
    #[arg(long, value_name = "PATH")]
    report: Option<PathBuf>,
    /// Accounts listed for people
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
    /// Directory of another ledger than the configuration's, such as an imported one; needs no configuration
    #[arg(long, value_name = "DIR", conflicts_with = "access_log")]
    store: Option<PathBuf>,
    /// Configuration file; rastro.toml if neither an access log nor a store is given
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

pub(super) fn run(arguments: &TraceArguments) -> CommandResult {
    let config = match &arguments.config {
        Some(path) => Some(Config::load(path)?),
        None if arguments.logs.any() || arguments.store.is_some() => None,
        None => Some(Config::load(&PathBuf::from("rastro.toml"))?),
    };
    let (reports, tally) =
        read_victims(&arguments.victims, &arguments.logs.list_format(), &arguments.logs.times())?;
    let kind = arguments.kind.as_deref();
    let subject = config.as_ref().map(|config| kind_of(config, kind, &reports)).transpose()?;
    let logs = arguments.logs.sources(config.as_ref(), subject.map(|subject| subject.name.as_str()))?;
    let configured = config.as_ref().map(|config| config.data_dir.clone());
    let ledger = arguments.store.clone().or(configured).unwrap_or_default();
    let source = logs.map_or(Source::Ledger(ledger), Source::Logs);
    let mut case = Case::open(&source, config.as_ref(), kind, reports, arguments.population)?;
    case.caveats.extend(told(&arguments.victims, &tally));
    let trace = case.trace();
    let campaigns = case.campaigns(&trace);
    let for_people = arguments.format == Format::Text || arguments.report.is_some();
    let spread = if for_people { case.spread(&trace, arguments.top, SPREAD_VICTIMS_MAX) } else { None };
    if let Some(path) = &arguments.report {
        let page = page(&case, &trace, spread.as_deref());
        std::fs::write(path, page).with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    match arguments.format {
        Format::Text => {
            output::print(&people::tell(&case, &trace, &campaigns, spread.as_deref(), arguments.top))?
        }
        Format::Json => {
            let text = serde_json::to_string(&json::answer(&case, &trace, &campaigns))?;
            output::print(&format!("{text}\n"))?;
        }
    }
    Ok(())
}
