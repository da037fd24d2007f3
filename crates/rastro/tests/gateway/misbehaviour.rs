//! P9: a session that sends garbage, stops reading, leaves midway, or opens 500 connections harms no other.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::Dice;
use crate::support::desk::{DATABASE, DESK, trusting_cluster};
use crate::support::gateway::{Gateway, GatewayOptions};
use crate::support::message as m;
use crate::support::raw::RawClient;

const CONNECTIONS: usize = 500;
/// The longest a lookup of the session beside may take: a stall, not a slow machine.
const STALL: Duration = Duration::from_secs(10);

/// Does `harm` while another session works, and checks that its every answer was right and came soon, and
/// that the server is left with no session of the offender.
fn check_harmless(what: &str, login: &str, harm: impl FnOnce(&Gateway)) {
    let cluster = trusting_cluster();
    let gateway = Gateway::start(cluster, &GatewayOptions::default());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let beside = scope.spawn(|| work_until(&gateway, &done));
        harm(&gateway);
        done.store(true, Ordering::SeqCst);
        let (lookups, slowest) = beside.join().unwrap();
        println!("{what}: {lookups} lookups beside, the slowest {slowest:?}");
        assert!(lookups > 0 && slowest < STALL, "{what}: {lookups} lookups, the slowest took {slowest:?}");
    });
    assert!(gateway.is_running(), "{what}: the gateway ended: {}", gateway.log());
    let deadline = Instant::now() + Duration::from_secs(30);
    let left = format!("SELECT count(*) FROM pg_stat_activity WHERE usename = '{login}'");
    while cluster.run_sql(DATABASE, &left).unwrap() != "0" {
        assert!(Instant::now() < deadline, "{what}: sessions are left on the server");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn work_until(gateway: &Gateway, done: &AtomicBool) -> (u64, Duration) {
    let mut client = RawClient::connect(gateway.port, "agent_001", DATABASE).unwrap();
    let (mut lookups, mut slowest) = (0, Duration::ZERO);
    while !done.load(Ordering::SeqCst) || lookups == 0 {
        let id = lookups % DESK.customers + 1;
        let begun = Instant::now();
        let reply = client.query(&format!("SELECT email FROM customers WHERE id = {id}")).unwrap();
        slowest = slowest.max(begun.elapsed());
        assert_eq!(reply.rows, [[Some(DESK.customer(id).email.into_bytes())]]);
        lookups += 1;
    }
    (lookups, slowest)
}

fn connect(gateway: &Gateway) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", gateway.port)).unwrap();
    stream.set_read_timeout(Some(STALL)).unwrap();
    stream
}

/// Connects as the offender `login`, far enough to send statements.
fn offender(gateway: &Gateway, login: &str) -> RawClient {
    RawClient::connect(gateway.port, login, DATABASE).unwrap()
}

#[test]
fn garbage_harms_no_other_session() {
    check_harmless("garbage", "agent_002", |gateway| {
        let mut dice = Dice::new("garbage");
        for round in 0..120 {
            let length = dice.between(1, 2_000);
            let garbage: Vec<u8> = (0..length).map(|_| dice.between(0, 255) as u8).collect();
            if round % 2 == 0 {
                let mut stream = connect(gateway);
                // A start-up that claims a length, true or not, and then anything.
                let claims = [8u32, 9, 100, 10_000, 0x7fff_ffff, 0xffff_ffff, 0, 3];
                let claim = claims[round / 2 % claims.len()];
                let _ = stream.write_all(&claim.to_be_bytes());
                let _ = stream.write_all(&garbage);
                let _ = stream.shutdown(Shutdown::Write);
                let _ = stream.read_to_end(&mut Vec::new());
            } else {
                let mut client = offender(gateway, "agent_002");
                // A tag that exists with a length that cannot be, or noise from the first byte.
                let tag = dice.pick(b"QPBDESCHXdcfpF\0\xff");
                let claim = dice.pick(&[0u32, 3, 4, 5, 1 << 30, 0x7fff_ffff, 0xffff_ffff]);
                let _ = client.send(&[tag]);
                let _ = client.send(&claim.to_be_bytes());
                let _ = client.send(&garbage);
            }
        }
    });
}

#[test]
fn client_that_stops_reading_harms_no_other_session() {
    check_harmless("stops reading", "agent_003", |gateway| {
        let mut stuck: Vec<_> = (0..8).map(|_| offender(gateway, "agent_003")).collect();
        for client in &mut stuck {
            let sql = "SELECT c.* FROM customers c, generate_series(1, 2000)";
            client.send(&m::query(sql)).unwrap();
        }
        let before = gateway.memory_kib("VmRSS");
        // Long enough for a gateway that buffers without bound to show it.
        std::thread::sleep(Duration::from_secs(3));
        let after = gateway.memory_kib("VmRSS");
        assert!(after < before + 128 * 1024, "memory grew from {before} to {after} KiB for 8 stuck clients");
        // One of them reads on at last and misses nothing.
        let mut rows = 0u64;
        let reader = stuck.last_mut().unwrap();
        loop {
            match reader.read_message().unwrap() {
                (b'D', _) => rows += 1,
                (b'Z', _) => break,
                (b'E', body) => panic!("{}", String::from_utf8_lossy(&body)),
                _ => {}
            }
        }
        assert_eq!(rows, 2_000 * DESK.customers);
    });
}

#[test]
fn client_that_leaves_midway_harms_no_other_session() {
    check_harmless("leaves midway", "agent_004", |gateway| {
        for round in 0..60 {
            let mut client = offender(gateway, "agent_004");
            let sql = "SELECT c.* FROM customers c, generate_series(1, 500)";
            let bytes = m::query(sql);
            match round % 3 {
                // Within a message, within a result, and with a statement that would run on.
                0 => client.send(&bytes[..bytes.len() / 2]).unwrap(),
                1 => {
                    client.send(&bytes).unwrap();
                    client.read_message().unwrap();
                }
                _ => client.send(&m::query("SELECT pg_sleep(3)")).unwrap(),
            }
        }
    });
}

#[test]
fn five_hundred_connections_harm_no_other_session() {
    check_harmless("500 connections", "agent_005", |gateway| {
        let mut clients: Vec<_> = (0..CONNECTIONS).map(|_| offender(gateway, "agent_005")).collect();
        for (id, client) in (1..).zip(&mut clients) {
            client.send(&m::query(&format!("SELECT name FROM customers WHERE id = {id}"))).unwrap();
        }
        for (id, client) in (1..).zip(&mut clients) {
            let reply = client.read_reply().unwrap();
            assert_eq!(reply.rows, [[Some(DESK.customer(id).name.into_bytes())]]);
        }
        for client in clients.iter_mut().take(CONNECTIONS / 2) {
            client.send(&m::terminate()).unwrap();
        }
    });
}
