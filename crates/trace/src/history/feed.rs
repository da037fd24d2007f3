//! A history out of a ledger on all cores: the thread that reads it sends each subject's disclosures and reasons, in
//! their order, to the thread that has the subject's shard.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::ScopedJoinHandle;

use rastro_model::{FieldSet, Principal, SubjectKey, Timestamp};

use super::dictionary::{FieldDictionary, canonical, digest_of, digest_of_int};
use super::posting::Posting;
use super::settling::Settling;
use super::shard::{Room, SHARDS, Shard, Shards, shard_of};
use super::{History, HistoryError, PrincipalId, SubjectId};

/// Disclosures and reasons sent at a time, for one shard.
const PARCEL: usize = 2_048;
/// Parcels that wait for a thread.
const PARCELS_AHEAD: usize = 64;

/// Takes disclosures and reasons in the order of a ledger: see [`super::HistoryBuilder::load`].
#[derive(Debug)]
pub struct Feed<'a> {
    /// But for the shards.
    history: &'a mut History,
    /// By shard.
    parcels: Vec<Parcel>,
    threads: Vec<SyncSender<(usize, Sent)>>,
    /// Greatest time of a disclosure.
    seen: Option<Timestamp>,
    failed: bool,
}

/// What the disclosures of one set have in common.
#[derive(Clone, Copy, Debug)]
pub struct Showing {
    principal: PrincipalId,
    time: Timestamp,
    fields: u8,
    reasons_known: bool,
}

#[derive(Clone, Copy, Debug)]
struct Shown<K> {
    key: K,
    showing: Showing,
}

#[derive(Clone, Copy, Debug)]
struct Reason<K> {
    key: K,
    principal: PrincipalId,
    from: Timestamp,
    until: Timestamp,
}

/// Of one shard. Reasons may overtake disclosures, which wait for them anyway.
#[derive(Debug, Default)]
struct Parcel {
    ints: Vec<Shown<i64>>,
    int_reasons: Vec<Reason<i64>>,
    others: Vec<Shown<SubjectKey>>,
    other_reasons: Vec<Reason<SubjectKey>>,
}

#[derive(Debug)]
struct Sent {
    parcel: Parcel,
    seen: Option<Timestamp>,
    fields: Arc<FieldDictionary>,
}

impl Feed<'_> {
    /// As [`super::HistoryBuilder::principal`].
    ///
    /// # Errors
    /// `TooManyPrincipals`.
    pub fn principal(&mut self, principal: &Principal) -> Result<PrincipalId, HistoryError> {
        self.history.principal(principal)
    }

    /// Begins a set of subjects (at least one) shown in the same way.
    ///
    /// * `fields`: empty if it is not told.
    /// * `reasons_known`: a subject that no reason explains is one that nothing explains.
    pub fn showing(
        &mut self,
        principal: PrincipalId,
        time: Timestamp,
        fields: FieldSet,
        reasons_known: bool,
    ) -> Showing {
        self.history.note_moment(principal, time);
        self.seen = self.seen.max(Some(time));
        Showing { principal, time, fields: self.history.field_number(fields), reasons_known }
    }

    /// Takes one disclosure of a subject with a whole number as its key.
    pub fn show_int(&mut self, showing: Showing, key: i64) {
        let at = shard_of(digest_of_int(key));
        let Some(parcel) = self.parcels.get_mut(at) else { return };
        if parcel.ints.capacity() == 0 {
            parcel.ints.reserve_exact(PARCEL);
        }
        parcel.ints.push(Shown { key, showing });
        if parcel.ints.len() == PARCEL {
            self.send(at);
        }
    }

    /// Takes one disclosure.
    pub fn show(&mut self, showing: Showing, key: &SubjectKey) {
        match canonical(key).into_owned() {
            SubjectKey::Int(int) => self.show_int(showing, int),
            key => self.put(shard_of(digest_of(&key)), |parcel| {
                parcel.others.push(Shown { key, showing });
                parcel.others.len()
            }),
        }
    }

    /// Takes a reason for every disclosure of a subject to a principal in a span of time, both ends included. Those
    /// that were taken up to 30 seconds of their own time before are explained by it too.
    pub fn explain(&mut self, principal: PrincipalId, key: &SubjectKey, from: Timestamp, until: Timestamp) {
        match canonical(key).into_owned() {
            SubjectKey::Int(key) => self.put(shard_of(digest_of_int(key)), |parcel| {
                parcel.int_reasons.push(Reason { key, principal, from, until });
                parcel.int_reasons.len()
            }),
            key => self.put(shard_of(digest_of(&key)), |parcel| {
                parcel.other_reasons.push(Reason { key, principal, from, until });
                parcel.other_reasons.len()
            }),
        }
    }

    /// Puts something into a shard's parcel and sends it if it is full.
    fn put(&mut self, shard: usize, put: impl FnOnce(&mut Parcel) -> usize) {
        if self.parcels.get_mut(shard).is_some_and(|parcel| put(parcel) >= PARCEL) {
            self.send(shard);
        }
    }

    fn send(&mut self, shard: usize) {
        let Some(parcel) = self.parcels.get_mut(shard).map(std::mem::take) else { return };
        let sent = Sent { parcel, seen: self.seen, fields: Arc::clone(&self.history.fields) };
        let count = self.threads.len().max(1);
        let thread = self.threads.get(shard % count);
        // A thread that is gone says why when it is joined.
        self.failed |= thread.is_none_or(|thread| thread.send((shard / count, sent)).is_err());
    }
}

pub(super) fn load<T, E: From<HistoryError>>(
    history: &mut History,
    threads: usize,
    read: impl FnOnce(&mut Feed<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let threads = threads.clamp(1, SHARDS);
    let mut of_threads: Vec<Vec<Sorting>> = (0..threads).map(|_| Vec::new()).collect();
    for (at, shard) in std::mem::take(&mut history.shards).into_parts().into_iter().enumerate() {
        if let Some(shards) = of_threads.get_mut(at % threads) {
            shards.push(Sorting { shard, settling: Settling::default() });
        }
    }
    std::thread::scope(|scope| {
        let (mut senders, mut sorting) = (Vec::new(), Vec::new());
        for shards in of_threads {
            let (sender, receiver) = sync_channel(PARCELS_AHEAD);
            senders.push(sender);
            sorting.push(scope.spawn(move || sort(shards, &receiver)));
        }
        let parcels = (0..SHARDS).map(|_| Parcel::default()).collect();
        let mut feed = Feed { history, parcels, threads: senders, seen: None, failed: false };
        let read = read(&mut feed);
        (0..SHARDS).for_each(|shard| feed.send(shard));
        let Feed { history, failed, threads, .. } = feed;
        // They end when nobody sends any more.
        drop(threads);
        history.shards = gather(sorting)?;
        if failed { Err(HistoryError::Interrupted.into()) } else { read }
    })
}

/// Waits for all threads and puts their shards in order again.
fn gather(
    sorting: Vec<ScopedJoinHandle<'_, Result<Vec<Shard>, HistoryError>>>,
) -> Result<Shards, HistoryError> {
    let mut of_threads = Vec::new();
    for thread in sorting {
        of_threads.push(thread.join().map_err(|_| HistoryError::Interrupted)??.into_iter());
    }
    let threads = of_threads.len();
    let parts = (0..SHARDS).filter_map(|at| of_threads.get_mut(at % threads)?.next());
    Ok(Shards::from_parts(parts.collect()))
}

/// A shard that is being filled.
#[derive(Debug)]
struct Sorting {
    shard: Shard,
    /// Field numbers of disclosures, by the subject's number within the shard.
    settling: Settling<u8>,
}

/// Takes parcels until there are no more.
fn sort(mut shards: Vec<Sorting>, parcels: &Receiver<(usize, Sent)>) -> Result<Vec<Shard>, HistoryError> {
    let mut room = Room::default();
    let mut fields = Arc::default();
    for (at, sent) in parcels {
        if let Some(sorting) = shards.get_mut(at) {
            sorting.take(&sent, &mut room)?;
        }
        fields = sent.fields;
    }
    let mut sorted = Vec::with_capacity(shards.len());
    for mut sorting in shards {
        sorting.settle(None, &fields, &mut room);
        sorting.shard.settle(&fields, &mut room);
        sorted.push(sorting.shard);
    }
    Ok(sorted)
}

impl Sorting {
    fn take(&mut self, sent: &Sent, room: &mut Room) -> Result<(), HistoryError> {
        let Parcel { ints, int_reasons, others, other_reasons } = &sent.parcel;
        for Reason { key, principal, from, until } in int_reasons {
            let local = self.shard.intern_int(digest_of_int(*key), *key)?;
            self.settling.explain((*principal, SubjectId(local)), *from, *until);
        }
        for Reason { key, principal, from, until } in other_reasons {
            let local = self.shard.intern(digest_of(key), key)?;
            self.settling.explain((*principal, SubjectId(local)), *from, *until);
        }
        for Shown { key, showing } in ints {
            let local = self.shard.intern_int(digest_of_int(*key), *key)?;
            self.show(local, *showing);
        }
        for Shown { key, showing } in others {
            let local = self.shard.intern(digest_of(key), key)?;
            self.show(local, *showing);
        }
        self.settle(sent.seen, &sent.fields, room);
        Ok(())
    }

    fn show(&mut self, local: u32, showing: Showing) {
        let Showing { principal, time, fields, reasons_known } = showing;
        self.settling.show((principal, SubjectId(local)), time, reasons_known, fields);
    }

    fn settle(&mut self, seen: Option<Timestamp>, fields: &FieldDictionary, room: &mut Room) {
        let Sorting { shard, settling } = self;
        settling.settle(seen, |(principal, subject), time, number, explanation| {
            shard.push(subject.0, Posting::new(principal.0, time, number, explanation), fields, room);
        });
    }
}
