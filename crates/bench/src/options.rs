//! The command line, and the plan it comes to.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Parser, ValueEnum};
use serde::Serialize;

use crate::work::{Cell, EXPORT_ROWS, Form, Mode, Work};

/// Measures direct, PgBouncer, pgaudit and Rastro side by side on a scratch PostgreSQL.
#[derive(Debug, Parser)]
#[command(
    name = "bench",
    after_help = "Example: ./bench --quick --only lookup --clients 8 --modes prepared --json /tmp/bench.json"
)]
pub(crate) struct Options {
    /// Smaller and shorter: 120,000 customers, 2 rounds of 2 seconds
    #[arg(long)]
    quick: bool,
    /// Rounds; each measures every route once [default: 5, quick: 2]
    #[arg(long)]
    rounds: Option<u32>,
    /// Seconds for each measurement [default: 4, quick: 2]
    #[arg(long)]
    seconds: Option<u64>,
    /// Customers to load [default: 1000000, quick: 120000]
    #[arg(long)]
    customers: Option<u64>,
    /// Only these works
    #[arg(long, value_delimiter = ',')]
    only: Vec<Kind>,
    /// Clients of the lookup
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 32])]
    clients: Vec<u32>,
    /// Protocols of the lookup
    #[arg(long, value_delimiter = ',', default_values_t = [Mode::Simple, Mode::Extended, Mode::Prepared])]
    modes: Vec<Mode>,
    /// Only these routes [default: all but origin; direct is always measured]
    #[arg(long, value_delimiter = ',')]
    routes: Vec<RouteKind>,
    /// The `rastro` binary [default: beside this one]
    #[arg(long)]
    rastro: Option<PathBuf>,
    /// Give Rastro a reason query
    #[arg(long)]
    reasons: bool,
    /// Store all figures as JSON here
    #[arg(long)]
    json: Option<PathBuf>,
    /// Where the scratch directory is made; on the disk whose syncs are to count
    #[arg(long, default_value = "/var/tmp")]
    scratch: PathBuf,
    /// Keep the scratch directory, with its logs
    #[arg(long)]
    keep: bool,
    /// Skip memory at rest and with 500 idle sessions
    #[arg(long)]
    no_memory: bool,
    /// Measure again, up to twice, while other programs use more than this percentage of the cores
    #[arg(long, value_name = "PERCENT", default_value_t = 100.0)]
    quiet: f64,
    /// Seed of the order within rounds and of the values looked up
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// A kind of work to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// An agent's lookup of a ticket.
    Lookup,
    /// A page of 50 customers.
    Page,
    /// An export of 100,000 rows.
    Export,
}

/// A way from client to PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RouteKind {
    /// No proxy.
    Direct,
    /// PgBouncer in session mode.
    Pgbouncer,
    /// No proxy; pgaudit logs reads to a file.
    Pgaudit,
    /// Rastro, released before the sync.
    Group,
    /// Rastro, released after the sync.
    Strict,
    /// As `group`, but no values are looked for: the origin of a column alone tells whose it is.
    Origin,
}

impl RouteKind {
    /// All routes, in the order of the tables.
    pub(crate) const ALL: [Self; 6] =
        [Self::Direct, Self::Pgbouncer, Self::Pgaudit, Self::Group, Self::Strict, Self::Origin];

    /// Returns whether it goes through Rastro.
    pub(crate) fn is_rastro(self) -> bool {
        matches!(self, Self::Group | Self::Strict | Self::Origin)
    }

    /// Returns the column heading.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Pgbouncer => "PgBouncer",
            Self::Pgaudit => "pgaudit",
            Self::Group => "Rastro group",
            Self::Strict => "Rastro strict",
            Self::Origin => "Rastro, origin only",
        }
    }
}

/// What one run measures, all defaults settled.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) rounds: u32,
    pub(crate) duration: Duration,
    pub(crate) customers: u64,
    pub(crate) cells: Vec<Cell>,
    pub(crate) routes: Vec<RouteKind>,
    pub(crate) rastro: PathBuf,
    pub(crate) reasons: bool,
    pub(crate) json: Option<PathBuf>,
    pub(crate) scratch_parent: PathBuf,
    pub(crate) keep: bool,
    pub(crate) memory: bool,
    pub(crate) others_share_max: f64,
    pub(crate) seed: u64,
}

impl Options {
    /// Settles the defaults.
    ///
    /// # Errors
    /// Fewer customers than one export takes; no client.
    pub(crate) fn resolve(self) -> Result<Plan> {
        let customers = self.customers.unwrap_or(if self.quick { 120_000 } else { 1_000_000 });
        if customers < EXPORT_ROWS {
            bail!("`--customers {customers}` is less than the {EXPORT_ROWS} rows of one export");
        }
        if self.clients.contains(&0) {
            bail!("`--clients 0` measures nothing");
        }
        let rastro = match &self.rastro {
            Some(path) => path.clone(),
            None => std::env::current_exe()?.with_file_name("rastro"),
        };
        let routes = RouteKind::ALL
            .into_iter()
            .filter(|kind| match kind {
                RouteKind::Direct => true,
                RouteKind::Origin => self.routes.contains(kind),
                _ => self.routes.is_empty() || self.routes.contains(kind),
            })
            .collect();
        Ok(Plan {
            rounds: self.rounds.unwrap_or(if self.quick { 2 } else { 5 }).max(1),
            duration: Duration::from_secs(self.seconds.unwrap_or(if self.quick { 2 } else { 4 }).max(1)),
            customers,
            cells: self.cells(),
            routes,
            rastro,
            reasons: self.reasons,
            json: self.json,
            scratch_parent: self.scratch,
            keep: self.keep,
            memory: !self.no_memory,
            others_share_max: self.quiet / 100.0,
            seed: self.seed,
        })
    }

    fn cells(&self) -> Vec<Cell> {
        let wanted = |kind| self.only.is_empty() || self.only.contains(&kind);
        let mut cells = Vec::new();
        if wanted(Kind::Lookup) {
            for &mode in &self.modes {
                cells.extend(self.clients.iter().map(|&clients| Cell { work: Work::Lookup(mode), clients }));
            }
        }
        if wanted(Kind::Page) {
            cells.push(Cell { work: Work::Page, clients: 8 });
        }
        if wanted(Kind::Export) {
            cells.push(Cell { work: Work::Export(Form::Select), clients: 1 });
            cells.push(Cell { work: Work::Export(Form::Select), clients: 8 });
            cells.extend(
                [Form::CopyQuery, Form::CopyTable, Form::Cursor]
                    .map(|form| Cell { work: Work::Export(form), clients: 1 }),
            );
        }
        cells
    }
}
