use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use rastro_sim::{Leashed, ScratchCluster, free_port};

use super::desk::DATABASE;

const START_PATIENCE: Duration = Duration::from_secs(30);

/// The guarded tables of the desk.
const DESK_SUBJECTS: &str = r#"
[[subject]]
name    = "customer"
table   = "public.customers"
key     = "id"
fields  = { name = "name", email = "email", phone = "phone" }
cohorts = ["language", "country"]
  [[subject.related]]
  table  = "public.tickets"
  key    = "customer_id"
  fields = { ticket = "ticket_number" }
"#;

/// What one gateway should be like.
pub struct GatewayOptions {
    pub durability: &'static str,
    /// `[[subject]]`, `[[budget]]`, `[reason]` and what else the test needs.
    pub tables: String,
    /// The database that Rastro itself connects to.
    pub database: String,
    /// The role it does that as; its password is its name.
    pub login: &'static str,
    /// Further lines of `[database]`.
    pub database_lines: String,
}

impl GatewayOptions {
    /// Returns the default with more tables, such as `[tls]`.
    pub fn with_tables(tables: &str) -> GatewayOptions {
        let defaults = GatewayOptions::default();
        GatewayOptions { tables: defaults.tables + tables, ..defaults }
    }
}

impl Default for GatewayOptions {
    fn default() -> GatewayOptions {
        let tables = DESK_SUBJECTS.to_owned();
        let database_lines = String::new();
        let (database, login) = (DATABASE.to_owned(), "rastro");
        GatewayOptions { durability: "strict", tables, database, login, database_lines }
    }
}

/// A running `rastro serve` with its own data directory; ends when dropped.
pub struct Gateway {
    pub port: u16,
    console: u16,
    process: Option<Leashed>,
    directory: tempfile::TempDir,
}

impl Gateway {
    /// Starts a gateway in front of `cluster` and waits until `/readyz` answers 200.
    pub fn start(cluster: &ScratchCluster, options: &GatewayOptions) -> Gateway {
        let mut gateway = Gateway::prepare(cluster, options);
        gateway.restart();
        gateway
    }

    /// Writes the configuration of a gateway in front of `cluster`, and starts nothing.
    pub fn prepare(cluster: &ScratchCluster, options: &GatewayOptions) -> Gateway {
        let directory = tempfile::Builder::new().prefix("rastro-gateway-").tempdir().unwrap();
        let (port, console) = (free_port().unwrap(), free_port().unwrap());
        let login = options.login;
        let configuration = format!(
            "listen = \"127.0.0.1:{port}\"\nconsole = \"127.0.0.1:{console}\"\ndata_dir = {:?}\n\n\
             [database]\nurl = \"postgres://{login}:{login}@127.0.0.1:{}/{}\"\n{}\n\
             [ledger]\ndurability = \"{}\"\n{}",
            directory.path().join("ledger"),
            cluster.port(),
            options.database,
            options.database_lines,
            options.durability,
            options.tables,
        );
        std::fs::write(directory.path().join("rastro.toml"), configuration).unwrap();
        Gateway { port, console, process: None, directory }
    }

    /// Starts the program again after [`Gateway::kill`], on the same data directory.
    pub fn restart(&mut self) {
        let log = self.directory.path().join("gateway.log");
        let arguments = ["serve".into(), "-c".into(), self.configuration()];
        let process = Leashed::start(program(), arguments, "TERM", &log, None).unwrap();
        let deadline = Instant::now() + START_PATIENCE;
        while !self.is_ready() {
            let alive = process.is_running();
            assert!(alive && Instant::now() < deadline, "`rastro serve` did not start: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        self.process = Some(process);
    }

    /// Ends the program at once, as a crash would (SIGKILL).
    pub fn kill(&mut self) {
        self.process.take().unwrap().stop("KILL").unwrap();
    }

    /// Ends the program as an operator would (SIGTERM); it drains and exits.
    pub fn stop(&mut self) {
        self.process.take().unwrap().stop("TERM").unwrap();
    }

    pub fn is_running(&self) -> bool {
        self.process.as_ref().is_some_and(Leashed::is_running)
    }

    pub fn configuration(&self) -> PathBuf {
        self.directory.path().join("rastro.toml")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("gateway.log")).unwrap_or_default()
    }

    /// Returns what `GET path` on the console answers: status line, headers and body.
    fn get(&self, path: &str) -> Option<String> {
        let address = SocketAddr::from(([127, 0, 0, 1], self.console));
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let mut answer = String::new();
        stream.write_all(request.as_bytes()).ok()?;
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    fn is_ready(&self) -> bool {
        self.get("/readyz").is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    /// Returns a metric without labels; `None` if it was never counted.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let page = self.get("/metrics").unwrap();
        page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    /// Returns another command of `rastro` with this gateway's configuration.
    pub fn command(&self, command: &str, arguments: &[&str]) -> Command {
        let mut process = Command::new(program());
        process.arg(command).arg("-c").arg(self.configuration()).args(arguments);
        process
    }

    /// Runs another command of `rastro` with this gateway's configuration.
    pub fn run(&self, command: &str, arguments: &[&str]) -> Output {
        self.command(command, arguments).output().unwrap()
    }

    /// Returns the lines of `rastro disclosures` with `filters`, parsed.
    pub fn disclosures(&self, filters: &[&str]) -> Vec<serde_json::Value> {
        let output = self.run("disclosures", &[&["--format", "ndjson"], filters].concat());
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`rastro disclosures` failed: {complaint}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Returns a figure of `/proc/PID/status` in KiB: `VmRSS` now, `VmHWM` at most so far.
    pub fn memory_kib(&self, figure: &str) -> u64 {
        let pid = self.process.as_ref().unwrap().pid();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with(figure)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

/// The program under test: the one just built, or another build of it named by `RASTRO_BIN`.
pub fn program() -> OsString {
    std::env::var_os("RASTRO_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_rastro").into())
}
