//! Any bytes from the client after start-up. The relay's tests run the same function on shaped noise.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "shared with the tests, which use more of it")]
#[path = "../../crates/wire/tests/relay/inspector.rs"]
mod inspector;
#[allow(dead_code, reason = "shared with the tests, which use more of it")]
#[path = "../../crates/wire/tests/relay/message.rs"]
mod message;
#[allow(dead_code, reason = "the other targets use the rest")]
#[path = "../../crates/wire/tests/relay/noise.rs"]
mod noise;
#[allow(dead_code, reason = "shared with the tests, which use more of it")]
#[path = "../../crates/wire/tests/relay/rig.rs"]
mod rig;

fuzz_target!(|input: &[u8]| noise::frontend(input));
