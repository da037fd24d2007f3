//! PostgreSQL's protocol 3.x between a client and a server: frames, start-up, the session's state machine,
//! relay, TLS, cancel.
//!
//! Knows bytes and order, not subjects or policy: what may pass is asked of an [`Inspector`].

mod authentication;
mod buffer;
mod client_error;
mod client_message;
mod frame;
mod handshake;
mod inspector;
mod relay;
mod server;
mod startup;
mod stream;
mod tls;

pub use client_error::ClientError;
pub use frame::{Frame, FrameError, HEADER_BYTES, read_header, split_cstr, write_frame};
pub use handshake::{Accepted, Greeting, HandshakeError, accept, refuse};
pub use inspector::{Before, Heard, Inquiry, Inspector, Next, Reported, RowsEnd, Settlement};
pub use relay::{Relay, RelayEnd, RelayError, RelayLimits};
pub use server::{ConnectError, ServerAddress, ServerTarget};
pub use startup::{
    CancelKey, FirstPacket, STARTUP_BYTES_MAX, Startup, StartupError, decode_first_packet, first_packet_bytes,
};
pub use stream::Stream;
pub use tls::{ServerTls, TlsError, TlsMode, client_side_config, server_side_config};
