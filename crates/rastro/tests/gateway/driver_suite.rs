//! The test suite asyncpg publishes has the same result, test by test, through the gateway as directly.

use std::collections::BTreeMap;
use std::process::Command;

use crate::support::desk::cluster;
use crate::support::gateway::{Gateway, GatewayOptions};
use crate::support::transcript::{aim, client_place, output_of, root};

/// Some tests of the suite fail now and then on a busy machine, either way; those that differ run again, alone,
/// so often at most.
const REPEATS: usize = 3;

/// Runs the tests named (none: all) at `port`; test to outcome.
fn run(port: u16, tests: &[String]) -> BTreeMap<String, String> {
    let mut command = Command::new(root().join("tests/driver-suite/run"));
    let text = output_of(aim(command.args(tests), port, "postgres"));
    let outcomes = text.lines().filter_map(|line| line.rsplit_once(' '));
    outcomes.map(|(test, outcome)| (test.to_owned(), outcome.to_owned())).collect()
}

#[test]
fn asyncpg_suite_has_the_same_results_through_the_gateway() {
    client_place();
    let cluster = cluster();
    let gateway = Gateway::start(cluster, &GatewayOptions::default());
    let mut direct = run(cluster.port(), &[]);
    let mut through = run(gateway.port, &[]);
    let passed = direct.values().filter(|outcome| *outcome == "passed").count();
    assert!(passed > 250, "the suite does not even pass directly: {direct:#?}");
    assert!(direct.keys().eq(through.keys()), "another set of tests ran through the gateway");
    let differing = |direct: &BTreeMap<String, String>, through: &BTreeMap<String, String>| {
        direct.keys().filter(|test| direct.get(*test) != through.get(*test)).cloned().collect::<Vec<_>>()
    };
    for _ in 0..REPEATS {
        for test in differing(&direct, &through) {
            println!("again: {test}: {} directly, {} through the gateway", direct[&test], through[&test]);
            direct.extend(run(cluster.port(), std::slice::from_ref(&test)));
            through.extend(run(gateway.port, &[test]));
        }
    }
    let left = differing(&direct, &through);
    assert!(left.is_empty(), "these differ through the gateway: {left:#?}");
    println!("{} tests, {passed} passed directly at first, all with the same result", direct.len());
}
