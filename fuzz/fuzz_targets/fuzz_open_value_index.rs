#![no_main]

use libfuzzer_sys::fuzz_target;
use rastro_attribution::HashKey;
use rastro_attribution::value_index::IndexTable;

fuzz_target!(|file: &[u8]| {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("index");
    std::fs::write(&path, file).unwrap();
    let _ = IndexTable::open(&path, HashKey::from_bytes([0; 16]));
});
