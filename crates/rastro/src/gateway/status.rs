//! `/healthz`, `/readyz` and `/metrics` on the console's address.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use rastro_ledger::Health;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::Gateway;

/// The running status server.
pub(super) struct Status {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Status {
    /// Returns the address bound.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops serving at once.
    pub(super) fn stop(self) {
        self.task.abort();
    }
}

/// Binds the configured address and serves.
///
/// # Errors
/// The address cannot be bound.
pub(super) async fn start(gateway: Arc<Gateway>, metrics: PrometheusHandle) -> anyhow::Result<Status> {
    let wanted = gateway.settings.console.clone();
    let socket = TcpListener::bind(&wanted).await.with_context(|| format!("cannot listen on `{wanted}`"))?;
    let address = socket.local_addr().context("listening socket has no address")?;
    let routes = Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(move || async move { readiness(&gateway) }))
        .route("/metrics", get(move || async move { metrics.render() }));
    let task = tokio::spawn(async move {
        if let Err(error) = axum::serve(socket, routes).await {
            tracing::error!(%error, "status server ended");
        }
    });
    Ok(Status { address, task })
}

fn readiness(gateway: &Gateway) -> (StatusCode, String) {
    if gateway.notice.borrow().draining {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned());
    }
    match gateway.spool.health() {
        Health::Writable => (StatusCode::OK, "ready\n".to_owned()),
        Health::Refusing { cause } => (StatusCode::SERVICE_UNAVAILABLE, format!("ledger refuses: {cause}\n")),
        Health::Poisoned { cause } => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("ledger is poisoned: {cause}\n"))
        }
    }
}
