use std::collections::BTreeMap;
use std::fmt::Write;

use rastro_model::{Principal, Timestamp};
use rastro_trace::{Campaign, Trace};

use crate::incident::{Case, Shown, percent, told_apart, verdict};

/// Populations, victims and statements listed.
const POPULATIONS_MAX: usize = 5;
const VICTIMS_MAX: usize = 20;
const STATEMENTS_MAX: usize = 8;

/// Tells a trace to people: what it comes to first, then why, then what it cannot see.
pub(super) fn tell(
    case: &Case,
    trace: &Trace,
    campaigns: &[Campaign],
    spread: Option<&[(f64, f64)]>,
    top: usize,
) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ =
        sections(&mut text, case, trace, spread, top).and_then(|()| elsewhere(&mut text, case, campaigns));
    text
}

/// Parts of the victims that point elsewhere than all of them: perhaps another leak.
fn elsewhere(text: &mut String, case: &Case, campaigns: &[Campaign]) -> std::fmt::Result {
    for campaign in campaigns {
        writeln!(
            text,
            "Perhaps another leak: the {} victims {} by themselves. {}",
            campaign.trace.victims,
            printable(&told_apart(campaign.mark, &case.record.fields)),
            printable(&verdict(&campaign.trace).sentence)
        )?;
    }
    Ok(())
}

fn sections(
    text: &mut String,
    case: &Case,
    trace: &Trace,
    spread: Option<&[(f64, f64)]>,
    top: usize,
) -> std::fmt::Result {
    writeln!(text, "{}\n", printable(&verdict(trace).sentence))?;
    basis(text, case, trace)?;
    ranking(text, trace, spread, top)?;
    if let Some(window) = trace.window {
        writeln!(
            text,
            "The copy was taken between {} and {} ({} sure).\n",
            minute(window.from),
            minute(window.until),
            percent(window.confidence)
        )?;
    }
    deciding(text, trace)?;
    if let Some(next) = &trace.next_report {
        writeln!(
            text,
            "One more report: `{}` goes to {} if that victim was shown to it, to {} if not.\n",
            printable(next.principal.as_str()),
            percent(next.if_seen),
            percent(next.if_not_seen)
        )?;
    }
    if let Some(first) = trace.accounts.first().filter(|account| account.victims_seen > 0) {
        behind(text, case, &first.principal)?;
    }
    let caveats = case.all_caveats(trace);
    if !caveats.is_empty() {
        writeln!(text, "Before believing it:")?;
        for caveat in caveats {
            writeln!(text, "  - {}", printable(&caveat))?;
        }
    }
    Ok(())
}

fn basis(text: &mut String, case: &Case, trace: &Trace) -> std::fmt::Result {
    let record = &case.record;
    write!(
        text,
        "From {} victims and {} disclosures of {} people to {} accounts",
        grouped(trace.victims as u64),
        grouped(record.disclosures),
        grouped(record.history.subjects_seen()),
        grouped(record.history.accounts() as u64)
    )?;
    match (record.first, record.last) {
        (Some(first), Some(last)) => writeln!(text, ", {} to {}.\n", minute(first), minute(last)),
        _ => writeln!(text, ".\n"),
    }
}

fn ranking(text: &mut String, trace: &Trace, spread: Option<&[(f64, f64)]>, top: usize) -> std::fmt::Result {
    writeln!(
        text,
        "  {:<28} {:>11} {:>17} {:>9} {:>8} {:>9}  {:<16}  {:<16}",
        "ACCOUNT", "PROBABILITY", "WITHOUT ANY ONE", "LOG10 BF", "VICTIMS", "EXPOSED", "FIRST", "LAST"
    )?;
    for (position, account) in trace.accounts.iter().take(top).enumerate() {
        let range = spread.and_then(|spread| spread.get(position));
        let range =
            range.map_or("-".to_owned(), |(low, high)| format!("{} - {}", percent(*low), percent(*high)));
        writeln!(
            text,
            "  {:<28} {:>11} {range:>17} {:>9.1} {:>8} {:>9}  {:<16}  {:<16}",
            printable(account.principal.as_str()),
            percent(account.probability),
            account.log10_bayes_factor,
            account.victims_seen,
            grouped(account.exposed),
            account.first.map_or("-".into(), minute),
            account.last.map_or("-".into(), minute),
        )?;
    }
    let others: f64 = trace.accounts.iter().skip(top).map(|account| account.probability).sum();
    if others > 0.0 {
        writeln!(text, "  {:<28} {:>11}", "other accounts", percent(others))?;
    }
    for population in trace.populations.iter().filter(|p| p.probability >= 0.0005).take(POPULATIONS_MAX) {
        let share = format!("{} of {} victims in it", population.victims_seen, trace.victims);
        writeln!(
            text,
            "  {:<28} {:>11}   {share}",
            shortened(&format!("all {}", printable(&population.name)), 28),
            percent(population.probability),
        )?;
    }
    writeln!(text, "  {:<28} {:>11}\n", "none of these", percent(trace.unknown_route))?;
    for collusion in trace.collusions.iter().filter(|c| c.probability >= 0.05).take(3) {
        let members: Vec<String> = collusion
            .members
            .iter()
            .map(|(who, share)| format!("`{}` ({})", printable(who.as_str()), percent(*share)))
            .collect();
        writeln!(
            text,
            "Together: {} with probability {}.\n",
            members.join(" and "),
            percent(collusion.probability)
        )?;
    }
    Ok(())
}

/// Which victims decide between the first route and the second.
fn deciding(text: &mut String, trace: &Trace) -> std::fmt::Result {
    if trace.evidence.is_empty() {
        return Ok(());
    }
    writeln!(text, "What each victim says, for the first account and against the second route:")?;
    let mut order: Vec<_> = trace.evidence.iter().collect();
    order.sort_by(|a, b| b.favours_first.abs().total_cmp(&a.favours_first.abs()));
    writeln!(text, "  {:<24} {:>8} {:>8}  SHOWN TO (of the first five)", "VICTIM", "WEIGHT", "SEEN BY")?;
    for evidence in order.iter().take(VICTIMS_MAX) {
        let shown: Vec<String> = evidence
            .views
            .iter()
            .map(|view| {
                let reason = if view.explained == Some(false) { ", no reason" } else { "" };
                format!("{} {}{reason}", printable(view.principal.as_str()), minute(view.last))
            })
            .collect();
        writeln!(
            text,
            "  {:<24} {:>+8.1} {:>8}  {}",
            shortened(&printable(&evidence.subject.to_string()), 24),
            evidence.favours_first,
            evidence.seen_by,
            if shown.is_empty() { "-".to_owned() } else { shown.join("; ") }
        )?;
    }
    if order.len() > VICTIMS_MAX {
        writeln!(text, "  and {} more", order.len() - VICTIMS_MAX)?;
    }
    writeln!(text)
}

/// The sessions and statements by which an account was shown victims.
fn behind(text: &mut String, case: &Case, principal: &Principal) -> std::fmt::Result {
    let mut groups: BTreeMap<(String, String), Vec<&Shown>> = BTreeMap::new();
    for shown in case.behind(principal) {
        let key = (shown.session.clone().unwrap_or_default(), shown.statement.clone().unwrap_or_default());
        groups.entry(key).or_default().push(shown);
    }
    if groups.is_empty() {
        return Ok(());
    }
    writeln!(text, "How `{}` was shown them:", printable(principal.as_str()))?;
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, shown)| std::cmp::Reverse(shown.len()));
    for ((session, statement), shown) in groups.iter().take(STATEMENTS_MAX) {
        let (first, last) = (shown.first().map(|s| s.time), shown.last().map(|s| s.time));
        let (first, last) = (first.map_or("-".into(), minute), last.map_or("-".into(), minute));
        let when = if first == last { first } else { format!("{first} to {last}") };
        let mut fields: Vec<&str> = shown.iter().flat_map(|s| s.fields.iter().map(String::as_str)).collect();
        fields.sort_unstable();
        fields.dedup();
        let reasons = shown.iter().filter(|s| s.reason.is_some()).count();
        let how = [session.as_str(), statement.as_str()].into_iter().filter(|part| !part.is_empty());
        let how: Vec<String> = how.map(|part| shortened(&printable(part), 100)).collect();
        writeln!(
            text,
            "  {when}: {} victims ({}), {reasons} with a reason{}{}",
            shown.len(),
            printable(&fields.join(", ")),
            if how.is_empty() { "" } else { "; " },
            how.join(": ")
        )?;
    }
    if groups.len() > STATEMENTS_MAX {
        writeln!(text, "  and {} more", groups.len() - STATEMENTS_MAX)?;
    }
    writeln!(text)
}

/// Prints a time to the minute.
pub(in crate::commands) fn minute(time: Timestamp) -> String {
    time.to_string().get(..16).unwrap_or_default().replace('T', " ")
}

/// Names come from clients and files: control characters must not reach a terminal.
pub(in crate::commands) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn shortened(text: &str, chars_max: usize) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() <= chars_max {
        return words;
    }
    words.chars().take(chars_max - 1).chain(['…']).collect()
}

pub(in crate::commands) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
