//! The guarded server, as Rastro itself connects to it.

use std::path::Path;

use anyhow::Context;
use rastro_attribution::RelationName;
use rastro_wire::{ServerAddress, ServerTarget, TlsMode, client_side_config};
use tokio_postgres::config::{Host, SslMode};

use crate::config::Config;

/// How Rastro itself connects to the guarded server.
#[derive(Clone)]
pub(crate) struct OwnConnection {
    config: tokio_postgres::Config,
    tls: rastro_wire::ServerTls,
}

impl OwnConnection {
    /// Resolves the `[database]` table.
    ///
    /// # Errors
    /// An unusable url, a file that cannot be read, `verify-full` without usable authorities.
    pub(crate) fn resolve(config: &Config) -> anyhow::Result<OwnConnection> {
        let mode = TlsMode::from(config.database.tls);
        let ca = match (&config.database.tls_ca, mode) {
            (Some(path), _) => Some(read(path)?),
            (None, TlsMode::VerifyFull) => Some(machine_authorities()?),
            (None, _) => None,
        };
        let tls = client_side_config(mode, ca.as_deref())?;
        let mut config = config.database_config()?;
        config.ssl_mode(match mode {
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            TlsMode::Require | TlsMode::VerifyFull => SslMode::Require,
        });
        config.connect_timeout(std::time::Duration::from_secs(10));
        Ok(OwnConnection { config, tls })
    }

    /// Returns the configured database, by PostgreSQL's defaults.
    pub(crate) fn database(&self) -> &str {
        self.config.get_dbname().or_else(|| self.config.get_user()).unwrap_or("postgres")
    }

    /// Connects to a database, the configured one by default. The connection's other half runs as a task.
    ///
    /// # Errors
    /// No connection, or the login is refused.
    pub(crate) async fn connect(&self, database: Option<&str>) -> anyhow::Result<tokio_postgres::Client> {
        let mut config = self.config.clone();
        if let Some(database) = database {
            config.dbname(database);
        }
        let client = match &self.tls.config {
            Some(tls) => {
                let tls = tokio_postgres_rustls::MakeRustlsConnect::new((**tls).clone());
                let (client, connection) = config.connect(tls).await.map_err(told)?;
                tokio::spawn(connection);
                client
            }
            None => {
                let (client, connection) = config.connect(tokio_postgres::NoTls).await.map_err(told)?;
                tokio::spawn(connection);
                client
            }
        };
        Ok(client)
    }

    /// Returns where clients' sessions are relayed to.
    ///
    /// # Errors
    /// The url names no host.
    pub(crate) fn target(&self) -> anyhow::Result<ServerTarget> {
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        let address = match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => ServerAddress::Tcp(host.clone(), port),
            Some(Host::Unix(dir)) => ServerAddress::Unix(dir.join(format!(".s.PGSQL.{port}"))),
            None => anyhow::bail!("`database.url` names no host"),
        };
        Ok(ServerTarget { address, tls: self.tls.clone() })
    }
}

// The machine's authorities as PEM, from where Debian and others keep them.
fn machine_authorities() -> anyhow::Result<Vec<u8>> {
    const PLACES: [&str; 3] =
        ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
    PLACES
        .iter()
        .find_map(|place| std::fs::read(place).ok())
        .context("`verify-full` needs `database.tls_ca`: this machine has no list of authorities")
}

/// Reads a whole file; the error names it.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))
}

/// Returns what the server said, if it said something, without detail or hint: they may hold values.
pub(crate) fn told(error: tokio_postgres::Error) -> anyhow::Error {
    match error.as_db_error() {
        Some(said) => anyhow::anyhow!("{} ({})", said.message(), said.code().code()),
        None => anyhow::Error::from(error),
    }
}

/// Returns a name as it stands in SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Returns the name of a relation as it stands in SQL.
pub(crate) fn quoted_relation(relation: &RelationName) -> String {
    format!("{}.{}", quoted(&relation.schema), quoted(&relation.name))
}
