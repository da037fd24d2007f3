use std::collections::BTreeMap;
use std::time::Duration;

use globset::{Glob, GlobSet, GlobSetBuilder};

/// One `[[budget]]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BudgetRule {
    /// Whom it binds: names, globs or names of groups.
    pub principals: Vec<String>,
    /// Length of the rolling window; at least 1 ms.
    pub window: Duration,
    /// Distinct subjects without a reason; works only with [`ReasonSettings`].
    pub unexplained: Option<u64>,
    /// All distinct subjects.
    pub total: Option<u64>,
}

/// How reasons are used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReasonSettings {
    /// How long a reason explains after it was last confirmed. An answer is kept for
    /// [`RECONFIRM_MICROS`](crate::RECONFIRM_MICROS) in any case, so a shorter time has the effect of that.
    pub grace: Duration,
}

/// A set of budgets that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// A name that is not a valid glob.
    #[error("budget {budget} names principals by the invalid glob `{glob}`")]
    Glob {
        /// Position of the budget, counted from 1.
        budget: usize,
        /// The text given.
        glob: String,
        /// What is wrong with it.
        source: globset::Error,
    },
    /// A window too short or too long to count in.
    #[error("budget {budget} has a window of {window:?}, expected 1 ms to 10 years")]
    Window {
        /// Position of the budget, counted from 1.
        budget: usize,
        /// The window given.
        window: Duration,
    },
    /// Too many globs for one matcher.
    #[error("cannot compile the principals of budget {budget}")]
    Compile {
        /// Position of the budget, counted from 1.
        budget: usize,
        /// Why.
        source: globset::Error,
    },
}

const WINDOW_MAX: Duration = Duration::from_secs(10 * 366 * 86_400);

/// A rule ready to match.
#[derive(Debug)]
pub(crate) struct CompiledRule {
    principals: GlobSet,
    pub(crate) window: Duration,
    pub(crate) unexplained: Option<u64>,
    pub(crate) total: Option<u64>,
}

impl CompiledRule {
    /// Compiles rule number `budget` (from 1); group names stand for the globs of `groups`.
    pub(crate) fn new(
        budget: usize,
        rule: &BudgetRule,
        groups: &BTreeMap<String, Vec<String>>,
    ) -> Result<CompiledRule, RuleError> {
        if rule.window < Duration::from_millis(1) || rule.window > WINDOW_MAX {
            return Err(RuleError::Window { budget, window: rule.window });
        }
        let mut set = GlobSetBuilder::new();
        for name in &rule.principals {
            let alone = std::slice::from_ref(name);
            for glob in groups.get(name).map_or(alone, Vec::as_slice) {
                let glob = Glob::new(glob).map_err(|source| RuleError::Glob {
                    budget,
                    glob: glob.clone(),
                    source,
                })?;
                set.add(glob);
            }
        }
        let principals = set.build().map_err(|source| RuleError::Compile { budget, source })?;
        Ok(CompiledRule { principals, window: rule.window, unexplained: rule.unexplained, total: rule.total })
    }

    pub(crate) fn matches(&self, principal: &str) -> bool {
        self.principals.is_match(principal)
    }
}
