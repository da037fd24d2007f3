//! Peers that do not keep to the protocol.

use proptest::prelude::*;
use rastro_wire::{RelayEnd, RelayLimits};

use crate::message::*;
use crate::rig::{LIMITS, Rig};

/// The client gets FATAL 08P01 behind `passed`, and the session is over.
fn assert_fatal(mut rig: Rig, passed: &[u8], what: &str) {
    let got = rig.take_client();
    assert!(got.starts_with(passed), "{what}: {:?}", String::from_utf8_lossy(&got));
    let last = frames(&got[passed.len()..]);
    assert_eq!(last.len(), 1, "{what}");
    assert_eq!(last[0].0, b'E', "{what}");
    assert!(String::from_utf8_lossy(&last[0].1).contains("SFATAL\0VFATAL\0C08P01\0"), "{what}");
    assert!(matches!(rig.end, Some(Ok(RelayEnd::Ended(_)))), "{what}: {:?}", rig.end);
    assert!(rig.client_ended && rig.server_ended, "{what}");
}

#[test]
fn server_that_breaks_the_order_ends_the_session_and_nothing_more_passes() {
    let huge = |tag: u8| [&[tag][..], &200_000u32.to_be_bytes(), &[b'x'; 100]].concat();
    let cases = [
        ("row unasked", vec![], vec![], row(b"a")),
        ("row without description", query("q"), vec![], row(b"a")),
        ("large row without description", query("q"), vec![], huge(b'D')),
        ("large row unasked", vec![], vec![], huge(b'D')),
        ("copy data unasked", query("q"), vec![], copy_data(b"a")),
        ("large copy data unasked", query("q"), vec![], huge(b'd')),
        ("ready unasked", vec![], vec![], ready(b'I')),
        ("bind complete for a query", query("q"), vec![], bare(b'2')),
        ("frame of negative length", query("q"), described(1), b"D\xff\xff\xff\xff".to_vec()),
        ("frame of length 3", query("q"), described(1), b"D\0\0\0\x03".to_vec()),
        ("not the protocol", query("q"), vec![], b"HTTP/1.1 400 Bad Request\r\n".to_vec()),
        ("unknown tag", query("q"), vec![], bare(b'q')),
        (
            "row after a description without rows",
            [parse("", "x"), bind("", ""), execute("", 0), sync()].concat(),
            [bare(b'1'), bare(b'2')].concat(),
            [bare(b'n'), row(b"a")].concat(),
        ),
        (
            "large row after a description without rows",
            [parse("", "x"), bind("", ""), execute("", 0), sync()].concat(),
            [bare(b'1'), bare(b'2')].concat(),
            [bare(b'n'), huge(b'D')].concat(),
        ),
    ];
    for (what, sent, good, bad) in cases {
        for together in [true, false] {
            let mut rig = Rig::started();
            rig.client(&sent);
            if together {
                rig.server(&[good.clone(), bad.clone(), row(b"more")].concat());
            } else {
                rig.server(&good);
                rig.server(&bad);
                rig.server(&row(b"more"));
            }
            assert_fatal(rig, &good, what);
        }
    }
}

#[test]
fn message_too_large_for_its_kind_ends_an_idle_session() {
    let mut rig = Rig::started_with(RelayLimits { row_bytes_max: 10_000, ..LIMITS });
    rig.server(&[&b"T"[..], &900_000_000u32.to_be_bytes(), b"x"].concat());
    assert_fatal(rig, b"", "idle");
    let mut rig = Rig::new(LIMITS);
    rig.server(&[&b"R"[..], &900_000_000u32.to_be_bytes(), b"x"].concat());
    assert_fatal(rig, b"", "start-up");
}

#[test]
fn notice_larger_than_the_row_limit_is_left_out() {
    let mut rig = Rig::started_with(RelayLimits { row_bytes_max: 100_000, ..LIMITS });
    rig.client(&query("do"));
    let rest = [complete("DO"), ready(b'I')].concat();
    rig.server(&[notice("short"), notice(&"x".repeat(300_000)), rest.clone()].concat());
    assert!(rig.take_client() == [notice("short"), rest].concat());
}

#[test]
fn client_that_sends_garbage_ends_the_session_and_the_server_sees_none() {
    for bad in [
        &b"Q\xff\xff\xff\xff"[..],
        b"Q\0\0\0\x02",
        b"GET / HTTP/1.1\r\n\r\n",
        b"B\0\0\0\x08abcd",
        b"D\0\0\0\x06Xx",
    ] {
        let mut rig = Rig::started();
        rig.client(bad);
        assert!(rig.end.is_some(), "{bad:?}");
        assert!(rig.server_got.is_empty() && rig.server_ended, "{bad:?}");
        assert!(rig.client_ended, "{bad:?}");
        assert!(matches!(tags(&rig.client_got).as_str(), "E" | ""), "{bad:?}");
    }
}

#[test]
fn client_garbage_amid_a_frame_passed_in_parts_adds_nothing_to_the_frame() {
    let mut rig = Rig::started();
    rig.client(&query("select 1"));
    let large = row(&vec![b'x'; 200_000]);
    rig.server(&[&described(2), &large[..100_000]].concat());
    rig.client(b"D\0\0\0\x06Xx");
    let got = rig.take_client();
    assert!([described(2), large].concat().starts_with(&got));
    assert!(rig.end.is_some() && rig.client_ended);
}

// Tags and lengths that look like the protocol, or nothing like it.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let tag = prop::sample::select(b"RSKZTDCEIHGWdcfs123ntNAVvXQPBFp\0\xff".to_vec());
    let shaped = (tag, prop::collection::vec(any::<u8>(), 0..24), prop::num::u8::ANY).prop_map(
        |(tag, payload, wrong)| {
            let mut bytes = frame(tag, &[&payload]);
            if wrong < 16 {
                bytes[usize::from(wrong % 5)] ^= wrong;
            }
            bytes
        },
    );
    let known = prop::sample::select(vec![
        described(1),
        described(2),
        row(b"abc"),
        complete("SELECT 1"),
        ready(b'I'),
        failed("x"),
        bare(b'1'),
        bare(b'2'),
        copy_response(b'H'),
        copy_response(b'G'),
        copy_data(b"x"),
        query("select 1"),
        parse("s", "x"),
        bind("", "s"),
        execute("", 0),
        sync(),
        copy_done(),
    ]);
    let part = prop_oneof![3 => shaped, 5 => known, 1 => prop::collection::vec(any::<u8>(), 0..40)];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn prop_any_bytes_of_either_side_neither_panic_nor_hang(
        started in any::<bool>(),
        holds in any::<bool>(),
        cut in prop::option::of(0u32..3),
        parts in prop::collection::vec((any::<bool>(), noise()), 0..8),
    ) {
        let mut rig = if started { Rig::started() } else { Rig::new(LIMITS) };
        rig.inspector.change(|state| {
            state.holds = holds;
            state.cut_after = cut;
        });
        for (index, (from_client, bytes)) in parts.iter().enumerate() {
            if *from_client { rig.client(bytes) } else { rig.server(bytes) }
            if index == 4 {
                rig.inspector.change(|state| state.ledger_failed = Some(crate::inspector::ledger_error()));
                rig.run();
            }
        }
        rig.inspector.change(|state| state.released = u64::MAX);
        rig.run();
        rig.close_server();
        prop_assert!(rig.end.is_some(), "the session outlives its server");
    }
    #[test]
    fn prop_noise_from_the_server_is_survived(choice in any::<u8>(), at in any::<u8>(), bytes in noise()) {
        crate::noise::backend(&[&[choice, at][..], &bytes].concat());
    }

    #[test]
    fn prop_noise_from_the_client_is_survived(choice in any::<u8>(), at in any::<u8>(), bytes in noise()) {
        crate::noise::frontend(&[&[choice, at][..], &bytes].concat());
    }

    #[test]
    fn prop_any_first_packet_is_read_or_refused(
        version in prop::sample::select(vec![0x30000u32, 0x30002, 80_877_102, 80_877_103, 80_877_104, 7]),
        honest in prop::bool::weighted(0.9),
        body in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            "(user|database|options|replication)\0[a-z =-]{0,9}\0(user|x)\0[a-z]{0,3}\0\0".prop_map(String::into_bytes),
        ],
    ) {
        let length = if honest { u32::try_from(8 + body.len()).unwrap() } else { 9 };
        crate::noise::startup(&[&length.to_be_bytes()[..], &version.to_be_bytes(), &body].concat());
        crate::noise::startup(&body);
    }
}
