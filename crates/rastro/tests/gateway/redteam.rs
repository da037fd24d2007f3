//! P1: what a red team gets out of the database is in the ledger. `tests/redteam/state.txt` is a ratchet: no
//! technique may be seen worse than its line.

mod attack;
mod coverage;
mod ground;
mod judge;
mod technique;

use std::collections::{BTreeMap, BTreeSet};

use rastro_sim::{ScratchCluster, ScratchOptions};
use serde_json::Value;

use crate::support::gateway::Gateway;
use crate::support::transcript::root;
use ground::{GROUNDS, Ground};
use judge::{State, Verdict};
use technique::{Shows, Technique};

const UPDATE: &str = "RASTRO_REDTEAM_UPDATE";

#[test]
fn every_technique_is_recorded_as_well_as_it_was() {
    let verdicts: Vec<Verdict> = GROUNDS.iter().flat_map(attack_all).collect();
    let names: BTreeSet<&str> = verdicts.iter().map(|verdict| verdict.name.as_str()).collect();
    assert_eq!(names.len(), verdicts.len(), "two techniques share a name");
    check(&verdicts);
}

fn attack_all(ground: &Ground) -> Vec<Verdict> {
    let techniques = ground.techniques();
    let cluster = ScratchCluster::start(&ScratchOptions::default()).unwrap();
    ground.build(&cluster, &techniques);
    let truth = ground.truth(&cluster, &techniques);
    let gateway = Gateway::start(&cluster, &ground.gateway_options());
    let psql = cluster.program("psql");
    for technique in &techniques {
        let seen = attack::run((gateway.port, ground.database), &psql, technique);
        if std::env::var_os("RASTRO_REDTEAM_SHOW").is_some() {
            println!("--- {}\n{seen}", technique.name);
        }
    }
    assert!(gateway.is_running(), "the gateway did not survive: {}", gateway.log());
    judge_all(&techniques, &truth, &gateway.disclosures(&[]))
}

fn judge_all(
    techniques: &[Technique],
    truth: &BTreeMap<String, BTreeSet<String>>,
    disclosed: &[Value],
) -> Vec<Verdict> {
    let mut of_principal: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for line in disclosed {
        of_principal.entry(line["principal"].as_str().unwrap()).or_default().push(line);
    }
    let nobody = BTreeSet::new();
    let judge_one = |technique: &Technique| {
        let lines = of_principal.get(technique.login().as_str()).map_or(&[][..], |lines| lines);
        judge::judge(technique, truth.get(&technique.name).unwrap_or(&nobody), lines)
    };
    techniques.iter().map(judge_one).collect()
}

/// Compares with what is on file, or rewrites it; what got worse is never written.
fn check(verdicts: &[Verdict]) {
    let (state_file, page_file) = (ground::place().join("state.txt"), root().join("docs/coverage.md"));
    let on_file = std::fs::read_to_string(&state_file).unwrap_or_default();
    let faults = judge::find_faults(verdicts, &judge::parse_states(&on_file));
    let of = |state| verdicts.iter().filter(|v| v.shows != Shows::Nothing && v.state == state).count();
    println!(
        "techniques: {} attributed, {} unattributed, {} silent",
        of(State::Attributed),
        of(State::Unattributed),
        of(State::Silent)
    );
    assert!(faults.is_empty(), "seen worse than before:\n{}", faults.join("\n"));
    let (states, page) = (judge::write_states(verdicts), coverage::write_page(verdicts));
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&state_file, states).unwrap();
        std::fs::write(&page_file, page).unwrap();
        return;
    }
    let new = states.lines().filter(|line| !on_file.lines().any(|old| old == *line));
    let new = new.collect::<Vec<_>>().join("\n");
    assert!(states == on_file, "seen better than before (or new): run again with {UPDATE}=1\n{new}");
    let page_on_file = std::fs::read_to_string(&page_file).unwrap_or_default();
    assert!(page == page_on_file, "docs/coverage.md is out of date: run again with {UPDATE}=1");
}
