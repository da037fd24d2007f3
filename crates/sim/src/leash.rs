use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

/// The shell that holds the other end of the leash. It starts the program, tells its process id, and waits
/// until its own standard input closes, which happens when the owner lets go or dies, however it dies
/// (statics are never dropped, and a killed test runs no destructor). `$1` signal, `$2` directory to remove.
const KEEPER: &str = r#"
signal=$1; doomed=$2; shift 2
"$@" </dev/null >&2 &
pid=$!
echo "$pid"
exec >&-
read -r _
kill -s "$signal" "$pid" 2>/dev/null
( sleep 10; kill -s KILL "$pid" ) 2>/dev/null >&2 &
patience=$!
wait "$pid" 2>/dev/null
kill "$patience" 2>/dev/null
[ -z "$doomed" ] || rm -rf "$doomed"
"#;

/// A child process that ends with its owner, be it by drop, by exit, by panic or by `kill -9`.
#[derive(Debug)]
pub struct Leashed {
    keeper: Child,
    leash: Option<ChildStdin>,
    pid: u32,
}

impl Leashed {
    /// Starts `program` with `args`, its output appended to `log`.
    ///
    /// * `signal`: what ends it, without `SIG` (`TERM`, `QUIT`); `KILL` follows after 10 s.
    /// * `doomed`: a directory removed once the program has ended.
    ///
    /// # Errors
    /// The shell or the log cannot be opened. A program that cannot be started shows as one that has ended.
    pub fn start<S: AsRef<OsStr>>(
        program: impl AsRef<OsStr>,
        args: impl IntoIterator<Item = S>,
        signal: &str,
        log: &Path,
        doomed: Option<&Path>,
    ) -> io::Result<Leashed> {
        let log = File::options().create(true).append(true).open(log)?;
        let mut keeper = Command::new("sh")
            .arg("-c")
            .arg(KEEPER)
            .arg("keeper")
            .arg(signal)
            .arg(doomed.map_or(OsStr::new(""), Path::as_os_str))
            .arg(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            // Ctrl-C at the terminal must reach the owner alone, which then lets go in its own time.
            .process_group(0)
            .spawn()?;
        let leash = keeper.stdin.take();
        let mut line = String::new();
        if let Some(stdout) = keeper.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let pid = line.trim().parse().map_err(|_| io::Error::other("the keeper told no process id"))?;
        Ok(Leashed { keeper, leash, pid })
    }

    /// Returns the program's process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns whether the program still runs.
    pub fn is_running(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        // `pid (name) state …`: a zombie has ended.
        stat.rsplit(')').next().and_then(|rest| rest.trim().chars().next()).is_some_and(|state| state != 'Z')
    }

    /// Sends `signal` (name without `SIG`) to the program.
    ///
    /// # Errors
    /// `kill` cannot be run; a program that has already ended is not an error.
    pub fn signal(&self, signal: &str) -> io::Result<()> {
        Command::new("sh")
            .args(["-c", "kill -s \"$1\" \"$2\"", "kill", signal, &self.pid.to_string()])
            .stderr(Stdio::null())
            .status()
            .map(|_| ())
    }

    /// Ends the program with `signal` and returns once it is gone.
    ///
    /// # Errors
    /// As [`Leashed::signal`].
    pub fn stop(mut self, signal: &str) -> io::Result<()> {
        self.signal(signal)?;
        self.let_go();
        Ok(())
    }

    fn let_go(&mut self) {
        drop(self.leash.take());
        // Nothing can be done about a shell that cannot be waited for; the program is gone or going.
        let _ = self.keeper.wait();
    }
}

impl Drop for Leashed {
    fn drop(&mut self) {
        self.let_go();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn leashed_program_ends_with_its_owner_and_its_directory_goes() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let doomed = tempfile::tempdir().unwrap().keep();
        let child = Leashed::start("sleep", ["600"], "TERM", log.path(), Some(&doomed)).unwrap();
        let pid = child.pid();
        assert!(child.is_running());
        let begun = Instant::now();
        drop(child);
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
        assert!(!doomed.exists());
        assert!(begun.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn leashed_program_that_ignores_its_signal_is_told_apart_from_one_that_ended() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let child = Leashed::start("true", [""; 0], "TERM", log.path(), None).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while child.is_running() {
            assert!(Instant::now() < deadline, "`true` still runs");
            std::thread::yield_now();
        }
    }
}
