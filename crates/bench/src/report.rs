//! The tables, as Markdown and JSON.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::bulk::Harvest;
use crate::machine::Machine;
use crate::memory::ProxyMemory;
use crate::options::{Plan, RouteKind};
use crate::sample::{Sample, Samples};
use crate::statistics::Spread;
use crate::targets;
use crate::work::{Cell, Work};

/// Routes that record what was shown.
const RECORDING: [RouteKind; 4] =
    [RouteKind::Pgaudit, RouteKind::Group, RouteKind::Strict, RouteKind::Origin];
/// Routes with a process of their own.
const PROXIES: [RouteKind; 4] =
    [RouteKind::Pgbouncer, RouteKind::Group, RouteKind::Strict, RouteKind::Origin];

/// All figures of a run.
pub(crate) struct Report<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) machine: &'a Machine,
    pub(crate) samples: &'a Samples,
    pub(crate) harvests: &'a [Harvest],
    pub(crate) memory: &'a [ProxyMemory],
}

impl Report<'_> {
    /// Returns every figure: the single measurements and their spreads.
    pub(crate) fn json(&self) -> Value {
        let lines: Vec<Value> = self
            .plan
            .cells
            .iter()
            .flat_map(|&cell| self.routes().into_iter().map(move |route| (cell, route)))
            .map(|(cell, route)| {
                json!({
                    "work": cell.name(),
                    "unit": cell.work.unit(),
                    "cell": cell,
                    "route": route,
                    "rate": self.spread(cell, route, |sample| Some(sample.rate)),
                    "of_direct": self.ratio(cell, route, RouteKind::Direct),
                    "of_pgbouncer": self.ratio(cell, route, RouteKind::Pgbouncer),
                    "proxy_cpu_seconds_per_100000": self.spread(cell, route, |sample| sample.proxy_cpu),
                    "p50_us": self.spread(cell, route, |sample| Some(sample.latency_us?.p50)),
                    "p99_us": self.spread(cell, route, |sample| Some(sample.latency_us?.p99)),
                    "added_p50_us": self.p50_over(cell, route, RouteKind::Direct),
                    "recorded_bytes_each": self.spread(cell, route, |sample| sample.recorded_bytes),
                })
            })
            .collect();
        json!({
            "machine": self.machine,
            "settings": {
                "rounds": self.plan.rounds,
                "seconds": self.plan.duration.as_secs(),
                "customers": self.plan.customers,
                "reasons": self.plan.reasons,
                "seed": self.plan.seed,
            },
            "lines": lines,
            "harvests": self.harvests,
            "memory": self.memory,
            "samples": self.samples.samples,
            "failures": self.samples.failures,
        })
    }

    /// Returns the tables for people.
    pub(crate) fn markdown(&self) -> String {
        let mut out = self.introduction();
        out += &self.table("Rate, relative to direct in the same round", &self.routes(), |cell, route| {
            if route == RouteKind::Direct {
                let rate = self.spread(cell, route, |sample| Some(sample.rate))?;
                return Some(format!("{} {}/s", thousands(rate.median), cell.work.unit()));
            }
            self.ratio(cell, route, RouteKind::Direct).map(|ratio| with_range(ratio, 2))
        });
        out += &self.table(
            "Rate, relative to PgBouncer in the same round",
            &self.routes_of(&RECORDING),
            |cell, route| self.ratio(cell, route, RouteKind::Pgbouncer).map(|ratio| with_range(ratio, 2)),
        );
        out += &targets::table(self);
        out += &self.table(
            "CPU seconds of the proxy for 100,000 lookups, pages or rows",
            &self.proxies(),
            |cell, route| {
                self.spread(cell, route, |sample| sample.proxy_cpu)
                    .map(|cpu| with_range(cpu, if matches!(cell.work, Work::Export(_)) { 4 } else { 2 }))
            },
        );
        out += &self.table(
            "Latency p50 in µs, cores kept awake; added to direct",
            &self.routes(),
            |cell, route| {
                if route == RouteKind::Direct {
                    return self
                        .spread(cell, route, |sample| Some(sample.latency_us?.p50))
                        .map(|p50| with_range(p50, 0));
                }
                self.p50_over(cell, route, RouteKind::Direct)
                    .map(|added| format!("+{}", with_range(added, 0)))
            },
        );
        out += &self.table(
            "Bytes recorded for each lookup or page; for exports, for 100,000 rows",
            &self.routes_of(&RECORDING),
            |cell, route| {
                let times = if matches!(cell.work, Work::Export(_)) { 100_000.0 } else { 1.0 };
                let bytes = self.spread(cell, route, |sample| Some(sample.recorded_bytes? * times))?;
                Some(format!("{:.0}", bytes.median))
            },
        );
        out += &self.memory_table();
        if !self.samples.failures.is_empty() {
            out += "\nNot measured:\n";
            for line in &self.samples.failures {
                let _ = writeln!(out, "- {line}");
            }
        }
        out
    }

    fn introduction(&self) -> String {
        let Machine { cores, processor, kernel, server_version, pgbouncer_version, .. } = self.machine;
        let others = Spread::of(self.samples.samples.iter().map(|sample| sample.others_share * 100.0));
        format!(
            "# Benchmark\n\n{cores} cores of {processor}, {kernel}, PostgreSQL {server_version}, {pgbouncer_version}; \
             {} customers; medians of {} rounds of {} s (least to most). One durable write {:.2} ms (p99 {:.2} ms). \
             Load average {} before, {} after; other programs used {}% of the cores.\n",
            thousands(self.plan.customers as f64),
            self.plan.rounds,
            self.plan.duration.as_secs(),
            self.machine.sync_ms_p50,
            self.machine.sync_ms_p99,
            self.machine.load_at_start,
            self.machine.load_at_end,
            others.map_or_else(|| "?".to_owned(), |share| with_range(share, 0)),
        )
    }

    /// Returns a table of the lines that have any figure; nothing if none has.
    fn table(
        &self,
        title: &str,
        routes: &[RouteKind],
        figure: impl Fn(Cell, RouteKind) -> Option<String>,
    ) -> String {
        let mut lines = String::new();
        for &cell in &self.plan.cells {
            let figures: Vec<Option<String>> = routes.iter().map(|&route| figure(cell, route)).collect();
            if figures.iter().any(Option::is_some) {
                let figures: Vec<String> =
                    figures.into_iter().map(|figure| figure.unwrap_or_else(|| "–".to_owned())).collect();
                let _ = writeln!(lines, "| {} | {} |", cell.name(), figures.join(" | "));
            }
        }
        if lines.is_empty() {
            return lines;
        }
        let names: Vec<&str> = routes.iter().map(|route| route.name()).collect();
        format!(
            "\n## {title}\n\n| work | {} |\n|---|{}\n{lines}",
            names.join(" | "),
            "---|".repeat(names.len())
        )
    }

    fn memory_table(&self) -> String {
        if self.memory.is_empty() {
            return String::new();
        }
        let mut out =
            "\n## Memory of the proxy\n\n| route | at rest | of it anonymous | one idle session of 500 | peak of all work |\n\
                       |---|---|---|---|---|\n"
                .to_owned();
        for memory in self.memory {
            let session = memory.session_kb().map_or("–".to_owned(), |kb| format!("{kb:.1} kB"));
            let _ = writeln!(
                out,
                "| {} | {:.1} MB | {:.1} MB | {session} | {:.1} MB |",
                memory.route.name(),
                memory.rest_kb as f64 / 1024.0,
                memory.rest_anonymous_kb as f64 / 1024.0,
                memory.peak_kb as f64 / 1024.0,
            );
        }
        out
    }

    fn routes(&self) -> Vec<RouteKind> {
        self.routes_of(&RouteKind::ALL)
    }

    fn proxies(&self) -> Vec<RouteKind> {
        self.routes_of(&PROXIES)
    }

    /// Returns those of `kinds` that were measured.
    fn routes_of(&self, kinds: &[RouteKind]) -> Vec<RouteKind> {
        let measured = |kind| self.samples.samples.iter().any(|sample| sample.route == kind);
        kinds.iter().copied().filter(|&kind| measured(kind)).collect()
    }

    fn samples_of(&self, cell: Cell, route: RouteKind) -> impl Iterator<Item = &Sample> {
        self.samples.samples.iter().filter(move |sample| sample.cell == cell && sample.route == route)
    }

    /// Returns the spread of one figure over the rounds.
    pub(crate) fn spread(
        &self,
        cell: Cell,
        route: RouteKind,
        figure: impl Fn(&Sample) -> Option<f64>,
    ) -> Option<Spread> {
        Spread::of(self.samples_of(cell, route).filter_map(figure))
    }

    /// Compares `route` with `base`, each round with itself.
    fn compare(
        &self,
        cell: Cell,
        route: RouteKind,
        base: RouteKind,
        figure: impl Fn(&Sample, &Sample) -> Option<f64>,
    ) -> Option<Spread> {
        Spread::of(self.samples_of(cell, route).filter_map(|sample| {
            let other = self.samples_of(cell, base).find(|other| other.round == sample.round)?;
            figure(sample, other)
        }))
    }

    /// Returns the rate of `route` relative to that of `base`.
    pub(crate) fn ratio(&self, cell: Cell, route: RouteKind, base: RouteKind) -> Option<Spread> {
        self.compare(cell, route, base, |sample, other| {
            (other.rate > 0.0).then_some(sample.rate / other.rate)
        })
    }

    /// Returns the p50 of `route` less that of `base`, µs.
    pub(crate) fn p50_over(&self, cell: Cell, route: RouteKind, base: RouteKind) -> Option<Spread> {
        self.compare(cell, route, base, |sample, other| Some(sample.latency_us?.p50 - other.latency_us?.p50))
    }
}

/// Formats a median with its extremes.
pub(crate) fn with_range(spread: Spread, decimals: usize) -> String {
    let Spread { median, min, max } = spread;
    format!("{median:.decimals$} ({min:.decimals$} to {max:.decimals$})")
}

fn thousands(figure: f64) -> String {
    let digits = format!("{figure:.0}");
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::thousands;

    #[test]
    fn thousands_are_separated() {
        assert_eq!([999.0, 1_000.0, 1_234_567.4].map(thousands), ["999", "1,000", "1,234,567"]);
    }
}
