//! What counting costs; run with `--release -- --ignored --nocapture`.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rastro_detect::{BudgetBook, BudgetRule, Limit, Mode, Next};
use rastro_model::{Certainty, FieldSet, KindId, Principal, ShownBatch, ShownKey, Timestamp};

fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[test]
#[ignore = "a measurement"]
fn measure_admission() {
    const ROWS: i64 = 10_000_000;
    for (name, step) in [("consecutive", 1), ("random of 12 million", 7_654_321)] {
        let rule = BudgetRule {
            principals: vec!["*".into()],
            window: Duration::from_secs(86_400),
            unexplained: None,
            total: Some(20_000_000),
        };
        let book = BudgetBook::new(&[rule], &BTreeMap::new(), None).unwrap();
        let budget = book.principal(&Principal::new("export"));
        let before = resident_bytes();
        let mut batch = ShownBatch::default();
        let mut spent = Duration::ZERO;
        for start in (0..ROWS).step_by(1_000) {
            batch.clear();
            for row in start..start + 1_000 {
                batch.begin_row();
                let key = ShownKey::Int((row * step).rem_euclid(12_000_017));
                batch.push(KindId(0), key, FieldSet(3), Certainty::Exact);
            }
            // One minute passes per million rows: several slices.
            let now = Timestamp(1_700_000_000_000_000 + start * 60);
            let began = Instant::now();
            let admission = budget.admit(&batch, 0, now, Mode::Enforce);
            spent += began.elapsed();
            assert_eq!(admission.next, Next::All);
        }
        let rows = u32::try_from(ROWS).unwrap();
        let held = resident_bytes().saturating_sub(before) >> 10;
        println!("{name}: {} ns a row, {held} KiB", (spent / rows).as_nanos());
        let end = Timestamp(1_700_000_600_000_000);
        assert_eq!(budget.counted(Limit::Total, end), Some(10_000_000));
        let began = Instant::now();
        budget.counted(Limit::Total, Timestamp(end.0 + 86_400_000_000 - 300_000_000));
        println!("{name}: half of it expires in {:?}", began.elapsed());
    }
}
