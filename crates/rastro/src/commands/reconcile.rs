use std::collections::BTreeMap;

use anyhow::Context;
use clap::{Args, ValueEnum};
use rastro_archive::{LedgerReader, Query};
use rastro_ledger::{Account, Content};
use serde::Serialize;

use super::ledger_place::LedgerPlace;
use super::trace::people::{grouped, printable};
use super::{CommandResult, Failure, output};
use crate::incident::Progress;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  rastro reconcile\n  rastro reconcile --format ndjson\n\n\
    For every session: rows that PostgreSQL's own messages reported, against rows the ledger accounts for. Status 1:\n\
    they differ somewhere, so somebody was shown rows that nothing recorded, or was told of rows that nobody sent.\n\
    Sessions tell their counts at their end and every five minutes; one that is under way may lag behind.")]
pub(super) struct ReconcileArguments {
    /// Also list sessions without a gap
    #[arg(long)]
    all: bool,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    place: LedgerPlace,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One object for each session
    Ndjson,
}

/// What the ledger says of one session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Session {
    session: u64,
    login: String,
    client: String,
    /// Rows that the server reported of statements that completed.
    reported: u64,
    /// Of them, rows that the session counted as recorded.
    recorded: u64,
    /// Of them, rows without protected fields.
    plain: u64,
    /// Rows of statements of which the server reports no count: cut, failed, suspended.
    unreported: u64,
    /// Rows whose subjects are not known.
    unattributed: u64,
    /// Rows in the session's entries.
    in_entries: u64,
    /// Rows that do not add up.
    gap: u64,
    /// Whether the session told its last counts: it did not if the gateway was killed, or if it is under way.
    ended: bool,
}

impl Session {
    fn tell(&mut self, account: &Account) {
        self.reported = account.reported;
        self.recorded = account.recorded;
        self.plain = account.plain;
        self.unreported = account.unreported;
        self.unattributed = account.unattributed;
        self.ended = account.ended;
        // What the session says it recorded must be in its entries; they may hold more: COPY's header, answers
        // to questions, messages.
        let lacking = self.recorded.saturating_sub(self.in_entries);
        self.gap = account.gap().max(lacking);
    }
}

pub(super) fn run(arguments: &ReconcileArguments) -> CommandResult {
    let (data_dir, config) = arguments.place.open()?;
    let sessions = read(&crate::store::reader(&data_dir, config.as_ref())?)?;
    let gaps: Vec<&Session> = sessions.values().filter(|session| session.gap > 0).collect();
    let listed: Vec<&Session> = if arguments.all { sessions.values().collect() } else { gaps.clone() };
    let mut text = String::new();
    for session in listed {
        text += &match arguments.format {
            Format::Ndjson => format!("{}\n", serde_json::to_string(session)?),
            Format::Text => line(session),
        };
    }
    let reported: u64 = sessions.values().map(|session| session.reported).sum();
    let untold = sessions.values().filter(|session| !session.ended).count();
    if arguments.format == Format::Text {
        text += &format!(
            "{} sessions, {} rows reported by the server; {untold} sessions have not told their last counts\n",
            grouped(sessions.len() as u64),
            grouped(reported)
        );
    }
    output::print(&text)?;
    if gaps.is_empty() {
        return Ok(());
    }
    let rows: u64 = gaps.iter().map(|session| session.gap).sum();
    Err(Failure::Failed(format!("{rows} rows of {} sessions are not accounted for", gaps.len())))
}

const CANNOT_READ: &str = "cannot read the ledger";

fn line(session: &Session) -> String {
    format!(
        "session {} of {} from {}: {} rows reported, {} recorded, {} without protected fields, {} uncounted by the \
         server; gap {}{}\n",
        session.session,
        printable(&session.login),
        printable(&session.client),
        grouped(session.reported),
        grouped(session.recorded),
        grouped(session.plain),
        grouped(session.unreported),
        grouped(session.gap),
        if session.ended { "" } else { " (not ended)" }
    )
}

fn read(reader: &LedgerReader) -> anyhow::Result<BTreeMap<u64, Session>> {
    let origins = reader.origins().context(CANNOT_READ)?;
    let mut progress = Progress::new("entries of the ledger read", 0);
    let mut sessions: BTreeMap<u64, Session> = BTreeMap::new();
    let all = Query::default();
    for entry in reader.entries(&all).context(CANNOT_READ)? {
        let entry = entry.context(CANNOT_READ)?;
        progress.at(entry.no.0);
        if origins.is_imported(entry.no) {
            continue;
        }
        let (session, rows, account) = match &entry.content {
            Content::Disclosure(shown) => (&shown.session, u64::from(shown.rows), None),
            Content::Account(told) => (&told.session, 0, Some(&told.account)),
            _ => continue,
        };
        let known = sessions.entry(session.id).or_insert_with(|| Session {
            session: session.id,
            login: session.facts.login.as_str().to_owned(),
            client: session.facts.client_addr.clone(),
            ..Session::default()
        });
        known.in_entries += rows;
        if let Some(account) = account {
            known.tell(account);
        }
    }
    Ok(sessions)
}
