mod binaries;
mod configuration;

use std::io::{self, Write};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::leash::Leashed;
pub use binaries::find_postgres;
pub use configuration::{Auth, ScratchOptions, TlsFiles};

/// How long a new server may take before it accepts connections. A cold, shared machine needs seconds.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// Why a scratch PostgreSQL did not come up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScratchError {
    /// No binaries of version 15 or newer.
    #[error(
        "no PostgreSQL 15 or newer in PATH or /usr/lib/postgresql; on Debian: apt-get install postgresql"
    )]
    NotInstalled,
    /// A program could not be run at all.
    #[error("cannot run `{program}`")]
    Run {
        /// Its path.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// A program ran and failed.
    #[error("`{program}` failed: {output}")]
    Failed {
        /// Its path.
        program: String,
        /// What it said.
        output: String,
    },
    /// The directory could not be made ready.
    #[error("cannot prepare `{path}`")]
    Prepare {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The server ended or hung before it was ready.
    #[error("PostgreSQL did not become ready on port {port}: {log}")]
    NotReady {
        /// Where it was to listen.
        port: u16,
        /// The end of its log.
        log: String,
    },
}

/// A PostgreSQL server that exists as long as this value (or this process): own directory, own port on
/// 127.0.0.1, own socket, superuser `postgres`.
#[derive(Debug)]
pub struct ScratchCluster {
    _server: Leashed,
    binaries: PathBuf,
    directory: PathBuf,
    port: u16,
}

impl ScratchCluster {
    /// Creates and starts a server; returns once it accepts connections (about 1.5 s).
    ///
    /// # Errors
    /// See [`ScratchError`]; nothing is left behind.
    pub fn start(options: &ScratchOptions) -> Result<ScratchCluster, ScratchError> {
        let binaries = find_postgres().ok_or(ScratchError::NotInstalled)?;
        let owner = binaries::owner()?;
        // Another process may take the port between its choice and its use.
        let mut attempts_left = 3;
        loop {
            match Self::start_once(options, &binaries, owner.as_ref()) {
                Err(ScratchError::NotReady { .. }) if attempts_left > 1 => attempts_left -= 1,
                outcome => return outcome,
            }
        }
    }

    fn start_once(
        options: &ScratchOptions,
        binaries: &Path,
        owner: Option<&binaries::Owner>,
    ) -> Result<ScratchCluster, ScratchError> {
        let temporary = tempfile::Builder::new().prefix("rastro-pg-").tempdir();
        let temporary =
            temporary.map_err(|source| ScratchError::Prepare { path: std::env::temp_dir(), source })?;
        let directory = temporary.path().to_path_buf();
        let prepare = |path: &Path| {
            let path = path.to_path_buf();
            move |source| ScratchError::Prepare { path, source }
        };
        std::fs::set_permissions(&directory, PermissionsExt::from_mode(0o755))
            .map_err(prepare(&directory))?;
        let give = |path: &Path| match owner {
            Some(owner) => chown(path, Some(owner.uid), Some(owner.gid)).map_err(prepare(path)),
            None => Ok(()),
        };
        give(&directory)?;
        let pgdata = directory.join("data");
        let password = directory.join("password");
        std::fs::write(&password, "postgres\n").map_err(prepare(&password))?;
        let initdb = binaries.join("initdb");
        let mut command = binaries::as_owner(owner, &initdb);
        command.arg("-D").arg(&pgdata).args([
            "-U",
            "postgres",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]);
        command.args(["-A", options.auth.method()]).arg(format!("--pwfile={}", password.display()));
        run(&mut command, &initdb)?;
        let port = free_port().map_err(prepare(&directory))?;
        for (name, text) in options.files(&directory, port)? {
            let path = pgdata.join(name);
            std::fs::write(&path, text).map_err(prepare(&path))?;
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).map_err(prepare(&path))?;
            give(&path)?;
        }
        let log = directory.join("server.log");
        let mut arguments = binaries::prefix(owner);
        arguments.extend([binaries.join("postgres").into(), "-D".into(), pgdata.clone().into()]);
        let program = arguments.remove(0);
        let server =
            Leashed::start(program, arguments, "QUIT", &log, Some(&directory)).map_err(prepare(&log))?;
        // From here on the keeper removes the directory.
        let _ = temporary.keep();
        let deadline = Instant::now() + START_PATIENCE;
        while !is_ready(&pgdata) {
            if !server.is_running() || Instant::now() > deadline {
                let text = std::fs::read_to_string(&log).unwrap_or_default();
                return Err(ScratchError::NotReady { port, log: text });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(ScratchCluster { _server: server, binaries: binaries.to_path_buf(), directory, port })
    }

    /// Returns the TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the directory of the unix socket, which removes itself with the server; files for the run
    /// may be put there.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns the path of one of PostgreSQL's programs of the same version (`psql`, `pg_dump`, …).
    pub fn program(&self, name: &str) -> PathBuf {
        self.binaries.join(name)
    }

    /// Returns the address of `database` for `login` over TCP.
    pub fn url(&self, login: &str, database: &str) -> String {
        format!("postgres://{login}:{login}@127.0.0.1:{}/{database}", self.port)
    }

    /// Returns what the server has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("server.log")).unwrap_or_default()
    }

    /// Runs a script as superuser in `database` through psql and returns its output, unaligned, tuples only.
    ///
    /// # Errors
    /// `Failed` with psql's message at the first error of the script.
    pub fn run_sql(&self, database: &str, script: &str) -> Result<String, ScratchError> {
        let program = self.program("psql");
        let fail = |source| ScratchError::Run { program: program.display().to_string(), source };
        let mut child = Command::new(&program)
            .args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-d", &self.url("postgres", database)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(fail)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A script that fails early closes the pipe; psql's own message is the one that counts.
            let _ = stdin.write_all(script.as_bytes());
        }
        let output = child.wait_with_output().map_err(fail)?;
        if !output.status.success() {
            let output = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(ScratchError::Failed { program: program.display().to_string(), output });
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }
}

/// Returns a TCP port of 127.0.0.1 that is free now.
///
/// # Errors
/// No port is left.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// The server writes its state into the eighth line of its lock file; asking there costs it no connection.
fn is_ready(pgdata: &Path) -> bool {
    let text = std::fs::read_to_string(pgdata.join("postmaster.pid")).unwrap_or_default();
    text.lines().nth(7).is_some_and(|state| state.trim() == "ready")
}

fn run(command: &mut Command, program: &Path) -> Result<(), ScratchError> {
    let program = program.display().to_string();
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|source| ScratchError::Run { program: program.clone(), source })?;
    if output.status.success() {
        return Ok(());
    }
    Err(ScratchError::Failed { program, output: String::from_utf8_lossy(&output.stderr).trim().to_owned() })
}
