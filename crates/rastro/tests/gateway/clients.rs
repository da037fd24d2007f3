//! Drivers of other languages see through the gateway exactly what they see directly.

use std::process::Command;

use crate::support::desk::cluster;
use crate::support::gateway::{Gateway, GatewayOptions};
use crate::support::transcript::{aim, assert_same, client_place, output_of, root};

/// Runs a client program against PostgreSQL and against a gateway before it; its transcripts must be equal.
#[track_caller]
fn check_client(what: &str, command: impl Fn() -> Command) {
    let cluster = cluster();
    let gateway = Gateway::start(cluster, &GatewayOptions::default());
    let direct = output_of(aim(&mut command(), cluster.port(), "postgres"));
    assert!(direct.lines().count() > 50 && direct.ends_with("end\n"), "{what}: no transcript: {direct}");
    let through = output_of(aim(&mut command(), gateway.port, "postgres"));
    assert_same(what, &direct, &through);
}

#[test]
fn psycopg_sees_the_same_through_the_gateway() {
    check_client("psycopg", || {
        let mut command = Command::new(client_place().join("python/bin/python"));
        command.arg(root().join("tests/clients/psycopg/transcript.py"));
        command
    });
}

#[test]
fn asyncpg_sees_the_same_through_the_gateway() {
    check_client("asyncpg", || {
        let mut command = Command::new(client_place().join("python/bin/python"));
        command.arg(root().join("tests/clients/asyncpg/transcript.py"));
        command
    });
}

#[test]
fn node_postgres_sees_the_same_through_the_gateway() {
    check_client("node", || {
        let mut command = Command::new("node");
        command.env("NODE_PATH", client_place().join("node/node_modules"));
        command.arg(root().join("tests/clients/node/transcript.js"));
        command
    });
}

#[test]
fn jdbc_sees_the_same_through_the_gateway() {
    check_client("jdbc", || {
        let mut path = client_place().join("java").into_os_string();
        path.push(":/usr/share/java/postgresql.jar");
        let mut command = Command::new("java");
        command.args(["-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", "-cp"]).arg(path).arg("Transcript");
        command
    });
}
