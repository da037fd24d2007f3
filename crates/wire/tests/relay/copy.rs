//! COPY and cuts.

use crate::cut::assert_usable;
use crate::inspector::suspended_error;
use crate::message::*;
use crate::rig::Rig;

#[test]
fn copy_out_is_cut_between_rows() {
    let mut rig = Rig::started();
    rig.inspector.state().cut_after = Some(2);
    rig.client(&query("copy t to stdout"));
    let rows = copy_data(b"row\n").repeat(5);
    rig.server(&[copy_response(b'H'), rows].concat());
    assert_eq!(tags(&rig.take_client()), "HddE");
    assert_eq!(rig.cancels, 1);
    rig.server(&[failed("cancelled"), ready(b'I')].concat());
    assert_eq!(tags(&rig.take_client()), "Z");
    assert_usable(&mut rig);
}

#[test]
fn copied_row_that_may_not_be_shown_is_cut_before() {
    let mut rig = Rig::started();
    rig.client(&query("copy t to stdout"));
    let rows = [copy_data(b"row\n"), copy_data(b"BAD"), copy_data(b"row\n")].concat();
    rig.server(&[copy_response(b'H'), rows].concat());
    assert_eq!(tags(&rig.take_client()), "HdE");
    rig.server(&[failed("cancelled"), ready(b'I')].concat());
    assert_eq!(tags(&rig.take_client()), "Z");
    assert_usable(&mut rig);
}

#[test]
fn copied_row_that_waits_in_parts_is_counted_once() {
    let mut rig = Rig::started();
    rig.inspector.state().wait_after = Some(0);
    rig.client(&query("copy t to stdout"));
    let answer =
        [copy_response(b'H'), copy_data(&vec![b'x'; 300_000]), copy_done(), complete("COPY 1"), ready(b'I')]
            .concat();
    rig.server(&answer);
    assert_eq!(tags(&rig.take_client()), "H");
    rig.inspector.change(|state| {
        state.wait_after = None;
        state.is_ready = true;
    });
    rig.run();
    assert!(rig.take_client() == answer[copy_response(b'H').len()..]);
    assert_eq!(rig.inspector.log().iter().filter(|line| *line == "copy row").count(), 1);
}

#[test]
fn copy_in_asked_for_behind_a_cut_is_refused_for_the_client() {
    let mut rig = Rig::started();
    rig.inspector.state().cut_after = Some(0);
    rig.client(&query("select 1; copy t from stdin"));
    rig.server(&[described(1), row(b"a")].concat());
    rig.take_server();
    rig.server(&[complete("SELECT 1"), copy_response(b'G')].concat());
    assert_eq!(tags(&rig.take_server()), "f");
    rig.server(&[failed("COPY failed"), ready(b'I')].concat());
    assert_eq!(tags(&rig.take_client()), "TEZ");
    assert_usable(&mut rig);
}

#[test]
fn copy_fail_of_the_gateway_waits_for_the_end_of_the_clients_frame() {
    let mut rig = Rig::started();
    rig.inspector.state().cut_after = Some(0);
    let bind = frame(b'B', &[b"\0\0\0\0\0\x01", &90_000u32.to_be_bytes(), &vec![b'v'; 90_000], b"\0\0"]);
    let sent = [query("select 1; copy t from stdin"), parse("", "x"), bind].concat();
    rig.client(&sent[..sent.len() - 100]);
    rig.server(&[described(1), row(b"a"), complete("SELECT 1"), copy_response(b'G')].concat());
    rig.client(&sent[sent.len() - 100..]);
    let got = rig.take_server();
    assert_eq!(tags(&got), "QPBf");
    assert!(got.starts_with(&sent));
}

#[test]
fn copy_in_of_a_suspended_principal_is_ended_with_copy_fail() {
    let mut rig = Rig::started();
    rig.client(&query("copy t from stdin"));
    rig.server(&copy_response(b'G'));
    rig.client(&copy_data(b"1\n"));
    assert_eq!(tags(&rig.take_server()), "Qd");
    rig.inspector.state().interrupt = Some(suspended_error());
    rig.wake();
    assert_eq!(tags(&rig.take_client()), "GE");
    assert_eq!(tags(&rig.take_server()), "f");
    // What the client sent before it heard of it is of no meaning to the server any more.
    rig.client(&[copy_data(b"2\n"), copy_fail("told to stop")].concat());
    rig.server(&[failed("COPY failed"), ready(b'I')].concat());
    assert_eq!(tags(&rig.take_client()), "Z");
    assert_usable(&mut rig);
}

#[test]
fn cut_behind_a_copy_in_is_cancelled() {
    let mut rig = Rig::started();
    rig.client(&query("copy t from stdin; select 1"));
    rig.server(&copy_response(b'G'));
    rig.client(&[copy_data(b"1\n"), copy_done()].concat());
    rig.inspector.state().cut_after = Some(0);
    rig.server(&[complete("COPY 1"), described(1), row(b"a")].concat());
    assert_eq!(tags(&rig.take_client()), "GCTE");
    assert_eq!(rig.cancels, 1, "nothing else was outstanding");
    rig.server(&[failed("cancelled"), ready(b'I')].concat());
    assert_eq!(tags(&rig.take_client()), "Z");
    assert_usable(&mut rig);
}
