//! Questions to an archive, each in a process of its own, so that memory and the cold start are its own.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, ensure};
use rastro_archive::{Key, LedgerReader, Objects, Query};
use rastro_ledger::Subjects;
use rastro_model::Principal;
use serde::{Deserialize, Serialize};

use crate::options::Question;

/// How a question was answered.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// In a new process, the page cache dropped.
    pub(crate) cold_ms: f64,
    /// In one that has the ledger open, the page cache dropped.
    pub(crate) opened_ms: f64,
    /// In one that has the ledger open and was asked nothing yet, the files in the page cache; a median.
    pub(crate) first_ms: f64,
    /// Asked again; a median.
    pub(crate) again_ms: f64,
    /// Rows, or distinct subjects.
    pub(crate) found: u64,
    pub(crate) resident_mb: u64,
}

/// Asks in a new process, with nothing of the files in the page cache if the system lets it be dropped.
pub(crate) fn ask(dir: &Path, question: Question, about: &[String]) -> anyhow::Result<Answer> {
    drop_page_cache();
    let name = match question {
        Question::WhoSaw => "who-saw",
        Question::SubjectsOf => "subjects-of",
    };
    let output = Command::new(std::env::current_exe()?).arg("ask").arg(dir).arg(name).args(about).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("no answer")
}

/// Empties the page cache; returns whether that was possible (it takes root).
pub(crate) fn drop_page_cache() -> bool {
    rustix::fs::sync();
    std::fs::write("/proc/sys/vm/drop_caches", "3\n").is_ok()
}

/// Answers on standard output.
pub(crate) fn answer(dir: &Path, question: Question, about: &[String]) -> anyhow::Result<()> {
    let began = Instant::now();
    let objects = Objects::directory(&dir.join("store"))?;
    let open =
        || -> anyhow::Result<LedgerReader> { Ok(LedgerReader::open(Some(&objects), &dir.join("spool"))?) };
    let reader = open()?;
    let found = once(&reader, question, about)?;
    let cold_ms = began.elapsed().as_secs_f64() * 1e3;
    let timed = |reader: &LedgerReader| -> anyhow::Result<f64> {
        let began = Instant::now();
        ensure!(once(reader, question, about)? == found, "another answer");
        Ok(began.elapsed().as_secs_f64() * 1e3)
    };
    let again: Vec<f64> = (0..9).map(|_| timed(&reader)).collect::<anyhow::Result<_>>()?;
    let resident_mb = resident_peak_mb();
    drop(reader);
    // As a server that runs: it knows how far the archive goes.
    let opened = || -> anyhow::Result<LedgerReader> {
        let reader = open()?;
        drop(reader.tail()?);
        Ok(reader)
    };
    let reader = opened()?;
    drop_page_cache();
    let opened_ms = timed(&reader)?;
    drop(reader);
    let first: Vec<f64> = (0..5).map(|_| timed(&opened()?)).collect::<anyhow::Result<_>>()?;
    let (first_ms, again_ms) = (median(first), median(again));
    let answer = Answer { cold_ms, opened_ms, first_ms, again_ms, found, resident_mb };
    println!("{}", serde_json::to_string(&answer)?);
    Ok(())
}

pub(crate) fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn once(reader: &LedgerReader, question: Question, about: &[String]) -> anyhow::Result<u64> {
    match question {
        Question::WhoSaw => {
            let subjects = about.iter().map(|key| key.parse().map(Key::Int)).collect::<Result<_, _>>()?;
            let query = Query { subjects: Some(subjects), ..Query::default() };
            let mut seen = 0;
            for sighting in reader.who_saw(&query)? {
                std::hint::black_box(sighting?);
                seen += 1;
            }
            Ok(seen)
        }
        Question::SubjectsOf => {
            let principal = about.first().map(|name| Principal::new(name.as_str()));
            let query = Query { principal, ..Query::default() };
            let mut fields: HashMap<i64, u32> = HashMap::new();
            for exposure in reader.subjects_of(&query)? {
                let exposure = exposure?;
                let shown = exposure.combination.fields.split(';').count();
                if let Subjects::Ints(keys) = exposure.subjects {
                    keys.into_iter().for_each(|key| *fields.entry(key).or_default() |= 1 << shown);
                }
            }
            Ok(fields.len() as u64)
        }
    }
}

fn resident_peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or_default() / 1024
}
