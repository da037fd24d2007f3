//! Sealing over a store that loses, tears, repeats and refuses writes, with the power cut at any operation:
//! every checkpoint that was signed stays true, and sealing goes on after every restart. Seeded.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::ledger::{Ledger, Named};
use crate::seal::{CHECKPOINT, KeyFiles, SealError, Sealer};
use crate::store::Store;

/// Two directories on one disk.
struct Platter {
    /// As readers see the files now.
    seen: [Named; 2],
    /// As a power cut would leave them at the least.
    stable: [Named; 2],
    ops_to_power_cut: u32,
    refuses: f64,
    rng: StdRng,
}

impl Platter {
    /// Counts an operation; fails without power, or as chance wants.
    fn op(&mut self) -> io::Result<()> {
        self.ops_to_power_cut = self.ops_to_power_cut.saturating_sub(1);
        if self.ops_to_power_cut == 0 {
            return Err(io::Error::other("no power"));
        }
        let refused = self.rng.random_bool(self.refuses);
        if refused { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    /// What was not synced is there, torn, as before, or gone; then there is power again.
    fn restart(&mut self, ops: u32, refuses: f64) {
        for dir in 0..2 {
            let mut left = BTreeMap::new();
            for (name, seen) in &self.seen[dir] {
                let stable = self.stable[dir].get(name);
                let kept = match self.rng.random_range(0..4) {
                    _ if stable == Some(seen) => Some(seen.clone()),
                    0 => Some(seen.clone()),
                    1 => Some(seen[..self.rng.random_range(0..=seen.len())].to_vec()),
                    _ => stable.cloned(),
                };
                if let Some(kept) = kept {
                    left.insert(name.clone(), kept);
                }
            }
            for (name, stable) in &self.stable[dir] {
                // Removed, but not durably.
                if !self.seen[dir].contains_key(name) && self.rng.random_bool(0.5) {
                    left.insert(name.clone(), stable.clone());
                }
            }
            self.seen[dir] = left.clone();
            self.stable[dir] = left;
        }
        (self.ops_to_power_cut, self.refuses) = (ops, refuses);
    }
}

#[derive(Clone)]
struct FakeStore(Arc<Mutex<Platter>>, usize);

impl Store for FakeStore {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let mut platter = self.0.lock().unwrap();
        platter.op()?;
        Ok(platter.seen[self.1].get(name).cloned())
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut platter = self.0.lock().unwrap();
        platter.op()?;
        platter.seen[self.1].insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn write_durable(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut platter = self.0.lock().unwrap();
        if let Err(error) = platter.op() {
            // It may have been done all the same, and the caller does it again.
            if platter.rng.random_bool(0.5) {
                platter.seen[self.1].insert(name.to_owned(), bytes.to_vec());
                platter.stable[self.1].insert(name.to_owned(), bytes.to_vec());
            }
            return Err(error);
        }
        platter.seen[self.1].insert(name.to_owned(), bytes.to_vec());
        platter.stable[self.1].insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut platter = self.0.lock().unwrap();
        platter.op()?;
        platter.stable = platter.seen.clone();
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        let mut platter = self.0.lock().unwrap();
        platter.op()?;
        platter.seen[self.1].remove(name);
        Ok(())
    }
}

/// What a run of the sealer came to.
#[derive(Default)]
struct Told {
    /// Every checkpoint whose signing returned.
    signed: Vec<(u64, Vec<u8>)>,
    cuts: usize,
}

/// Seals for a while; ends at the first failure, or when everything is sealed.
fn live(
    ledger: &Ledger,
    platter: &Arc<Mutex<Platter>>,
    rng: &mut StdRng,
    told: &mut Told,
) -> Result<(), SealError> {
    let keys = KeyFiles::new(ledger.keys()).load_or_create()?;
    let tree = FakeStore(Arc::clone(platter), 0);
    let salts = FakeStore(Arc::clone(platter), 1);
    let mut sealer = Sealer::open(ledger.files(), Box::new(tree), Box::new(salts), keys)?;
    loop {
        let entries = rng.random_range(1..120);
        let ended = sealer.advance(None, entries)? < entries;
        let behind = sealer.signed().is_some_and(|signed| signed.size > sealer.size());
        if (ended || !behind)
            && let Some(checkpoint) = sealer.publish(0)?
        {
            let note = platter.lock().unwrap().stable[0][CHECKPOINT].clone();
            assert!(told.signed.last().is_none_or(|(size, _)| *size < checkpoint.size));
            told.signed.push((checkpoint.size, note));
        }
        if ended {
            return Ok(());
        }
    }
}

fn simulate(ledger: &Ledger, seed: u64) -> Told {
    let mut rng = StdRng::seed_from_u64(seed);
    let none = || [Named::new(), Named::new()];
    let own = StdRng::seed_from_u64(!seed);
    let platter = Platter { seen: none(), stable: none(), ops_to_power_cut: 0, refuses: 0.0, rng: own };
    let platter = Arc::new(Mutex::new(platter));
    let mut told = Told::default();
    for life in 0.. {
        assert!(life < 60, "sealing does not come to its end");
        let last = life > 6;
        let (ops, refuses) = if last { (u32::MAX, 0.0) } else { (rng.random_range(1..60), 0.02) };
        platter.lock().unwrap().restart(ops, refuses);
        match live(ledger, &platter, &mut rng, &mut told) {
            Ok(()) => break,
            Err(error) => {
                assert!(error.is_passing(), "{error:?}");
                told.cuts += 1;
            }
        }
    }
    let mut sealed = ledger.clone();
    let platter = platter.lock().unwrap();
    (sealed.tree, sealed.salts) = (platter.seen[0].clone(), platter.seen[1].clone());
    sealed.known = told.signed.iter().map(|(_, note)| note.clone()).collect();
    let report = sealed.verify();
    assert_eq!(report.fault, None, "{report:?}");
    assert_eq!(report.checkpoint.unwrap().size, sealed.said().unwrap().len() as u64);
    told
}

#[test]
fn sealing_over_a_failing_store_keeps_every_checkpoint_true() {
    let runs = std::env::var("RASTRO_CRASHES").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    let mut ledger = Ledger::new(9);
    ledger.write(900);
    let (mut signed, mut cuts) = (0, 0);
    for seed in 0..runs {
        let told = std::panic::catch_unwind(|| simulate(&ledger, seed));
        let told = told.unwrap_or_else(|_| panic!("seed {seed}"));
        (signed, cuts) = (signed + told.signed.len(), cuts + told.cuts);
    }
    // The runs reach what they are about.
    let runs = runs as usize;
    assert!(signed > runs * 3 && cuts > runs, "{signed} checkpoints, {cuts} failures");
}
