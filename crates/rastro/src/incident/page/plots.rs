//! Plots as inline SVG.

use std::fmt::Write;

use rastro_model::Timestamp;
use rastro_trace::{LeakWindow, Trace};

use super::{Case, escape, percent};

const BARS_MAX: usize = 12;
const VICTIMS_MAX: usize = 60;
const ACCOUNTS_MAX: usize = 5;
/// Colours that differ also for the colour-blind (Okabe and Ito).
const COLOURS: [&str; ACCOUNTS_MAX] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00"];
const WIDTH: f64 = 900.0;
const LEFT: f64 = 260.0;

/// Name, probability, range of it, colour.
type Bar = (String, f64, Option<(f64, f64)>, &'static str);

/// Bars of the leading accounts and populations with, for accounts, how far they move without any one report.
pub(super) fn ranking(trace: &Trace, spread: Option<&[(f64, f64)]>) -> String {
    let mut bars: Vec<Bar> = Vec::new();
    for (position, account) in trace.accounts.iter().take(BARS_MAX).enumerate() {
        let range = spread.and_then(|spread| spread.get(position)).copied();
        bars.push((account.principal.to_string(), account.probability, range, "#0072b2"));
    }
    for population in trace.populations.iter().take(3) {
        bars.push((format!("all {}", population.name), population.probability, None, "#999999"));
    }
    bars.push(("none of these".to_owned(), trace.unknown_route, None, "#999999"));
    let height = bars.len() as f64 * 26.0 + 30.0;
    let scale = WIDTH - LEFT - 90.0;
    let mut svg = begin(height, "Probability of each route");
    for (row, (name, probability, range, colour)) in bars.iter().enumerate() {
        let y = row as f64 * 26.0 + 8.0;
        let _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{LEFT}\" y=\"{y:.0}\" width=\"{:.1}\" height=\"16\" fill=\"{colour}\"/>\
             <text x=\"{:.0}\" y=\"{:.0}\">{}</text>",
            LEFT - 8.0,
            y + 12.0,
            short(name, 36),
            (probability.clamp(0.0, 1.0) * scale).max(0.5),
            WIDTH - 80.0,
            y + 12.0,
            escape(&percent(*probability))
        );
        if let Some((low, high)) = range {
            let (from, until) = (LEFT + low * scale, LEFT + high * scale);
            let middle = y + 8.0;
            let _ = writeln!(
                svg,
                "<path d=\"M{from:.1} {middle:.1}H{until:.1}M{from:.1} {y:.1}v16M{until:.1} {y:.1}v16\" stroke=\"#000\" fill=\"none\"/>"
            );
        }
    }
    let axis = height - 22.0;
    for tenth in [0.0, 0.25, 0.5, 0.75, 0.95, 1.0] {
        let x = LEFT + tenth * scale;
        let _ = writeln!(
            svg,
            "<path d=\"M{x:.1} 4V{axis:.1}\" stroke=\"#bbb\" stroke-dasharray=\"2 3\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{:.0}%</text>",
            height - 8.0,
            tenth * 100.0
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// Each victim against each leading account in time.
pub(super) fn timeline(case: &Case, trace: &Trace) -> String {
    let reported = |subject: &rastro_model::SubjectKey| {
        case.victims.iter().filter(|victim| victim.subject == *subject).find_map(|victim| victim.reported_at)
    };
    let rows: Vec<_> = trace.evidence.iter().take(VICTIMS_MAX).collect();
    let moments = rows.iter().flat_map(|row| {
        row.views.iter().flat_map(|view| [view.first, view.last]).chain(reported(&row.subject))
    });
    let Some(axis) = Axis::over(moments) else {
        return "<p>No leading account was shown a victim.</p>\n".to_owned();
    };
    let leading: Vec<_> =
        trace.accounts.iter().take(ACCOUNTS_MAX).map(|account| &account.principal).collect();
    let height = rows.len() as f64 * 18.0 + 60.0;
    let mut svg = begin(height, "When each victim was shown to the leading accounts, and when it reported");
    for (place, (principal, colour)) in leading.iter().zip(COLOURS).enumerate() {
        let x = LEFT + place as f64 * 125.0;
        let _ = writeln!(
            svg,
            "<circle cx=\"{x:.0}\" cy=\"12\" r=\"5\" fill=\"{colour}\"/><text x=\"{:.0}\" y=\"16\">{}</text>",
            x + 9.0,
            short(principal.as_str(), 16)
        );
    }
    for (place, row) in rows.iter().enumerate() {
        let y = place as f64 * 18.0 + 36.0;
        let _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{}</text><path d=\"M{LEFT} {y}H{WIDTH}\" stroke=\"#eee\"/>",
            LEFT - 8.0,
            y + 4.0,
            short(&row.subject.to_string(), 32)
        );
        if let Some(time) = reported(&row.subject) {
            let x = axis.place(time);
            let _ =
                writeln!(svg, "<path d=\"M{x:.1} {:.1}v12\" stroke=\"#000\" stroke-width=\"3\"/>", y - 6.0);
        }
        for view in &row.views {
            let at = leading.iter().position(|principal| **principal == view.principal);
            let Some((place, colour)) = at.and_then(|at| Some((at, COLOURS.get(at)?))) else { continue };
            let fill = if view.explained == Some(true) { "#fff" } else { colour };
            // Side by side where several were shown it on the same day.
            let shift = place as f64 * 1.5 - 3.0;
            for time in [view.first, view.last] {
                let _ = writeln!(
                    svg,
                    "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"{fill}\" stroke=\"{colour}\" stroke-width=\"1.5\"/>",
                    axis.place(time),
                    y + shift
                );
            }
        }
    }
    axis.draw(&mut svg, height);
    svg.push_str("</svg>\n");
    svg
}

/// How many victims the first account had been shown by each moment, and the leak window.
pub(super) fn window(case: &Case, trace: &Trace, window: LeakWindow) -> String {
    let mut seen: Vec<Timestamp> = Vec::new();
    if let Some(first) = trace.accounts.first() {
        let mut times = std::collections::BTreeMap::new();
        for shown in case.behind(&first.principal) {
            times.entry(shown.subject.clone()).or_insert(shown.time);
        }
        seen.extend(times.into_values());
    }
    seen.sort();
    let moments = seen.iter().copied().chain([window.from, window.until]).chain(case.record.last);
    let Some(axis) = Axis::over(moments) else { return String::new() };
    let height = 190.0;
    let (top, bottom) = (16.0, height - 34.0);
    let mut svg = begin(height, "Leak window");
    let (from, until) = (axis.place(window.from), axis.place(window.until));
    let _ = writeln!(
        svg,
        "<rect x=\"{from:.1}\" y=\"{top}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#f3d9b1\"/>",
        (until - from).max(1.0),
        bottom - top
    );
    let step = (bottom - top) / (seen.len().max(1) as f64);
    let mut path = format!("M{LEFT} {bottom}");
    for (count, time) in seen.iter().enumerate() {
        let _ = write!(path, "H{:.1}V{:.1}", axis.place(*time), bottom - (count + 1) as f64 * step);
    }
    let _ = writeln!(
        svg,
        "<path d=\"{path}H{WIDTH}\" stroke=\"#0072b2\" stroke-width=\"2\" fill=\"none\"/>\
         <text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{} victims</text>\
         <text x=\"{:.0}\" y=\"{bottom:.0}\" text-anchor=\"end\">0</text>",
        LEFT - 8.0,
        top + 6.0,
        seen.len(),
        LEFT - 8.0
    );
    axis.draw(&mut svg, height);
    svg.push_str("</svg>\n");
    svg
}

/// A time axis from `LEFT` to the right edge.
struct Axis {
    from: i64,
    until: i64,
}

impl Axis {
    fn over(moments: impl Iterator<Item = Timestamp>) -> Option<Axis> {
        let mut axis: Option<Axis> = None;
        for Timestamp(moment) in moments {
            axis = Some(match axis {
                None => Axis { from: moment, until: moment },
                Some(axis) => Axis { from: axis.from.min(moment), until: axis.until.max(moment) },
            });
        }
        axis.map(|axis| {
            let margin = (axis.until.saturating_sub(axis.from) / 50).max(60_000_000);
            Axis { from: axis.from.saturating_sub(margin), until: axis.until.saturating_add(margin) }
        })
    }

    fn place(&self, time: Timestamp) -> f64 {
        let span = self.until.saturating_sub(self.from).max(1) as f64;
        LEFT + (time.0.saturating_sub(self.from) as f64 / span).clamp(0.0, 1.0) * (WIDTH - LEFT - 10.0)
    }

    fn draw(&self, svg: &mut String, height: f64) {
        let span = self.until.saturating_sub(self.from);
        let chars = if span < 3 * 86_400_000_000 { 16 } else { 10 };
        for part in 0..5 {
            let time = Timestamp(self.from.saturating_add(span / 4 * part));
            let text = time.to_string().get(..chars).unwrap_or_default().replace('T', " ");
            let anchor = match part {
                0 => "start",
                4 => "end",
                _ => "middle",
            };
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
                self.place(time),
                height - 8.0,
                escape(&text)
            );
        }
    }
}

fn begin(height: f64, title: &str) -> String {
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" width=\"{WIDTH}\" height=\"{height:.0}\"><title>{}</title>\n",
        escape(title)
    )
}

fn short(text: &str, chars_max: usize) -> String {
    let mut short: String = text.chars().take(chars_max).collect();
    if text.chars().count() > chars_max {
        short.push('…');
    }
    escape(&short)
}
