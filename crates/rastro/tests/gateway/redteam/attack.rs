//! Runs one technique as its own login.

use std::io::Write;
use std::process::{Command, Stdio};

use tokio_postgres::NoTls;

use super::technique::{Protocol, Technique};
use crate::support::transcript::aim;

/// Returns what the client saw. A technique that does not do what it is meant to is a defect of the test.
pub fn run((port, database): (u16, &str), psql: &std::path::Path, technique: &Technique) -> String {
    let (seen, errors) = match technique.protocol {
        Protocol::Simple => run_in_psql((port, database), psql, technique),
        Protocol::Extended => run_extended((port, database), technique),
    };
    let name = &technique.name;
    assert_eq!(!errors.is_empty(), technique.fails, "technique `{name}` ended with {errors:?}");
    assert!(!seen.is_empty() || technique.fails, "technique `{name}` showed nothing at all");
    seen
}

/// Returns what was printed, and the errors among it.
fn run_in_psql(
    (port, database): (u16, &str),
    psql: &std::path::Path,
    technique: &Technique,
) -> (String, Vec<String>) {
    let mut command = Command::new(psql);
    aim(&mut command, port, &technique.login());
    let mut child = command
        .args(["-X", "-v", "VERBOSITY=default"])
        .env("PGDATABASE", database)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(technique.script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "psql of `{}` ended with {}", technique.name, output.status);
    let complaint = String::from_utf8_lossy(&output.stderr);
    let errors = complaint.lines().filter(|line| line.contains("ERROR:")).map(str::to_owned).collect();
    (String::from_utf8_lossy(&output.stdout).into_owned() + &complaint, errors)
}

fn run_extended((port, database): (u16, &str), technique: &Technique) -> (String, Vec<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = format!("postgres://{}@127.0.0.1:{port}/{database}", technique.login());
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        let (mut rows, mut errors) = (0, Vec::new());
        for statement in technique.statements() {
            match client.query(&statement, &[]).await {
                Ok(found) => rows += found.len(),
                Err(error) => errors.push(error.to_string()),
            }
        }
        (if rows > 0 { format!("{rows} rows") } else { String::new() }, errors)
    })
}
