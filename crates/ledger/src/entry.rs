//! What is appended to the spool.

use std::fmt;

use rastro_model::{ShownBatch, SubjectKey, Timestamp};

use crate::names::{PrincipalRef, SessionRef, TextRef};

/// The number of an entry; numbers rise by one, but for those that were refused by the disk.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct EntryNo(pub u64);

impl fmt::Display for EntryNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How the statement stood when a batch of its rows was recorded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Outcome {
    /// More may follow.
    Continues = 0,
    /// These were its last rows.
    Completed = 1,
    /// It ended with an error of the server.
    Failed = 2,
    /// It was cut at a budget after these rows.
    Cut = 3,
    /// It was refused; no row was shown.
    Refused = 4,
}

impl Outcome {
    /// Every outcome, at the position of its number in the format.
    pub const ALL: [Outcome; 5] =
        [Outcome::Continues, Outcome::Completed, Outcome::Failed, Outcome::Cut, Outcome::Refused];

    /// Returns the word used in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Continues => "continues",
            Outcome::Completed => "completed",
            Outcome::Failed => "failed",
            Outcome::Cut => "cut",
            Outcome::Refused => "refused",
        }
    }
}

/// What the gateway or a person did, rather than what was shown.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum ControlKind {
    /// The gateway began to serve.
    GatewayStarted = 0,
    /// The gateway stopped in good order.
    GatewayStopped = 1,
    /// A principal was suspended.
    Suspended = 2,
    /// A suspension was lifted.
    Restored = 3,
    /// A budget was reached.
    BudgetReached = 4,
    /// A statement or session was refused.
    Refused = 5,
    /// The configuration was loaded anew.
    Configured = 6,
    /// Somebody read the ledger about a person.
    LedgerRead = 7,
    /// A log that others wrote was imported.
    Imported = 8,
}

impl ControlKind {
    /// Every kind, at the position of its number in the format.
    pub const ALL: [ControlKind; 9] = [
        ControlKind::GatewayStarted,
        ControlKind::GatewayStopped,
        ControlKind::Suspended,
        ControlKind::Restored,
        ControlKind::BudgetReached,
        ControlKind::Refused,
        ControlKind::Configured,
        ControlKind::LedgerRead,
        ControlKind::Imported,
    ];
}

/// Rows of one statement, shown to one principal.
#[derive(Clone, Copy, Debug)]
pub struct DisclosureEntry<'a> {
    /// When the rows are shown.
    pub time: Timestamp,
    /// The session they are shown in.
    pub session: &'a SessionRef,
    /// Who sees them.
    pub principal: &'a PrincipalRef,
    /// Ordinal of the statement in its session.
    pub statement: u64,
    /// The statement.
    pub text: &'a TextRef,
    /// How the statement stands after these rows.
    pub outcome: Outcome,
    /// The rows.
    pub batch: &'a ShownBatch,
    /// Only the first `rows` rows of the batch are recorded.
    pub rows: u32,
}

/// States that every disclosure of `key` to `principal` from `asked_at` to `until` (both included) has this
/// reason.
#[derive(Clone, Copy, Debug)]
pub struct ReasonEntry<'a> {
    /// To whom.
    pub principal: &'a PrincipalRef,
    /// Which `[[subject]]`.
    pub kind: rastro_model::KindId,
    /// Of whom.
    pub key: &'a SubjectKey,
    /// The reason, as the `reason` query gave it; at most 4 KiB are kept.
    pub reason: &'a str,
    /// First moment explained.
    pub asked_at: Timestamp,
    /// Last moment explained. A file is read at start-up until its latest `until` has passed.
    pub until: Timestamp,
}

/// Something done by the gateway or by a person.
#[derive(Clone, Copy, Debug)]
pub struct ControlEntry<'a> {
    /// When.
    pub time: Timestamp,
    /// What.
    pub kind: ControlKind,
    /// To whom.
    pub principal: Option<&'a PrincipalRef>,
    /// In which session.
    pub session: Option<&'a SessionRef>,
    /// By whom; at most 4 KiB are kept, as of `why`.
    pub by: &'a str,
    /// Why. Must hold no personal value.
    pub why: &'a str,
}

/// That a subject was erased. Says how much went, and nothing of whose it was.
#[derive(Clone, Copy, Debug)]
pub struct ErasureEntry<'a> {
    /// When.
    pub time: Timestamp,
    /// Which one, from 1.
    pub number: u32,
    /// How many places the subject is taken out of.
    pub places: u32,
    /// SHA-256 of the list of these places.
    pub list: &'a [u8; 32],
    /// By whom; at most 4 KiB are kept, as of `why`.
    pub by: &'a str,
    /// Why. Must not name the subject.
    pub why: &'a str,
}

/// How rows that a session's client got are accounted for, counted from the session's beginning. What the
/// server reported must be the sum of what the gateway counted: [`Account::gap`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Account {
    /// Rows that the server's own messages report of statements that completed.
    pub reported: u64,
    /// Of them, rows with protected fields; they are in entries, attributed or not.
    pub recorded: u64,
    /// Of them, rows in which nothing protected is.
    pub plain: u64,
    /// Rows given to the client by statements that the server did not report: cut, failed, or suspended
    /// between two parts.
    pub unreported: u64,
    /// Rows of entries whose subjects are not known.
    pub unattributed: u64,
    /// Statements that completed.
    pub statements: u64,
    /// Of them, statements whose rows do not add up.
    pub uneven: u64,
    /// Rows that do not add up, either way.
    pub missing: u64,
    /// The session is over.
    pub ended: bool,
}

impl Account {
    /// Returns how many rows are not accounted for, one way or the other; 0: coverage is complete.
    pub fn gap(&self) -> u64 {
        let difference = self.reported.abs_diff(self.recorded.saturating_add(self.plain));
        difference.max(self.missing)
    }

    pub(crate) fn counts(&self) -> [u64; 8] {
        let Account {
            reported, recorded, plain, unreported, unattributed, statements, uneven, missing, ..
        } = *self;
        [reported, recorded, plain, unreported, unattributed, statements, uneven, missing]
    }

    pub(crate) fn counts_mut(&mut self) -> [&mut u64; 8] {
        let Account {
            reported, recorded, plain, unreported, unattributed, statements, uneven, missing, ..
        } = self;
        [reported, recorded, plain, unreported, unattributed, statements, uneven, missing]
    }
}

/// A session's account.
#[derive(Clone, Copy, Debug)]
pub struct AccountEntry<'a> {
    /// When.
    pub time: Timestamp,
    /// Of which session.
    pub session: &'a SessionRef,
    /// The counts.
    pub account: Account,
}
