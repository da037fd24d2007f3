//! P5: what `rastro serve` recorded is verified offline, with files and a public key alone.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::desk::{DATABASE, trusting_cluster};
use crate::support::gateway::{Gateway, GatewayOptions, program};

fn select(gateway: &Gateway, sql: &str) {
    let url = format!("postgres://postgres@127.0.0.1:{}/{DATABASE}", gateway.port);
    let output =
        Command::new(trusting_cluster().program("psql")).args([&url, "-XAtc", sql]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn verify(data: &Path, arguments: &[&str]) -> (Option<i32>, Value, String) {
    let Output { status, stdout, stderr } = Command::new(program())
        .arg("verify")
        .arg(data)
        .args(["--format", "json"])
        .args(arguments)
        .output()
        .unwrap();
    let report = serde_json::from_slice(&stdout).unwrap_or_default();
    (status.code(), report, String::from_utf8(stderr).unwrap())
}

fn only_spool_file_with_entries(data: &Path) -> PathBuf {
    let files = std::fs::read_dir(data.join("spool")).unwrap().map(|entry| entry.unwrap().path());
    let mut logs: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|e| e == "log")).collect();
    logs.sort();
    logs.remove(0)
}

#[test]
fn ledger_of_a_gateway_verifies_after_a_crash_and_tampering_is_found() {
    let mut gateway = Gateway::start(trusting_cluster(), &GatewayOptions::default());
    let data = gateway.configuration().with_file_name("ledger");
    for id in 1..40 {
        select(&gateway, &format!("SELECT name, email FROM customers WHERE id = {id}"));
    }
    gateway.kill();
    gateway.restart();
    select(&gateway, "SELECT id, name FROM customers WHERE id < 500");
    gateway.stop();
    let (status, report, complaint) = verify(&data, &[]);
    assert_eq!((status, complaint.as_str()), (Some(0), ""), "{report}");
    assert_eq!(report["intact"], true);
    assert_eq!(report["younger"], 0, "{report}");
    let sealed = report["checkpoint"]["size"].as_u64().unwrap();
    assert_eq!(report["entries"], sealed);
    assert!(sealed > 40, "{report}");
    let mode = |name: &str| std::fs::metadata(data.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!([mode("keys/ledger.key"), mode("keys"), mode("salts/0000000001.salt")], [0o600, 0o700, 0o600]);

    // A checkpoint and the key, kept elsewhere.
    let kept = data.with_file_name("kept");
    std::fs::copy(data.join("tree/checkpoint"), &kept).unwrap();
    let key = data.with_file_name("kept.pub");
    std::fs::copy(data.join("keys/ledger.pub"), &key).unwrap();
    let outside = ["--checkpoint", kept.to_str().unwrap(), "--key", key.to_str().unwrap()];
    assert_eq!(verify(&data, &outside).0, Some(0));

    // The key changes; who trusts the old one follows.
    let output = gateway.run("seal", &["--new-key"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (status, report, complaint) = verify(&data, &outside);
    assert_eq!((status, &report["key_changes"]), (Some(0), &Value::from(1)), "{complaint}");

    let file =
        std::fs::File::options().read(true).write(true).open(only_spool_file_with_entries(&data)).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 700).unwrap();
    file.write_all_at(&[byte[0] ^ 4], 700).unwrap();
    let (status, report, complaint) = verify(&data, &outside);
    assert_eq!((status, &report["intact"]), (Some(1), &Value::from(false)));
    assert!(complaint.contains("entry ") && complaint.contains("cannot be read"), "{complaint}");
}

/// A running `rastro witness`.
struct Council {
    process: std::process::Child,
    url: String,
    key: String,
}

impl Council {
    fn start(dir: &Path, log: &Path) -> Council {
        let mut process = Command::new(program())
            .args(["witness", "--listen", "127.0.0.1:0", "--name", "council.example/rastro", "--dir"])
            .arg(dir)
            .arg("--log")
            .arg(log)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut line = || lines.next().unwrap().unwrap();
        let (address, key) = (line(), line());
        Council { process, url: format!("http://{address}"), key }
    }
}

impl Drop for Council {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[test]
fn witness_cosigns_a_running_ledger_and_tells_truncation_from_rollback() {
    let place = tempfile::tempdir().unwrap();
    let mut gateway = Gateway::start(trusting_cluster(), &GatewayOptions::default());
    let data = gateway.configuration().with_file_name("ledger");
    gateway.stop();
    let council = Council::start(&place.path().join("council"), &data.join("keys/ledger.pub"));
    let configuration = std::fs::read_to_string(gateway.configuration()).unwrap();
    let line = format!("[ledger]\nwitnesses = [\"{} {}\"]\n", council.url, council.key);
    std::fs::write(gateway.configuration(), configuration.replacen("[ledger]\n", &line, 1)).unwrap();
    gateway.restart();
    select(&gateway, "SELECT id, name FROM customers WHERE id < 50");
    let deadline = Instant::now() + Duration::from_secs(20);
    let witnessed = loop {
        let (status, report, complaint) = verify(&data, &[]);
        assert_eq!(status, Some(0), "{complaint}");
        let size = report["witnessed"]["size"].as_u64().unwrap_or_default();
        if size >= 4 {
            assert_eq!(report["witnessed"]["by"][0]["witness"], "council.example/rastro");
            break size;
        }
        assert!(Instant::now() < deadline, "not witnessed: {report} {}", gateway.log());
    };
    gateway.kill();
    let key = council.key.clone();
    drop(council);

    // Everything behind the witnessed checkpoint goes: the start of the next run with its entries.
    gateway.restart();
    gateway.stop();
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(data.join("spool")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.retain(|path| path.extension().is_some_and(|e| e == "log"));
    std::fs::remove_file(files.pop().unwrap()).unwrap();
    let (status, _, complaint) = verify(&data, &["--witness", &key]);
    assert_eq!(status, Some(1));
    assert!(complaint.contains("truncated after the last witnessed checkpoint"), "{complaint}");
    assert!(complaint.contains(&format!("the {witnessed} witnessed entries are intact")), "{complaint}");
    std::fs::remove_file(files.pop().unwrap()).unwrap();
    let (status, _, complaint) = verify(&data, &["--witness", &key]);
    assert_eq!(status, Some(1));
    assert!(complaint.contains("are missing") && !complaint.contains("truncated after"), "{complaint}");
}
