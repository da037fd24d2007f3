//! Who was shown whom, when and why, in eight bytes an episode.

mod cohorts;
mod dictionary;
mod index;
mod neighbours;
mod posting;
mod shard;

use rastro_model::{FieldSet, Principal, SubjectKey, Timestamp};

use self::cohorts::Cohorts;
use self::dictionary::{FieldDictionary, SubjectDictionary};
use self::posting::HOUR_MICROS;
use self::shard::Shards;

pub(crate) use self::cohorts::MAX_COHORTS;
pub(crate) use self::index::{Index, Slice};
pub(crate) use self::neighbours::Group;
pub(crate) use self::posting::Posting;

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
        self.history.add(disclosure);
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
/// [`History::add`], then [`History::settle`].
#[derive(Debug, Default)]
pub struct History {
    principals: Vec<Principal>,
    principal_ids: hashbrown::HashMap<Principal, PrincipalId>,
    teams: Vec<(PrincipalId, String)>,
    subjects: SubjectDictionary,
    fields: FieldDictionary,
    shards: Shards,
    cohorts: Cohorts,
    moments: Vec<Option<Moments>>,
    index: Index,
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
        Ok(PrincipalId(id))
    }

    /// As [`HistoryBuilder::subject`].
    ///
    /// # Errors
    /// `TooManySubjects`.
    pub fn subject(&mut self, key: &SubjectKey) -> Result<SubjectId, HistoryError> {
        self.subjects.intern(key).map(SubjectId)
    }

    /// As [`HistoryBuilder::add`]; counts from the next [`History::settle`] on.
    pub fn add(&mut self, disclosure: Disclosure) {
        let Disclosure { principal, subject, time, fields, explanation } = disclosure;
        if let Some(moments) = self.moments.get_mut(usize::from(principal.0)) {
            *moments = Some(match *moments {
                None => Moments { first: time, last: time },
                Some(old) => Moments { first: old.first.min(time), last: old.last.max(time) },
            });
        }
        let fields = self.fields.intern(fields);
        self.shards.push(subject.0, Posting::new(principal.0, time, fields, explanation), &self.fields);
    }

    /// As [`HistoryBuilder::set_team`].
    pub fn set_team(&mut self, principal: PrincipalId, team: &str) {
        self.teams.retain(|(other, _)| *other != principal);
        self.teams.push((principal, team.to_owned()));
    }

    /// Makes what was added count. O(pairs) at most.
    pub fn settle(&mut self) {
        self.shards.settle(&self.fields);
        self.index = Index::build(&self.shards, &self.cohorts, self.principals.len(), &self.teams);
    }

    /// Returns how many accounts there are, silent ones included.
    pub fn accounts(&self) -> usize {
        self.principals.len()
    }

    /// Returns how many distinct subjects were shown to somebody.
    pub fn subjects_seen(&self) -> u64 {
        self.index.seen
    }

    /// Returns how many distinct pairs of account and subject there are.
    pub fn pairs(&self) -> u64 {
        self.index.pairs
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
        let Some(id) = self.subjects.find(subject) else { return Vec::new() };
        let mut views = Vec::new();
        for posting in self.shards.postings(id) {
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
        self.subjects.find(key)
    }

    pub(crate) fn postings(&self, subject: u32) -> impl Iterator<Item = Posting> + '_ {
        self.shards.postings(subject)
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
