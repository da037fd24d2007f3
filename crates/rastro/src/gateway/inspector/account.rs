//! Counts the rows a session's client gets against what the server's own messages say it gave, so that a gap in
//! coverage shows.

use rastro_ledger::{Account, AccountEntry};
use rastro_model::{Clock, ShownBatch, ShownKey, Timestamp};
use rastro_wire::Reported;

use super::SessionInspector;
use crate::gateway::metric;

/// A session that goes on tells its counts so often.
const TELL_EVERY_MICROS: i64 = 300_000_000;

/// The counts of one session.
#[derive(Debug, Default)]
pub(super) struct Counter {
    account: Account,
    /// What the ledger has of it, and since when.
    told: Account,
    told_at: Option<Timestamp>,
    /// Rows of the client's statement that the batch holds.
    held: u32,
    /// Of the statement that runs: rows with protected fields, and others, that were let through.
    recorded: u64,
    plain: u64,
}

impl Counter {
    /// A row of the client's was read into the batch.
    #[inline]
    pub(super) fn read(&mut self) {
        self.held = self.held.saturating_add(1);
    }

    /// Rows went to the client unread.
    pub(super) fn passed(&mut self, rows: u64) {
        self.plain += rows;
    }

    /// The first `rows` rows of the batch were let through, and are in the ledger where they show anybody.
    pub(super) fn admitted(&mut self, batch: &ShownBatch, rows: u32) {
        // What answers the gateway's own questions, or stands for a message, is no row of the client's.
        let rows = rows.min(self.held);
        if rows == 0 {
            return;
        }
        self.held -= rows;
        let (mut showing, mut unattributed) = (0u64, 0u64);
        for row in batch.entries_before(rows).chunk_by(|a, b| a.row == b.row) {
            showing += 1;
            unattributed += u64::from(row.iter().any(|shown| shown.key == ShownKey::Unknown));
        }
        self.recorded += showing;
        self.plain += u64::from(rows).saturating_sub(showing);
        self.account.unattributed += unattributed;
    }

    /// What the batch held does not go to the client, or goes unrecorded.
    pub(super) fn dropped(&mut self) {
        self.held = 0;
    }

    /// The statement is over, or stands still. Returns how many rows do not add up.
    pub(super) fn counted(&mut self, reported: Option<Reported>) -> u64 {
        let (recorded, plain) = (std::mem::take(&mut self.recorded), std::mem::take(&mut self.plain));
        let given = recorded + plain;
        let account = &mut self.account;
        let Some(Reported { rows, copied }) = reported else {
            account.unreported += given;
            return 0;
        };
        let more = given.saturating_sub(rows);
        let missing = rows.saturating_sub(given) + if copied { 0 } else { more };
        // COPY's header and trailer are messages, but no rows.
        let beside = if copied { more } else { 0 };
        let plain_beside = beside.min(plain);
        account.statements += 1;
        account.reported += rows;
        account.plain += plain - plain_beside;
        account.recorded += recorded.saturating_sub(beside - plain_beside);
        account.uneven += u64::from(missing > 0);
        account.missing += missing;
        missing
    }

    /// Returns the counts if the ledger is to have them now: at the end, and once in a while.
    fn due(&mut self, now: Timestamp, ended: bool) -> Option<Account> {
        let since = *self.told_at.get_or_insert(now);
        if self.account == self.told || !(ended || since <= now.minus_micros(TELL_EVERY_MICROS)) {
            return None;
        }
        (self.told, self.told_at) = (self.account, Some(now));
        Some(Account { ended, ..self.account })
    }
}

impl SessionInspector {
    /// Takes note of how many rows the server says a statement gave.
    pub(super) fn count_statement(&mut self, reported: Option<Reported>) {
        let missing = self.counter.counted(reported);
        if missing > 0 {
            metric::rows_unaccounted(missing);
            tracing::error!(
                session = self.session.id(),
                rows = missing,
                "the server gave other rows than were accounted for"
            );
        }
    }

    /// Writes the session's counts to the ledger if that is due.
    pub(super) fn tell_account(&mut self, ended: bool) {
        let now = self.gateway.clock.now();
        let Some(account) = self.counter.due(now, ended) else { return };
        let entry = AccountEntry { time: now, session: &self.session, account };
        if let Err(error) = self.gateway.spool.append_account(&entry) {
            tracing::error!(
                session = self.session.id(),
                error = &error as &dyn std::error::Error,
                "account of a session was not recorded"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use rastro_model::{Certainty, FieldSet, KindId};

    use super::*;

    fn give(counter: &mut Counter, shown: &[bool]) {
        let mut batch = ShownBatch::default();
        for shown in shown {
            batch.begin_row();
            counter.read();
            if *shown {
                batch.push(KindId(0), ShownKey::Int(1), FieldSet(1), Certainty::Exact);
                batch.push(KindId(0), ShownKey::Unknown, FieldSet(2), Certainty::Possible);
            }
        }
        counter.admitted(&batch, batch.rows());
    }

    #[test]
    fn rows_that_the_server_gave_and_nobody_saw_are_missing() {
        let mut counter = Counter::default();
        let rows = |rows| Some(Reported { rows, copied: false });
        give(&mut counter, &[true, false, true]);
        counter.passed(4);
        assert_eq!(counter.counted(rows(7)), 0);
        give(&mut counter, &[true]);
        assert_eq!(counter.counted(rows(3)), 2);
        give(&mut counter, &[true, true]);
        assert_eq!(counter.counted(rows(1)), 1);
        give(&mut counter, &[true]);
        assert_eq!(counter.counted(None), 0);
        let account = counter.due(Timestamp(0), true).unwrap();
        let expected = Account {
            reported: 11,
            recorded: 5,
            plain: 5,
            unreported: 1,
            unattributed: 6,
            statements: 3,
            uneven: 2,
            missing: 3,
            ended: true,
        };
        assert_eq!(account, expected);
        assert_eq!(account.gap(), 3);
    }

    #[test]
    fn header_and_trailer_of_copied_rows_are_no_gap_but_rows_too_few_are() {
        let mut counter = Counter::default();
        let rows = |rows| Some(Reported { rows, copied: true });
        give(&mut counter, &[true, true, true]);
        assert_eq!(counter.counted(rows(2)), 0);
        give(&mut counter, &[true]);
        assert_eq!(counter.counted(rows(2)), 1);
        assert_eq!(counter.due(Timestamp(0), true).unwrap().gap(), 1);
    }

    #[test]
    fn account_is_told_at_the_end_and_every_five_minutes_if_it_changed() {
        let mut counter = Counter::default();
        assert_eq!(counter.due(Timestamp(0), true), None);
        counter.passed(1);
        counter.counted(Some(Reported { rows: 1, copied: false }));
        assert_eq!(counter.due(Timestamp(1), false), None);
        assert!(counter.due(Timestamp(TELL_EVERY_MICROS), false).is_some_and(|account| !account.ended));
        assert_eq!(counter.due(Timestamp(3 * TELL_EVERY_MICROS), false), None);
        assert_eq!(counter.due(Timestamp(3 * TELL_EVERY_MICROS), true), None);
    }
}
