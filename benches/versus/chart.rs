//! The speed-ups as a bar chart, in SVG.

use std::fmt::Write as _;

use crate::table::Row;

const ROW_HEIGHT: usize = 22;
const LABEL_WIDTH: f64 = 380.0;
const BARS_WIDTH: f64 = 420.0;

/// Powers of two the axis reaches to on either side of "as fast".
const OCTAVES: f64 = 6.0;

/// Draws a bar per load: to the right of the middle where Headwater is ahead, on a logarithmic scale.
pub fn draw(rows: &[Row]) -> String {
    let height = (rows.len() + 2) * ROW_HEIGHT;
    let width = LABEL_WIDTH + BARS_WIDTH + 70.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (at, row) in rows.iter().enumerate() {
        bar(&mut svg, at, row);
    }
    axis(&mut svg, rows.len());
    svg.push_str("</svg>\n");
    svg
}

fn x_of(speedup: f64) -> f64 {
    let octaves = speedup.log2().clamp(-OCTAVES / 3.0, OCTAVES);
    LABEL_WIDTH + (octaves + OCTAVES / 3.0) / (OCTAVES / 3.0 * 4.0) * BARS_WIDTH
}

fn bar(svg: &mut String, at: usize, row: &Row) {
    let speedup = row.speedup();
    let (zero, end) = (x_of(1.0), x_of(speedup));
    let (from, to) = (zero.min(end), zero.max(end));
    let y = at * ROW_HEIGHT + 6;
    let color = if speedup >= 1.0 { "#2a7f62" } else { "#b3543f" };
    let label = format!("{}: {}", row.group, row.name).replace('&', "&amp;").replace('<', "&lt;");
    let text_y = y + 12;
    // Writing to a String cannot fail.
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{text_y}\" text-anchor=\"end\">{label}</text>\
         <rect x=\"{from:.1}\" y=\"{y}\" width=\"{:.1}\" height=\"16\" fill=\"{color}\"/>\
         <text x=\"{:.1}\" y=\"{text_y}\">{speedup:.1}×</text>",
        LABEL_WIDTH - 8.0,
        to - from,
        to + 6.0
    );
}

fn axis(svg: &mut String, rows: usize) {
    let bottom = rows * ROW_HEIGHT + 6;
    for speedup in [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0] {
        let x = x_of(speedup);
        let _ = writeln!(
            svg,
            "<line x1=\"{x:.1}\" y1=\"0\" x2=\"{x:.1}\" y2=\"{bottom}\" stroke=\"#ccc\" stroke-dasharray=\"2,3\"/>\
             <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\" fill=\"#666\">{speedup}×</text>",
            bottom + 16
        );
    }
}
