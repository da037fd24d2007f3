use super::*;
use crate::catalogue::Catalogue;
use crate::copy_rows::{CopyFormat, CopyKind};
use crate::relation_facts::RelationFacts;
use crate::subject_spec::{RelatedSpec, SubjectSpec};

/// People with letters, a view of each kind, an unprotected relation, and functions of each kind.
pub(crate) fn schema() -> Schema {
    let field = |name: &str, column: &str| (name.to_owned(), column.to_owned());
    let specs = [SubjectSpec {
        name: "person".into(),
        table: "crm.people".parse().unwrap(),
        key: "pid".into(),
        fields: vec![field("name", "full_name"), field("mail", "mail")],
        related: vec![RelatedSpec {
            table: "crm.letters".parse().unwrap(),
            key: "person".into(),
            fields: vec![field("letter", "letter_no")],
        }],
        cohorts: vec!["tongue".into()],
    }];
    let mut facts = RelationFacts::default();
    let people = ["pid", "full_name", "mail", "tongue", "boss"];
    let letters = ["lid", "person", "letter_no", "sent"];
    let views = [("listed", 3), ("shouted", 4)];
    facts.push_relation(20001, "crm", "people", 5);
    facts.push_relation(20002, "crm", "letters", 4);
    facts.push_relation(20005, "crm", "orders", 3);
    for (number, name) in people.iter().enumerate() {
        facts.push_column(20001, number as i16 + 1, name, if *name == "pid" { 23 } else { 25 });
    }
    for (number, name) in letters.iter().enumerate() {
        facts.push_column(20002, number as i16 + 1, name, 25);
    }
    for (name, oid) in views {
        facts.push_relation(20000 + oid, "crm", name, 2);
        facts.push_dependency(20000 + oid, 20001, 1);
        facts.push_dependency(20000 + oid, 20001, 3);
    }
    let entry = |number: i16, column: i16, resno: i16| {
        format!(
            "{{TARGETENTRY :expr {{VAR :varno 1 :varattno {number}}} :resno {resno} :resname x \
             :ressortgroupref 0 :resorigtbl {} :resorigcol {column} :resjunk false}}",
            if column == 0 { 0 } else { 20001 }
        )
    };
    let query = |one: String, two: String| format!("({{QUERY :commandType 1 :targetList ({one} {two})}})");
    facts.push_view(20003, &query(entry(1, 1, 1), entry(3, 3, 2)));
    facts.push_view(20004, &query(entry(3, 0, 1), entry(4, 4, 2)));
    let (catalogue, problems) = Catalogue::build_present(&specs, facts, None);
    assert_eq!(problems, []);
    let mut builder = Schema::build(&catalogue);
    for (oid, name, columns) in [
        (20001, "people", &people[..]),
        (20002, "letters", &letters[..]),
        (20003, "listed", &["pid", "mail"]),
        (20004, "shouted", &["loud", "tongue"]),
    ] {
        for (number, column) in columns.iter().enumerate() {
            builder.push_column(
                oid,
                ("crm", name),
                number as i16 + 1,
                (column, *column == "lid"),
                (25, false),
            );
        }
    }
    for (number, column) in
        (1..).zip(["schemaname", "tablename", "attname", "n_distinct", "most_common_vals"])
    {
        builder.push_column(900, ("pg_catalog", "pg_stats"), number, (column, false), (25, false));
    }
    builder.push_view(20003, "SELECT people.pid, people.mail FROM crm.people;");
    builder.push_view(20004, "SELECT upper(people.mail) AS loud, people.tongue FROM crm.people;");
    for name in ["count", "max", "min", "string_agg", "json_agg", "array_agg", "sum"] {
        builder.push_routine(name, (true, false), ("internal", false, ""));
    }
    builder.push_routine("nextval", (false, true), ("internal", false, ""));
    builder.push_routine("set_config", (false, true), ("internal", false, ""));
    let define = |name: &str, language: &str, head: &str, body: &str| {
        format!("CREATE FUNCTION crm.{name} RETURNS {head} LANGUAGE {language} AS $function${body}$function$")
    };
    for (name, language, head, body) in [
        ("touch()", "plpgsql", "trigger", "begin new.at := now(); return new; end"),
        ("peek()", "plpgsql", "text", "begin return (select mail from people); end"),
        ("deep()", "sql", "text", "select peek()"),
        ("of(n int)", "sql", "SETOF text", "select full_name from people where pid = $1 and tongue = 'en'"),
        (
            "of(n int, t text DEFAULT 'en')",
            "sql",
            "SETOF text",
            "select mail from people where pid = n and tongue = t",
        ),
        ("echo(t text DEFAULT crm.peek())", "sql", "text", "select t"),
        (
            "spell(n int)",
            "plpgsql",
            "text",
            "declare m text; begin select mail into m from people where pid = n; return reverse(m); end",
        ),
        ("any_of(t text)", "plpgsql", "text", "begin execute 'select mail from ' || t; end"),
        (
            "loop_of()",
            "plpgsql",
            "text",
            "declare v int := 0; begin loop v := v + 1; perform mail from people where pid = v; end loop; end",
        ),
        (
            "keep()",
            "plpgsql",
            "trigger",
            "begin insert into kept select mail from people where pid = new.n; return new; end",
        ),
        ("hidden()", "plperl", "text", "return spi_exec_query('select mail from people')"),
    ] {
        let short = name.split('(').next().unwrap_or_default();
        let source = define(name, language, head, body);
        builder.push_routine(short, (false, true), (language, true, &source));
    }
    let columns = ["n".to_owned(), "t".to_owned()];
    builder.push_code(
        "trigger",
        ("crm", "noted"),
        "CREATE TRIGGER k BEFORE INSERT ON crm.noted FOR EACH ROW EXECUTE FUNCTION keep()",
        &columns,
    );
    builder.push_code(
        "rule",
        ("crm", "ruled"),
        "CREATE RULE r AS ON INSERT TO crm.ruled DO  SELECT people.mail FROM crm.people WHERE people.pid = new.n",
        &columns,
    );
    builder.push_code("default", ("crm", "filled"), "peek()", &columns);
    builder.push_code("view", ("crm", "peeking"), "SELECT crm.peek() AS p", &["p".to_owned()]);
    builder.push_code("operator", ("", "!@"), "spell", &[]);
    let policy = "EXISTS (SELECT FROM crm.people WHERE people.pid = ruled_by.n AND people.mail > 'm')";
    builder.push_code("policy", ("crm", "ruled_by"), policy, &columns);
    builder.push_code("foreign", ("crm", "far_away"), "far_away", &columns);
    builder.push_index(20001, ("crm", "people_loud"), "upper", "upper(mail)");
    builder.finish()
}

fn lineage(sql: &str) -> Lineage {
    analyse(sql, &schema(), &|_| None)
}

#[test]
fn innocent_statement_asks_nothing() {
    for sql in [
        "SELECT 1",
        "SELECT pid, full_name, mail FROM people WHERE pid = 3",
        "SELECT * FROM people",
        "SELECT p.* FROM crm.people p WHERE p.pid IN (1, 2)",
        "SELECT pid, mail FROM (SELECT * FROM people) x WHERE pid > 3",
        "WITH x AS (SELECT pid, mail FROM people) SELECT * FROM x",
        "SELECT tongue, count(*) FROM people GROUP BY tongue",
        "SELECT count(mail), count(DISTINCT full_name) FROM people",
        "SELECT max(sent) FROM letters",
        "SELECT tongue, mail IS NOT NULL, count(*) FROM people GROUP BY 1, 2",
        "MERGE INTO people USING orders o ON pid = o.person WHEN MATCHED THEN UPDATE SET tongue = 'x'",
        "INSERT INTO people (pid, mail) VALUES (3, 'x') ON CONFLICT (pid) DO UPDATE SET mail = 'y' RETURNING pid",
        "INSERT INTO noted_too VALUES (3)",
        "SELECT EXISTS (SELECT 1 FROM people WHERE pid = 3)",
        "SELECT o.* FROM orders o JOIN people p ON p.pid = o.person WHERE p.tongue = 'en'",
        "SELECT l.letter_no, l.person, l.sent FROM letters l WHERE l.letter_no = $1",
        "SELECT l.letter_no, l.sent, p.pid, p.full_name, p.mail FROM letters l JOIN people p ON p.pid = l.person \
         WHERE l.letter_no = 'X-1'",
        "SELECT pid, full_name, mail FROM people WHERE mail = 'a@example.com'",
        "SELECT pid, full_name FROM people WHERE full_name LIKE 'A%' ORDER BY full_name LIMIT 50",
        "SELECT pid, mail FROM people ORDER BY mail LIMIT 50 OFFSET 50",
        "SELECT pid, mail FROM listed",
        "EXPLAIN SELECT upper(mail) FROM people",
        "UPDATE people SET tongue = 'de' WHERE pid = 3",
        "UPDATE letters SET sent = now() WHERE letter_no = 'X-1'",
        "UPDATE people SET mail = lower(mail) WHERE pid = 3",
        "DELETE FROM people WHERE pid = 3 RETURNING pid, mail",
        "INSERT INTO people (pid, mail) VALUES (9, 'x@example.com') RETURNING pid",
        "CREATE INDEX ON people (mail)",
        "COPY people FROM STDIN",
        "DO $$ begin perform 1; end $$",
        "PREPARE q AS SELECT upper(mail) FROM people",
        "SELECT touch()",
        "SELECT people_old.mail FROM people_old",
        "SELECT count(*) FROM (SELECT mail FROM people) x",
        "INSERT INTO t (m) VALUES ('x') RETURNING m",
        "ALTER TABLE people ADD COLUMN age int DEFAULT abs(3)",
        "CREATE INDEX ON people (lower(mail))",
        "SELECT tablename, attname, n_distinct FROM pg_stats WHERE tablename = 'people'",
    ] {
        let found = lineage(sql);
        assert!(found.is_plain(), "{sql}\n{found:?}");
    }
}

#[test]
fn dependent_result_asks_for_its_subjects() {
    for sql in [
        "SELECT upper(mail) FROM people",
        "SELECT pid, mail || '' FROM people",
        "SELECT mail FROM people",
        "SELECT string_agg(mail, ',') FROM people",
        "SELECT row_to_json(p) FROM people p",
        "SELECT p::text FROM people p",
        "SELECT people FROM crm.people",
        "SELECT p.row_to_json FROM people p",
        "SELECT (p).mail FROM people p",
        "SELECT x.m FROM (SELECT reverse(mail) AS m FROM people) x",
        "SELECT m FROM (SELECT reverse(mail) FROM people) AS x(m)",
        "WITH x(m) AS (SELECT lower(mail) FROM people) SELECT * FROM x",
        "WITH RECURSIVE r AS (SELECT pid, mail FROM people WHERE pid = 1 UNION ALL \
         SELECT p.pid, p.mail FROM people p JOIN r ON p.boss = r.mail) SELECT mail FROM r",
        "SELECT mail FROM people UNION SELECT 'x'",
        "SELECT pid, mail FROM people EXCEPT SELECT 1, 'x'",
        "SELECT o.oid, l.m FROM orders o, LATERAL (SELECT min(mail) m FROM people WHERE boss = o.boss) l",
        "SELECT (SELECT full_name FROM people p WHERE p.pid = o.person) FROM orders o",
        "SELECT count(*) FROM people WHERE pid = 7 AND mail LIKE 'a%'",
        "SELECT count(*) FROM people WHERE mail LIKE 'a%'",
        "SELECT pid, mail FROM people WHERE pid = 7 AND mail LIKE 'a%'",
        "SELECT pid FROM people WHERE substr(mail, 1, 1) = 'a'",
        "SELECT count(CASE WHEN mail LIKE 'a%' THEN 1 END) FROM people WHERE pid = 7",
        "SELECT count(*) FILTER (WHERE mail LIKE 'a%') FROM people",
        "SELECT EXISTS (SELECT 1 FROM people WHERE pid = 3 AND mail > 'm')",
        "SELECT 1 FROM orders WHERE 'a' IN (SELECT left(mail, 1) FROM people WHERE pid = 3)",
        "SELECT pid FROM people ORDER BY mail",
        "SELECT loud FROM shouted",
        "SELECT x.loud FROM (TABLE shouted) x",
        "CREATE TABLE t AS SELECT pid, mail FROM people",
        "SELECT pid, mail INTO t FROM people",
        "INSERT INTO t SELECT mail FROM people",
        "COPY (SELECT mail FROM people) TO STDOUT",
        "COPY people TO PROGRAM 'cat'",
        "COPY crm.people (mail) TO '/tmp/x'",
        "CREATE MATERIALIZED VIEW v AS SELECT mail FROM people",
        "DECLARE c CURSOR FOR SELECT upper(mail) FROM people",
        "UPDATE people SET tongue = mail WHERE pid = 3",
        "UPDATE people SET tongue = 'x' WHERE pid = 3 AND mail LIKE 'a%'",
        "UPDATE people SET tongue = 'x' RETURNING upper(mail)",
        "WITH d AS (DELETE FROM people WHERE pid = 3 RETURNING mail) SELECT upper(mail) FROM d",
        "EXPLAIN ANALYZE SELECT 1 FROM people WHERE pid = 3 AND mail LIKE 'a%'",
        "EXPLAIN (analyze, costs off) SELECT 1 FROM people WHERE pid = 3 AND mail LIKE 'a%'",
        "SELECT set_config('a.b', mail, false) FROM people WHERE pid = 3",
        "SELECT mail FROM people p JOIN (letters l JOIN orders o USING (lid)) ON l.person = p.pid",
        "SELECT U&\"m\\0061il\" || '' FROM people",
        "VALUES ((SELECT mail FROM people LIMIT 1))",
        "SELECT json_object('m': mail) FROM people",
        "SELECT array(SELECT mail FROM people)",
        "SELECT 1; SELECT upper(mail) FROM people",
        "SELECT query_to_xml('select * from people where pid < 5', true, true, '')",
        "SELECT table_to_xml('crm.people'::regclass, true, true, '')",
        "SELECT peek()",
        "SELECT deep()",
        "CALL peek()",
        "SELECT * FROM of(3)",
        "SELECT of(t => 'de', n => 3)",
        "SELECT spell(o.person) FROM orders o",
        "SELECT any_of('peo' || 'ple')",
        "SELECT query_to_xml('select peek()', true, true, '')",
        "DO $$ begin perform mail from people; end $$",
        "DO $$ declare p record; begin for p in select * from people where pid = 3 loop raise notice '%', p.mail; end loop; end $$",
        "DO $$ begin if (select mail like 'a%' from people where pid = 3) then raise notice 'x'; end if; end $$",
        "DO $$ begin execute format('select mail from %I', 'people'); end $$",
        "INSERT INTO noted VALUES (3)",
        "INSERT INTO crm.ruled (n) VALUES (3)",
        "INSERT INTO filled VALUES (3)",
        "SELECT !@ 2",
        "MERGE INTO t USING people p ON t.n = p.pid WHEN NOT MATCHED THEN INSERT VALUES (p.mail)",
        "INSERT INTO people (pid) VALUES (3) ON CONFLICT (pid) DO UPDATE SET tongue = 'x' RETURNING upper(people.mail)",
        "WITH i AS (INSERT INTO t SELECT mail FROM people RETURNING m) SELECT m FROM i",
        "DELETE FROM t WHERE n < (SELECT ascii(mail) FROM people WHERE pid = 3)",
        "DELETE FROM people WHERE mail LIKE 'a%'",
        "SELECT mail IS NULL FROM people WHERE pid = 3",
        "SELECT count(*) FROM people WHERE pid = 3 AND mail IS NULL",
        "SELECT lid, person FROM letters WHERE lid = 'x' AND letter_no LIKE 'a%'",
        "SELECT most_common_vals FROM pg_stats s WHERE s.attname = 'mail'",
        "SELECT n FROM ruled_by",
        "DELETE FROM ruled_by WHERE n = 3",
        "INSERT INTO t VALUES (1) RETURNING (SELECT upper(mail) FROM people WHERE pid = 3)",
        "SELECT count(*) OVER (ORDER BY n ROWS (SELECT ascii(mail) FROM people WHERE pid = 3) PRECEDING) FROM t",
        "SELECT 1 FROM t TABLESAMPLE BERNOULLI ((SELECT ascii(mail) FROM people WHERE pid = 3))",
        "ALTER TABLE t ADD COLUMN m text DEFAULT peek()",
        "ALTER TABLE t ALTER COLUMN n TYPE text USING spell(n)",
        "CREATE INDEX ON t (spell(n))",
        "CREATE TABLE t1 PARTITION OF t FOR VALUES IN (peek())",
        "SELECT echo()",
        "SELECT 'yes' WHERE 'J' < (SELECT full_name FROM people WHERE boss = 'x')",
    ] {
        let found = lineage(sql);
        assert!(found.query.is_some() && !found.opaque, "{sql}\n{found:?}");
        pg_query::parse(&found.query.unwrap().sql, 0).unwrap();
    }
}

#[test]
fn what_cannot_be_seen_through_is_opaque() {
    for sql in [
        "SELECT hidden()",
        "SELECT p FROM peeking",
        "SELECT loop_of()",
        "SELECT any_of('peo' || chr(n)) FROM orders",
        "EXPLAIN SELECT peek()",
        "SELECT query_to_xml('select * from ' || 'people', true, true, '')",
        "SELECT * FROM dblink('', 'select mail from people') AS t(m text)",
        "DO LANGUAGE plperl $$ spi_exec_query('select mail from people') $$",
        "EXECUTE q",
        "SELECT stxdmcv FROM pg_catalog.pg_statistic_ext_data",
        "SELECT t FROM far_away",
        "INSERT INTO people VALUES (1) ON CONFLICT ON CONSTRAINT x DO UPDATE SET tongue = people.mail",
        "SELECT upper(mail) FROM people WHERE",
        "ALTER TABLE people ADD COLUMN low text GENERATED ALWAYS AS (lower(mail)) STORED",
        "SELECT upper(mail) FROM nextval('s') n, people",
    ] {
        let found = lineage(sql);
        assert!(found.opaque, "{sql}\n{found:?}");
    }
}

#[test]
fn definition_that_runs_nothing_is_told_from_one_that_may() {
    for (sql, computes) in [
        ("CREATE VIEW v AS SELECT f()", false),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", false),
        ("CREATE TABLE t (n int DEFAULT f())", false),
        ("CREATE INDEX ON t (n, m)", false),
        ("ALTER TABLE t ADD CHECK (n > 0)", false),
        ("CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f('a')", false),
        ("DO $$ BEGIN PERFORM f(); END $$", true),
        ("CALL f()", true),
        ("EXECUTE q", true),
        ("CREATE TABLE t AS EXECUTE q", true),
        ("CREATE TABLE t AS SELECT f()", true),
        ("CREATE MATERIALIZED VIEW v AS SELECT f()", true),
        ("CREATE INDEX ON t (f(n))", true),
        ("CREATE INDEX ON t (n) WHERE f(n)", true),
        ("ALTER TABLE t ADD COLUMN m int DEFAULT f()", true),
        ("ALTER TABLE t ADD CHECK (f(n))", true),
        ("CREATE VIEW v AS SELECT 1; SELECT f()", true),
        ("CREATE nonsense", true),
    ] {
        assert_eq!(computes_at_once(sql), computes, "{sql}");
    }
}

#[test]
fn copied_rows_are_known_by_their_columns() {
    let columns = |sql: &str| -> Option<Vec<(u32, i16)>> {
        let copy = lineage(sql).copy?;
        Some(copy.columns.iter().map(|column| (column.table_oid, column.attnum)).collect())
    };
    let asks = |sql: &str| lineage(sql).query.is_some();
    let by_other_name =
        "COPY (WITH x AS (SELECT pid AS n, mail FROM people) SELECT mail, n FROM x) TO STDOUT";
    for (sql, expected) in [
        ("COPY (SELECT upper(mail), pid, mail FROM people) TO STDOUT", vec![(0, 0), (20001, 1), (20001, 3)]),
        ("COPY people (mail, pid) TO STDOUT (FORMAT csv)", vec![(20001, 3), (20001, 1)]),
        (by_other_name, vec![(20001, 3), (20001, 1)]),
        ("COPY (SELECT mail FROM people UNION SELECT 'x') TO STDOUT", vec![(0, 0)]),
    ] {
        assert_eq!(columns(sql), Some(expected), "{sql}");
    }
    for sql in [
        "COPY (SELECT pid, mail, tongue FROM people) TO STDOUT",
        "COPY people TO STDOUT",
        "COPY people (pid, full_name) TO STDOUT BINARY",
    ] {
        assert!(!asks(sql), "{sql}");
    }
    for sql in [
        "COPY (SELECT mail FROM people) TO STDOUT",
        "COPY (SELECT pid, upper(mail) FROM people) TO STDOUT",
        "COPY people (full_name) TO STDOUT",
        "COPY people TO '/tmp/x'",
        "COPY people TO PROGRAM 'cat'",
        "COPY people TO STDOUT; SELECT 1",
        "COPY (SELECT *, pid FROM people, orders) TO STDOUT",
    ] {
        assert!(asks(sql), "{sql}");
    }
}

#[test]
fn options_of_copy_are_read_in_both_spellings() {
    let format =
        |options: &str| lineage(&format!("COPY people TO STDOUT {options}")).copy.unwrap().format.clone();
    let plain = CopyFormat::plain;
    assert_eq!(format(""), plain(CopyKind::Text));
    assert_eq!(format("(FORMAT binary)"), plain(CopyKind::Binary));
    assert_eq!(format("BINARY"), plain(CopyKind::Binary));
    let odd = CopyFormat {
        delimiter: b'|',
        null: b"-".as_slice().into(),
        quote: b'\'',
        escape: b'\'',
        header: true,
        ..plain(CopyKind::Csv)
    };
    assert_eq!(format("(FORMAT csv, HEADER, DELIMITER '|', NULL '-', QUOTE '''', FORCE_QUOTE *)"), odd);
    assert_eq!(format("WITH DELIMITER AS '|' NULL AS '-' CSV HEADER QUOTE AS ''''"), odd);
    assert!(!format("(FORMAT csv, HEADER false)").header);
    assert!(lineage("COPY people TO STDOUT (ENCODING 'SJIS')").copy.is_none());
}

#[test]
fn query_whose_rows_show_one_subject_each_is_known_as_such() {
    for (sql, one_each) in [
        ("SELECT upper(mail) FROM people ORDER BY pid LIMIT 9", true),
        ("SELECT full_name || ' ' || mail, sent FROM people p JOIN letters l ON l.person = p.pid", true),
        ("COPY (SELECT mail FROM people) TO STDOUT", true),
        ("SELECT a.mail, b.mail FROM people a, people b", false),
        ("SELECT mail, lead(mail) OVER () FROM people", false),
        ("SELECT string_agg(mail, ' ') FROM people", false),
        ("SELECT mail FROM people UNION ALL SELECT full_name FROM people", false),
        ("SELECT mail, (SELECT max(mail) FROM people) FROM people", false),
        ("SELECT mail FROM people; SELECT mail FROM people", false),
    ] {
        assert_eq!(lineage(sql).one_each.is_some(), one_each, "{sql}");
    }
}

#[test]
fn key_beside_the_fields_of_another_row_is_mixed() {
    let found = lineage("SELECT a.pid, b.mail FROM people a JOIN people b ON b.boss = a.mail");
    assert!(found.mixed && found.query.is_some(), "{found:?}");
    assert!(!lineage("SELECT a.pid, a.mail, b.pid, b.mail FROM people a, people b").mixed);
}

#[test]
fn executed_statement_is_read_with_its_values() {
    let prepared = |name: &str| {
        (name == "q").then(|| "PREPARE q(int) AS SELECT upper(mail) FROM people WHERE pid = $1".to_owned())
    };
    let found = analyse("EXECUTE q(1 + 2)", &schema(), &prepared).query.unwrap();
    assert!(found.sql.contains("WHERE pid = 1 + 2"), "{}", found.sql);
    assert!(analyse("EXECUTE other", &schema(), &prepared).opaque);
}

#[test]
fn monstrous_text_is_opaque_not_fatal() {
    for sql in [
        format!("SELECT {}mail{} FROM people", "(".repeat(50_000), ")".repeat(50_000)),
        format!("SELECT {} FROM people", vec!["mail"; 5_000].join(" || ")),
        format!("SELECT mail FROM {}people{}", "(SELECT * FROM ".repeat(400), ") x".repeat(400)),
        format!("SELECT '{}' FROM people", "x".repeat(TEXT_BYTES_MAX)),
        {
            let mut sql = "WITH a0 AS (SELECT mail FROM people)".to_owned();
            for n in 1..40 {
                sql += &format!(", a{n} AS (SELECT x.mail FROM a{0} x, a{0} y)", n - 1);
            }
            sql + " SELECT mail FROM a39"
        },
    ] {
        assert!(lineage(&sql).opaque, "{}", &sql[..60]);
    }
}
