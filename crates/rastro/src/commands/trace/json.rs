use rastro_trace::{AccountScore, Campaign, Trace};
use serde_json::{Value, json};

use crate::incident::{Case, told_apart, verdict};

/// Returns the answer for programs. Probabilities of `accounts`, `populations` and `unknown_route` sum to 1.
pub(super) fn answer(case: &Case, trace: &Trace, campaigns: &[Campaign]) -> Value {
    let said = verdict(trace);
    let campaigns: Vec<Value> = campaigns.iter().map(|campaign| part(case, campaign)).collect();
    let populations: Vec<Value> = trace
        .populations
        .iter()
        .map(|population| {
            let holders: Vec<&str> = population.holders.iter().map(|holder| holder.as_str()).collect();
            json!({
                "name": population.name,
                "holders": holders,
                "probability": population.probability,
                "victims_seen": population.victims_seen,
                "subjects": population.subjects,
            })
        })
        .collect();
    let collusions: Vec<Value> = trace
        .collusions
        .iter()
        .map(|collusion| {
            let members: Vec<Value> = collusion
                .members
                .iter()
                .map(|(who, share)| json!({"principal": who.as_str(), "share": share}))
                .collect();
            json!({"members": members, "probability": collusion.probability})
        })
        .collect();
    let window = trace.window.map(|window| {
        json!({
            "from": window.from.to_string(),
            "until": window.until.to_string(),
            "confidence": window.confidence,
        })
    });
    json!({
        "victims": trace.victims,
        "verdict": said.sentence,
        "named": said.named,
        "accounts": accounts(trace),
        "populations": populations,
        "unknown_route": trace.unknown_route,
        "collusions": collusions,
        "campaigns": campaigns,
        "window": window,
        "evidence": evidence(trace),
        "next_report": trace.next_report.as_ref().map(|next| json!({
            "principal": next.principal.as_str(), "if_seen": next.if_seen, "if_not_seen": next.if_not_seen,
        })),
        "caveats": case.all_caveats(trace),
    })
}

fn accounts(trace: &Trace) -> Vec<Value> {
    let one = |account: &AccountScore| {
        json!({
            "principal": account.principal.as_str(),
            "probability": account.probability,
            "involved": account.involved,
            "log10_bayes_factor": finite(account.log10_bayes_factor),
            "victims_seen": account.victims_seen,
            "exposed": account.exposed,
            "first": account.first.map(|time| time.to_string()),
            "last": account.last.map(|time| time.to_string()),
        })
    };
    trace.accounts.iter().map(one).collect()
}

/// A part of the victims that points elsewhere.
fn part(case: &Case, campaign: &Campaign) -> Value {
    let trace = &campaign.trace;
    json!({
        "victims": trace.victims,
        "told_apart": told_apart(campaign.mark, &case.record.fields),
        "verdict": verdict(trace).sentence,
        "named": verdict(trace).named,
        "accounts": accounts(trace),
        "unknown_route": trace.unknown_route,
    })
}

fn evidence(trace: &Trace) -> Vec<Value> {
    let one = |evidence: &rastro_trace::Evidence| {
        let shown: Vec<Value> = evidence
            .views
            .iter()
            .map(|view| {
                json!({
                    "principal": view.principal.as_str(),
                    "first": view.first.to_string(),
                    "last": view.last.to_string(),
                    "explained": view.explained,
                })
            })
            .collect();
        json!({
            "subject": evidence.subject.to_string(),
            "seen_by": evidence.seen_by,
            "favours_first": finite(evidence.favours_first),
            "shown_to": shown,
        })
    };
    trace.evidence.iter().map(one).collect()
}

/// JSON has no infinity; 300 is as good.
fn finite(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value.clamp(-300.0, 300.0) }
}
