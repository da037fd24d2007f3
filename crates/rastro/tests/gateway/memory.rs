//! Memory stays flat while a result of 10 million rows streams through.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::process::Stdio;

use crate::support::desk::{DATABASE, DESK, trusting_cluster};
use crate::support::gateway::{Gateway, GatewayOptions};
use crate::support::message as m;

const ROWS: u64 = 10_000_000;
const ALLOWED_KIB: u64 = 64 * 1024;

/// Reads messages off the stream without keeping them and returns the number of rows before ReadyForQuery.
fn count_rows(stream: &mut TcpStream) -> u64 {
    let mut buffer = vec![0; 256 * 1024];
    let (mut filled, mut rows) = (0, 0);
    loop {
        let read = stream.read(&mut buffer[filled..]).unwrap();
        assert!(read > 0, "the gateway closed the connection after {rows} rows");
        filled += read;
        let mut at = 0;
        while filled - at >= 5 {
            let length = u32::from_be_bytes(buffer[at + 1..at + 5].try_into().unwrap()) as usize + 1;
            if filled - at < length {
                break;
            }
            match buffer[at] {
                b'D' => rows += 1,
                b'Z' => return rows,
                b'E' => panic!("{}", String::from_utf8_lossy(&buffer[at..at + length])),
                _ => {}
            }
            at += length;
        }
        buffer.copy_within(at..filled, 0);
        filled -= at;
    }
}

#[test]
fn ten_million_rows_stream_through_in_flat_memory() {
    let cluster = trusting_cluster();
    let gateway = Gateway::start(cluster, &GatewayOptions::default());
    let mut stream = TcpStream::connect(("127.0.0.1", gateway.port)).unwrap();
    use std::io::Write;
    stream.write_all(&m::startup("agent_001", DATABASE)).unwrap();
    count_rows(&mut stream);
    stream.write_all(&m::query("SELECT id, name FROM customers")).unwrap();
    assert_eq!(count_rows(&mut stream), DESK.customers);
    let before = gateway.memory_kib("VmRSS");

    // Every row shows a protected field of a known subject; the same 2,000 subjects over and over.
    let sql = format!("SELECT id, name FROM generate_series(1, {}), customers", ROWS / DESK.customers);
    stream.write_all(&m::query(&sql)).unwrap();
    assert_eq!(count_rows(&mut stream), ROWS);
    let peak = gateway.memory_kib("VmHWM");
    println!("memory: {before} KiB before, {peak} KiB at most");
    assert!(peak <= before + ALLOWED_KIB, "memory grew from {before} to {peak} KiB");
    // A line for each row: read as they come.
    let mut reading = gateway.command("disclosures", &["--format", "ndjson", "--principal", "agent_001"]);
    let mut reading = reading.stdout(Stdio::piped()).spawn().unwrap();
    let mut subjects = HashSet::new();
    for line in BufReader::new(reading.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let (_, rest) = line.split_once("\"subject\":\"").unwrap();
        let (subject, _) = rest.split_once('"').unwrap();
        if !subjects.contains(subject) {
            subjects.insert(subject.to_owned());
        }
    }
    assert!(reading.wait().unwrap().success());
    assert_eq!(subjects.len() as u64, DESK.customers);
}
