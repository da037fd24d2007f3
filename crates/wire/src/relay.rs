//! The relay of one session: one task, both directions, no locks.
//!
//! Server to client: read large, walk frame headers in place, let the [`Inspector`] decide over rows, forward
//! unchanged bytes in large writes. Client to server: the same, with the few messages that say which result
//! belongs to what. Every queue is bounded; what is full stops the reading of what feeds it, nothing else.

mod client_side;
mod cut;
mod inquiry;
mod ops;
mod portals;
mod server_side;
mod texts;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};

use crate::buffer::{Buffer, OutQueue, Tag};
use crate::client_error::ClientError;
use crate::frame::FrameError;
use crate::inspector::Inspector;
use crate::server::{CancelFuture, ServerTarget};
use crate::startup::CancelKey;
use crate::stream::Stream;

use client_side::ClientSide;
use inquiry::Held;
use ops::Ops;
use server_side::ServerSide;

// Bytes released but not yet taken by a peer above which its feeder is not read: a slow client slows its own
// server connection and nothing else.
const RELEASED_BYTES_MAX: usize = 256 * 1024;
// Messages the server has not answered yet; a client that pipelines more is not read until answers come.
const OPS_MAX: usize = 4_096;
// Turns of the loop before other sessions of the thread get theirs.
const TURNS_MAX: usize = 32;

/// Bounds of one session.
#[derive(Clone, Copy, Debug)]
pub struct RelayLimits {
    /// Greatest row whose fields are protected, in bytes; it is held in memory until recorded.
    pub row_bytes_max: usize,
    /// Bytes of rows that may wait for the ledger before the server is not read any further.
    pub held_bytes_max: usize,
}

/// How a session ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum RelayEnd {
    /// The client left.
    ClientLeft,
    /// The server closed the connection.
    ServerLeft,
    /// The gateway ended the session with an error the client was told.
    Ended(ClientError),
}

/// Why a session broke.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RelayError {
    /// Reading from or writing to the client failed.
    #[error("client connection failed")]
    Client(#[source] std::io::Error),
    /// Reading from or writing to the server failed.
    #[error("server connection failed")]
    Server(#[source] std::io::Error),
    /// A frame from the client has an impossible length.
    #[error("client sent a malformed frame")]
    ClientFrame(#[source] FrameError),
    /// A frame from the server has an impossible length.
    #[error("server sent a malformed frame")]
    ServerFrame(#[source] FrameError),
    /// The server sent what it cannot send at this point; nothing more is let through (P1).
    #[error("server sent `{tag}` while {expected} was due", tag = char::from(*.tag))]
    Unexpected {
        /// The message's tag.
        tag: u8,
        /// What was due.
        expected: &'static str,
    },
}

impl RelayError {
    // What the server sent could not be followed: nothing more of it passes, and the client is told.
    fn is_from_server(&self) -> bool {
        matches!(self, RelayError::ServerFrame(_) | RelayError::Unexpected { .. })
    }
}

/// One session between a client and a server, after the start-up packet was forwarded. Resolves when the
/// session is over.
pub struct Relay<I: Inspector> {
    client: Stream,
    server: Stream,
    inspector: I,
    limits: RelayLimits,
    target: Arc<ServerTarget>,
    ops: Ops<I::Statement>,
    to_client: OutQueue,
    to_server: OutQueue,
    from_client: ClientSide<I>,
    from_server: ServerSide<I>,
    cancel_key: Option<CancelKey>,
    cancelling: Option<CancelFuture>,
    closing: Option<ClientError>,
    draining: bool,
}

impl<I: Inspector + Unpin> Relay<I>
where
    I::Text: Unpin,
    I::Statement: Unpin,
    I::Plan: Unpin,
{
    /// Joins two connected legs.
    pub fn new(
        client: Stream,
        server: Stream,
        target: Arc<ServerTarget>,
        limits: RelayLimits,
        keeps_channel_binding: bool,
        inspector: I,
    ) -> Relay<I> {
        Relay {
            client,
            server,
            inspector,
            limits,
            target,
            ops: Ops::new(),
            to_client: OutQueue::default(),
            to_server: OutQueue::default(),
            from_client: ClientSide::new(),
            from_server: ServerSide::new(keeps_channel_binding),
            cancel_key: None,
            cancelling: None,
            closing: None,
            draining: false,
        }
    }

    /// Ends the session as soon as it is between two statements and outside of a transaction.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Ends the session once what is on its way to the client has gone, with a last error.
    fn close_with(&mut self, error: ClientError) {
        if self.closing.is_none() {
            // Amid a frame there is no place for it.
            if !self.from_server.mid_frame() {
                let cycle = self.from_server.cycle();
                self.to_client.push_owned(error.to_frame(), Tag { hold: 0, cycle, raw: false });
            }
            self.closing = Some(error);
        }
    }

    fn turn(&mut self, cx: &mut Context<'_>) -> Result<Turn, RelayError> {
        let mut progress = self.control(cx);
        let held = self.from_client.held.is_some();
        if self.draining && self.from_server.is_idle() && self.ops.len() == 0 && !held {
            let error = ClientError::fatal("57P01", "terminating connection: the gateway is shutting down");
            self.close_with(error);
        }
        progress |= self.write_client(cx)?;
        if let Some(error) = self.closing.as_ref().filter(|_| self.to_client.is_empty()) {
            return Ok(Turn::Over(RelayEnd::Ended(error.clone())));
        }
        if self.closing.is_none() {
            progress |= self.read_server(cx)?;
            progress |= self.read_client(cx)?;
            progress |= self.write_server(cx)?;
        }
        // What the server sent last still goes to the client before the session ends.
        if self.from_server.ended && self.to_client.is_empty() {
            let left = self.from_client.left;
            return Ok(Turn::Over(if left { RelayEnd::ClientLeft } else { RelayEnd::ServerLeft }));
        }
        Ok(if progress { Turn::Progress } else { Turn::Stuck })
    }

    fn control(&mut self, cx: &mut Context<'_>) -> bool {
        let mut progress = false;
        if let Some(cancel) = self.cancelling.as_mut()
            && let Poll::Ready(taken) = cancel.as_mut().poll(cx)
        {
            self.cancelling = None;
            progress = true;
            if !taken {
                // It may still arrive, and hit whatever runs then.
                let text = "the server did not take a cancel request in time";
                self.close_with(ClientError::fatal("57P03", text));
            }
        }
        progress |= self.interrupt_running();
        if self.from_server.waiting && self.inspector.poll_ready(cx).is_ready() {
            self.from_server.waiting = false;
            progress = true;
        }
        progress
    }

    fn write_client(&mut self, cx: &mut Context<'_>) -> Result<bool, RelayError> {
        let mut progress = false;
        loop {
            let released = self.inspector.released();
            if let Some(hold) = self.to_client.blocked_on(released) {
                match self.inspector.poll_released(hold, cx) {
                    Poll::Pending => return Ok(progress),
                    Poll::Ready(Ok(())) => continue,
                    Poll::Ready(Err(error)) => {
                        self.refuse_held(released, error);
                        progress = true;
                        continue;
                    }
                }
            }
            match self.to_client.poll_write(Pin::new(&mut self.client), cx, released) {
                Poll::Ready(Ok(true)) => progress = true,
                Poll::Ready(Ok(false)) => break,
                Poll::Ready(Err(error)) => return Err(RelayError::Client(error)),
                Poll::Pending => return Ok(progress),
            }
        }
        if self.client.is_tls() {
            flush(&mut self.client, cx).map_err(RelayError::Client)?;
        }
        Ok(progress)
    }

    fn write_server(&mut self, cx: &mut Context<'_>) -> Result<bool, RelayError> {
        let mut progress = false;
        loop {
            match self.to_server.poll_write(Pin::new(&mut self.server), cx, u64::MAX) {
                Poll::Ready(Ok(true)) => progress = true,
                Poll::Ready(Ok(false)) => break,
                // The server may have said why before it closed; its words are still read.
                Poll::Ready(Err(_)) => {
                    self.to_server = OutQueue::default();
                    self.from_client.ended = true;
                    self.from_client.shut_down = true;
                    return Ok(progress);
                }
                Poll::Pending => return Ok(progress),
            }
        }
        if self.server.is_tls() {
            flush(&mut self.server, cx).map_err(RelayError::Server)?;
        }
        if self.from_client.ended
            && !self.from_client.shut_down
            && !self.from_client.stalled
            && self.from_client.held.is_none()
            && let Poll::Ready(result) = Pin::new(&mut self.server).poll_shutdown(cx)
        {
            self.from_client.shut_down = true;
            self.from_server.ended |= result.is_err();
            progress = true;
        }
        Ok(progress)
    }

    fn read_server(&mut self, cx: &mut Context<'_>) -> Result<bool, RelayError> {
        if self.from_server.waiting || self.from_server.ended {
            return Ok(false);
        }
        if self.from_server.resumed() {
            self.walk_server()?;
            return Ok(true);
        }
        let bytes = self.to_client.bytes();
        let held = self.to_client.blocked_on(self.inspector.released()).is_some();
        if bytes >= if held { self.limits.held_bytes_max } else { RELEASED_BYTES_MAX } {
            return Ok(false);
        }
        let from_server = &mut self.from_server;
        match fill(&mut from_server.input, &mut from_server.dry, &mut self.server, cx) {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(0)) => {
                self.from_server.ended = true;
                Ok(true)
            }
            Poll::Ready(Ok(_)) => {
                self.walk_server()?;
                Ok(true)
            }
            // A reset after the last bytes is how a server process that died looks.
            Poll::Ready(Err(_)) => {
                self.from_server.ended = true;
                Ok(true)
            }
        }
    }

    fn read_client(&mut self, cx: &mut Context<'_>) -> Result<bool, RelayError> {
        if self.cancelling.is_some()
            || self.to_server.bytes() >= RELEASED_BYTES_MAX
            || self.ops.len() >= OPS_MAX
        {
            return Ok(false);
        }
        if self.from_client.held.is_some() {
            if !self.is_let_go(cx) {
                return Ok(false);
            }
            let is_answer = |held: &Option<Held<I::Statement>>| matches!(held, Some(Held::Answered(_)));
            if !is_answer(&self.from_client.held) {
                self.from_client.held = None;
            }
            self.walk_client()?;
            // Its message may have been dropped meanwhile.
            if is_answer(&self.from_client.held) {
                self.from_client.held = None;
            }
            return Ok(true);
        }
        if self.from_client.stalled {
            self.from_client.stalled = false;
            self.walk_client()?;
            return Ok(true);
        }
        if self.from_client.ended {
            return Ok(false);
        }
        let from_client = &mut self.from_client;
        match fill(&mut from_client.input, &mut from_client.dry, &mut self.client, cx) {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(0)) => {
                self.from_client.ended = true;
                self.from_client.left = true;
                Ok(true)
            }
            Poll::Ready(Ok(_)) => {
                self.walk_client()?;
                Ok(true)
            }
            Poll::Ready(Err(error)) => Err(RelayError::Client(error)),
        }
    }
}

enum Turn {
    Progress,
    Stuck,
    Over(RelayEnd),
}

impl<I: Inspector + Unpin> Future for Relay<I>
where
    I::Text: Unpin,
    I::Statement: Unpin,
    I::Plan: Unpin,
{
    type Output = Result<RelayEnd, RelayError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let relay = self.get_mut();
        (relay.from_client.dry, relay.from_server.dry) = (false, false);
        for _ in 0..TURNS_MAX {
            match relay.turn(cx) {
                Ok(Turn::Progress) => {}
                Ok(Turn::Stuck) => return Poll::Pending,
                Ok(Turn::Over(end)) => return Poll::Ready(Ok(end)),
                Err(error) if relay.closing.is_none() && error.is_from_server() => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "session ended");
                    relay.close_with(ClientError::fatal(
                        "08P01",
                        "the gateway could not follow the server's answer",
                    ));
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

fn flush(stream: &mut Stream, cx: &mut Context<'_>) -> std::io::Result<()> {
    match Pin::new(stream).poll_flush(cx) {
        Poll::Ready(result) => result,
        Poll::Pending => Ok(()),
    }
}

/// Reads once into `input`, taking a buffer only while there is something to read. `dry`: there was nothing, and the
/// task will be woken.
fn fill(
    input: &mut Option<Buffer>,
    dry: &mut bool,
    stream: &mut Stream,
    cx: &mut Context<'_>,
) -> Poll<std::io::Result<usize>> {
    if *dry {
        return Poll::Pending;
    }
    let mut buffer = input.take().unwrap_or_else(Buffer::take);
    let result = buffer.poll_fill(|room| Pin::new(stream).poll_read(cx, room));
    *dry = result.is_pending();
    if !buffer.bytes().is_empty() {
        *input = Some(buffer);
    }
    result
}
