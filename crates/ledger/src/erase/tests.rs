use std::path::PathBuf;

use rastro_model::{Certainty, FieldSet, KindId, Login, Principal, ShownBatch, ShownKey, SubjectKey};

use super::*;
use crate::checkpoint::LogProof;
use crate::entry::{DisclosureEntry, Outcome, ReasonEntry};
use crate::merkle::hash_leaf;
use crate::names::SessionFacts;
use crate::note::NoteVerifier;
use crate::salts::tests::salts_of_parts;
use crate::salts::{EntrySecret, Seed};
use crate::sealed::{SealedEntries, SealedEntry, prove_entry};
use crate::set::Subjects;
use crate::verify::{Evidence, Fault, Progress, Report, verify};

const INT: i64 = 0x005a_b193_c7e4_1d3b;
const UUID: u128 = 0x9b2f_17c4_55d0_4a8e_b3e1_6c70_f1a2_d4c9;
const TEXT: &str = "maria-17-kettle";

struct Scratch {
    dir: tempfile::TempDir,
    paths: SealPaths,
}

/// Writes a ledger that names three people, each in `entries / 5` lookups, in bulk reads, and in reasons.
fn write(paths: &SealPaths, entries: usize, from: i64) {
    let schema = Schema { kinds: vec!["customer".into()], fields: vec!["name".into(), "email".into()] };
    let mut config = SpoolConfig::new(&paths.spool, schema);
    config.file_bytes_max = 2 << 10;
    config.durability = crate::Durability::Group;
    let spool = Spool::open(config).unwrap();
    let facts = SessionFacts {
        login: Login::new("desk"),
        client_addr: "10.0.0.7:5".into(),
        database: "support".into(),
        application: String::new(),
    };
    let (session, ana) = (spool.session(&facts), spool.principal(&Principal::new("ana")));
    let text = spool.statement_text(7, "SELECT $1");
    for i in 0..entries {
        let time = Timestamp((from + i as i64) * 1_000_000);
        let mut batch = ShownBatch::default();
        let mut show = |key: ShownKey, fields| {
            batch.begin_row();
            batch.push(KindId(0), key, FieldSet(fields), Certainty::Exact);
        };
        let bulk = if i % 40 == 3 { 300 } else { (i % 4) as i64 };
        for n in 0..bulk {
            show(ShownKey::Int(INT - 40_000 + n * 997 + i as i64), 3);
            show(ShownKey::Uuid(UUID ^ (n as u128 + 1) << 9), 1);
        }
        if i % 5 == 3 {
            show(ShownKey::Int(INT), 1 + (i % 2) as u32);
            show(ShownKey::Int(INT), 3);
            show(ShownKey::Uuid(UUID), 1);
            show(ShownKey::Unknown, 1);
        }
        if i % 5 == 4 {
            let key = batch.text_key(TEXT.as_bytes());
            batch.begin_row();
            batch.push(KindId(0), key, FieldSet(1), Certainty::Exact);
            let key = batch.text_key(&TEXT.as_bytes()[..9]);
            batch.push(KindId(0), key, FieldSet(1), Certainty::Exact);
        }
        let (session, principal, text, rows) = (&session, &ana, &text, batch.rows());
        let (statement, outcome, batch) = (i as u64, Outcome::Completed, &batch);
        let entry = DisclosureEntry { time, session, principal, statement, text, outcome, batch, rows };
        spool.append_disclosure(&entry).unwrap();
        if i % 20 == 3 {
            for key in [SubjectKey::Int(INT), SubjectKey::Uuid(UUID), SubjectKey::Text(TEXT.into())] {
                let (asked_at, until, kind) = (time, Timestamp(time.0 + 500), KindId(0));
                let entry = ReasonEntry { principal: &ana, kind, key: &key, reason: "T-7", asked_at, until };
                spool.append_reason(&entry).unwrap();
            }
        }
    }
    spool.close().unwrap();
}

fn seal(paths: &SealPaths) -> NoteVerifier {
    let mut sealer = paths.open().unwrap();
    seal_all(&mut sealer, Timestamp(1 << 50)).unwrap();
    sealer.keys().public()[0].clone()
}

impl Scratch {
    fn new() -> Scratch {
        let dir = tempfile::tempdir().unwrap();
        let paths = SealPaths::below(dir.path());
        write(&paths, 80, 0);
        seal(&paths);
        Scratch { dir, paths }
    }

    fn erase(&self, subject: &str) -> Erased {
        let time = Timestamp(2 << 50);
        let request = ErasureRequest { subject, kind: None, by: "dpo", why: "art. 17, case 9", time };
        erase(&self.paths, &request, |_, _| {}).unwrap()
    }

    fn verify(&self, known: &[Vec<u8>]) -> Report {
        let key = crate::seal::KeyFiles::new(&self.paths.keys).load_or_create().unwrap().public()[0].clone();
        let evidence = Evidence {
            tree: &DirectoryStore::new(&self.paths.tree),
            salts: &DirectoryStore::new(&self.paths.salts),
            key: &key,
            witnesses: &[],
            must_be_witnessed: false,
            known,
            threads: 2,
        };
        verify(&evidence, || Directory::new(&self.paths.spool), &Progress::default()).unwrap()
    }

    fn sealed(&self) -> Vec<SealedEntry> {
        let salts = DirectoryStore::new(&self.paths.salts);
        let mut entries = SealedEntries::open(Directory::new(&self.paths.spool), salts).unwrap();
        std::iter::from_fn(|| entries.next_entry().unwrap()).collect()
    }

    fn bytes(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let (mut found, mut open) = (Vec::new(), vec![self.dir.path().to_owned()]);
        while let Some(dir) = open.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path)
                } else {
                    found.push((path.clone(), fs::read(&path).unwrap()))
                }
            }
        }
        found
    }
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// Every way in which the three keys could stand in a file.
fn encodings() -> Vec<Vec<u8>> {
    let hyphens =
        |text: String| [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-");
    let hex = format!("{UUID:032x}");
    let zigzag = ((INT << 1) ^ (INT >> 63)) as u64;
    vec![
        INT.to_string().into_bytes(),
        format!("{INT:x}").into_bytes(),
        format!("{INT:X}").into_bytes(),
        INT.to_le_bytes().to_vec(),
        INT.to_be_bytes().to_vec(),
        INT.to_le_bytes()[..7].to_vec(),
        INT.to_be_bytes()[1..].to_vec(),
        varint(INT as u64),
        varint(zigzag),
        UUID.to_be_bytes().to_vec(),
        UUID.to_le_bytes().to_vec(),
        UUID.to_be_bytes()[8..].to_vec(),
        hyphens(hex.clone()).into_bytes(),
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
        TEXT.as_bytes().to_vec(),
        TEXT.as_bytes()[6..].to_vec(),
        TEXT.bytes().rev().collect(),
    ]
}

/// Returns the salts of all parts that can be computed from what the salts' files hold: from every stretch of 16
/// bytes, taken as a salt; and by the rules of the format.
fn reachable_salts(scratch: &Scratch) -> Vec<Seed> {
    let mut salts = Vec::new();
    let counts: std::collections::BTreeSet<u32> =
        scratch.sealed().iter().map(|sealed| parts_of(&sealed.entry.brief()).max(1)).collect();
    for (path, bytes) in
        scratch.bytes().into_iter().filter(|(path, _)| path.extension().is_some_and(|e| e == "salt"))
    {
        salts.extend(bytes.windows(16).map(|window| <Seed>::try_from(window).unwrap()));
        let seq = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        let mut secrets = FileSalt::decode(&bytes, seq).unwrap().secrets();
        for _ in 0..30 {
            match secrets.next_secret().unwrap() {
                EntrySecret::Whole { body, .. } => {
                    for parts in &counts {
                        salts.extend(salts_of_parts(body, *parts as usize));
                    }
                }
                EntrySecret::Punctured(entry) => salts.extend(entry.salts()),
            }
        }
    }
    salts
}

/// Returns how many hashes of the three people's parts can be recomputed and found.
fn recomputable(scratch: &Scratch) -> usize {
    let mut parts = Vec::new();
    for fields in [1u32, 2, 3] {
        for key in [
            [&[0][..], &INT.to_be_bytes()].concat(),
            [&[1][..], &UUID.to_be_bytes()].concat(),
            [&[2][..], &(TEXT.len() as u32).to_be_bytes(), TEXT.as_bytes()].concat(),
        ] {
            parts.push([&[0, 0][..], &fields.to_be_bytes(), &key].concat());
            parts.push([&[0][..], &key, &[0, 0, 0, 3], b"T-7"].concat());
        }
    }
    let mut hashes = std::collections::HashSet::new();
    for (path, bytes) in scratch.bytes() {
        let kept =
            path.starts_with(&scratch.paths.salts) || path.starts_with(scratch.paths.tree.join("erased"));
        if kept {
            hashes.extend(bytes.windows(32).map(|window| <[u8; 32]>::try_from(window).unwrap()));
        }
    }
    for entry in scratch.sealed() {
        hashes.insert(entry.leaf_data[33..].try_into().unwrap());
    }
    let salts = reachable_salts(scratch);
    let reached = |part: &Vec<u8>| {
        let hash = |salt: &Seed| crate::merkle::digest(&[&[2], salt, part]);
        salts.iter().filter(|salt| hashes.contains(&hash(salt))).count()
    };
    parts.iter().map(reached).sum()
}

#[test]
fn erased_subject_is_in_no_file_and_all_proofs_hold() {
    let scratch = Scratch::new();
    let before = scratch.sealed();
    let known = fs::read(scratch.paths.tree.join("checkpoint")).unwrap();
    let key = seal(&scratch.paths);
    let proof = |at: u64| prove_entry(&DirectoryStore::new(&scratch.paths.tree), at).unwrap().encode();
    let proofs: Vec<String> = (0..before.len() as u64).map(proof).collect();
    let holds = |needle: &Vec<u8>| {
        scratch.bytes().into_iter().any(|(_, bytes)| bytes.windows(needle.len()).any(|w| w == needle))
    };
    // The search finds what is there: text keys, uuids, and numbers that begin a set.
    assert!(encodings().iter().filter(|needle| holds(needle)).count() >= 3);
    assert!(recomputable(&scratch) > 0, "the search finds the parts of reasons");
    let mut places = 0;
    for subject in [INT.to_string(), format!("{UUID:032x}"), TEXT.to_owned()] {
        let erased = scratch.erase(&subject);
        assert!(erased.places >= 16 + 4 && erased.files > 1, "{subject}: {erased:?}");
        places += u64::from(erased.places);
        assert_eq!(scratch.erase(&subject), Erased::default(), "{subject}: nothing is left to erase");
    }
    let found: Vec<Vec<u8>> = encodings().into_iter().filter(holds).collect();
    assert_eq!(found, Vec::<Vec<u8>>::new());
    assert_eq!(recomputable(&scratch), 0);
    let report = scratch.verify(&[known]);
    assert_eq!((report.fault, report.erased), (None, places));
    let after = scratch.sealed();
    assert_eq!(after.len(), before.len() + 3);
    for (was, is) in before.iter().zip(&after) {
        assert_eq!((was.index, was.leaf_data), (is.index, is.leaf_data));
        let proof = LogProof::decode(&proofs[was.index as usize]).unwrap();
        proof.verify(&hash_leaf(&is.leaf_data), std::slice::from_ref(&key)).unwrap();
        check_left(&was.entry, &is.entry);
    }
    // The ledger goes on.
    write(&scratch.paths, 40, 1000);
    seal(&scratch.paths);
    assert_eq!(scratch.verify(&[]).fault, None);
    assert!(scratch.erase(TEXT).places > 0);
    assert_eq!(scratch.verify(&[]).fault, None);
}

/// Nobody else went, and the entry says how many did.
fn check_left(was: &Entry, is: &Entry) {
    let (Content::Disclosure(was), Content::Disclosure(is)) = (&was.content, &is.content) else {
        assert!(was == is || matches!(is.content, Content::ErasedReason(_)));
        return;
    };
    assert_eq!((was.time, was.rows, was.sets.len()), (is.time, is.rows, is.sets.len()));
    for (was, is) in was.sets.iter().zip(&is.sets) {
        let kept: Vec<String> = match &was.subjects {
            Subjects::Ints(keys) => keys.iter().filter(|key| **key != INT).map(i64::to_string).collect(),
            Subjects::Uuids(keys) => keys.iter().filter(|key| **key != UUID).map(u128::to_string).collect(),
            Subjects::Texts(keys) => {
                keys.iter().filter(|k| ***k != *TEXT.as_bytes()).map(|k| format!("{k:?}")).collect()
            }
            Subjects::Unattributed { rows } => vec![rows.to_string()],
        };
        let left: Vec<String> = match &is.subjects {
            Subjects::Ints(keys) => keys.iter().map(i64::to_string).collect(),
            Subjects::Uuids(keys) => keys.iter().map(u128::to_string).collect(),
            Subjects::Texts(keys) => keys.iter().map(|k| format!("{k:?}")).collect(),
            Subjects::Unattributed { rows } => vec![rows.to_string()],
        };
        assert_eq!(left, kept);
        assert_eq!(is.erased as usize, was.subjects.len_as_parts() - is.subjects.len_as_parts());
    }
}

#[test]
fn deletion_that_was_not_recorded_is_no_erasure() {
    let scratch = Scratch::new();
    let target = Target::new(TEXT, None);
    let mut places = Vec::new();
    let seqs = list(&Directory::new(&scratch.paths.spool)).unwrap();
    let found = seqs.iter().find_map(|seq| look_into(&scratch.paths, *seq, &target, &mut places).unwrap());
    // Whoever may write all files but has no key can take somebody out, but not so that nobody sees it.
    replace(&scratch.paths, found.unwrap(), &target).unwrap();
    let index = places.iter().map(|place| place.index).min().unwrap();
    assert_eq!(scratch.verify(&[]).fault, Some(Fault::Redacted { index, file: 1 }));
    // A list of his own does not help: its hash is not in the signed log.
    let (bytes, _) = encode_list(&mut places);
    DirectoryStore::new(&scratch.paths.tree).write(&list_name(1), &bytes).unwrap();
    assert_eq!(scratch.verify(&[]).fault, Some(Fault::Redacted { index, file: 1 }));
}

#[test]
fn erasure_list_that_is_gone_or_altered_is_found() {
    let scratch = Scratch::new();
    scratch.erase(TEXT);
    let path = scratch.paths.tree.join(list_name(1));
    let bytes = fs::read(&path).unwrap();
    let mut altered = bytes.clone();
    altered[30] ^= 1;
    for other in [altered, bytes[..bytes.len() - 42].to_vec(), Vec::new()] {
        fs::write(&path, other).unwrap();
        assert_eq!(scratch.verify(&[]).fault, Some(Fault::Tile { path: list_name(1) }));
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(scratch.verify(&[]).fault, Some(Fault::Tile { path: list_name(1) }));
    fs::write(&path, bytes).unwrap();
    assert_eq!(scratch.verify(&[]).fault, None);
}

#[test]
fn interrupted_erasure_is_ended_by_the_next_one() {
    let scratch = Scratch::new();
    let target = Target::new(TEXT, None);
    let (mut places, paths) = (Vec::new(), &scratch.paths);
    let found: Vec<Found> = list(&Directory::new(&paths.spool))
        .unwrap()
        .iter()
        .filter_map(|seq| look_into(paths, *seq, &target, &mut places).unwrap())
        .collect();
    for moved in [false, true] {
        for file in &found {
            let facts = read_facts(&Directory::new(&paths.spool), file.seq).unwrap();
            let bytes = rewrite_file(&read_file(paths, file.seq).unwrap(), &facts, &target).unwrap();
            let (spool, salts) = (file_name(file.seq), FileSalt::name(file.seq));
            fs::write(paths.salts.join(format!("{salts}.{ERASING}")), file.salt.encode()).unwrap();
            fs::write(paths.spool.join(format!("{spool}.{ERASING}")), &bytes).unwrap();
            if moved {
                take_place(&paths.spool, &spool).unwrap();
            }
        }
        seal(paths);
        let waiting =
            scratch.bytes().into_iter().any(|(path, _)| path.extension().is_some_and(|e| e == ERASING));
        assert!(!waiting);
        let fault = scratch.verify(&[]).fault;
        assert_eq!(fault.is_some(), moved, "{fault:?}");
    }
}

#[test]
fn request_that_would_keep_the_key_or_not_say_whom_is_refused() {
    let scratch = Scratch::new();
    let time = Timestamp(2 << 50);
    let request = |kind, why| ErasureRequest { subject: TEXT, kind, by: "dpo", why, time };
    let why = format!("{TEXT} asked for it");
    assert!(matches!(erase(&scratch.paths, &request(None, &why), |_, _| {}), Err(EraseError::Named)));
    let unknown = erase(&scratch.paths, &request(Some("patient"), "case 9"), |_, _| {});
    assert!(matches!(unknown, Err(EraseError::UnknownKind { .. })));
    let other = scratch.paths.open().unwrap();
    let held = erase(&scratch.paths, &request(None, "case 9"), |_, _| {});
    assert!(matches!(held, Err(EraseError::Seal(SealError::Locked))), "{held:?}");
    drop(other);
}
