use std::fmt::Write;

use crate::tally::Bin;

/// Draws confidence against accuracy; the area of a dot is the share of trials in its bin.
pub(crate) fn calibration(bins: &[Bin], error: f64) -> String {
    let (side, margin) = (400.0, 50.0);
    let x = |value: f64| margin + value * side;
    let y = |value: f64| margin + (1.0 - value) * side;
    let mut svg = String::new();
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"520\" height=\"520\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"520\" height=\"520\" fill=\"white\"/>"
    );
    for step in 0..=5 {
        let value = f64::from(step) / 5.0;
        let _ = writeln!(
            svg,
            "<path d=\"M{} {}H{}M{} {}V{}\" stroke=\"#ddd\" fill=\"none\"/>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{value:.1}</text>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{value:.1}</text>",
            x(0.0),
            y(value),
            x(1.0),
            x(value),
            y(0.0),
            y(1.0),
            x(value),
            y(0.0) + 18.0,
            x(0.0) - 8.0,
            y(value) + 4.0
        );
    }
    let _ = writeln!(
        svg,
        "<path d=\"M{} {}L{} {}\" stroke=\"#888\" stroke-dasharray=\"4\"/>",
        x(0.0),
        y(0.0),
        x(1.0),
        y(1.0)
    );
    for bin in bins.iter().filter(|bin| bin.count > 0.0) {
        let radius = 2.0 + 40.0 * bin.count.sqrt();
        let _ = writeln!(
            svg,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius:.1}\" fill=\"#2a6fb0\" fill-opacity=\"0.5\"/>",
            x(bin.confidence),
            y(bin.accuracy)
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"505\" text-anchor=\"middle\">probability given to the first account</text>\
         <text transform=\"translate(14 {}) rotate(-90)\" text-anchor=\"middle\">share of trials in which it is guilty</text>\
         <text x=\"{}\" y=\"30\" text-anchor=\"middle\">Calibration error {error:.3}</text>\n</svg>",
        x(0.5),
        y(0.5),
        x(0.5)
    );
    svg
}
