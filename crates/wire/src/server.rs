//! The guarded server: how to reach it, and how to cancel there.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::{TlsConnector, TlsStream};

use crate::startup::{CancelKey, SSL_REQUEST_PACKET};
use crate::stream::Stream;
use crate::tls::{ServerTls, TlsMode};

const CONNECT_WITHIN: Duration = Duration::from_secs(10);
// A server that does not take a cancel request in this time is waited for no longer.
const CANCEL_WITHIN: Duration = Duration::from_secs(5);

/// A cancel request on its way; ready when the server has taken it or will never get it. `false`: it was sent,
/// and may be acted upon at any later time.
pub type CancelFuture = Pin<Box<dyn Future<Output = bool> + Send>>;

/// Where the server listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServerAddress {
    /// Host name or address, and port.
    Tcp(String, u16),
    /// The socket's path, `/run/postgresql/.s.PGSQL.5432`.
    Unix(PathBuf),
}

/// The guarded server.
#[derive(Clone, Debug)]
pub struct ServerTarget {
    /// Where it listens.
    pub address: ServerAddress,
    /// Whether and how to encrypt.
    pub tls: ServerTls,
}

/// Why the server could not be reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No connection.
    #[error("cannot connect to the database server")]
    Connect(#[source] io::Error),
    /// No answer in time.
    #[error("database server did not answer within {CONNECT_WITHIN:?}")]
    TimedOut,
    /// TLS was asked for and the server refused it.
    #[error("database server does not offer TLS")]
    NoTls,
    /// The TLS handshake failed.
    #[error("TLS with the database server failed")]
    Tls(#[source] io::Error),
    /// The host is no valid server name.
    #[error("`{0}` is not a server name that TLS can verify")]
    ServerName(String),
}

impl ServerTarget {
    /// Connects and, where configured, encrypts.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect(&self) -> Result<Stream, ConnectError> {
        tokio::time::timeout(CONNECT_WITHIN, self.connect_now()).await.map_err(|_| ConnectError::TimedOut)?
    }

    async fn connect_now(&self) -> Result<Stream, ConnectError> {
        let (host, port) = match &self.address {
            ServerAddress::Unix(path) => {
                return UnixStream::connect(path).await.map(Stream::Unix).map_err(ConnectError::Connect);
            }
            ServerAddress::Tcp(host, port) => (host, *port),
        };
        let mut stream = TcpStream::connect((host.as_str(), port)).await.map_err(ConnectError::Connect)?;
        stream.set_nodelay(true).map_err(ConnectError::Connect)?;
        let Some(config) = self.tls.config.as_ref().filter(|_| self.tls.mode != TlsMode::Disable) else {
            return Ok(Stream::Tcp(stream));
        };
        stream.write_all(&SSL_REQUEST_PACKET).await.map_err(ConnectError::Connect)?;
        match stream.read_u8().await.map_err(ConnectError::Connect)? {
            b'S' => {}
            _ if self.tls.mode == TlsMode::Prefer => return Ok(Stream::Tcp(stream)),
            _ => return Err(ConnectError::NoTls),
        }
        let name = ServerName::try_from(host.clone()).map_err(|_| ConnectError::ServerName(host.clone()))?;
        let connector = TlsConnector::from(config.clone());
        let stream = connector.connect(name, stream).await.map_err(ConnectError::Tls)?;
        Ok(Stream::Tls(Box::new(TlsStream::Client(stream))))
    }

    /// Sends a cancel request and waits until the server has taken it: it closes the connection only after
    /// the signal went out.
    pub fn cancel(&self, key: CancelKey) -> CancelFuture {
        let target = self.clone();
        Box::pin(async move {
            let Ok(mut stream) = target.connect().await else { return true };
            let request = async {
                stream.write_all(&key.to_cancel_request()).await?;
                stream.flush().await?;
                let mut rest = [0; 16];
                while stream.read(&mut rest).await? > 0 {}
                Ok::<(), io::Error>(())
            };
            // A connection that breaks was closed by the server as well.
            let taken = tokio::time::timeout(CANCEL_WITHIN, request).await.is_ok();
            if !taken {
                tracing::warn!(process_id = key.process_id, "cancel request was not taken in time");
            }
            taken
        })
    }
}
