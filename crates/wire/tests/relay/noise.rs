//! What the fuzz targets run: any bytes at a place where a peer can put them. No panic, an end once the peers
//! are gone, and nothing passed on that was not sent.

use rastro_wire::{FirstPacket, RelayLimits, decode_first_packet, first_packet_bytes};

use crate::inspector::ledger_error;
use crate::message::*;
use crate::rig::Rig;

const LIMITS: RelayLimits = RelayLimits { row_bytes_max: 4_096, held_bytes_max: 8_192 };
// Longest frame that the relay itself writes, many times over.
const OWN_BYTES_MAX: usize = 4_096;

fn session(choice: u8) -> Rig {
    let rig = Rig::started_with(LIMITS);
    rig.inspector.change(|state| {
        state.holds = choice & 1 != 0;
        state.cut_after = (choice & 2 != 0).then_some(2);
        state.wait_after = (choice & 4 != 0).then_some(1);
    });
    rig
}

fn finish(mut rig: Rig, choice: u8) {
    rig.inspector.change(|state| {
        if choice & 8 == 0 {
            state.released = u64::MAX;
        } else {
            state.ledger_failed = Some(ledger_error());
        }
        state.wait_after = None;
        state.is_ready = true;
    });
    rig.run();
    rig.close_server();
    assert!(rig.end.is_some(), "the session outlives its server");
}

/// The first byte chooses what the inspector does and what the client asked, the second where the rest is
/// split; the rest comes from the server.
pub fn backend(input: &[u8]) {
    let [choice, at, bytes @ ..] = input else { return };
    let mut rig = session(*choice);
    rig.client(&match choice >> 4 & 3 {
        0 => Vec::new(),
        1 => query("select").repeat(2),
        2 => [parse("", "x"), bind("", ""), execute("", 1), sync()].concat().repeat(2),
        _ => [parse("", "x"), bind("", ""), execute("", 0), bare(b'H')].concat(),
    });
    let (first, second) = bytes.split_at(usize::from(*at).min(bytes.len()));
    rig.server(first);
    rig.server(second);
    assert!(rig.client_got.len() <= bytes.len() + OWN_BYTES_MAX);
    finish(rig, *choice);
}

/// As [`backend`], from the client; the server answers as if all was well.
pub fn frontend(input: &[u8]) {
    let [choice, at, bytes @ ..] = input else { return };
    let mut rig = session(*choice);
    let (first, second) = bytes.split_at(usize::from(*at).min(bytes.len()));
    rig.client(first);
    if choice & 16 != 0 {
        rig.server(&[described(1), row(b"a"), complete("SELECT 1"), ready(b'I')].concat());
    }
    rig.client(second);
    // Each Execute may bring a Describe before it, each refusal a frame in its place.
    assert!(rig.server_got.len() <= 16 * bytes.len() + OWN_BYTES_MAX);
    rig.close_client();
    finish(rig, *choice);
}

/// Any bytes as a first packet.
pub fn startup(input: &[u8]) {
    let length = input.first_chunk::<4>().map(|length| first_packet_bytes(*length));
    match decode_first_packet(input) {
        Err(_) => {}
        Ok(packet) => {
            assert_eq!(length.map(Result::ok), Some(Some(input.len())));
            match packet {
                FirstPacket::Startup(startup) => {
                    assert_eq!(startup.packet, input);
                    assert!(!startup.login().is_empty() && !startup.database().is_empty());
                    let _ = (startup.wants_replication(), startup.setting("rastro.principal"));
                }
                FirstPacket::Cancel(key) => assert_eq!(key.to_cancel_request(), input),
                FirstPacket::SslRequest | FirstPacket::GssEncRequest => {}
            }
        }
    }
}
