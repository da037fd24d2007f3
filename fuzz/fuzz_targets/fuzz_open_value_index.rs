#![no_main]

use libfuzzer_sys::fuzz_target;
use rastro_attribution::HashKey;
use rastro_attribution::value_index::{IndexTable, OverlayJournal};

fuzz_target!(|file: &[u8]| {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("index");
    std::fs::write(&path, file).unwrap();
    let key = HashKey::from_bytes([0; 16]);
    let _ = IndexTable::open(&path, key);
    OverlayJournal::open(&path, key, [0; 16]).unwrap();
});
