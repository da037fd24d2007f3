use std::time::Instant;

use anyhow::Result;
use rastro_model::{FieldSet, SubjectKey, Timestamp};
use rastro_sim::worlds::{
    Draw, Insider, Leak, Outsider, ReportOptions, Scenario, Stage, VictimReport, draw_reports, fields,
};
use rastro_trace::{AccountScore, Interval, Trace, TraceOptions, Victim};

use crate::options::Options;
use crate::record::Record;
use crate::stage::{Built, name, time};
use crate::tally::{Cell, Trial};

pub(crate) const VICTIMS: [usize; 6] = [3, 5, 8, 12, 20, 50];
const STRAYS: [f64; 3] = [0.0, 0.2, 0.5];
/// Share of victims for whom it is known when the leaked values were current.
const VERSIONS: f64 = 0.7;

/// One scenario with its cells.
struct Plan {
    scenario: Box<dyn Scenario>,
    /// How often it is played in all.
    rounds: u32,
    draw: Draw,
    cells: Vec<Cell>,
}

impl Plan {
    fn new(scenario: Box<dyn Scenario>, is_guilty_world: bool, rounds: u32, draw: Draw) -> Plan {
        let strays: &[f64] = if is_guilty_world { &STRAYS } else { &STRAYS[..2] };
        let mut cells = Vec::new();
        for stray in strays {
            for victims in VICTIMS {
                let scenario = scenario.name().to_owned();
                cells.push(Cell { scenario, victims, stray: *stray, is_guilty_world, trials: Vec::new() });
            }
        }
        Plan { scenario, rounds, draw, cells }
    }

    /// Plays the scenario once, and judges every number of victims and share of strays of it.
    fn play(&mut self, stage: &mut Built, options: &Options, record: &mut Record) -> Result<()> {
        let leak = self.scenario.play(&Stage { world: &stage.world, cast: &stage.cast }, &mut self.draw);
        stage.add(&leak.extra)?;
        for cell in &mut self.cells {
            let report = ReportOptions { count: cell.victims, stray: cell.stray, versions: VERSIONS };
            let reports = draw_reports(&stage.world, &leak, &report, &mut self.draw);
            let trial = judge(stage, &leak, &reports, options);
            record.trial(cell, &trial)?;
            cell.trials.push(trial);
        }
        stage.history.forget_unsettled();
        Ok(())
    }
}

/// Plays every scenario at every number of victims and share of strays, all in turn, so that what was recorded
/// when a run is ended early covers all cells alike.
pub(crate) fn run(stage: &mut Built, options: &Options, seed: u64, record: &mut Record) -> Result<Vec<Cell>> {
    let mut plans = Vec::new();
    for (number, insider) in (1u64..).zip(Insider::ALL) {
        if options.wants(insider.name()) {
            let draw = Draw::new(seed, number << 32);
            plans.push(Plan::new(Box::new(insider), true, options.trials, draw));
        }
    }
    for (number, outsider) in (101u64..).zip(Outsider::ALL) {
        if options.wants(outsider.name()) {
            let draw = Draw::new(seed, number << 32);
            // Each is judged without strays and with 20%.
            plans.push(Plan::new(Box::new(outsider), false, options.innocent_trials / 2, draw));
        }
    }
    let steps = plans.iter().map(|plan| plan.rounds).max().unwrap_or(0);
    let began = Instant::now();
    for step in 0..steps {
        for plan in &mut plans {
            let due = |step: u32| u64::from(step) * u64::from(plan.rounds) / u64::from(steps);
            for _ in due(step)..due(step + 1) {
                plan.play(stage, options, record)?;
            }
        }
        record.flush()?;
        if step % 10 == 9 {
            eprintln!("{} of {steps} rounds after {:.0} s", step + 1, began.elapsed().as_secs_f64());
        }
        if options.is_over(began.elapsed()) {
            break;
        }
    }
    let cells: Vec<Cell> = plans.into_iter().flat_map(|plan| plan.cells).collect();
    cells.iter().for_each(describe);
    Ok(cells)
}

fn describe(cell: &Cell) {
    eprintln!(
        "{:28} m={:2} stray={:.1} first right {:.3} false {:.4} mean p {:.3} max {:.3}",
        cell.scenario,
        cell.victims,
        cell.stray,
        cell.rate(|trial| trial.is_first_right),
        cell.rate(|trial| trial.is_false_accusation),
        cell.trials.iter().map(|trial| trial.confidence).sum::<f64>() / cell.trials.len().max(1) as f64,
        cell.trials.iter().map(|trial| trial.confidence).fold(0.0, f64::max)
    );
}

fn judge(stage: &Built, leak: &Leak, reports: &[VictimReport], options: &Options) -> Trial {
    let victims: Vec<Victim> = reports.iter().map(victim).collect();
    let trace_options = TraceOptions {
        population: Some(u64::from(stage.world.options().subjects)),
        telling: FieldSet(fields::TICKET),
        ..TraceOptions::default()
    };
    let began = Instant::now();
    let trace = stage.history.trace(&victims, &trace_options);
    let seconds = began.elapsed().as_secs_f64();
    let guilty: Vec<_> = leak.guilty.iter().map(|account| name(*account)).collect();
    let is_guilty = |account: &AccountScore| guilty.contains(&account.principal);
    let first = trace.accounts.first();
    let is_false_accusation =
        trace.accounts.iter().any(|account| account.involved >= 0.95 && !is_guilty(account));
    let is_missed =
        victims.len() >= 12 && !guilty.is_empty() && first.is_none_or(|first| first.involved < 0.5);
    if options.explain && (is_false_accusation || is_missed) {
        explain(leak, &trace);
    }
    let window = trace.window.filter(|_| !leak.leaked.is_empty()).map(|window| {
        let middle = middle_of_copying(leak, first.filter(|first| is_guilty(first)));
        let holds = window.from <= middle && window.until >= middle;
        (holds, (window.until.0 - window.from.0) as f64 / 86_400e6)
    });
    Trial {
        is_first_right: first.is_some_and(is_guilty),
        are_all_named: !guilty.is_empty()
            && trace.accounts.iter().take(guilty.len()).filter(|account| is_guilty(account)).count()
                == guilty.len(),
        confidence: first.map_or(0.0, |account| account.involved),
        is_false_accusation,
        window,
        seconds,
    }
}

/// Returns when half of the leak was copied: by the account that the trace names if it is one of several guilty
/// ones, which need not have copied at the same time, and else by all.
fn middle_of_copying(leak: &Leak, first: Option<&AccountScore>) -> Timestamp {
    let account = first.and_then(|first| leak.guilty.iter().find(|guilty| name(**guilty) == first.principal));
    let of_account = leak.extra.iter().filter(|shown| Some(&shown.account) == account);
    let mut hours: Vec<u32> = of_account.map(|shown| shown.hour).collect();
    if leak.guilty.len() < 2 || hours.is_empty() {
        hours = leak.leaked.iter().map(|leaked| leaked.hour).collect();
    }
    hours.sort_unstable();
    time(hours.get(hours.len() / 2).copied().unwrap_or(0))
}

fn explain(leak: &Leak, trace: &Trace) {
    eprintln!("innocent named; guilty {:?}, {} victims", leak.guilty, trace.victims);
    for account in trace.accounts.iter().take(3) {
        eprintln!(
            "  {} p={:.4} log10 bf={:.2} seen {} of {}, exposed {}",
            account.principal,
            account.probability,
            account.log10_bayes_factor,
            account.victims_seen,
            trace.victims,
            account.exposed
        );
    }
    for population in trace.populations.iter().take(4) {
        eprintln!("  {} p={:.4} seen {}", population.name, population.probability, population.victims_seen);
    }
    eprintln!("  unknown {:.4}", trace.unknown_route);
}

fn victim(report: &VictimReport) -> Victim {
    let mut victim = Victim::new(SubjectKey::Int(i64::from(report.subject)));
    victim.reported_at = Some(time(report.reported));
    victim.known = FieldSet(report.known);
    victim.current =
        report.current.map(|(from, until)| Interval { from: Some(time(from)), until: Some(time(until)) });
    victim
}
