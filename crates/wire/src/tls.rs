//! TLS settings of both legs, on rustls.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

/// The ALPN name PostgreSQL clients ask for in direct TLS.
const ALPN: &[u8] = b"postgresql";

/// How the leg to the server is encrypted; the words are libpq's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TlsMode {
    /// Never.
    Disable,
    /// If the server offers it; its certificate is not verified.
    #[default]
    Prefer,
    /// Always; its certificate is not verified.
    Require,
    /// Always; certificate and host name are verified.
    VerifyFull,
}

/// TLS of the leg to the server.
#[derive(Clone, Debug, Default)]
pub struct ServerTls {
    /// Whether to encrypt.
    pub mode: TlsMode,
    /// Made by [`client_side_config`]; `None` only with [`TlsMode::Disable`].
    pub config: Option<Arc<ClientConfig>>,
}

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// PEM text holds no usable certificate or key.
    #[error("cannot read the {what} from PEM")]
    Pem {
        /// Certificate, key or authority.
        what: &'static str,
        /// The parser's words.
        source: rustls_pki_types::pem::Error,
    },
    /// PEM text holds no certificate at all.
    #[error("there is no certificate in the {what}")]
    Empty {
        /// Which text.
        what: &'static str,
    },
    /// rustls refuses the material.
    #[error("TLS settings do not fit together")]
    Rustls(#[source] rustls::Error),
    /// The verifier refuses the authorities.
    #[error("client authorities are not usable")]
    Verifier(#[source] rustls::server::VerifierBuilderError),
}

fn certificates(pem: &[u8], what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| TlsError::Pem { what, source })?;
    if found.is_empty() { Err(TlsError::Empty { what }) } else { Ok(found) }
}

fn roots(pem: &[u8], what: &'static str) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(pem, what)? {
        store.add(certificate).map_err(TlsError::Rustls)?;
    }
    Ok(store)
}

/// Makes the settings for clients that connect to the gateway.
///
/// * `client_ca`: PEM; when given, clients must show a certificate signed by it.
///
/// # Errors
/// See [`TlsError`].
pub fn server_side_config(
    cert_pem: &[u8],
    key_pem: &[u8],
    client_ca: Option<&[u8]>,
) -> Result<(Arc<ServerConfig>, CertificateDer<'static>), TlsError> {
    let chain = certificates(cert_pem, "certificate")?;
    let leaf = chain.first().cloned().ok_or(TlsError::Empty { what: "certificate" })?;
    let key = PrivateKeyDer::from_pem_slice(key_pem)
        .map_err(|source| TlsError::Pem { what: "private key", source })?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Rustls)?;
    let builder = match client_ca {
        Some(pem) => {
            let roots = Arc::new(roots(pem, "client authority")?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
            builder.with_client_cert_verifier(verifier.build().map_err(TlsError::Verifier)?)
        }
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key).map_err(TlsError::Rustls)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok((Arc::new(config), leaf))
}

/// Makes the settings for the leg to the server.
///
/// * `ca`: PEM of the authorities for `VerifyFull`; without it the machine's own are used by the caller.
///
/// # Errors
/// See [`TlsError`].
pub fn client_side_config(mode: TlsMode, ca: Option<&[u8]>) -> Result<ServerTls, TlsError> {
    if mode == TlsMode::Disable {
        return Ok(ServerTls { mode, config: None });
    }
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Rustls)?;
    let config = if mode == TlsMode::VerifyFull {
        let roots = roots(ca.unwrap_or_default(), "server authority")?;
        builder.with_root_certificates(roots).with_no_client_auth()
    } else {
        let verifier = Arc::new(AnyCertificate(provider));
        builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
    };
    Ok(ServerTls { mode, config: Some(Arc::new(config)) })
}

/// Accepts any certificate, as libpq does with `prefer` and `require`; signatures are still checked.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
