//! Any text as a view's stored query: no panic; a column comes with a number.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rastro_attribution::view_query;

fuzz_target!(|text: &str| {
    if let Ok(query) = view_query::parse(text) {
        assert!(query.columns.len() <= text.len());
    }
});
