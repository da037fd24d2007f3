//! From victims to the account their data left through, or to "none of our accounts".
//!
//! [`HistoryBuilder`] takes disclosures in any order and keeps them compact; [`History::trace`] weighs every
//! account, every population and the unknown route against the victims' reports. Pure: no I/O, no clock.
//! The model is described in `docs/trace-accuracy.md`.

mod engine;
mod history;
mod numeric;
mod outcome;
mod victim;

pub use history::{
    Disclosure, Explanation, Feed, History, HistoryBuilder, HistoryError, Moments, PrincipalId, Settling,
    Showing, SubjectId, View,
};
pub use outcome::{
    AccountScore, Campaign, Caveat, Collusion, Evidence, LeakWindow, Mark, NextReport, PopulationScore,
    Trace, VictimView,
};
pub use victim::{Interval, Prior, TraceOptions, Victim};
