use rastro_model::SubjectKey;

use super::HistoryError;
use super::dictionary::{FieldDictionary, SubjectDictionary, canonical, digest_of};
use super::posting::Posting;

const SHARD_BITS: u32 = 8;
/// How many shards there are.
pub(super) const SHARDS: usize = 1 << SHARD_BITS;
/// Episodes a shard holds unsorted before it merges them, or a quarter of what it holds sorted if that is more.
const PENDING_MIN: usize = 16_384;
/// Fewer episodes are not worth a second thread.
const EPISODES_OF_ONE: usize = 100_000;

/// Subjects and their posting lists, in 256 shards by the digest of the key: each fits a core's cache, a merge needs
/// little room, and threads can each have their own. A subject's number ends in its shard's 8 bits.
#[derive(Debug)]
pub(super) struct Shards(Vec<Shard>);

impl Default for Shards {
    fn default() -> Shards {
        Shards((0..SHARDS).map(|_| Shard::default()).collect())
    }
}

/// Subjects, numbered within the shard, and their episodes. Sorted: `starts[local]..starts[local + 1]` of `postings`.
#[derive(Debug, Default)]
pub(super) struct Shard {
    subjects: SubjectDictionary,
    starts: Vec<u32>,
    postings: Vec<u64>,
    /// Subjects of `pending`.
    pending_of: Vec<u32>,
    pending: Vec<u64>,
}

/// Memory that merges use again.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// Where the pending episodes of each subject end in `sorted`.
    ends: Vec<u32>,
    sorted: Vec<u64>,
}

/// Returns the shard of a key with this digest. The dictionaries' tables use the bits below and above.
pub(super) fn shard_of(digest: u64) -> usize {
    wide(u32::try_from(digest >> 40 & (SHARDS as u64 - 1)).unwrap_or(0))
}

fn place(subject: u32) -> (usize, u32) {
    (wide(subject) & (SHARDS - 1), subject >> SHARD_BITS)
}

impl Shards {
    /// Splits into shards, in the order of their numbers.
    pub(super) fn into_parts(self) -> Vec<Shard> {
        self.0
    }

    /// The inverse.
    pub(super) fn from_parts(parts: Vec<Shard>) -> Shards {
        Shards(parts)
    }

    /// Returns the number of the subject `key`; a new one if it has none.
    pub(super) fn intern(&mut self, key: &SubjectKey) -> Result<u32, HistoryError> {
        let key = canonical(key);
        let digest = digest_of(&key);
        let at = shard_of(digest);
        let shard = self.0.get_mut(at).ok_or(HistoryError::TooManySubjects)?;
        let local = shard.intern(digest, &key)?;
        Ok(local << SHARD_BITS | u32::try_from(at).unwrap_or(0))
    }

    pub(super) fn find(&self, key: &SubjectKey) -> Option<u32> {
        let key = canonical(key);
        let digest = digest_of(&key);
        let at = shard_of(digest);
        let local = self.0.get(at)?.subjects.find(digest, &key)?;
        Some(local << SHARD_BITS | u32::try_from(at).unwrap_or(0))
    }

    pub(super) fn push(&mut self, subject: u32, posting: Posting, fields: &FieldDictionary, room: &mut Room) {
        let (shard, local) = place(subject);
        if let Some(shard) = self.0.get_mut(shard) {
            shard.push(local, posting, fields, room);
        }
    }

    /// Merges everything pending and gives spare room back.
    pub(super) fn settle(&mut self, fields: &FieldDictionary) {
        let mut room = Room::default();
        for shard in &mut self.0 {
            shard.settle(fields, &mut room);
        }
    }

    /// Iterates over the episodes of `subject`, by account and time.
    pub(super) fn postings(&self, subject: u32) -> impl Iterator<Item = Posting> + '_ {
        let (shard, local) = place(subject);
        self.0.get(shard).map_or(&[][..], |shard| shard.list(local)).iter().map(|bits| Posting(*bits))
    }

    /// Calls `visit` with every subject that has episodes, and these.
    pub(super) fn each(&self, mut visit: impl FnMut(u32, &[u64])) {
        for (low, shard) in (0u32..).zip(&self.0) {
            shard.each(|local, list| visit(local << SHARD_BITS | low, list));
        }
    }

    /// As [`Shards::each`], on all cores: each begins with `new`, visits some of the subjects, and gives its result.
    pub(super) fn fold<T: Send>(
        &self,
        new: impl Fn() -> T + Sync,
        visit: impl Fn(&mut T, u32, &[u64]) + Sync,
    ) -> Vec<T> {
        let episodes: usize = self.0.iter().map(|shard| shard.postings.len()).sum();
        let threads = match episodes {
            ..EPISODES_OF_ONE => 1,
            _ => std::thread::available_parallelism().map_or(1, usize::from),
        };
        let fold = |first: usize| {
            let mut folded = new();
            for (low, shard) in (0u32..).zip(&self.0).skip(first).step_by(threads) {
                shard.each(|local, list| visit(&mut folded, local << SHARD_BITS | low, list));
            }
            folded
        };
        std::thread::scope(|scope| {
            let fold = &fold;
            let others: Vec<_> = (1..threads).map(|first| scope.spawn(move || fold(first))).collect();
            let mut folded = vec![fold(0)];
            for other in others {
                match other.join() {
                    Ok(part) => folded.push(part),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            folded
        })
    }
}

fn wide(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

fn narrow(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

impl Shard {
    /// Returns the number within the shard of `key`, whose digest is `digest`.
    pub(super) fn intern(&mut self, digest: u64, key: &SubjectKey) -> Result<u32, HistoryError> {
        self.subjects.intern(digest, key, u32::MAX >> SHARD_BITS)
    }

    /// As [`Shard::intern`].
    pub(super) fn intern_int(&mut self, digest: u64, key: i64) -> Result<u32, HistoryError> {
        self.subjects.intern_int(digest, key, u32::MAX >> SHARD_BITS)
    }

    pub(super) fn push(&mut self, local: u32, posting: Posting, fields: &FieldDictionary, room: &mut Room) {
        let most = PENDING_MIN.max(self.postings.len() / 4);
        if self.pending.len() >= most {
            self.merge(fields, room);
        }
        if self.pending.capacity() == 0 {
            self.pending.reserve_exact(PENDING_MIN / 16);
            self.pending_of.reserve_exact(PENDING_MIN / 16);
        }
        self.pending_of.push(local);
        self.pending.push(posting.0);
    }

    pub(super) fn settle(&mut self, fields: &FieldDictionary, room: &mut Room) {
        self.merge(fields, room);
        (self.pending, self.pending_of) = (Vec::new(), Vec::new());
    }

    fn list(&self, local: u32) -> &[u64] {
        let at = wide(local);
        let (Some(from), Some(until)) = (self.starts.get(at), self.starts.get(at + 1)) else { return &[] };
        self.postings.get(wide(*from)..wide(*until)).unwrap_or_default()
    }

    fn each(&self, mut visit: impl FnMut(u32, &[u64])) {
        for (local, range) in (0u32..).zip(self.starts.windows(2)) {
            let [from, until] = *range else { continue };
            if let Some(list) = self.postings.get(wide(from)..wide(until))
                && !list.is_empty()
            {
                visit(local, list);
            }
        }
    }

    fn merge(&mut self, fields: &FieldDictionary, room: &mut Room) {
        if self.pending.is_empty() {
            return;
        }
        room.sort(self.subjects.len(), &self.pending_of, &self.pending);
        let mut merged = Vec::with_capacity(self.postings.len() + self.pending.len());
        let mut starts = Vec::with_capacity(self.subjects.len() + 1);
        let mut from = 0;
        for (local, end) in (0u32..).zip(&room.ends) {
            starts.push(narrow(merged.len()));
            let new = room.sorted.get_mut(from..wide(*end)).unwrap_or_default();
            from = wide(*end);
            if new.is_empty() {
                merged.extend_from_slice(self.list(local));
            } else {
                new.sort_unstable();
                join(self.list(local), new, fields, &mut merged);
            }
        }
        starts.push(narrow(merged.len()));
        merged.shrink_to_fit();
        (self.starts, self.postings) = (starts, merged);
        self.pending_of.clear();
        self.pending.clear();
    }
}

/// Merges two sorted lists of one subject's episodes.
fn join(old: &[u64], new: &[u64], fields: &FieldDictionary, merged: &mut Vec<u64>) {
    let (mut old, mut new) = (old.iter().copied().peekable(), new.iter().copied().peekable());
    let mut last: Option<Posting> = None;
    loop {
        let next = match (old.peek(), new.peek()) {
            (Some(known), Some(bits)) if known <= bits => old.next(),
            (Some(_), None) => old.next(),
            _ => new.next(),
        };
        let Some(next) = next.map(Posting) else { break };
        last = match last {
            None => Some(next),
            Some(before) => match before.merge(next, |a, b| fields.union(a, b)) {
                Some(both) => Some(both),
                None => {
                    merged.push(before.0);
                    Some(next)
                }
            },
        };
    }
    merged.extend(last.map(|posting| posting.0));
}

impl Room {
    /// Sorts episodes by their subjects, of which there are `subjects`, by counting; each one's stay in their order.
    fn sort(&mut self, subjects: usize, of: &[u32], episodes: &[u64]) {
        let Room { ends, sorted } = self;
        ends.clear();
        ends.resize(subjects, 0);
        for local in of {
            if let Some(count) = ends.get_mut(wide(*local)) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for end in ends.iter_mut() {
            let count = *end;
            *end = sum;
            sum += count;
        }
        sorted.clear();
        sorted.resize(episodes.len(), 0);
        for (local, episode) in of.iter().zip(episodes) {
            if let Some(end) = ends.get_mut(wide(*local))
                && let Some(place) = sorted.get_mut(wide(*end))
            {
                *place = *episode;
                *end += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rastro_model::Timestamp;

    use super::*;
    use crate::history::Explanation;

    #[test]
    fn postings_in_any_order_and_portions_give_the_same_lists() {
        let fields = FieldDictionary::default();
        let day = 86_400_000_000i64;
        let mut records = Vec::new();
        for n in 0..5_000u32 {
            let hash = n.wrapping_mul(2_654_435_761);
            let account = u16::try_from(hash >> 29).unwrap();
            records.push((hash % 700, account, i64::from(hash % 97) * 3 * day));
        }
        let build = |records: &[(u32, u16, i64)], settle_every: usize| {
            let (mut shards, mut room) = (Shards::default(), Room::default());
            for subject in 0..700 {
                shards.intern(&SubjectKey::Int(subject)).unwrap();
            }
            for (count, (subject, account, time)) in records.iter().enumerate() {
                let posting = Posting::new(*account, Timestamp(*time), 0, Explanation::Unknown);
                let subject = shards.find(&SubjectKey::Int(i64::from(*subject))).unwrap();
                shards.push(subject, posting, &fields, &mut room);
                if count % settle_every == 0 {
                    shards.settle(&fields);
                }
            }
            shards.settle(&fields);
            let mut all = Vec::new();
            shards.each(|subject, list| all.push((subject, list.to_vec())));
            all
        };
        let whole = build(&records, usize::MAX);
        records.reverse();
        assert_eq!(whole, build(&records, 333));
        let mut distinct = records;
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(whole.iter().map(|(_, list)| list.len()).sum::<usize>(), distinct.len());
    }
}
