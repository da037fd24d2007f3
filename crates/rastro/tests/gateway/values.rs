//! Known values are attributed wherever the server shows them.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use crate::support::desk::{DATABASE, DESK, cluster};
use crate::support::gateway::{Gateway, GatewayOptions};
use crate::support::transcript::aim;

pub fn run(gateway: &Gateway, login: &str, sql: &str) -> Output {
    let mut command = Command::new(cluster().program("psql"));
    aim(command.args(["-X", "-q", "-A", "-t", "-v", "VERBOSITY=verbose"]), gateway.port, login);
    command.args(["-c", sql]).output().unwrap()
}

/// Returns (subject, field, certainty) of what `login` was shown of known subjects.
pub fn shown(gateway: &Gateway, login: &str) -> BTreeSet<(u64, String, String)> {
    let mut all = BTreeSet::new();
    for line in gateway.disclosures(&["--principal", login]) {
        let Some(subject) = line["subject"].as_str() else { continue };
        for field in line["fields"].as_array().unwrap() {
            let certainty = line["certainty"].as_str().unwrap().to_owned();
            all.insert((subject.parse().unwrap(), field.as_str().unwrap().to_owned(), certainty));
        }
    }
    all
}

pub fn expected(subjects: &[u64], field: &str) -> BTreeSet<(u64, String, String)> {
    subjects.iter().map(|id| (*id, field.to_owned(), "exact".to_owned())).collect()
}

#[test]
fn every_way_to_show_an_address_is_attributed_exactly() {
    let gateway = Gateway::start(cluster(), &GatewayOptions::default());
    let ways = [
        "SELECT upper(email) FROM customers WHERE id IN (7, 8)",
        "SELECT concat(name, ' ', email, phone) FROM customers WHERE id IN (7, 8)",
        "SELECT json_agg(json_build_object('n', 1, 'e', email)) FROM customers WHERE id IN (7, 8)",
        "SELECT array_agg(email) FROM customers WHERE id IN (7, 8)",
        "SELECT row(1, email) FROM customers WHERE id IN (7, 8)",
        "SELECT xmlelement(name a, email) FROM customers WHERE id IN (7, 8)",
        "SELECT email::bytea FROM customers WHERE id IN (7, 8)",
        "SELECT encode(email::bytea, 'hex') FROM customers WHERE id IN (7, 8)",
        "SELECT encode(email::bytea, 'base64') FROM customers WHERE id IN (7, 8)",
        "COPY (SELECT email, 1 FROM customers WHERE id IN (7, 8)) TO STDOUT",
        "COPY (SELECT email, 1 FROM customers WHERE id IN (7, 8)) TO STDOUT (FORMAT csv, FORCE_QUOTE *)",
        "COPY (SELECT email, 1 FROM customers WHERE id IN (7, 8)) TO STDOUT (FORMAT binary)",
        "DO $$ BEGIN RAISE EXCEPTION '%', (SELECT string_agg(email, ' ') FROM customers WHERE id IN (7, 8)); END $$",
        "DO $$ BEGIN RAISE NOTICE '%', (SELECT string_agg(email, ' ') FROM customers WHERE id IN (7, 8)); END $$",
        "SELECT CAST(string_agg(email, ' ') AS int) FROM customers WHERE id IN (7, 8)",
        "SELECT set_config('application_name', left(string_agg(email, ' '), 63), false) FROM customers WHERE id IN (7, 8)",
    ];
    for (number, sql) in (1..).zip(ways) {
        let login = format!("value_way_{number}");
        let role =
            format!("DROP ROLE IF EXISTS {login}; CREATE ROLE {login} SUPERUSER LOGIN PASSWORD '{login}'");
        cluster().run_sql(DATABASE, &role).unwrap();
        run(&gateway, &login, sql);
        let all = shown(&gateway, &login);
        // Lineage may have said before, as `derived`, what the values then say for sure.
        let emails: BTreeSet<_> =
            all.iter().filter(|(_, field, sure)| field == "email" && sure == "exact").cloned().collect();
        assert_eq!(emails, expected(&[7, 8], "email"), "{sql}: {all:?}");
        let wrong: Vec<_> = all.iter().filter(|(id, ..)| ![7, 8].contains(id)).collect();
        assert!(wrong.is_empty(), "{sql}: {wrong:?}");
    }
}

#[test]
fn statement_that_shows_no_value_discloses_no_one() {
    let gateway = Gateway::start(cluster(), &GatewayOptions::default());
    for sql in [
        "SELECT count(*) FROM customers",
        "SELECT language, count(*) FROM customers GROUP BY 1",
        "SELECT max(id), sum(id), avg(id) FROM customers",
        "EXPLAIN ANALYZE SELECT * FROM customers",
        "SELECT exists(SELECT FROM customers WHERE id = 7)",
        "SELECT * FROM pg_class",
        "SELECT md5(g::text), g * 1000003, now() FROM generate_series(1, 500) g",
        "SELECT 1/0",
    ] {
        run(&gateway, "agent_002", sql);
    }
    let lines = gateway.disclosures(&["--principal", "agent_002"]);
    assert!(lines.is_empty(), "{lines:?}");
}

#[test]
fn budget_cuts_at_the_exact_row_that_is_attributed_by_value() {
    let budget = "[[budget]]\nprincipals = [\"*\"]\nwindow = \"1h\"\ntotal = 10\n";
    for (login, sql, rows) in [
        // psql shows nothing of a SELECT that ends in an error.
        ("agent_003", "SELECT upper(email) FROM customers ORDER BY id", 0),
        ("agent_004", "COPY (SELECT email FROM customers ORDER BY id) TO STDOUT", 10),
        ("agent_005", "COPY (SELECT email FROM customers ORDER BY id) TO STDOUT (FORMAT csv)", 10),
        ("agent_001", "COPY customers TO STDOUT (FORMAT csv, HEADER)", 10),
    ] {
        let gateway = Gateway::start(cluster(), &GatewayOptions::with_tables(budget));
        let output = run(&gateway, login, sql);
        let text = String::from_utf8(output.stdout).unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains("53400"), "{sql}: {error}");
        let got = text.lines().filter(|line| line.contains('@')).count();
        assert_eq!(got, rows, "{sql}");
        let subjects: BTreeSet<u64> = shown(&gateway, login).into_iter().map(|(id, ..)| id).collect();
        assert_eq!(subjects, (1..=10).collect(), "{sql}");
    }
}

#[test]
fn changed_address_is_attributed_and_all_before_it_still_resolve_even_after_a_crash() {
    let poll = "[values]\npoll = \"100ms\"\n";
    let mut gateway = Gateway::start(cluster(), &GatewayOptions::with_tables(poll));
    let old = DESK.customer(1_999).email;
    let change = |to: &str| {
        let sql = format!("UPDATE customers SET email = '{to}' WHERE id = 1999");
        cluster().run_sql(DATABASE, &sql).unwrap();
    };
    let addresses = ["first.address@moved.example", "second.address@moved.example"];
    for (login, address) in ["agent_006", "agent_005"].into_iter().zip(addresses) {
        change(address);
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        loop {
            run(&gateway, login, &format!("SELECT 'to {address}'"));
            if shown(&gateway, login) == expected(&[1_999], "email") {
                break;
            }
            assert!(std::time::Instant::now() < deadline, "the new address is not known");
        }
    }
    run(&gateway, "agent_007", &format!("SELECT 'was {old}'"));
    assert_eq!(shown(&gateway, "agent_007"), expected(&[1_999], "email"));
    // The first address is in no table, neither the database's nor the index's.
    for login in ["agent_003", "agent_004"] {
        gateway.kill();
        gateway.restart();
        for address in [addresses[0], addresses[1], &old] {
            run(&gateway, login, &format!("SELECT '{address}'"));
        }
        let lines = gateway.disclosures(&["--principal", login]);
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert_eq!(shown(&gateway, login), expected(&[1_999], "email"));
    }
    change(&old);
}

#[test]
fn unattributed_row_is_refused_where_the_policy_says_so() {
    // What it runs is in none of its words.
    let peek = "CREATE OR REPLACE FUNCTION peek_name(t text) RETURNS text LANGUAGE plpgsql AS \
                $$ DECLARE n text; q text := 'SELECT name FROM '; BEGIN q := q || t; q := q || ' WHERE id = 7'; \
                EXECUTE q INTO n; RETURN n; END $$";
    cluster().run_sql(DATABASE, peek).unwrap();
    let options = GatewayOptions::default();
    let tables = format!("{}\n[gateway]\nsession_limit = 50\n", options.tables);
    let gateway = Gateway::prepare(cluster(), &GatewayOptions { tables, ..options });
    let file = std::fs::read_to_string(gateway.configuration()).unwrap();
    std::fs::write(gateway.configuration(), format!("on_unattributed = \"refuse\"\n{file}")).unwrap();
    let mut gateway = gateway;
    gateway.restart();
    let output = run(&gateway, "agent_008", "SELECT peek_name('cust' || 'omers')");
    assert!(String::from_utf8_lossy(&output.stderr).contains("42501"), "{output:?}");
    assert!(output.stdout.is_empty());
    // Whose name it is was asked for.
    let output = run(&gateway, "agent_008", "SELECT name FROM customers WHERE id = 7");
    assert!(String::from_utf8_lossy(&output.stdout).contains(&DESK.customer(7).name), "{output:?}");
    let output = run(&gateway, "agent_008", "SELECT name, email FROM customers WHERE id = 7");
    assert!(String::from_utf8_lossy(&output.stdout).contains(&DESK.customer(7).email), "{output:?}");
}
