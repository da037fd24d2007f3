//! Rows that were read go to the client up to the first that may not be shown.

use rastro_detect::{Mode, Next as BudgetNext};
use rastro_ledger::Outcome;
use rastro_model::{Certainty, Clock, ShownKey};
use rastro_wire::{ClientError, Next, RowsEnd, Settlement};

use super::copying::Copying;
use super::sight::Sight;
use super::text::StatementText;
use super::{Execution, SessionInspector};
use crate::config::Policy;

const GO: Settlement = Settlement { rows: 0, hold: 0, next: Next::Go };

impl SessionInspector {
    pub(super) fn settle_rows(&mut self, execution: &mut Execution, end: RowsEnd) -> Settlement {
        if end != RowsEnd::Open {
            self.identity.settle(execution.ordinal, end == RowsEnd::Completed);
            self.copying = Copying::Unknown;
        }
        if execution.mixed {
            self.batch.doubt_exact();
        }
        if execution.sight == Sight::Asked {
            self.batch.drop_unattributed();
        }
        self.refuse_rows(execution);
        if execution.sight == Sight::Unseen && self.told_unseen(execution, end) {
            self.count_unseen();
        }
        execution.told = end == RowsEnd::Open && (execution.told || !self.batch.is_empty());
        if self.has_no_rows() && (end == RowsEnd::Open || !execution.recorded) {
            return GO;
        }
        self.admit(execution, end)
    }

    // What runs code or stages rows unseen counts as one row, and so does a failure that may tell something.
    fn told_unseen(&self, execution: &Execution, end: RowsEnd) -> bool {
        match end {
            RowsEnd::Open => false,
            RowsEnd::Failed => execution.failure_tells,
            RowsEnd::Completed => {
                let shows_itself = |text: &StatementText| text.only_reads() && !text.copies();
                !execution.told
                    && self.has_no_rows()
                    && execution.text.as_ref().is_some_and(|text| !shows_itself(text))
            }
        }
    }

    fn has_no_rows(&self) -> bool {
        self.batch.is_empty() && self.refusal.is_none()
    }

    fn admit(&mut self, execution: &mut Execution, end: RowsEnd) -> Settlement {
        let now = self.gateway.clock.now();
        let mode = self.gateway.settings.mode;
        let admission = execution.seat.budget.admit(&self.batch, 0, now, mode);
        if admission.asked
            && let Some(reasons) = &self.gateway.reasons
        {
            reasons.ask(&execution.seat);
        }
        let rows = admission.rows;
        let breach = match admission.next {
            BudgetNext::Breach(breach) => Some(breach),
            BudgetNext::All | BudgetNext::AwaitReasons => None,
        };
        if execution.asking && mode == Mode::Enforce && breach.is_some() && self.can_guard(execution) {
            execution.sight = Sight::Guarded;
            execution.guard = breach;
            self.batch.clear();
            return GO;
        }
        let outcome = match (admission.next, end) {
            (BudgetNext::AwaitReasons, _) => Outcome::Continues,
            (BudgetNext::Breach(_), _) if mode == Mode::Enforce => Outcome::Cut,
            (BudgetNext::All, _) if self.refusal.is_some() => Outcome::Cut,
            (_, RowsEnd::Completed) => Outcome::Completed,
            (_, RowsEnd::Failed) => Outcome::Failed,
            (_, RowsEnd::Open) => Outcome::Continues,
        };
        let hold = match self.record(execution, rows, outcome) {
            Ok(hold) => hold,
            // Only how the statement ended is lost.
            Err(_) if self.has_no_rows() => return GO,
            Err(error) => return self.unrecorded(&error),
        };
        self.counter.admitted(&self.batch, rows);
        if let Some(breach) = breach {
            self.alert(execution, breach);
        }
        let next = match admission.next {
            BudgetNext::AwaitReasons => {
                self.batch.drop_rows(rows);
                self.wait.for_answers(&execution.seat, admission.answers_seen);
                return Settlement { rows, hold, next: Next::Wait };
            }
            BudgetNext::Breach(breach) if mode == Mode::Enforce => {
                self.refusal = None;
                Next::Cut(self.budget_error(breach, execution.asking))
            }
            BudgetNext::All | BudgetNext::Breach(_) => match self.refusal.take() {
                Some(error) => {
                    if let Some(breach) = execution.guard {
                        self.alert(execution, breach);
                    }
                    Next::Cut(error)
                }
                None => Next::Go,
            },
        };
        self.batch.clear();
        Settlement { rows, hold, next }
    }

    // Each row of it will show one subject at most, whom its values tell, so that it can be cut at the row.
    fn can_guard(&self, execution: &Execution) -> bool {
        let told = execution.lineage().is_some_and(|lineage| !lineage.opaque && lineage.one_each.is_some());
        told && execution.text.as_ref().is_some_and(|text| text.only_reads())
            && !self.ddl_open
            && self.gateway.values.load().is_some()
    }

    // Ends the batch before the first row that may not be shown whatever the budget.
    fn refuse_rows(&mut self, execution: &Execution) {
        let settings = &self.gateway.settings;
        if self.refusal.is_some() || settings.mode == Mode::Observe {
            return;
        }
        let attributed_only = settings.on_unattributed == Policy::Refuse;
        let certain_only = settings.on_possible == Policy::Refuse;
        let guarded = execution.sight == Sight::Guarded;
        if !(attributed_only || certain_only || guarded) {
            return;
        }
        let offends = |key, certainty| match key {
            ShownKey::Unknown => attributed_only || guarded,
            _ => certain_only && certainty == Certainty::Possible,
        };
        let Some(first) = self.batch.entries().iter().find(|shown| offends(shown.key, shown.certainty))
        else {
            return;
        };
        let (row, unknown) = (first.row, first.key == ShownKey::Unknown);
        self.batch.keep_rows(row);
        self.refusal = Some(match execution.guard {
            Some(breach) if unknown => self.budget_error(breach, false),
            _ => policy_error(unknown),
        });
    }
}

fn policy_error(unknown: bool) -> ClientError {
    let what = if unknown {
        "shows personal data that cannot be attributed"
    } else {
        "possibly shows personal data"
    };
    ClientError::error("42501", format!("the result {what} and is refused"))
        .with_hint("Select the key of the people beside their data, or ask the data protection team.")
}
