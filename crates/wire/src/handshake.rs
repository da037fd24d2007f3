//! The first moments of a client's connection: encryption, then the packet that says what it wants.

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsStream};

use crate::client_error::ClientError;
use crate::startup::{
    CancelKey, FirstPacket, Startup, StartupError, decode_first_packet, first_packet_bytes,
};
use crate::stream::Stream;

// The first byte of a TLS ClientHello: direct TLS, without SSLRequest.
const TLS_HANDSHAKE: u8 = 0x16;

/// What a client is offered.
#[derive(Clone, Debug, Default)]
pub struct Greeting {
    /// TLS settings; `None`: TLS is not offered.
    pub tls: Option<Arc<ServerConfig>>,
    /// Sessions in clear are refused.
    pub tls_required: bool,
}

/// What a client wants.
#[derive(Debug)]
pub enum Accepted {
    /// A session on this stream.
    Session(Box<Stream>, Startup),
    /// To cancel what another session does. The client waits for the end of this stream as a sign that the
    /// request was taken; with TLS it wants the end said.
    Cancel(CancelKey, Box<Stream>),
}

/// Why a connection came to nothing before a session began.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The connection broke or ended.
    #[error("client left during start-up")]
    Io(#[source] io::Error),
    /// The packet was not understood; the client was told.
    #[error("client sent an unusable first packet")]
    Packet(#[source] StartupError),
    /// TLS failed.
    #[error("TLS with the client failed")]
    Tls(#[source] io::Error),
    /// The client was told to use TLS.
    #[error("client asked for a session without TLS")]
    TlsRequired,
    /// A second SSLRequest, or bytes in clear sent ahead of TLS (an injection, CVE-2021-23214).
    #[error("client broke the order of encryption")]
    Order,
}

/// Reads the first packets of a connection, with TLS as offered. Not cancel safe; bound it by a timeout.
///
/// # Errors
/// See [`HandshakeError`]; the connection is of no use then.
pub async fn accept(tcp: TcpStream, greeting: &Greeting) -> Result<Accepted, HandshakeError> {
    let mut first = [0; 1];
    if let Some(tls) = &greeting.tls
        && tcp.peek(&mut first).await.map_err(HandshakeError::Io)? == 1
        && first == [TLS_HANDSHAKE]
    {
        let mut stream = accept_tls(tcp, tls).await?;
        // Direct TLS is only safe when the client said which protocol it means to speak.
        if let Stream::Tls(tls) = &stream
            && tls.get_ref().1.alpn_protocol().is_none()
        {
            return Err(HandshakeError::Order);
        }
        return match read_first_packet(&mut stream).await? {
            FirstPacket::Startup(startup) => Ok(Accepted::Session(Box::new(stream), startup)),
            FirstPacket::Cancel(key) => Ok(Accepted::Cancel(key, Box::new(stream))),
            FirstPacket::SslRequest | FirstPacket::GssEncRequest => Err(HandshakeError::Order),
        };
    }
    negotiate(Stream::Tcp(tcp), greeting).await
}

async fn negotiate(mut stream: Stream, greeting: &Greeting) -> Result<Accepted, HandshakeError> {
    let (mut asked_tls, mut asked_gss) = (false, false);
    loop {
        match read_first_packet(&mut stream).await? {
            FirstPacket::Cancel(key) => return Ok(Accepted::Cancel(key, Box::new(stream))),
            FirstPacket::GssEncRequest if !asked_gss && !stream.is_tls() => {
                asked_gss = true;
                stream.write_all(b"N").await.map_err(HandshakeError::Io)?;
            }
            FirstPacket::SslRequest if !asked_tls && !stream.is_tls() => {
                asked_tls = true;
                match (&greeting.tls, stream) {
                    (Some(tls), Stream::Tcp(mut tcp)) => {
                        // Bytes sent ahead in clear stay in the socket and reach the TLS layer as its
                        // first record, where they fail: nothing was buffered here.
                        tcp.write_all(b"S").await.map_err(HandshakeError::Io)?;
                        stream = accept_tls(tcp, tls).await?;
                    }
                    (_, mut plain) => {
                        plain.write_all(b"N").await.map_err(HandshakeError::Io)?;
                        stream = plain;
                    }
                }
            }
            FirstPacket::SslRequest | FirstPacket::GssEncRequest => return Err(HandshakeError::Order),
            FirstPacket::Startup(startup) => {
                if greeting.tls_required && !stream.is_tls() {
                    let error = ClientError::fatal("28000", "this gateway takes connections with TLS only")
                        .with_hint("Connect with sslmode=require or stronger.");
                    refuse(&mut stream, &error).await;
                    return Err(HandshakeError::TlsRequired);
                }
                return Ok(Accepted::Session(Box::new(stream), startup));
            }
        }
    }
}

async fn accept_tls(tcp: TcpStream, tls: &Arc<ServerConfig>) -> Result<Stream, HandshakeError> {
    let stream = TlsAcceptor::from(Arc::clone(tls)).accept(tcp).await.map_err(HandshakeError::Tls)?;
    Ok(Stream::Tls(Box::new(TlsStream::Server(stream))))
}

async fn read_first_packet(stream: &mut Stream) -> Result<FirstPacket, HandshakeError> {
    let result = async {
        let mut length = [0; 4];
        stream.read_exact(&mut length).await.map_err(HandshakeError::Io)?;
        let bytes = first_packet_bytes(length).map_err(HandshakeError::Packet)?;
        let mut packet = length.to_vec();
        packet.resize(bytes, 0);
        if let Some(rest) = packet.get_mut(4..) {
            stream.read_exact(rest).await.map_err(HandshakeError::Io)?;
        }
        decode_first_packet(&packet).map_err(HandshakeError::Packet)
    };
    let result = result.await;
    if let Err(HandshakeError::Packet(error)) = &result {
        refuse(stream, &ClientError::fatal("08P01", error.to_string())).await;
    }
    result
}

/// Tells the client why it gets no session; failures to do so are of no interest.
pub async fn refuse(stream: &mut Stream, error: &ClientError) {
    let _ = stream.write_all(&error.to_frame()).await;
    let _ = stream.flush().await;
    let _ = stream.shutdown().await;
}
