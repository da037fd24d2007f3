//! Rows that PostgreSQL reports are compared with rows the ledger accounts for, so that a gap in coverage shows.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::desk::{DATABASE, trusting_cluster};
use crate::support::gateway::{Gateway, GatewayOptions};

/// Statements that give rows in every way there is, or report rows and give none.
const SCRIPT: &str = "
    SELECT id, name, email FROM customers WHERE id <= 100;
    SELECT g FROM generate_series(1, 1000) g;
    SELECT id FROM customers WHERE email IS NULL AND id < 0;
    SELECT upper(email) FROM customers WHERE id <= 20;
    COPY (SELECT id, email FROM customers WHERE id <= 30) TO STDOUT;
    COPY (SELECT id, email FROM customers WHERE id <= 30) TO STDOUT (FORMAT csv, HEADER);
    COPY (SELECT id, email FROM customers WHERE id <= 30) TO STDOUT (FORMAT binary);
    COPY (SELECT g FROM generate_series(1, 40) g) TO STDOUT;
    BEGIN;
    DECLARE c CURSOR FOR SELECT id, name FROM customers ORDER BY id;
    FETCH 7 FROM c;
    MOVE 3 FROM c;
    FETCH 5 FROM c;
    COMMIT;
    CREATE TEMP TABLE kept AS SELECT id FROM customers WHERE id <= 10;
    INSERT INTO kept VALUES (-1), (-2) RETURNING id;
    UPDATE kept SET id = id WHERE id > 0;
    DELETE FROM kept RETURNING id;
    EXPLAIN SELECT * FROM customers;
    SHOW server_version;
    SELECT 1/0;
    PREPARE p AS SELECT id, phone FROM customers WHERE id <= $1;
    EXECUTE p(9);
    DO $$ BEGIN RAISE NOTICE 'hello'; END $$;
";

fn psql(gateway: &Gateway, script: &str) {
    let url = format!("postgres://postgres@127.0.0.1:{}/{DATABASE}", gateway.port);
    let mut child = Command::new(trusting_cluster().program("psql"))
        .args([&url, "-XAtq", "-f", "-"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

/// Returns status and sessions once every session has told its last counts.
fn reconcile(gateway: &Gateway, sessions: usize) -> (Option<i32>, Vec<Value>) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let Output { status, stdout, .. } = gateway.run("reconcile", &["--all", "--format", "ndjson"]);
        let found: Vec<Value> = String::from_utf8(stdout)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        if found.len() >= sessions && found.iter().all(|session| session["ended"] == true) {
            return (status.code(), found);
        }
        assert!(Instant::now() < deadline, "{found:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn every_row_that_the_server_reports_is_accounted_for() {
    let gateway = Gateway::start(trusting_cluster(), &GatewayOptions::default());
    psql(&gateway, SCRIPT);
    let url = format!("postgres://postgres@127.0.0.1:{}/{DATABASE}", gateway.port);
    let pgbench = |mode: &str| {
        let script = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(script.path(), "SELECT id, name, email FROM customers WHERE id = 17;\n").unwrap();
        let run = Command::new(trusting_cluster().program("pgbench"))
            .args(["-n", "-M", mode, "-t", "50", "-f", script.path().to_str().unwrap(), &url])
            .output()
            .unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    };
    ["simple", "extended", "prepared"].into_iter().for_each(pgbench);
    let (status, sessions) = reconcile(&gateway, 4);
    for session in &sessions {
        let count = |name: &str| session[name].as_u64().unwrap();
        assert_eq!(count("gap"), 0, "{session}");
        assert_eq!(count("reported"), count("recorded") + count("plain"), "{session}");
    }
    assert_eq!(status, Some(0));
    let script = sessions.iter().max_by_key(|session| session["reported"].as_u64()).unwrap();
    let reported = 100 + 1000 + 20 + 3 * 30 + 40 + 7 + 5 + 2 + 12 + 9;
    assert_eq!(script["reported"], reported, "{script}");
    assert!(script["recorded"].as_u64().unwrap() >= 100 + 90 + 12 + 9, "{script}");
    assert!(gateway.metric("rastro_unaccounted_rows_total").is_none_or(|rows| rows == 0.0));
}

/// Passes bytes between a client and `port`; takes one DataRow out of every answer while `losing`.
fn lossy_link(port: u16, losing: Arc<AtomicBool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
            let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from_client, &mut to_server);
                let _ = to_server.shutdown(std::net::Shutdown::Write);
            });
            let losing = Arc::clone(&losing);
            std::thread::spawn(move || {
                let _ = pass_frames(server, client.try_clone().unwrap(), &losing);
                let _ = client.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    own
}

fn pass_frames(server: TcpStream, mut client: TcpStream, losing: &AtomicBool) -> std::io::Result<()> {
    let mut server = std::io::BufReader::new(server);
    let (mut begun, mut lost) = (false, false);
    loop {
        let mut tag = [0];
        server.read_exact(&mut tag)?;
        // The answer to a request for TLS is one byte.
        if !begun && tag == *b"N" {
            client.write_all(&tag)?;
            continue;
        }
        begun = true;
        let mut length = [0; 4];
        server.read_exact(&mut length)?;
        let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
        server.read_exact(&mut body)?;
        if tag == *b"D" && !lost && losing.load(Ordering::Relaxed) {
            lost = true;
            continue;
        }
        lost &= tag != *b"C";
        client.write_all(&[&tag[..], &length, &body].concat())?;
    }
}

#[test]
fn row_that_never_reached_the_gateway_shows_as_a_gap() {
    let losing = Arc::new(AtomicBool::new(false));
    let link = lossy_link(trusting_cluster().port(), Arc::clone(&losing));
    let mut gateway = Gateway::prepare(trusting_cluster(), &GatewayOptions::default());
    let configuration = std::fs::read_to_string(gateway.configuration()).unwrap();
    let direct = format!(":{}/", trusting_cluster().port());
    assert!(configuration.contains(&direct));
    std::fs::write(gateway.configuration(), configuration.replace(&direct, &format!(":{link}/"))).unwrap();
    gateway.restart();
    psql(&gateway, "SELECT id, email FROM customers WHERE id <= 10;");
    assert_eq!(reconcile(&gateway, 1).0, Some(0));
    losing.store(true, Ordering::Relaxed);
    psql(&gateway, "SELECT id, email FROM customers WHERE id <= 10;");
    losing.store(false, Ordering::Relaxed);
    psql(&gateway, "SELECT id, email FROM customers WHERE id <= 10;");
    let (status, sessions) = reconcile(&gateway, 3);
    assert_eq!(status, Some(1));
    let gaps: Vec<u64> = sessions.iter().map(|session| session["gap"].as_u64().unwrap()).collect();
    assert_eq!(gaps, [0, 1, 0], "{sessions:?}");
    assert_eq!(gateway.metric("rastro_unaccounted_rows_total"), Some(1.0));
    let words = gateway.run("reconcile", &[]);
    assert!(String::from_utf8(words.stderr).unwrap().contains("1 rows of 1 sessions are not accounted for"));
}
