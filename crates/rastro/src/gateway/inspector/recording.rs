//! What is admitted goes to the ledger; what is not is explained to the client.

use rastro_detect::{Breach, Mode};
use rastro_ledger::{AppendError, ControlEntry, ControlKind, DisclosureEntry, Outcome};
use rastro_model::Clock;
use rastro_wire::{ClientError, Next, Settlement};

use super::{Execution, SessionInspector, ledger_error};
use crate::gateway::metric;

impl SessionInspector {
    pub(super) fn budget_error(&self, breach: Breach, asking: bool) -> ClientError {
        let hours = breach.window.as_secs_f64() / 3600.0;
        let what = match breach.limit {
            rastro_detect::Limit::Total => "people",
            rastro_detect::Limit::Unexplained => "people without a reason",
        };
        ClientError::error(
            "53400",
            format!(
                "the budget of {} {what} in {hours} hours is used up; {}",
                breach.allowed,
                if asking { "the statement is refused" } else { "the result was cut off" }
            ),
        )
        .with_hint(
            "Ask the data protection team for a larger budget, or work on a ticket that explains the access.",
        )
    }

    // Records the first `rows` rows; `Err` when they must not be shown now.
    pub(super) fn record(
        &mut self,
        execution: &mut Execution,
        rows: u32,
        outcome: Outcome,
    ) -> Result<u64, AppendError> {
        if self.batch.entries_before(rows).is_empty()
            && !(execution.recorded && outcome != Outcome::Continues)
        {
            return Ok(0);
        }
        let text = match &execution.text {
            Some(text) => text.ledger_text(&self.gateway.spool),
            None => self.gateway.spool.statement_text(0, ""),
        };
        let number = self.gateway.spool.append_disclosure(&DisclosureEntry {
            time: self.gateway.clock.now(),
            session: &self.session,
            principal: &execution.seat.reference,
            statement: execution.ordinal,
            text: &text,
            outcome,
            batch: &self.batch,
            rows,
        })?;
        execution.recorded = true;
        metric::rows_recorded(&self.batch, rows);
        Ok(if self.gateway.settings.releases_before_sync() { 0 } else { number.0.saturating_add(1) })
    }

    pub(super) fn alert(&self, execution: &Execution, breach: Breach) {
        let why = format!("{} {} in {:?}", breach.limit.as_str(), breach.allowed, breach.window);
        tracing::warn!(principal = %execution.seat.principal, budget = %why, "budget reached");
        metric::budget_reached(breach.limit);
        let entry = ControlEntry {
            time: self.gateway.clock.now(),
            kind: ControlKind::BudgetReached,
            principal: Some(&execution.seat.reference),
            session: Some(&self.session),
            by: "gateway",
            why: &why,
        };
        // The cut stands without the entry; that the ledger is down is reported where rows are refused.
        let _ = self.gateway.spool.append_control(&entry);
    }

    pub(super) fn unrecorded(&mut self, error: &AppendError) -> Settlement {
        let rows = self.batch.rows();
        if matches!(error, AppendError::Full { .. }) {
            self.wait.for_space(&self.gateway);
            return Settlement { rows: 0, hold: 0, next: Next::Wait };
        }
        metric::ledger_refused();
        self.batch.clear();
        self.refusal = None;
        self.counter.dropped();
        if self.gateway.settings.mode == Mode::Observe {
            return Settlement { rows, hold: 0, next: Next::Go };
        }
        Settlement { rows: 0, hold: 0, next: Next::Cut(ledger_error()) }
    }
}
