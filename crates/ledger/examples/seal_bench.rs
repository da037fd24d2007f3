//! Measures sealing and verification on a scratch directory: `cargo run --release --example seal_bench 2000000`.

use std::time::Instant;

use rastro_ledger::seal::SealPaths;
use rastro_ledger::store::DirectoryStore;
use rastro_ledger::verify::{Evidence, Progress, verify};
use rastro_ledger::{
    Directory, DisclosureEntry, Durability, Outcome, Schema, SessionFacts, Spool, SpoolConfig, prove_entry,
};
use rastro_model::{Certainty, FieldSet, KindId, Login, Principal, ShownBatch, ShownKey, Timestamp};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let entries: u64 = std::env::args().nth(1).map_or(Ok(1_000_000), |n| n.parse())?;
    let dir = std::env::temp_dir().join(format!("rastro-seal-bench-{}", std::process::id()));
    let paths = SealPaths::below(&dir);
    write(&paths, entries)?;
    let begun = now();
    let mut sealer = paths.open()?;
    while sealer.advance(None, 65_536)? == 65_536 {}
    sealer.publish(0)?;
    report("seal (one thread)", entries, begun);
    let key = sealer.keys().public().first().cloned().ok_or("no key")?;
    for threads in [1, 2] {
        let begun = now();
        let evidence = Evidence {
            tree: &DirectoryStore::new(&paths.tree),
            salts: &DirectoryStore::new(&paths.salts),
            key: &key,
            witnesses: &[],
            must_be_witnessed: false,
            known: &[],
            threads,
        };
        let found = verify(&evidence, || Directory::new(&paths.spool), &Progress::default())?;
        report(&format!("verify ({threads} threads)"), found.entries, begun);
        if let Some(fault) = found.fault {
            return Err(fault.into());
        }
    }
    let begun = Instant::now();
    let proof = prove_entry(&DirectoryStore::new(&paths.tree), entries / 3)?;
    println!(
        "proof of one entry: {} hashes, {:.2} ms",
        proof.path.len(),
        begun.elapsed().as_secs_f64() * 1e3
    );
    std::fs::remove_dir_all(dir)?;
    Ok(())
}

/// Reports a rate by the clock, and by the processor's time, which a busy machine does not disturb.
fn report(what: &str, entries: u64, (begun, cpu): (Instant, f64)) {
    let (seconds, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let (rate, of_core) = (entries as f64 / seconds, entries as f64 / cpu);
    println!("{what}: {seconds:.2} s, {rate:.0} entries/s; {cpu:.2} CPU s, {of_core:.0} entries/s per core");
}

fn now() -> (Instant, f64) {
    (Instant::now(), cpu_seconds())
}

/// Returns the time all threads of this process spent, in steps of 10 ms; 0 where there is no /proc.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Writes lookups of about two rows, as agents make them.
fn write(paths: &SealPaths, entries: u64) -> Result<(), Box<dyn std::error::Error>> {
    let schema = Schema { kinds: vec!["customer".into()], fields: vec!["name".into(), "email".into()] };
    let mut config = SpoolConfig::new(&paths.spool, schema);
    config.durability = Durability::Group;
    config.file_bytes_max = 8 << 20;
    let spool = Spool::open(config)?;
    let sessions: Vec<_> = (0..200)
        .map(|i| {
            spool.session(&SessionFacts {
                login: Login::new(format!("agent{i}")),
                client_addr: "10.0.0.7:51000".into(),
                database: "support".into(),
                application: "desk".into(),
            })
        })
        .collect();
    let principals: Vec<_> =
        (0..200).map(|i| spool.principal(&Principal::new(format!("agent{i}")))).collect();
    let text = spool.statement_text(7, "SELECT name, email FROM customers WHERE id = $1");
    let mut state = 88_172_645_463_325_252u64;
    let mut last = None;
    for i in 0..entries {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let mut batch = ShownBatch::default();
        for row in 0..1 + state % 2 {
            batch.begin_row();
            batch.push(
                KindId(0),
                ShownKey::Int((state >> (20 + row)) as i64 % 12_000_000),
                FieldSet(3),
                Certainty::Exact,
            );
        }
        let at = (state >> 8) as usize % 200;
        let (Some(session), Some(principal)) = (sessions.get(at), principals.get(at)) else { continue };
        let entry = DisclosureEntry {
            time: Timestamp(1_700_000_000_000_000 + i as i64 * 31_000),
            session,
            principal,
            statement: i,
            text: &text,
            outcome: Outcome::Completed,
            batch: &batch,
            rows: batch.rows(),
        };
        loop {
            match spool.append_disclosure(&entry) {
                Ok(no) => break last = Some(no),
                Err(rastro_ledger::AppendError::Full { .. }) => std::thread::yield_now(),
                Err(error) => return Err(error.into()),
            }
        }
    }
    while last.is_some_and(|no| spool.settled(no).is_none()) {
        std::thread::yield_now();
    }
    spool.close()?;
    Ok(())
}
