//! The thread that seals behind a running spool, off the path of the rows.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use tracing::{error, warn};

use super::{KeyFiles, SealError, Sealer};
use crate::disk::Directory;
use crate::spool::DurableWatch;
use crate::store::DirectoryStore;

/// Between two checkpoints under load.
const INTERVAL: Duration = Duration::from_secs(1);
/// Entries read before the clock is looked at.
const ENTRIES_A_STEP: usize = 8192;

/// Where the parts of a ledger are.
#[derive(Clone, Debug)]
pub struct SealPaths {
    /// The spool's directory.
    pub spool: PathBuf,
    /// Tiles and checkpoints; nothing in it is secret.
    pub tree: PathBuf,
    /// The secrets that commitments are salted with.
    pub salts: PathBuf,
    /// The keys.
    pub keys: PathBuf,
}

impl SealPaths {
    /// Returns the places below a data directory.
    pub fn below(data_dir: &Path) -> SealPaths {
        let [spool, tree, salts, keys] = ["spool", "tree", "salts", "keys"].map(|name| data_dir.join(name));
        SealPaths { spool, tree, salts, keys }
    }

    /// Opens a sealer on them.
    ///
    /// # Errors
    /// `Locked`: another process seals. See [`SealError`].
    pub fn open(&self) -> Result<Sealer<Directory>, SealError> {
        let lock = lock(&self.tree).map_err(|source| match source.kind() {
            ErrorKind::WouldBlock => SealError::Locked,
            _ => SealError::Store { name: LOCK.to_owned(), source },
        })?;
        crate::erase::end_interrupted(self)?;
        let keys = KeyFiles::new(&self.keys).load_or_create()?;
        let tree = Box::new(DirectoryStore::new(&self.tree));
        let salts = Box::new(DirectoryStore::secret(&self.salts));
        Ok(Sealer::open(Directory::new(&self.spool), tree, salts, keys)?.hold(lock))
    }
}

const LOCK: &str = "seal.lock";

fn lock(dir: &Path) -> std::io::Result<File> {
    std::fs::create_dir_all(dir)?;
    let lock = File::options().create(true).truncate(false).write(true).open(dir.join(LOCK))?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive)?;
    Ok(lock)
}

/// How sealing goes.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SealHealth {
    /// Entries under the last checkpoint.
    pub sealed: u64,
    /// Why sealing stands still; `None` if it does not.
    pub fault: Option<String>,
}

/// A view of how sealing goes.
#[derive(Clone, Debug)]
pub struct SealWatch(Arc<Mutex<SealHealth>>);

impl SealWatch {
    /// Returns how sealing goes.
    pub fn health(&self) -> SealHealth {
        self.0.lock().clone()
    }
}

/// The running thread; [`SealerThread::stop`] ends it.
#[derive(Debug)]
pub struct SealerThread {
    stop: Sender<()>,
    thread: std::thread::JoinHandle<()>,
    health: Arc<Mutex<SealHealth>>,
}

impl SealerThread {
    /// Starts sealing `paths` up to where `watch` says that the spool is durable.
    ///
    /// # Errors
    /// The keys cannot be made or read, or no thread can be started.
    pub fn start(paths: SealPaths, watch: DurableWatch) -> Result<SealerThread, SealError> {
        KeyFiles::new(&paths.keys).load_or_create()?;
        let (stop, stopped) = channel();
        let health = Arc::new(Mutex::new(SealHealth::default()));
        let work = Work { paths, watch, health: Arc::clone(&health), sealer: None };
        let thread = std::thread::Builder::new()
            .name("sealer".to_owned())
            .spawn(move || work.run(&stopped))
            .map_err(SealError::store("sealing thread"))?;
        Ok(SealerThread { stop, thread, health })
    }

    /// Returns a view of how sealing goes.
    pub fn watch(&self) -> SealWatch {
        SealWatch(Arc::clone(&self.health))
    }

    /// Seals what is durable, signs a last checkpoint, and ends the thread. Blocks.
    pub fn stop(self) -> SealHealth {
        drop(self.stop);
        if self.thread.join().is_err() {
            self.health.lock().fault = Some("sealing thread failed".to_owned());
        }
        self.health.lock().clone()
    }
}

struct Work {
    paths: SealPaths,
    watch: DurableWatch,
    health: Arc<Mutex<SealHealth>>,
    sealer: Option<Sealer<Directory>>,
}

impl Work {
    fn run(mut self, stopped: &Receiver<()>) {
        loop {
            let stopping = match stopped.recv_timeout(INTERVAL) {
                Err(RecvTimeoutError::Timeout) => false,
                Ok(()) | Err(RecvTimeoutError::Disconnected) => true,
            };
            match self.seal() {
                Ok(()) => {}
                Err(cause) if cause.is_passing() => {
                    warn!(
                        error = &cause as &dyn std::error::Error,
                        "ledger could not be sealed; trying again"
                    );
                    self.fail(&cause);
                }
                Err(cause) => {
                    error!(error = &cause as &dyn std::error::Error, "ledger is sealed no further");
                    self.fail(&cause);
                    return;
                }
            }
            if stopping {
                return;
            }
        }
    }

    fn fail(&mut self, cause: &SealError) {
        self.sealer = None;
        self.health.lock().fault = Some(cause.to_string());
    }

    /// Seals what is durable now, with a checkpoint every second while it takes longer.
    fn seal(&mut self) -> Result<(), SealError> {
        let limit = self.watch.position();
        let sealer = match &mut self.sealer {
            Some(sealer) => sealer,
            none => none.insert(self.paths.open()?),
        };
        let mut begun = Instant::now();
        loop {
            let ended = sealer.advance(Some(limit), ENTRIES_A_STEP)? < ENTRIES_A_STEP;
            let behind = sealer.signed().is_some_and(|signed| signed.size > sealer.size());
            if ended || (begun.elapsed() >= INTERVAL && !behind) {
                sealer.publish(seconds_now())?;
                begun = Instant::now();
            }
            if ended {
                break;
            }
        }
        let sealed = sealer.signed().map_or(0, |signed| signed.size);
        *self.health.lock() = SealHealth { sealed, fault: None };
        Ok(())
    }
}

fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
