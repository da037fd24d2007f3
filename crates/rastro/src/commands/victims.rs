use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand, ValueEnum};
use rastro_intake::{Report, VictimName, read_victims, split_fields};
use rastro_model::{Clock, SystemClock, Timestamp};

use super::disclosures::parse_time;
use super::log_arguments::LogArguments;
use super::suspend::acting_person;
use super::trace::people::printable;
use super::{CommandResult, ConfigFile, output};
use crate::config::Config;
use crate::incident::{Book, BookEntry, Case, Guarded, Source, Step, kind_of, percent, settle_reports, told};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    rastro victims add --subject 4711 --reported-at 2026-08-03 --fields 'name;ticket'\n  \
    rastro victims add --email maria@example.com\n  \
    rastro victims import calls.csv --incident august\n  \
    rastro victims list --incident august\n\n\
    Reports are kept below the data directory, by the subject's key; each one traces again, through the ledger or\n\
    through --access-log, and shows how the probability moved.")]
pub(super) struct VictimsArguments {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Adds one report
    Add(AddArguments),
    /// Adds the reports of a list: CSV, subject[,reported_at][,fields][,current_from][,current_until]
    Import(ImportArguments),
    /// Prints the reports of an incident
    List(ListArguments),
}

#[derive(Debug, Args)]
struct AddArguments {
    #[command(flatten)]
    who: Who,
    /// When it was reported; now if missing
    #[arg(long, value_name = "T", value_parser = parse_time)]
    reported_at: Option<Timestamp>,
    /// What the caller knew: name;phone
    #[arg(long, value_name = "FIELDS")]
    fields: Option<String>,
    /// From when what the caller knew was current: an old phone number, the last ticket named
    #[arg(long, value_name = "T", value_parser = parse_time)]
    current_from: Option<Timestamp>,
    /// Until when
    #[arg(long, value_name = "T", value_parser = parse_time)]
    current_until: Option<Timestamp>,
    #[command(flatten)]
    about: About,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    logs: LogArguments,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Who {
    /// Whose data was misused: the key column's text
    #[arg(long, value_name = "S")]
    subject: Option<String>,
    /// The same by e-mail address
    #[arg(long, value_name = "E-MAIL")]
    email: Option<String>,
    /// The same by phone number
    #[arg(long, value_name = "NUMBER")]
    phone: Option<String>,
    /// The same by ticket number
    #[arg(long, value_name = "NUMBER")]
    ticket: Option<String>,
}

#[derive(Debug, Args)]
struct ImportArguments {
    /// The list; `-` is standard input
    list: PathBuf,
    #[command(flatten)]
    about: About,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    logs: LogArguments,
}

#[derive(Debug, Args)]
struct ListArguments {
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Common {
    /// Name of the incident
    #[arg(long, value_name = "NAME", default_value = "incident")]
    incident: String,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    file: ConfigFile,
}

/// What reports are about.
#[derive(Debug, Args)]
struct About {
    /// Kind of subject that the victims are: the name of a [[subject]]. If missing, what the incident is about, or
    /// the first one that has the fields by which the victims are named
    #[arg(long, value_name = "NAME")]
    kind: Option<String>,
    /// How many subjects there are in all
    #[arg(long, value_name = "N")]
    population: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One object per line
    Ndjson,
}

pub(super) fn run(arguments: &VictimsArguments) -> CommandResult {
    match &arguments.act {
        Act::Add(add) => {
            let fields = add.fields.as_deref().map(split_fields).unwrap_or_default();
            let reported_at = Some(add.reported_at.unwrap_or_else(|| SystemClock.now()));
            let bounds = (add.current_from, add.current_until);
            let current = (bounds != (None, None)).then_some(bounds);
            let report = Report { line: 0, name: add.who.name()?, reported_at, fields, current };
            keep(&add.about, &add.common, &add.logs, vec![report], Vec::new())
        }
        Act::Import(import) => {
            let (reports, tally) =
                read_victims(&import.list, &import.logs.list_format(), &import.logs.times())?;
            keep(&import.about, &import.common, &import.logs, reports, told(&import.list, &tally))
        }
        Act::List(list) => print_list(&list.common),
    }
}

impl Who {
    fn name(&self) -> anyhow::Result<VictimName> {
        let field = |field, value: &String| VictimName::Field { field, value: value.trim().to_owned() };
        let name = match self {
            Who { subject: Some(subject), .. } => VictimName::Subject(subject.trim().to_owned()),
            Who { email: Some(value), .. } => field("email", value),
            Who { phone: Some(value), .. } => field("phone", value),
            Who { ticket: Some(value), .. } => field("ticket", value),
            _ => anyhow::bail!("name the victim by --subject, --email, --phone or --ticket"),
        };
        let (VictimName::Subject(text) | VictimName::Field { value: text, .. }) = &name;
        ensure!(!text.is_empty(), "the victim's name is empty");
        Ok(name)
    }
}

/// Writes reports down, then traces with all that the incident has.
fn keep(
    about: &About,
    common: &Common,
    logs: &LogArguments,
    reports: Vec<Report>,
    mut caveats: Vec<String>,
) -> CommandResult {
    let config = Config::load(&common.file.config)?;
    let book = Book::new(&config.data_dir, &common.incident)?;
    let known = book.read()?;
    let kind = kind_of_incident(&config, about, common, &known, &reports)?;
    let source = logs.sources(Some(&config), Some(kind))?;
    let source = source.map_or_else(|| Source::Ledger(config.data_dir.clone()), Source::Logs);
    let guarded = reports.iter().any(|report| matches!(report.name, VictimName::Field { .. }));
    let guarded = guarded.then(|| Guarded::new(&config, kind)).transpose()?;
    let reported = settle_reports(reports, guarded.as_ref())?;
    caveats.extend(reported.caveats);
    let (noted_at, noted_by) = (SystemClock.now().to_string(), acting_person(None));
    let new: Vec<BookEntry> = reported
        .reports
        .into_iter()
        .map(|(subject, report)| BookEntry::new(&noted_at, &noted_by, kind, subject, report))
        .collect();
    if new.is_empty() {
        let why = caveats.first().map_or("the list is empty", String::as_str);
        return Err(anyhow::anyhow!("no report was added: {why}").into());
    }
    book.append(&new)?;
    let all: anyhow::Result<Vec<Report>> =
        known.iter().chain(&new).zip(1..).map(|(entry, line)| entry.report(line)).collect();
    let mut case = Case::open(&source, Some(&config), Some(kind), all?, about.population)
        .with_context(|| format!("{} reports are written down, but cannot be traced", new.len()))?;
    case.caveats.extend(caveats);
    print_steps(common, &case, known.len())?;
    Ok(())
}

/// Returns the kind of subject that an incident is about: its first report decides.
fn kind_of_incident<'a>(
    config: &'a Config,
    about: &About,
    common: &Common,
    known: &[BookEntry],
    reports: &[Report],
) -> anyhow::Result<&'a str> {
    let Some(first) = known.first() else {
        return Ok(&kind_of(config, about.kind.as_deref(), reports)?.name);
    };
    // Reports were once kept without their kind, of the first one only.
    let of_incident = match &first.kind {
        Some(kind) => kind_of(config, Some(kind), &[])?,
        None => kind_of(config, None, &[])?,
    };
    if let Some(asked) = about.kind.as_ref().filter(|asked| **asked != of_incident.name) {
        bail!(
            "incident `{}` is about subjects of kind `{}`: reports about `{asked}` need another --incident",
            common.incident,
            of_incident.name
        );
    }
    Ok(&of_incident.name)
}

fn print_steps(common: &Common, case: &Case, known: usize) -> anyhow::Result<()> {
    let steps = case.steps_after(known);
    let mut text = String::new();
    let mut before = if steps.is_empty() { None } else { Some(case.step(known)) };
    for step in &steps {
        match common.format {
            Format::Ndjson => text.push_str(&format!("{}\n", serde_json::to_string(step)?)),
            Format::Text => text.push_str(&told_step(step, before.as_ref())),
        }
        before = Some(step.clone());
    }
    if common.format == Format::Text
        && let Some(last) = steps.last()
    {
        text.push_str(&format!("{}\n", printable(&last.verdict)));
        for caveat in case.all_caveats(&case.trace()) {
            text.push_str(&format!("  - {}\n", printable(&caveat)));
        }
    }
    output::print(&text)?;
    Ok(())
}

fn told_step(step: &Step, before: Option<&Step>) -> String {
    let leading = match &step.principal {
        None => "no account is in question".to_owned(),
        Some(principal) => {
            let moved = match before.filter(|before| before.principal == step.principal && before.reports > 0)
            {
                Some(before) => format!("{} -> {}", percent(before.probability), percent(step.probability)),
                None => percent(step.probability),
            };
            format!("first `{}` {moved}", printable(principal))
        }
    };
    let mark = if step.named.is_empty() { "" } else { "  NAMED" };
    format!(
        "report {} (subject {}): {leading}; none of the accounts {}{mark}\n",
        step.reports,
        printable(&step.subject),
        percent(step.unknown_route + step.populations)
    )
}

fn print_list(common: &Common) -> CommandResult {
    let config = Config::load(&common.file.config)?;
    let entries = Book::new(&config.data_dir, &common.incident)?.read()?;
    let mut text = String::new();
    for entry in &entries {
        match common.format {
            Format::Ndjson => text.push_str(&format!("{}\n", serde_json::to_string(entry)?)),
            Format::Text => {
                let fields = if entry.fields.is_empty() { "-".to_owned() } else { entry.fields.join(",") };
                let reported = entry.reported_at.as_deref().unwrap_or("-");
                text.push_str(&format!(
                    "{reported:<27}  {:<24}  {:<24}  noted {} by {}\n",
                    printable(&entry.subject),
                    printable(&fields),
                    entry.noted_at,
                    printable(&entry.noted_by)
                ));
            }
        }
    }
    if entries.is_empty() && common.format == Format::Text {
        text.push_str(&format!("there are no reports of `{}`\n", common.incident));
    }
    output::print(&text)?;
    Ok(())
}
