//! What was measured, as a page of the documentation.

use std::fmt::Write;

use crate::ask::Answer;
use crate::ingest::Ingested;
use crate::options::Options;
use crate::rivals::Rival;
use crate::year::NIGHTLY;

/// All that was measured.
pub(crate) struct Measured {
    pub(crate) ingested: Ingested,
    pub(crate) tables: Vec<(&'static str, u64, u64)>,
    pub(crate) who_saw: Answer,
    pub(crate) subjects_of: Answer,
    pub(crate) check: (f64, u64),
    pub(crate) postgres: Option<Rival>,
    pub(crate) duckdb: Option<Rival>,
    pub(crate) audit_log: (u64, f64),
    pub(crate) dropped: bool,
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// Bits of the entropy of a random set of `NIGHTLY` of `subjects`, in bytes a subject.
pub(crate) fn entropy_bytes(subjects: u32) -> f64 {
    let p = f64::from(NIGHTLY.min(subjects / 2)) / f64::from(subjects);
    let bits = -(p * p.log2() + (1.0 - p) * (1.0 - p).log2()) / p;
    bits / 8.0
}

/// Returns the page.
pub(crate) fn markdown(options: &Options, measured: &Measured) -> Result<String, std::fmt::Error> {
    let mut page = String::new();
    let Measured { ingested, tables, .. } = measured;
    let totals = ingested.totals;
    let all = totals.agent_disclosures + totals.random_subjects + totals.run_subjects;
    writeln!(page, "# The ledger, measured\n")?;
    writeln!(
        page,
        "Written by `./bench ledger --disclosures {}` (seed {}).\n",
        options.disclosures, options.seed
    )?;
    writeln!(
        page,
        "{} days of a support desk: {} principals, {} subjects, {} disclosures in {} entries: {} of agents and team\nleads ({:.1} an entry on average), {} in {} nightly reads of a random {}, {} in monthly reads in key order.\n",
        options.days,
        grouped(u64::from(options.principals)),
        grouped(u64::from(options.subjects)),
        grouped(all),
        grouped(totals.entries),
        grouped(totals.agent_disclosures),
        totals.agent_disclosures as f64 / totals.entries.max(1) as f64,
        grouped(totals.random_subjects),
        grouped(totals.random_sets),
        grouped(u64::from(NIGHTLY)),
        grouped(totals.run_subjects),
    )?;
    writeln!(page, "## Writing\n")?;
    writeln!(page, "| what | measured |\n|---|---|")?;
    let rate = |seconds: f64| grouped((totals.entries as f64 / seconds.max(1e-9)) as u64);
    writeln!(
        page,
        "| ingest, durable, a signed checkpoint every second | {} entries/s |",
        rate(ingested.seconds)
    )?;
    writeln!(
        page,
        "| of that the generator alone | {:.0} s of {:.0} s |",
        ingested.generator_seconds, ingested.seconds
    )?;
    writeln!(page, "| sealing into Parquet, by days | {} entries/s |", rate(ingested.archive_seconds))?;
    writeln!(page, "| compaction to months | {} entries/s |", rate(ingested.compaction_seconds))?;
    let (seconds, entries) = measured.check;
    let checked = grouped((entries as f64 / seconds.max(1e-9)) as u64);
    writeln!(
        page,
        "| check of the archive against the log, leaf by leaf, 2 threads | {checked} entries/s |\n"
    )?;
    writeln!(page, "## At rest\n")?;
    writeln!(page, "| table | rows | bytes | bytes an agent's disclosure |\n|---|---|---|---|")?;
    let mut of_agents = 0;
    let mut store = 0;
    for (name, rows, bytes) in tables {
        store += bytes;
        let share = *bytes as f64 / totals.agent_disclosures.max(1) as f64;
        let share = if *name == "sets" {
            "–".to_owned()
        } else {
            of_agents += bytes;
            format!("{share:.2}")
        };
        writeln!(page, "| `{name}` | {} | {} | {share} |", grouped(*rows), megabytes(*bytes))?;
    }
    let each = of_agents as f64 / totals.agent_disclosures.max(1) as f64;
    writeln!(page, "| **all but sets** | | {} | **{each:.2}** |\n", megabytes(of_agents))?;
    let sets = tables.iter().find(|(name, ..)| *name == "sets").map_or(0, |(_, _, bytes)| *bytes);
    let entropy = totals.random_subjects as f64 * entropy_bytes(options.subjects);
    writeln!(
        page,
        "Bulk: {} for {} subjects; their entropy is {} (the runs in key order have next to none): {:.2} of it.",
        megabytes(sets),
        grouped(totals.random_subjects + totals.run_subjects),
        megabytes(entropy as u64),
        sets as f64 / entropy.max(1.0),
    )?;
    writeln!(
        page,
        "Beside the archive the spool takes {} and the tree with its salts {}.\n",
        megabytes(ingested.spool_bytes),
        megabytes(ingested.tree_bytes),
    )?;
    writeln!(page, "## Questions\n")?;
    let cold =
        if measured.dropped { "page cache dropped before" } else { "the page cache could not be dropped" };
    writeln!(page, "Cold: {cold}. Asked again: the same question, the median of those that followed.\n")?;
    writeln!(page, "| | who saw these 50 subjects | everything a principal saw | size |\n|---|---|---|---|")?;
    let (who_saw, subjects_of) = (&measured.who_saw, &measured.subjects_of);
    let mut row = |what: &str, (a, b): (f64, f64), bytes: u64| {
        let size = if bytes == 0 { String::new() } else { megabytes(bytes) };
        writeln!(page, "| {what} | {a:.1} ms | {b:.1} ms | {size} |")
    };
    let of = |part: fn(&Answer) -> f64| (part(who_saw), part(subjects_of));
    row("Rastro, a new process, cold", of(|answer| answer.cold_ms), store)?;
    row("Rastro, open, cold", of(|answer| answer.opened_ms), 0)?;
    row("Rastro, open, files in the page cache", of(|answer| answer.first_ms), 0)?;
    row("Rastro, asked again", of(|answer| answer.again_ms), 0)?;
    if let Some(Rival { bytes, who_saw_ms, subjects_of_ms, .. }) = measured.postgres {
        row("PostgreSQL, a row a disclosure, two indexes; cold", (who_saw_ms.0, subjects_of_ms.0), bytes)?;
        row("PostgreSQL, asked again", (who_saw_ms.1, subjects_of_ms.1), 0)?;
    }
    if let Some(Rival { who_saw_ms, subjects_of_ms, .. }) = measured.duckdb {
        let what = "DuckDB over the same Parquet (rows only), a new process, cold";
        row(what, (who_saw_ms.0, subjects_of_ms.0), 0)?;
        row("DuckDB, asked again", (who_saw_ms.1, subjects_of_ms.1), 0)?;
    }
    let (bytes, ms) = measured.audit_log;
    writeln!(page, "| scan of an audit log that names subjects | {ms:.0} ms | | {} |\n", megabytes(bytes))?;
    writeln!(
        page,
        "Rastro found {} sightings and {} subjects, with at most {} MB and {} MB resident.",
        grouped(who_saw.found),
        grouped(subjects_of.found),
        who_saw.resident_mb,
        subjects_of.resident_mb,
    )?;
    if let Some(rival) = &measured.postgres {
        writeln!(page, "PostgreSQL found {} sightings.", grouped(rival.found))?;
    }
    if let Some(rival) = &measured.duckdb {
        writeln!(page, "DuckDB found {} of them: it does not read `sets`.", grouped(rival.found))?;
    }
    Ok(page)
}
