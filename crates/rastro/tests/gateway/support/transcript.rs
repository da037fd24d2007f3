use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::desk::DATABASE;

/// The workspace's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_path_buf()
}

/// Where `tests/prepare` puts the clients of other languages.
pub fn client_place() -> PathBuf {
    let place = std::env::var_os("RASTRO_TEST_CLIENTS");
    let place = place.map_or_else(|| root().join("target/test-clients"), PathBuf::from);
    assert!(place.join("stamp").exists(), "`{}` is not there yet: run tests/prepare first", place.display());
    place
}

/// Makes `command` find the server at `port` through libpq's environment, as `login`.
pub fn aim<'a>(command: &'a mut Command, port: u16, login: &str) -> &'a mut Command {
    command
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", port.to_string())
        .env("PGUSER", login)
        .env("PGPASSWORD", login)
        .env("PGDATABASE", DATABASE)
        .env("PGSSLMODE", "disable")
        .env("LC_ALL", "C.UTF-8")
        .env("PYTHONUTF8", "1")
        .stdin(Stdio::null())
}

/// Runs `command` and returns what it printed; a failure of it is a failure of the test.
pub fn output_of(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let (out, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let tail: Vec<_> = out.lines().rev().take(3).collect();
    assert!(output.status.success(), "{command:?} failed: {complaint}\nlast lines: {tail:#?}");
    out.into_owned()
}

/// Fails at the first line in which the transcripts differ.
#[track_caller]
pub fn assert_same(what: &str, direct: &str, through: &str) {
    for (number, (expected, found)) in (1..).zip(direct.lines().zip(through.lines())) {
        assert_eq!(found, expected, "{what}: line {number} differs through the gateway");
    }
    let (direct, through) = (direct.lines().count(), through.lines().count());
    assert_eq!(through, direct, "{what}: the gateway's transcript has another number of lines");
}
