use clap::Args;

use super::{CommandResult, Failure, block_on};
use crate::demo::{DemoPlan, tell};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  rastro demo --customers 120000 --agents 40\n\n\
    Needs the programs of PostgreSQL 15 or newer on this machine; touches nothing that is already there, and\n\
    leaves nothing behind. The last line of standard output is a JSON object with the figures measured.")]
pub(super) struct DemoArguments {
    /// Customers in the support database
    #[arg(long, default_value_t = 120_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    customers: u64,
    /// Support agents
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(2..=400))]
    agents: u32,
    /// Leave database and gateway running until Ctrl-C, and print their addresses
    #[arg(long)]
    keep_running: bool,
    /// Print the JSON line alone
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &DemoArguments) -> CommandResult {
    let plan = DemoPlan {
        customers: arguments.customers,
        agents: arguments.agents,
        keep_running: arguments.keep_running,
        quiet: arguments.json,
    };
    let broken = block_on(async { tell(&plan).await.map_err(Failure::Unusable) })?;
    match broken {
        None => Ok(()),
        Some(what) => Err(Failure::Failed(what)),
    }
}
