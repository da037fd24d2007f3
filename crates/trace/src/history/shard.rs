use super::dictionary::FieldDictionary;
use super::posting::Posting;

const SHARD_BITS: u32 = 8;
/// Episodes a shard holds unsorted before it merges them, or half of what it holds sorted if that is more.
const PENDING_MIN: usize = 32_768;

/// Posting lists by subject, in 256 shards so that a merge needs little room.
#[derive(Debug)]
pub(super) struct Shards(Vec<Shard>);

impl Default for Shards {
    fn default() -> Shards {
        Shards((0..1usize << SHARD_BITS).map(|_| Shard::default()).collect())
    }
}

/// Subjects whose number ends in the same 8 bits. Sorted: `starts[local]..starts[local + 1]` of `postings`.
#[derive(Debug, Default)]
struct Shard {
    starts: Vec<u32>,
    postings: Vec<u64>,
    pending: Vec<(u32, u64)>,
}

fn place(subject: u32) -> (usize, u32) {
    let shard = usize::try_from(subject & ((1 << SHARD_BITS) - 1)).unwrap_or(0);
    (shard, subject >> SHARD_BITS)
}

impl Shards {
    pub(super) fn push(&mut self, subject: u32, posting: Posting, fields: &FieldDictionary) {
        let (shard, local) = place(subject);
        if let Some(shard) = self.0.get_mut(shard) {
            shard.pending.push((local, posting.0));
            if shard.pending.len() >= PENDING_MIN.max(shard.postings.len() / 2) {
                shard.merge(fields);
            }
        }
    }

    /// Merges everything pending and gives spare room back.
    pub(super) fn settle(&mut self, fields: &FieldDictionary) {
        for shard in &mut self.0 {
            shard.merge(fields);
            shard.pending = Vec::new();
            shard.postings.shrink_to_fit();
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
            for (local, range) in (0u32..).zip(shard.starts.windows(2)) {
                let [from, until] = *range else { continue };
                if let Some(list) = shard.postings.get(wide(from)..wide(until))
                    && !list.is_empty()
                {
                    visit(local << SHARD_BITS | low, list);
                }
            }
        }
    }
}

fn wide(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

impl Shard {
    fn list(&self, local: u32) -> &[u64] {
        let at = wide(local);
        let (Some(from), Some(until)) = (self.starts.get(at), self.starts.get(at + 1)) else { return &[] };
        self.postings.get(wide(*from)..wide(*until)).unwrap_or_default()
    }

    fn merge(&mut self, fields: &FieldDictionary) {
        if self.pending.is_empty() {
            return;
        }
        self.pending.sort_unstable();
        let locals_before = self.starts.len().saturating_sub(1);
        let locals = locals_before.max(self.pending.last().map_or(0, |(local, _)| wide(*local) + 1));
        let mut merged = Vec::with_capacity(self.postings.len() + self.pending.len());
        let mut starts = Vec::with_capacity(locals + 1);
        let mut fresh = self.pending.iter().peekable();
        for local in 0..u32::try_from(locals).unwrap_or(u32::MAX) {
            starts.push(u32::try_from(merged.len()).unwrap_or(u32::MAX));
            let mut old = self.list(local).iter().copied().peekable();
            let mut last: Option<Posting> = None;
            loop {
                let new = fresh.peek().filter(|(at, _)| *at == local).map(|(_, bits)| *bits);
                let next = match (old.peek().copied(), new) {
                    (None, None) => break,
                    (Some(bits), None) => {
                        old.next();
                        bits
                    }
                    (Some(bits), Some(other)) if bits <= other => {
                        old.next();
                        bits
                    }
                    (_, Some(bits)) => {
                        fresh.next();
                        bits
                    }
                };
                let next = Posting(next);
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
        starts.push(u32::try_from(merged.len()).unwrap_or(u32::MAX));
        self.starts = starts;
        self.postings = merged;
        self.pending.clear();
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
            let mut shards = Shards::default();
            for (count, (subject, account, time)) in records.iter().enumerate() {
                let posting = Posting::new(*account, Timestamp(*time), 0, Explanation::Unknown);
                shards.push(*subject, posting, &fields);
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
