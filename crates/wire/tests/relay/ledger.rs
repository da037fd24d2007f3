//! Rows that wait for the ledger.

use crate::cut::assert_usable;
use crate::inspector::ledger_error;
use crate::message::*;
use crate::rig::Rig;

fn holding() -> Rig {
    let rig = Rig::started();
    rig.inspector.state().holds = true;
    rig
}

#[test]
fn held_rows_go_when_released_while_reading_goes_on() {
    let mut rig = holding();
    rig.client(&[query("select 1"), query("select 2")].concat());
    rig.server(&[described(1), row(b"a")].concat());
    assert!(rig.take_client().is_empty() || rig.inspector.state().tickets == 1);
    rig.server(&[row(b"b"), complete("SELECT 2"), ready(b'I')].concat());
    rig.server(&[described(1), row(b"c"), complete("SELECT 1"), ready(b'I')].concat());
    assert_eq!(rig.inspector.state().tickets, 3, "the server is read meanwhile");
    rig.take_client();
    rig.inspector.change(|state| state.released = 1);
    rig.run();
    assert!(!tags(&rig.client_got).contains('Z'));
    rig.inspector.change(|state| state.released = 3);
    rig.run();
    let got = tags(&rig.take_client());
    assert!(got.ends_with("DCZTDCZ"), "{got}");
    assert_usable(&mut rig);
}

#[test]
fn no_held_byte_leaves_before_its_ticket() {
    let mut rig = holding();
    rig.client(&query("select 1"));
    for n in 0u8..5 {
        let mut bytes = if n == 0 { described(1) } else { Vec::new() };
        bytes.extend(row(&[b'a' + n]));
        rig.server(&bytes);
    }
    for n in 0u64..5 {
        assert_eq!(tags(&rig.client_got).matches('D').count() as u64, n);
        rig.inspector.change(|state| state.released = n + 1);
        rig.run();
    }
    assert_eq!(tags(&rig.client_got), "TDDDDD");
}

#[test]
fn server_is_not_read_beyond_the_held_bytes() {
    let mut rig = holding();
    rig.client(&query("select 1"));
    rig.server(&[described(1), row(&[b'x'; 1000]).repeat(4_000)].concat());
    let read = rig.inspector.log().iter().filter(|line| line.starts_with("row")).count();
    assert!((1_000..1_400).contains(&read), "{read}");
    rig.inspector.change(|state| state.released = u64::MAX);
    rig.run();
    assert_eq!(tags(&rig.take_client()).len(), 4_001);
}

#[test]
fn rows_the_ledger_will_not_record_give_way_to_an_error() {
    let mut rig = holding();
    rig.client(&query("select 1"));
    rig.server(&[described(1), row(b"a")].concat());
    rig.server(&row(b"b"));
    rig.inspector.change(|state| state.ledger_failed = Some(ledger_error()));
    rig.run();
    let got = rig.take_client();
    assert!(got.ends_with(&ledger_error().to_frame()));
    assert!(!tags(&got).contains('D'));
    assert_eq!(rig.cancels, 1);
    rig.server(&[row(b"c"), failed("cancelled"), ready(b'I')].concat());
    assert_eq!(tags(&rig.take_client()), "Z");
    assert_usable(&mut rig);
}

#[test]
fn two_pipelined_cycles_are_refused_each_with_its_end() {
    for closed in [false, true] {
        let mut rig = holding();
        let segment =
            [parse("", "select"), bind("", ""), describe_portal(""), execute("", 0), sync()].concat();
        rig.client(&segment.repeat(2));
        let head = [bare(b'1'), bare(b'2'), described(1), row(b"a")].concat();
        let end = [complete("SELECT 1"), ready(b'I')].concat();
        rig.server(&[head.clone(), end.clone(), head].concat());
        if closed {
            rig.server(&end);
        }
        rig.take_client();
        rig.inspector.change(|state| state.ledger_failed = Some(ledger_error()));
        rig.run();
        if !closed {
            rig.server(&end);
        }
        assert_eq!(tags(&rig.take_client()), "EZEZ", "closed: {closed}");
        assert_usable(&mut rig);
    }
}

#[test]
fn unread_row_in_parts_behind_held_rows_is_refused_with_them() {
    for whole in [false, true] {
        let mut rig = holding();
        rig.client(&query("select 1; select 2"));
        let large = row(&vec![b'x'; 200_000]);
        rig.server(&[described(1), row(b"a"), complete("SELECT 1"), described(2)].concat());
        let sent = if whole { large.len() } else { 100_000 };
        rig.server(&large[..sent]);
        rig.take_client();
        rig.inspector.change(|state| state.ledger_failed = Some(ledger_error()));
        rig.run();
        assert_eq!(tags(&rig.take_client()), "E", "whole: {whole}");
        rig.server(&[&large[sent..], &failed("cancelled"), &ready(b'I')].concat());
        assert_eq!(tags(&rig.take_client()), "Z", "whole: {whole}");
        assert_usable(&mut rig);
    }
}

#[test]
fn cut_behind_held_rows_keeps_them_in_order() {
    let mut rig = holding();
    rig.inspector.state().cut_after = Some(1);
    rig.client(&query("select 1"));
    rig.server(&[described(1), row(b"a"), row(b"b"), failed("cancelled"), ready(b'I')].concat());
    assert!(!tags(&rig.client_got).contains('E'));
    rig.inspector.change(|state| state.released = 1);
    rig.run();
    assert_eq!(tags(&rig.take_client()), "TDEZ");
    assert_usable(&mut rig);
}

#[test]
fn what_a_statement_counts_at_its_end_is_settled_like_a_row() {
    let counting = |change: fn(&mut crate::inspector::State)| {
        let mut rig = holding();
        rig.inspector.change(|state| {
            state.counts_at_end = 1;
            change(state);
        });
        rig.client(&query("call stage()"));
        rig.server(&[complete("CALL"), ready(b'I')].concat());
        rig
    };
    let mut rig = counting(|_| {});
    assert_eq!(tags(&rig.take_client()), "", "it waits for its ticket");
    rig.inspector.change(|state| state.released = 1);
    rig.run();
    assert_eq!(tags(&rig.take_client()), "CZ");
    assert_usable(&mut rig);

    let mut rig = counting(|state| state.wait_after = Some(0));
    assert_eq!(tags(&rig.take_client()), "", "it waits for room");
    rig.inspector.change(|state| {
        state.wait_after = None;
        state.is_ready = true;
        state.released = 1;
    });
    rig.run();
    assert_eq!(tags(&rig.take_client()), "CZ");
    assert_usable(&mut rig);

    let mut rig = counting(|state| state.cut_after = Some(0));
    assert_eq!(tags(&rig.take_client()), "EZ");
    assert_usable(&mut rig);
}

#[test]
fn notification_that_cannot_be_recorded_is_left_out_and_the_session_goes_on() {
    let mut rig = holding();
    rig.server(&notification("VALUE"));
    rig.inspector.change(|state| state.ledger_failed = Some(ledger_error()));
    rig.run();
    assert_eq!(tags(&rig.take_client()), "");
    rig.inspector.change(|state| state.ledger_failed = None);
    assert_usable(&mut rig);
}
