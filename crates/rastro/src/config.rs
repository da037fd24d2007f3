//! `rastro.toml`: documented structs, read and checked as a whole.
//!
//! `docs/config.md` and `docs/config.schema.json` are generated from the doc comments here by
//! `rastro config-reference`; a test fails when they differ.

mod convert;
mod defaults;
mod load;
mod reference;
mod scalars;
#[cfg(test)]
mod tests;
mod validate;
mod witness;

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use convert::ValueSource;
pub(crate) use load::Problem;
pub(crate) use reference::{markdown_reference, schema_json};
pub(crate) use scalars::{ByteCount, IdentitySource, Period, Secret};
pub(crate) use witness::WitnessAddress;

/// The configuration of one gateway. Every key is optional unless it says otherwise; unknown keys are
/// refused.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Where PostgreSQL clients connect: host and port.
    #[serde(default = "defaults::listen")]
    pub(crate) listen: String,
    /// Where the web console, the HTTP API, `/healthz`, `/readyz` and `/metrics` are served.
    #[serde(default = "defaults::console")]
    pub(crate) console: String,
    /// The directory of the ledger and of `suspended.json`; created if missing.
    #[serde(default = "defaults::data_dir")]
    pub(crate) data_dir: PathBuf,
    /// Whether limits cut or only report.
    #[serde(default)]
    pub(crate) mode: Mode,
    /// What becomes of rows that show personal data of nobody knows whom.
    #[serde(default)]
    pub(crate) on_unattributed: Policy,
    /// What becomes of rows that possibly show a subject.
    #[serde(default)]
    pub(crate) on_possible: Policy,
    /// The guarded server. Required.
    pub(crate) database: Database,
    /// TLS for clients; without it, connections are not encrypted.
    pub(crate) tls: Option<Tls>,
    /// Whose data is protected, and where it is.
    #[serde(default)]
    pub(crate) subject: Vec<Subject>,
    /// Why a principal may see subjects.
    pub(crate) reason: Option<Reason>,
    /// Limits on distinct subjects per principal; the first that matches applies.
    #[serde(default)]
    pub(crate) budget: Vec<Budget>,
    /// Names for sets of principals.
    #[serde(default)]
    pub(crate) group: Vec<Group>,
    /// The person behind a shared login.
    #[serde(default)]
    pub(crate) identity: Identity,
    /// How disclosures are recorded.
    #[serde(default)]
    pub(crate) ledger: Ledger,
    /// The index of protected values.
    #[serde(default)]
    pub(crate) values: Values,
    /// Bounds of the gateway.
    #[serde(default)]
    pub(crate) gateway: Gateway,
}

/// What becomes of rows of one certainty.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Policy {
    /// Recorded, and shown.
    #[default]
    Record,
    /// Not shown: the result is cut off before the row. In `observe` mode they are shown.
    Refuse,
}

/// Whether limits cut or only report.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Rows past a budget do not leave; a suspended principal receives nothing.
    #[default]
    Enforce,
    /// Record and report, never cut or refuse.
    Observe,
}

/// The guarded server.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Database {
    /// `postgres://…`, `postgresql://…` or `key=value` pairs; `${NAME}` stands for an environment variable.
    /// Its role reads the catalogue and runs the reason query. Required, or `url_file`.
    #[serde(default)]
    pub(crate) url: Secret,
    /// A file that holds the url.
    pub(crate) url_file: Option<PathBuf>,
    /// A file that holds the password of the url's role.
    pub(crate) password_file: Option<PathBuf>,
    /// Encryption of connections to the server, in libpq's words.
    #[serde(default)]
    pub(crate) tls: DatabaseTls,
    /// PEM file of the authorities that `verify-full` trusts; the machine's own if missing.
    pub(crate) tls_ca: Option<PathBuf>,
}

/// Encryption of connections to the guarded server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DatabaseTls {
    /// Never.
    Disable,
    /// If the server offers it; the certificate is not verified.
    #[default]
    Prefer,
    /// Always; the certificate is not verified.
    Require,
    /// Always; certificate and host name are verified.
    VerifyFull,
}

/// TLS for clients.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    /// PEM file of the certificate and its chain. Required.
    pub(crate) cert: PathBuf,
    /// PEM file of the private key. Required.
    pub(crate) key: PathBuf,
    /// PEM file of authorities; when given, clients must show a certificate signed by one of them.
    pub(crate) client_ca: Option<PathBuf>,
    /// Whether clients without TLS are refused.
    #[serde(default)]
    pub(crate) require: bool,
}

/// One kind of person whose data is protected.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Subject {
    /// The word for such a person, such as `customer`. Required.
    pub(crate) name: String,
    /// The table with one row per subject, as `schema.table`. Required.
    pub(crate) table: String,
    /// The column that identifies a subject. Required.
    pub(crate) key: String,
    /// Protected columns of the table: field = column.
    #[serde(default)]
    pub(crate) fields: BTreeMap<String, String>,
    /// Columns that divide subjects into cohorts, such as language or country.
    #[serde(default)]
    pub(crate) cohorts: Vec<String>,
    /// Fields whose values are one subject's own and are looked for wherever they are shown. If missing, those
    /// whose values have the shape of an e-mail address, a number or an identifier and are mostly distinct.
    pub(crate) identifying: Option<Vec<String>>,
    /// Other tables that hold data of the same subjects.
    #[serde(default)]
    pub(crate) related: Vec<Related>,
}

impl Subject {
    /// Returns the names of all fields, some of them perhaps twice.
    pub(crate) fn field_names(&self) -> impl Iterator<Item = &str> {
        let related = self.related.iter().flat_map(|related| related.fields.keys());
        self.fields.keys().chain(related).map(String::as_str)
    }
}

/// Another table that holds data of the same subjects.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Related {
    /// The table, as `schema.table`. Required.
    pub(crate) table: String,
    /// The column that holds the key of the subject. Required.
    pub(crate) key: String,
    /// Protected columns of the table: field = column.
    #[serde(default)]
    pub(crate) fields: BTreeMap<String, String>,
    /// Fields whose values are looked for wherever they are shown, as for the subject.
    pub(crate) identifying: Option<Vec<String>>,
}

/// Why a principal may see subjects.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reason {
    /// A query that returns columns `subject` and `reason`; `$1` is the principal, `$2` a `text[]` of
    /// subject keys. Required.
    pub(crate) query: String,
    /// How long a reason still explains after the query last gave it. An answer is kept for a minute in any
    /// case.
    #[serde(default = "defaults::grace")]
    pub(crate) grace: Period,
}

/// A limit on distinct subjects per principal.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Budget {
    /// Names, globs or groups. Required.
    pub(crate) principals: Vec<String>,
    /// Length of the rolling window, at least 1 ms. Required.
    pub(crate) window: Period,
    /// Distinct subjects without a reason. Works only with `[reason]`.
    pub(crate) unexplained: Option<u64>,
    /// All distinct subjects.
    pub(crate) total: Option<u64>,
}

/// A name for a set of principals.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Group {
    /// The name that budgets use. Required.
    pub(crate) name: String,
    /// Names or globs. Required.
    pub(crate) members: Vec<String>,
}

/// The person behind a shared login.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    /// Only these logins may speak for others; every other login is its own principal.
    #[serde(default)]
    pub(crate) logins: Vec<String>,
    /// Where the name is looked for; the first that gives one applies: `sqlcommenter:KEY`, `setting:NAME`,
    /// `application_name`.
    #[serde(default)]
    pub(crate) sources: Vec<IdentitySource>,
}

/// How disclosures are recorded.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Ledger {
    /// When rows may leave.
    pub(crate) durability: Durability,
    /// Where sealed files go: `file` is the directory `store` below `data_dir`; `s3://bucket/prefix` a bucket,
    /// reached with the `AWS_…` variables of the environment.
    pub(crate) store: String,
    /// With `group`, the longest time between the release of a row and the sync of its record.
    pub(crate) group_delay: Period,
    /// Who cosigns the ledger's checkpoints: for each the URL, a space, and the public key (C2SP
    /// tlog-witness; `rastro witness` runs one). They learn how many entries there are, and no more.
    pub(crate) witnesses: Vec<String>,
}

/// When rows may leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Durability {
    /// Once their disclosure is on stable storage.
    #[default]
    Strict,
    /// Before the sync, which follows within `group_delay`.
    Group,
}

/// The index of protected values: keyed hashes, below `data_dir`. Its role must be able to read the columns.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Values {
    /// Whether values are looked for where the origin of a column does not tell the subject.
    pub(crate) enabled: bool,
    /// How often changed values are looked for, at least 100 ms. A look that takes long is followed by a pause of
    /// ten times its length.
    pub(crate) poll: Period,
    /// How changed values come to be known.
    pub(crate) freshness: Freshness,
    /// The publication whose changes are followed. It is made, or takes missing tables in, where the role owns the
    /// tables and may create in the database.
    pub(crate) publication: String,
}

/// How changed values come to be known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Freshness {
    /// By logical replication, where the server allows it (`wal_level = logical`, a role with REPLICATION, a
    /// publication); tables of which that is not true are polled.
    #[default]
    Auto,
    /// By polling.
    Polling,
}

/// Bounds of the gateway.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Gateway {
    /// Sessions at once; further clients are refused with a clear error.
    pub(crate) session_limit: u32,
    /// Threads that serve sessions; one per core if missing.
    pub(crate) worker_threads: Option<u16>,
    /// Whether `replication` connections pass. What they carry is not attributed.
    pub(crate) allow_replication: bool,
    /// Longest row that passes; longer ones end the session.
    pub(crate) row_bytes_max: ByteCount,
    /// Bytes one session holds back while their disclosures are recorded.
    pub(crate) held_bytes_max: ByteCount,
}
