//! Suspensions: the file in the data directory is what counts, for every gateway that shares it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use rastro_detect::Suspensions;
use rastro_ledger::{ControlEntry, ControlKind};
use rastro_model::{Clock, Principal};

use super::{Gateway, metric};

// A tenth of the second that promise P6 allows.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Returns the file's place.
fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("suspended.json")
}

/// Reads the suspensions in force; none if there is no file.
///
/// # Errors
/// A file that cannot be read: starting without it would restore everyone.
pub(super) fn load(data_dir: &Path) -> anyhow::Result<Suspensions> {
    let path = path(data_dir);
    match std::fs::read_to_string(&path) {
        Ok(text) => Suspensions::parse(&text).with_context(|| format!("cannot read `{}`", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Suspensions::default()),
        Err(error) => Err(error).with_context(|| format!("cannot read `{}`", path.display())),
    }
}

/// Puts every change of the file in force.
pub(super) async fn watch(gateway: Arc<Gateway>) {
    let path = path(&gateway.settings.data_dir);
    let mut seen = None;
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        look.tick().await;
        let found = identity(&path);
        if found == seen {
            continue;
        }
        match load(&gateway.settings.data_dir) {
            Ok(suspensions) => {
                seen = found;
                put_in_force(&gateway, suspensions);
            }
            // What is in force stays in force.
            Err(error) => tracing::error!(error = format!("{error:#}"), "suspensions cannot be read"),
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64, Option<SystemTime>)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.len(), metadata.modified().ok()))
}

fn put_in_force(gateway: &Gateway, suspensions: Suspensions) {
    let before = gateway.board.current();
    if !gateway.board.replace(suspensions) {
        return;
    }
    gateway.notice.send_modify(|notice| notice.suspensions += 1);
    let after = gateway.board.current();
    metric::suspended(after.iter().count());
    for (principal, suspension) in after.iter().filter(|(principal, _)| before.of(principal).is_none()) {
        record(gateway, ControlKind::Suspended, principal, &suspension.who, &suspension.why);
    }
    for (principal, _) in before.iter().filter(|(principal, _)| after.of(principal).is_none()) {
        let restoration =
            after.restorations().iter().rev().find(|restoration| restoration.principal == *principal);
        let (who, why) = restoration.map_or(("", ""), |restoration| (&restoration.who, &restoration.why));
        record(gateway, ControlKind::Restored, principal, who, why);
    }
}

fn record(gateway: &Gateway, kind: ControlKind, principal: &Principal, by: &str, why: &str) {
    tracing::warn!(%principal, ?kind, by, "suspension changed");
    let reference = gateway.spool.principal(principal);
    let entry =
        ControlEntry { time: gateway.clock.now(), kind, principal: Some(&reference), session: None, by, why };
    if let Err(error) = gateway.spool.append_control(&entry) {
        tracing::error!(error = &error as &dyn std::error::Error, "suspension was not recorded");
    }
}
