//! A relay with both peers in the test's hands. It runs only when woken, so a forgotten waker shows as
//! missing bytes; sockets of one machine deliver at once, so "nothing moved" means "nothing will".

use std::future::Future;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use rastro_wire::{
    FirstPacket, Relay, RelayEnd, RelayError, RelayLimits, ServerAddress, ServerTarget, ServerTls, Stream,
    decode_first_packet,
};
use tempfile::TempDir;

use crate::inspector::Shared;
use crate::message::{greeting, key};

// Rounds in which nothing moves before the relay counts as stuck.
const QUIET_ROUNDS: u32 = 3;
pub const LIMITS: RelayLimits = RelayLimits { row_bytes_max: 8 << 20, held_bytes_max: 1 << 20 };

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

pub struct Rig {
    runtime: tokio::runtime::Runtime,
    relay: Option<Pin<Box<Relay<Shared>>>>,
    woken: Arc<Flag>,
    client: Option<UnixStream>,
    server: Option<UnixStream>,
    listener: UnixListener,
    _directory: TempDir,
    to_write: [Vec<u8>; 2],
    pub client_reads: bool,
    pub client_got: Vec<u8>,
    pub client_ended: bool,
    pub server_got: Vec<u8>,
    pub server_ended: bool,
    pub cancels: usize,
    /// Cancel requests are taken at once; otherwise they wait until this is set again.
    pub takes_cancels: bool,
    cancelling: Vec<(UnixStream, Vec<u8>)>,
    pub end: Option<Result<RelayEnd, RelayError>>,
    pub inspector: Shared,
}

impl Rig {
    /// A session before anything was said.
    pub fn new(limits: RelayLimits) -> Rig {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (client, near_client) = pair();
        let (server, near_server) = pair();
        let inspector = Shared::default();
        let target = ServerTarget { address: ServerAddress::Unix(path), tls: ServerTls::default() };
        let guard = runtime.enter();
        let leg = |stream| Stream::Unix(tokio::net::UnixStream::from_std(stream).unwrap());
        let relay = Relay::new(
            leg(near_client),
            leg(near_server),
            Arc::new(target),
            limits,
            false,
            inspector.clone(),
        );
        drop(guard);
        Rig {
            runtime,
            relay: Some(Box::pin(relay)),
            woken: Arc::new(Flag(AtomicBool::new(true))),
            client: Some(client),
            server: Some(server),
            listener,
            _directory: directory,
            to_write: Default::default(),
            client_reads: true,
            client_got: Vec::new(),
            client_ended: false,
            server_got: Vec::new(),
            server_ended: false,
            cancels: 0,
            takes_cancels: true,
            cancelling: Vec::new(),
            end: None,
            inspector,
        }
    }

    /// A session after login, with nothing recorded yet.
    pub fn started() -> Rig {
        Rig::started_with(LIMITS)
    }

    pub fn started_with(limits: RelayLimits) -> Rig {
        let mut rig = Rig::new(limits);
        rig.server(&greeting());
        assert_eq!(rig.take_client(), greeting());
        rig.inspector.state().log.clear();
        rig
    }

    /// The client sends bytes; everything that follows from them happens.
    pub fn client(&mut self, bytes: &[u8]) {
        self.to_write[0].extend_from_slice(bytes);
        self.run();
    }

    /// The server sends bytes; everything that follows from them happens.
    pub fn server(&mut self, bytes: &[u8]) {
        self.to_write[1].extend_from_slice(bytes);
        self.run();
    }

    pub fn take_client(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.client_got)
    }

    pub fn take_server(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.server_got)
    }

    pub fn close_client(&mut self) {
        self.client = None;
        self.run();
    }

    pub fn close_server(&mut self) {
        self.server = None;
        self.run();
    }

    pub fn drain(&mut self) {
        self.relay.as_mut().unwrap().drain();
        self.wake();
    }

    /// Wakes the relay, as its owner does when something concerns it.
    pub fn wake(&mut self) {
        self.woken.0.store(true, Ordering::SeqCst);
        self.run();
    }

    /// Runs until nothing moves any more.
    pub fn run(&mut self) {
        let handle = self.runtime.handle().clone();
        let mut quiet = 0;
        while quiet < QUIET_ROUNDS {
            let mut moved = false;
            if self.woken.0.swap(false, Ordering::SeqCst) {
                moved = true;
                let _guard = handle.enter();
                let waker = Waker::from(Arc::clone(&self.woken));
                if let Some(relay) = &mut self.relay
                    && let Poll::Ready(end) = relay.as_mut().poll(&mut Context::from_waker(&waker))
                {
                    self.end = Some(end);
                    self.relay = None;
                }
            }
            moved |= self.pump();
            // Hands out what the sockets have to say.
            self.runtime.block_on(tokio::task::yield_now());
            quiet = if moved { 0 } else { quiet + 1 };
        }
    }

    fn pump(&mut self) -> bool {
        let mut moved = write_some(&mut self.client, &mut self.to_write[0]);
        moved |= write_some(&mut self.server, &mut self.to_write[1]);
        if self.client_reads && !self.client_ended {
            moved |= read_some(&mut self.client, &mut self.client_got, &mut self.client_ended);
        }
        if !self.server_ended {
            moved |= read_some(&mut self.server, &mut self.server_got, &mut self.server_ended);
        }
        if let Ok((stream, _)) = self.listener.accept() {
            stream.set_nonblocking(true).unwrap();
            self.cancels += 1;
            self.cancelling.push((stream, Vec::new()));
            moved = true;
        }
        if self.takes_cancels {
            self.cancelling.retain_mut(|(stream, packet)| {
                let mut room = [0; 64];
                if let Ok(count) = stream.read(&mut room) {
                    packet.extend_from_slice(&room[..count]);
                    moved = true;
                }
                if packet.len() < 16 {
                    return true;
                }
                assert_eq!(decode_first_packet(packet), Ok(FirstPacket::Cancel(key())));
                false
            });
        }
        moved
    }
}

fn pair() -> (UnixStream, UnixStream) {
    let (ours, relays) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    relays.set_nonblocking(true).unwrap();
    (ours, relays)
}

fn write_some(stream: &mut Option<UnixStream>, bytes: &mut Vec<u8>) -> bool {
    let Some(stream) = stream else {
        bytes.clear();
        return false;
    };
    if bytes.is_empty() {
        return false;
    }
    match stream.write(bytes) {
        Ok(count) => {
            bytes.drain(..count);
            count > 0
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => false,
        Err(_) => {
            bytes.clear();
            false
        }
    }
}

fn read_some(stream: &mut Option<UnixStream>, into: &mut Vec<u8>, ended: &mut bool) -> bool {
    let Some(stream) = stream else { return false };
    let mut room = vec![0; 1 << 18];
    match stream.read(&mut room) {
        Ok(0) => {
            *ended = true;
            true
        }
        Ok(count) => {
            into.extend_from_slice(&room[..count]);
            true
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => false,
        Err(_) => {
            *ended = true;
            true
        }
    }
}
