//! A real support desk's log with leaks injected into real employees' real accesses.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use rastro_model::{FieldSet, Principal, SubjectKey, Timestamp};
use rastro_sim::worlds::Draw;
use rastro_trace::{Disclosure, Explanation, History, HistoryBuilder, TraceOptions, Victim};

use crate::tally::share;

const VICTIMS: [usize; 4] = [3, 5, 8, 12];
const STRAYS: [f64; 2] = [0.0, 0.2];
/// An employee with fewer customers cannot have leaked a list.
const LEAKER_SUBJECTS_MIN: usize = 15;

/// What was measured on the real log.
#[derive(Debug)]
pub(crate) struct RealLog {
    rows: usize,
    subjects: u64,
    accounts: usize,
    leakers: usize,
    cells: Vec<RealCell>,
}

#[derive(Debug)]
struct RealCell {
    victims: usize,
    stray: f64,
    trials: usize,
    first: usize,
    named: usize,
    named_wrong: usize,
    innocent_named: usize,
}

/// Reads the log at `path` and injects `trials` leaks per cell; as many worlds have no leak through anybody.
pub(crate) fn measure(path: &Path, seed: u64, trials: u32) -> Result<RealLog> {
    let (history, seen, rows) = read(path)?;
    let everyone: Vec<String> =
        seen.values().flatten().cloned().collect::<BTreeSet<_>>().into_iter().collect();
    let leakers: Vec<(&String, Vec<&String>)> = seen
        .iter()
        .filter(|(_, subjects)| subjects.len() >= LEAKER_SUBJECTS_MIN)
        .map(|(account, subjects)| (account, subjects.iter().collect()))
        .collect();
    let mut draw = Draw::new(seed, 0x4ea1);
    let mut cells = Vec::new();
    for stray in STRAYS {
        for victims in VICTIMS {
            let mut cell =
                RealCell { victims, stray, trials: 0, first: 0, named: 0, named_wrong: 0, innocent_named: 0 };
            for _ in 0..trials {
                let Some((account, subjects)) = draw.pick(&leakers) else { break };
                let guilty = Principal::new(account.as_str());
                let mut called = BTreeSet::new();
                while called.len() < victims {
                    let subject =
                        if draw.chance(stray) { draw.pick(&everyone) } else { draw.pick(subjects).copied() };
                    called.extend(subject);
                }
                let first = history.trace(&reports(&called), &options(&everyone));
                let Some(first) = first.accounts.first() else { continue };
                cell.trials += 1;
                cell.first += usize::from(first.principal == guilty);
                cell.named += usize::from(first.involved >= 0.95);
                cell.named_wrong += usize::from(first.involved >= 0.95 && first.principal != guilty);
                called.clear();
                while called.len() < victims {
                    called.extend(draw.pick(&everyone));
                }
                let innocent = history.trace(&reports(&called), &options(&everyone));
                let is_named = innocent.accounts.iter().any(|account| account.involved >= 0.95);
                cell.innocent_named += usize::from(is_named);
            }
            cells.push(cell);
        }
    }
    let (subjects, accounts, leakers) = (history.subjects_seen(), history.accounts(), leakers.len());
    Ok(RealLog { rows, subjects, accounts, leakers, cells })
}

fn options(everyone: &[String]) -> TraceOptions {
    TraceOptions { population: u64::try_from(everyone.len()).ok(), ..TraceOptions::default() }
}

fn reports(called: &BTreeSet<&String>) -> Vec<Victim> {
    called.iter().map(|subject| Victim::new(SubjectKey::Text(subject.as_str().into()))).collect()
}

type Seen = BTreeMap<String, BTreeSet<String>>;

/// Each row is an employee (`sys_updated_by`) touching a caller's incident at `sys_updated_at`.
fn read(path: &Path) -> Result<(History, Seen, usize)> {
    let mut reader =
        csv::Reader::from_path(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let headers = reader.headers()?.clone();
    let column = |name: &str| {
        headers.iter().position(|header| header == name).with_context(|| format!("no column `{name}`"))
    };
    let (caller, employee, at) = (column("caller_id")?, column("sys_updated_by")?, column("sys_updated_at")?);
    let mut builder = HistoryBuilder::new();
    let mut seen = Seen::new();
    let mut rows = 0;
    for record in reader.records() {
        let record = record?;
        let get = |at: usize| record.get(at).unwrap_or_default().trim();
        if get(caller) == "?" || get(employee) == "?" {
            continue;
        }
        let time = jiff::civil::DateTime::strptime("%d-%m-%Y %H:%M", get(at))
            .with_context(|| format!("row {}: `{}` is no time", rows + 2, get(at)))?;
        let micros = jiff::tz::Offset::UTC.to_timestamp(time)?.as_microsecond();
        let principal = builder.principal(&Principal::new(get(employee)))?;
        let subject = builder.subject(&SubjectKey::Text(get(caller).into()))?;
        builder.add(Disclosure {
            principal,
            subject,
            time: Timestamp(micros),
            fields: FieldSet::EMPTY,
            explanation: Explanation::Unknown,
        });
        seen.entry(get(employee).to_owned()).or_default().insert(get(caller).to_owned());
        rows += 1;
    }
    Ok((builder.finish(), seen, rows))
}

impl RealLog {
    /// Writes what was measured.
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(text, "\n## A real support desk\n");
        let _ = writeln!(
            text,
            "An excerpt of the \"Incident management process enriched event log\" (UCI, CC BY 4.0): {} events, {} \
             callers, {} employees. The leaker is one of the {} employees with {LEAKER_SUBJECTS_MIN} callers or \
             more; the victims are callers that this employee really served. Guilt-free: random callers.\n",
            self.rows, self.subjects, self.accounts, self.leakers
        );
        let _ = writeln!(
            text,
            "| victims | strays | trials | first account right (%) | named at .95 (%) | of these wrong | \
             guilt-free: named per 1,000 |\n|---|---|---|---|---|---|---|"
        );
        for cell in &self.cells {
            let percent = |count: usize| 100.0 * share(count, cell.trials);
            let _ = writeln!(
                text,
                "| {} | {:.0}% | {} | {:.1} | {:.1} | {} | {:.1} |",
                cell.victims,
                100.0 * cell.stray,
                cell.trials,
                percent(cell.first),
                percent(cell.named),
                cell.named_wrong,
                10.0 * percent(cell.innocent_named)
            );
        }
        text
    }
}
