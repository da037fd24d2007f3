//! The first packet: versions of the protocol, and connections for replication.

use std::process::{Command, Output};

use rastro_sim::ScratchOptions;

use crate::support::desk::{DATABASE, DESK, new_cluster, trusting_cluster};
use crate::support::gateway::{Gateway, GatewayOptions};
use crate::support::message;
use crate::support::raw::{RawClient, open};
use crate::support::transcript::{aim, client_place};

#[test]
fn newer_minor_version_is_negotiated_by_the_server_and_the_session_works() {
    let cluster = trusting_cluster();
    let gateway = Gateway::start(cluster, &GatewayOptions::default());
    let words = ["user", "agent_001", "database", DATABASE, "_pq_.no_such_option", "1"];
    let greeting = |port: u16| {
        let startup = message::startup_of(2, &words);
        let mut client = RawClient::begin(open(port).unwrap(), &startup).unwrap();
        let reply = client.query("SELECT name FROM customers WHERE id = 5").unwrap();
        assert_eq!(reply.rows, [[Some(DESK.customer(5).name.into_bytes())]]);
        // The key of the session is its own; what names it is not.
        client.greeting.retain(|(tag, _)| *tag != b'K');
        client.greeting
    };
    let direct = greeting(cluster.port());
    let (tag, body) = &direct[0];
    assert_eq!(*tag, b'v', "the server took everything");
    assert!(body.ends_with(b"_pq_.no_such_option\0"), "{body:?}");
    assert_eq!(greeting(gateway.port), direct);
}

#[test]
fn libpq_that_asks_for_its_newest_version_is_served() {
    let cluster = trusting_cluster();
    let gateway = Gateway::start(cluster, &GatewayOptions::default());
    let script = "import psycopg\n\
        with psycopg.connect('max_protocol_version=3.2') as session:\n    \
        print(*session.execute('SELECT name FROM customers WHERE id = 3').fetchone())\n    \
        print(session.pgconn.status)";
    let run = |port: u16| {
        let mut command = Command::new(client_place().join("python/bin/python"));
        let output = aim(command.args(["-c", script]), port, "agent_001").output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{complaint}");
        String::from_utf8(output.stdout).unwrap()
    };
    let direct = run(cluster.port());
    assert!(direct.starts_with(&DESK.customer(3).name), "{direct}");
    assert_eq!(run(gateway.port), direct);
}

#[test]
fn replication_is_refused_unless_it_is_allowed() {
    let options = ScratchOptions::default().with_setting("wal_level", "replica");
    let cluster = new_cluster(&options.with_setting("max_wal_senders", "2"));
    let identify = |port: u16| {
        let mut command = Command::new(cluster.program("psql"));
        command.args(["-XAt", "-c", "IDENTIFY_SYSTEM", "replication=database"]);
        aim(&mut command, port, "postgres").output().unwrap()
    };
    let direct = identify(cluster.port());
    assert!(direct.status.success(), "{direct:?}");
    let gateway = Gateway::start(&cluster, &GatewayOptions::default());
    let refused = identify(gateway.port);
    let complaint = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success());
    for part in ["replication connections are not allowed", "gateway.allow_replication"] {
        assert!(complaint.contains(part), "no `{part}` in: {complaint}");
    }
    let allowing = GatewayOptions::with_tables("\n[gateway]\nallow_replication = true\n");
    let gateway = Gateway::start(&cluster, &allowing);
    // The third column is the position in the write-ahead log, which moves on.
    let lasting = |output: &Output| {
        let line = String::from_utf8_lossy(&output.stdout).into_owned();
        line.trim()
            .split('|')
            .enumerate()
            .filter(|(column, _)| *column != 2)
            .map(|(_, v)| v.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(lasting(&identify(gateway.port)), lasting(&direct));
}
