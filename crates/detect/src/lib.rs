//! Budgets of distinct subjects per principal, the reasons that explain what was shown, and suspensions.
//!
//! Pure: no sockets, no files, no clock. Time comes in as an argument, control goes out as a value. The one
//! synchronisation is a mutex per principal, taken once per batch.

mod admission;
mod book;
mod budget;
mod identity;
mod reasons;
mod rule;
mod suspension;
mod waiting;
mod window;

pub use admission::{Admission, Answered, Breach, Limit, Mode, Next, Question, ReasonFact};
pub use book::BudgetBook;
pub use budget::PrincipalBudget;
pub use reasons::{ASK_AGAIN_MICROS, ASK_LOST_MICROS, QUESTIONS_MAX, REASONS_MAX, RECONFIRM_MICROS};
pub use rule::{BudgetRule, ReasonSettings, RuleError};
pub use suspension::{Restoration, Suspension, SuspensionBoard, SuspensionFileError, Suspensions};
pub use waiting::Answers;
