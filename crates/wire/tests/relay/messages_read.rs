//! Errors, notices, notifications and parameters are read before they go on.

use crate::cut::assert_usable;
use crate::message::*;
use crate::rig::Rig;

#[test]
fn message_that_shows_a_value_waits_for_its_ticket() {
    let shown: [fn(&str) -> Vec<u8>; 4] =
        [failed, notice, notification, |value| parameter("application_name", value)];
    for message in shown {
        let mut rig = Rig::started();
        rig.client(&query("select 1"));
        rig.server(&[message("VALUE"), complete("SELECT 0"), ready(b'I')].concat());
        let tag = tags(&message("VALUE"));
        assert_eq!(tags(&rig.take_client()), "", "{tag}");
        rig.inspector.change(|state| state.released = 1);
        rig.run();
        assert!(tags(&rig.take_client()).starts_with(&tag), "{tag}");
        assert!(rig.inspector.log().contains(&format!("message {tag}")));
    }
}

#[test]
fn message_that_may_not_be_shown_is_left_out_and_an_error_replaced() {
    let mut rig = Rig::started();
    rig.client(&query("select 1"));
    let aside = [notice("SECRET"), notification("SECRET"), parameter("search_path", "SECRET")].concat();
    rig.server(&[aside, failed("SECRET"), ready(b'I')].concat());
    let got = rig.take_client();
    assert_eq!(tags(&got), "EZ");
    assert!(!String::from_utf8_lossy(&got).contains("SECRET"));
    assert_usable(&mut rig);
}

#[test]
fn message_that_needs_an_answer_comes_once_it_is_there() {
    let mut rig = Rig::started();
    rig.inspector.state().message_waits = true;
    rig.client(&query("select 1"));
    rig.server(&[notice("VALUE"), complete("SELECT 0"), ready(b'I')].concat());
    assert_eq!(tags(&rig.take_client()), "");
    rig.inspector.change(|state| {
        state.message_waits = false;
        state.is_ready = true;
        state.released = 9;
    });
    rig.run();
    assert_eq!(tags(&rig.take_client()), "NCZ");
    assert_usable(&mut rig);
}

#[test]
fn rows_before_a_message_are_settled_before_it_is_read() {
    let mut rig = Rig::started();
    rig.inspector.state().cut_after = Some(1);
    rig.client(&query("select 1"));
    rig.server(&[described(1), row(b"a"), row(b"b"), notice("VALUE"), failed("VALUE"), ready(b'I')].concat());
    assert_eq!(tags(&rig.take_client()), "TDEZ");
    assert!(!rig.inspector.log().iter().any(|line| line.starts_with("message")));
    assert_usable(&mut rig);
}
