use std::path::Path;

use anyhow::Context;
use clap::Args;
use rastro_ledger::OpenError;
use rastro_ledger::erase::{EraseError, ErasureRequest, erase};
use rastro_ledger::seal::{SealError, SealPaths};
use rastro_model::{Clock, SystemClock};

use super::ledger_place::LedgerPlace;
use super::suspend::acting_person;
use super::{CommandResult, output};
use crate::incident::{Progress, forget_subject};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    rastro erase --subject 4711 --why 'request of 12 May, GDPR art. 17'\n\n\
    Takes the subject's key out of every entry, reason, report of an incident and index below the data directory, and\n\
    out of the archive, with the secrets its hashes were salted with; that somebody was erased, and why, stays in the\n\
    ledger. Everything else verifies as before. Stop `rastro serve` first. Copies made elsewhere are not reached:\n\
    backups, exports, evidence packs, old versions that an object store keeps.")]
pub(super) struct EraseArguments {
    /// The subject: the key column's text
    #[arg(long, value_name = "KEY")]
    subject: String,
    /// Why; kept in the ledger, so it must not name the subject
    #[arg(long, value_name = "TEXT")]
    why: String,
    /// Name of the [[subject]], where the ledger knows several
    #[arg(long, value_name = "NAME")]
    kind: Option<String>,
    /// Who does this; the name of the operating system's account if missing
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    place: LedgerPlace,
}

pub(super) fn run(arguments: &EraseArguments) -> CommandResult {
    let why = arguments.why.trim();
    if why.is_empty() {
        return Err(anyhow::anyhow!("`--why` is empty: state a reason").into());
    }
    let (data_dir, config) = arguments.place.open()?;
    let paths = SealPaths::below(&data_dir);
    let by = acting_person(arguments.by.clone());
    let time = SystemClock.now();
    let (subject, kind) = (arguments.subject.as_str(), arguments.kind.as_deref());
    let request = ErasureRequest { subject, kind, by: &by, why, time };
    let mut progress = Progress::new("of the ledger searched", 100);
    let erased = erase(&paths, &request, |done, of| progress.at((done * 100 / of.max(1)) as u64));
    drop(progress);
    let erased = erased.map_err(|error| match error {
        EraseError::Open(OpenError::Locked { .. }) | EraseError::Seal(SealError::Locked) => {
            anyhow::anyhow!("stop `rastro serve` before a subject is erased: it holds the ledger")
        }
        error => anyhow::Error::from(error).context("cannot erase the subject"),
    })?;
    let place = crate::store::place_of(&data_dir, config.as_ref());
    let archived = crate::store::forget_subject(place, &data_dir, subject)
        .context("cannot erase the subject from the archive; the same request again goes on")?;
    let reports = forget_subject(&data_dir, subject).context("cannot erase the subject's reports")?;
    let index = forget_values(&data_dir)?;
    let mut text = match erased.number {
        0 => "the ledger does not name the subject\n".to_owned(),
        number => format!(
            "erasure {number}: the subject is taken out of {} places in {} files\n",
            erased.places, erased.files
        ),
    };
    if archived {
        text += "the archive is made anew without the subject\n";
    }
    if reports > 0 {
        text += &format!("{reports} reports of incidents are removed\n");
    }
    if index {
        text += "the index of values is removed; `rastro serve` builds it anew from the database\n";
    }
    text += "copies elsewhere are not reached: backups, exports, evidence packs\n";
    output::print(&text)?;
    Ok(())
}

/// Removes the index of protected values and what its building left: they hold keys, and values that the database
/// does not hold any more. The key of its hashes stays.
fn forget_values(data_dir: &Path) -> anyhow::Result<bool> {
    let directory = data_dir.join("values");
    let context = || format!("cannot remove the index of values in `{}`", directory.display());
    let entries = match std::fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).with_context(context),
    };
    let mut removed = false;
    for entry in entries {
        let path = entry.with_context(context)?.path();
        if path.is_file() && path.file_name().is_some_and(|name| name != "key") {
            std::fs::remove_file(&path).with_context(context)?;
            removed = true;
        }
    }
    Ok(removed)
}
