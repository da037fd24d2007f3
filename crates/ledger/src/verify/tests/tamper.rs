//! Random tampering: whatever is done to the files, with checksums repaired or not, is noticed.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rastro_model::Timestamp;

use super::ledger::{Ledger, Named, Parts};
use crate::seal::{CHECKPOINT, KeyFiles};

/// Ways of tampering with entries; each may be followed by a new tree without the key.
const OF_ENTRIES: [fn(&mut Ledger, &mut StdRng); 9] = [
    flip_raw,
    flip_record,
    flip_header,
    drop_entry,
    repeat_entry,
    reorder_entries,
    truncate,
    drop_file,
    swap_files,
];

/// Ways of tampering with the tree and the salts.
const OF_TREE: [fn(&mut Ledger, &mut StdRng); 4] = [flip_tree, drop_tree, flip_salt, swap_salts];

fn pick_file(ledger: &Ledger, rng: &mut StdRng) -> u64 {
    *ledger.spool.keys().copied().collect::<Vec<_>>().choose(rng).unwrap()
}

fn flip_raw(ledger: &mut Ledger, rng: &mut StdRng) {
    let seq = pick_file(ledger, rng);
    let file = ledger.spool.get_mut(&seq).unwrap();
    let at = rng.random_range(0..file.len());
    file[at] ^= 1 << rng.random_range(0..8);
}

fn edit(ledger: &mut Ledger, rng: &mut StdRng, change: impl FnOnce(&mut Parts, &mut StdRng)) {
    let seq = pick_file(ledger, rng);
    let mut parts = Parts::of(&ledger.spool[&seq]);
    change(&mut parts, rng);
    ledger.spool.insert(seq, parts.bytes());
}

fn flip_record(ledger: &mut Ledger, rng: &mut StdRng) {
    edit(ledger, rng, |parts, rng| {
        let Some(record) = (!parts.records.is_empty()).then(|| {
            let at = rng.random_range(0..parts.records.len());
            &mut parts.records[at]
        }) else {
            return;
        };
        let at = rng.random_range(0..record.len());
        record[at] ^= 1 << rng.random_range(0..8);
    });
}

fn flip_header(ledger: &mut Ledger, rng: &mut StdRng) {
    edit(ledger, rng, |parts, rng| {
        let bit = 1u64 << rng.random_range(0..32);
        match rng.random_range(0..5) {
            0 => parts.facts.run ^= bit as u32,
            1 => parts.facts.salt ^= bit,
            2 => parts.facts.first_no ^= bit,
            3 => parts.facts.base_time = Timestamp(parts.facts.base_time.0 ^ bit as i64),
            _ => parts.facts.before_max_time = Timestamp(parts.facts.before_max_time.0 ^ bit as i64),
        }
    });
}

fn drop_entry(ledger: &mut Ledger, rng: &mut StdRng) {
    edit(ledger, rng, |parts, rng| {
        if let Some(at) = parts.entries().choose(rng) {
            parts.records.remove(*at);
        }
    });
}

fn repeat_entry(ledger: &mut Ledger, rng: &mut StdRng) {
    edit(ledger, rng, |parts, rng| {
        if let Some(at) = parts.entries().choose(rng) {
            let record = parts.records[*at].clone();
            let to = rng.random_range(*at..=parts.records.len());
            parts.records.insert(to, record);
        }
    });
}

fn reorder_entries(ledger: &mut Ledger, rng: &mut StdRng) {
    edit(ledger, rng, |parts, rng| {
        let entries = parts.entries();
        if let (Some(a), Some(b)) = (entries.choose(rng), entries.choose(rng)) {
            parts.records.swap(*a, *b);
        }
    });
}

fn truncate(ledger: &mut Ledger, rng: &mut StdRng) {
    if rng.random_bool(0.5) {
        let left = rng.random_range(0..ledger.said().unwrap().len());
        ledger.truncate_to(left);
    } else {
        let seq = pick_file(ledger, rng);
        let file = ledger.spool.get_mut(&seq).unwrap();
        file.truncate(rng.random_range(0..file.len()));
    }
}

fn drop_file(ledger: &mut Ledger, rng: &mut StdRng) {
    let seq = pick_file(ledger, rng);
    ledger.spool.remove(&seq);
    if rng.random_bool(0.5) {
        ledger.salts.remove(&format!("{seq:010}.salt"));
    }
    if rng.random_bool(0.5) {
        // The files behind move up.
        let later: Vec<u64> = ledger.spool.keys().copied().filter(|other| *other > seq).collect();
        for other in later {
            let mut parts = Parts::of(&ledger.spool.remove(&other).unwrap());
            parts.facts.seq = other - 1;
            ledger.spool.insert(other - 1, parts.bytes());
        }
    }
}

fn swap_files(ledger: &mut Ledger, rng: &mut StdRng) {
    let (a, b) = (pick_file(ledger, rng), pick_file(ledger, rng));
    let (mut first, mut second) = (Parts::of(&ledger.spool[&a]), Parts::of(&ledger.spool[&b]));
    (first.facts.seq, second.facts.seq) = (b, a);
    if a != b {
        ledger.spool.insert(b, first.bytes());
        ledger.spool.insert(a, second.bytes());
    }
}

fn pick_name(named: &Named, rng: &mut StdRng) -> String {
    // What only the sealer reads is no evidence.
    let names: Vec<&String> = named.keys().filter(|name| *name != "resume").collect();
    (*names.choose(rng).unwrap()).clone()
}

fn flip_tree(ledger: &mut Ledger, rng: &mut StdRng) {
    let name = pick_name(&ledger.tree, rng);
    let file = ledger.tree.get_mut(&name).unwrap();
    let at = rng.random_range(0..file.len());
    file[at] ^= 1 << rng.random_range(0..8);
}

fn drop_tree(ledger: &mut Ledger, rng: &mut StdRng) {
    let name = pick_name(&ledger.tree, rng);
    ledger.tree.remove(&name);
}

fn flip_salt(ledger: &mut Ledger, rng: &mut StdRng) {
    let name = pick_name(&ledger.salts, rng);
    let file = ledger.salts.get_mut(&name).unwrap();
    let at = rng.random_range(0..file.len());
    file[at] ^= 1 << rng.random_range(0..8);
}

fn swap_salts(ledger: &mut Ledger, rng: &mut StdRng) {
    let (a, b) = (pick_name(&ledger.salts, rng), pick_name(&ledger.salts, rng));
    let (first, second) = (ledger.salts[&a].clone(), ledger.salts[&b].clone());
    ledger.salts.insert(a, second);
    ledger.salts.insert(b, first);
}

/// Makes a tree that fits the tampered entries, as far as it can be made without the key.
fn reseal(ledger: &mut Ledger, rng: &mut StdRng) {
    if ledger.said().is_err() || ledger.spool.is_empty() {
        return;
    }
    let genuine = ledger.tree.clone();
    let keys = tempfile::tempdir().unwrap();
    (ledger.tree, ledger.salts) = Default::default();
    ledger.seal_with(KeyFiles::new(keys.path()));
    for kept in [CHECKPOINT, "witnessed"] {
        if kept != CHECKPOINT || rng.random_bool(0.5) {
            ledger.tree.insert(kept.to_owned(), genuine[kept].clone());
        }
    }
}

/// Puts every file back to how it was, but the checkpoint that a witness keeps.
fn roll_back(ledger: &mut Ledger, old: &Ledger) {
    ledger.known.push(ledger.tree[CHECKPOINT].clone());
    (ledger.spool, ledger.tree, ledger.salts) = (old.spool.clone(), old.tree.clone(), old.salts.clone());
}

fn number_of_tamperings() -> usize {
    std::env::var("RASTRO_TAMPERINGS").ok().and_then(|n| n.parse().ok()).unwrap_or(400)
}

#[test]
fn every_random_tampering_is_noticed() {
    let seed = std::env::var("RASTRO_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(20_261_125u64);
    let mut ledger = Ledger::new(seed);
    ledger.write(150);
    ledger.seal();
    let oldest = ledger.clone();
    ledger.write(450);
    ledger.seal();
    ledger.witness();
    let old = ledger.clone();
    ledger.write(400);
    ledger.seal();
    assert_eq!(ledger.verify().fault, None);
    let told = ledger.told().unwrap();
    let (mut tried, mut of_kind) = (0, [0; 4]);
    for case in seed.. {
        if tried == number_of_tamperings() {
            break;
        }
        let rng = &mut StdRng::seed_from_u64(case);
        let mut tampered = ledger.clone();
        let kind = [0, 0, 0, 1, 2, 3][rng.random_range(0..6)];
        match kind {
            0 => OF_ENTRIES.choose(rng).unwrap()(&mut tampered, rng),
            1 => OF_TREE.choose(rng).unwrap()(&mut tampered, rng),
            2 => {
                OF_ENTRIES.choose(rng).unwrap()(&mut tampered, rng);
                reseal(&mut tampered, rng);
            }
            _ => roll_back(&mut tampered, if rng.random_bool(0.5) { &old } else { &oldest }),
        }
        let files_fit = tampered.tree == ledger.tree && tampered.salts == ledger.salts;
        if files_fit
            && tampered.known.is_empty()
            && let Ok(found) = tampered.told()
            && found.starts_with(&told)
        {
            // Other bytes that say the same (a flipped bit of a name that no entry cites) record nothing else;
            // and entries behind the last checkpoint are new ones, which the report counts.
            let report = tampered.verify();
            assert_eq!((report.fault, report.younger), (None, (found.len() - told.len()) as u64), "{case}");
            continue;
        }
        (tried, of_kind[kind]) = (tried + 1, of_kind[kind] + 1);
        let report = tampered.verify();
        assert!(report.fault.is_some(), "case {case} (kind {kind}) was not noticed: {report:?}");
    }
    assert!(of_kind.iter().all(|n| *n >= number_of_tamperings() / 20), "{of_kind:?}");
}
