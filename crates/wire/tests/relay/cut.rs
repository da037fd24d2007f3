//! The cut: one error, then ReadyForQuery, then the next statement; and a cancel request only where it can
//! hit nobody else.

use crate::inspector::suspended_error;
use crate::message::*;
use crate::rig::Rig;

/// The session takes another statement of each kind.
pub fn assert_usable(rig: &mut Rig) {
    assert!(rig.end.is_none(), "{:?}", rig.end);
    rig.inspector.change(|state| {
        state.cut_after = None;
        state.wait_after = None;
        state.holds = false;
        state.ledger_failed = None;
        state.released = u64::MAX;
    });
    rig.run();
    rig.take_client();
    rig.take_server();
    let answer = [described(1), row(b"next"), complete("SELECT 1"), ready(b'I')].concat();
    rig.client(&query("next"));
    assert_eq!(tags(&rig.take_server()), "Q");
    rig.server(&answer);
    assert!(rig.take_client() == answer);
    rig.client(&[parse("", "next"), bind("", ""), execute("", 0), sync()].concat());
    assert_eq!(tags(&rig.take_server()), "PBDES");
    rig.server(&[bare(b'1'), bare(b'2'), answer].concat());
    assert_eq!(tags(&rig.take_client()), "12DCZ");
}

#[test]
fn simple_query_is_cut_after_the_rows_admitted_split_at_every_byte() {
    let answer = [described(1), row(b"a"), row(b"b"), row(b"c"), failed("cancelled"), ready(b'I')].concat();
    for at in 0..answer.len() {
        let mut rig = Rig::started();
        rig.inspector.state().cut_after = Some(2);
        rig.client(&query("select 1"));
        rig.server(&answer[..at]);
        rig.server(&answer[at..]);
        assert_eq!(tags(&rig.take_client()), "TDDEZ", "split at {at}");
        assert!(rig.cancels <= 1);
        assert!(rig.inspector.log().contains(&"stopped 1".into()));
        if at % 7 == 0 {
            assert_usable(&mut rig);
        }
    }
}

#[test]
fn nothing_is_sent_to_the_server_until_it_has_taken_the_cancel_request() {
    let mut rig = Rig::started();
    rig.takes_cancels = false;
    rig.inspector.state().cut_after = Some(0);
    rig.client(&query("select 1"));
    rig.server(&[described(1), row(b"a")].concat());
    assert_eq!(rig.cancels, 1);
    // The statement was over before the request arrived.
    rig.server(&[complete("SELECT 1"), ready(b'I')].concat());
    assert_eq!(tags(&rig.take_client()), "TEZ");
    rig.take_server();
    rig.client(&query("innocent"));
    assert!(rig.server_got.is_empty(), "the cancel request could hit it");
    rig.takes_cancels = true;
    rig.run();
    assert_eq!(tags(&rig.take_server()), "Q");
    rig.server(&[complete("SELECT 0"), ready(b'I')].concat());
    assert_eq!(tags(&rig.take_client()), "CZ");
    assert_usable(&mut rig);
}

#[test]
fn extended_statement_is_cut_before_the_clients_sync() {
    let mut rig = Rig::started();
    rig.inspector.state().cut_after = Some(1);
    rig.client(&[parse("", "select 1"), bind("", ""), execute("", 0), bare(b'H')].concat());
    rig.server(&[bare(b'1'), bare(b'2'), described(1), row(b"a"), row(b"b")].concat());
    assert_eq!(tags(&rig.take_client()), "12DE");
    assert_eq!(rig.cancels, 1);
    rig.take_server();
    rig.server(&failed("cancelled"));
    rig.client(&[parse("", "skipped"), bind("", ""), execute("", 0), query("skipped"), sync()].concat());
    assert_eq!(tags(&rig.take_server()), "S");
    rig.server(&ready(b'I'));
    assert_eq!(tags(&rig.take_client()), "Z");
    assert!(!rig.inspector.log().iter().any(|line| line.contains("skipped")));
    assert_usable(&mut rig);
}

#[test]
fn extended_statement_is_cut_after_the_clients_sync() {
    for (more, answer) in [(false, "12DE"), (true, "12DE")] {
        let mut rig = Rig::started();
        rig.inspector.state().cut_after = Some(1);
        let mut sent = [parse("", "select 1"), bind("", ""), execute("", 0)].concat();
        if more {
            sent.extend([bind("", ""), execute("", 0), bind("", ""), describe_portal("")].concat());
        }
        rig.client(&[sent, sync()].concat());
        rig.server(&[bare(b'1'), bare(b'2'), described(1), row(b"a"), row(b"b")].concat());
        assert_eq!(tags(&rig.take_client()), answer);
        assert_eq!(rig.cancels, 1);
        rig.server(&[failed("cancelled"), ready(b'I')].concat());
        assert_eq!(tags(&rig.take_client()), "Z");
        assert_usable(&mut rig);
    }
}

#[test]
fn statement_with_others_behind_it_is_cut_without_a_cancel_request() {
    let mut rig = Rig::started();
    rig.inspector.state().cut_after = Some(1);
    let segment = [parse("", "select"), bind("", ""), describe_portal(""), execute("", 0), sync()].concat();
    rig.client(&segment.repeat(2));
    rig.server(&[bare(b'1'), bare(b'2'), described(1), row(b"a"), row(b"b"), row(b"c")].concat());
    assert_eq!(tags(&rig.take_client()), "12TDE");
    rig.inspector.state().cut_after = None;
    rig.server(&[row(b"d"), complete("SELECT 4"), ready(b'I')].concat());
    assert_eq!(tags(&rig.take_client()), "Z");
    assert_eq!(rig.cancels, 0);
    rig.server(
        &[bare(b'1'), bare(b'2'), described(1), row(b"e"), complete("SELECT 1"), ready(b'I')].concat(),
    );
    assert_eq!(tags(&rig.take_client()), "12TDCZ");
    assert_usable(&mut rig);
}

#[test]
fn portal_with_a_row_limit_is_cut_in_its_second_fetch() {
    let mut rig = Rig::started();
    rig.inspector.state().cut_after = Some(3);
    rig.client(
        &[parse("", "select"), bind("p", ""), describe_portal("p"), execute("p", 2), bare(b'H')].concat(),
    );
    rig.server(&[bare(b'1'), bare(b'2'), described(1), row(b"a"), row(b"b"), bare(b's')].concat());
    assert_eq!(tags(&rig.take_client()), "12TDDs");
    rig.client(&[execute("p", 2), sync()].concat());
    rig.server(&[row(b"c"), row(b"d"), bare(b's'), ready(b'T')].concat());
    assert_eq!(tags(&rig.take_client()), "DEZ");
    assert_usable(&mut rig);
}

#[test]
fn rows_partly_settled_wait_and_the_rest_is_cut() {
    let mut rig = Rig::started();
    rig.inspector.state().wait_after = Some(1);
    rig.client(&query("select 1"));
    rig.server(&[described(1), row(b"a"), row(b"b"), row(b"c"), row(b"d")].concat());
    assert_eq!(tags(&rig.take_client()), "TD");
    rig.inspector.change(|state| {
        state.wait_after = None;
        state.cut_after = Some(1);
        state.is_ready = true;
    });
    rig.run();
    assert_eq!(tags(&rig.take_client()), "DE");
    rig.server(&[failed("cancelled"), ready(b'I')].concat());
    assert_eq!(tags(&rig.take_client()), "Z");
    assert_usable(&mut rig);
}

#[test]
fn rows_that_wait_go_on_when_the_inspector_is_ready() {
    let answer =
        [described(1), row(b"a"), row(b"b"), notice("n"), row(b"c"), complete("SELECT 3"), ready(b'I')]
            .concat();
    for at in 0..answer.len() {
        let mut rig = Rig::started();
        rig.inspector.state().wait_after = Some(1);
        rig.client(&query("select 1"));
        rig.server(&answer[..at]);
        rig.server(&answer[at..]);
        assert_eq!(tags(&rig.take_client()), "TD", "split at {at}");
        rig.inspector.change(|state| {
            state.wait_after = Some(1);
            state.is_ready = true;
        });
        rig.run();
        assert_eq!(rig.client_got[..5], row(b"b")[..5], "split at {at}");
        rig.inspector.change(|state| {
            state.wait_after = None;
            state.is_ready = true;
        });
        rig.run();
        let got = rig.take_client();
        assert!(answer.ends_with(&got) && got.len() == answer.len() - described(1).len() - row(b"a").len());
        assert_eq!(rig.inspector.log().iter().filter(|line| line.starts_with("row")).count(), 3);
    }
}

#[test]
fn description_not_yet_known_holds_everything_behind_it() {
    let mut rig = Rig::started();
    rig.inspector.state().plan_unknown = true;
    rig.client(&query("select 1"));
    let answer = [described(1), row(b"a"), complete("SELECT 1"), ready(b'I')].concat();
    rig.server(&answer);
    assert!(rig.take_client().is_empty());
    rig.inspector.change(|state| {
        state.plan_unknown = false;
        state.is_ready = true;
    });
    rig.run();
    assert!(rig.take_client() == answer);
    assert_usable(&mut rig);
}

#[test]
fn description_or_row_not_understood_is_cut() {
    for (oid, value, expected) in [(666, b"ok!", "E"), (1, b"BAD", "TDE")] {
        let mut rig = Rig::started();
        rig.client(&query("select 1"));
        rig.server(&[described(oid), row(b"a"), row(value), row(b"c")].concat());
        assert_eq!(tags(&rig.take_client()), expected);
        assert_eq!(rig.cancels, 1);
        rig.server(&[failed("cancelled"), ready(b'I')].concat());
        assert_eq!(tags(&rig.take_client()), "Z");
        assert_usable(&mut rig);
    }
}

#[test]
fn cut_reaches_a_slow_client_behind_whole_frames() {
    let mut rig = Rig::started();
    rig.client(&query("select 1"));
    rig.client_reads = false;
    rig.server(&[described(1), row(&[b'x'; 1000]).repeat(2_000)].concat());
    rig.inspector.state().interrupt = Some(suspended_error());
    rig.wake();
    assert_eq!(rig.cancels, 1);
    rig.client_reads = true;
    rig.run();
    rig.server(&[failed("cancelled"), ready(b'I')].concat());
    let got = tags(&rig.take_client());
    assert!(got.starts_with("TDDD") && got.ends_with("DEZ"), "{}", &got[got.len() - 9..]);
    assert_eq!(got.matches('E').count(), 1);
    assert!(got.len() < 1_000, "what was queued is taken back: {} rows", got.len());
    assert_usable(&mut rig);
}

#[test]
fn what_the_server_says_aside_passes_a_cut() {
    let mut rig = Rig::started();
    rig.inspector.state().cut_after = Some(0);
    rig.client(&query("select 1"));
    rig.server(&[described(1), row(b"a")].concat());
    rig.server(
        &[row(b"b"), parameter("TimeZone", "UTC"), notice("dropped"), notification("x"), row(b"c")].concat(),
    );
    rig.server(&[failed("cancelled"), ready(b'I')].concat());
    assert_eq!(tags(&rig.take_client()), "TESAZ");
    assert_usable(&mut rig);
}

#[test]
fn refused_simple_query_fails_at_the_server_and_the_client_is_told_why() {
    let mut rig = Rig::started();
    rig.client(&query("refuse this"));
    let sent = rig.take_server();
    assert_eq!(tags(&sent), "Q");
    assert_ne!(sent, query("refuse this"));
    rig.server(&[failed("syntax error"), ready(b'E')].concat());
    assert_eq!(rig.take_client(), [suspended_error().to_frame(), ready(b'E')].concat());
    assert_usable(&mut rig);
}

#[test]
fn refused_query_above_the_read_limit_does_not_reach_the_server_in_part() {
    let mut rig = Rig::started();
    rig.client(&[query(&format!("refuse {}", "x".repeat(2 << 20))), query("select 2")].concat());
    let sent = frames(&rig.take_server());
    assert_eq!(sent.len(), 2);
    assert!(sent[0].1.len() < 100);
    assert_eq!(sent[1].1, b"select 2\0");
}

#[test]
fn refused_execute_fails_at_the_server_and_the_rest_of_its_segment_is_skipped() {
    let mut rig = Rig::started();
    let refused = [parse("", "refuse"), bind("", ""), execute("", 0), execute("", 0), sync()].concat();
    let next = [parse("", "ok"), bind("", ""), describe_portal(""), execute("", 0), sync()].concat();
    rig.client(&[refused, next].concat());
    let sent = frames(&rig.take_server());
    assert!(sent.iter().filter(|(tag, _)| *tag == b'E').count() == 1, "{sent:?}");
    rig.server(&[bare(b'1'), bare(b'2'), failed("syntax error"), ready(b'I')].concat());
    assert_eq!(
        rig.take_client(),
        [bare(b'1'), bare(b'2'), suspended_error().to_frame(), ready(b'I')].concat()
    );
    rig.server(
        &[bare(b'1'), bare(b'2'), described(1), row(b"a"), complete("SELECT 1"), ready(b'I')].concat(),
    );
    assert_eq!(tags(&rig.take_client()), "12TDCZ");
    assert_usable(&mut rig);
}

#[test]
fn suspended_principals_running_statement_stops_with_unsent_output_taken_back() {
    let mut rig = Rig::started();
    rig.inspector.state().holds = true;
    rig.client(&query("select 1"));
    rig.server(&[described(1), row(b"a"), row(b"b")].concat());
    rig.take_client();
    rig.inspector.state().interrupt = Some(suspended_error());
    rig.wake();
    assert_eq!(rig.take_client(), suspended_error().to_frame());
    assert_eq!(rig.cancels, 1);
    rig.server(&[failed("cancelled"), ready(b'I')].concat());
    assert_eq!(tags(&rig.take_client()), "Z");
    assert_usable(&mut rig);
}

#[test]
fn statement_that_waits_can_be_stopped() {
    let mut rig = Rig::started();
    rig.inspector.state().wait_after = Some(1);
    rig.client(&query("select 1"));
    rig.server(&[described(1), row(b"a"), row(b"b")].concat());
    assert_eq!(tags(&rig.take_client()), "TD");
    rig.inspector.state().interrupt = Some(suspended_error());
    rig.wake();
    assert_eq!(tags(&rig.take_client()), "E");
    rig.server(&[failed("cancelled"), ready(b'I')].concat());
    assert_eq!(tags(&rig.take_client()), "Z");
    assert_usable(&mut rig);
}

#[test]
fn text_of_a_prepared_statement_survives_a_failed_parse_of_its_name() {
    let mut rig = Rig::started();
    rig.client(&[parse("s", "select secret"), sync()].concat());
    rig.server(&[bare(b'1'), ready(b'I')].concat());
    rig.client(&[parse("s", "harmless"), sync()].concat());
    rig.server(&[failed("exists already"), ready(b'I')].concat());
    rig.client(&[bind("", "s"), execute("", 0), sync()].concat());
    assert_eq!(rig.inspector.log().last().unwrap(), "begin 1 select secret");
}
