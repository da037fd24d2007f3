//! What this machine must provide: addresses, a data directory, TLS files.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use super::Findings;
use crate::config::Config;

pub(super) fn check(config: &Config, findings: &mut Findings) {
    for (key, address) in [("listen", &config.listen), ("console", &config.console)] {
        if let Err(error) = TcpListener::bind(address) {
            findings.problem(format!("`{key}`: cannot listen on `{address}`: {error}"));
        }
    }
    if let Err((folder, error)) = try_writing(&config.data_dir) {
        findings.problem(format!("`data_dir`: cannot write to `{}`: {error}", folder.display()));
    }
    if let Some(tls) = &config.tls {
        let mut read = |key: &str, path: &Path| {
            std::fs::read(path)
                .map_err(|error| {
                    findings.problem(format!("`tls.{key}`: cannot read `{}`: {error}", path.display()));
                })
                .ok()
        };
        let (cert, key) = (read("cert", &tls.cert), read("key", &tls.key));
        let client_ca = tls.client_ca.as_ref().map(|path| read("client_ca", path));
        if let (Some(cert), Some(key), None | Some(Some(_))) = (cert, key, &client_ca)
            && let Err(error) = rastro_wire::server_side_config(&cert, &key, client_ca.flatten().as_deref())
        {
            findings.problem(format!("`tls`: {:#}", anyhow::Error::from(error)));
        }
    }
}

/// Writes and removes a file in `folder`, or in what exists above it.
fn try_writing(folder: &Path) -> Result<(), (PathBuf, std::io::Error)> {
    let mut existing = std::path::absolute(folder).map_err(|error| (folder.to_owned(), error))?;
    while !existing.exists() && existing.pop() {}
    let probe = existing.join(format!(".rastro-check-{}", std::process::id()));
    std::fs::write(&probe, b"").and_then(|()| std::fs::remove_file(&probe)).map_err(|error| (existing, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_is_tried_where_the_directory_would_be_made_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert!(try_writing(&folder.path().join("a/b/c")).is_ok());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let file = folder.path().join("file");
        std::fs::write(&file, b"").unwrap();
        assert!(try_writing(&file).is_err());
    }

    #[test]
    fn every_fault_of_the_machine_is_found() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let text = format!(
            "listen = '{address}'\nconsole = '127.0.0.1:0'\ndata_dir = '/proc/nowhere'\n\
             database.url = 'postgres://h/d'\ntls.cert = '/no/cert'\ntls.key = '/no/key'"
        );
        let config = Config::parse(&text, &|_| None).unwrap();
        let mut findings = Findings::default();
        check(&config, &mut findings);
        assert_eq!(findings.problems.len(), 4, "{:?}", findings.problems);
    }
}
