//! Any bytes as SQL: no panic, bounded text, the same result from a used and a fresh value.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rastro_attribution::statement::{Backslash, NORMALISED_BYTES_MAX, Normalised, normalise_with};

fuzz_target!(|sql: &[u8]| {
    let mut used = Normalised::default();
    for backslash in [Backslash::Unknown, Backslash::Plain, Backslash::Escape] {
        normalise_with(sql, backslash, &mut used);
        let mut fresh = Normalised::default();
        normalise_with(sql, backslash, &mut fresh);
        assert_eq!(used.text(), fresh.text());
        assert_eq!(used.fingerprint(), fresh.fingerprint());
        assert_eq!(used.statements(), fresh.statements());
        // A byte that is not UTF-8 becomes three.
        assert!(used.text().len() <= 3 * NORMALISED_BYTES_MAX + 3);
        // A quote can only stand in a quoted name.
        assert!(!used.text().contains('\'') || sql.contains(&b'"'));
    }
});
