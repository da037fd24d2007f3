//! What the column `why` of `statements` holds of entries that have more to say than the columns: one JSON object.

use std::sync::Arc;

use rastro_ledger::{Account, ErasedReason, Erasure, Session, SessionAccount};
use rastro_model::{Principal, Timestamp};
use serde::{Deserialize, Serialize};

use crate::manifest::{hex, unhex};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToldReason {
    /// Last moment explained, in microseconds since 1970.
    until: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToldErasure {
    number: u32,
    places: u32,
    /// SHA-256 of the list of places.
    list: String,
    why: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToldAccount {
    reported: u64,
    recorded: u64,
    plain: u64,
    unreported: u64,
    unattributed: u64,
    statements: u64,
    uneven: u64,
    missing: u64,
    ended: bool,
}

fn json(told: &impl Serialize) -> String {
    // Numbers and text: this does not fail.
    serde_json::to_string(told).unwrap_or_default()
}

pub(crate) fn of_erased_reason(reason: &ErasedReason) -> String {
    json(&ToldReason { until: reason.until.0 })
}

pub(crate) fn erased_reason(told: &str, principal: Principal, asked_at: Timestamp) -> Option<ErasedReason> {
    let ToldReason { until } = serde_json::from_str(told).ok()?;
    Some(ErasedReason { principal, asked_at, until: Timestamp(until) })
}

pub(crate) fn of_erasure(erasure: &Erasure) -> String {
    let Erasure { number, places, list, why, .. } = erasure;
    json(&ToldErasure { number: *number, places: *places, list: hex(list), why: why.clone() })
}

pub(crate) fn erasure(told: &str, by: &str, time: Timestamp) -> Option<Erasure> {
    let ToldErasure { number, places, list, why } = serde_json::from_str(told).ok()?;
    let list = unhex(&list)?.try_into().ok()?;
    Some(Erasure { time, number, places, list, by: by.to_owned(), why })
}

pub(crate) fn of_account(account: &SessionAccount) -> String {
    let Account { reported, recorded, plain, unreported, unattributed, statements, uneven, missing, ended } =
        account.account;
    json(&ToldAccount {
        reported,
        recorded,
        plain,
        unreported,
        unattributed,
        statements,
        uneven,
        missing,
        ended,
    })
}

pub(crate) fn account(told: &str, session: Arc<Session>, time: Timestamp) -> Option<SessionAccount> {
    let ToldAccount {
        reported,
        recorded,
        plain,
        unreported,
        unattributed,
        statements,
        uneven,
        missing,
        ended,
    } = serde_json::from_str(told).ok()?;
    let account =
        Account { reported, recorded, plain, unreported, unattributed, statements, uneven, missing, ended };
    Some(SessionAccount { time, session, account })
}
