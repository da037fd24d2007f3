//! `rastro serve`: joins wire, attribution, detect and ledger. Start-up, channels and edges live here; what
//! is decided lives in the crates.
// What a session says goes to the ledger or nowhere; what the gateway says goes through `tracing`.
#![deny(clippy::print_stdout, clippy::print_stderr, clippy::dbg_macro)]

mod catalogues;
mod identity;
mod inspector;
mod listener;
mod metric;
mod reasons;
mod replay;
mod sealing;
mod session;
mod settings;
mod status;
mod suspensions;
mod values;
mod witnesses;

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context;
use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use rastro_attribution::value_index::ValueIndex;
use rastro_detect::{BudgetBook, SuspensionBoard};
use rastro_ledger::seal::{KeyFiles, SealPaths, SealerThread};
use rastro_ledger::{ControlEntry, ControlKind, Spool};
use rastro_model::{Clock, SystemClock};
use rastro_wire::CancelKey;
use tokio::sync::watch;

use crate::config::Config;
use catalogues::{Catalogues, Snapshot};
use reasons::ReasonDesk;
use settings::Settings;

/// What the whole process wants of its sessions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Notice {
    /// Rises when suspensions changed.
    suspensions: u64,
    /// No new statement is begun; sessions end when idle.
    draining: bool,
}

/// Everything the sessions share.
struct Gateway {
    settings: Settings,
    spool: Spool,
    book: BudgetBook,
    board: SuspensionBoard,
    catalogues: Catalogues,
    reasons: Option<ReasonDesk>,
    /// Whose a value is; nothing when that is switched off.
    values: ArcSwapOption<ValueIndex>,
    notice: watch::Sender<Notice>,
    /// The cancel keys of live sessions: a request with any other key goes nowhere.
    cancel_keys: Mutex<HashMap<CancelKey, u64>>,
    clock: SystemClock,
}

/// Runs the gateway until SIGTERM or SIGINT; returns once the sessions have drained and the ledger is on
/// stable storage.
///
/// # Errors
/// Anything that keeps it from starting: settings, ledger, sockets, the guarded database.
pub(crate) async fn serve(config: Config) -> anyhow::Result<()> {
    let settings = Settings::resolve(&config)?;
    let spool = Spool::open(settings.spool.clone()).context("cannot open the ledger")?;
    let paths = SealPaths::below(&settings.data_dir);
    witnesses::start(&paths, config.witness_addresses()).context("cannot ask witnesses")?;
    let keys = KeyFiles::new(&paths.keys);
    let public = keys.load_or_create().context("cannot use the ledger's keys")?;
    let newest = public.public().last().map(|key| key.encode());
    let sealer = SealerThread::start(paths, spool.watch_durable()).context("cannot seal the ledger")?;
    let archive = sealing::ArchiveThread::start(&config.ledger.store, &settings.data_dir)?;
    let file = keys.public_path();
    tracing::info!(key = newest, file = %file.display(), "the ledger's public key; keep a copy elsewhere");
    let book = config.budget_book().context("cannot read the budgets")?;
    let board = SuspensionBoard::new(suspensions::load(&settings.data_dir)?);
    let clock = SystemClock;
    replay::replay(&settings, &book, clock.now()).context("cannot rebuild the budgets from the ledger")?;
    let metrics = metric::install()?;
    metric::watch_sealing(sealer.watch());
    let (notice, _) = watch::channel(Notice { suspensions: 0, draining: false });
    let catalogues = Catalogues::start(&settings);
    let (reasons, reason_work) = ReasonDesk::start(&settings);
    let gateway = Arc::new(Gateway {
        settings,
        spool,
        book,
        board,
        catalogues,
        reasons,
        values: ArcSwapOption::empty(),
        notice,
        cancel_keys: Mutex::new(HashMap::new()),
        clock,
    });
    gateway.catalogues.load_guarded().await.context("cannot read the guarded database's catalogue")?;
    gateway.record_control(
        ControlKind::GatewayStarted,
        "gateway",
        concat!("version ", env!("CARGO_PKG_VERSION")),
    );
    if let Some(work) = reason_work {
        tokio::spawn(work.run(Arc::clone(&gateway)));
    }
    values::start(&gateway).await.context("cannot build the index of protected values")?;
    tokio::spawn(suspensions::watch(Arc::clone(&gateway)));
    tokio::spawn(replay::forget_idle(Arc::clone(&gateway)));
    let listener = listener::Listener::bind(Arc::clone(&gateway)).await?;
    let status = status::start(Arc::clone(&gateway), metrics).await?;
    tracing::info!(listen = %listener.address(), console = %status.address(), "gateway is ready");
    listener.run_until(stop_signal()).await;
    status.stop();
    gateway.record_control(ControlKind::GatewayStopped, "gateway", "stop signal");
    gateway.spool.close().context("cannot close the ledger")?;
    let stopped = tokio::task::spawn_blocking(|| {
        archive.stop();
        sealer.stop()
    });
    let sealed = stopped.await.context("cannot seal the ledger")?;
    tracing::info!(entries = sealed.sealed, fault = sealed.fault, "ledger is sealed");
    tracing::info!("gateway stopped");
    Ok(())
}

pub(crate) async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}

impl Gateway {
    /// Returns the catalogue of the configured database as it was read last.
    fn guarded_snapshot(&self) -> anyhow::Result<Arc<Snapshot>> {
        let database = self.settings.own_connection.database();
        let cell = self.catalogues.cell(database).context("too many databases are in use")?;
        cell.last_snapshot().context("the catalogue is not read yet")
    }

    /// Records what the gateway did; a ledger that cannot is reported by what depends on it.
    fn record_control(&self, kind: ControlKind, by: &str, why: &str) {
        let entry = ControlEntry { time: self.clock.now(), kind, principal: None, session: None, by, why };
        if let Err(error) = self.spool.append_control(&entry) {
            tracing::error!(error = &error as &dyn std::error::Error, "control entry was not recorded");
        }
    }
}
