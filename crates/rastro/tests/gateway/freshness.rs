//! Changed values are known soon: by logical replication where the server allows it, else by looking.

use std::time::{Duration, Instant};

use rastro_sim::{ScratchCluster, ScratchOptions};

use crate::support::desk::{DATABASE, DESK, new_cluster};
use crate::support::gateway::{Gateway, GatewayOptions};
use crate::values::{expected, run, shown};

const PATIENCE: Duration = Duration::from_secs(60);
/// Nothing is found by looking while a test lasts.
const NEVER_LOOK: &str = "[values]\npoll = \"1h\"\n";
const PUBLISH: &str = "ALTER ROLE rastro REPLICATION; \
    CREATE PUBLICATION rastro_values FOR TABLE customers, tickets WITH (publish = 'insert, update');";

fn logical_cluster(script: &str) -> ScratchCluster {
    let cluster = new_cluster(&ScratchOptions::default().with_setting("wal_level", "logical"));
    cluster.run_sql(DATABASE, script).unwrap();
    cluster
}

fn sql(cluster: &ScratchCluster, script: &str) -> String {
    cluster.run_sql(DATABASE, script).unwrap()
}

/// Waits until `is_so`, and returns how long that took.
fn wait(what: &str, gateway: &Gateway, mut is_so: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what}: {}", gateway.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    begun.elapsed()
}

fn wait_until_followed(gateway: &Gateway, tables: f64) {
    wait("followed", gateway, || gateway.metric("rastro_values_followed_tables") == Some(tables));
}

/// Waits until a value shown to nobody in particular is attributed to `subject`.
fn wait_until_known(cluster: &ScratchCluster, gateway: &Gateway, value: &str, subject: u64) -> Duration {
    wait(value, gateway, || knows(cluster, gateway, value, subject))
}

/// Returns whether `value` is attributed to `subject` now; a login of its own is asked for it.
fn knows(cluster: &ScratchCluster, gateway: &Gateway, value: &str, subject: u64) -> bool {
    static LOGINS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let login = format!("asks_{}", LOGINS.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    sql(cluster, &format!("CREATE ROLE {login} LOGIN PASSWORD '{login}'"));
    let output = run(gateway, &login, &format!("SELECT 'this is {value} now'"));
    assert!(output.status.success(), "{output:?}");
    shown(gateway, &login).iter().any(|(shown, ..)| *shown == subject)
}

#[test]
fn followed_change_is_known_at_once_and_what_was_before_still_resolves() {
    let cluster = logical_cluster(PUBLISH);
    let mut gateway = Gateway::start(&cluster, &GatewayOptions::with_tables(NEVER_LOOK));
    wait_until_followed(&gateway, 2.0);
    let old = DESK.customer(7).email;
    sql(&cluster, "UPDATE customers SET email = 'followed.soon@moved.example' WHERE id = 7");
    let took = wait_until_known(&cluster, &gateway, "followed.soon@moved.example", 7);
    // Looking would have taken an hour; a reading is made ten times a second.
    assert!(took < Duration::from_secs(20), "{took:?}");
    println!("known after {} ms", took.as_millis());
    sql(
        &cluster,
        "INSERT INTO tickets SELECT (jsonb_populate_record(t, \
         '{\"id\": 900001, \"customer_id\": 9, \"ticket_number\": \"XQ-900001\"}')).* FROM tickets t LIMIT 1",
    );
    wait_until_known(&cluster, &gateway, "XQ-900001", 9);
    // What was on the way between two looks is seen too.
    sql(&cluster, "UPDATE customers SET email = 'for.a.moment@moved.example' WHERE id = 8");
    sql(&cluster, "UPDATE customers SET email = 'second.address@moved.example' WHERE id = 8");
    sql(&cluster, "DELETE FROM tickets WHERE customer_id = 9; TRUNCATE tickets");
    wait_until_known(&cluster, &gateway, "second.address@moved.example", 8);
    let now = [
        (old.as_str(), 7),
        ("followed.soon@moved.example", 7),
        ("for.a.moment@moved.example", 8),
        ("second.address@moved.example", 8),
        ("XQ-900001", 9),
    ];
    for (value, subject) in now {
        assert!(knows(&cluster, &gateway, value, subject), "{value}");
    }
    let lag = gateway.metric("rastro_values_lag_seconds").unwrap();
    assert!(lag < 20.0, "{lag} s");
    gateway.kill();
    gateway.restart();
    for (value, subject) in now {
        assert!(knows(&cluster, &gateway, value, subject), "{value} after a restart");
    }
    wait_until_followed(&gateway, 2.0);
    sql(&cluster, "UPDATE customers SET email = 'after.restart@moved.example' WHERE id = 7");
    wait_until_known(&cluster, &gateway, "after.restart@moved.example", 7);
}

#[test]
fn role_that_may_not_replicate_looks_for_changes_and_says_why() {
    let cluster = logical_cluster("");
    let poll = "[values]\npoll = \"200ms\"\n";
    let gateway = Gateway::start(&cluster, &GatewayOptions::with_tables(poll));
    sql(&cluster, "UPDATE customers SET email = 'found.by.looking@moved.example' WHERE id = 7");
    wait_until_known(&cluster, &gateway, "found.by.looking@moved.example", 7);
    assert_eq!(gateway.metric("rastro_values_followed_tables"), Some(0.0));
    let log = gateway.log();
    assert_eq!(log.matches("looked for by polling").count(), 1, "{log}");
    assert!(log.contains("42501"), "{log}");
    let checked = String::from_utf8(gateway.run("check", &[]).stdout).unwrap();
    assert!(
        checked.contains("looked for every 200ms, not followed") && checked.contains("42501"),
        "{checked}"
    );
    // As soon as it may, it follows; it may not make the publication, and says who can.
    sql(&cluster, "ALTER ROLE rastro REPLICATION");
    let checked = String::from_utf8(gateway.run("check", &[]).stdout).unwrap();
    assert!(checked.contains("its owner can: CREATE PUBLICATION \"rastro_values\""), "{checked}");
    sql(&cluster, PUBLISH);
    let checked = String::from_utf8(gateway.run("check", &[]).stdout).unwrap();
    assert!(checked.contains("2 tables are followed by logical replication"), "{checked}");
    assert_eq!(sql(&cluster, "SELECT count(*) FROM pg_replication_slots"), "0");
}

#[test]
fn owner_of_the_tables_publishes_them_itself_unless_that_is_switched_off() {
    let cluster = logical_cluster("");
    let options = |values: &str| {
        let tables = format!("{}{values}", GatewayOptions::default().tables);
        GatewayOptions { login: "postgres", tables, ..GatewayOptions::default() }
    };
    let published = "SELECT string_agg(tablename, ' ' ORDER BY tablename) FROM pg_publication_tables";
    let gateway = Gateway::start(&cluster, &options("[values]\npoll = \"100ms\"\nfreshness = \"polling\"\n"));
    sql(&cluster, "UPDATE customers SET email = 'polled.only@moved.example' WHERE id = 7");
    wait_until_known(&cluster, &gateway, "polled.only@moved.example", 7);
    let checked = String::from_utf8(gateway.run("check", &[]).stdout).unwrap();
    assert!(checked.contains("`values.freshness` is `polling`"), "{checked}");
    drop(gateway);
    let gateway = Gateway::prepare(&cluster, &options(NEVER_LOOK));
    let checked = String::from_utf8(gateway.run("check", &[]).stdout).unwrap();
    assert!(checked.contains("`rastro serve` will run: CREATE PUBLICATION"), "{checked}");
    assert_eq!(sql(&cluster, published), "");
    let mut gateway = gateway;
    gateway.restart();
    wait_until_followed(&gateway, 2.0);
    assert_eq!(sql(&cluster, published), "customers tickets");
    gateway.stop();
    // A slot ends with its gateway.
    wait("slot", &gateway, || sql(&cluster, "SELECT count(*) FROM pg_replication_slots") == "0");
}

#[test]
fn ended_connections_and_changed_publications_lose_nothing() {
    let cluster = logical_cluster(PUBLISH);
    let gateway = Gateway::start(&cluster, &GatewayOptions::with_tables(NEVER_LOOK));
    wait_until_followed(&gateway, 2.0);
    let change = |id: u64, name: &str| {
        sql(&cluster, &format!("UPDATE customers SET email = '{name}.{id}@moved.example' WHERE id = {id}"));
    };
    for round in 0..3 {
        for id in [10 + round, 20 + round, 30 + round] {
            change(id, "before");
            let ended =
                sql(&cluster, "SELECT count(pg_terminate_backend(active_pid)) FROM pg_replication_slots");
            assert!(["0", "1"].contains(&ended.as_str()), "{ended}");
            change(id + 100, "after");
        }
        wait_until_followed(&gateway, 2.0);
    }
    for id in [10, 20, 30].into_iter().flat_map(|first| first..first + 3) {
        wait_until_known(&cluster, &gateway, &format!("before.{id}@moved.example"), id);
        wait_until_known(&cluster, &gateway, &format!("after.{}@moved.example", id + 100), id + 100);
    }
    // Without the table, its changes are not told: it is looked at, and its last changes were not missed.
    sql(
        &cluster,
        "ALTER PUBLICATION rastro_values DROP TABLE customers; \
         UPDATE customers SET email = 'not.published@moved.example' WHERE id = 50",
    );
    wait_until_known(&cluster, &gateway, "not.published@moved.example", 50);
    wait_until_followed(&gateway, 1.0);
    assert!(gateway.log().contains("`public.customers` is not published and cannot be"), "{}", gateway.log());
}

#[test]
fn partitions_altered_tables_and_values_out_of_line_are_followed() {
    let cluster = logical_cluster(
        "CREATE TABLE accounts (id int, note text, email text, PRIMARY KEY (id)) PARTITION BY RANGE (id); \
         CREATE TABLE accounts_low PARTITION OF accounts FOR VALUES FROM (0) TO (1000); \
         CREATE TABLE accounts_high (email text, id int NOT NULL, note text); \
         ALTER TABLE accounts ATTACH PARTITION accounts_high FOR VALUES FROM (1000) TO (2000); \
         CREATE TABLE letters (number int PRIMARY KEY, owner int, email text, body text) WITH (toast_tuple_target = 128); \
         ALTER TABLE letters ALTER email SET STORAGE EXTERNAL, ALTER body SET STORAGE EXTERNAL; \
         INSERT INTO accounts VALUES (1, 'x', 'first.account@moved.example'); \
         CREATE PUBLICATION rastro_values FOR TABLE accounts, letters WITH (publish_via_partition_root = true); \
         GRANT SELECT ON accounts, letters TO rastro; ALTER ROLE rastro REPLICATION;",
    );
    let tables = "[[subject]]\nname = \"account\"\ntable = \"public.accounts\"\nkey = \"id\"\n\
         fields = { email = \"email\" }\n  [[subject.related]]\n  table = \"public.letters\"\n  key = \"owner\"\n  \
         fields = { letter = \"email\" }\n[values]\npoll = \"500ms\"\n";
    let options = GatewayOptions { tables: tables.to_owned(), ..GatewayOptions::default() };
    let gateway = Gateway::start(&cluster, &options);
    wait_until_followed(&gateway, 2.0);
    sql(
        &cluster,
        "INSERT INTO accounts VALUES (2, 'x', 'low.account@moved.example'); \
         INSERT INTO accounts_high VALUES ('high.account@moved.example', 1002, 'x')",
    );
    wait_until_known(&cluster, &gateway, "low.account@moved.example", 2);
    wait_until_known(&cluster, &gateway, "high.account@moved.example", 1_002);
    // Together with the change: the feed is given up for a new one, and what came between would be lost.
    sql(
        &cluster,
        "BEGIN; ALTER TABLE accounts DROP COLUMN note; ALTER TABLE accounts ADD COLUMN added text DEFAULT 'y'; \
         INSERT INTO accounts VALUES (3, 'altered.account@moved.example', 'z'); TRUNCATE accounts; COMMIT",
    );
    wait_until_known(&cluster, &gateway, "altered.account@moved.example", 3);
    assert!(knows(&cluster, &gateway, "first.account@moved.example", 1));
    // The value is not sent when only its owner changes.
    let long = format!("{}@{}.example", "l".repeat(60), "d".repeat(60));
    sql(&cluster, &format!("INSERT INTO letters VALUES (1, 70, '{long}', repeat('b', 3000))"));
    wait_until_known(&cluster, &gateway, &long, 70);
    assert_eq!(shown_of(&cluster, &gateway, &long), [70]);
    sql(&cluster, "UPDATE letters SET owner = 71");
    wait_until_known(&cluster, &gateway, &long, 71);
    assert_eq!(shown_of(&cluster, &gateway, &long), [70, 71]);
}

/// Returns whose a value may be.
fn shown_of(cluster: &ScratchCluster, gateway: &Gateway, value: &str) -> Vec<u64> {
    sql(cluster, "DROP ROLE IF EXISTS whose; CREATE ROLE whose LOGIN PASSWORD 'whose'");
    run(gateway, "whose", &format!("SELECT '{value}'"));
    let latest = gateway.disclosures(&["--principal", "whose"]);
    let mut subjects: Vec<u64> =
        latest.iter().filter_map(|line| line["subject"].as_str()?.parse().ok()).collect();
    subjects.sort_unstable();
    subjects.dedup();
    subjects
}

#[test]
fn values_of_one_change_of_many_rows_are_all_known() {
    let cluster = logical_cluster(PUBLISH);
    let gateway = Gateway::start(&cluster, &GatewayOptions::with_tables(NEVER_LOOK));
    wait_until_followed(&gateway, 2.0);
    sql(&cluster, "UPDATE customers SET email = 'many.' || id || '@moved.example' WHERE id <= 2000");
    let last = DESK.customers;
    wait_until_known(&cluster, &gateway, &format!("many.{last}@moved.example"), last);
    run(
        &gateway,
        "agent_001",
        "SELECT string_agg('many.' || g || '@moved.example', ' ') FROM generate_series(1, 2000) g",
    );
    let all: Vec<u64> = (1..=last).collect();
    assert_eq!(shown(&gateway, "agent_001"), expected(&all, "email"));
}
