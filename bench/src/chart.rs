//! The chart for the README, drawn from the figures of the run.

use std::fmt::Write;

use crate::measure::Figure;
use crate::report::number;

const PANEL_WIDTH: f64 = 380.0;
const ROW: f64 = 20.0;
const NAMES: f64 = 104.0;
const VALUES: f64 = 70.0;
const TOP: f64 = 64.0;
const TITLE: f64 = 30.0;

/// What is shown: the workload, the trace, and what it is called. Jumprope, which merges nothing, is
/// among the subjects of the first.
const PANELS: [(&str, &str, &str); 6] = [
    ("local", "automerge-paper", "Typing, 260,000 edits by position"),
    ("remote", "automerge-paper", "Receiving the same edits, one by one"),
    ("server", "friendsforever.concurrent", "Receiving two authors' concurrent edits"),
    ("load", "automerge-paper", "Opening the document, and the first edit"),
    ("state, zstd", "automerge-paper", "Stored state, after zstd"),
    ("memory", "automerge-paper", "Memory of the open document"),
];

/// An SVG, or `None` when the run lacks figures for it.
pub fn draw(figures: &[Figure]) -> Option<String> {
    let panels: Vec<(&str, Vec<&Figure>)> = PANELS
        .iter()
        .map(|(workload, trace, title)| {
            let mut bars: Vec<&Figure> =
                figures.iter().filter(|f| f.workload == *workload && f.trace == *trace).collect();
            bars.sort_by(|a, b| a.value.total_cmp(&b.value));
            (*title, bars)
        })
        .collect();
    if panels.iter().any(|(_, bars)| bars.is_empty()) {
        return None;
    }
    let height_of = |(_, bars): &(&str, Vec<&Figure>)| TITLE + ROW * bars.len() as f64 + 26.0;
    let row_heights: Vec<f64> =
        panels.chunks(2).map(|pair| pair.iter().map(height_of).fold(0.0, f64::max)).collect();
    let (width, height) = (2.0 * PANEL_WIDTH + 60.0, TOP + row_heights.iter().sum::<f64>());
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-family=\"system-ui, 'DejaVu Sans', sans-serif\" font-size=\"12\" \
         fill=\"#24292f\">\n<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    let _ = writeln!(
        out,
        "<text x=\"20\" y=\"28\" font-size=\"16\" font-weight=\"600\">Inklog's CRDT beside others</text>"
    );
    let _ = writeln!(
        out,
        "<text x=\"20\" y=\"47\" fill=\"#57606a\">Shorter is better; logarithmic, each line ten times the one before. jumprope merges nothing. Medians of one make bench.</text>"
    );
    let mut top = TOP;
    for (pair, row_height) in panels.chunks(2).zip(row_heights) {
        for (column, (title, bars)) in pair.iter().enumerate() {
            panel(&mut out, 20.0 + column as f64 * (PANEL_WIDTH + 20.0), top, title, bars);
        }
        top += row_height;
    }
    out.push_str("</svg>\n");
    Some(out)
}

/// Bars on a logarithmic scale, from a little below the least: the peers lie orders apart.
fn panel(out: &mut String, left: f64, top: f64, title: &str, bars: &[&Figure]) {
    let least = bars.first().map_or(1.0, |bar| bar.value);
    let most = bars.last().map_or(1.0, |bar| bar.value).max(least * 10.0);
    let from = least / 2.0;
    let room = PANEL_WIDTH - NAMES - VALUES;
    let length = |value: f64| (value / from).ln() / (most / from).ln() * room;
    let _ = writeln!(out, "<text x=\"{left}\" y=\"{}\" font-weight=\"600\">{title}</text>", top + 18.0);
    let mut step = 10f64.powf(from.log10().ceil());
    while step < most {
        let x = left + NAMES + length(step);
        let (y1, y2) = (top + TITLE - 4.0, top + TITLE + ROW * bars.len() as f64);
        let _ = writeln!(out, "<path d=\"M{x:.1} {y1}V{y2}\" stroke=\"#d0d7de\"/>");
        step *= 10.0;
    }
    for (row, bar) in bars.iter().enumerate() {
        let y = top + TITLE + row as f64 * ROW;
        let own = bar.subject == "inklog";
        let (fill, weight) = if own { ("#1a7f5a", "600") } else { ("#a9b4c0", "400") };
        let x = left + NAMES;
        let end = length(bar.value);
        let unit = match bar.unit {
            "bytes" => format!("{} KB", number(bar.value / 1000.0)),
            unit => format!("{} {unit}", number(bar.value)),
        };
        let (name_y, name_x) = (y + 12.0, x - 8.0);
        let _ = writeln!(
            out,
            "<text x=\"{name_x}\" y=\"{name_y}\" text-anchor=\"end\" font-weight=\"{weight}\">{}</text>\
             <rect x=\"{x}\" y=\"{}\" width=\"{end:.1}\" height=\"13\" rx=\"2\" fill=\"{fill}\"/>\
             <text x=\"{:.1}\" y=\"{name_y}\" font-weight=\"{weight}\">{unit}</text>",
            bar.subject,
            y + 1.5,
            x + end + 6.0,
        );
    }
}
