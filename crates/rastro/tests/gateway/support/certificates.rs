//! Certificates made for one run.

use std::path::{Path, PathBuf};

use rastro_sim::TlsFiles;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// An authority, and a directory for what it signs.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    directory: tempfile::TempDir,
    /// PEM file of its own certificate.
    pub root: PathBuf,
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let directory = tempfile::Builder::new().prefix("rastro-certificates-").tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let root = directory.path().join("root.pem");
        std::fs::write(&root, params.self_signed(&key).unwrap().pem()).unwrap();
        Authority { issuer: Issuer::new(params, key), directory, root }
    }

    /// Signs a certificate for `names` (host names, addresses) and returns its files.
    pub fn sign(&self, file: &str, names: &[&str]) -> TlsFiles {
        let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, file);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        let path = |end: &str| self.directory.path().join(format!("{file}.{end}"));
        std::fs::write(path("crt"), cert.pem()).unwrap();
        write_secret(&path("key"), &key.serialize_pem());
        TlsFiles { cert: path("crt"), key: path("key") }
    }
}

/// libpq refuses keys that others may read.
fn write_secret(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
}

/// Returns the `[tls]` section for a gateway.
pub fn tls_section(files: &TlsFiles) -> String {
    format!("\n[tls]\ncert = {:?}\nkey = {:?}\n", files.cert, files.key)
}
