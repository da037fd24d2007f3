//! pgbench fills its tables and runs every kind of statement through the gateway.

use std::process::Command;

use crate::support::desk::{DATABASE, cluster};
use crate::support::gateway::{Gateway, GatewayOptions};
use crate::support::transcript::{aim, assert_same, output_of};

const TRANSACTIONS_PER_CLIENT: u32 = 150;

const LOOKUP: &str = "\\set id random(1, 2000)
SELECT t.ticket_number, c.name, c.email FROM tickets t JOIN customers c ON c.id = t.customer_id WHERE c.id = :id;
BEGIN;
SELECT name, phone FROM customers WHERE id = :id;
UPDATE tickets SET status = status WHERE customer_id = :id;
END;
";

const PIPELINE: &str = "\\set id random(1, 2000)
\\startpipeline
SELECT name FROM customers WHERE id = :id;
SELECT email FROM customers WHERE id = :id + 1;
SELECT phone FROM customers WHERE id = :id + 2;
\\endpipeline
";

/// Returns pgbench's report without the lines that measure time.
fn report(port: u16, arguments: &[&str]) -> String {
    let mut command = Command::new(cluster().program("pgbench"));
    command.args(["-c", "4", "-t", &TRANSACTIONS_PER_CLIENT.to_string()]).args(arguments);
    let text = output_of(aim(&mut command, port, "postgres"));
    let timed = ["latency", "tps", "initial connection", "statement latencies", "SQL script"];
    text.lines().filter(|line| !timed.iter().any(|word| line.contains(word))).collect::<Vec<_>>().join("\n")
}

#[test]
fn pgbench_fills_the_same_tables_and_completes_every_transaction() {
    let cluster = cluster();
    let gateway = Gateway::start(cluster, &GatewayOptions::default());
    let checksums = |port| {
        let mut fill = Command::new(cluster.program("pgbench"));
        output_of(aim(fill.args(["-i", "-q", "--foreign-keys"]), port, "postgres"));
        let sql =
            "SELECT count(*), sum(aid), md5(string_agg(bid::text, ',' ORDER BY aid)) FROM pgbench_accounts";
        cluster.run_sql(DATABASE, sql).unwrap()
    };
    assert_same("pgbench -i", &checksums(cluster.port()), &checksums(gateway.port));

    let directory = tempfile::tempdir().unwrap();
    let (lookup, pipeline) = (directory.path().join("lookup.sql"), directory.path().join("pipeline.sql"));
    std::fs::write(&lookup, LOOKUP).unwrap();
    std::fs::write(&pipeline, PIPELINE).unwrap();
    let (lookup, pipeline) = (lookup.to_str().unwrap(), pipeline.to_str().unwrap());
    for mode in ["simple", "extended", "prepared"] {
        let mut kinds = vec![vec!["-M", mode], vec!["-M", mode, "-S"], vec!["-M", mode, "-n", "-f", lookup]];
        if mode != "simple" {
            kinds.push(vec!["-M", mode, "-n", "-f", pipeline]);
        }
        for arguments in kinds {
            let direct = report(cluster.port(), &arguments);
            assert!(direct.contains("actually processed: 600/600"), "{direct}");
            assert_same(&format!("pgbench {arguments:?}"), &direct, &report(gateway.port, &arguments));
        }
    }
}
