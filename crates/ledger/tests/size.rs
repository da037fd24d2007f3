//! What entries cost on disk.
#![expect(clippy::unwrap_used, reason = "test")]

use std::path::Path;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rastro_ledger::{DisclosureEntry, Outcome, Schema, SessionFacts, Spool, SpoolConfig};
use rastro_model::{Certainty, FieldSet, KindId, Login, Principal, ShownBatch, ShownKey, Timestamp};

fn used(dir: &Path) -> u64 {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

/// Returns the bytes of the batches that `batches` gives, without what an empty spool costs.
fn cost(batches: impl Iterator<Item = Vec<ShownKey>>) -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let schema = Schema { kinds: vec!["customer".into()], fields: vec!["name".into()] };
    let spool = Spool::open(SpoolConfig::new(dir.path(), schema)).unwrap();
    let session = spool.session(&SessionFacts {
        login: Login::new("desk"),
        client_addr: "10.0.0.1:5".into(),
        database: "support".into(),
        application: "".into(),
    });
    let principal = spool.principal(&Principal::new("ana"));
    let text = spool.statement_text(1, "SELECT * FROM customers");
    for (i, keys) in batches.enumerate() {
        let mut batch = ShownBatch::default();
        for key in keys {
            batch.begin_row();
            batch.push(KindId(0), key, FieldSet(1), Certainty::Exact);
        }
        let no = spool
            .append_disclosure(&DisclosureEntry {
                time: Timestamp(1_700_000_000_000_000 + i as i64 * 1_500),
                session: &session,
                principal: &principal,
                statement: i as u64,
                text: &text,
                outcome: Outcome::Continues,
                batch: &batch,
                rows: batch.rows(),
            })
            .unwrap();
        // Each durable before the next: no sharing of frames.
        while spool.settled(no).is_none() {
            std::thread::yield_now();
        }
    }
    spool.close().unwrap();
    used(dir.path())
}

fn random_customers(n: usize) -> Vec<ShownKey> {
    let mut rng = StdRng::seed_from_u64(7);
    let mut all = std::collections::BTreeSet::new();
    while all.len() < n {
        all.insert(rng.random_range(1..=12_000_000i64));
    }
    all.into_iter().map(ShownKey::Int).collect()
}

#[test]
fn lookup_alone_in_its_frame_costs_at_most_28_bytes() {
    let lookup = |i: u64| vec![ShownKey::Int((i * 7_919 % 12_000_000) as i64); 3];
    let (few, many) = (cost((0..10).map(lookup)), cost((0..1_010).map(lookup)));
    assert!(many - few <= 28 * 1_000, "{} bytes per lookup", (many - few) as f64 / 1_000.0);
}

#[test]
fn random_120_000_of_12_million_cost_about_their_entropy() {
    let keys = random_customers(120_000);
    let whole = cost(std::iter::once(keys.clone()));
    assert!(whole as f64 <= 1.05 * 121_000.0, "in one batch: {whole} bytes");
    let ordered = cost(keys.chunks(1_000).map(<[_]>::to_vec));
    assert!(ordered as f64 <= 1.3 * 121_000.0, "in batches, in key order: {ordered} bytes");
    let mut mixed = keys;
    mixed.shuffle(&mut StdRng::seed_from_u64(8));
    let random = cost(mixed.chunks(1_000).map(<[_]>::to_vec));
    println!("one batch {whole}, batches in key order {ordered}, in random order {random} bytes");
    assert!(random as f64 <= 2.0 * 121_000.0, "in batches, in random order: {random} bytes");
}

#[test]
fn range_of_keys_costs_next_to_nothing() {
    let range = |from: i64| (from..from + 100_000).map(ShownKey::Int).collect::<Vec<_>>();
    let bytes = cost([range(1), range(100_001)].into_iter());
    assert!(bytes < 400, "{bytes} bytes");
}
