use std::time::Duration;

use rastro_model::{KindId, SubjectKey, Timestamp};

/// What a passed limit leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Rows past a limit are not admitted.
    Enforce,
    /// Every row is admitted; a passed limit is reported once per window.
    Observe,
}

/// Which limit of a budget.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Limit {
    /// All distinct subjects.
    Total,
    /// Distinct subjects that no reason explains.
    Unexplained,
}

impl Limit {
    /// Returns the key of the limit in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Limit::Total => "total",
            Limit::Unexplained => "unexplained",
        }
    }
}

/// A limit that the next row would pass (enforce) or that was passed (observe).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Breach {
    /// Which limit.
    pub limit: Limit,
    /// Distinct subjects allowed in a window.
    pub allowed: u64,
    /// Length of the window.
    pub window: Duration,
}

/// What becomes of the rows after the admitted ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Every row was admitted.
    All,
    /// Enforce: cut here. Observe: every row was admitted, report this.
    Breach(Breach),
    /// The next row waits for answers: wait with [`PrincipalBudget::answered`](crate::PrincipalBudget::answered), then admit the rest.
    AwaitReasons,
}

/// The verdict on a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Admission {
    /// Rows, counted from `from_row`, that may be released; all their subjects are now counted.
    pub rows: u32,
    /// What becomes of the rest.
    pub next: Next,
    /// Whether this call raised questions: see [`PrincipalBudget::take_questions`](crate::PrincipalBudget::take_questions).
    pub asked: bool,
    /// How many answers had arrived; the argument of [`PrincipalBudget::answered`](crate::PrincipalBudget::answered).
    pub answers_seen: u64,
}

/// Asks which reason a principal has to see a subject.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Question {
    /// Which `[[subject]]`.
    pub kind: KindId,
    /// Who was shown.
    pub key: SubjectKey,
    /// When the question was raised.
    pub asked_at: Timestamp,
}

/// A reason found: what the ledger keeps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReasonFact {
    /// Which `[[subject]]`.
    pub kind: KindId,
    /// Who is explained.
    pub key: SubjectKey,
    /// The reason, as the reason query gave it.
    pub reason: Box<str>,
    /// When the question was raised.
    pub asked_at: Timestamp,
    /// Until when the reason explains, unless it is confirmed again.
    pub until: Timestamp,
}

/// What a set of answers led to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Answered {
    /// Reasons found.
    pub facts: Vec<ReasonFact>,
    /// Observe mode: rows released before their answer turned out to pass the `unexplained` limit.
    pub breach: Option<Breach>,
}
