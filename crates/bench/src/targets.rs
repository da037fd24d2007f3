//! The figures Rastro is to reach first, and whether a run reached them.

use std::fmt::Write;
use std::ops::RangeInclusive;

use crate::options::RouteKind;
use crate::report::{Report, with_range};
use crate::statistics::Spread;
use crate::work::{Cell, Form, Work};

/// CPU seconds of `group` for 100,000 lookups.
const CPU_SECONDS_MAX: f64 = 6.0;
/// p50 of one client's lookup in `group`, beyond PgBouncer's, µs.
const P50_OVER_PGBOUNCER_US_MAX: f64 = 30.0;
/// Ledger bytes of one lookup.
const LOOKUP_BYTES_MAX: f64 = 40.0;
/// Ledger bytes of a random set, in its entropy.
const ENTROPY_MAX: f64 = 2.0;
/// Memory at rest.
const REST_KB_MAX: u64 = 64 * 1024;
/// Memory of one idle session.
const SESSION_KB_MAX: f64 = 64.0;

/// Returns the table of targets and what was measured for them.
pub(crate) fn table(report: &Report<'_>) -> String {
    let mut lines = String::new();
    for route in [RouteKind::Group, RouteKind::Strict] {
        for &cell in &report.plan.cells {
            for verdict in cell_verdicts(report, cell, route) {
                let _ = writeln!(lines, "| {} | {} | {verdict} |", cell.name(), route.name());
            }
        }
    }
    for harvest in report.harvests {
        let times = harvest.recorded_bytes as f64 / harvest.entropy_bytes;
        let _ = writeln!(
            lines,
            "| harvest of {} random customers of {} | {} | at most {ENTROPY_MAX:.1} of its entropy of {:.0} bytes | {times:.2} | {} |",
            harvest.subjects,
            harvest.population,
            harvest.route.name(),
            harvest.entropy_bytes,
            word(some(ENTROPY_MAX).contains(&times))
        );
    }
    for memory in report.memory.iter().filter(|memory| memory.route != RouteKind::Pgbouncer) {
        let name = memory.route.name();
        let _ = writeln!(
            lines,
            "| memory at rest | {name} | at most {} MB | {:.1} MB | {} |",
            REST_KB_MAX / 1024,
            memory.rest_kb as f64 / 1024.0,
            word(memory.rest_kb <= REST_KB_MAX)
        );
        if let Some(session_kb) = memory.session_kb() {
            let _ = writeln!(
                lines,
                "| memory of an idle session | {name} | at most {SESSION_KB_MAX:.0} kB | {session_kb:.1} kB | {} |",
                word(session_kb <= SESSION_KB_MAX)
            );
        }
    }
    if lines.is_empty() {
        return lines;
    }
    format!("\n## Targets\n\n| work | route | target | measured | |\n|---|---|---|---|---|\n{lines}")
}

/// Returns `target | measured | verdict` for each target of one line.
fn cell_verdicts(report: &Report<'_>, cell: Cell, route: RouteKind) -> Vec<String> {
    let mut verdicts = Vec::new();
    for (target, base) in rate_target(cell, route).into_iter().chain(everything_target(cell, route)) {
        if let Some(ratio) = report.ratio(cell, route, base) {
            let met = word(ratio.median >= target);
            verdicts.push(format!("{target:.2} of {} | {} | {met}", base.name(), with_range(ratio, 2)));
        }
    }
    let mut at_most = |target: String, good: RangeInclusive<f64>, figure: Option<Spread>, decimals: usize| {
        if let Some(figure) = figure {
            let met = word(good.contains(&figure.median));
            verdicts.push(format!("at most {target} | {} | {met}", with_range(figure, decimals)));
        }
    };
    if let Work::Lookup(_) = cell.work {
        if route == RouteKind::Group && matches!(cell.clients, 8 | 32) {
            let cpu = report.spread(cell, route, |sample| sample.proxy_cpu);
            at_most(format!("{CPU_SECONDS_MAX:.0} s CPU for 100,000"), some(CPU_SECONDS_MAX), cpu, 2);
        }
        if route == RouteKind::Group && cell.clients == 1 {
            let over = report.p50_over(cell, route, RouteKind::Pgbouncer);
            let target = format!("{P50_OVER_PGBOUNCER_US_MAX:.0} µs over PgBouncer's p50");
            at_most(target, f64::NEG_INFINITY..=P50_OVER_PGBOUNCER_US_MAX, over, 0);
        }
        let bytes = report.spread(cell, route, |sample| sample.recorded_bytes);
        at_most(format!("{LOOKUP_BYTES_MAX:.0} ledger bytes each"), some(LOOKUP_BYTES_MAX), bytes, 1);
    }
    verdicts
}

/// Returns the rate to reach, and what it is relative to.
fn rate_target(cell: Cell, route: RouteKind) -> Option<(f64, RouteKind)> {
    let strict = match route {
        RouteKind::Group => false,
        RouteKind::Strict => true,
        RouteKind::Direct | RouteKind::Pgbouncer | RouteKind::Pgaudit | RouteKind::Origin => return None,
    };
    match (cell.work, cell.clients) {
        (Work::Lookup(_), 8 | 32) => Some((if strict { 0.80 } else { 0.95 }, RouteKind::Pgbouncer)),
        (Work::Export(Form::Select), 8) => Some((0.85, RouteKind::Direct)),
        (Work::Export(_), 1) => Some((0.90, RouteKind::Pgbouncer)),
        _ => None,
    }
}

/// Returns what must be left of the rate with attribution by origin alone.
fn everything_target(cell: Cell, route: RouteKind) -> Option<(f64, RouteKind)> {
    let is_bulk = matches!((cell.work, cell.clients), (Work::Page, _) | (Work::Export(_), 1));
    (is_bulk && route == RouteKind::Group).then_some((0.90, RouteKind::Origin))
}

/// Returns what is good of a cost: none at all would be a fault of the route or of the bench.
fn some(max: f64) -> RangeInclusive<f64> {
    f64::MIN_POSITIVE..=max
}

fn word(met: bool) -> &'static str {
    if met { "met" } else { "missed" }
}
