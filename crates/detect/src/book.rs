use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::Mutex;
use rastro_model::{KindId, Principal, SubjectKey, Timestamp};

use crate::budget::PrincipalBudget;
use crate::identity::Identifier;
use crate::rule::{BudgetRule, CompiledRule, ReasonSettings, RuleError};

/// The budgets of all principals.
#[derive(Debug)]
pub struct BudgetBook {
    names: Identifier,
    rules: Vec<CompiledRule>,
    reasons: Option<ReasonSettings>,
    /// Shared by every principal for whom nothing is counted or asked.
    unlimited: Arc<PrincipalBudget>,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    budgets: HashMap<Principal, Arc<PrincipalBudget>>,
    sweep_at: usize,
    /// The latest time seen, for sweeps that nobody gives a time to.
    now: Timestamp,
}

/// Principals kept before the first sweep of idle ones.
const SWEEP_AT_MIN: usize = 4_096;

impl BudgetBook {
    /// Compiles the rules; `groups` maps group names to globs.
    ///
    /// # Errors
    /// An invalid glob or a window outside 1 ms to 10 years, with the number of the budget.
    pub fn new(
        rules: &[BudgetRule],
        groups: &BTreeMap<String, Vec<String>>,
        reasons: Option<ReasonSettings>,
    ) -> Result<BudgetBook, RuleError> {
        let names = Identifier::default();
        let rules = rules
            .iter()
            .enumerate()
            .map(|(index, rule)| CompiledRule::new(index.saturating_add(1), rule, groups))
            .collect::<Result<_, _>>()?;
        let unlimited = Arc::new(PrincipalBudget::new(names.clone(), None, None));
        let open = Mutex::new(Open { sweep_at: SWEEP_AT_MIN, ..Open::default() });
        Ok(BudgetBook { names, rules, reasons, unlimited, open })
    }

    /// Returns the budget of a principal: that of the first rule that matches, else an unlimited one. All
    /// sessions of the principal share it. The name is matched as it is, case and all.
    pub fn principal(&self, principal: &Principal) -> Arc<PrincipalBudget> {
        let mut open = self.open.lock();
        if let Some(budget) = open.budgets.get(principal) {
            return Arc::clone(budget);
        }
        let rule = self.rules.iter().find(|rule| rule.matches(principal.as_str()));
        let counts = rule.is_some_and(|rule| rule.total.is_some());
        if !counts && self.reasons.is_none() {
            return Arc::clone(&self.unlimited);
        }
        if open.budgets.len() >= open.sweep_at {
            open.sweep();
        }
        let budget = Arc::new(PrincipalBudget::new(self.names.clone(), rule, self.reasons));
        open.budgets.insert(principal.clone(), Arc::clone(&budget));
        budget
    }

    /// Forgets principals without a session for whom nothing counts any more; call it every minute or so.
    /// Returns how many are left.
    pub fn evict_idle(&self, now: Timestamp) -> usize {
        let mut open = self.open.lock();
        open.now = open.now.max(now);
        open.sweep();
        open.budgets.len()
    }

    /// Rebuilds state at the start: `principal` was shown a subject at `time`. Calls come in order of time.
    pub fn replay_disclosure(&self, principal: &Principal, kind: KindId, key: &SubjectKey, time: Timestamp) {
        self.principal(principal).replay_disclosure(kind, key, time);
    }

    /// The same for many integer keys shown at once; about 50 ns a key, less for rising ones.
    pub fn replay_disclosures_int(&self, principal: &Principal, kind: KindId, keys: &[i64], time: Timestamp) {
        self.principal(principal).replay_ints(kind, keys, time);
    }

    /// Rebuilds state at the start: a reason found for a question raised at `asked_at`, as
    /// [`ReasonFact`](crate::ReasonFact) gave it. Before or after the disclosure that raised the question.
    pub fn replay_reason(
        &self,
        principal: &Principal,
        kind: KindId,
        key: &SubjectKey,
        asked_at: Timestamp,
        until: Timestamp,
    ) {
        self.principal(principal).replay_reason(kind, key, asked_at, until);
    }
}

impl Open {
    fn sweep(&mut self) {
        let now = self.now;
        self.budgets.retain(|_, budget| Arc::strong_count(budget) > 1 || !budget.is_idle(now));
        self.sweep_at = self.budgets.len().saturating_mul(2).max(SWEEP_AT_MIN);
    }
}
