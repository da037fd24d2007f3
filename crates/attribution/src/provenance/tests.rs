use rastro_model::{Certainty, KindId, ShownBatch, ShownKey};

use crate::lineage::analyse;
use crate::lineage::tests::schema;

fn check(sql: &str, expected: &str) {
    let found = analyse(sql, &schema(), &|_| None);
    let query = found.query.unwrap_or_else(|| panic!("{sql}"));
    let inner = query.sql.replacen("DISTINCT ", "", 1);
    let inner =
        inner.strip_prefix("SELECT rastro_asked.rastro_kind, rastro_asked.rastro_key FROM (").and_then(
            |sql| sql.strip_suffix(") rastro_asked WHERE rastro_asked.rastro_key IS NOT NULL LIMIT 1000001"),
        );
    let short = inner.unwrap_or(&query.sql).replace("rastro_", "");
    assert_eq!(short, expected, "{sql}");
    pg_query::parse(&query.sql, 0).unwrap();
}

#[test]
fn key_query_has_the_statements_own_from_and_where() {
    check(
        "SELECT upper(mail) FROM people p WHERE tongue = 'en'",
        "SELECT 0 AS kind, p.pid::text AS key FROM people p WHERE tongue = 'en'",
    );
    check(
        "SELECT string_agg(mail, ',') FROM crm.people WHERE tongue = 'en' GROUP BY boss",
        "SELECT 0 AS kind, people.pid::text AS key FROM crm.people WHERE tongue = 'en'",
    );
    check(
        "SELECT reverse(mail) FROM people ORDER BY 1 LIMIT 10 OFFSET 5",
        "SELECT 0 AS kind, people.pid::text AS key FROM people ORDER BY reverse(mail) \
         FETCH FIRST (10::bigint + 5::bigint) ROWS WITH TIES",
    );
    check("SELECT upper(mail) FROM people LIMIT 10", "SELECT 0 AS kind, people.pid::text AS key FROM people");
    check(
        "SELECT count(*) FROM people WHERE pid = 7 AND mail LIKE 'a%'",
        "SELECT 0 AS kind, people.pid::text AS key FROM people WHERE pid = 7",
    );
    check(
        "SELECT upper(mail) FROM people WHERE pid < nextval('s') AND tongue = 'en'",
        "SELECT 0 AS kind, people.pid::text AS key FROM people WHERE tongue = 'en'",
    );
}

#[test]
fn few_people_whom_other_conditions_choose_are_asked_for_whatever_the_answer() {
    let chosen = |condition: &str, most: u32| {
        format!(
            "SELECT asked.kind, asked.key FROM (SELECT asked.kind, asked.key, pg_catalog.count(*) OVER () AS count \
             FROM (SELECT 0 AS kind, people.pid::text AS key FROM people WHERE {condition} LIMIT {}) asked) asked \
             WHERE asked.count <= {most}",
            most + 1
        )
    };
    let matching =
        "SELECT 0 AS kind, people.pid::text AS key FROM people WHERE boss = 'b' AND mail LIKE 'a%'";
    check(
        "SELECT count(*) FROM people WHERE boss = 'b' AND mail LIKE 'a%'",
        &format!("{matching} UNION ALL {}", chosen("boss = 'b'", 100)),
    );
    check("SELECT count(*) FROM people WHERE boss = 'b' AND mail IS NULL", &chosen("boss = 'b'", 5));
}

#[test]
fn condition_of_a_join_is_left_out_for_few() {
    let sql = "SELECT v.s FROM (VALUES ('a')) v(s) JOIN people p ON left(p.mail, 1) = v.s WHERE p.boss = 'x'";
    let query = analyse(sql, &schema(), &|_| None).query.unwrap();
    assert!(query.sql.contains("JOIN people p ON true WHERE p.boss = 'x' LIMIT 101"), "{}", query.sql);
}

#[test]
fn called_function_is_asked_beside_its_arguments() {
    check(
        "SELECT spell(o.person) FROM orders o WHERE o.open",
        "SELECT asked.kind, asked.key FROM orders o, LATERAL (SELECT asked.kind, asked.key FROM LATERAL (SELECT \
         o.person::int AS n) spell(n), LATERAL (SELECT 0 AS kind, people.pid::text AS key FROM crm.people \
         WHERE pid = n) asked) asked WHERE o.open",
    );
}

#[test]
fn sub_select_carries_its_keys() {
    check(
        "SELECT x.m FROM (SELECT reverse(mail) AS m, tongue FROM people) x WHERE x.tongue = 'en'",
        "SELECT 0 AS kind, x.key_1::text AS key FROM (SELECT reverse(mail) AS m, tongue, people.pid AS key_1 \
         FROM people) x WHERE x.tongue = 'en'",
    );
    check(
        "WITH x(m) AS (SELECT lower(mail) FROM people) SELECT * FROM x WHERE m > 'k'",
        "WITH x(m) AS (SELECT lower(mail) FROM people) SELECT 0 AS kind, x.key_1::text AS key FROM (SELECT \
         lower(mail), people.pid AS key_1 FROM people) x(m) WHERE m > 'k'",
    );
    check(
        "SELECT loud FROM shouted s WHERE tongue = 'en'",
        "SELECT 0 AS kind, s.key_1::text AS key FROM (SELECT upper(people.mail) AS loud, people.tongue, \
         people.pid AS key_1 FROM crm.people) s(loud, tongue) WHERE tongue = 'en'",
    );
}

#[test]
fn sub_query_in_an_expression_is_asked_beside_each_row() {
    check(
        "SELECT (SELECT full_name FROM people p WHERE p.pid = o.person) FROM orders o WHERE o.open",
        "SELECT asked.kind, asked.key FROM orders o, LATERAL (SELECT 0 AS kind, p.pid::text AS key FROM \
         people p WHERE p.pid = o.person) asked WHERE o.open",
    );
}

#[test]
fn set_operation_is_asked_side_by_side() {
    check(
        "SELECT mail FROM people WHERE pid < 5 UNION SELECT letter_no FROM letters",
        "SELECT 0 AS kind, people.pid::text AS key FROM people WHERE pid < 5 UNION ALL SELECT 0 AS kind, \
         letters.person::text AS key FROM letters",
    );
}

#[test]
fn parameters_that_are_used_are_numbered_anew() {
    let sql = "SELECT mail || $1 FROM people WHERE tongue = $3 AND boss = $2";
    let query = analyse(sql, &schema(), &|_| None).query.unwrap();
    assert_eq!(query.parameters, [3, 2]);
    assert!(query.sql.contains("tongue = $1 AND boss = $2"), "{}", query.sql);
}

#[test]
fn rows_of_the_key_query_are_read_as_derived() {
    let query = analyse("SELECT upper(mail) FROM people", &schema(), &|_| None).query.unwrap();
    let mut batch = ShownBatch::default();
    batch.begin_row();
    let row = b"\0\x02\0\0\0\x010\0\0\0\x0242";
    query.read_row(row, &mut batch).unwrap();
    let shown = batch.entries_before(1)[0];
    assert_eq!((shown.kind, shown.key, shown.certainty), (KindId(0), ShownKey::Int(42), Certainty::Derived));
    for length in 0..row.len() {
        assert!(query.read_row(&row[..length], &mut batch).is_err(), "{length} bytes");
    }
    assert!(query.read_row(b"\0\x02\0\0\0\x019\0\0\0\x0242", &mut batch).is_err());
    assert_eq!((batch.rows(), batch.entries().len()), (1, 1));
}
