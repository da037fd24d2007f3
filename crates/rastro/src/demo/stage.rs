use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rastro_ledger::spool_bytes;
use rastro_sim::{Auth, Leashed, LoadStep, ScratchCluster, ScratchOptions, SupportDesk, free_port};
use tokio_postgres::{Client, NoTls};

use super::telling::Teller;
use super::{DemoPlan, TOTAL_MAX, UNEXPLAINED_MAX};

const READY_PATIENCE: Duration = Duration::from_secs(60);

/// Database and gateway, for as long as the story lasts.
pub(super) struct Stage {
    // Dropped in this order: the gateway before what it guards.
    _gateway: Leashed,
    pub(super) cluster: ScratchCluster,
    pub(super) desk: SupportDesk,
    /// Where the gateway listens.
    pub(super) port: u16,
    pub(super) console: u16,
    /// English-speaking customers.
    pub(super) english: u64,
    configuration: PathBuf,
    data: PathBuf,
}

/// What the ledger says.
pub(super) struct LedgerFigures {
    /// How often somebody was shown a customer: one for each customer of each entry, however many lines
    /// `rastro disclosures` has for it (one for each set of fields and certainty).
    pub(super) disclosures: usize,
    /// Rows with protected fields of which the ledger does not say whose.
    pub(super) unattributed_rows: u64,
    /// Distinct customers the insider was shown, all day.
    pub(super) subjects: usize,
    /// Their keys.
    pub(super) keys: HashSet<String>,
    /// Of those, with no reason at all.
    pub(super) unexplained: usize,
    /// What the ledger's entries take on disk.
    pub(super) bytes: u64,
}

impl Stage {
    /// Starts PostgreSQL, loads the desk, starts the gateway.
    pub(super) async fn set(plan: &DemoPlan, teller: &Teller) -> anyhow::Result<Stage> {
        let desk = SupportDesk { customers: plan.customers, agents: plan.agents, ..SupportDesk::default() };
        let cluster = ScratchCluster::start(&ScratchOptions::default().with_auth(Auth::ScramSha256))?;
        cluster.run_sql("postgres", "CREATE DATABASE support")?;
        let superuser = connect(&cluster.url("postgres", "support")).await?;
        let total = plan.customers;
        desk.load(&superuser, |step| match step {
            LoadStep::Customers(rows) => teller.progress("customers", rows, total),
            LoadStep::Tickets(rows) => teller.progress("tickets of customers", rows, total),
            LoadStep::Indexes => teller.progress("indexes of customers", total, total),
        })
        .await?;
        let own = "CREATE ROLE rastro LOGIN PASSWORD 'rastro'; GRANT SELECT ON customers, tickets TO rastro;";
        superuser.batch_execute(own).await?;
        let english =
            superuser.query_one("SELECT count(*) FROM customers WHERE language = 'en'", &[]).await?;
        let english = u64::try_from(english.get::<_, i64>(0))?;
        let directory = cluster.directory().join("rastro");
        std::fs::create_dir_all(&directory)
            .with_context(|| format!("cannot create `{}`", directory.display()))?;
        let (port, console) = (free_port()?, free_port()?);
        let configuration = directory.join("rastro.toml");
        let data = directory.join("ledger");
        std::fs::write(&configuration, configuration_text(port, console, &data, cluster.port()))?;
        let program = std::env::current_exe().context("cannot find the program itself")?;
        let log = directory.join("gateway.log");
        let arguments = ["serve".into(), "-c".into(), configuration.clone()];
        let gateway = Leashed::start(program, arguments, "TERM", &log, None)?;
        wait_until_ready(&gateway, console, &log)?;
        Ok(Stage { _gateway: gateway, cluster, desk, port, console, english, configuration, data })
    }

    /// Returns where gateway, PostgreSQL and console are, for programs that go on from here.
    pub(super) fn addresses(&self) -> serde_json::Value {
        let agent = self.colleague();
        let database = |port: u16| format!("postgres://{agent}:{agent}@127.0.0.1:{port}/support");
        serde_json::json!({
            "gateway": database(self.port),
            "postgresql": database(self.cluster.port()),
            "console": format!("http://127.0.0.1:{}/", self.console),
        })
    }

    /// Returns the agent who turns out to be the insider.
    pub(super) fn insider(&self) -> String {
        let middle = usize::try_from(self.desk.agents / 2).unwrap_or_default();
        self.desk.logins().nth(middle).unwrap_or_default()
    }

    /// Returns an agent who is not.
    pub(super) fn colleague(&self) -> String {
        self.desk.logins().next().unwrap_or_default()
    }

    /// Opens a session of an agent at `port`: the gateway's, or the server's own.
    pub(super) async fn connect(&self, port: u16, login: &str) -> anyhow::Result<Client> {
        connect(&format!("postgres://{login}:{login}@127.0.0.1:{port}/support")).await
    }

    /// Starts another command of this program on the demo's configuration.
    pub(super) fn start(&self, arguments: &[&str]) -> anyhow::Result<Child> {
        let program = std::env::current_exe().context("cannot find the program itself")?;
        let (command, rest) = arguments.split_first().context("no command")?;
        Command::new(program)
            .arg(command)
            .arg("-c")
            .arg(&self.configuration)
            .args(rest)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run `rastro {command}`"))
    }

    /// Reads the ledger as anybody would: with `rastro disclosures`.
    pub(super) fn read_ledger(&self, insider: &str) -> anyhow::Result<LedgerFigures> {
        let output = self.start(&["disclosures", "--format", "ndjson"])?.wait_with_output()?;
        ensure!(output.status.success(), "`rastro disclosures` ended with {}", output.status);
        let text = String::from_utf8(output.stdout)?;
        let (mut shown, mut unattributed_rows) = (HashSet::new(), 0);
        let (mut keys, mut explained) = (HashSet::new(), HashSet::new());
        for line in text.lines() {
            let line: serde_json::Value = serde_json::from_str(line)?;
            let field = |name: &str| line.get(name).and_then(|value| value.as_str());
            let Some(subject) = field("subject") else {
                unattributed_rows += line.get("rows").and_then(serde_json::Value::as_u64).unwrap_or_default();
                continue;
            };
            let of = |name: &str| field(name).unwrap_or_default().to_owned();
            shown.insert((of("time"), of("principal"), subject.to_owned()));
            if field("principal") == Some(insider) {
                keys.insert(subject.to_owned());
                if field("reason").is_some() {
                    explained.insert(subject.to_owned());
                }
            }
        }
        let unexplained = keys.len() - explained.len();
        Ok(LedgerFigures {
            disclosures: shown.len(),
            unattributed_rows,
            subjects: keys.len(),
            keys,
            unexplained,
            bytes: spool_bytes(&self.data.join("spool"))?,
        })
    }
}

async fn connect(url: &str) -> anyhow::Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.context("cannot connect")?;
    // An error of the connection shows at the client's next statement.
    tokio::spawn(async move { drop(connection.await) });
    Ok(client)
}

pub(super) fn configuration_text(port: u16, console: u16, data: &Path, postgresql: u16) -> String {
    format!(
        r#"listen   = "127.0.0.1:{port}"
console  = "127.0.0.1:{console}"
data_dir = "{}"

[database]
url = "postgres://rastro:rastro@127.0.0.1:{postgresql}/support"

[[subject]]
name    = "customer"
table   = "public.customers"
key     = "id"
fields  = {{ name = "name", email = "email", phone = "phone" }}
cohorts = ["language", "country"]
  [[subject.related]]
  table  = "public.tickets"
  key    = "customer_id"
  fields = {{ ticket = "ticket_number" }}

[reason]
query = "SELECT customer_id::text AS subject, ticket_number AS reason FROM tickets WHERE assignee = $1 AND customer_id::text = ANY($2) AND status <> 'closed'"

[[budget]]
principals  = ["*"]
window      = "24h"
unexplained = {UNEXPLAINED_MAX}
total       = {TOTAL_MAX}

[ledger]
durability = "strict"
"#,
        data.display()
    )
}

/// Waits until `/readyz` answers 200.
pub(super) fn wait_until_ready(gateway: &Leashed, console: u16, log: &Path) -> anyhow::Result<()> {
    let address = SocketAddr::from(([127, 0, 0, 1], console));
    let deadline = Instant::now() + READY_PATIENCE;
    loop {
        let mut answer = String::new();
        if let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) {
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            let request = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            // A gateway that is still starting may hang up; the next attempt asks again.
            let _ = stream.write_all(request).and_then(|()| stream.read_to_string(&mut answer));
        }
        if answer.starts_with("HTTP/1.1 200") {
            return Ok(());
        }
        if !gateway.is_running() || Instant::now() > deadline {
            bail!("the gateway did not start: {}", std::fs::read_to_string(log).unwrap_or_default().trim());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
