//! Limits and permissions the measured processes inherit.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the soft limit of open files to the hard one: a proxy with 500 sessions holds 1,000 sockets.
pub(crate) fn raise_open_files() -> Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("cannot raise the limit of open files")
}

/// Lets the server's account enter `directory`.
pub(crate) fn open_directory(directory: &Path) -> Result<()> {
    std::fs::set_permissions(directory, Permissions::from_mode(0o755))
        .with_context(|| format!("cannot open `{}` to the server's account", directory.display()))
}
