use proptest::prelude::*;

use super::*;

fn normal(sql: &str) -> String {
    let mut out = Normalised::default();
    normalise(sql.as_bytes(), &mut out);
    out.text().into_owned()
}

#[test]
fn normalise_replaces_literals_and_blanks() {
    let check = |sql: &str, expected: &str| assert_eq!(normal(sql), expected, "{sql}");
    check("select  *\n from t -- hm\n where a='x''y'  and b = 12", "select * from t where a=? and b = ?");
    check("SELECT E'a\\'b', n'q', B'01', x'ff', U&'d\\0061t'", "SELECT ?, ?, ?, ?, ?");
    check("SELECT $$a'b$$, $tag$ $$ $tag$ ,$1", "SELECT ?, ?, $1");
    check("SELECT 1_000, 0x1F, 1.5e-3, .5, 1e5, 0b11", "SELECT ?, ?, ?, ?, ?, ?");
    check("SELECT a /* x /* y */ 'z' */ , b", "SELECT a, b");
    check("SELECT 'a'\n  -- c 'x\n 'b', 'c' 'd'", "SELECT ?, ? ?");
    check("SELECT \"Od\"\"d 1\", U&\"x\" FROM \"T\"", "SELECT \"Od\"\"d 1\", U&\"x\" FROM \"T\"");
    check("SELECT a::text, b[1:2], c->>'k' FROM s.t;;", "SELECT a::text, b[?:?], c->>? FROM s.t");
    check("BEGIN; SELECT 1; COMMIT", "BEGIN; SELECT ?; COMMIT");
    check("select a+-1, a--b\n", "select a+-?, a");
    check("SELECT 'open", "SELECT ?");
    check("SELECT \"open 'secret'", "SELECT ?");
    check("SELECT $a$ open 'secret'", "SELECT ?");
    check("SELECT 1foo, $1bar, $foo", "SELECT ?, ?, $foo");
    check("", "");
}

#[test]
fn normalise_collapses_lists_of_literals() {
    let check = |sql: &str, expected: &str| assert_eq!(normal(sql), expected, "{sql}");
    check("a IN (1, 2,3 )", "a IN (?)");
    check("a in ('x')", "a in (?)");
    check("a IN (-1, +2, NULL, true) AND b", "a IN (?) AND b");
    check("a IN ($1,$2, $3)", "a IN ($1)");
    check("a IN (1, b, 2)", "a IN (?, b, ?)");
    check("a IN (1, 2 + b)", "a IN (?, ? + b)");
    check("a IN (SELECT 1, 2)", "a IN (SELECT ?, ?)");
    check("VALUES (1, 'a'), (2, 'b'),(3,DEFAULT) RETURNING x", "VALUES (?) RETURNING x");
    check("VALUES (1, 'a'), (2, now()), (3, 4)", "VALUES (?), (?, now()), (?, ?)");
    check("VALUES (1), (x)", "VALUES (?), (x)");
    check("VALUES (1), (2, 3", "VALUES (?)");
    check("f(1, 2)", "f(?, ?)");
    check("a IN (1, /* c */ 2)", "a IN (?)");
}

#[test]
fn normalise_with_lone_backslash_depends_on_the_setting() {
    let check = |backslash, sql: &[u8], expected: &str, complete| {
        let mut out = Normalised::default();
        normalise_with(sql, backslash, &mut out);
        assert_eq!((&*out.text(), out.is_complete()), (expected, complete), "{sql:?}");
    };
    let sql = b"SELECT 'a\\', x, ' secret ', y";
    check(Backslash::Plain, sql, "SELECT ?, x, ?, y", true);
    check(Backslash::Escape, sql, "SELECT ? secret ?", true);
    check(Backslash::Unknown, sql, "SELECT ?…", false);
    check(Backslash::Unknown, b"SELECT 'a\\\\', 'a\\n', y", "SELECT ?, ?, y", true);
    // Shift JIS: the backslash is half of a character.
    check(Backslash::Escape, b"SELECT E'\x95\\', ' secret '", "SELECT ?…", false);
    check(Backslash::Unknown, b"SELECT 1e'a\\'secret'", "SELECT ?…", false);
    check(Backslash::Plain, b"SELECT 1e'a\\'secret'", "SELECT ?…", false);
}

#[test]
fn normalise_bounds_the_text_and_tells_long_texts_apart() {
    let long = |name: &str| format!("SELECT {}{name}", "é, ".repeat(NORMALISED_BYTES_MAX));
    let mut out = Normalised::default();
    normalise(long("x").as_bytes(), &mut out);
    let first = out.fingerprint();
    assert!(out.text().len() <= NORMALISED_BYTES_MAX + 3 && out.text().ends_with('…'));
    assert!(!out.text().contains('\u{fffd}'));
    normalise(long("y").as_bytes(), &mut out);
    assert_ne!(out.fingerprint(), first);
    normalise(b"SELECT 1", &mut out);
    let short = out.fingerprint();
    normalise(b"SELECT 2 -- other", &mut out);
    assert_eq!(out.fingerprint(), short);
    let expected = blake3::hash(b"SELECT ?");
    assert_eq!(short, u64::from_le_bytes(*expected.as_bytes().first_chunk().unwrap()));
}

// A kind with its spans spelled out.
fn kinds(sql: &str) -> Vec<String> {
    let mut out = Normalised::default();
    normalise(sql.as_bytes(), &mut out);
    let text = |span| String::from_utf8(out.text_of(span).to_vec()).unwrap();
    let spell = |facts: &StatementFacts| {
        let kind = match facts.kind {
            StatementKind::Other => "other".to_owned(),
            StatementKind::Rollback => "rollback".to_owned(),
            StatementKind::ResetAll => "reset all".to_owned(),
            StatementKind::DiscardAll => "discard all".to_owned(),
            StatementKind::Reset { name } => format!("reset {}", text(name)),
            StatementKind::Set { name, value, local } => {
                let value = match value {
                    SettingValue::Text(span) => format!("`{}`", text(span)),
                    other => format!("{other:?}"),
                };
                format!("set {} {value}{}", text(name), if local { " local" } else { "" })
            }
        };
        let unseen = if facts.sets_unseen { " unseen" } else { "" };
        format!("{}: {kind}{unseen}", text(facts.first_keyword))
    };
    out.statements().iter().map(spell).collect()
}

#[test]
fn statements_tell_what_the_gateway_must_know() {
    let check = |sql: &str, expected: &[&str]| assert_eq!(kinds(sql), expected, "{sql}");
    check("rollback", &["ROLLBACK: rollback"]);
    check("/* a */ ABORT WORK ;", &["ABORT: rollback"]);
    check("ROLLBACK TRANSACTION AND NO CHAIN", &["ROLLBACK: rollback"]);
    check("ROLLBACK TO SAVEPOINT a; ROLLBACK AND CHAIN; ROLLBACK PREPARED 'x'", &["ROLLBACK: other"; 3]);
    check("(select 1); ;table t", &["SELECT: other", "TABLE: other"]);
    check("SET rastro.principal = 'O''Hara'", &["SET: set rastro.principal `O'Hara`"]);
    check("set local Rastro.Principal to alice", &["SET: set rastro.principal `alice` local"]);
    check("SET SESSION \"rastro\".\"principal\" TO DEFAULT", &["SET: set rastro.principal Default"]);
    check("SET rastro.principal = $q$bo$q$", &["SET: set rastro.principal `bo`"]);
    check("SET rastro.principal = 'a\\b'", &["SET: set rastro.principal Unreadable"]);
    check("SET x = 'a', 'b'", &["SET: set x Unreadable"]);
    check("SET TIME ZONE 'UTC'", &["SET: other"]);
    check("SET SESSION AUTHORIZATION bob", &["SET: other"]);
    check("RESET rastro.principal; RESET ALL", &["RESET: reset rastro.principal", "RESET: reset all"]);
    check("DISCARD ALL; DISCARD PLANS", &["DISCARD: discard all", "DISCARD: other"]);
    check("SELECT set_config('rastro.principal', 'x', false)", &["SELECT: set rastro.principal `x`"]);
    check(
        "SELECT pg_catalog.set_config('Rastro.principal'::text, $2, true) AS a",
        &["SELECT: set rastro.principal Parameter(2) local"],
    );
    check("SELECT set_config('a', NULL, $1)", &["SELECT: set a Unreadable"]);
    check("SELECT 1, set_config('a', 'b', false)", &["SELECT: other unseen"]);
    check("CREATE FUNCTION f() BEGIN ATOMIC SELECT 1; SELECT 2; END", &["CREATE: other"]);
    check("SELECT atomic; ROLLBACK", &["SELECT: other", "ROLLBACK: rollback"]);
    check("CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)", &["CREATE: other"]);
}

#[test]
fn tags_are_read_from_all_comments_and_the_last_wins() {
    let sql = "/*user='alice',route='%2Fa%20b'*/ SELECT 1 /* user='bo\\'b' , x='1' */; SELECT 2 /*y='2'*/;";
    let mut out = Normalised::default();
    normalise(sql.as_bytes(), &mut out);
    assert_eq!(out.tag("user"), Some(b"bo'b".as_slice()));
    assert_eq!(out.tag("route"), Some(b"/a b".as_slice()));
    assert_eq!((out.tag_of(0, "y"), out.tag_of(1, "y")), (None, Some(b"2".as_slice())));
    for odd in ["it's user='x'", "user='x', rest", "user='x", "+ IndexScan(t)", "=''", "user='a''b'"] {
        normalise(format!("SELECT 1 /*{odd}*/").as_bytes(), &mut out);
        assert_eq!(out.tag("user"), None, "{odd}");
    }
    normalise("SELECT '/*user=''x''*/' -- /*user='y'*/".as_bytes(), &mut out);
    assert_eq!(out.tag("user"), None);
}

const SECRET: &str = "zqj7";

// Literals whose every form carries the secret.
fn literal() -> impl Strategy<Value = String> {
    let body = "[ a-z$\"/*;,()-]{0,6}";
    (body, body, 0..10).prop_map(|(a, b, form)| match form {
        0 => format!("'{a}{SECRET}{b}'"),
        1 => format!("'{a}''{SECRET}{b}'"),
        2 => format!("E'{a}\\'{SECRET}\\\\{b}'"),
        3 => format!("$${}{SECRET}$$", a.replace('$', "")),
        4 => format!("$t1${}$${SECRET}{}$t1$", a.replace('$', ""), b.replace('$', "")),
        5 => format!("U&'{a}{SECRET}\\0041'"),
        6 => format!("N'{SECRET}{b}'"),
        7 => format!("'{a}'\n -- x'\n '{SECRET}'"),
        8 => format!("E'{a}' \n '\\'{SECRET}'"),
        _ => format!("X'{SECRET}'"),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn prop_normal_form_holds_no_literal(
        parts in prop::collection::vec((0..14_usize, literal(), "[ \n\t]{0,2}"), 1..20),
    ) {
        const GLUE: [&str; 14] = [
            "SELECT a, ", " = ", ",", " IN (", " VALUES (", ") ", "/* c '*/", "-- it's\n", "; ", "::text ",
            " + ", " \"q'i\" ", " $1 ", "(1, ",
        ];
        let mut sql = String::new();
        for (glue, literal, blank) in &parts {
            sql.push_str(GLUE[*glue]);
            sql.push(' ');
            sql.push_str(literal);
            sql.push_str(blank);
            // A literal right behind another one is a continuation only over a line end.
            sql.push_str(" + ");
        }
        let mut out = Normalised::default();
        for backslash in [Backslash::Unknown, Backslash::Plain] {
            normalise_with(sql.as_bytes(), backslash, &mut out);
            prop_assert!(!out.text().contains(SECRET), "{sql}\n{}", out.text());
            prop_assert!(out.is_complete());
        }
    }

    #[test]
    fn prop_normalise_of_any_bytes_is_bounded_and_repeatable(sql in "([a-z0-9'\"$/*\\\\(),;=.:éIN VALUES\n-]){0,200}") {
        let (mut once, mut twice) = (Normalised::default(), Normalised::default());
        for end in 0..=sql.len() {
            normalise(&sql.as_bytes()[..end], &mut once);
            normalise(&sql.as_bytes()[..end], &mut twice);
            prop_assert_eq!(once.fingerprint(), twice.fingerprint());
            prop_assert!(once.text().len() <= NORMALISED_BYTES_MAX + 3);
        }
    }
}

// Run by hand: cargo test --release -- --ignored --nocapture
#[test]
#[ignore = "a measurement"]
fn measure_normalise() {
    let lookup = "SELECT t.ticket_number, t.status, c.id, c.name, c.email FROM tickets t JOIN customers c ON \
                  c.id = t.customer_id WHERE t.ticket_number = $1 AND c.country = 'PT' LIMIT 10";
    let long = format!("{lookup} UNION ALL ").repeat(200);
    let mut out = Normalised::default();
    for sql in [lookup, &long] {
        let rounds = 200_000_000 / sql.len();
        let start = std::time::Instant::now();
        for _ in 0..rounds {
            normalise(std::hint::black_box(sql.as_bytes()), &mut out);
        }
        let seconds = start.elapsed().as_secs_f64();
        println!("{} bytes: {:.0} MB/s", sql.len(), (rounds * sql.len()) as f64 / seconds / 1e6);
    }
}

#[test]
fn quoted_name_that_looks_like_a_value_is_left_out() {
    let form = |sql: &str| {
        let mut normalised = Normalised::default();
        normalise(sql.as_bytes(), &mut normalised);
        normalised.text().into_owned()
    };
    assert_eq!(form(r#"select 1 as "ann@example.com""#), "select ? as ?");
    assert_eq!(form(r#"select "a 123456" , "Name""#), r#"select ?, "Name""#);
    assert_eq!(form(r#"select "log_20240", "t12345_67""#), r#"select "log_20240", "t12345_67""#);
}
