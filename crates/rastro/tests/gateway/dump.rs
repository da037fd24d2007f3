//! The desk, dumped and restored through the gateway, is the same desk.

use std::process::{Command, Stdio};

use crate::support::desk::{DATABASE, cluster};
use crate::support::gateway::{Gateway, GatewayOptions};
use crate::support::transcript::{aim, assert_same, output_of};

const CHECKSUMS: &str =
    "SELECT 'customers', count(*), md5(string_agg(t::text, ';' ORDER BY id)) FROM customers t
UNION ALL SELECT 'tickets', count(*), md5(string_agg(t::text, ';' ORDER BY id)) FROM tickets t
UNION ALL SELECT 'agents', count(*), md5(string_agg(t::text, ';' ORDER BY id)) FROM agents t
UNION ALL SELECT 'indexes', count(*), md5(string_agg(indexdef, ';' ORDER BY indexdef)) FROM pg_indexes
    WHERE schemaname = 'public' AND tablename IN ('customers', 'tickets', 'agents')";

#[test]
fn dump_is_byte_for_byte_the_same_through_the_gateway() {
    let cluster = cluster();
    let gateway = Gateway::start(cluster, &GatewayOptions::default());
    let dump = |port| {
        let mut command = Command::new(cluster.program("pg_dump"));
        let text = output_of(aim(
            command.args(["-t", "customers", "-t", "tickets", "-t", "agents"]),
            port,
            "postgres",
        ));
        // Newer versions guard the script with a random word.
        let guard = |line: &&str| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict");
        text.lines().filter(guard).collect::<Vec<_>>().join("\n")
    };
    assert_same("pg_dump", &dump(cluster.port()), &dump(gateway.port));
}

#[test]
fn desk_restored_through_the_gateway_has_the_same_checksums() {
    let cluster = cluster();
    let gateway = Gateway::start(cluster, &GatewayOptions::default());
    cluster.run_sql("postgres", "CREATE DATABASE restored").unwrap();
    let mut dump = Command::new(cluster.program("pg_dump"));
    aim(dump.args(["-Fc", "-t", "customers", "-t", "tickets", "-t", "agents"]), gateway.port, "postgres");
    let mut dump = dump.stdout(Stdio::piped()).spawn().unwrap();
    let mut restore = Command::new(cluster.program("pg_restore"));
    aim(restore.args(["--exit-on-error", "-d", "restored"]), gateway.port, "postgres");
    let status = restore.stdin(dump.stdout.take().unwrap()).status().unwrap();
    assert!(dump.wait().unwrap().success() && status.success());
    let expected = cluster.run_sql(DATABASE, CHECKSUMS).unwrap();
    assert_same("restored desk", &expected, &cluster.run_sql("restored", CHECKSUMS).unwrap());
    cluster.run_sql("postgres", "DROP DATABASE restored WITH (FORCE)").unwrap();
}
