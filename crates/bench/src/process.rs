//! Processes the bench starts, stops with itself, and looks into through `/proc`.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;

/// Clock ticks a second in `/proc/<pid>/stat`: 100 on every Linux since 2.6 (`USER_HZ`).
pub(crate) const TICKS_PER_SECOND: f64 = 100.0;

/// The account PostgreSQL and PgBouncer run under when the bench runs as root, which both refuse.
const SERVER_ACCOUNT: &str = "postgres";

/// Returns a command that runs `program`, ended with `signal` should the bench die.
///
/// With `as_server` and as root it runs under the account `postgres`.
pub(crate) fn command(program: &Path, signal: &str, as_server: bool) -> Command {
    let mut command = Command::new("setpriv");
    command.arg(format!("--pdeathsig={signal}"));
    if as_server && is_root() {
        command.args([
            format!("--reuid={SERVER_ACCOUNT}"),
            format!("--regid={SERVER_ACCOUNT}"),
            "--clear-groups".to_owned(),
        ]);
    }
    command.arg("--").arg(program);
    command
}

/// Creates `directory` for the server's account.
pub(crate) fn create_server_directory(directory: &Path) -> Result<()> {
    std::fs::create_dir_all(directory).with_context(|| format!("cannot create `{}`", directory.display()))?;
    if is_root() {
        run(Command::new("chown").arg(SERVER_ACCOUNT).arg(directory))?;
    }
    Ok(())
}

/// Runs `command` to its end.
///
/// # Errors
/// Any exit status but 0, with what it wrote to standard error.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A process in the background, stopped when dropped.
pub(crate) struct Background {
    child: Child,
    stop_signal: Signal,
}

impl Background {
    /// Starts `command`, its output in `log`; stopped by `stop_signal`.
    pub(crate) fn start(mut command: Command, log: &Path, stop_signal: Signal) -> Result<Self> {
        let output = File::create(log).with_context(|| format!("cannot create `{}`", log.display()))?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        Ok(Self { child, stop_signal })
    }

    /// Waits until `ready` holds.
    ///
    /// # Errors
    /// The process ends first, or `patience` is over.
    pub(crate) fn wait_until(&mut self, patience: Duration, mut ready: impl FnMut() -> bool) -> Result<()> {
        let deadline = Instant::now() + patience;
        while !ready() {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status} before it was ready");
            }
            if Instant::now() > deadline {
                bail!("it was not ready after {} s", patience.as_secs());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Returns the process id; `setpriv` has become the program.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Ok(raw) = i32::try_from(self.child.id())
            && let Some(pid) = Pid::from_raw(raw)
        {
            // Either fails only if the process is gone already.
            let _ = kill_process(pid, self.stop_signal);
            let _ = self.child.wait();
        }
    }
}

/// Returns the CPU seconds (user and system, all threads) process `pid` has used.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("cannot read `{path}`"))?;
    parse_cpu_seconds(&stat).with_context(|| format!("cannot understand `{path}`"))
}

/// Reads fields 14 and 15 (utime, stime), which follow the bracketed name; the name may hold anything.
fn parse_cpu_seconds(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

/// Memory of a process, in kB.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Memory {
    /// Resident now.
    pub(crate) resident_kb: u64,
    /// Of it, not backed by files.
    pub(crate) anonymous_kb: u64,
    /// Resident at most since the start.
    pub(crate) peak_kb: u64,
}

/// Returns the memory of process `pid`.
pub(crate) fn memory(pid: u32) -> Result<Memory> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("cannot read `{path}`"))?;
    let field = |name: &str| -> Result<u64> {
        status
            .lines()
            .find_map(|line| {
                line.strip_prefix(name)?.strip_prefix(':')?.trim().strip_suffix(" kB")?.parse().ok()
            })
            .with_context(|| format!("`{path}` lacks `{name}`"))
    };
    Ok(Memory { resident_kb: field("VmRSS")?, anonymous_kb: field("RssAnon")?, peak_kb: field("VmHWM")? })
}

#[cfg(test)]
mod tests {
    use super::{cpu_seconds, memory, parse_cpu_seconds};

    #[test]
    fn parse_cpu_seconds_with_brackets_in_name_reads_both_times() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 250 150 9 9 20 0 1 0 5 6 7";
        assert_eq!(parse_cpu_seconds(stat), Some(4.0));
    }

    #[test]
    fn own_process_has_cpu_and_memory() {
        let own = std::process::id();
        assert!(cpu_seconds(own).unwrap() >= 0.0);
        let memory = memory(own).unwrap();
        assert!(memory.peak_kb >= memory.anonymous_kb && memory.resident_kb > 0);
    }
}
