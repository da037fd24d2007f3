//! What no inspector objects to passes byte for byte, however the bytes arrive.

use crate::message::*;
use crate::rig::{LIMITS, Rig};
use rastro_wire::RelayLimits;

/// One side says something.
#[derive(Clone)]
pub enum Step {
    Client(Vec<u8>),
    Server(Vec<u8>),
}

use Step::{Client as C, Server as S};

/// A conversation, and what of it must arrive where it differs from what was said.
pub struct Script {
    pub name: &'static str,
    pub steps: Vec<Step>,
    pub to_server: Option<Vec<u8>>,
    pub to_client: Option<Vec<u8>>,
}

fn plain(name: &'static str, steps: Vec<Step>) -> Script {
    Script { name, steps, to_server: None, to_client: None }
}

pub fn said(steps: &[Step], by_client: bool) -> Vec<u8> {
    let bytes = steps.iter().filter_map(|step| match step {
        C(bytes) if by_client => Some(bytes.as_slice()),
        S(bytes) if !by_client => Some(bytes.as_slice()),
        _ => None,
    });
    bytes.collect::<Vec<_>>().concat()
}

fn extended(sql: &str) -> Vec<u8> {
    [parse("", sql), bind("", ""), describe_portal(""), execute("", 0), sync()].concat()
}

fn answered(oid: u32, rows: &[&[u8]]) -> Vec<u8> {
    let mut out = [bare(b'1'), bare(b'2'), described(oid)].concat();
    for value in rows {
        out.extend(row(value));
    }
    out.extend(complete("SELECT"));
    out
}

fn scripts() -> Vec<Script> {
    vec![
        plain(
            "simple",
            vec![
                C(query("select 1")),
                S([described(1), row(b"a"), row(b"bc"), complete("SELECT 2"), ready(b'I')].concat()),
                C(query("select 2")),
                S([described(2), row(b"unread"), complete("SELECT 1"), ready(b'I')].concat()),
                C(bare(b'X')),
            ],
        ),
        plain(
            "several statements in one query, one of them fails",
            vec![
                C(query("begin; select 1; select 2; boom")),
                S([
                    complete("BEGIN"),
                    described(1),
                    row(b"a"),
                    complete("SELECT 1"),
                    described(3),
                    notice("hm"),
                    row(b"b"),
                    complete("SELECT 1"),
                    failed("boom"),
                    ready(b'E'),
                ]
                .concat()),
                C(query("rollback")),
                S([complete("ROLLBACK"), ready(b'I')].concat()),
            ],
        ),
        plain(
            "extended with a client's Describe",
            vec![
                C(extended("select 1")),
                S([answered(1, &[b"a", b"b"]), ready(b'I')].concat()),
                C([parse("s", "select 2"), describe_statement("s"), sync()].concat()),
                S([bare(b'1'), frame(b't', &[&[0, 0]]), described(1), ready(b'I')].concat()),
            ],
        ),
        Script {
            name: "extended without a client's Describe",
            steps: vec![
                C([parse("s", "select 1"), bind("p", "s"), execute("p", 1)].concat()),
                C([execute("p", 0), close_portal("p"), sync()].concat()),
                S([bare(b'1'), bare(b'2'), described(1), row(b"a"), bare(b's')].concat()),
                S([row(b"b"), complete("SELECT 1"), bare(b'3'), ready(b'I')].concat()),
            ],
            to_server: Some(
                [
                    parse("s", "select 1"),
                    bind("p", "s"),
                    describe_portal("p"),
                    execute("p", 1),
                    execute("p", 0),
                    close_portal("p"),
                    sync(),
                ]
                .concat(),
            ),
            to_client: Some(
                [
                    bare(b'1'),
                    bare(b'2'),
                    row(b"a"),
                    bare(b's'),
                    row(b"b"),
                    complete("SELECT 1"),
                    bare(b'3'),
                    ready(b'I'),
                ]
                .concat(),
            ),
        },
        Script {
            name: "portal suspended, gone on with after Sync",
            steps: vec![
                C([parse("", "select 1"), bind("p", ""), describe_portal("p"), execute("p", 1), sync()]
                    .concat()),
                S([bare(b'1'), bare(b'2'), described(1), row(b"a"), bare(b's'), ready(b'T')].concat()),
                C([execute("p", 1), sync()].concat()),
                S([described(1), row(b"b"), bare(b's'), ready(b'T')].concat()),
            ],
            to_server: Some(
                [
                    parse("", "select 1"),
                    bind("p", ""),
                    describe_portal("p"),
                    execute("p", 1),
                    sync(),
                    describe_portal("p"),
                    execute("p", 1),
                    sync(),
                ]
                .concat(),
            ),
            to_client: Some(
                [
                    bare(b'1'),
                    bare(b'2'),
                    described(1),
                    row(b"a"),
                    bare(b's'),
                    ready(b'T'),
                    row(b"b"),
                    bare(b's'),
                    ready(b'T'),
                ]
                .concat(),
            ),
        },
        plain(
            "pipeline, the second segment fails midway",
            vec![
                C([extended("select 1"), extended("boom"), extended("select 3")].concat()),
                S([answered(1, &[b"a"]), ready(b'I')].concat()),
                S([bare(b'1'), failed("boom"), ready(b'I')].concat()),
                S([answered(3, &[b"c", b"d"]), ready(b'I')].concat()),
            ],
        ),
        plain(
            "error known before the client says Sync",
            vec![
                C([parse("", "boom"), bare(b'H')].concat()),
                S(failed("boom")),
                C([bind("", ""), describe_portal(""), execute("", 0), sync()].concat()),
                S(ready(b'I')),
                C(extended("select 1")),
                S([answered(1, &[b"a"]), ready(b'I')].concat()),
            ],
        ),
        plain(
            "statement without rows, empty query, function call",
            vec![
                C(query("")),
                S([bare(b'I'), ready(b'I')].concat()),
                C([parse("", "set x"), bind("", ""), describe_portal(""), execute("", 0), sync()].concat()),
                S([bare(b'1'), bare(b'2'), bare(b'n'), complete("SET"), ready(b'I')].concat()),
                C(frame(b'F', &[&[0, 0, 0, 1, 0, 0, 0, 0, 0, 1]])),
                S([frame(b'V', &[&[0, 0, 0, 1, 7]]), ready(b'I')].concat()),
            ],
        ),
        plain(
            "what the server says aside",
            vec![
                S([notification("before"), parameter("TimeZone", "UTC")].concat()),
                C(query("select 1")),
                S([
                    notice("a"),
                    described(1),
                    row(b"a"),
                    parameter("role", "b"),
                    notice("c"),
                    row(b"d"),
                    complete("SELECT 2"),
                    notification("e"),
                    ready(b'I'),
                ]
                .concat()),
                S(failed("terminating connection")),
            ],
        ),
        plain(
            "several simple queries at once",
            vec![
                C([query("select 1"), query("select 2")].concat()),
                S([described(1), row(b"a"), complete("SELECT 1"), ready(b'I')].concat()),
                S([described(3), row(b"b"), complete("SELECT 1"), ready(b'I')].concat()),
            ],
        ),
        plain(
            "copy in, simple",
            vec![
                C(query("copy t from stdin")),
                S(copy_response(b'G')),
                C([copy_data(b"1\n"), copy_data(b"2\n"), copy_done()].concat()),
                S([complete("COPY 2"), ready(b'I')].concat()),
                C(query("select 1")),
                S([described(1), row(b"a"), complete("SELECT 1"), ready(b'I')].concat()),
            ],
        ),
        plain(
            "copy in, extended, Sync sent early",
            vec![
                C(extended("copy t from stdin")),
                S([bare(b'1'), bare(b'2'), bare(b'n'), copy_response(b'G')].concat()),
                C([copy_data(b"1\n"), copy_done(), sync()].concat()),
                S([complete("COPY 1"), ready(b'I')].concat()),
                C(extended("copy t from stdin")),
                S([bare(b'1'), bare(b'2'), bare(b'n'), copy_response(b'G')].concat()),
                C([copy_data(b"1\n"), copy_fail("no"), sync()].concat()),
                S([failed("COPY failed"), ready(b'I')].concat()),
                C(extended("select 1")),
                S([answered(1, &[b"a"]), ready(b'I')].concat()),
            ],
        ),
        plain(
            "copy out",
            vec![
                C(query("copy t to stdout; copy u to stdout")),
                S([
                    copy_response(b'H'),
                    copy_data(b"1\n"),
                    copy_data(b"2\n"),
                    copy_done(),
                    complete("COPY 2"),
                ]
                .concat()),
                S([copy_response(b'H'), copy_data(b"3\n"), copy_done(), complete("COPY 1"), ready(b'I')]
                    .concat()),
            ],
        ),
    ]
}

/// Plays the steps, the one at `split.0` in two parts; returns what arrived and what the inspector was asked.
fn play(steps: &[Step], split: Option<(usize, usize)>) -> (Vec<u8>, Vec<u8>, Vec<String>) {
    let mut rig = Rig::started();
    for (index, step) in steps.iter().enumerate() {
        let at = split.filter(|split| split.0 == index).map_or(0, |split| split.1);
        match step {
            C(bytes) => {
                rig.client(&bytes[..at]);
                rig.client(&bytes[at..]);
            }
            S(bytes) => {
                rig.server(&bytes[..at]);
                rig.server(&bytes[at..]);
            }
        }
    }
    assert!(rig.end.is_none(), "{:?}", rig.end);
    (rig.take_client(), rig.take_server(), rig.inspector.log())
}

#[test]
fn every_conversation_passes_whole_and_split_at_every_byte() {
    for script in scripts() {
        let to_client = script.to_client.unwrap_or_else(|| said(&script.steps, false));
        let to_server = script.to_server.unwrap_or_else(|| said(&script.steps, true));
        let (client, server, log) = play(&script.steps, None);
        assert_eq!(tags(&client), tags(&to_client), "{}", script.name);
        assert!(client == to_client, "{}", script.name);
        assert_eq!(tags(&server), tags(&to_server), "{}", script.name);
        assert!(server == to_server, "{}", script.name);
        for (index, step) in script.steps.iter().enumerate() {
            let (C(bytes) | S(bytes)) = step;
            for at in 1..bytes.len() {
                let split = play(&script.steps, Some((index, at)));
                assert!(split.0 == client, "{}: step {index} split at {at}: to client", script.name);
                assert!(split.1 == server, "{}: step {index} split at {at}: to server", script.name);
                assert_eq!(split.2, log, "{}: step {index} split at {at}", script.name);
            }
        }
    }
}

#[test]
fn inspector_hears_of_every_statement_and_every_row() {
    let mut rig = Rig::started();
    rig.client(&extended("select 1"));
    rig.server(&[answered(1, &[b"a", b"bb"]), ready(b'T')].concat());
    let expected =
        ["begin 1 select 1", "plan 1", "row of 1: 7 bytes", "row of 1: 8 bytes", "settle 1 Completed"];
    assert_eq!(rig.inspector.log()[..5], expected);
    assert_eq!(rig.inspector.log()[5..], ["ready T"]);
}

#[test]
fn startup_passes_but_for_channel_binding_split_at_every_byte() {
    let offer = frame(b'R', &[&[0, 0, 0, 10], b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"]);
    let changed = frame(b'R', &[&[0, 0, 0, 10], b"SCRAM-SHA-256\0\0"]);
    let said = [frame(b'v', &[&[0, 3, 0, 0, 0, 0, 0, 0]]), offer.clone(), greeting()].concat();
    let passed = [frame(b'v', &[&[0, 3, 0, 0, 0, 0, 0, 0]]), changed, greeting()].concat();
    for at in 0..said.len() {
        let mut rig = Rig::new(LIMITS);
        rig.server(&said[..at]);
        rig.server(&said[at..]);
        assert!(rig.take_client() == passed, "split at {at}");
        assert_eq!(rig.inspector.log(), ["server_version=18.0", "key 4711", "ready I"], "split at {at}");
    }
}

#[test]
fn row_larger_than_the_buffer_passes_read_or_unread() {
    for bytes in [70_000, 200_000, 5_000_000] {
        for oid in [1, 2] {
            let mut rig = Rig::started();
            rig.client(&query("select 1"));
            let answer = [
                described(oid),
                row(b"small"),
                row(&vec![b'x'; bytes]),
                row(b"small"),
                complete("SELECT 3"),
                ready(b'I'),
            ]
            .concat();
            rig.server(&answer);
            assert!(rig.take_client() == answer, "{bytes} bytes of {oid}");
            let rows = rig.inspector.log().iter().filter(|line| line.starts_with("row")).count();
            assert_eq!(rows, if oid == 1 { 3 } else { 0 });
        }
    }
}

#[test]
fn read_row_above_the_limit_is_cut_and_the_session_goes_on() {
    let mut rig = Rig::started_with(RelayLimits { row_bytes_max: 100_000, ..LIMITS });
    rig.client(&query("select 1"));
    let before = [described(1), row(b"small")].concat();
    rig.server(
        &[before.clone(), row(&vec![b'x'; 150_000]), row(b"after"), failed("cancelled"), ready(b'I')]
            .concat(),
    );
    let got = rig.take_client();
    assert!(got.starts_with(&before));
    assert_eq!(tags(&got), "TDEZ");
    crate::cut::assert_usable(&mut rig);
}

#[test]
fn copied_row_larger_than_the_buffer_is_counted_once() {
    let mut rig = Rig::started();
    rig.client(&query("copy t to stdout"));
    let answer = [
        copy_response(b'H'),
        copy_data(b"small"),
        copy_data(&vec![b'x'; 300_000]),
        copy_done(),
        complete("COPY 2"),
        ready(b'I'),
    ]
    .concat();
    rig.server(&answer);
    assert!(rig.take_client() == answer);
    assert_eq!(rig.inspector.log().iter().filter(|line| *line == "copy row").count(), 2);
}

#[test]
fn client_message_above_one_mebibyte_passes_and_is_read_to_its_limit() {
    let text = "x".repeat(3 << 20);
    let sent = [query(&text), query("select 2")].concat();
    for split in [1, 5, 65_536, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 2 << 20] {
        let mut rig = Rig::started();
        rig.client(&sent[..split]);
        rig.client(&sent[split..]);
        assert!(rig.take_server() == sent, "split at {split}");
        assert_eq!(
            rig.inspector.log(),
            [format!("begin 1 {} bytes…", (1 << 20) - 5), "begin 2 select 2".into()],
            "split at {split}"
        );
    }
}

#[test]
fn large_bind_and_copy_data_pass_in_parts() {
    let mut rig = Rig::started();
    let bind = frame(b'B', &[b"\0\0\0\0\0\x01", &400_000u32.to_be_bytes(), &vec![b'v'; 400_000], b"\0\0"]);
    let sent = [parse("", "insert"), bind, describe_portal(""), execute("", 0), sync()].concat();
    rig.client(&sent);
    assert!(rig.take_server() == sent);
    rig.server(&[bare(b'1'), bare(b'2'), bare(b'n'), complete("INSERT 0 1"), ready(b'I')].concat());
    assert_eq!(tags(&rig.take_client()), "12nCZ");
}

#[test]
fn five_thousand_pipelined_statements_are_all_answered() {
    let mut rig = Rig::started();
    let count = 5_000;
    let sent = query("select 1").repeat(count);
    let answer = [described(1), row(b"a"), complete("SELECT 1"), ready(b'I')].concat().repeat(count);
    rig.client(&sent);
    assert!(rig.server_got.len() < sent.len(), "the queue of answers due is bounded");
    rig.server(&answer);
    assert!(rig.take_server() == sent);
    assert!(rig.take_client() == answer);
}

#[test]
fn slow_client_slows_the_server_and_gets_everything() {
    let mut rig = Rig::started();
    rig.client(&query("select 1"));
    rig.client_reads = false;
    let mut answer = described(1);
    for _ in 0..40_000 {
        answer.extend(row(&[b'x'; 100]));
    }
    answer.extend([complete("SELECT 40000"), ready(b'I')].concat());
    rig.server(&answer);
    let read = rig.inspector.log().iter().filter(|line| line.starts_with("row")).count();
    assert!(read < 20_000, "{read} rows were read ahead of the client");
    rig.client_reads = true;
    rig.run();
    assert!(rig.take_client() == answer);
}
