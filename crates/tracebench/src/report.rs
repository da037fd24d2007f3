use std::fmt::Write;

use crate::options::Options;
use crate::plot;
use crate::real_log::RealLog;
use crate::record::Recorded;
use crate::tally::{Cell, calibration, quantile, share};
use crate::trials::VICTIMS;

const QUICK: &str = "A quick run on a small world, with few trials: rates of some per cent are not resolved. \
    `./bench trace` measures the full scale.\n\n";

/// Writes what was measured as Markdown.
pub(crate) fn markdown(options: &Options, recorded: &Recorded, real: Option<&RealLog>) -> String {
    let cells = &recorded.cells;
    let mut text = String::new();
    let _ = writeln!(text, "# How accurate the trace is\n");
    let seeds = recorded.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    let runs = if recorded.seeds.len() == 1 { "seed" } else { "seeds" };
    let _ = writeln!(text, "Written by `./bench trace`; {runs} {seeds}. {}.\n", recorded.world);
    let fewest = |guilty: bool| {
        let of = cells.iter().filter(|cell| cell.is_guilty_world == guilty);
        of.map(|cell| cell.trials.len()).min().unwrap_or(0)
    };
    let _ = writeln!(
        text,
        "At least {} trials per cell, {} per guilt-free world and number of victims. The truth is kept from the \
         trace: it sees disclosures and reports only{}.\n",
        fewest(true),
        2 * fewest(false),
        if options.without_cohorts { ", not even cohorts" } else { ", and the cohorts of customers" }
    );
    if options.is_quick() {
        text.push_str(QUICK);
    }
    include(&mut text);
    guilty(&mut text, cells);
    innocent(&mut text, cells);
    summary(&mut text, cells);
    if let Some(real) = real {
        text.push_str(&real.markdown());
    }
    text
}

fn include(text: &mut String) {
    text.push_str(include_str!("method.md"));
}

fn guilty(text: &mut String, cells: &[Cell]) {
    let _ = writeln!(text, "## The first account is the guilty one (%)\n");
    let _ = writeln!(text, "Numbers of victims: {}.\n", list(VICTIMS.iter().map(usize::to_string)));
    let _ = writeln!(text, "| scenario | no strays | 20% strays | 50% strays |\n|---|---|---|---|");
    for name in names(cells, true) {
        let row = |stray: f64| {
            let of = cells.iter().filter(|cell| cell.scenario == name && (cell.stray - stray).abs() < 1e-9);
            list(of.map(|cell| format!("{:.1}", 100.0 * cell.rate(|trial| trial.is_first_right))))
        };
        let _ = writeln!(text, "| {name} | {} | {} | {} |", row(0.0), row(0.2), row(0.5));
    }
    let colluders = cells.iter().filter(|cell| cell.scenario == "colluders");
    let both: Vec<String> = colluders
        .map(|cell| {
            let rate = 100.0 * cell.rate(|trial| trial.are_all_named);
            format!("{} victims, {:.0}% strays: {rate:.1}%", cell.victims, 100.0 * cell.stray)
        })
        .collect();
    let _ = writeln!(text, "\nBoth colluders are the first two: {}.\n", both.join("; "));
    let _ = writeln!(text, "### When the copy was taken\n");
    let _ = writeln!(
        text,
        "| scenario (20% strays) | victims | window holds the middle of the copying (%) | median width (days) |\n|---|---|---|---|"
    );
    for cell in cells.iter().filter(|cell| cell.is_guilty_world && (cell.stray - 0.2).abs() < 1e-9) {
        let windows: Vec<(bool, f64)> = cell.trials.iter().filter_map(|trial| trial.window).collect();
        let held = windows.iter().filter(|(holds, _)| *holds).count();
        let width = quantile(windows.iter().map(|(_, width)| *width).collect(), 0.5);
        let rate = 100.0 * share(held, windows.len());
        let _ = writeln!(text, "| {} | {} | {rate:.1} | {width:.0} |", cell.scenario, cell.victims);
    }
}

fn innocent(text: &mut String, cells: &[Cell]) {
    let _ = writeln!(text, "\n## Nobody inside is guilty: accounts at .95 or more, per 1,000 trials\n");
    let _ = writeln!(text, "| world | {} | trials |", VICTIMS.map(|m| m.to_string()).join(" | "));
    let _ = writeln!(text, "|---|{}---|", "---|".repeat(VICTIMS.len()));
    for name in names(cells, false) {
        let mut trials = 0;
        let row = VICTIMS.map(|victims| {
            let of = cells.iter().filter(|cell| cell.scenario == name && cell.victims == victims);
            let (mut named, mut all) = (0, 0);
            for cell in of {
                named += cell.count(|trial| trial.is_false_accusation);
                all += cell.trials.len();
            }
            trials += all;
            format!("{:.1}", 1_000.0 * share(named, all))
        });
        let _ = writeln!(text, "| {name} | {} | {trials} |", row.join(" | "));
    }
}

fn summary(text: &mut String, cells: &[Cell]) {
    let (bins, error) = calibration(cells);
    let sum = |guilty: bool, holds: &dyn Fn(&crate::tally::Trial) -> bool| {
        let of = cells.iter().filter(|cell| cell.is_guilty_world == guilty);
        of.map(|cell| cell.count(holds)).sum::<usize>()
    };
    let named_right = sum(true, &|trial| trial.confidence >= 0.95 && trial.is_first_right);
    let named_wrong = sum(true, &|trial| trial.is_false_accusation);
    let innocent_named = sum(false, &|trial| trial.is_false_accusation);
    let (guilty_trials, innocent_trials) = (sum(true, &|_| true), sum(false, &|_| true));
    let right = 0.7 * share(named_right, guilty_trials);
    let wrong = 0.7 * share(named_wrong, guilty_trials) + 0.3 * share(innocent_named, innocent_trials);
    let seconds: Vec<f64> =
        cells.iter().flat_map(|cell| cell.trials.iter().map(|trial| trial.seconds)).collect();
    let _ = writeln!(text, "\n## In all\n");
    let _ = writeln!(text, "| what | measured | target |\n|---|---|---|");
    let precision = 100.0 * right / (right + wrong).max(1e-12);
    let _ =
        writeln!(text, "| precision at .95 (70% guilty worlds, 30% guilt-free) | {precision:.2}% | 99.5% |");
    let recall = 100.0 * share(named_right, guilty_trials);
    let _ =
        writeln!(text, "| recall at .95, all cells, 3 victims and 50% strays included | {recall:.1}% | – |");
    let per_thousand = 1_000.0 * share(innocent_named, innocent_trials);
    let _ = writeln!(
        text,
        "| accounts named per 1,000 guilt-free trials ({innocent_trials}) | {per_thousand:.2} | 1 |"
    );
    let _ = writeln!(text, "| calibration error | {error:.3} | 0.04 |");
    let (median, tail) = (1e3 * quantile(seconds.clone(), 0.5), 1e3 * quantile(seconds, 0.99));
    let _ =
        writeln!(text, "| one trace, median and 99th percentile | {median:.1} ms, {tail:.1} ms | 50 ms |");
    let _ = writeln!(text, "\n![Calibration](trace-accuracy.svg)\n");
    let _ = writeln!(text, "| probability given | share of trials | guilty in fact |\n|---|---|---|");
    for bin in bins.iter().filter(|bin| bin.count > 0.0) {
        let _ = writeln!(text, "| {:.3} | {:.3} | {:.3} |", bin.confidence, bin.count, bin.accuracy);
    }
}

/// Draws the calibration of all cells.
pub(crate) fn calibration_plot(cells: &[Cell]) -> String {
    let (bins, error) = calibration(cells);
    plot::calibration(&bins, error)
}

fn names(cells: &[Cell], guilty: bool) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for cell in cells.iter().filter(|cell| cell.is_guilty_world == guilty) {
        if !names.contains(&cell.scenario.as_str()) {
            names.push(&cell.scenario);
        }
    }
    names
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(" / ")
}
