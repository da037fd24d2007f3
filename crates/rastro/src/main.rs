//! Rastro, the binary: keeps the trail of who was shown whose personal data, and why.

mod commands;
mod config;
mod demo;
mod freshness;
mod gateway;
mod guarded;
mod import;
mod incident;
mod publication;
mod store;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    commands::run(commands::Arguments::parse())
}
