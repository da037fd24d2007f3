mod record;
mod writer;

use std::collections::HashMap;

use anyhow::Context;
use clap::{Args, ValueEnum};
use rastro_archive::{Key, LedgerReader, Query};
use rastro_ledger::{Content, Disclosure, Entry, Schema, SubjectSet, Subjects};
use rastro_model::{Clock, FieldSet, KindId, Principal, SubjectKey, SystemClock, Timestamp};

use super::ledger_place::LedgerPlace;
use super::{CommandResult, output};
use crate::config::Period;
use record::Record;
use writer::Writer;

/// A question is raised with the rows it is about; their entry may carry a time a little earlier.
const ASKED_LATE_MICROS: i64 = 2_000_000;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    rastro disclosures --principal ana --since 2026-05-01 --format ndjson\n  \
    rastro disclosures --subject 4711 --since 30d\n\n\
    Works also while `rastro serve` runs. Times are RFC 3339, a date, or a period back from now.")]
pub(super) struct DisclosuresArguments {
    /// Only what this principal was shown
    #[arg(long, value_name = "P")]
    principal: Option<String>,
    /// Only this subject: the key column's text
    #[arg(long, value_name = "S")]
    subject: Option<String>,
    /// From this time on
    #[arg(long, value_name = "T", value_parser = parse_time)]
    since: Option<Timestamp>,
    /// Before this time
    #[arg(long, value_name = "T", value_parser = parse_time)]
    until: Option<Timestamp>,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    place: LedgerPlace,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    /// Columns for people
    Table,
    /// One array
    Json,
    /// One object per line
    Ndjson,
    /// With a header
    Csv,
}

pub(super) fn run(arguments: &DisclosuresArguments) -> CommandResult {
    let (data_dir, config) = arguments.place.open()?;
    let reader = crate::store::reader(&data_dir, config.as_ref())?;
    let origins = reader.origins().context("cannot read the ledger")?;
    let reasons = read_reasons(&reader, arguments)?;
    let mut writer = Writer::new(arguments.format, output::standard_output())?;
    let query = Query { since: arguments.since, until: arguments.until, ..arguments.query() };
    for entry in reader.entries(&query).context("cannot read the ledger on")? {
        let entry = entry.context("cannot read the ledger on")?;
        let Entry { no, schema, content: Content::Disclosure(disclosure) } = entry else { continue };
        if arguments.wants(&disclosure) {
            for set in &disclosure.sets {
                let imported = origins.is_imported(no);
                write_set(&mut writer, (&schema, imported), &disclosure, set, &reasons, arguments)?;
            }
        }
    }
    writer.finish()?;
    Ok(())
}

impl DisclosuresArguments {
    /// Returns what is wanted, at any time.
    fn query(&self) -> Query {
        Query {
            principal: self.principal.as_deref().map(Principal::new),
            subjects: self.subject.as_deref().map(Key::of_text),
            ..Query::default()
        }
    }

    fn wants(&self, disclosure: &Disclosure) -> bool {
        self.principal.as_deref().is_none_or(|name| disclosure.principal.as_str() == name)
            && self.since.is_none_or(|since| disclosure.time >= since)
            && self.until.is_none_or(|until| disclosure.time < until)
    }
}

/// Reasons by principal and subject. A reason stands in the ledger after the rows it explains, so all are
/// read first; memory grows with the reasons that pass the filters.
type Reasons = HashMap<(Principal, KindId, SubjectKey), Vec<(Timestamp, Timestamp, String)>>;

fn read_reasons(reader: &LedgerReader, arguments: &DisclosuresArguments) -> anyhow::Result<Reasons> {
    let mut reasons = Reasons::new();
    let query = Query { only_reasons: true, ..arguments.query() };
    for entry in reader.entries(&query).context("cannot read the ledger on")? {
        let Content::Reason(found) = entry.context("cannot read the ledger on")?.content else { continue };
        if arguments.principal.as_deref().is_some_and(|name| found.principal.as_str() != name)
            || arguments.subject.as_deref().is_some_and(|key| found.key.to_string() != key)
            || arguments.since.is_some_and(|since| found.until < since)
        {
            continue;
        }
        let spans = reasons.entry((found.principal, found.kind, found.key)).or_default();
        match spans.last_mut() {
            // The same reason, confirmed again.
            Some((_, until, reason)) if *reason == found.reason && found.asked_at <= *until => {
                *until = found.until.max(*until);
            }
            _ => spans.push((found.asked_at, found.until, found.reason)),
        }
    }
    Ok(reasons)
}

fn write_set(
    writer: &mut Writer<impl std::io::Write>,
    (schema, imported): (&Schema, bool),
    disclosure: &Disclosure,
    set: &SubjectSet,
    reasons: &Reasons,
    arguments: &DisclosuresArguments,
) -> anyhow::Result<()> {
    let time = disclosure.time.to_string();
    let record = Record {
        time: &time,
        principal: disclosure.principal.as_str(),
        login: disclosure.session.facts.login.as_str(),
        statement: &disclosure.text.sql,
        subject: None,
        fields: names_of(schema, set.fields),
        certainty: set.certainty.as_str(),
        reason: None,
        rows: None,
        imported,
    };
    if let Subjects::Unattributed { rows } = set.subjects {
        if arguments.subject.is_none() {
            writer.write(&Record { rows: Some(rows), ..record })?;
        }
        return Ok(());
    }
    let mut record = record;
    for key in keys(&set.subjects) {
        let subject = key.to_string();
        if arguments.subject.as_deref().is_some_and(|wanted| wanted != subject) {
            continue;
        }
        let spans = if reasons.is_empty() {
            None
        } else {
            reasons.get(&(disclosure.principal.clone(), set.kind, key))
        };
        record.subject = Some(subject);
        record.reason = spans.and_then(|spans| reason_at(spans, disclosure.time));
        writer.write(&record)?;
    }
    Ok(())
}

fn keys(subjects: &Subjects) -> Box<dyn Iterator<Item = SubjectKey> + '_> {
    match subjects {
        Subjects::Ints(keys) => Box::new(keys.iter().map(|key| SubjectKey::Int(*key))),
        Subjects::Uuids(keys) => Box::new(keys.iter().map(|key| SubjectKey::Uuid(*key))),
        Subjects::Texts(keys) => {
            Box::new(keys.iter().map(|key| SubjectKey::Text(String::from_utf8_lossy(key).into())))
        }
        Subjects::Unattributed { .. } => Box::new(std::iter::empty()),
    }
}

/// Returns the latest reason that explains a disclosure at `time`.
fn reason_at(spans: &[(Timestamp, Timestamp, String)], time: Timestamp) -> Option<&str> {
    let explains = |(asked_at, until, _): &&(Timestamp, Timestamp, String)| {
        asked_at.minus_micros(ASKED_LATE_MICROS) <= time && time <= *until
    };
    spans.iter().rev().find(explains).map(|(_, _, reason)| reason.as_str())
}

fn names_of(schema: &Schema, fields: FieldSet) -> Vec<&str> {
    fields.iter().filter_map(|index| schema.fields.get(index).map(String::as_str)).collect()
}

/// Reads RFC 3339, a date (its beginning in UTC) or a period back from now.
pub(super) fn parse_time(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    if let Ok(time) = format!("{text}T00:00:00Z").parse() {
        return Ok(time);
    }
    let back: Period = text
        .parse()
        .map_err(|_| format!("`{text}` is not a time such as 2026-05-12T08:00:00Z, 2026-05-12 or 24h"))?;
    let micros = i64::try_from(back.0.as_micros()).unwrap_or(i64::MAX);
    Ok(SystemClock.now().minus_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_read_in_its_three_forms() {
        let date = parse_time("2026-05-12").unwrap();
        assert_eq!(parse_time("2026-05-12T02:00:00+02:00").unwrap(), date);
        let hour_ago = parse_time("1h").unwrap();
        let passed = SystemClock.now().0 - hour_ago.0;
        assert!((3_600_000_000..3_700_000_000).contains(&passed));
        assert!(parse_time("yesterday").is_err());
    }

    #[test]
    fn reason_explains_within_its_span_only() {
        let at = |seconds: i64| Timestamp(seconds * 1_000_000);
        let spans = [(at(10), at(20), "A".to_owned()), (at(15), at(30), "B".to_owned())];
        for (time, expected) in [(7, None), (9, Some("A")), (12, Some("A")), (18, Some("B")), (31, None)] {
            assert_eq!(reason_at(&spans, at(time)), expected, "{time}");
        }
    }
}
