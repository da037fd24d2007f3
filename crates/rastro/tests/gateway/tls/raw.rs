//! The order of encryption, byte by byte.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::NAMES;
use crate::support::certificates::{Authority, tls_section};
use crate::support::desk::{DATABASE, DESK, trusting_cluster};
use crate::support::gateway::{Gateway, GatewayOptions};
use crate::support::message;
use crate::support::raw::{RawClient, open};

type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// A gateway with a certificate, and a client that verifies it.
struct Scene {
    gateway: Gateway,
    authority: Authority,
}

impl Scene {
    fn set(tls_lines: &str) -> Scene {
        let authority = Authority::new("ours");
        let section = tls_section(&authority.sign("gateway", NAMES)) + tls_lines;
        let gateway = Gateway::start(trusting_cluster(), &GatewayOptions::with_tables(&section));
        Scene { gateway, authority }
    }

    fn encrypt(&self, tcp: TcpStream, alpn: &[&str]) -> TlsStream {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.authority.root).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = builder.unwrap().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), tcp)
    }

    /// Asks for TLS with SSLRequest.
    fn negotiate(&self, mut tcp: TcpStream) -> TlsStream {
        assert_eq!(ask(&mut tcp, &message::ssl_request()), b'S');
        self.encrypt(tcp, &[])
    }

    fn open(&self) -> TcpStream {
        open(self.gateway.port).unwrap()
    }
}

/// Sends a request that is answered with one byte.
fn ask(stream: &mut TcpStream, request: &[u8]) -> u8 {
    stream.write_all(request).unwrap();
    let mut answer = [0];
    stream.read_exact(&mut answer).unwrap();
    answer[0]
}

fn startup() -> Vec<u8> {
    message::startup("agent_001", DATABASE)
}

#[track_caller]
fn assert_answers<S: Read + Write>(client: &mut RawClient<S>) {
    let reply = client.query("SELECT name FROM customers WHERE id = 5").unwrap();
    assert_eq!(reply.rows, [[Some(DESK.customer(5).name.into_bytes())]]);
}

#[test]
fn direct_tls_needs_the_protocol_s_name() {
    let scene = Scene::set("");
    let stream = scene.encrypt(scene.open(), &["postgresql"]);
    assert_answers(&mut RawClient::begin(stream, &startup()).unwrap());
    // Without the name, or with another, a program for another protocol may have been tricked into this.
    for alpn in [&[][..], &["http/1.1"]] {
        let stream = scene.encrypt(scene.open(), alpn);
        assert!(RawClient::begin(stream, &startup()).is_err(), "{alpn:?}");
    }
}

#[test]
fn encryption_by_gss_is_declined_and_tls_may_follow() {
    let scene = Scene::set("");
    let mut tcp = scene.open();
    assert_eq!(ask(&mut tcp, &message::gssenc_request()), b'N');
    assert_answers(&mut RawClient::begin(scene.negotiate(tcp), &startup()).unwrap());
    let mut tcp = scene.open();
    assert_eq!(ask(&mut tcp, &message::gssenc_request()), b'N');
    assert_answers(&mut RawClient::begin(tcp, &startup()).unwrap());
}

#[test]
fn bytes_sent_ahead_of_tls_do_not_become_a_part_of_the_session() {
    let scene = Scene::set("");
    let mut tcp = scene.open();
    // As an attacker on the way would: a start-up of his own in clear, behind the client's request.
    assert_eq!(ask(&mut tcp, &[message::ssl_request(), startup()].concat()), b'S');
    assert!(RawClient::begin(scene.encrypt(tcp, &[]), &startup()).is_err());
}

#[test]
fn clear_session_is_refused_where_tls_is_required() {
    let scene = Scene::set("require = true\n");
    let error = RawClient::begin(scene.open(), &startup()).err().unwrap().to_string();
    for part in ["28000", "FATAL", "TLS only", "sslmode=require"] {
        assert!(error.contains(part), "no `{part}` in {error}");
    }
    let stream = scene.negotiate(scene.open());
    assert_answers(&mut RawClient::begin(stream, &startup()).unwrap());
}

#[test]
fn cancel_request_over_tls_stops_its_own_session_alone() {
    let scene = Scene::set("require = true\n");
    let begin = || RawClient::begin(scene.negotiate(scene.open()), &startup()).unwrap();
    let (mut first, mut second) = (begin(), begin());
    let (_, key) = first.greeting.iter().find(|(tag, _)| *tag == b'K').unwrap().clone();
    first.send(&message::query("SELECT 'encrypted', 1, pg_sleep(300)")).unwrap();
    second.send(&message::query("SELECT 'encrypted', 2, pg_sleep(300)")).unwrap();
    let running = "SELECT count(*) FROM pg_stat_activity
        WHERE state = 'active' AND query LIKE 'SELECT ''encrypted'', _, pg_sleep%'";
    let deadline = Instant::now() + Duration::from_secs(30);
    let count = || trusting_cluster().run_sql(DATABASE, running).unwrap();
    while count() != "2" {
        assert!(Instant::now() < deadline, "the statements did not start");
    }
    let mut other = scene.negotiate(scene.open());
    let mut wrong = key.clone();
    *wrong.last_mut().unwrap() ^= 1;
    other.write_all(&message::cancel_request(&wrong)).unwrap();
    let _ = other.read(&mut [0]);
    assert_eq!(count(), "2", "a guessed key stopped a statement");
    let mut other = scene.negotiate(scene.open());
    other.write_all(&message::cancel_request(&key)).unwrap();
    assert_eq!(first.read_reply().unwrap().errors[0][&'C'], "57014");
    assert_answers(&mut first);
    assert_eq!(count(), "1");
}
