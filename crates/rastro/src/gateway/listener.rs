//! Takes connections and deals them out to worker threads, each with a runtime of its own: a session lives
//! on one thread from start to end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use rastro_wire::{ClientError, Stream, refuse};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::session;
use super::{Gateway, metric};

// How long busy sessions may go on after a stop signal.
const DRAIN_WITHIN: Duration = Duration::from_secs(20);
// Connections taken but not yet begun on one worker.
const DEALT_MAX: usize = 1_024;

/// The gateway's door.
pub(super) struct Listener {
    gateway: Arc<Gateway>,
    sockets: Vec<TcpListener>,
    address: SocketAddr,
    workers: Vec<Worker>,
}

struct Worker {
    dealt: mpsc::Sender<std::net::TcpStream>,
    sessions: Arc<AtomicUsize>,
    thread: std::thread::JoinHandle<()>,
}

impl Listener {
    /// Binds the configured address and starts the workers.
    ///
    /// # Errors
    /// The address is taken or cannot be resolved; threads cannot be started.
    pub(super) async fn bind(gateway: Arc<Gateway>) -> anyhow::Result<Listener> {
        let wanted = &gateway.settings.listen;
        let mut sockets = Vec::new();
        for address in
            tokio::net::lookup_host(wanted).await.with_context(|| format!("cannot resolve `{wanted}`"))?
        {
            let socket =
                TcpListener::bind(address).await.with_context(|| format!("cannot listen on `{address}`"))?;
            sockets.push(socket);
        }
        let first = sockets.first().with_context(|| format!("`{wanted}` names no address"))?;
        let address = first.local_addr().context("listening socket has no address")?;
        let workers = (0..gateway.settings.workers.max(1))
            .map(|index| Worker::start(index, Arc::clone(&gateway)))
            .collect::<anyhow::Result<_>>()?;
        Ok(Listener { gateway, sockets, address, workers })
    }

    /// Returns the first address bound.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes connections until `stop`, then lets the sessions drain.
    pub(super) async fn run_until(self, stop: impl Future<Output = ()>) {
        tokio::select! {
            () = stop => {}
            () = self.take_connections() => {}
        }
        drop(self.sockets);
        self.gateway.notice.send_modify(|notice| notice.draining = true);
        for Worker { dealt, thread, .. } in self.workers {
            drop(dealt);
            let joined = tokio::task::spawn_blocking(move || thread.join());
            if joined.await.is_err() {
                tracing::error!("a worker thread did not end in good order");
            }
        }
    }

    async fn take_connections(&self) {
        let takers = self.sockets.iter().map(|socket| self.take_from(socket));
        futures_util::future::join_all(takers).await;
    }

    async fn take_from(&self, socket: &TcpListener) {
        loop {
            match socket.accept().await {
                Ok((stream, _)) => self.deal(stream),
                Err(error) => {
                    // Out of descriptors or memory: those taken go on, the next has to wait.
                    tracing::error!(%error, "connection was not taken");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn deal(&self, stream: TcpStream) {
        let sessions = |worker: &&Worker| worker.sessions.load(Ordering::Relaxed);
        let total: usize = self.workers.iter().map(|worker| worker.sessions.load(Ordering::Relaxed)).sum();
        let Some(worker) = self.workers.iter().min_by_key(sessions) else { return };
        if total >= self.gateway.settings.session_limit {
            metric::session_refused();
            tokio::spawn(async move {
                let error = ClientError::fatal("53300", "the gateway has as many sessions as it may")
                    .with_hint("Ask the operator of the gateway to raise gateway.session_limit.");
                refuse(&mut Stream::Tcp(stream), &error).await;
            });
            return;
        }
        worker.sessions.fetch_add(1, Ordering::Relaxed);
        let dealt = stream
            .set_nodelay(true)
            .and_then(|()| stream.into_std())
            .is_ok_and(|stream| worker.dealt.try_send(stream).is_ok());
        if !dealt {
            worker.sessions.fetch_sub(1, Ordering::Relaxed);
            metric::session_refused();
        }
    }
}

impl Worker {
    fn start(index: usize, gateway: Arc<Gateway>) -> anyhow::Result<Worker> {
        let (dealt, received) = mpsc::channel(DEALT_MAX);
        let sessions = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&sessions);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start a worker's runtime")?;
        let thread = std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || runtime.block_on(work(received, count, gateway)))
            .context("cannot start a worker thread")?;
        Ok(Worker { dealt, sessions, thread })
    }
}

async fn work(
    mut dealt: mpsc::Receiver<std::net::TcpStream>,
    count: Arc<AtomicUsize>,
    gateway: Arc<Gateway>,
) {
    let mut sessions = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            stream = dealt.recv() => {
                let Some(stream) = stream else { break };
                let (gateway, count) = (Arc::clone(&gateway), Arc::clone(&count));
                sessions.spawn(async move {
                    // Counts down also when the session panics: one session's fault stays its own (P9).
                    let _counted = Counted(count);
                    session::run(stream, gateway).await;
                });
            }
            Some(ended) = sessions.join_next() => {
                if ended.is_err() {
                    metric::session_panicked();
                }
            }
        }
    }
    let drained = async { while sessions.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN_WITHIN, drained).await.is_err() {
        tracing::warn!("sessions still busy were ended");
    }
}

struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
