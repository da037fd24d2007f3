//! Any bytes as a RowDescription: no panic, and never more columns than announced.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rastro_attribution::row_description;

fuzz_target!(|payload: &[u8]| {
    if let Ok(columns) = row_description::columns(payload) {
        let announced = usize::from(u16::from_be_bytes([payload[0], payload[1]]));
        assert_eq!(columns.count(), announced);
    }
});
