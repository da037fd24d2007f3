use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::path::Path;

use anyhow::Context;
use clap::{Args, ValueEnum};
use rastro_archive::Query;
use rastro_ledger::{Content, Subjects};
use rastro_model::{Certainty, Principal, SubjectKey, Timestamp};
use serde::Serialize;

use super::disclosures::parse_time;
use super::ledger_place::LedgerPlace;
use super::trace::people::{grouped, minute, printable};
use super::{CommandResult, output};
use crate::config::{Config, Subject};
use crate::incident::{Guarded, Progress, cohort_counts, imported_caveat, keys_of, kind_of};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    rastro exposure --principal ana --since 2026-05-01 --until 2026-06-01\n  \
    rastro exposure --principal ana --format json\n\n\
    Exact, from the ledger: each person counts once, under all the fields of theirs that were shown. Works also\n\
    while `rastro serve` runs. Times are RFC 3339, a date, or a period back from now.")]
pub(super) struct ExposureArguments {
    /// Whose exposure
    #[arg(long, value_name = "P")]
    principal: String,
    /// Only subjects of this kind, the name of a [[subject]]; of all kinds if missing
    #[arg(long, value_name = "NAME")]
    kind: Option<String>,
    /// From this time on
    #[arg(long, value_name = "T", value_parser = parse_time)]
    since: Option<Timestamp>,
    /// Before this time
    #[arg(long, value_name = "T", value_parser = parse_time)]
    until: Option<Timestamp>,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    place: LedgerPlace,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One object
    Json,
}

/// Cohort column, value, subjects.
type Cohorts = BTreeMap<String, BTreeMap<String, u64>>;

/// All that a principal was shown.
#[derive(Debug, Default, Serialize)]
struct Exposure {
    principal: String,
    /// Distinct subjects shown for certain.
    subjects: u64,
    /// The same subjects, each under all of its fields that were shown.
    by_fields: Vec<ByFields>,
    /// Cohort column (`kind.column` where several kinds have cohorts), value, subjects; empty if the database
    /// cannot be asked.
    cohorts: Cohorts,
    /// Protected fields of which nothing was shown.
    not_exposed: Vec<String>,
    unattributed_rows: u64,
    /// Further subjects that may have been shown: a bound.
    possible_subjects: u64,
    first: Option<String>,
    last: Option<String>,
    caveats: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ByFields {
    fields: Vec<String>,
    subjects: u64,
}

pub(super) fn run(arguments: &ExposureArguments) -> CommandResult {
    let (data_dir, config) = arguments.place.open()?;
    let exposure = exposure(&data_dir, config.as_ref(), arguments)?;
    match arguments.format {
        Format::Json => output::print(&format!("{}\n", serde_json::to_string(&exposure)?))?,
        Format::Text => output::print(&told(&exposure))?,
    }
    Ok(())
}

/// A kind of subject and a key, both as they are named outside.
type Person = (String, SubjectKey);

#[derive(Default)]
struct Seen {
    /// Bits of `names` that were shown for certain.
    shown: HashMap<Person, u64>,
    possible: HashMap<Person, u64>,
    names: Vec<String>,
    unattributed: u64,
    /// Disclosures of subjects who were erased.
    erased: u64,
    imported: bool,
    /// Fields that the ledger knows.
    known: Vec<String>,
    moments: Option<(Timestamp, Timestamp)>,
}

fn exposure(
    data_dir: &Path,
    config: Option<&Config>,
    arguments: &ExposureArguments,
) -> anyhow::Result<Exposure> {
    let seen = read(data_dir, config, arguments)?;
    let mut caveats = Vec::new();
    caveats.extend(crate::freshness::statement(data_dir, arguments.since, arguments.until));
    if seen.imported {
        caveats.push(imported_caveat());
    }
    if seen.erased > 0 {
        caveats.push(format!("{} disclosures are of subjects who were erased, and not counted", seen.erased));
    }
    let mut by_fields: BTreeMap<u64, u64> = BTreeMap::new();
    for bits in seen.shown.values() {
        *by_fields.entry(*bits).or_default() += 1;
    }
    let fields_of = |bits: u64| {
        let mut names: Vec<String> = seen
            .names
            .iter()
            .enumerate()
            .filter(|(at, _)| bits & (1 << at) != 0)
            .map(|(_, name)| name.clone())
            .collect();
        names.sort();
        names
    };
    let all = seen.shown.values().chain(seen.possible.values()).fold(0, |all, bits| all | bits);
    let shown = fields_of(all);
    let configured = subjects(config, arguments.kind.as_deref())?;
    let mut not_exposed: Vec<String> =
        configured.iter().flat_map(|subject| subject.field_names()).map(str::to_owned).collect();
    if config.is_none() {
        not_exposed.clone_from(&seen.known);
    }
    not_exposed.retain(|field| !shown.contains(field));
    not_exposed.sort();
    not_exposed.dedup();
    let mut by_fields: Vec<ByFields> = by_fields
        .into_iter()
        .map(|(bits, subjects)| ByFields { fields: fields_of(bits), subjects })
        .collect();
    by_fields.sort_by(|a, b| b.subjects.cmp(&a.subjects).then_with(|| a.fields.cmp(&b.fields)));
    let cohorts = config.map_or_else(|| Ok(Cohorts::new()), |config| cohorts(config, &configured, &seen));
    let cohorts = cohorts.unwrap_or_else(|error| {
        caveats.push(format!("cohorts are not known: {error:#}"));
        Cohorts::new()
    });
    if seen.unattributed > 0 {
        caveats.push(format!(
            "{} rows with protected fields have no known subject: they may be further people",
            seen.unattributed
        ));
    }
    Ok(Exposure {
        principal: arguments.principal.clone(),
        subjects: seen.shown.len() as u64,
        by_fields,
        cohorts,
        not_exposed,
        unattributed_rows: seen.unattributed,
        possible_subjects: seen.possible.keys().filter(|person| !seen.shown.contains_key(*person)).count()
            as u64,
        first: seen.moments.map(|(first, _)| first.to_string()),
        last: seen.moments.map(|(_, last)| last.to_string()),
        caveats,
    })
}

fn read(data_dir: &Path, config: Option<&Config>, arguments: &ExposureArguments) -> anyhow::Result<Seen> {
    let reader = crate::store::reader(data_dir, config)?;
    let origins = reader.origins().context("cannot read the ledger")?;
    let query = match config {
        Some(_) => Query {
            principal: Some(Principal::new(arguments.principal.as_str())),
            since: arguments.since,
            until: arguments.until,
            ..Query::default()
        },
        // Everybody's entries tell which fields the ledger knows.
        None => Query::default(),
    };
    let mut progress = Progress::new("entries of the ledger read", 0);
    let mut seen = Seen::default();
    for entry in reader.entries(&query).context("cannot read the ledger")? {
        let entry = entry.context("cannot read the ledger")?;
        progress.at(entry.no.0);
        seen.imported |= origins.is_imported(entry.no);
        if seen.known.len() < entry.schema.fields.len() {
            seen.known.clone_from(&entry.schema.fields);
        }
        let Content::Disclosure(disclosure) = entry.content else { continue };
        let wanted = disclosure.principal.as_str() == arguments.principal
            && arguments.since.is_none_or(|since| disclosure.time >= since)
            && arguments.until.is_none_or(|until| disclosure.time < until);
        if !wanted {
            continue;
        }
        let time = disclosure.time;
        seen.moments =
            Some(seen.moments.map_or((time, time), |(first, last)| (first.min(time), last.max(time))));
        for set in &disclosure.sets {
            if let Subjects::Unattributed { rows } = set.subjects {
                seen.unattributed += u64::from(rows);
                continue;
            }
            let at = usize::from(set.kind.0);
            let kind = entry.schema.kinds.get(at).cloned().unwrap_or_else(|| at.to_string());
            if arguments.kind.as_ref().is_some_and(|wanted| *wanted != kind) {
                continue;
            }
            seen.erased += u64::from(set.erased);
            let names = set.fields.iter().filter_map(|index| entry.schema.fields.get(index));
            let bits = names.fold(0, |bits, name| bits | bit_of(&mut seen.names, name));
            let people = match set.certainty {
                Certainty::Possible => &mut seen.possible,
                Certainty::Exact | Certainty::Derived => &mut seen.shown,
            };
            for key in keys_of(&set.subjects) {
                *people.entry((kind.clone(), key)).or_default() |= bits;
            }
        }
    }
    Ok(seen)
}

/// Returns the bit of a field; a ledger has at most 32 in each schema, and few schemas.
fn bit_of(names: &mut Vec<String>, name: &str) -> u64 {
    let at = names.iter().position(|known| known == name).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    });
    u32::try_from(at).ok().and_then(|at| 1u64.checked_shl(at)).unwrap_or_default()
}

/// Returns the configuration's kinds of subjects, or the one wanted.
fn subjects<'a>(config: Option<&'a Config>, wanted: Option<&str>) -> anyhow::Result<Vec<&'a Subject>> {
    match (config, wanted) {
        (Some(config), Some(_)) => Ok(vec![kind_of(config, wanted, &[])?]),
        (Some(config), None) => Ok(config.subject.iter().collect()),
        (None, _) => Ok(Vec::new()),
    }
}

fn cohorts(config: &Config, subjects: &[&Subject], seen: &Seen) -> anyhow::Result<Cohorts> {
    let mut cohorts = Cohorts::new();
    let divided = || subjects.iter().filter(|subject| !subject.cohorts.is_empty());
    for subject in divided() {
        let of_kind = seen.shown.keys().filter(|(kind, _)| *kind == subject.name);
        let keys: Vec<String> = of_kind.map(|(_, key)| key.to_string()).collect();
        if keys.is_empty() {
            continue;
        }
        for (column, counts) in cohort_counts(&Guarded::new(config, &subject.name)?, &keys)? {
            let several = divided().count() > 1;
            let name = if several { format!("{}.{column}", subject.name) } else { column };
            cohorts.insert(name, counts);
        }
    }
    Ok(cohorts)
}

fn told(exposure: &Exposure) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_told(&mut text, exposure);
    text
}

fn write_told(text: &mut String, exposure: &Exposure) -> std::fmt::Result {
    let who = printable(&exposure.principal);
    let span = match (&exposure.first, &exposure.last) {
        (Some(first), Some(last)) => {
            let read = |text: &str| text.parse().map_or_else(|_| text.to_owned(), minute);
            format!(" between {} and {}", read(first), read(last))
        }
        _ => String::new(),
    };
    writeln!(text, "`{who}` was shown {} people{span}.", grouped(exposure.subjects))?;
    for part in &exposure.by_fields {
        let fields = if part.fields.is_empty() { "the key alone".to_owned() } else { part.fields.join(", ") };
        writeln!(text, "  {:>12}  {}", grouped(part.subjects), printable(&fields))?;
    }
    for (column, values) in &exposure.cohorts {
        let mut values: Vec<(&String, &u64)> = values.iter().collect();
        values.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
        let shown: Vec<String> = values
            .iter()
            .take(12)
            .map(|(value, count)| format!("{} {}", printable(value), grouped(**count)))
            .collect();
        let more = if values.len() > 12 { format!(", {} more", values.len() - 12) } else { String::new() };
        writeln!(text, "By {}: {}{more}.", printable(column), shown.join(", "))?;
    }
    if !exposure.not_exposed.is_empty() {
        writeln!(text, "Not shown of anyone: {}.", exposure.not_exposed.join(", "))?;
    }
    if exposure.possible_subjects > 0 {
        writeln!(
            text,
            "Possibly {} people more: a bound, not a finding.",
            grouped(exposure.possible_subjects)
        )?;
    }
    for caveat in &exposure.caveats {
        writeln!(text, "Note: {}.", printable(caveat))?;
    }
    Ok(())
}
