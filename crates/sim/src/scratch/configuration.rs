use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::ScratchError;

/// How the server wants TCP clients to prove who they are. The password of every role made by
/// [`crate::SupportDesk`] is its name; the superuser's is `postgres`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Auth {
    /// Nothing asked.
    #[default]
    Trust,
    /// In clear text.
    Password,
    /// MD5 challenge.
    Md5,
    /// SCRAM-SHA-256.
    ScramSha256,
}

impl Auth {
    pub(super) fn method(self) -> &'static str {
        match self {
            Auth::Trust => "trust",
            Auth::Password => "password",
            Auth::Md5 => "md5",
            Auth::ScramSha256 => "scram-sha-256",
        }
    }

    fn stored_as(self) -> &'static str {
        if self == Auth::Md5 { "md5" } else { "scram-sha-256" }
    }
}

/// The server's certificate and key (PEM files).
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// Certificate, with its chain.
    pub cert: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

/// What a scratch server should be like; the default is trust, no TLS.
#[derive(Clone, Debug, Default)]
pub struct ScratchOptions {
    /// For TCP clients; the unix socket always trusts.
    pub auth: Auth,
    /// TLS is offered when given.
    pub tls: Option<TlsFiles>,
    /// Lines for `postgresql.conf`, later ones win: `("shared_preload_libraries", "pgaudit")`.
    pub settings: Vec<(String, String)>,
}

/// Scratch servers may lose everything at a power cut, so nothing waits for a disk.
const SETTINGS: &[(&str, &str)] = &[
    ("listen_addresses", "127.0.0.1"),
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    ("wal_level", "minimal"),
    ("max_wal_senders", "0"),
    ("max_wal_size", "4GB"),
    ("checkpoint_timeout", "30min"),
    ("shared_buffers", "256MB"),
    ("maintenance_work_mem", "256MB"),
    ("max_connections", "600"),
    ("timezone", "UTC"),
    ("log_min_messages", "fatal"),
    ("log_min_error_statement", "panic"),
];

impl ScratchOptions {
    /// Adds a setting.
    #[must_use]
    pub fn with_setting(mut self, name: &str, value: &str) -> ScratchOptions {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the way clients prove who they are.
    #[must_use]
    pub fn with_auth(mut self, auth: Auth) -> ScratchOptions {
        self.auth = auth;
        self
    }

    /// Returns names and contents of the files of the server's data directory.
    pub(super) fn files(
        &self,
        sockets: &Path,
        port: u16,
    ) -> Result<Vec<(&'static str, Vec<u8>)>, ScratchError> {
        let mut conf = String::new();
        let own = [
            ("port", port.to_string()),
            ("unix_socket_directories", sockets.display().to_string()),
            ("password_encryption", self.auth.stored_as().to_owned()),
            ("ssl", if self.tls.is_some() { "on".to_owned() } else { "off".to_owned() }),
        ];
        let fixed = SETTINGS.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let extra = self.settings.iter().map(|(name, value)| (name.as_str(), value.clone()));
        for (name, value) in fixed.chain(own).chain(extra) {
            // Writing to a String cannot fail.
            let _ = writeln!(conf, "{name} = '{}'", value.replace('\'', "''"));
        }
        let hba = format!("local all all trust\nhost all all 127.0.0.1/32 {}\n", self.auth.method());
        let mut files = vec![("postgresql.conf", conf.into_bytes()), ("pg_hba.conf", hba.into_bytes())];
        if let Some(tls) = &self.tls {
            for (name, path) in [("server.crt", &tls.cert), ("server.key", &tls.key)] {
                let bytes = std::fs::read(path);
                let bytes = bytes.map_err(|source| ScratchError::Prepare { path: path.clone(), source })?;
                files.push((name, bytes));
            }
        }
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_given_win_over_the_defaults_and_are_quoted() {
        let options = ScratchOptions::default().with_setting("fsync", "on").with_setting("x.y", "it's");
        let files = options.files(Path::new("/tmp/s"), 5432).unwrap();
        let conf = String::from_utf8(files[0].1.clone()).unwrap();
        assert!(conf.rfind("fsync = 'on'").unwrap() > conf.find("fsync = 'off'").unwrap());
        assert!(conf.contains("x.y = 'it''s'"));
    }
}
