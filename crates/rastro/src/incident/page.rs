//! The report of a trace: one HTML file that needs nothing else and runs no script.

mod plots;

use std::fmt::Write;

use rastro_model::Timestamp;
use rastro_trace::Trace;

use super::{Case, percent, verdict};

const ROWS_MAX: usize = 25;
const STATEMENTS_MAX: usize = 200;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b;background:#fff}\
h1{font-size:1.6rem}h2{font-size:1.15rem;margin-top:2rem}p.verdict{font-size:1.25rem;border-left:.3rem solid #0b5cad;padding-left:1rem}\
table{border-collapse:collapse;width:100%;font-size:.9rem}th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #ddd}\
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}code{font-size:.85rem;word-break:break-word}svg{max-width:100%;height:auto}\
svg text{font:12px system-ui,sans-serif;fill:#1b1b1b}footer{margin-top:3rem;color:#555;font-size:.85rem}\
@media print{body{margin:0}}";

/// Returns the page. Everything that comes from files, clients or the ledger is escaped.
pub(crate) fn page(case: &Case, trace: &Trace, spread: Option<&[(f64, f64)]>) -> String {
    let mut html = String::new();
    // Writing to a string does not fail.
    let _ = write_page(&mut html, case, trace, spread);
    html
}

fn write_page(
    html: &mut String,
    case: &Case,
    trace: &Trace,
    spread: Option<&[(f64, f64)]>,
) -> std::fmt::Result {
    write!(
        html,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Trace</title><style>{STYLE}</style></head><body>\n\
         <h1>Through which account did the data leave?</h1>\n<p class=\"verdict\">{}</p>\n",
        escape(&verdict(trace).sentence)
    )?;
    basis(html, case, trace)?;
    write!(html, "<h2>Ranking</h2>\n{}", plots::ranking(trace, spread))?;
    writeln!(
        html,
        "<p>The bar is the probability; the line through it reaches from the lowest to the highest value that it \
         takes when any one report is left out{}.</p>",
        if spread.is_none() { " (not drawn: too many reports)" } else { "" }
    )?;
    accounts(html, trace)?;
    write!(html, "<h2>Victims and the leading accounts, in time</h2>\n{}", plots::timeline(case, trace))?;
    writeln!(
        html,
        "<p>Each row is a victim; a dot is an account that was shown it (filled: without a reason or \
        none known), the bar is the report.</p>"
    )?;
    window(html, case, trace)?;
    evidence(html, trace)?;
    behind(html, case, trace)?;
    writeln!(html, "<h2>Before believing it</h2>\n<ul>")?;
    for caveat in case.all_caveats(trace) {
        writeln!(html, "<li>{}</li>", escape(&caveat))?;
    }
    writeln!(
        html,
        "</ul>\n<footer>Written by Rastro {}. An account is named, not a person.</footer>\n</body></html>",
        env!("CARGO_PKG_VERSION")
    )
}

fn basis(html: &mut String, case: &Case, trace: &Trace) -> std::fmt::Result {
    let record = &case.record;
    let span = match (record.first, record.last) {
        (Some(first), Some(last)) => format!(", {} to {}", minute(first), minute(last)),
        _ => String::new(),
    };
    writeln!(
        html,
        "<p>From {} victims and {} disclosures of {} people to {} accounts{span} (times in UTC).</p>",
        trace.victims,
        record.disclosures,
        record.history.subjects_seen(),
        record.history.accounts()
    )
}

fn accounts(html: &mut String, trace: &Trace) -> std::fmt::Result {
    writeln!(
        html,
        "<table><thead><tr><th>Account or population<th class=n>Probability<th class=n>log10 Bayes factor\
         <th class=n>Victims seen<th class=n>People exposed<th>First<th>Last</tr></thead><tbody>"
    )?;
    for account in trace.accounts.iter().take(ROWS_MAX) {
        writeln!(
            html,
            "<tr><td>{}<td class=n>{}<td class=n>{:.1}<td class=n>{}<td class=n>{}<td>{}<td>{}</tr>",
            escape(account.principal.as_str()),
            escape(&percent(account.probability)),
            account.log10_bayes_factor,
            account.victims_seen,
            account.exposed,
            account.first.map_or("–".into(), minute),
            account.last.map_or("–".into(), minute)
        )?;
    }
    for population in trace.populations.iter().filter(|p| p.probability >= 0.0005).take(ROWS_MAX) {
        let holders: Vec<String> = population.holders.iter().take(10).map(|h| escape(h.as_str())).collect();
        writeln!(
            html,
            "<tr><td>all {} <small>{}</small><td class=n>{}<td class=n>–<td class=n>{}<td class=n>{}<td>–<td>–</tr>",
            escape(&population.name),
            holders.join(", "),
            escape(&percent(population.probability)),
            population.victims_seen,
            population.subjects
        )?;
    }
    writeln!(
        html,
        "<tr><td>none of these<td class=n>{}<td class=n>–<td class=n>–<td class=n>–<td>–<td>–</tr></tbody></table>",
        escape(&percent(trace.unknown_route))
    )
}

fn window(html: &mut String, case: &Case, trace: &Trace) -> std::fmt::Result {
    writeln!(html, "<h2>When the copy was taken</h2>")?;
    match trace.window {
        None => writeln!(html, "<p>The reports do not bound it.</p>"),
        Some(window) => {
            write!(html, "{}", plots::window(case, trace, window))?;
            writeln!(
                html,
                "<p>Between {} and {} ({} sure). The curve counts the victims already shown to the first account.</p>",
                minute(window.from),
                minute(window.until),
                escape(&percent(window.confidence))
            )
        }
    }
}

fn evidence(html: &mut String, trace: &Trace) -> std::fmt::Result {
    writeln!(
        html,
        "<h2>What each victim says</h2>\n<table><thead><tr><th>Victim<th class=n>Weight for the first account\
         <th class=n>Seen by<th>Shown to (of the first five)</tr></thead><tbody>"
    )?;
    for evidence in trace.evidence.iter().take(STATEMENTS_MAX) {
        let shown: Vec<String> = evidence
            .views
            .iter()
            .map(|view| format!("{} {}", escape(view.principal.as_str()), minute(view.last)))
            .collect();
        writeln!(
            html,
            "<tr><td>{}<td class=n>{:+.1}<td class=n>{}<td>{}</tr>",
            escape(&evidence.subject.to_string()),
            evidence.favours_first,
            evidence.seen_by,
            shown.join("; ")
        )?;
    }
    writeln!(html, "</tbody></table>")?;
    if let Some(next) = &trace.next_report {
        writeln!(
            html,
            "<p>One more report: {} goes to {} if that victim was shown to it, to {} if not.</p>",
            escape(next.principal.as_str()),
            escape(&percent(next.if_seen)),
            escape(&percent(next.if_not_seen))
        )?;
    }
    Ok(())
}

fn behind(html: &mut String, case: &Case, trace: &Trace) -> std::fmt::Result {
    let Some(first) = trace.accounts.first().filter(|account| account.victims_seen > 0) else {
        return Ok(());
    };
    writeln!(
        html,
        "<h2>How {} was shown them</h2>\n<table><thead><tr><th>Time<th>Victim<th>Fields<th>Reason<th>Session<th>Statement\
         </tr></thead><tbody>",
        escape(first.principal.as_str())
    )?;
    let mut count = 0;
    for shown in case.behind(&first.principal) {
        count += 1;
        if count > STATEMENTS_MAX {
            continue;
        }
        writeln!(
            html,
            "<tr><td>{}<td>{}<td>{}<td>{}<td>{}<td><code>{}</code></tr>",
            escape(&shown.time.to_string()),
            escape(&shown.subject.to_string()),
            escape(&shown.fields.join(", ")),
            escape(shown.reason.as_deref().unwrap_or("–")),
            escape(shown.session.as_deref().unwrap_or("–")),
            escape(shown.statement.as_deref().unwrap_or("–"))
        )?;
    }
    writeln!(html, "</tbody></table>")?;
    if count > STATEMENTS_MAX {
        writeln!(html, "<p>And {} more.</p>", count - STATEMENTS_MAX)?;
    }
    Ok(())
}

fn minute(time: Timestamp) -> String {
    escape(&time.to_string().get(..16).unwrap_or_default().replace('T', " "))
}

/// Makes a text safe inside elements and quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // Unprintable, or turning the text around.
            c if c.is_control() || ('\u{200e}'..='\u{202e}').contains(&c) => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_a_name_stays_text() {
        assert_eq!(escape("<script>\"'&\u{1b}\u{202e}é"), "&lt;script&gt;&quot;&#39;&amp;\u{fffd}\u{fffd}é");
    }
}
