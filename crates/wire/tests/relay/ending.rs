//! How sessions end.

use rastro_wire::RelayEnd;

use crate::message::*;
use crate::rig::Rig;

#[test]
fn drain_waits_for_the_end_of_the_transaction() {
    let mut rig = Rig::started();
    rig.client(&query("begin"));
    rig.server(&[complete("BEGIN"), ready(b'T')].concat());
    rig.drain();
    rig.client(&query("select 1"));
    rig.server(&[described(1), row(b"a"), complete("SELECT 1"), ready(b'T')].concat());
    assert!(rig.end.is_none());
    rig.client(&query("commit"));
    rig.server(&[complete("COMMIT"), ready(b'I')].concat());
    assert!(matches!(rig.end, Some(Ok(RelayEnd::Ended(_)))), "{:?}", rig.end);
    let got = rig.take_client();
    assert!(tags(&got).ends_with("CZE") && rig.client_ended);
    assert!(String::from_utf8_lossy(&got).contains("C57P01"));
}

#[test]
fn drain_ends_an_idle_session_at_once_also_after_copy_in() {
    let mut rig = Rig::started();
    rig.client(&query("copy t from stdin"));
    rig.server(&copy_response(b'G'));
    rig.client(&copy_done());
    rig.server(&[complete("COPY 0"), ready(b'I')].concat());
    rig.drain();
    assert!(matches!(rig.end, Some(Ok(RelayEnd::Ended(_)))), "{:?}", rig.end);
}

#[test]
fn server_that_closes_midway_ends_the_session_with_its_last_words() {
    let mut rig = Rig::started();
    rig.client(&query("select 1"));
    rig.server(&[described(1), row(b"a"), failed("terminating")].concat());
    rig.close_server();
    assert_eq!(tags(&rig.take_client()), "TDE");
    assert!(rig.client_ended);
    assert!(matches!(rig.end, Some(Ok(RelayEnd::ServerLeft))), "{:?}", rig.end);
}

#[test]
fn server_that_closes_within_a_frame_ends_the_session() {
    for rows in [1, 2] {
        let mut rig = Rig::started();
        rig.client(&query("select 1"));
        let large = row(&vec![b'x'; 300_000]);
        rig.server(&[&described(rows), &large[..150_000]].concat());
        rig.close_server();
        assert!(rig.client_ended);
        assert!(matches!(rig.end, Some(Ok(RelayEnd::ServerLeft))), "{:?}", rig.end);
    }
}

#[test]
fn server_that_closes_while_rows_are_held_ends_the_session_after_them() {
    let mut rig = Rig::started();
    rig.inspector.state().holds = true;
    rig.client(&query("select 1"));
    rig.server(&[described(1), row(b"a")].concat());
    rig.close_server();
    assert!(rig.end.is_none());
    rig.inspector.change(|state| state.released = 1);
    rig.run();
    assert_eq!(tags(&rig.take_client()), "TD");
    assert!(matches!(rig.end, Some(Ok(RelayEnd::ServerLeft))), "{:?}", rig.end);
}

#[test]
fn client_that_leaves_is_reported_and_the_server_told() {
    for farewell in [Vec::new(), bare(b'X'), query("select 1")[..7].to_vec()] {
        let mut rig = Rig::started();
        rig.client(&farewell);
        rig.close_client();
        assert!(rig.server_ended);
        rig.close_server();
        assert!(matches!(rig.end, Some(Ok(RelayEnd::ClientLeft))), "{:?}", rig.end);
    }
}

#[test]
fn client_that_leaves_amid_a_result_ends_the_session() {
    let mut rig = Rig::started();
    rig.client(&query("select 1"));
    rig.server(&described(1));
    rig.close_client();
    rig.server(&row(b"a"));
    rig.server(&row(b"b"));
    assert!(rig.end.is_some());
    assert!(rig.server_ended);
}

#[test]
fn client_that_leaves_after_its_last_statement_has_it_done() {
    let mut rig = Rig::started();
    rig.client(
        &[parse("", "insert"), bind("", ""), describe_portal(""), execute("", 0), sync(), bare(b'X')]
            .concat(),
    );
    rig.close_client();
    assert_eq!(tags(&rig.take_server()), "PBDESX");
    assert!(rig.server_ended);
}
