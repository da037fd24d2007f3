use std::sync::OnceLock;

use rastro_attribution::statement::{Normalised, StatementKind, normalise};
use rastro_ledger::{Spool, TextRef};

use super::sight::Source;
use crate::gateway::identity::{Identity, IdentityFacts};

/// A statement's text as the session keeps it: without literals (P4).
pub(in crate::gateway) struct StatementText {
    normalised: Box<str>,
    fingerprint: u64,
    identity: IdentityFacts,
    rollback: bool,
    ddl: bool,
    dynamic: bool,
    only_reads: bool,
    copies: bool,
    prepares: bool,
    begins: bool,
    pub(super) source: Source,
    ledger: OnceLock<TextRef>,
}

impl StatementText {
    /// Reads a text; `scratch` keeps its memory from call to call.
    pub(super) fn read(
        sql: &[u8],
        truncated: bool,
        identity: &Identity,
        scratch: &mut Normalised,
    ) -> StatementText {
        normalise(sql, scratch);
        let mut statements = scratch.statements().iter();
        let rollback = !truncated
            && statements.next().is_some_and(|first| first.kind == StatementKind::Rollback)
            && statements.next().is_none();
        let keywords = || scratch.statements().iter().map(|facts| scratch.text_of(facts.first_keyword));
        let dynamic = truncated || keywords().any(|keyword| matches!(keyword, b"EXECUTE" | b"FETCH"));
        let only_reads = !truncated
            && keywords().all(only_reads)
            && (keywords().all(|keyword| keyword != b"WITH") || !names_a_change(&scratch.text()));
        StatementText {
            normalised: scratch.text().into(),
            fingerprint: scratch.fingerprint(),
            identity: identity.read(scratch, truncated),
            rollback,
            dynamic,
            only_reads,
            copies: !truncated && keywords().all(|keyword| keyword == b"COPY"),
            ddl: truncated
                || scratch
                    .statements()
                    .iter()
                    .any(|facts| changes_relations(scratch.text_of(facts.first_keyword))),
            begins: !truncated
                && scratch.statements().len() == 1
                && keywords().all(|keyword| matches!(keyword, b"BEGIN" | b"START")),
            prepares: keywords().any(|keyword| keyword == b"PREPARE"),
            source: Source::default(),
            ledger: OnceLock::new(),
        }
    }

    /// Returns whether the text only ends a transaction.
    pub(super) fn is_rollback(&self) -> bool {
        self.rollback
    }

    /// Returns whether the text may change which columns are protected, by itself or through a procedure.
    pub(super) fn is_ddl(&self) -> bool {
        self.ddl
    }

    /// Returns whether the server decides what the text gives when it first runs, not when it is described.
    pub(super) fn is_dynamic(&self) -> bool {
        self.dynamic
    }

    /// Returns whether the text changes nothing, as far as it tells: functions are not looked into.
    pub(super) fn only_reads(&self) -> bool {
        self.only_reads
    }

    /// Returns whether the text does nothing but COPY.
    pub(super) fn copies(&self) -> bool {
        self.copies
    }

    /// Returns whether the text opens a transaction block and does nothing else.
    pub(super) fn begins(&self) -> bool {
        self.begins
    }

    /// Returns whether the text prepares a statement by name.
    pub(super) fn prepares(&self) -> bool {
        self.prepares
    }

    /// Returns the text without its literals.
    pub(super) fn normalised(&self) -> &str {
        &self.normalised
    }

    /// Returns a number that texts share if they differ in literals only.
    pub(super) fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Returns what of it names a person.
    pub(super) fn identity(&self) -> &IdentityFacts {
        &self.identity
    }

    /// Returns the ledger's reference, made when the text first discloses something.
    pub(super) fn ledger_text(&self, spool: &Spool) -> TextRef {
        self.ledger.get_or_init(|| spool.statement_text(self.fingerprint, &self.normalised)).clone()
    }
}

fn changes_relations(keyword: &[u8]) -> bool {
    matches!(keyword, b"CREATE" | b"ALTER" | b"DROP" | b"IMPORT" | b"DO" | b"CALL" | b"EXECUTE")
}

fn only_reads(keyword: &[u8]) -> bool {
    matches!(
        keyword,
        b"SELECT"
            | b"WITH"
            | b"VALUES"
            | b"TABLE"
            | b"SHOW"
            | b"EXPLAIN"
            | b"COPY"
            | b"EXECUTE"
            | b"FETCH"
            | b"MOVE"
            | b"DECLARE"
            | b"CLOSE"
            | b"BEGIN"
            | b"START"
            | b"COMMIT"
            | b"END"
            | b"ROLLBACK"
            | b"ABORT"
            | b"SAVEPOINT"
            | b"RELEASE"
            | b"SET"
            | b"RESET"
            | b""
    )
}

fn names_a_change(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| {
        ["insert", "update", "delete", "merge"].iter().any(|change| word.eq_ignore_ascii_case(change))
    })
}
