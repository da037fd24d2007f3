//! psql, with what people do in it, is the same through the gateway.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::desk::{DATABASE, DESK, cluster};
use crate::support::gateway::{Gateway, GatewayOptions};
use crate::support::transcript::{aim, assert_same};

const SESSION: &str = r"
\set VERBOSITY verbose
\set SHOW_CONTEXT always
SELECT * FROM customers WHERE id <= 5 ORDER BY id;
\gdesc
\x on
SELECT c.*, t.ticket_number FROM customers c JOIN tickets t ON t.customer_id = c.id WHERE c.id < 9 ORDER BY t.id;
\x off
\d customers
\dt
\encoding
\conninfo
SELECT 1/0;
SELECT no_such FROM customers;
SELECT id, 1 / (id - 3) FROM customers ORDER BY id;
BEGIN;
DECLARE c CURSOR FOR SELECT id, email FROM customers ORDER BY id;
FETCH 3 FROM c;
MOVE 10 IN c;
FETCH NEXT FROM c;
SAVEPOINT s;
SELECT 'oops'::int;
ROLLBACK TO s;
FETCH BACKWARD 2 FROM c;
COMMIT;
SET client_min_messages = debug1;
DO $$ BEGIN RAISE DEBUG 'd'; RAISE NOTICE 'n'; RAISE WARNING 'w'; RAISE EXCEPTION 'e' USING HINT = 'h', DETAIL = 'd'; END $$;
RESET client_min_messages;
SELECT count(*) FROM customers \gset answer_
\echo :answer_count
SELECT 1 AS a \; SELECT name FROM customers WHERE id = 2 \; SELECT 3 AS c;
SELECT format('SELECT %s AS generated', g) FROM generate_series(1, 3) g \gexec
SELECT language, count(*) FROM customers GROUP BY 1 ORDER BY 1 \crosstabview language language count
SET FETCH_COUNT 100
\set FETCH_COUNT 100
SELECT id, name FROM customers WHERE id <= 250 ORDER BY id;
\set FETCH_COUNT 0
\copy (SELECT id, name, phone FROM customers WHERE id <= 200 ORDER BY id) TO pstdout
CREATE TEMP TABLE came_in (id bigint, label text);
\copy came_in FROM pstdin
1	one
2	zwei
3	\N
\.
COPY came_in FROM STDIN (FORMAT csv);
4,'four'
5,
\.
SELECT * FROM came_in ORDER BY id;
COPY came_in FROM STDIN;
not a number	x
\.
LISTEN bell;
NOTIFY bell, 'ding';
SELECT 'last';
";

fn psql(port: u16) -> Child {
    let mut command = Command::new(cluster().program("psql"));
    aim(command.args(["-X", "-q", "-P", "pager=off"]), port, "postgres");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn answer(port: u16, script: &str) -> String {
    let mut child = psql(port);
    let mut stdin = child.stdin.take().unwrap();
    let script = script.to_owned();
    let typing = std::thread::spawn(move || stdin.write_all(script.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    typing.join().unwrap();
    let mut text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    write!(text, "status {:?}", output.status.code()).unwrap();
    // The one thing that may differ: where psql is connected to, and as which process.
    let text = text.replace(&format!("port \"{port}\""), "port");
    let lines = text.lines().map(|line| line.split(" from server process with PID").next().unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn session_of_psql_is_the_same_through_the_gateway() {
    let cluster = cluster();
    let gateway = Gateway::start(cluster, &GatewayOptions::default());
    let direct = answer(cluster.port(), SESSION);
    assert!(direct.contains("ding") && direct.contains("22012") && direct.contains("zwei"), "{direct}");
    assert_same("psql", &direct, &answer(gateway.port, SESSION));
}

#[test]
fn large_copy_of_psql_goes_both_ways_unchanged() {
    let cluster = cluster();
    let gateway = Gateway::start(cluster, &GatewayOptions::default());
    let mut rows = String::new();
    for id in 1..=DESK.customers {
        writeln!(rows, "{id}\t{}", DESK.customer(id).name.repeat(20)).unwrap();
    }
    let script = format!(
        "CREATE TEMP TABLE big (id bigint, label text);\n\\copy big FROM pstdin\n{rows}\\.\n\
         SELECT count(*), md5(string_agg(label, ',' ORDER BY id)) FROM big;\n\\copy big TO pstdout\n"
    );
    assert_same("\\copy", &answer(cluster.port(), &script), &answer(gateway.port, &script));
}

/// psql at a terminal, where Ctrl-C is a key: `script` lends it one.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: BufReader<ChildStdout>,
}

impl Terminal {
    fn open(port: u16) -> Terminal {
        let mut command = Command::new("script");
        // `exec`: a shell that stays would take the Ctrl-C as well, and end with a status of its own.
        let psql = format!("exec {} -X -n -q -P pager=off", cluster().program("psql").display());
        aim(command.args(["-qfec", &psql, "/dev/null"]), port, "postgres");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (keys, screen) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Terminal { child, keys, screen }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Reads until a line is there that begins with `expected`, which what was typed never does.
    fn wait_for(&mut self, expected: &str) {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            assert!(self.screen.read_line(&mut line).unwrap() > 0, "no `{expected}` on the screen: {seen}");
            if line.trim_start().trim_start_matches("^C").starts_with(expected) {
                return;
            }
            seen += &line;
        }
    }

    fn close(mut self) {
        self.press("\\q\n");
        assert!(self.child.wait().unwrap().success());
    }
}

#[test]
fn interrupt_cancels_the_statement_and_the_session_goes_on() {
    let cluster = cluster();
    let gateway = Gateway::start(cluster, &GatewayOptions::default());
    for port in [cluster.port(), gateway.port] {
        let mut terminal = Terminal::open(port);
        terminal.press(&format!("SELECT 'cancel me {port}', pg_sleep(300);\n"));
        let running = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT ''cancel me {port}%'"
        );
        let deadline = Instant::now() + Duration::from_secs(30);
        while cluster.run_sql(DATABASE, &running).unwrap() != "1" {
            assert!(Instant::now() < deadline, "the statement did not start");
        }
        terminal.press("\x03");
        terminal.wait_for("ERROR:  canceling statement due to user request");
        terminal.press("SELECT name FROM customers WHERE id = 7;\n");
        terminal.wait_for(&DESK.customer(7).name);
        terminal.close();
    }
}

#[test]
fn watch_repeats_until_interrupted() {
    let cluster = cluster();
    let gateway = Gateway::start(cluster, &GatewayOptions::default());
    for port in [cluster.port(), gateway.port] {
        let mut terminal = Terminal::open(port);
        terminal.press("SELECT name FROM customers WHERE id = 5 \\watch 0.05\n");
        for _ in 0..4 {
            terminal.wait_for(&DESK.customer(5).name);
        }
        terminal.press("\x03");
        terminal.press("SELECT name FROM customers WHERE id = 6;\n");
        terminal.wait_for(&DESK.customer(6).name);
        terminal.close();
    }
}
