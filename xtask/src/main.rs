//! Checks of the workspace that neither rustc nor clippy make: `cargo run -p xtask -- tidy`.

mod tidy;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let command = std::env::args().nth(1);
    if command.as_deref() != Some("tidy") {
        eprintln!("usage: cargo run -p xtask -- tidy");
        return ExitCode::from(2);
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let report = match tidy::check_workspace(here.parent().unwrap_or(here)) {
        Ok(report) => report,
        Err(error) => {
            eprintln!("tidy: {error:#}");
            return ExitCode::from(2);
        }
    };
    for warning in &report.warnings {
        eprintln!("warning: {warning}");
    }
    for fault in &report.faults {
        eprintln!("error: {fault}");
    }
    println!(
        "tidy: {} files, {} warnings, {} faults",
        report.files,
        report.warnings.len(),
        report.faults.len()
    );
    if report.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
