//! Any bytes as a packed set: keys rise, and those found one by one are among them.
#![no_main]

use rastro_archive::read_packed;
use rastro_ledger::Subjects;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let asked = [i64::MIN, -1, 0, 1, 2, 3, 100, 70_000, 1 << 40, i64::MAX];
    let Some((Subjects::Ints(keys), members)) = read_packed(bytes, &asked) else { return };
    assert!(keys.is_sorted_by(|a, b| a < b));
    let among: Vec<i64> = asked.into_iter().filter(|key| keys.binary_search(key).is_ok()).collect();
    assert_eq!(members, among);
});
