use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::ScratchError;

/// The oldest version Rastro supports.
const OLDEST: u32 = 15;
/// What a directory must hold to be of use.
const PROGRAMS: &[&str] = &["initdb", "postgres", "psql"];

/// The account a server started by root runs as; PostgreSQL refuses root itself.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// Finds the directory with the newest PostgreSQL server programs: Debian's places and `PATH`.
pub fn find_postgres() -> Option<PathBuf> {
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let installed = installed.map(|entry| entry.path().join("bin"));
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    // Of equals the last wins, and a directory on PATH may hold only a few links.
    std::env::split_paths(&on_path)
        .chain(installed)
        .filter(|directory| PROGRAMS.iter().all(|program| directory.join(program).is_file()))
        .filter_map(|directory| Some((version(&directory)?, directory)))
        .filter(|(version, _)| *version >= OLDEST)
        .max_by_key(|(version, _)| *version)
        .map(|(_, directory)| directory)
}

fn version(directory: &Path) -> Option<u32> {
    let output = Command::new(directory.join("postgres")).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    // `postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)`
    let number = text.split_whitespace().nth(2)?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Returns the account to run as: `postgres` for root, otherwise oneself (`None`).
pub(super) fn owner() -> Result<Option<Owner>, ScratchError> {
    if number_of(&["-u"])? != 0 {
        return Ok(None);
    }
    Ok(Some(Owner { uid: number_of(&["-u", "postgres"])?, gid: number_of(&["-g", "postgres"])? }))
}

fn number_of(arguments: &[&str]) -> Result<u32, ScratchError> {
    let program = format!("id {}", arguments.join(" "));
    let output = Command::new("id").args(arguments).output();
    let output = output.map_err(|source| ScratchError::Run { program: program.clone(), source })?;
    String::from_utf8_lossy(&output.stdout).trim().parse().map_err(|_| ScratchError::Failed {
        program,
        output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

/// Returns the words to put before a program so that it runs as `owner`.
pub(super) fn prefix(owner: Option<&Owner>) -> Vec<OsString> {
    owner.map_or_else(Vec::new, |owner| {
        vec![
            "setpriv".into(),
            format!("--reuid={}", owner.uid).into(),
            format!("--regid={}", owner.gid).into(),
            "--clear-groups".into(),
            "--".into(),
        ]
    })
}

/// Returns the command that runs `program` as `owner`, in a directory that `owner` may enter.
pub(super) fn as_owner(owner: Option<&Owner>, program: &Path) -> Command {
    let mut words = prefix(owner);
    words.push(program.into());
    let mut command = Command::new(words.remove(0));
    command.args(words).current_dir("/");
    command
}
