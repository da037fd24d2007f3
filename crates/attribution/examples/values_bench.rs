//! Measures the value index: `values_bench [subjects]`, three and two thirds values each. Prints build time,
//! bytes, look-ups and the speed of scanning texts without a value.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement that cannot go on has nothing to say"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use rastro_attribution::HashKey;
use rastro_attribution::tokens::Scanner;
use rastro_attribution::value_index::{IndexBuilder, ValueIndex};
use rastro_model::{FieldSet, KindId, SubjectKey};

const LOOK_UPS: i64 = 200_000;
const BATCH: usize = 1_000;

fn main() {
    let subjects: i64 = std::env::args().nth(1).map_or(100_000, |text| text.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let mut builder = IndexBuilder::new(directory.path(), HashKey::from_bytes([1; 16]), [0; 16]).unwrap();
    for id in 0..subjects {
        let key = SubjectKey::Int(id);
        let mut add = |field, value: String| {
            builder.add(&value, KindId(0), FieldSet(field), &key, false).unwrap();
        };
        add(1, format!("person.{id}@mail{}.example", id % 40));
        add(2, format!("+{}{:09}", 30 + id % 5, 100_000_000 + id * 7 % 900_000_000));
        add(4, format!("CS-{:09}", id * 2));
        if id % 3 > 0 {
            add(4, format!("CS-{:09}", id * 2 + 1));
        }
    }
    let table = builder.finish(&directory.path().join("index")).unwrap();
    let entries = table.entries() as f64;
    let file = std::fs::metadata(directory.path().join("index")).unwrap().len() as f64;
    println!("{entries} values built in {:.1} s", begun.elapsed().as_secs_f64());
    println!("file {:.2} bytes a value, filter {:.1} MB", file / entries, table.filter_bytes() as f64 / 1e6);
    println!("resident {:.2} bytes a value", table.resident_bytes() as f64 / entries);
    let index = ValueIndex::new(Arc::new(table), Arc::default());
    let mut scanner = Scanner::default();
    for (what, domain) in [("hit", "mail7.example"), ("miss", "elsewhere.example")] {
        let values: Vec<String> = (0..LOOK_UPS)
            .map(|n| format!("person.{}@{domain}", n * 7_919 % subjects / 40 * 40 + 7))
            .collect();
        let mut times: Vec<f64> = Vec::new();
        for batch in values.chunks(BATCH) {
            let begun = Instant::now();
            for value in batch {
                scanner.clear();
                scanner.value(&index, black_box(value.as_bytes()));
            }
            times.push(begun.elapsed().as_nanos() as f64 / batch.len() as f64);
        }
        times.sort_by(f64::total_cmp);
        println!("{what}: {:.0} ns, the median of batches of {BATCH}", times[times.len() / 2]);
    }
    for (what, line) in [
        ("words", "the quick brown fox jumps over the lazy dog, and nobody is named here. "),
        (
            "words and numbers",
            "on 2024-03-05 at 12:30 the order 4711 of 3 boxes (18.50 EUR) left for hall 7. ",
        ),
        (
            "JSON",
            "{\"id\": 1048576, \"at\": \"2024-03-05T12:30:00.123Z\", \"tags\": [\"a\", \"b\"], \"ok\": true},\n",
        ),
    ] {
        let text = line.repeat((1 << 20) / line.len());
        let once = |scanner: &mut Scanner| {
            scanner.clear();
            let begun = Instant::now();
            scanner.value(&index, black_box(text.as_bytes()));
            begun.elapsed()
        };
        let best = (0..100).map(|_| once(&mut scanner)).min().unwrap();
        let speed = text.len() as f64 / best.as_nanos() as f64;
        println!("1 MB of {what}, no value in it: {speed:.2} GB/s at best, {} found", scanner.hits().len());
    }
}
