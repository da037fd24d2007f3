//! Any bytes as a message of logical decoding: no panic, and all columns and cells lie inside the message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rastro_attribution::row_changes::{Cell, Cells, Change, Old, change};

fuzz_target!(|message: &[u8]| match change(message) {
    Ok(Change::Relation { columns, .. }) => {
        let named: usize = columns.map(|column| column.name.len() + 10).sum();
        assert!(named < message.len());
    }
    Ok(Change::Row { old, new, .. }) => {
        let before = if let Old::Whole(cells) = old { bytes_of(cells) } else { 0 };
        assert!(before + bytes_of(new) < message.len());
    }
    Ok(Change::Other) | Err(_) => {}
});

fn bytes_of(cells: Cells<'_>) -> usize {
    cells.map(|cell| if let Cell::Text(text) = cell { text.len() + 5 } else { 1 }).sum()
}
