//! Metrics, each named in one place. No label carries a person's name or a value (P4).

use std::sync::LazyLock;
use std::time::Duration;

use anyhow::Context;
use metrics::{Counter, counter, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use rastro_detect::Limit;
use rastro_ledger::seal::SealWatch;
use rastro_model::{ShownBatch, ShownKey};

/// Installs the recorder; its handle renders the page.
///
/// # Errors
/// A recorder is installed already.
pub(super) fn install() -> anyhow::Result<PrometheusHandle> {
    let recorder = PrometheusBuilder::new()
        .set_quantiles(&[0.5, 0.99])
        .context("cannot set up metrics")?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).context("cannot install metrics")?;
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}

/// Counts an open session while it lives.
pub(super) struct SessionOpen;

impl SessionOpen {
    pub(super) fn new() -> SessionOpen {
        counter!("rastro_sessions_total").increment(1);
        gauge!("rastro_sessions_open").increment(1.0);
        SessionOpen
    }
}

impl Drop for SessionOpen {
    fn drop(&mut self) {
        gauge!("rastro_sessions_open").decrement(1.0);
    }
}

/// Tells every second how far the ledger is sealed, and whether sealing stands still.
pub(super) fn watch_sealing(watch: SealWatch) {
    tokio::spawn(async move {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        loop {
            second.tick().await;
            let health = watch.health();
            gauge!("rastro_ledger_sealed_entries").set(health.sealed as f64);
            gauge!("rastro_ledger_sealing_failed").set(f64::from(u8::from(health.fault.is_some())));
        }
    });
}

// Looked up once: these rise with every statement that shows somebody.
static DISCLOSURES: LazyLock<Counter> = LazyLock::new(|| counter!("rastro_disclosures_total"));
static UNATTRIBUTED_ROWS: LazyLock<Counter> = LazyLock::new(|| counter!("rastro_unattributed_rows_total"));

/// Rows recorded before they were shown.
pub(super) fn rows_recorded(batch: &ShownBatch, rows: u32) {
    let entries = batch.entries_before(rows);
    let unattributed = entries.iter().filter(|shown| shown.key == ShownKey::Unknown).count();
    DISCLOSURES.increment((entries.len() - unattributed) as u64);
    if unattributed > 0 {
        UNATTRIBUTED_ROWS.increment(unattributed as u64);
    }
}

pub(super) fn budget_reached(limit: Limit) {
    counter!("rastro_budgets_reached_total", "limit" => limit.as_str()).increment(1);
}

pub(super) fn statement_cut() {
    counter!("rastro_statements_cut_total").increment(1);
}

pub(super) fn statement_refused() {
    counter!("rastro_statements_refused_total").increment(1);
}

pub(super) fn ledger_refused() {
    counter!("rastro_ledger_refusals_total").increment(1);
}

pub(super) fn session_refused() {
    counter!("rastro_sessions_refused_total").increment(1);
}

pub(super) fn session_panicked() {
    counter!("rastro_sessions_panicked_total").increment(1);
}

pub(super) fn handshake_failed() {
    counter!("rastro_handshakes_failed_total").increment(1);
}

pub(super) fn reason_query_failed() {
    counter!("rastro_reason_queries_failed_total").increment(1);
}

pub(super) fn suspended(count: usize) {
    gauge!("rastro_suspended_principals").set(count as f64);
}

pub(super) fn catalogue_problems(count: usize) {
    gauge!("rastro_catalogue_problems").set(count as f64);
}

/// A statement's subjects could not be asked for before it ran.
pub(super) fn inquiry_failed() {
    counter!("rastro_inquiries_failed_total").increment(1);
}

pub(super) fn values_indexed(table: u64, overlay: usize) {
    gauge!("rastro_values_indexed").set(table as f64 + overlay as f64);
}

/// How old a change can be that the index does not know.
pub(super) fn values_lag(lag: Duration) {
    gauge!("rastro_values_lag_seconds").set(lag.as_secs_f64());
}

/// Tables whose changes are followed by logical replication.
pub(super) fn values_followed(count: usize) {
    gauge!("rastro_values_followed_tables").set(count as f64);
}

pub(super) fn values_source_failed() {
    counter!("rastro_values_failures_total").increment(1);
}

/// Rows that the server says it gave and the ledger does not account for, or the other way round.
pub(super) fn rows_unaccounted(rows: u64) {
    counter!("rastro_unaccounted_rows_total").increment(rows);
}

pub(super) fn message_withheld() {
    counter!("rastro_messages_withheld_total").increment(1);
}
