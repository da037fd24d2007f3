//! What an attack on the gateway found: descriptions that are not those of the rows, and cuts that the client
//! would take for a rollback.

use crate::message::*;
use crate::rig::Rig;

fn rows_read(rig: &Rig) -> usize {
    rig.inspector.log().iter().filter(|line| line.starts_with("row")).count()
}

#[test]
fn fetch_described_before_its_cursor_was_made_anew_is_counted() {
    let mut rig = Rig::started();
    // Table 2 is not read by the test inspector; what FETCH gives may be of another by the time it runs.
    rig.client(&[parse("f", "fetch all from c"), bind("p", "f"), describe_portal("p")].concat());
    rig.server(&[bare(b'1'), bare(b'2'), described(2)].concat());
    rig.client(&[close_portal("c"), bind("c", "s2"), execute("p", 0), sync()].concat());
    rig.server(&[bare(b'3'), bare(b'2'), described(2), row(b"a"), row(b"b")].concat());
    assert_eq!(rows_read(&rig), 2);
}

#[test]
fn fetch_run_as_soon_as_it_is_bound_follows_its_description() {
    let mut rig = Rig::started();
    rig.client(
        &[parse("f", "fetch all from c"), bind("p", "f"), describe_portal("p"), execute("p", 0)].concat(),
    );
    rig.server(&[bare(b'1'), bare(b'2'), described(2), row(b"a"), complete("FETCH 1")].concat());
    assert_eq!(rows_read(&rig), 0);
    assert_eq!(tags(&rig.take_client()), "12TDC");
}

#[test]
fn portal_described_in_two_ways_is_counted() {
    let mut rig = Rig::started();
    rig.client(
        &[parse("", "select 1"), bind("p", ""), describe_portal("p"), execute("p", 1), sync()].concat(),
    );
    rig.server(&[bare(b'1'), bare(b'2'), described(4), row(b"a"), bare(b's'), ready(b'T')].concat());
    assert_eq!(rows_read(&rig), 0);
    rig.client(&[execute("p", 1), sync()].concat());
    rig.server(&[described(2), row(b"b"), bare(b's'), ready(b'T')].concat());
    assert_eq!(rows_read(&rig), 1);
}

#[test]
fn change_committed_behind_a_cut_ends_the_session() {
    for (sql, status, ends) in [("insert", b'I', true), ("insert", b'T', false), ("select", b'I', false)] {
        let mut rig = Rig::started();
        rig.inspector.state().cut_after = Some(1);
        let behind = [parse("", sql), bind("", ""), execute("", 0), sync()].concat();
        rig.client(&[parse("", "select"), bind("", ""), describe_portal(""), execute("", 0)].concat());
        rig.client(&behind);
        rig.server(&[bare(b'1'), bare(b'2'), described(1), row(b"a"), row(b"b")].concat());
        assert_eq!(tags(&rig.take_client()), "12TDE");
        rig.server(&[complete("SELECT 2"), bare(b'1'), bare(b'2'), complete("DONE"), ready(status)].concat());
        let got = rig.take_client();
        assert_eq!(tags(&got), if ends { "E" } else { "Z" }, "{sql}");
        assert_eq!(got.windows(5).any(|bytes| bytes == b"08007"), ends);
    }
}

#[test]
fn change_undone_by_the_servers_error_leaves_the_session() {
    let mut rig = Rig::started();
    rig.inspector.state().cut_after = Some(1);
    rig.client(&query("insert into log; select"));
    rig.server(&[complete("INSERT 0 1"), described(1), row(b"a"), row(b"b")].concat());
    rig.take_client();
    rig.server(&[failed("cancelled"), ready(b'I')].concat());
    assert_eq!(tags(&rig.take_client()), "Z");
}

#[test]
fn query_behind_a_cut_portal_is_followed_whether_the_server_failed_or_not() {
    for failed_there in [false, true] {
        let mut rig = Rig::started();
        rig.inspector.state().cut_after = Some(1);
        rig.client(&[parse("", "select"), bind("", ""), describe_portal(""), execute("", 0)].concat());
        rig.client(&query("select 2"));
        rig.server(&[bare(b'1'), bare(b'2'), described(1), row(b"a"), row(b"b")].concat());
        assert_eq!(tags(&rig.take_client()), "12TDE");
        rig.inspector.state().cut_after = None;
        if failed_there {
            rig.server(&failed("cancelled"));
            rig.client(&sync());
            rig.server(&ready(b'I'));
        } else {
            rig.server(
                &[complete("SELECT 2"), described(2), row(b"c"), complete("SELECT 1"), ready(b'I')].concat(),
            );
        }
        assert_eq!(tags(&rig.take_client()), "Z", "failed: {failed_there}");
    }
}

#[test]
fn function_result_is_counted() {
    let mut rig = Rig::started();
    rig.client(&frame(b'F', &[&[0, 0, 0, 9, 0, 0, 0, 0, 0, 0]]));
    rig.server(&[frame(b'V', &[&3u32.to_be_bytes(), b"abc"]), ready(b'I')].concat());
    assert_eq!(tags(&rig.take_client()), "VZ");
    assert!(rig.inspector.log().iter().any(|line| line == "copy row"));
}
