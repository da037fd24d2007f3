//! The spool as its callers see it.

mod config;
mod error;
mod state;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rastro_model::{Principal, Timestamp};

use crate::body::with_body;
use crate::commit::Committer;
use crate::disk::{DirectoryDisk, Disk};
use crate::encode::{Encoder, RECORD_MAX};
use crate::entry::{AccountEntry, ControlEntry, DisclosureEntry, EntryNo, ErasureEntry, ReasonEntry};
use crate::frame::{FRAME_BODY_MAX, FileFacts, HEADER_LEN, VERSION};
use crate::names::{
    Cache, PrincipalCell, PrincipalRef, SessionFacts, SessionRef, TEXT_MAX, TextCell, TextRef, cut,
};
use crate::reader::Position;
use crate::recover::{OpenError, recover};
use state::new_salt;

pub use config::{Durability, Health, SpoolConfig};
pub use error::{AppendError, StoreError};
pub(crate) use state::State;

/// The durable log. Shared by all sessions behind an `Arc`.
#[derive(Debug)]
pub struct Spool {
    shared: Arc<Shared>,
    names: Mutex<Names>,
    next_session: AtomicU64,
}

#[derive(Debug)]
struct Names {
    principals: Cache<Principal, PrincipalRef>,
    texts: Cache<u64, TextRef>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) state: Mutex<State>,
    /// There is work for the committer.
    pub(crate) work: Condvar,
    /// The committer ended.
    pub(crate) ended: Condvar,
    /// Entries numbered below are settled: durable, or dropped.
    pub(crate) durable: AtomicU64,
    /// How often entries were dropped.
    pub(crate) drops: AtomicU64,
    pub(crate) durability: Durability,
    pub(crate) group_delay: Duration,
    pub(crate) pending_bytes_max: usize,
    file_bytes_max: u64,
}

/// How far a spool is on stable storage.
#[derive(Clone, Debug)]
pub struct DurableWatch(Arc<Shared>);

impl DurableWatch {
    /// Returns the end of the last frame that is on stable storage.
    pub fn position(&self) -> Position {
        self.0.state.lock().durable_at
    }
}

impl Spool {
    /// Opens a spool: cuts a torn tail off the last file and begins a new one.
    ///
    /// # Errors
    /// `Locked`: another process writes here. `Corrupt`: entries before the last ones are damaged.
    pub fn open(config: SpoolConfig) -> Result<Spool, OpenError> {
        let disk = DirectoryDisk::open(&config.dir).map_err(|source| match source.kind() {
            std::io::ErrorKind::WouldBlock => OpenError::Locked { dir: config.dir.clone() },
            _ => OpenError::Disk { action: "open the directory", source },
        })?;
        Spool::open_on(config, Box::new(disk))
    }

    /// Opens a spool on any disk; `config.dir` is not used.
    ///
    /// # Errors
    /// As [`Spool::open`].
    pub fn open_on(config: SpoolConfig, disk: Box<dyn Disk>) -> Result<Spool, OpenError> {
        let (spool, committer) = Spool::prepare(config, disk, new_salt())?;
        std::thread::Builder::new()
            .name("spool".to_owned())
            .spawn(move || committer.run())
            .map_err(|source| OpenError::Disk { action: "start the writing thread", source })?;
        Ok(spool)
    }

    /// Opens a spool whose committer the caller steps.
    pub(crate) fn prepare(
        config: SpoolConfig,
        mut disk: Box<dyn Disk>,
        salt: u64,
    ) -> Result<(Spool, Committer), OpenError> {
        let recovered = recover(disk.as_mut())?;
        let file = FileFacts {
            version: VERSION,
            imported: config.imported,
            run: recovered.run + 1,
            seq: recovered.seq + 1,
            salt,
            first_no: recovered.next_no,
            base_time: recovered.last_time,
            before_max_time: recovered.max_time,
        };
        disk.create(file.seq, &file.encode())
            .map_err(|source| OpenError::Disk { action: "create a file", source })?;
        let mut encoder = Encoder::new(config.schema);
        let mut schema = Vec::new();
        encoder.begin_file(&mut schema, file.base_time);
        let state = State {
            encoder,
            file,
            file_bytes: HEADER_LEN as u64,
            next_no: file.first_no,
            section_due: false,
            pending: VecDeque::new(),
            pending_bytes: 0,
            first_pending_at: None,
            committer_idle: false,
            spare: Vec::new(),
            health: Health::Writable,
            closing: false,
            closed: false,
            dropped: Vec::new(),
            durable_at: Position { seq: file.seq, offset: HEADER_LEN as u64 },
            waiters: Vec::new(),
            room_waiters: Vec::new(),
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            work: Condvar::new(),
            ended: Condvar::new(),
            durable: AtomicU64::new(file.first_no),
            drops: AtomicU64::new(0),
            durability: config.durability,
            group_delay: config.group_delay,
            pending_bytes_max: config.pending_bytes_max.min(FRAME_BODY_MAX - RECORD_MAX - (1 << 20)),
            file_bytes_max: config.file_bytes_max,
        });
        shared.state.lock().begin_chunk(None, schema);
        let names = Mutex::new(Names { principals: Cache::new(), texts: Cache::new() });
        let committer = Committer { shared: Arc::clone(&shared), disk, file, end: HEADER_LEN as u64 };
        // A run has room for 4 billion sessions.
        let next_session = AtomicU64::new(u64::from(file.run) << 32);
        Ok((Spool { shared, names, next_session }, committer))
    }

    /// Names a session and gives it a number that no other session of this ledger has.
    pub fn session(&self, facts: &SessionFacts) -> SessionRef {
        SessionRef::new(self.next_session.fetch_add(1, Ordering::Relaxed), facts.clone())
    }

    /// Names a principal; the same name gives the same reference while it is in use.
    pub fn principal(&self, principal: &Principal) -> PrincipalRef {
        let bytes = |p: &PrincipalRef| p.0.name.as_str().len();
        let mut names = self.names.lock();
        if let Some(found) = names.principals.get(principal, bytes) {
            return found;
        }
        let new =
            PrincipalRef(Arc::new(PrincipalCell { name: principal.clone(), number: Default::default() }));
        names.principals.insert(principal.clone(), new.clone(), bytes(&new));
        new
    }

    /// Names a statement's text, literals removed; at most [`TEXT_MAX`] bytes are kept.
    ///
    /// Called once per statement: costs a look-up and a comparison of the text.
    pub fn statement_text(&self, fingerprint: u64, normalised: &str) -> TextRef {
        let text = cut(normalised, TEXT_MAX);
        let mut names = self.names.lock();
        if let Some(found) = names.texts.get(&fingerprint, |t| t.0.text.len())
            && *found.0.text == *text
        {
            return found;
        }
        let new = TextRef(Arc::new(TextCell { fingerprint, text: text.into(), number: Default::default() }));
        names.texts.insert(fingerprint, new.clone(), text.len());
        new
    }

    /// Appends rows shown, without waiting for the disk and without an allocation per row.
    ///
    /// # Errors
    /// See [`AppendError`]; nothing was recorded, so nothing may be shown. Keeps P2.
    pub fn append_disclosure(&self, entry: &DisclosureEntry<'_>) -> Result<EntryNo, AppendError> {
        let too_large = AppendError::TooLarge { rows: entry.rows };
        with_body(entry.batch, entry.rows, |body| {
            self.append(entry.time, |encoder, out| encoder.put_disclosure(out, entry, body))
        })
        .unwrap_or(Err(too_large.clone()))?
        .ok_or(too_large)
    }

    /// Appends a reason.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn append_reason(&self, entry: &ReasonEntry<'_>) -> Result<EntryNo, AppendError> {
        self.append(entry.asked_at, |encoder, out| encoder.put_reason(out, entry))?
            .ok_or(AppendError::TooLarge { rows: 0 })
    }

    /// Appends an act of the gateway or of a person.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn append_control(&self, entry: &ControlEntry<'_>) -> Result<EntryNo, AppendError> {
        self.append(entry.time, |encoder, out| {
            encoder.put_control(out, entry);
            true
        })?
        .ok_or(AppendError::TooLarge { rows: 0 })
    }

    /// Appends that a subject was erased.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn append_erasure(&self, entry: &ErasureEntry<'_>) -> Result<EntryNo, AppendError> {
        self.append(entry.time, |encoder, out| {
            encoder.put_erasure(out, entry);
            true
        })?
        .ok_or(AppendError::TooLarge { rows: 0 })
    }

    /// Appends a session's account.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn append_account(&self, entry: &AccountEntry<'_>) -> Result<EntryNo, AppendError> {
        self.append(entry.time, |encoder, out| {
            encoder.put_account(out, entry);
            true
        })?
        .ok_or(AppendError::TooLarge { rows: 0 })
    }

    /// Runs `put` on the pending records; `None` if it wrote no entry.
    fn append(
        &self,
        time: Timestamp,
        put: impl FnOnce(&mut Encoder, &mut Vec<u8>) -> bool,
    ) -> Result<Option<EntryNo>, AppendError> {
        let shared = &*self.shared;
        let mut state = shared.state.lock();
        state.check_open()?;
        if state.pending_bytes >= shared.pending_bytes_max {
            return Err(AppendError::Full { pending_bytes: state.pending_bytes });
        }
        state.make_chunk(shared.file_bytes_max, time);
        let State { encoder, pending, next_no, .. } = &mut *state;
        let Some(chunk) = pending.back_mut() else { return Err(AppendError::Closed) };
        let before = chunk.bytes.len();
        let put = put(encoder, &mut chunk.bytes);
        let added = chunk.bytes.len() - before;
        let no = EntryNo(*next_no);
        *next_no += u64::from(put);
        chunk.next_no = *next_no;
        state.pending_bytes += added;
        state.file_bytes += added as u64;
        let first = state.first_pending_at.is_none();
        if first {
            state.first_pending_at = Some(Instant::now());
        }
        let urgent = first || state.pending_bytes >= shared.pending_bytes_max / 2;
        let notify = urgent && std::mem::take(&mut state.committer_idle);
        drop(state);
        if notify {
            shared.work.notify_one();
        }
        Ok(put.then_some(no))
    }

    /// Returns the number below which every entry is on stable storage or was dropped.
    ///
    /// For metrics. To release rows ask [`Spool::settled`] or [`Spool::poll_durable`], which tell durable
    /// entries from dropped ones.
    pub fn durable(&self) -> EntryNo {
        EntryNo(self.shared.durable.load(Ordering::Acquire))
    }

    /// Returns a view of how far the spool is on stable storage, for whoever reads behind it.
    pub fn watch_durable(&self) -> DurableWatch {
        DurableWatch(Arc::clone(&self.shared))
    }

    /// Returns whether any entry was ever dropped; until then every entry below [`Spool::durable`], read
    /// before, is on stable storage.
    pub fn has_dropped(&self) -> bool {
        self.shared.drops.load(Ordering::Acquire) > 0
    }

    /// Returns whether entry `no` is durable (`Ok`) or never will be (`Err`); `None` while it is pending.
    /// Two atomic loads in the ordinary case.
    pub fn settled(&self, no: EntryNo) -> Option<Result<(), StoreError>> {
        let shared = &*self.shared;
        // In this order: a drop is counted before the number passes it.
        if no < self.durable() && shared.drops.load(Ordering::Acquire) == 0 {
            return Some(Ok(()));
        }
        let state = shared.state.lock();
        state.settled(no.0, shared.durable.load(Ordering::Acquire))
    }

    /// Waits until entry `no` is durable. One registration per task: the lowest number counts.
    ///
    /// # Errors
    /// The entry will never be durable; its rows must not be released.
    pub fn poll_durable(&self, no: EntryNo, cx: &mut Context<'_>) -> Poll<Result<(), StoreError>> {
        let shared = &*self.shared;
        if no < self.durable() && shared.drops.load(Ordering::Acquire) == 0 {
            return Poll::Ready(Ok(()));
        }
        let mut state = shared.state.lock();
        if let Some(settled) = state.settled(no.0, shared.durable.load(Ordering::Acquire)) {
            return Poll::Ready(settled);
        }
        match state.waiters.iter_mut().find(|(_, waker)| waker.will_wake(cx.waker())) {
            Some((waits_for, _)) => *waits_for = no.0.min(*waits_for),
            None => state.waiters.push((no.0, cx.waker().clone())),
        }
        Poll::Pending
    }

    /// [`Spool::poll_durable`] as a future. Cancel safe.
    ///
    /// # Errors
    /// As [`Spool::poll_durable`].
    pub async fn until_durable(&self, no: EntryNo) -> Result<(), StoreError> {
        poll_fn(|cx| self.poll_durable(no, cx)).await
    }

    /// Waits until an append may succeed again after [`AppendError::Full`]; woken whenever entries became
    /// durable or were dropped.
    ///
    /// # Errors
    /// The spool refuses, is poisoned, or closed.
    pub fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<(), AppendError>> {
        let mut state = self.shared.state.lock();
        if let Err(error) = state.check_open() {
            return Poll::Ready(Err(error));
        }
        if state.pending_bytes < self.shared.pending_bytes_max {
            return Poll::Ready(Ok(()));
        }
        if !state.room_waiters.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.room_waiters.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Returns whether the spool takes entries.
    pub fn health(&self) -> Health {
        self.shared.state.lock().health.clone()
    }

    /// Writes and syncs what is pending and ends the writing thread; later appends fail.
    ///
    /// # Errors
    /// Something pending will never be durable.
    pub fn close(&self) -> Result<(), StoreError> {
        let mut state = self.shared.state.lock();
        state.closing = true;
        self.shared.work.notify_all();
        while !state.closed {
            self.shared.ended.wait(&mut state);
        }
        match &state.health {
            Health::Writable => Ok(()),
            Health::Refusing { cause } => Err(StoreError::Dropped { cause: Arc::clone(cause) }),
            Health::Poisoned { cause } => Err(StoreError::Poisoned { cause: Arc::clone(cause) }),
        }
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.shared.state.lock().closing = true;
        self.shared.work.notify_all();
    }
}
