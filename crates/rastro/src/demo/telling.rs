use std::io::{IsTerminal, Write};
use std::time::Duration;

use super::desk::Morning;
use super::harvest::Harvest;
use super::stage::{LedgerFigures, Stage};
use super::{DemoPlan, Suspension, TOTAL_MAX, UNEXPLAINED_MAX};

/// Tells the story on standard output, for someone who has never seen SQL.
pub(super) struct Teller {
    pub(super) quiet: bool,
}

impl Teller {
    /// Shows how far a long step is, on a terminal only.
    pub(super) fn progress(&self, what: &str, done: u64, total: u64) {
        let mut terminal = std::io::stderr();
        if self.quiet || !terminal.is_terminal() {
            return;
        }
        let percent = done.saturating_mul(100) / total.max(1);
        let filled = usize::try_from(percent / 4).unwrap_or_default();
        // A progress bar that cannot be drawn is no reason to stop.
        let _ = write!(terminal, "\r  [{:<25}] {percent:>3}% {what:<24}", "#".repeat(filled));
        if what.starts_with("indexes") {
            let _ = write!(terminal, "\r{:60}\r", "");
        }
    }

    pub(super) fn say(&self, text: &str) {
        if !self.quiet {
            println!("{text}");
        }
    }

    pub(super) fn desk(&self, plan: &DemoPlan, stage: &Stage, insider: &str) {
        self.say(&format!(
            "1. A support desk\n   \
             {} customers, {} of them English-speaking; {} agents; a real PostgreSQL on this machine.\n   \
             Rastro stands between the agents and the database. Its rule for everyone, per day:\n   \
             at most {} customers, and at most {UNEXPLAINED_MAX} of them without a reason.\n   \
             A reason is an open ticket of that customer, assigned to that agent.\n   \
             One of the agents, {insider}, has other plans. Nobody knows that yet.\n",
            grouped(plan.customers),
            grouped(stage.english),
            plan.agents,
            grouped(TOTAL_MAX as u64),
        ));
    }

    pub(super) fn morning(&self, plan: &DemoPlan, morning: &Morning) {
        self.say(&format!(
            "2. A working morning\n   \
             {} agents answer {} tickets and look up {} callers: {} customers in all.\n   \
             Each customer shown is written down, on disk, before the agent sees the row.\n   \
             Agents who were held up: {}.\n",
            plan.agents,
            grouped(morning.tickets as u64),
            morning.callers,
            grouped(morning.customers as u64),
            morning.refused,
        ));
    }

    pub(super) fn harvest(&self, insider: &str, stage: &Stage, without: &Harvest, through: &Harvest) {
        let explained = through.subjects.len() - through.unexplained;
        let cut_ms =
            through.cut_after.map_or_else(|| "never".to_owned(), |after| format!("{} ms", millis(after)));
        let (code, message, hint) = through.screen.clone().unwrap_or_default();
        self.say(&format!(
            "3. The harvest\n   \
             {insider} logs in with a valid password and copies English-speaking customers, page by page.\n   \
             Straight at the database, the same copy gets {} of {} customers in {} ms. Nobody notices.\n   \
             Through Rastro it gets {} customers: {} without a reason, and {explained} with an open ticket.\n   \
             The cut came {cut_ms} after the first page was asked for, in the middle of the page:\n   \
             row {} was the last to leave.\n\n   \
             What {insider} knew then, from the screen:\n     \
             ERROR {code}: {message}\n     \
             HINT: {hint}\n   \
             Trying again with smaller pages: {} tries, {} refused.\n",
            grouped(without.subjects.len() as u64),
            grouped(stage.english),
            grouped(millis(without.took)),
            through.subjects.len(),
            through.unexplained,
            through.subjects.len(),
            super::harvest::tries(),
            through.tries_refused,
        ));
    }

    pub(super) fn ledger(&self, insider: &str, ledger: &LedgerFigures) {
        self.say(&format!(
            "4. What Rastro knew, at the same moment\n   \
             Who: {insider}. Which customers, by key: {} today, {} of them without a reason.\n   \
             Which fields of each, when, and by which statement: `rastro disclosures --principal {insider}`.\n   \
             The whole ledger: a customer shown to somebody {} times, in {} bytes on disk.\n   \
             No name, address or number is in it.\n",
            grouped(ledger.subjects as u64),
            ledger.unexplained,
            grouped(ledger.disclosures as u64),
            grouped(ledger.bytes),
        ));
    }

    pub(super) fn suspension(&self, insider: &str, suspension: &Suspension) {
        let how = match &suspension.sqlstate {
            Some(code) => format!("refused (ERROR {code})"),
            None => "answered by a closed connection".to_owned(),
        };
        let colleagues = if suspension.colleague_works { "go on working" } else { "ARE STOPPED TOO" };
        self.say(&format!(
            "5. The account is suspended\n   \
             `rastro suspend {insider}`: {} ms later the next statement in the open session is {how}.\n   \
             Colleagues {colleagues}.\n",
            millis(suspension.took),
        ));
    }

    pub(super) fn close(&self) {
        self.say(
            "In the case this is built from, 120,000 customers left, nobody inside noticed, and it took three\n\
             months to be sure that it was an insider.\n",
        );
    }

    pub(super) fn addresses(&self, stage: &Stage) {
        let (agent, direct) = (stage.colleague(), stage.cluster.port());
        self.say(&format!(
            "Still running, until Ctrl-C:\n   \
             gateway     postgres://{agent}:{agent}@127.0.0.1:{}/support\n   \
             PostgreSQL  postgres://{agent}:{agent}@127.0.0.1:{direct}/support\n   \
             console     http://127.0.0.1:{}/\n",
            stage.port, stage.console,
        ));
    }
}

/// Returns whole milliseconds.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Prints 1234567 as `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_000_000, "12,000,000")] {
            assert_eq!(grouped(number), text);
        }
    }
}
