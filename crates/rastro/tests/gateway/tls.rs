//! TLS on either leg and on both, as psql (the distribution's libpq) and psycopg (its own, newer libpq) use it.

mod raw;

use std::process::{Command, Output};

use rastro_sim::{Auth, ScratchCluster, ScratchOptions, TlsFiles};

use crate::support::certificates::{Authority, tls_section};
use crate::support::desk::{DATABASE, DESK, cluster, new_cluster};
use crate::support::gateway::{Gateway, GatewayOptions};
use crate::support::transcript::{aim, client_place, output_of, root};

const NAMES: &[&str] = &["localhost", "127.0.0.1"];
/// A customer, and whether the gateway's own leg is encrypted.
const SQL: &str =
    "SELECT c.id, c.name, s.ssl FROM customers c, pg_stat_ssl s WHERE c.id = 3 AND s.pid = pg_backend_pid()";

fn conninfo(port: u16, settings: &str) -> String {
    format!("host=127.0.0.1 port={port} user=agent_001 password=agent_001 dbname={DATABASE} {settings}")
}

fn psql(port: u16, settings: &str) -> Output {
    let mut command = Command::new(cluster().program("psql"));
    command.args(["-XAt", "-c", SQL]);
    aim(&mut command, port, "agent_001").arg(conninfo(port, settings)).output().unwrap()
}

#[track_caller]
fn assert_serves(port: u16, settings: &str, server_leg_encrypted: bool) {
    let output = psql(port, settings);
    let seen = String::from_utf8_lossy(&output.stdout);
    let flag = if server_leg_encrypted { "t" } else { "f" };
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(seen.trim(), format!("3|{}|{flag}", DESK.customer(3).name), "{settings}: {complaint}");
}

#[track_caller]
fn assert_refuses(port: u16, settings: &str, reason: &str) {
    let output = psql(port, settings);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && output.stdout.is_empty(), "{settings} was served");
    assert!(complaint.contains(reason), "{settings}: no `{reason}` in: {complaint}");
}

/// A session, a query, a cancel and another query of psycopg.
#[track_caller]
fn assert_psycopg_works(port: u16, settings: &str) {
    assert_psycopg_cancels(port, settings, &[]);
}

#[track_caller]
fn assert_psycopg_cancels(port: u16, settings: &str, how: &[&str]) {
    let mut command = Command::new(client_place().join("python/bin/python"));
    command.arg(root().join("tests/clients/psycopg/encrypted.py")).arg(conninfo(port, settings)).args(how);
    let (third, fourth) = (DESK.customer(3).name, DESK.customer(4).name);
    let expected = format!("encrypted True\nname {third}\ncancelled 57014\nagain {fourth}\n");
    assert_eq!(output_of(&mut command), expected, "{settings}");
}

fn encrypted_cluster(files: &TlsFiles) -> ScratchCluster {
    let options = ScratchOptions { tls: Some(files.clone()), ..ScratchOptions::default() };
    new_cluster(&options.with_auth(Auth::ScramSha256))
}

fn server_leg(lines: &str) -> GatewayOptions {
    GatewayOptions { database_lines: lines.to_owned(), ..GatewayOptions::default() }
}

#[test]
fn client_leg_alone_is_encrypted_and_verified() {
    let (authority, stranger) = (Authority::new("ours"), Authority::new("stranger"));
    let files = authority.sign("gateway", NAMES);
    let gateway = Gateway::start(cluster(), &GatewayOptions::with_tables(&tls_section(&files)));
    let verify = format!("sslmode=verify-full sslrootcert={}", authority.root.display());
    for settings in ["sslmode=disable", "sslmode=prefer", "sslmode=require", &verify] {
        assert_serves(gateway.port, settings, false);
    }
    let other = format!("sslmode=verify-full sslrootcert={}", stranger.root.display());
    assert_refuses(gateway.port, &other, "certificate verify failed");
    // The server does not encrypt, so there is nothing it could bind to.
    assert_refuses(gateway.port, "sslmode=require channel_binding=require", "channel binding");
    for settings in ["sslmode=require", &verify] {
        assert_psycopg_works(gateway.port, settings);
    }
    assert_psycopg_works(gateway.port, &format!("{verify} sslnegotiation=direct"));
    let shown = gateway.disclosures(&["--subject", "3", "--principal", "agent_001"]);
    assert_eq!(shown.len(), 7, "{shown:#?}");
}

#[test]
fn encrypted_cancel_request_is_confirmed_by_the_end_of_its_connection() {
    let authority = Authority::new("ours");
    let files = authority.sign("gateway", NAMES);
    let gateway = Gateway::start(cluster(), &GatewayOptions::with_tables(&tls_section(&files)));
    assert_psycopg_cancels(gateway.port, "sslmode=require", &["confirmed"]);
}

#[test]
fn certificate_for_another_host_is_refused_by_the_client() {
    let authority = Authority::new("ours");
    let files = authority.sign("elsewhere", &["elsewhere.example"]);
    let gateway = Gateway::start(cluster(), &GatewayOptions::with_tables(&tls_section(&files)));
    let verify = |mode: &str| format!("sslmode={mode} sslrootcert={}", authority.root.display());
    assert_refuses(gateway.port, &verify("verify-full"), "does not match host name");
    assert_serves(gateway.port, &verify("verify-ca"), false);
}

#[test]
fn server_leg_alone_is_encrypted_and_verified() {
    let (authority, stranger) = (Authority::new("ours"), Authority::new("stranger"));
    let guarded = encrypted_cluster(&authority.sign("server", NAMES));
    let verify = |root: &Authority| server_leg(&format!("tls = \"verify-full\"\ntls_ca = {:?}\n", root.root));
    for (options, encrypted) in [
        (server_leg(""), true),
        (server_leg("tls = \"require\"\n"), true),
        (verify(&authority), true),
        (server_leg("tls = \"disable\"\n"), false),
    ] {
        let gateway = Gateway::start(&guarded, &options);
        assert_serves(gateway.port, "sslmode=prefer", encrypted);
        assert_refuses(gateway.port, "sslmode=require", "server does not support SSL");
    }
    let output = Gateway::prepare(&guarded, &verify(&stranger)).run("check", &[]);
    let found = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{found}");
    assert!(found.contains("cannot connect") && found.contains("certificate"), "{found}");
}

#[test]
fn server_that_does_not_encrypt_is_not_used_with_require() {
    let output = Gateway::prepare(cluster(), &server_leg("tls = \"require\"\n")).run("check", &[]);
    let found = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{found}");
    assert!(found.contains("cannot connect"), "{found}");
}

/// libpq with a certificate seen on its leg, and a server that has one on its own: see docs/adr.
#[test]
fn same_certificate_on_both_legs_lets_channel_binding_pass() {
    let authority = Authority::new("ours");
    let files = authority.sign("both", NAMES);
    let guarded = encrypted_cluster(&files);
    let both = GatewayOptions {
        tables: GatewayOptions::with_tables(&tls_section(&files)).tables,
        ..server_leg("tls = \"require\"\n")
    };
    let gateway = Gateway::start(&guarded, &both);
    for binding in ["prefer", "require", "disable"] {
        let settings = format!("sslmode=require channel_binding={binding}");
        assert_serves(gateway.port, &settings, true);
        assert_psycopg_works(gateway.port, &settings);
    }
}

#[test]
fn different_certificates_on_the_legs_work_without_channel_binding() {
    let authority = Authority::new("ours");
    let guarded = encrypted_cluster(&authority.sign("server", NAMES));
    let own = tls_section(&authority.sign("gateway", NAMES));
    let both = GatewayOptions {
        tables: GatewayOptions::with_tables(&own).tables,
        ..server_leg("tls = \"require\"\n")
    };
    let gateway = Gateway::start(&guarded, &both);
    assert_serves(gateway.port, "sslmode=require channel_binding=disable", true);
    assert_psycopg_works(gateway.port, "sslmode=require channel_binding=disable");
    // What docs/adr/002 says of the others: a clear refusal, never a session that is bound to nothing.
    assert_refuses(gateway.port, "sslmode=require channel_binding=require", "channel binding");
    assert_refuses(gateway.port, "sslmode=require channel_binding=prefer", "channel binding");
}

#[test]
fn client_authority_admits_only_clients_with_its_certificates() {
    let (authority, stranger) = (Authority::new("ours"), Authority::new("stranger"));
    let section = tls_section(&authority.sign("gateway", NAMES));
    let section = format!("{section}client_ca = {:?}\n", authority.root);
    let gateway = Gateway::start(cluster(), &GatewayOptions::with_tables(&section));
    let shown = |files: &TlsFiles| {
        format!("sslmode=require sslcert={} sslkey={}", files.cert.display(), files.key.display())
    };
    assert_serves(gateway.port, &shown(&authority.sign("agent", &["agent_001"])), false);
    assert_refuses(gateway.port, &shown(&stranger.sign("thief", &["agent_001"])), "SSL error");
    assert_refuses(gateway.port, "sslmode=require sslcert=/nonexistent", "SSL error");
}
