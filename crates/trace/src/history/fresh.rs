//! Disclosures since the last settling.

use hashbrown::HashMap;

use super::Explanation;
use super::posting::Posting;

/// What is new about a disclosure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Novelty {
    /// Nobody had been shown this subject.
    pub(super) subject: bool,
    /// The account had not.
    pub(super) pair: bool,
    /// The account had not without a reason, and this has none.
    pub(super) unexplained: bool,
    /// Accounts that have seen the subject now.
    pub(super) seen_by: usize,
}

/// Episodes by subject, unmerged.
#[derive(Debug, Default)]
pub(super) struct Fresh(HashMap<u32, Vec<Posting>>);

impl Fresh {
    /// Adds an episode; `known` are the settled ones of the subject.
    pub(super) fn add(
        &mut self,
        subject: u32,
        posting: Posting,
        known: impl Iterator<Item = Posting>,
    ) -> Novelty {
        let list = self.0.entry(subject).or_default();
        let (mut pair, mut lacks_reason) = (true, posting.explanation() == Explanation::Unexplained);
        let mut accounts: Vec<u16> = Vec::new();
        for other in known.chain(list.iter().copied()) {
            accounts.push(other.account());
            if other.account() == posting.account() {
                pair = false;
                lacks_reason &= other.explanation() != Explanation::Unexplained;
            }
        }
        let subject = accounts.is_empty();
        accounts.push(posting.account());
        accounts.sort_unstable();
        accounts.dedup();
        list.push(posting);
        Novelty { subject, pair, unexplained: lacks_reason, seen_by: accounts.len() }
    }

    pub(super) fn of(&self, subject: u32) -> &[Posting] {
        self.0.get(&subject).map_or(&[], Vec::as_slice)
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Takes everything out.
    pub(super) fn drain(&mut self) -> Vec<(u32, Posting)> {
        self.0
            .drain()
            .flat_map(|(subject, list)| list.into_iter().map(move |posting| (subject, posting)))
            .collect()
    }
}
