use rastro_model::{FieldSet, SubjectKey, Timestamp};

/// A stretch of time, both ends included; an open end is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interval {
    /// First moment.
    pub from: Option<Timestamp>,
    /// Last moment.
    pub until: Option<Timestamp>,
}

/// A subject who reported misuse.
#[derive(Clone, Debug, PartialEq)]
pub struct Victim {
    /// Whose data was misused.
    pub subject: SubjectKey,
    /// When it was reported; only disclosures up to then can explain it. `None`: after all of them.
    pub reported_at: Option<Timestamp>,
    /// What the caller knew; only disclosures that showed all of it can explain it. Empty: not told.
    pub known: FieldSet,
    /// When the values that the caller knew were current (an old phone number, a ticket number that is
    /// only so old); only disclosures then can explain it. `None`: not told.
    pub current: Option<Interval>,
    /// Probability (0 to 1) that the report is about this leak at all. `None`: what reports usually are,
    /// better when the caller knew a rare field, see [`TraceOptions::telling`].
    pub reliability: Option<f64>,
}

impl Victim {
    /// A victim of whom nothing but the key is known.
    pub fn new(subject: SubjectKey) -> Victim {
        Victim { subject, reported_at: None, known: FieldSet::EMPTY, current: None, reliability: None }
    }
}

/// What is believed before the first report.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prior {
    /// Probability that no ordinary recorded account is the route. The default was calibrated on simulated
    /// worlds, in three of ten of which nobody inside was guilty: the populations weighed against accounts
    /// are so many that they explain more than their share.
    pub unknown_route: f64,
    /// Probability, given that accounts are the route, that there are several.
    pub several_accounts: f64,
}

impl Default for Prior {
    fn default() -> Prior {
        Prior { unknown_route: 0.15, several_accounts: 0.05 }
    }
}

/// How to trace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TraceOptions {
    /// How many subjects there are in all, seen or not. `None`, or fewer than the history shows: as many as
    /// the history shows, with a caveat.
    pub population: Option<u64>,
    /// What is believed beforehand.
    pub prior: Prior,
    /// Fields that only few know (ticket numbers): a caller who knows one is taken for part of the leak more
    /// readily, one who knows none of them and yet knows something, less so.
    pub telling: FieldSet,
    /// At most so many accounts and populations in the result, best first; 0 means 50.
    pub ranked_max: usize,
}
