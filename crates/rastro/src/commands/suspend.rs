use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use anyhow::Context;
use clap::Args;
use rastro_detect::{Restoration, Suspension, Suspensions};
use rastro_model::{Clock, Principal, SystemClock};

use super::{CommandResult, ConfigFile, output};
use crate::config::Config;

/// The file below `data_dir` that every gateway watches.
const FILE: &str = "suspended.json";

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  rastro suspend mallory --why 'harvest of 12 May, case 7'\n  \
    rastro restore mallory --why 'case 7 closed, not the account'")]
pub(super) struct SuspendArguments {
    /// The principal, as disclosures name it
    principal: String,
    /// Why; kept with the act
    #[arg(long, value_name = "TEXT")]
    why: String,
    /// Who does this; the name of the operating system's account if missing
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    file: ConfigFile,
}

impl SuspendArguments {
    fn who(&self) -> String {
        acting_person(self.by.clone())
    }
}

/// Returns who acts: as named, or the operating system's account.
pub(super) fn acting_person(named: Option<String>) -> String {
    let named = named.or_else(|| std::env::var("SUDO_USER").ok());
    let known = named.or_else(|| std::env::var("USER").ok()).or_else(|| std::env::var("LOGNAME").ok());
    known.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}

pub(super) fn run_suspend(arguments: &SuspendArguments) -> CommandResult {
    let config = Config::load(&arguments.file.config)?;
    let (who, why) = (arguments.who(), stated(&arguments.why)?);
    let principal = Principal::new(arguments.principal.as_str());
    let suspension = Suspension { who, why, since: SystemClock.now() };
    let changed = edit(&config.data_dir, |set| set.suspend(principal, suspension))?;
    let state = if changed { "is suspended" } else { "was suspended already" };
    output::print(&format!("`{}` {state}\n", arguments.principal))?;
    Ok(())
}

pub(super) fn run_restore(arguments: &SuspendArguments) -> CommandResult {
    let config = Config::load(&arguments.file.config)?;
    let (who, why) = (arguments.who(), stated(&arguments.why)?);
    let principal = Principal::new(arguments.principal.as_str());
    let restoration = Restoration { principal, who, why, at: SystemClock.now() };
    if !edit(&config.data_dir, |set| set.restore(restoration))? {
        return Err(anyhow::anyhow!("`{}` is not suspended", arguments.principal).into());
    }
    output::print(&format!("`{}` is restored\n", arguments.principal))?;
    Ok(())
}

fn stated(why: &str) -> anyhow::Result<String> {
    anyhow::ensure!(!why.trim().is_empty(), "`--why` is empty: state a reason");
    Ok(why.to_owned())
}

/// Changes the file under a lock, so that two commands at once both take effect; returns whether `change`
/// changed anything. The file is replaced as a whole and durable on return.
fn edit(data_dir: &Path, change: impl FnOnce(&mut Suspensions) -> bool) -> anyhow::Result<bool> {
    std::fs::create_dir_all(data_dir)
        .with_context(|| format!("cannot create the data directory `{}`", data_dir.display()))?;
    let path = data_dir.join(FILE);
    let lock_path = data_dir.join("suspended.lock");
    let lock = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&lock_path)
        .with_context(|| format!("cannot open `{}`", lock_path.display()))?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)
        .with_context(|| format!("cannot lock `{}`", lock_path.display()))?;
    let mut set = read(&path)?;
    let changed = change(&mut set);
    if changed {
        write_atomically(data_dir, &path, &set.render())
            .with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    Ok(changed)
}

fn read(path: &Path) -> anyhow::Result<Suspensions> {
    let mut text = String::new();
    match File::open(path) {
        Ok(mut file) => file.read_to_string(&mut text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Suspensions::default()),
        Err(error) => Err(error),
    }
    .with_context(|| format!("cannot read `{}`", path.display()))?;
    Suspensions::parse(&text).with_context(|| format!("cannot use `{}`", path.display()))
}

fn write_atomically(folder: &Path, path: &Path, text: &str) -> std::io::Result<()> {
    let temporary = path.with_extension("json.tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_from_many_threads_all_take_effect() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("new");
        std::thread::scope(|scope| {
            for number in 0..8 {
                let data_dir = &data_dir;
                scope.spawn(move || {
                    let principal = Principal::new(format!("p{number}"));
                    let suspension =
                        Suspension { who: "test".into(), why: "why".into(), since: SystemClock.now() };
                    assert!(edit(data_dir, |set| set.suspend(principal, suspension)).unwrap());
                });
            }
        });
        let set = read(&data_dir.join(FILE)).unwrap();
        assert_eq!((set.iter().count(), set.generation()), (8, 8));
        assert!(!data_dir.join("suspended.json.tmp").exists());
    }

    #[test]
    fn damaged_file_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "{").unwrap();
        assert!(edit(folder.path(), |_| true).is_err());
        assert_eq!(std::fs::read_to_string(folder.path().join(FILE)).unwrap(), "{");
    }
}
