//! A store that refuses, tears, repeats, delays and loses answers, while another writer is at work: nothing
//! acknowledged is lost, nothing invented, and every reader sees one whole state.
//!
//! `RASTRO_FAULT_RUNS` (60) and `RASTRO_FAULT_SEED` (a run's own) choose how many runs, and the first.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rastro_archive::{Archive, ArchiveError, Archivist, Objects, Query};
use rastro_ledger::{Entry, PlacedEntry};

use crate::made::{DAY, Maker, source};

#[derive(Debug)]
struct Faulty {
    inner: Arc<InMemory>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    rng: SmallRng,
    faults: bool,
    /// Names that lists do not show for so many more lists.
    hidden: HashMap<Path, u32>,
    /// What another writer may seal meanwhile.
    log: Vec<PlacedEntry>,
}

impl State {
    fn hits(&mut self, one_in: u32) -> bool {
        self.faults && self.rng.random_ratio(1, one_in)
    }
}

fn refused() -> Error {
    Error::Generic { store: "faulty", source: "refused".into() }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faulty")
    }
}

impl Faulty {
    fn hits(&self, one_in: u32) -> bool {
        self.state.lock().unwrap().hits(one_in)
    }

    /// Lets another writer go first.
    fn interfere(&self) {
        let log = self.state.lock().unwrap().log.clone();
        let objects = Objects::on(Arc::clone(&self.inner) as Arc<dyn ObjectStore>);
        // Its own thread: an executor does not run within another.
        std::thread::spawn(move || {
            let other = Archivist::new(objects, None, Duration::from_secs(86_400));
            drop(other.seal(source(&log)));
            drop(other.compact(log.last().map_or(0, |placed| placed.entry.time().0)));
        })
        .join()
        .unwrap();
    }
}

#[async_trait::async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if path.as_ref().starts_with("manifest") && self.hits(6) {
            self.interfere();
        }
        if self.hits(12) {
            return Err(refused());
        }
        if self.hits(16) {
            // Torn by a crash of the writer's machine.
            let bytes: Vec<u8> = payload.iter().flatten().copied().collect();
            let keep = self.state.lock().unwrap().rng.random_range(0..=bytes.len());
            let _ = self.inner.put_opts(path, bytes[..keep].to_vec().into(), options).await;
            return Err(refused());
        }
        let done = self.inner.put_opts(path, payload.clone(), options.clone()).await;
        if self.hits(8) {
            let lists = self.state.lock().unwrap().rng.random_range(1..3);
            self.state.lock().unwrap().hidden.insert(path.clone(), lists);
        }
        if self.hits(16) {
            // Sent twice by a client that did not hear the first answer.
            return self.inner.put_opts(path, payload, options).await;
        }
        if self.hits(16) {
            return Err(refused());
        }
        done
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        if self.hits(12) {
            return Err(refused());
        }
        let store = Faulty { inner: Arc::clone(&self.inner), state: Arc::clone(&self.state) };
        Ok(Box::new(Parts { store, path: path.clone(), bytes: Vec::new() }))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        if self.hits(60) {
            return Err(refused());
        }
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        if self.hits(6) {
            return futures_util::stream::once(async { Err(refused()) }).boxed();
        }
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        if self.hits(30) {
            return futures_util::stream::once(async { Err(refused()) }).boxed();
        }
        let state = Arc::clone(&self.state);
        let listed = self.inner.list(prefix);
        listed
            .filter(move |meta| {
                let mut state = state.lock().unwrap();
                let hidden = meta.as_ref().ok().and_then(|meta| state.hidden.get_mut(&meta.location));
                let shown = match hidden {
                    Some(lists) if *lists > 0 => {
                        *lists -= 1;
                        false
                    }
                    _ => true,
                };
                async move { shown }
            })
            .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[derive(Debug)]
struct Parts {
    store: Faulty,
    path: Path,
    bytes: Vec<u8>,
}

#[async_trait::async_trait]
impl MultipartUpload for Parts {
    fn put_part(&mut self, payload: PutPayload) -> UploadPart {
        let fails = self.store.hits(12);
        self.bytes.extend(payload.iter().flatten());
        Box::pin(async move { if fails { Err(refused()) } else { Ok(()) } })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.store.put(&self.path, std::mem::take(&mut self.bytes).into()).await
    }

    async fn abort(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Reads the ledger as a reader does: the archive, then what only the log has.
fn read(objects: &Objects, log: &[PlacedEntry]) -> std::result::Result<Vec<Entry>, ArchiveError> {
    let archive = Archive::open(objects)?;
    let mut entries: Vec<Entry> =
        archive.entries(&Query::default()).collect::<std::result::Result<_, _>>()?;
    let next = archive.manifest().next_entry();
    entries.extend(log.iter().map(|placed| placed.entry.clone()).filter(|entry| entry.no.0 >= next));
    Ok(entries)
}

fn run(seed: u64) {
    let inner = Arc::new(InMemory::new());
    let state = Arc::new(Mutex::new(State {
        rng: SmallRng::seed_from_u64(seed),
        faults: true,
        hidden: HashMap::new(),
        log: Vec::new(),
    }));
    let store = Faulty { inner: Arc::clone(&inner), state: Arc::clone(&state) };
    let objects = Objects::on(Arc::new(store));
    let mut maker = Maker::new(seed);
    let mut rng = SmallRng::seed_from_u64(!seed);
    let mut sealed_to = 0;
    for _ in 0..rng.random_range(4..16) {
        let more = maker.entries(rng.random_range(0..20));
        state.lock().unwrap().log.extend(more);
        if rng.random_ratio(1, 3) {
            maker.time += DAY * rng.random_range(1..12);
        }
        let log = state.lock().unwrap().log.clone();
        // A new writer each time: nothing is kept in memory that a crash would take.
        let weight = if rng.random() { 1 << 30 } else { 2_000 };
        let archivist = Archivist::new(objects.clone(), None, Duration::ZERO).with_weight(weight);
        let outcome = match rng.random_range(0..4) {
            0 | 1 => archivist.seal(source(&log)).map(|_| ()),
            2 => archivist.compact(maker.time).map(|_| ()),
            _ => archivist.sweep(maker.time + 1).map(|_| ()),
        };
        if outcome.is_ok() {
            sealed_to = sealed_to.max(archivist.manifest().map_or(0, |state| state.next_entry()));
        }
        if let Ok(read) = read(&objects, &log) {
            let wanted: Vec<Entry> = log.iter().map(|placed| placed.entry.clone()).collect();
            assert!(read == wanted, "seed {seed}: {} entries read, {} written", read.len(), wanted.len());
        }
    }
    // The store recovers: what was acknowledged is there, and the rest follows.
    state.lock().unwrap().faults = false;
    state.lock().unwrap().hidden.clear();
    let log = state.lock().unwrap().log.clone();
    let archivist = Archivist::new(objects.clone(), None, Duration::ZERO);
    let next = archivist.manifest().unwrap().next_entry();
    assert!(next >= sealed_to, "seed {seed}: entries to {sealed_to} were acknowledged, to {next} are there");
    archivist.seal(source(&log)).unwrap();
    archivist.compact(maker.time + 40 * DAY).unwrap();
    archivist.sweep(i64::MAX / 2).unwrap();
    let wanted: Vec<Entry> = log.iter().map(|placed| placed.entry.clone()).collect();
    let sealed: Vec<Entry> = Archive::open(&objects)
        .unwrap()
        .entries(&Query::default())
        .map(std::result::Result::unwrap)
        .collect();
    assert!(sealed == wanted, "seed {seed}: {} entries in the end, {} written", sealed.len(), wanted.len());
}

#[test]
fn faulty_store_loses_no_acknowledged_entry_invents_none_and_tears_no_reader() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let runs = number("RASTRO_FAULT_RUNS").unwrap_or(60);
    let first = number("RASTRO_FAULT_SEED").unwrap_or(1);
    for seed in first..first + runs {
        let outcome = std::panic::catch_unwind(|| run(seed));
        assert!(outcome.is_ok(), "replay with RASTRO_FAULT_SEED={seed} RASTRO_FAULT_RUNS=1");
    }
}
