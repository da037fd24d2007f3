//! How soon changed values were known: written by the gateway, stated in reports.
//!
//! `values/lag` below `data_dir` has lines of a time and the greatest lag, in seconds, since the line before. It
//! tells how the gateway ran and is no part of the ledger.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rastro_model::Timestamp;

const FILE: &str = "values/lag";
const WRITE_EVERY_MICROS: i64 = 600_000_000;

/// Writes what reports state.
pub(crate) struct LagRecord {
    path: PathBuf,
    /// Of the last line.
    time: Timestamp,
    /// Greatest lag since then, and the one written.
    peak: Duration,
    written: Duration,
}

impl LagRecord {
    /// Goes on with the record below `data_dir`.
    pub(crate) fn open(data_dir: &Path, now: Timestamp) -> LagRecord {
        LagRecord { path: data_dir.join(FILE), time: now, peak: Duration::ZERO, written: Duration::ZERO }
    }

    /// Takes note of a lag; writes a line every ten minutes, or when the lag has doubled.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn note(&mut self, now: Timestamp, lag: Duration) -> std::io::Result<()> {
        self.peak = self.peak.max(lag);
        let is_due = now.0.saturating_sub(self.time.0) >= WRITE_EVERY_MICROS;
        if !is_due && self.peak <= self.written.saturating_mul(2) {
            return Ok(());
        }
        let mut file = File::options().create(true).append(true).open(&self.path)?;
        file.write_all(format!("{now} {:.3}\n", self.peak.as_secs_f64()).as_bytes())?;
        (self.time, self.written, self.peak) = (now, self.peak, Duration::ZERO);
        Ok(())
    }
}

/// Returns what a report on the time from `since` to `until` says of the index of values; `None` where no gateway
/// has kept one.
pub(crate) fn statement(
    data_dir: &Path,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
) -> Option<String> {
    let text = std::fs::read_to_string(data_dir.join(FILE)).ok()?;
    let lines = text.lines().filter_map(|line| {
        let (time, seconds) = line.split_once(' ')?;
        Some((time.parse::<Timestamp>().ok()?, seconds.parse::<f64>().ok()?))
    });
    // A line tells of the ten minutes before it.
    let last = until.map(|until| Timestamp(until.0.saturating_add(WRITE_EVERY_MICROS)));
    let meant = lines.filter(|(time, _)| {
        since.is_none_or(|since| *time >= since) && last.is_none_or(|last| *time <= last)
    });
    Some(match meant.map(|(_, seconds)| seconds).max_by(f64::total_cmp) {
        Some(seconds) => format!(
            "values changed in the guarded database were known within {seconds:.1} s; until then a value is \
             attributed only where its column tells whose it is"
        ),
        None => "how soon values changed in the guarded database were known is not recorded".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(1_700_000_000_000_000 + seconds * 1_000_000)
    }

    #[test]
    fn greatest_lag_of_a_time_is_stated() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("values")).unwrap();
        let path = directory.path();
        assert_eq!(statement(path, None, None), None);
        let mut record = LagRecord::open(path, at(0));
        for (second, lag) in [(1, 200), (2, 300), (3, 900), (4, 100), (700, 250), (701, 220), (1_400, 1_200)]
        {
            record.note(at(second), Duration::from_millis(lag)).unwrap();
        }
        let written = std::fs::read_to_string(path.join(FILE)).unwrap();
        assert_eq!(written.lines().count(), 4, "{written}");
        let says = |since, until, seconds: &str| {
            let text = statement(path, since, until).unwrap();
            assert!(text.contains(seconds), "{text}");
        };
        says(None, None, "within 1.2 s");
        says(None, Some(at(60)), "within 0.9 s");
        says(Some(at(600)), Some(at(702)), "within 0.2 s");
        says(Some(at(5_000)), None, "not recorded");
    }
}
