//! Measured against modelled times as an SVG picture, both axes logarithmic.

use std::fmt::Write;

/// Points of one colour.
#[derive(Clone, Debug)]
pub struct Series {
    /// What they are.
    pub name: String,
    /// (measured, modelled) in µs.
    pub points: Vec<(f64, f64)>,
}

const SIDE: f64 = 640.0;
const MARGIN: f64 = 56.0;
/// Colours that stay apart for colour-blind readers (Okabe and Ito 2008).
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/// Draws series with the line of equality and a band of ±10 %.
pub fn scatter(title: &str, series: &[Series]) -> String {
    let all = || series.iter().flat_map(|series| &series.points);
    let low = all().map(|(x, y)| x.min(*y)).fold(f64::INFINITY, f64::min).log10().floor();
    let high = all().map(|(x, y)| x.max(*y)).fold(0.0, f64::max).log10().ceil();
    let (low, high) = if low < high { (low, high) } else { (0.0, 1.0) };
    let along = |value: f64| (value.log10() - low) / (high - low) * (SIDE - 2.0 * MARGIN);
    let place = |x: f64, y: f64| (MARGIN + along(x), SIDE - MARGIN - along(y));
    let (begin, end) = (10f64.powf(low), 10f64.powf(high));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {SIDE} {SIDE}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{SIDE}\" height=\"{SIDE}\" fill=\"white\"/>\n\
         <text x=\"{MARGIN}\" y=\"24\" font-size=\"15\">{title}</text>\n"
    );
    let mut line = |from: (f64, f64), to: (f64, f64), style: &str| {
        let ((x1, y1), (x2, y2)) = (place(from.0, from.1), place(to.0, to.1));
        // Writing to a string cannot fail.
        let _ = writeln!(
            svg,
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{style}\"/>"
        );
    };
    for decade in low as i32..=high as i32 {
        let at = 10f64.powi(decade);
        line((at, begin), (at, end), "#ddd");
        line((begin, at), (end, at), "#ddd");
    }
    line((begin, begin), (end, end), "#444");
    for factor in [0.9, 1.1f64] {
        let (from, to) = (begin.max(begin / factor), end.min(end / factor));
        line((from, from * factor), (to, to * factor), "#aaa\" stroke-dasharray=\"4 3");
    }
    for decade in low as i32..=high as i32 {
        let (x, y) = place(10f64.powi(decade), 10f64.powi(decade));
        let label = 10f64.powi(decade);
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>\
             <text x=\"{:.1}\" y=\"{y:.1}\" text-anchor=\"end\">{label}</text>",
            SIDE - MARGIN + 16.0,
            MARGIN - 6.0
        );
    }
    for (index, series) in series.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        for (measured, modelled) in &series.points {
            let (x, y) = place(*measured, *modelled);
            let _ = writeln!(
                svg,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.2\" fill=\"{colour}\" fill-opacity=\"0.6\"/>"
            );
        }
        let y = MARGIN + 18.0 * (index + 1) as f64;
        let _ = writeln!(
            svg,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"{colour}\"/><text x=\"{:.1}\" y=\"{y:.1}\">{}</text>",
            MARGIN + 12.0,
            y - 4.0,
            MARGIN + 22.0,
            series.name
        );
    }
    let middle = SIDE / 2.0;
    let _ = writeln!(
        svg,
        "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">measured, µs</text>\n\
         <text x=\"14\" y=\"{middle}\" text-anchor=\"middle\" transform=\"rotate(-90 14 {middle})\">modelled, µs</text>\n</svg>",
        SIDE - 14.0
    );
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_times_lie_on_the_diagonal() {
        let series = Series { name: "all".into(), points: vec![(1.0, 1.0), (10.0, 10.0), (100.0, 100.0)] };
        let svg = scatter("test", &[series]);
        for (x, y) in [(56.0, 584.0), (320.0, 320.0), (584.0, 56.0)] {
            assert!(svg.contains(&format!("cx=\"{x:.1}\" cy=\"{y:.1}\"")), "{svg}");
        }
        assert!(svg.ends_with("</svg>\n"));
    }
}
