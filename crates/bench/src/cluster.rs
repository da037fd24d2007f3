//! Scratch PostgreSQL servers with PostgreSQL's own defaults: those of `rastro-sim` trade durability for
//! speed, which would not be fair to measure against.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use rastro_sim::free_port;
use rustix::process::Signal;

use crate::process::{self, Background};
use crate::session::Session;

/// The server's superuser.
pub(crate) const OWNER: &str = "postgres";

/// Settings beside PostgreSQL's defaults. The connections are for 500 idle sessions of one route
/// while those of the route before are still closing.
const SETTINGS: [(&str, &str); 4] = [
    ("shared_buffers", "1GB"),
    ("max_connections", "1200"),
    ("listen_addresses", "127.0.0.1"),
    ("unix_socket_directories", ""),
];

/// A running server.
pub(crate) struct Cluster {
    directory: PathBuf,
    server: Background,
    port: u16,
}

impl Cluster {
    /// Makes a new cluster in `directory` and starts it.
    pub(crate) fn create(programs: &Path, directory: &Path) -> Result<Self> {
        process::create_server_directory(directory)?;
        process::run(
            process::command(&programs.join("initdb"), "KILL", true).arg("--pgdata").arg(directory).args([
                "--username",
                OWNER,
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
            ]),
        )?;
        Self::start(programs, directory, &[])
    }

    /// Starts the cluster of `directory` with `extra` settings.
    pub(crate) fn start(programs: &Path, directory: &Path, extra: &[(&str, &str)]) -> Result<Self> {
        let port = free_port()?;
        let mut command = process::command(&programs.join("postgres"), "INT", true);
        command.arg("-D").arg(directory).args(["-p", &port.to_string()]);
        for (name, value) in SETTINGS.iter().chain(extra) {
            command.args(["-c", &format!("{name}={value}")]);
        }
        // SIGINT: fast shutdown.
        let mut server = Background::start(command, &directory.with_extension("log"), Signal::INT)?;
        server
            .wait_until(Duration::from_secs(60), || Session::open(port, OWNER, "postgres").is_ok())
            .with_context(|| format!("PostgreSQL in `{}` did not start", directory.display()))?;
        Ok(Self { directory: directory.to_owned(), server, port })
    }

    /// Copies the stopped cluster to `copy`. Consumes it: a running one cannot be copied.
    pub(crate) fn stop_and_copy(self, copy: &Path) -> Result<()> {
        let Self { directory, server, .. } = self;
        drop(server);
        process::run(Command::new("cp").args(["-a", "--"]).args([&directory, copy])).map(drop)
    }

    /// Returns the port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the directory the log collector writes to.
    pub(crate) fn log_directory(&self) -> PathBuf {
        self.directory.join("log")
    }
}
