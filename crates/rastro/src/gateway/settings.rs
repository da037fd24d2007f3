//! The configuration, resolved into what the running gateway needs: files read, names looked up.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rastro_attribution::{FieldNames, SubjectSpec};
use rastro_detect::Mode;
use rastro_ledger::{Durability, Schema, SpoolConfig};
use rastro_model::FieldSet;
use rastro_wire::{Greeting, RelayLimits, ServerTarget, server_side_config};

use crate::config::{
    Config, Durability as ConfiguredDurability, Freshness, IdentitySource, Policy, ValueSource,
};
use crate::guarded::{OwnConnection, read};

/// The resolved settings of one gateway.
pub(super) struct Settings {
    pub(super) listen: String,
    pub(super) console: String,
    pub(super) data_dir: PathBuf,
    pub(super) mode: Mode,
    pub(super) specs: Arc<[SubjectSpec]>,
    /// Every field of every subject: what an unread value may be.
    pub(super) all_fields: FieldSet,
    pub(super) spool: SpoolConfig,
    pub(super) own_connection: OwnConnection,
    pub(super) target: Arc<ServerTarget>,
    pub(super) greeting: Greeting,
    /// DER bytes of the certificate shown to clients.
    pub(super) own_certificate: Option<Vec<u8>>,
    pub(super) limits: RelayLimits,
    pub(super) reason_query: Option<String>,
    pub(super) session_limit: usize,
    pub(super) workers: usize,
    pub(super) allow_replication: bool,
    /// Longest time a subject counts or a reason explains, in µs.
    pub(super) memory_micros: i64,
    pub(super) on_unattributed: Policy,
    pub(super) on_possible: Policy,
    /// Tables whose values are indexed; none when that is switched off.
    pub(super) value_sources: Vec<ValueSource>,
    pub(super) value_poll: Duration,
    pub(super) value_freshness: Freshness,
    pub(super) value_publication: String,
    identity_logins: Vec<String>,
    identity_sources: Arc<[IdentitySource]>,
}

impl Settings {
    /// Resolves a validated configuration.
    ///
    /// # Errors
    /// Files that cannot be read, TLS material that does not fit, a database address that names no host.
    pub(super) fn resolve(config: &Config) -> anyhow::Result<Settings> {
        let specs: Arc<[SubjectSpec]> = config.subject_specs()?.into();
        let fields = FieldNames::assign(&specs)?;
        let names = fields.names();
        let all_fields =
            (0..names.len()).fold(FieldSet::EMPTY, |set, index| set.union(FieldSet::single(index)));
        let schema = Schema {
            kinds: specs.iter().map(|spec| spec.name.clone()).collect(),
            fields: names.iter().map(|name| name.to_string()).collect(),
        };
        std::fs::create_dir_all(&config.data_dir)
            .with_context(|| format!("cannot create `{}`", config.data_dir.display()))?;
        let mut spool = SpoolConfig::new(config.data_dir.join("spool"), schema);
        spool.durability = match config.ledger.durability {
            ConfiguredDurability::Strict => Durability::Strict,
            ConfiguredDurability::Group => Durability::Group,
        };
        spool.group_delay = config.ledger.group_delay.0;
        let (greeting, own_certificate) = greeting(config)?;
        let own_connection = OwnConnection::resolve(config)?;
        let target = Arc::new(own_connection.target()?);
        let windows = config.budget.iter().map(|budget| budget.window.0);
        let memory =
            windows.chain(config.reason.iter().map(|reason| reason.grace.0)).max().unwrap_or_default();
        let usize_of = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        Ok(Settings {
            listen: config.listen.clone(),
            console: config.console.clone(),
            data_dir: config.data_dir.clone(),
            mode: config.mode.into(),
            specs,
            all_fields,
            spool,
            own_connection,
            target,
            greeting,
            own_certificate,
            limits: RelayLimits {
                row_bytes_max: usize_of(config.gateway.row_bytes_max.0),
                held_bytes_max: usize_of(config.gateway.held_bytes_max.0),
            },
            reason_query: config.reason.as_ref().map(|reason| reason.query.clone()),
            session_limit: usize_of(config.gateway.session_limit.into()),
            workers: config.gateway.worker_threads.map_or_else(cores, usize::from),
            allow_replication: config.gateway.allow_replication,
            memory_micros: i64::try_from(memory.as_micros()).unwrap_or(i64::MAX),
            on_unattributed: config.on_unattributed,
            on_possible: config.on_possible,
            value_sources: if config.values.enabled { config.value_sources()? } else { Vec::new() },
            value_poll: config.values.poll.0,
            value_freshness: config.values.freshness,
            value_publication: config.values.publication.clone(),
            identity_logins: config.identity.logins.clone(),
            identity_sources: config.identity.sources.clone().into(),
        })
    }

    /// Returns whether rows go before their entries are on stable storage.
    pub(super) fn releases_before_sync(&self) -> bool {
        self.spool.durability == Durability::Group
    }

    /// Returns where the name of the person behind a login may come from; nothing for a login of its own.
    pub(super) fn sources_for(&self, login: &str) -> Arc<[IdentitySource]> {
        if self.identity_logins.iter().any(|known| known == login) {
            Arc::clone(&self.identity_sources)
        } else {
            Arc::new([])
        }
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn greeting(config: &Config) -> anyhow::Result<(Greeting, Option<Vec<u8>>)> {
    let Some(tls) = &config.tls else { return Ok((Greeting::default(), None)) };
    let client_ca = tls.client_ca.as_deref().map(read).transpose()?;
    let (settings, leaf) = server_side_config(&read(&tls.cert)?, &read(&tls.key)?, client_ca.as_deref())?;
    Ok((Greeting { tls: Some(settings), tls_required: tls.require }, Some(leaf.to_vec())))
}
