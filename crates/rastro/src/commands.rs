//! The commands: arguments in, exit status and text out.

mod check;
mod config_reference;
mod demo;
mod disclosures;
mod erase;
mod exposure;
mod import;
mod init;
mod ledger_place;
mod log_arguments;
mod output;
mod reconcile;
mod seal;
mod serve;
mod simulate;
mod sql;
mod suspend;
mod trace;
mod verify;
mod victims;
mod witness;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// Keeps the trail of who was shown whose personal data, and why.
#[derive(Debug, Parser)]
#[command(name = "rastro", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Plays a harvest and its end on a scratch PostgreSQL
    Demo(demo::DemoArguments),
    /// Proposes a rastro.toml for a database
    Init(init::InitArguments),
    /// Checks a configuration and everything it names; reports all problems at once
    Check(check::CheckArguments),
    /// Runs the gateway
    Serve(serve::ServeArguments),
    /// Prints what was shown to whom
    Disclosures(disclosures::DisclosuresArguments),
    /// From victims to the account their data left through
    Trace(trace::TraceArguments),
    /// Keeps the reports of an incident, and shows what each changes
    Victims(victims::VictimsArguments),
    /// Everything a principal was shown
    Exposure(exposure::ExposureArguments),
    /// Makes a ledger of access logs from before the gateway
    Import(import::ImportArguments),
    /// Takes a subject out of the ledger for good (GDPR art. 17)
    Erase(erase::EraseArguments),
    /// Compares what the server reported of each session with what the ledger accounts for
    Reconcile(reconcile::ReconcileArguments),
    /// Checks offline that the ledger is what was recorded
    Verify(verify::VerifyArguments),
    /// Seals the spool into Parquet now; changes the ledger's key; removes old entries
    Seal(seal::SealArguments),
    /// Asks the ledger in SQL
    Sql(sql::SqlArguments),
    /// Runs a witness that cosigns the checkpoints of ledgers
    Witness(witness::WitnessArguments),
    /// Cuts a principal off, on every gateway, at once
    Suspend(suspend::SuspendArguments),
    /// Ends the suspension of a principal
    Restore(suspend::SuspendArguments),
    /// Writes the logs of a support desk with a leak in it, and the truth beside them
    Simulate(simulate::SimulateArguments),
    /// Prints the reference of rastro.toml
    #[command(hide = true)]
    ConfigReference(config_reference::ReferenceArguments),
}

/// Where the configuration is.
#[derive(Debug, Args)]
struct ConfigFile {
    /// Configuration file
    #[arg(short, long = "config", value_name = "FILE", default_value = "rastro.toml")]
    config: PathBuf,
}

/// Why a command ends with a status other than 0.
#[derive(Debug)]
enum Failure {
    /// Status 1: the check it makes failed.
    Failed(String),
    /// Status 2: wrong use or unusable input.
    Unusable(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::Unusable(error.into())
    }
}

type CommandResult = Result<(), Failure>;

/// Runs a command; returns status 0, 1 or 2. Failures are one sentence on standard error.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    let result = match arguments.command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Init(arguments) => init::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Disclosures(arguments) => disclosures::run(&arguments),
        Command::Trace(arguments) => trace::run(&arguments),
        Command::Victims(arguments) => victims::run(&arguments),
        Command::Exposure(arguments) => exposure::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Erase(arguments) => erase::run(&arguments),
        Command::Reconcile(arguments) => reconcile::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Seal(arguments) => seal::run(&arguments),
        Command::Sql(arguments) => sql::run(&arguments),
        Command::Witness(arguments) => witness::run(&arguments),
        Command::Suspend(arguments) => suspend::run_suspend(&arguments),
        Command::Restore(arguments) => suspend::run_restore(&arguments),
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::ConfigReference(arguments) => config_reference::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Unusable(error)) if output::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(Failure::Failed(what)) => {
            output::complain(&what);
            ExitCode::from(1)
        }
        Err(Failure::Unusable(error)) => {
            output::complain(&format!("{error:#}"));
            ExitCode::from(2)
        }
    }
}

/// Runs a future on this thread.
fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_are_consistent_and_every_command_has_an_example() {
        let mut command = Arguments::command();
        command.build();
        command.clone().debug_assert();
        for command in command.get_subcommands_mut() {
            let name = command.get_name().to_owned();
            let help = command.render_long_help().to_string();
            assert!(name == "help" || help.contains(&format!("rastro {name}")), "{name}: {help}");
            assert!(name == "help" || help.contains("Example"), "{name}: {help}");
        }
    }
}
