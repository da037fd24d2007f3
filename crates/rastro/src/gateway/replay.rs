//! Rebuilds the budgets from the ledger, so that a restart gives nobody a fresh one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rastro_detect::BudgetBook;
use rastro_ledger::{Content, Subjects};
use rastro_model::{Clock, SubjectKey, Timestamp};

use super::Gateway;
use super::settings::Settings;

/// Reads what still counts at `now` and feeds it to the book.
///
/// # Errors
/// The ledger cannot be read.
pub(super) fn replay(settings: &Settings, book: &BudgetBook, now: Timestamp) -> anyhow::Result<()> {
    let since = now.minus_micros(settings.memory_micros);
    let begun = Instant::now();
    let mut entries = 0u64;
    rastro_ledger::replay(&settings.spool.dir, since, |entry| {
        entries += 1;
        match &entry.content {
            Content::Disclosure(disclosure) => {
                for set in &disclosure.sets {
                    let (principal, kind, time) = (&disclosure.principal, set.kind, disclosure.time);
                    match &set.subjects {
                        Subjects::Ints(keys) => book.replay_disclosures_int(principal, kind, keys, time),
                        Subjects::Uuids(keys) => {
                            for key in keys {
                                book.replay_disclosure(principal, kind, &SubjectKey::Uuid(*key), time);
                            }
                        }
                        Subjects::Texts(keys) => {
                            for key in keys {
                                let key = SubjectKey::Text(String::from_utf8_lossy(key).into());
                                book.replay_disclosure(principal, kind, &key, time);
                            }
                        }
                        Subjects::Unattributed { .. } => {}
                    }
                }
            }
            Content::Reason(reason) => {
                book.replay_reason(
                    &reason.principal,
                    reason.kind,
                    &reason.key,
                    reason.asked_at,
                    reason.until,
                );
            }
            Content::Control(_) | Content::ErasedReason(_) | Content::Erasure(_) | Content::Account(_) => {}
        }
    })?;
    tracing::info!(entries, since = %since, took = ?begun.elapsed(), "budgets rebuilt from the ledger");
    Ok(())
}

/// Forgets, every minute, the budgets of principals for whom nothing counts any more.
pub(super) async fn forget_idle(gateway: Arc<Gateway>) {
    let mut minute = tokio::time::interval(Duration::from_secs(60));
    loop {
        minute.tick().await;
        gateway.book.evict_idle(gateway.clock.now());
    }
}
