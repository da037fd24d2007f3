//! Steps 3 and 4: what a statement's rows do not tell is asked for before it runs. Each statement runs as its
//! own login, and the truth is computed from the tables.

use std::collections::BTreeSet;

use crate::support::desk::{DATABASE, trusting_cluster};
use crate::support::gateway::{Gateway, GatewayOptions};
use crate::support::message as m;
use crate::support::raw::{RawClient, Reply};

const DEFINITIONS: &str = "\
    CREATE SCHEMA reports;
    CREATE VIEW reports.loud AS SELECT upper(email) AS loud, language FROM public.customers;
    CREATE VIEW reports.plain AS SELECT id, email, language FROM public.customers;
    CREATE FUNCTION reports.peek(int) RETURNS text LANGUAGE plpgsql AS
        'BEGIN RETURN (SELECT email FROM public.customers WHERE id = $1); END';
    CREATE FUNCTION reports.twice(text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN $1 || $1; END';
    CREATE SEQUENCE reports.counter;
    GRANT USAGE ON SCHEMA reports TO PUBLIC;
    GRANT SELECT ON ALL TABLES IN SCHEMA reports TO PUBLIC;
    GRANT USAGE ON reports.counter TO PUBLIC;";

/// Without the value index, which would tell whose addresses these are.
const UNINDEXED: &str = "[values]\nenabled = false";

struct Stage {
    gateway: Gateway,
    logins: usize,
}

impl Stage {
    fn new(tables: &str) -> Stage {
        let cluster = trusting_cluster();
        static ONCE: std::sync::Once = std::sync::Once::new();
        ONCE.call_once(|| {
            cluster.run_sql(DATABASE, DEFINITIONS).unwrap();
        });
        Stage { gateway: Gateway::start(cluster, &GatewayOptions::with_tables(tables)), logins: 0 }
    }

    /// Makes a login that may read everything.
    fn login(&mut self, prefix: &str) -> String {
        self.logins += 1;
        let login = format!("{prefix}_{}", self.logins);
        let sql = format!(
            "DROP ROLE IF EXISTS {login}; CREATE ROLE {login} LOGIN IN ROLE pg_read_all_data, \
             pg_write_all_data, pg_execute_server_program;"
        );
        trusting_cluster().run_sql(DATABASE, &sql).unwrap();
        login
    }

    fn connect(&self, login: &str) -> RawClient {
        RawClient::connect(self.gateway.port, login, DATABASE).unwrap()
    }

    /// Returns the subjects recorded for a login, how many of them as derived, and the unattributed rows.
    fn recorded(&self, login: &str) -> (BTreeSet<String>, usize, u64) {
        let lines = self.gateway.disclosures(&["--principal", login]);
        let subjects = lines.iter().filter_map(|line| Some(line["subject"].as_str()?.to_owned())).collect();
        let derived = lines.iter().filter(|line| line["certainty"] == "derived").count();
        let rows = lines.iter().filter_map(|line| line["rows"].as_u64()).sum();
        (subjects, derived, rows)
    }
}

fn truth(sql: &str) -> BTreeSet<String> {
    let direct = trusting_cluster();
    let mut client = RawClient::connect(direct.port(), "postgres", DATABASE).unwrap();
    let reply = client.query(sql).unwrap();
    assert!(reply.errors.is_empty(), "{sql}: {:?}", reply.errors);
    reply.rows.iter().filter_map(|row| Some(String::from_utf8(row[0].clone()?).unwrap())).collect()
}

fn expect_no_error(sql: &str, reply: &Reply) {
    assert!(reply.errors.is_empty(), "{sql}: {:?}", reply.errors);
}

#[test]
fn dependent_results_are_attributed_to_their_subjects() {
    let mut stage = Stage::new("");
    let few = "SELECT id::text FROM customers WHERE id <= 20";
    for (sql, expected) in [
        ("SELECT upper(email) FROM customers WHERE id <= 20", few),
        ("SELECT md5(email), id % 2 FROM customers WHERE id <= 20", few),
        ("SELECT string_agg(reverse(email), '+') FROM customers WHERE id <= 20", few),
        ("SELECT row_to_json(c)::text FROM customers c WHERE c.id <= 20", few),
        ("SELECT c::text FROM public.customers AS c WHERE id <= 20", few),
        ("SELECT name FROM customers WHERE id <= 20", few),
        ("SELECT x.n FROM (SELECT reverse(name) AS n, id AS i FROM customers) x WHERE x.i <= 20", few),
        ("WITH x(i, n) AS (SELECT id, left(name, 3) FROM customers) SELECT n FROM x WHERE i <= 20", few),
        ("SELECT name FROM customers WHERE id <= 20 UNION ALL SELECT 'x'", few),
        ("SELECT (SELECT reverse(name) FROM customers c WHERE c.id = g) FROM generate_series(1, 20) g", few),
        (
            "SELECT g, l.n FROM generate_series(1, 20) g, LATERAL (SELECT max(name) AS n FROM customers c \
             WHERE c.id = g) l",
            few,
        ),
        ("SELECT reverse(name) FROM customers ORDER BY id LIMIT 20", few),
        (
            "SELECT reverse(email) FROM customers ORDER BY 1 LIMIT 20",
            "SELECT id::text FROM customers ORDER BY reverse(email) LIMIT 20",
        ),
        (
            "SELECT loud FROM reports.loud WHERE loud LIKE 'A%'",
            "SELECT id::text FROM customers WHERE email ILIKE 'a%'",
        ),
        ("SELECT lower(email) FROM reports.plain WHERE id <= 20", few),
        ("SELECT reports.twice(name) FROM customers WHERE id <= 20", few),
        ("CREATE TEMP TABLE t AS SELECT id, email FROM customers WHERE id <= 20", few),
        ("SELECT id, email INTO TEMP t FROM customers WHERE id <= 20", few),
        ("SELECT set_config('a.b', string_agg(email, ','), false) FROM customers WHERE id <= 20", few),
        ("COPY (SELECT id, email FROM customers WHERE id <= 20) TO PROGRAM 'cat >/dev/null'", few),
        ("SELECT count(*) FROM customers WHERE id = 7 AND email LIKE 'zzz%'", "SELECT '7'"),
        ("SELECT 1 FROM customers WHERE id = 7 AND substr(email, 1, 1) > 'm'", "SELECT '7'"),
        ("EXPLAIN ANALYZE SELECT 1 FROM customers WHERE id = 7 AND email LIKE 'a%'", "SELECT '7'"),
        ("UPDATE customers SET language = language WHERE id = 7 AND email LIKE 'a%'", "SELECT '7'"),
        (
            "SELECT reverse(ticket_number) FROM tickets WHERE customer_id <= 20",
            "SELECT DISTINCT customer_id::text FROM tickets WHERE customer_id <= 20",
        ),
        ("SELECT query_to_xml('select email from customers where id <= 20', true, true, '')::text", few),
        ("COPY (SELECT email FROM customers WHERE id <= 20) TO STDOUT", few),
        ("PREPARE q(int) AS SELECT upper(email) FROM customers WHERE id <= $1; EXECUTE q(20)", ""),
        ("BEGIN; DECLARE c CURSOR FOR SELECT upper(email) FROM customers WHERE id <= 20; FETCH ALL c", few),
    ] {
        let login = stage.login("dependent");
        let mut client = stage.connect(&login);
        expect_no_error(sql, &client.query(sql).unwrap());
        if expected.is_empty() {
            // Prepared and run in one text: nothing is known of it when it comes.
            assert!(stage.recorded(&login).2 > 0, "{sql}");
            continue;
        }
        let (subjects, derived, _) = stage.recorded(&login);
        assert_eq!(subjects, truth(expected), "{sql}");
        assert_eq!(derived, subjects.len(), "{sql}");
    }
}

#[test]
fn innocent_statements_disclose_nobody() {
    let mut stage = Stage::new("");
    for sql in [
        "SELECT language, count(*) FROM customers GROUP BY language",
        "SELECT count(email), count(DISTINCT name) FROM customers",
        "SELECT max(opened_at) FROM tickets",
        "EXPLAIN SELECT upper(email) FROM customers",
        "SELECT EXISTS (SELECT 1 FROM customers WHERE id = 7)",
        "SELECT t.status FROM tickets t JOIN customers c ON c.id = t.customer_id WHERE c.language = 'en' LIMIT 5",
        "SELECT id, language FROM customers WHERE id = 7",
        "UPDATE tickets SET status = status WHERE customer_id = 7",
        "SELECT relname FROM pg_class LIMIT 5",
        "SELECT reports.twice('a')",
        "DO $$ BEGIN PERFORM 1; END $$",
        "SELECT nextval('reports.counter')",
        "SELECT count(*) FROM (SELECT email FROM customers) x",
    ] {
        let login = stage.login("innocent");
        let mut client = stage.connect(&login);
        expect_no_error(sql, &client.query(sql).unwrap());
        let lines = stage.gateway.disclosures(&["--principal", &login]);
        assert!(lines.is_empty(), "{sql}: {lines:?}");
    }
}

#[test]
fn code_and_texts_within_texts_never_pass_in_silence() {
    let mut stage = Stage::new(UNINDEXED);
    for sql in [
        "SELECT reports.peek(7)",
        "DO $$ BEGIN PERFORM email FROM customers; END $$",
        "SELECT query_to_xml('select email from ' || 'customers', true, true, '')::text",
        "BEGIN; CREATE TEMP VIEW v AS SELECT email AS e FROM customers; SELECT string_agg(e, ',') FROM v",
    ] {
        let login = stage.login("opaque");
        let mut client = stage.connect(&login);
        // The last one as three messages.
        for part in sql.split_inclusive(if sql.starts_with("BEGIN") { ';' } else { '\0' }) {
            expect_no_error(sql, &client.query(part).unwrap());
        }
        let (subjects, _, rows) = stage.recorded(&login);
        assert!(subjects.contains("7") || rows > 0, "{sql}: {subjects:?}, {rows} rows");
    }
}

#[test]
fn lookups_with_keys_cost_no_inquiry_and_are_exact() {
    let mut stage = Stage::new("");
    let login = stage.login("agent");
    let mut client = stage.connect(&login);
    let sql = "SELECT t.ticket_number, t.customer_id, c.id, c.name, c.email FROM tickets t \
               JOIN customers c ON c.id = t.customer_id WHERE t.ticket_number = \
               (SELECT min(ticket_number) FROM tickets)";
    // The sub-query's value is compared, not shown; it asks about a ticket nobody named.
    expect_no_error(sql, &client.query(sql).unwrap());
    let sql = "SELECT id, name, email FROM customers WHERE email = (SELECT 'nobody@example.com')";
    expect_no_error(sql, &client.query(sql).unwrap());
    let login = stage.login("agent");
    let mut client = stage.connect(&login);
    let sql = "SELECT id, name, email FROM customers WHERE id = 7";
    expect_no_error(sql, &client.query(sql).unwrap());
    let lines = stage.gateway.disclosures(&["--principal", &login]);
    assert_eq!(lines.len(), 1);
    assert_eq!((&lines[0]["subject"], &lines[0]["certainty"]), (&"7".into(), &"exact".into()));
}

#[test]
fn statement_beyond_the_budget_is_refused_before_it_runs() {
    let mut stage = Stage::new("[[budget]]\nprincipals = [\"*\"]\nwindow = \"24h\"\ntotal = 10\n");
    for sql in [
        "SELECT string_agg(reverse(email), '+') FROM customers WHERE id <= 20",
        "CREATE TABLE pg_temp.t AS SELECT email FROM customers WHERE id <= 20",
        "COPY (SELECT email FROM customers WHERE id <= 20) TO PROGRAM 'cat >/dev/null'",
        "SELECT set_config('a.b', string_agg(email, ','), false) FROM customers WHERE id <= 20",
    ] {
        for block in [false, true] {
            let login = stage.login("over");
            let mut client = stage.connect(&login);
            if block {
                client.query("BEGIN").unwrap();
            }
            let reply = client.query(sql).unwrap();
            assert!(reply.rows.is_empty() && reply.tags.is_empty(), "{sql}");
            assert_eq!(reply.errors[0][&'C'], "53400", "{sql}");
            assert_eq!(reply.status, if block { 'E' } else { 'I' }, "{sql}");
            if block {
                assert_eq!(client.query("ROLLBACK").unwrap().status, 'I');
            }
            let reply = client.query("SELECT coalesce(current_setting('a.b', true), '')").unwrap();
            assert_eq!(reply.rows, [[Some(Vec::new())]], "{sql} has run");
            assert!(stage.recorded(&login).0.is_empty(), "{sql}");
        }
    }
}

/// Binds `parameter` in one format, and the text `x` where the statement has a second parameter.
fn bound(sql: &str, parameter: &[u8], format: u16) -> Vec<u8> {
    let count: u16 = if sql.contains("$2") { 2 } else { 1 };
    let mut body = b"\0\0".to_vec();
    body.extend(count.to_be_bytes());
    for number in 0..count {
        body.extend((if number == 0 { format } else { 0 }).to_be_bytes());
    }
    body.extend(count.to_be_bytes());
    for value in [parameter, b"x"].into_iter().take(usize::from(count)) {
        body.extend((value.len() as u32).to_be_bytes());
        body.extend(value);
    }
    body.extend([0, 0]);
    [m::parse("", sql), m::message(b'B', &body), m::describe_portal(""), m::execute("", 0), m::sync()]
        .concat()
}

#[test]
fn bound_parameters_are_those_of_the_question() {
    let mut stage = Stage::new("");
    let sql = "SELECT reverse(email), $2::text FROM customers WHERE id <= $1";
    for (parameter, format, block) in [
        (&b"20"[..], 0, false),
        (&[0, 0, 0, 0, 0, 0, 0, 20], 1, false),
        (b"20", 0, true),
        (&[0, 0, 0, 0, 0, 0, 0, 20], 1, true),
    ] {
        let login = stage.login("bound");
        let mut client = stage.connect(&login);
        if block {
            client.query("BEGIN").unwrap();
        }
        client.send(&bound(sql, parameter, format)).unwrap();
        let reply = client.read_reply().unwrap();
        expect_no_error(sql, &reply);
        assert_eq!((reply.rows.len(), reply.status), (20, if block { 'T' } else { 'I' }));
        let (subjects, _, rows) = stage.recorded(&login);
        assert_eq!((subjects.len(), rows), (20, 0));
    }
}

#[test]
fn question_that_fails_leaves_the_transaction_as_it_was() {
    let mut stage = Stage::new(UNINDEXED);
    let login = stage.login("narrow");
    let rights = format!(
        "REVOKE pg_read_all_data FROM {login}; GRANT SELECT (email, language) ON customers TO {login};"
    );
    trusting_cluster().run_sql(DATABASE, &rights).unwrap();
    let mut client = stage.connect(&login);
    client.query("BEGIN").unwrap();
    // The key may not be read, so the question fails where the statement does not.
    let sql = "SELECT upper(email) FROM customers WHERE language = 'en'";
    let reply = client.query(sql).unwrap();
    expect_no_error(sql, &reply);
    assert_eq!(reply.status, 'T');
    client.send(&bound("SELECT upper(email) FROM customers WHERE language = $1", b"en", 0)).unwrap();
    let again = client.read_reply().unwrap();
    expect_no_error(sql, &again);
    assert_eq!(again.status, 'T');
    let (subjects, _, rows) = stage.recorded(&login);
    assert!(subjects.is_empty());
    assert_eq!(rows as usize, reply.rows.len() + again.rows.len());
}

#[test]
fn mistakes_and_pipelines_keep_their_order() {
    let mut stage = Stage::new("");
    let login = stage.login("pipeline");
    let mut client = stage.connect(&login);
    // A Parse that fails before a question; two statements with questions behind each other.
    let wrong = bound("SELECT reverse(email) FROM customers WHERE id <= $1 AND nothing", b"5", 0);
    let right = bound("SELECT reverse(email) FROM customers WHERE id <= $1", b"5", 0);
    let simple = m::query("SELECT upper(name) FROM customers WHERE id BETWEEN 6 AND 8");
    client.send(&[wrong, right, simple, m::query("SELECT 1")].concat()).unwrap();
    let reply = client.read_reply().unwrap();
    assert_eq!(reply.errors[0][&'C'], "42703");
    assert_eq!(client.read_reply().unwrap().rows.len(), 5);
    assert_eq!(client.read_reply().unwrap().rows.len(), 3);
    assert_eq!(client.read_reply().unwrap().rows.len(), 1);
    assert_eq!(stage.recorded(&login).0.len(), 8);
}

#[test]
fn question_behind_begin_in_one_batch_is_asked_within_the_block() {
    let mut stage = Stage::new("");
    let login = stage.login("driver");
    let mut client = stage.connect(&login);
    // As JDBC opens a transaction: with its first statement, in one go.
    let begin = [m::parse("", "BEGIN"), m::bind("", "", &[], false), m::execute("", 0)].concat();
    let first = bound("SELECT reverse(email) FROM customers WHERE id <= $1", b"20", 0);
    client.send(&[begin, first].concat()).unwrap();
    let reply = client.read_reply().unwrap();
    expect_no_error("BEGIN", &reply);
    assert_eq!((reply.rows.len(), reply.status, reply.tags.len()), (20, 'T', 2));
    let (subjects, _, rows) = stage.recorded(&login);
    assert_eq!((subjects.len(), rows), (20, 0));
    // Behind anything else of a batch it is not asked, and the rows count as unattributed.
    let other = [m::parse("", "SELECT 1"), m::bind("", "", &[], false), m::execute("", 0)].concat();
    let second = bound("SELECT reverse(email) FROM customers WHERE id <= $1", b"30", 0);
    client.send(&[other, second].concat()).unwrap();
    assert_eq!(client.read_reply().unwrap().rows.len(), 31);
    let (subjects, _, rows) = stage.recorded(&login);
    assert_eq!((subjects.len(), rows), (20, 30));
}

#[test]
fn key_beside_another_rows_fields_is_never_exact() {
    let mut stage = Stage::new("");
    let login = stage.login("mixed");
    let mut client = stage.connect(&login);
    let sql = "SELECT a.id, b.email FROM customers a JOIN customers b ON b.id = a.id + 100 WHERE a.id <= 5";
    expect_no_error(sql, &client.query(sql).unwrap());
    let lines = stage.gateway.disclosures(&["--principal", &login]);
    assert!(lines.iter().all(|line| line["certainty"] != "exact"), "{lines:?}");
    let (subjects, derived, _) = stage.recorded(&login);
    assert!(subjects.contains("105") && derived == 5, "{subjects:?}");
}

#[test]
fn question_that_fails_midway_counts_whom_it_told() {
    let mut stage = Stage::new("[[budget]]\nprincipals = [\"*\"]\nwindow = \"24h\"\ntotal = 50\n");
    let login = stage.login("midway");
    let mut client = stage.connect(&login);
    // The question has no LIMIT: it meets the division by zero, which the statement would not.
    let from = "FROM customers WHERE 1 / (id - 300) IS NOT NULL";
    let sql = format!("SELECT upper(email) {from} UNION ALL SELECT '' LIMIT 20 OFFSET 100");
    let reply = client.query(&sql).unwrap();
    assert!(reply.rows.is_empty(), "{} rows", reply.rows.len());
    assert_eq!(reply.errors[0][&'C'], "53400");
    assert_eq!(reply.status, 'I');
    assert!(stage.recorded(&login).0.is_empty());
    // One subject in each row, told by its values: these are counted as they come.
    let sql = format!("SELECT upper(email) {from} LIMIT 20 OFFSET 100");
    let reply = client.query(&sql).unwrap();
    expect_no_error(&sql, &reply);
    assert_eq!((reply.rows.len(), stage.recorded(&login).0.len()), (20, 20));
    assert_eq!(client.query("SELECT 1").unwrap().rows, [[Some(b"1".to_vec())]]);
}

#[test]
fn unseen_code_is_counted_whatever_came_before_it() {
    let mut stage = Stage::new("");
    for sql in [
        "DO $$ BEGIN RAISE NOTICE '%', (SELECT email FROM customers WHERE id = 7); \
         CREATE TEMP TABLE mine AS SELECT name FROM customers; END $$",
        "SELECT id, email FROM customers WHERE id = 7; DO $$ BEGIN PERFORM name FROM customers; END $$",
        "CREATE TEMP TABLE x AS SELECT upper(email) FROM customers WHERE id = 7; \
         DO $$ BEGIN PERFORM name FROM customers; END $$",
    ] {
        let login = stage.login("unseen");
        let mut client = stage.connect(&login);
        expect_no_error(sql, &client.query(sql).unwrap());
        let (subjects, _, rows) = stage.recorded(&login);
        assert!(subjects.contains("7") && rows > 0, "{sql}: {subjects:?}, {rows} rows");
    }
}
