//! Who was shown whom, when and why, in eight bytes an episode.

mod calendar;
mod cohorts;
mod dictionary;
mod feed;
mod fresh;
mod index;
mod neighbours;
mod posting;
mod settling;
mod shard;

use std::sync::Arc;

use rastro_model::{FieldSet, Principal, SubjectKey, Timestamp};

use self::cohorts::Cohorts;
use self::dictionary::FieldDictionary;
use self::fresh::Fresh;
use self::posting::HOUR_MICROS;
use self::shard::{Room, Shards};

pub(crate) use self::cohorts::MAX_COHORTS;
pub use self::feed::{Feed, Showing};
pub(crate) use self::index::{Index, Mass, Slice};
pub(crate) use self::posting::Posting;
pub use self::settling::Settling;

/// Number of an account within one history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PrincipalId(pub(crate) u16);

/// Number of a subject within one history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubjectId(pub(crate) u32);

/// Whether a disclosure had a reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Explanation {
    /// Nothing is known of reasons.
    #[default]
    Unknown,
    /// A reason explains it.
    Explained,
    /// None does.
    Unexplained,
}

/// One subject shown to one principal.
#[derive(Clone, Copy, Debug)]
pub struct Disclosure {
    /// To whom, from [`HistoryBuilder::principal`].
    pub principal: PrincipalId,
    /// Of whom, from [`HistoryBuilder::subject`].
    pub subject: SubjectId,
    /// When.
    pub time: Timestamp,
    /// Which fields. Empty: not told; then it counts as showing everything.
    pub fields: FieldSet,
    /// Whether a reason explains it.
    pub explanation: Explanation,
}

/// Why something does not fit into a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// More accounts than an episode can name.
    #[error("more than {} principals in one history", u16::MAX)]
    TooManyPrincipals,
    /// More subjects than a number can name.
    #[error("more than {} subjects in one history", u32::MAX)]
    TooManySubjects,
    /// A thread that sorts disclosures ended early.
    #[error("the building of the history was interrupted")]
    Interrupted,
}

/// First and last moment of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moments {
    /// First.
    pub first: Timestamp,
    /// Last.
    pub last: Timestamp,
}

/// One account's disclosures of one subject within about a day, to the hour.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// To whom.
    pub principal: Principal,
    /// First.
    pub first: Timestamp,
    /// Last.
    pub last: Timestamp,
    /// Fields shown, all together.
    pub fields: FieldSet,
    /// Whether a reason explains it.
    pub explanation: Explanation,
}

/// Takes disclosures in any order.
#[derive(Debug, Default)]
pub struct HistoryBuilder {
    history: History,
}

impl HistoryBuilder {
    /// Starts an empty history.
    pub fn new() -> HistoryBuilder {
        HistoryBuilder::default()
    }

    /// Returns the number of `principal`; a new one becomes an account even if it is never shown anybody.
    ///
    /// # Errors
    /// `TooManyPrincipals`.
    pub fn principal(&mut self, principal: &Principal) -> Result<PrincipalId, HistoryError> {
        self.history.principal(principal)
    }

    /// Returns the number of the subject `key`.
    ///
    /// # Errors
    /// `TooManySubjects`.
    pub fn subject(&mut self, key: &SubjectKey) -> Result<SubjectId, HistoryError> {
        self.history.subject(key)
    }

    /// Takes one disclosure. Amortised O(1); memory about 8 bytes per pair and day.
    pub fn add(&mut self, disclosure: Disclosure) {
        self.history.add_unsettled(disclosure);
    }

    /// Calls `read` with what takes disclosures in the order of a ledger, and has them sorted in on `threads` others.
    ///
    /// # Errors
    /// What `read` gives; `TooManySubjects`, `Interrupted`.
    pub fn load<T, E: From<HistoryError>>(
        &mut self,
        threads: usize,
        read: impl FnOnce(&mut Feed<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        feed::load(&mut self.history, threads, read)
    }

    /// Says that a subject belongs to the cohort `label` (such as `language=en`). At most 64 labels in a
    /// history and 8 a subject; further ones are ignored.
    pub fn add_cohort(&mut self, subject: SubjectId, label: &str) {
        self.history.cohorts.add(subject, label);
    }

    /// Says that a principal belongs to `team`. Without this, teams are learned from overlap.
    pub fn set_team(&mut self, principal: PrincipalId, team: &str) {
        self.history.set_team(principal, team);
    }

    /// Ends the building: sorts, counts, and learns which accounts see the same subjects. O(disclosures).
    pub fn finish(mut self) -> History {
        self.history.settle();
        self.history
    }
}

/// Who was shown whom. To keep one up to date: [`History::principal`], [`History::subject`],
/// [`History::add`]; and [`History::settle`] now and then.
#[derive(Debug, Default)]
pub struct History {
    principals: Vec<Principal>,
    principal_ids: hashbrown::HashMap<Principal, PrincipalId>,
    teams: Vec<(PrincipalId, String)>,
    fields: Arc<FieldDictionary>,
    shards: Shards,
    room: Room,
    cohorts: Cohorts,
    moments: Vec<Option<Moments>>,
    index: Index,
    fresh: Fresh,
}

impl History {
    /// As [`HistoryBuilder::principal`].
    ///
    /// # Errors
    /// `TooManyPrincipals`.
    pub fn principal(&mut self, principal: &Principal) -> Result<PrincipalId, HistoryError> {
        if let Some(id) = self.principal_ids.get(principal) {
            return Ok(*id);
        }
        let id = u16::try_from(self.principals.len()).map_err(|_| HistoryError::TooManyPrincipals)?;
        self.principals.push(principal.clone());
        self.moments.push(None);
        self.principal_ids.insert(principal.clone(), PrincipalId(id));
        self.index.note_account();
        Ok(PrincipalId(id))
    }

    /// As [`HistoryBuilder::subject`].
    ///
    /// # Errors
    /// `TooManySubjects`.
    pub fn subject(&mut self, key: &SubjectKey) -> Result<SubjectId, HistoryError> {
        self.shards.intern(key).map(SubjectId)
    }

    /// Takes one disclosure, which counts at once. Cost: O(accounts that saw the subject). What is learned
    /// from overlap (teams, broad accounts) and exposure-weighted sums wait for [`History::settle`].
    pub fn add(&mut self, disclosure: Disclosure) {
        self.note_moment(disclosure.principal, disclosure.time);
        let number = self.field_number(disclosure.fields);
        let posting = Posting::new(disclosure.principal.0, disclosure.time, number, disclosure.explanation);
        let known = self.shards.postings(disclosure.subject.0);
        let novelty = self.fresh.add(disclosure.subject.0, posting, known);
        self.index.add(posting, novelty, self.cohorts.of(disclosure.subject.0));
    }

    /// Forgets what was added since the last settling: to ask "what if".
    pub fn forget_unsettled(&mut self) {
        self.fresh.clear();
        self.index.forget_fresh();
    }

    fn add_unsettled(&mut self, disclosure: Disclosure) {
        self.note_moment(disclosure.principal, disclosure.time);
        let number = self.field_number(disclosure.fields);
        let posting = Posting::new(disclosure.principal.0, disclosure.time, number, disclosure.explanation);
        self.shards.push(disclosure.subject.0, posting, &self.fields, &mut self.room);
    }

    fn field_number(&mut self, fields: FieldSet) -> u8 {
        self.fields.find(fields).unwrap_or_else(|| Arc::make_mut(&mut self.fields).intern(fields))
    }

    fn note_moment(&mut self, principal: PrincipalId, time: Timestamp) {
        if let Some(moments) = self.moments.get_mut(usize::from(principal.0)) {
            *moments = Some(match *moments {
                None => Moments { first: time, last: time },
                Some(old) => Moments { first: old.first.min(time), last: old.last.max(time) },
            });
        }
    }

    /// As [`HistoryBuilder::set_team`].
    pub fn set_team(&mut self, principal: PrincipalId, team: &str) {
        self.teams.retain(|(other, _)| *other != principal);
        self.teams.push((principal, team.to_owned()));
    }

    /// Takes what was added into the sorted lists, and counts and learns anew. O(pairs).
    pub fn settle(&mut self) {
        for (subject, posting) in self.fresh.drain() {
            self.shards.push(subject, posting, &self.fields, &mut self.room);
        }
        self.shards.settle(&self.fields);
        self.room = Room::default();
        self.index = Index::build(&self.shards, &self.cohorts, self.principals.len(), &self.teams);
    }

    /// Returns how many accounts there are, silent ones included.
    pub fn accounts(&self) -> usize {
        self.principals.len()
    }

    /// Returns how many distinct subjects were shown to somebody.
    pub fn subjects_seen(&self) -> u64 {
        self.index.seen()
    }

    /// Returns how many distinct pairs of account and subject there are.
    pub fn pairs(&self) -> u64 {
        self.index.pairs()
    }

    /// Returns the first and last disclosure to `principal`, exactly; `None` if there is none.
    pub fn moments(&self, principal: &Principal) -> Option<Moments> {
        let id = self.principal_ids.get(principal)?;
        self.moments.get(usize::from(id.0)).copied().flatten()
    }

    /// Returns how many distinct subjects `principal` was shown.
    pub fn exposed(&self, principal: &Principal) -> u64 {
        self.principal_ids.get(principal).map_or(0, |id| self.index.exposed(id.0))
    }

    /// Returns every episode in which `subject` was shown, by account and time. Empty if it is not known.
    pub fn views(&self, subject: &SubjectKey) -> Vec<View> {
        let Some(id) = self.shards.find(subject) else { return Vec::new() };
        let mut views = Vec::new();
        for posting in self.postings(id) {
            let Some(principal) = self.principals.get(usize::from(posting.account())) else { continue };
            views.push(View {
                principal: principal.clone(),
                first: Timestamp(posting.first_hour().saturating_mul(HOUR_MICROS)),
                last: Timestamp(posting.last_hour().saturating_mul(HOUR_MICROS)),
                fields: self.fields.get(posting.fields()),
                explanation: posting.explanation(),
            });
        }
        views
    }

    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    pub(crate) fn name(&self, account: u16) -> Option<&Principal> {
        self.principals.get(usize::from(account))
    }

    pub(crate) fn find(&self, key: &SubjectKey) -> Option<u32> {
        self.shards.find(key)
    }

    /// Returns the episodes of `subject` by account and time.
    pub(crate) fn postings(&self, subject: u32) -> Vec<Posting> {
        let mut all: Vec<Posting> = self.shards.postings(subject).collect();
        let fresh = self.fresh.of(subject);
        if !fresh.is_empty() {
            all.extend(fresh);
            all.sort_unstable();
        }
        all
    }

    pub(crate) fn shown(&self, posting: Posting) -> FieldSet {
        self.fields.get(posting.fields())
    }

    pub(crate) fn cohorts_of(&self, subject: u32) -> u64 {
        self.cohorts.of(subject)
    }

    pub(crate) fn cohort_name(&self, cohort: usize) -> &str {
        self.cohorts.name(cohort)
    }
}
