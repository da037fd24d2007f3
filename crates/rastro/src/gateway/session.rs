//! One client connection from its first byte to its last.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use rastro_ledger::SessionFacts;
use rastro_model::Login;
use rastro_wire::{
    Accepted, CancelKey, ClientError, HandshakeError, Relay, RelayEnd, RelayError, Startup, Stream, accept,
    refuse,
};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::identity::Identity;
use super::inspector::SessionInspector;
use super::{Gateway, metric};

const STARTUP_WITHIN: Duration = Duration::from_secs(60);

/// Serves one connection. Never fails: what goes wrong is told to the client and logged.
pub(super) async fn run(stream: std::net::TcpStream, gateway: Arc<Gateway>) {
    let Ok(stream) = TcpStream::from_std(stream) else { return };
    let Ok(address) = stream.peer_addr() else { return };
    match tokio::time::timeout(STARTUP_WITHIN, accept(stream, &gateway.settings.greeting)).await {
        Ok(Ok(Accepted::Session(client, startup))) => {
            let _open = metric::SessionOpen::new();
            serve(*client, startup, address, &gateway).await;
        }
        Ok(Ok(Accepted::Cancel(key, mut client))) => {
            cancel(&key, &gateway).await;
            // A client that is gone already asked for nothing more.
            let _ = client.shutdown().await;
        }
        Ok(Err(HandshakeError::Io(_))) => tracing::debug!(%address, "client left before it began"),
        Ok(Err(error)) => {
            metric::handshake_failed();
            tracing::info!(%address, error = &error as &dyn std::error::Error, "no session");
        }
        Err(_) => metric::handshake_failed(),
    }
}

async fn cancel(key: &CancelKey, gateway: &Gateway) {
    // Any other key is not of a live session here; the server would be asked to judge a guess.
    if gateway.cancel_keys.lock().contains_key(key) {
        gateway.settings.target.cancel(key.clone()).await;
    }
}

async fn serve(mut client: Stream, startup: Startup, address: SocketAddr, gateway: &Arc<Gateway>) {
    if let Some(error) = objection(&startup, gateway) {
        metric::session_refused();
        return refuse(&mut client, &error).await;
    }
    let mut server = match gateway.settings.target.connect().await {
        Ok(server) => server,
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "database server is out of reach");
            let error = ClientError::fatal("57P03", "the gateway cannot reach the database server")
                .with_hint("Ask the operator of the gateway.");
            return refuse(&mut client, &error).await;
        }
    };
    if server.write_all(&startup.packet).await.is_err() || server.flush().await.is_err() {
        let error = ClientError::fatal("57P03", "the database server closed the connection");
        return refuse(&mut client, &error).await;
    }
    let session = gateway.spool.session(&SessionFacts {
        login: Login::new(startup.login()),
        client_addr: address.to_string(),
        database: startup.database().to_owned(),
        application: startup.parameter("application_name").unwrap_or_default().to_owned(),
    });
    let identity = Identity::new(gateway.settings.sources_for(startup.login()), &startup);
    // The client may bind its authentication to the certificate it saw if the server shows the same one.
    let keeps_channel_binding = client.is_tls()
        && server
            .peer_certificate()
            .is_some_and(|seen| gateway.settings.own_certificate.as_deref() == Some(seen));
    let inspector = SessionInspector::new(Arc::clone(gateway), session.clone(), identity, startup.database());
    let target = Arc::clone(&gateway.settings.target);
    let relay = Relay::new(client, server, target, gateway.settings.limits, keeps_channel_binding, inspector);
    match watched(relay, gateway).await {
        Ok(RelayEnd::Ended(error)) => {
            tracing::info!(session = session.id(), sqlstate = error.sqlstate, "session ended by the gateway");
        }
        Ok(_) => {}
        Err(RelayError::Client(error)) => tracing::debug!(session = session.id(), %error, "client is gone"),
        Err(error) => {
            tracing::warn!(session = session.id(), error = &error as &dyn std::error::Error, "session broke");
        }
    }
}

fn objection(startup: &Startup, gateway: &Gateway) -> Option<ClientError> {
    if startup.wants_replication() && !gateway.settings.allow_replication {
        let error =
            ClientError::fatal("42501", "replication connections are not allowed through the gateway")
                .with_hint("Set gateway.allow_replication, or connect to the server itself.");
        return Some(error);
    }
    gateway.notice.borrow().draining.then(|| ClientError::fatal("57P03", "the gateway is shutting down"))
}

/// Runs a relay and has it look up when suspensions change or the gateway drains.
async fn watched(relay: Relay<SessionInspector>, gateway: &Gateway) -> Result<RelayEnd, RelayError> {
    let mut notices = gateway.notice.subscribe();
    let mut relay = pin!(relay);
    loop {
        let draining = notices.borrow_and_update().draining;
        if draining {
            relay.as_mut().get_mut().drain();
        }
        let mut changed = pin!(notices.changed());
        let mut gone = false;
        let ended = poll_fn(|cx| {
            if let Poll::Ready(end) = relay.as_mut().poll(cx) {
                return Poll::Ready(Some(end));
            }
            if gone {
                return Poll::Pending;
            }
            match changed.as_mut().poll(cx) {
                Poll::Ready(Ok(())) => Poll::Ready(None),
                Poll::Ready(Err(_)) => {
                    gone = true;
                    Poll::Pending
                }
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        if let Some(end) = ended {
            return end;
        }
    }
}
