//! What the ledger says of each technique, against the truth.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use super::technique::{Shows, Technique};

/// How well a technique was seen, worst first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum State {
    /// An innocent statement has something in the ledger.
    Discloses,
    /// Somebody was shown, and neither all of them nor unattributed rows are in the ledger.
    Silent,
    /// Not all subjects, but rows without a subject.
    Unattributed,
    /// Every subject; for innocent statements, nobody.
    Attributed,
}

impl State {
    pub fn parse(word: &str) -> Option<State> {
        [State::Discloses, State::Silent, State::Unattributed, State::Attributed]
            .into_iter()
            .find(|state| state.to_string() == word)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Discloses => "discloses",
            State::Silent => "silent",
            State::Unattributed => "unattributed",
            State::Attributed => "attributed",
        })
    }
}

/// What became of one technique.
#[derive(Debug)]
pub struct Verdict {
    pub name: String,
    pub family: String,
    pub shows: Shows,
    pub state: State,
    pub shown: usize,
    /// Of those shown, how many are recorded.
    pub recorded: usize,
    /// Subjects recorded, though not shown, by certainty.
    pub beyond: BTreeMap<String, usize>,
    pub unattributed_rows: u64,
    /// The certainties with which those shown are recorded.
    pub certainties: BTreeSet<String>,
    /// Keys recorded as exact though not shown: lies.
    pub false_exact: Vec<String>,
}

/// Judges `lines`, those of the technique's own principal.
pub fn judge(technique: &Technique, truth: &BTreeSet<String>, lines: &[&Value]) -> Verdict {
    let mut certainties_of: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut unattributed_rows = 0;
    for line in lines {
        match line["subject"].as_str() {
            Some(subject) => {
                certainties_of.entry(subject).or_default().insert(line["certainty"].as_str().unwrap());
            }
            None => unattributed_rows += line["rows"].as_u64().unwrap(),
        }
    }
    let is_shown = |subject: &str| truth.contains(subject);
    let seen = certainties_of.iter().filter(|(subject, _)| is_shown(subject));
    let certainties = seen.clone().flat_map(|(_, found)| found.iter().map(|c| (*c).to_owned())).collect();
    let recorded = seen.count();
    let mut beyond = BTreeMap::new();
    let mut false_exact = Vec::new();
    for (subject, found) in certainties_of.iter().filter(|(subject, _)| !is_shown(subject)) {
        if found.contains("exact") {
            false_exact.push((*subject).to_owned());
        }
        for certainty in found {
            *beyond.entry((*certainty).to_owned()).or_default() += 1;
        }
    }
    let state = match technique.shows {
        Shows::Nothing if lines.is_empty() => State::Attributed,
        Shows::Nothing => State::Discloses,
        _ if recorded == truth.len() => State::Attributed,
        _ if unattributed_rows > 0 => State::Unattributed,
        _ => State::Silent,
    };
    Verdict {
        name: technique.name.clone(),
        family: technique.family.clone(),
        shows: technique.shows,
        state,
        shown: truth.len(),
        recorded,
        beyond,
        unattributed_rows,
        certainties,
        false_exact,
    }
}

/// Reads `tests/redteam/state.txt`: a name, a tab, a state; innocent statements are listed only while they
/// disclose.
pub fn parse_states(text: &str) -> BTreeMap<String, State> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let parse = |line: &str| {
        let (name, word) = line.split_once('\t')?;
        Some((name.to_owned(), State::parse(word)?))
    };
    lines.map(|line| parse(line).unwrap_or_else(|| panic!("`{line}` is no state"))).collect()
}

pub fn write_states(verdicts: &[Verdict]) -> String {
    let mut text = String::from(
        "# How well each technique is seen; the test fails below its line, and above it until the line is\n\
         # raised (RASTRO_REDTEAM_UPDATE=1). Innocent statements are here only while they disclose.\n",
    );
    let mut lines: Vec<String> = verdicts
        .iter()
        .filter(|verdict| verdict.shows != Shows::Nothing || verdict.state == State::Discloses)
        .map(|verdict| format!("{}\t{}\n", verdict.name, verdict.state))
        .collect();
    lines.sort();
    text.extend(lines);
    text
}

/// Returns what a change for the worse, or a lie, there is: each is a failure whatever the mode.
pub fn find_faults(verdicts: &[Verdict], states: &BTreeMap<String, State>) -> Vec<String> {
    let mut faults = Vec::new();
    for verdict in verdicts {
        let Verdict { name, state, shown, recorded, .. } = verdict;
        if !verdict.false_exact.is_empty() {
            faults.push(format!("{name}: recorded as exact though not shown: {:?}", verdict.false_exact));
        }
        let due = states.get(name).copied();
        // A new technique begins where it is; a new innocent statement must be silent at once.
        let due = due.or((verdict.shows == Shows::Nothing).then_some(State::Attributed));
        if let Some(due) = due.filter(|due| state < due) {
            faults.push(format!("{name}: {state} ({recorded} of {shown} recorded), was {due}"));
        }
    }
    faults
}
