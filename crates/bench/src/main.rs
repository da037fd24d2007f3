//! `rastro-bench`: measures Rastro beside PgBouncer, pgaudit and a direct connection.
//!
//! Every route is measured in every round, in random order, so that ratios compare neighbours in time.
//! Run it as `./bench`, which installs and builds what is missing.

mod awake;
mod bulk;
mod catalogue;
mod cluster;
mod export;
mod limits;
mod machine;
mod memory;
mod options;
mod others;
mod pgbench;
mod process;
mod recorded;
mod report;
mod route;
mod sample;
mod session;
mod statistics;
mod support_desk;
mod targets;
mod work;

use std::path::Path;

use anyhow::{Context, Result};
use clap::Parser;
use rastro_sim::Leashed;

use crate::options::{Options, Plan};
use crate::report::Report;
use crate::route::Routes;

fn main() -> Result<()> {
    let plan = Options::parse().resolve()?;
    limits::raise_open_files()?;
    let scratch = tempfile::Builder::new()
        .prefix("rastro-bench-")
        .tempdir_in(&plan.scratch_parent)
        .with_context(|| format!("cannot create a directory in `{}`", plan.scratch_parent.display()))?
        .keep();
    limits::open_directory(&scratch)?;
    if plan.keep {
        eprintln!("keeping `{}`", scratch.display());
        return measure(&plan, &scratch);
    }
    // Removes the directory even when the bench is interrupted or killed: it holds a gigabyte.
    let doomed = Some(scratch.as_path());
    let _remover = Leashed::start("sleep", ["infinity"], "TERM", &scratch.join("remover.log"), doomed)?;
    measure(&plan, &scratch)
}

/// Builds the clusters and routes below `scratch`, measures `plan`, prints and stores the report.
fn measure(plan: &Plan, scratch: &Path) -> Result<()> {
    let mut machine = machine::survey(scratch)?;
    eprintln!("loading {} customers …", plan.customers);
    let mut routes = Routes::start(plan, scratch)?;
    machine.server_version = routes.server_version()?;
    let samples = sample::run(plan, &mut routes, scratch)?;
    let harvests = bulk::survey(plan, &routes)?;
    let memory = if plan.memory { memory::survey(plan, &mut routes)? } else { Vec::new() };
    machine.note_load_at_end();
    let report = Report { plan, machine: &machine, samples: &samples, harvests: &harvests, memory: &memory };
    println!("{}", report.markdown());
    if let Some(path) = &plan.json {
        std::fs::write(path, serde_json::to_vec_pretty(&report.json())?)
            .with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    Ok(())
}
