//! Any bytes as a spool file, and as the records of a frame (past its checksum).
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = rastro_ledger::decode_file(bytes, drop);
    let _ = rastro_ledger::decode_body(bytes, drop);
});
