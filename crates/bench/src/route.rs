//! The ways from client to PostgreSQL, started and ready.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rastro_sim::{find_postgres, free_port};
use rustix::process::Signal;

use crate::catalogue::{AGENT, DATABASE, GATEWAY};
use crate::cluster::Cluster;
use crate::options::{Plan, RouteKind};
use crate::process::{self, Background};
use crate::session::Session;
use crate::support_desk;

/// A proxy that is not ready by then will not be.
const PATIENCE: Duration = Duration::from_secs(30);

/// pgaudit's settings; all else as it comes.
const AUDIT_SETTINGS: [(&str, &str); 4] = [
    ("shared_preload_libraries", "pgaudit"),
    ("pgaudit.log", "read"),
    ("logging_collector", "on"),
    ("log_rotation_size", "0"),
];

/// One way to PostgreSQL.
pub(crate) struct Route {
    kind: RouteKind,
    port: u16,
    proxy: Option<Background>,
    record: Option<PathBuf>,
}

impl Route {
    /// Returns which way it is.
    pub(crate) fn kind(&self) -> RouteKind {
        self.kind
    }

    /// Returns the port clients connect to.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the proxy's process, if there is one.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.proxy.as_ref().map(Background::pid)
    }

    /// Returns the directory of what this route records about disclosures.
    pub(crate) fn record(&self) -> Option<&Path> {
        self.record.as_deref()
    }
}

/// All routes, on two servers: a plain one, and a copy of it with pgaudit.
pub(crate) struct Routes {
    // Dropped in this order: proxies before servers.
    routes: Vec<Route>,
    skipped: Vec<String>,
    plain: Cluster,
    audited: Option<Cluster>,
    scratch: PathBuf,
}

impl Routes {
    /// Starts servers and proxies below `scratch`; a Rastro that does not start is skipped.
    pub(crate) fn start(plan: &Plan, scratch: &Path) -> Result<Self> {
        let programs = find_postgres().context("no PostgreSQL 15 or newer is installed")?;
        let plain_directory = scratch.join("server");
        let audited_directory = scratch.join("audited");
        let plain = Cluster::create(&programs, &plain_directory)?;
        support_desk::load(plain.port(), plan.customers).context("cannot load the support database")?;
        plain.stop_and_copy(&audited_directory)?;
        let plain = Cluster::start(&programs, &plain_directory, &[])?;
        support_desk::warm(plain.port())?;
        let audited = if plan.routes.contains(&RouteKind::Pgaudit) {
            let audited = Cluster::start(&programs, &audited_directory, &AUDIT_SETTINGS)?;
            support_desk::warm(audited.port())?;
            Some(audited)
        } else {
            None
        };
        let mut all =
            Self { routes: Vec::new(), skipped: Vec::new(), plain, audited, scratch: scratch.to_owned() };
        for &kind in &plan.routes {
            match all.open(plan, kind) {
                Ok(route) => all.routes.push(route),
                Err(error) if kind.is_rastro() => {
                    let line = format!("{} skipped: {error:#}", kind.name());
                    eprintln!("{line}");
                    all.skipped.push(line);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    /// Returns the routes in use.
    pub(crate) fn kinds(&self) -> Vec<RouteKind> {
        self.routes.iter().map(Route::kind).collect()
    }

    /// Returns one route.
    pub(crate) fn get(&self, kind: RouteKind) -> Result<&Route> {
        self.routes
            .iter()
            .find(|route| route.kind == kind)
            .with_context(|| format!("route `{}` is not in use", kind.name()))
    }

    /// Returns why routes were skipped.
    pub(crate) fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// Stops one proxy and starts it anew, on another port.
    pub(crate) fn restart(&mut self, plan: &Plan, kind: RouteKind) -> Result<()> {
        self.close(kind);
        let route = self.open(plan, kind)?;
        self.routes.push(route);
        Ok(())
    }

    /// Stops one route.
    pub(crate) fn close(&mut self, kind: RouteKind) {
        self.routes.retain(|route| route.kind != kind);
    }

    /// Returns PostgreSQL's version.
    pub(crate) fn server_version(&self) -> Result<String> {
        Session::open(self.plain.port(), AGENT, DATABASE)?.value("SHOW server_version")
    }

    fn open(&self, plan: &Plan, kind: RouteKind) -> Result<Route> {
        let server = self.plain.port();
        match kind {
            RouteKind::Direct => Ok(Route { kind, port: server, proxy: None, record: None }),
            RouteKind::Pgaudit => {
                let audited = self.audited.as_ref().context("the server with pgaudit is not running")?;
                Ok(Route { kind, port: audited.port(), proxy: None, record: Some(audited.log_directory()) })
            }
            RouteKind::Pgbouncer => self.open_pgbouncer(server).context("cannot start PgBouncer"),
            RouteKind::Group | RouteKind::Strict | RouteKind::Origin => self.open_rastro(plan, kind, server),
        }
    }

    fn open_pgbouncer(&self, server: u16) -> Result<Route> {
        let port = free_port()?;
        let directory = self.scratch.join("pgbouncer");
        std::fs::create_dir_all(&directory)?;
        let accounts = directory.join("accounts.txt");
        std::fs::write(&accounts, format!("\"{AGENT}\" \"\"\n"))?;
        let configuration = directory.join("pgbouncer.ini");
        std::fs::write(
            &configuration,
            format!(
                "[databases]\n{DATABASE} = host=127.0.0.1 port={server} dbname={DATABASE}\n\
                 [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
                 auth_type = trust\nauth_file = {}\npool_mode = session\nserver_tls_sslmode = disable\n\
                 default_pool_size = 600\nmax_client_conn = 700\n",
                accounts.display()
            ),
        )?;
        let mut command = process::command(Path::new("pgbouncer"), "TERM", true);
        command.arg(&configuration);
        let mut proxy = Background::start(command, &directory.join("log"), Signal::TERM)?;
        proxy.wait_until(PATIENCE, || Session::open(port, AGENT, DATABASE).is_ok())?;
        Ok(Route { kind: RouteKind::Pgbouncer, port, proxy: Some(proxy), record: None })
    }

    fn open_rastro(&self, plan: &Plan, kind: RouteKind, server: u16) -> Result<Route> {
        if !plan.rastro.exists() {
            anyhow::bail!("`{}` does not exist", plan.rastro.display());
        }
        let (name, durability, values) = match kind {
            RouteKind::Strict => ("strict", "strict", true),
            RouteKind::Origin => ("origin", "group", false),
            _ => ("group", "group", true),
        };
        let directory = self.scratch.join(name);
        std::fs::create_dir_all(&directory)?;
        let (port, console) = (free_port()?, free_port()?);
        let ledger = directory.join("data");
        let configuration = directory.join("rastro.toml");
        let reason = if plan.reasons { REASON } else { "" };
        std::fs::write(
            &configuration,
            format!(
                "listen = \"127.0.0.1:{port}\"\nconsole = \"127.0.0.1:{console}\"\ndata_dir = \"{}\"\n\
                 mode = \"enforce\"\n[database]\nurl = \"postgres://{GATEWAY}@127.0.0.1:{server}/{DATABASE}\"\n\
                 {SUBJECT}{reason}{BUDGET}[ledger]\ndurability = \"{durability}\"\n[values]\nenabled = {values}\n",
                ledger.display()
            ),
        )?;
        let mut command = process::command(&plan.rastro, "TERM", false);
        command.arg("serve").arg("-c").arg(&configuration);
        let mut proxy = Background::start(command, &directory.join("log"), Signal::TERM)?;
        proxy.wait_until(PATIENCE, || is_ready(console))?;
        Session::open(port, AGENT, DATABASE)?.value("SELECT 1")?;
        Ok(Route { kind, port, proxy: Some(proxy), record: Some(ledger) })
    }
}

const SUBJECT: &str = r#"[[subject]]
name = "customer"
table = "public.customers"
key = "id"
fields = { name = "name", email = "email", phone = "phone" }
cohorts = ["language", "country"]
[[subject.related]]
table = "public.tickets"
key = "customer_id"
fields = { ticket = "ticket_number" }
"#;

/// So large that nothing is ever cut, yet every subject is counted.
const BUDGET: &str = r#"[[budget]]
principals = ["*"]
window = "24h"
unexplained = 1000000000
total = 1000000000
"#;

const REASON: &str = r#"[reason]
query = "SELECT customer_id::text AS subject, ticket_number AS reason FROM tickets WHERE assignee = $1 AND customer_id::text = ANY($2) AND status <> 'closed'"
grace = "72h"
"#;

/// Asks the console's port whether Rastro is ready.
fn is_ready(console: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(("127.0.0.1", console))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.take(4096).read_to_string(&mut answer)?;
        Ok(answer.split(' ').nth(1) == Some("200"))
    };
    ask().unwrap_or(false)
}
