//! The tables: one a workload, subjects side by side, with ratios to Inklog; and the goals.

use std::fmt::Write;

use crate::goals;
use crate::workloads::Results;

/// The figure and how many times Inklog's it is, for every subject.
pub fn tables(results: &Results) -> String {
    let mut out = String::new();
    let mut workloads: Vec<&str> = Vec::new();
    for figure in &results.figures {
        if !workloads.contains(&figure.workload.as_str()) {
            workloads.push(&figure.workload);
        }
    }
    for workload in workloads {
        table(&mut out, results, workload);
    }
    out.push_str(&goals::table(&results.figures));
    out
}

fn table(out: &mut String, results: &Results, workload: &str) {
    let figures: Vec<_> = results.figures.iter().filter(|figure| figure.workload == workload).collect();
    let (mut traces, mut subjects): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for figure in &figures {
        if !traces.contains(&figure.trace.as_str()) {
            traces.push(&figure.trace);
        }
        if !subjects.contains(&figure.subject.as_str()) {
            subjects.push(&figure.subject);
        }
    }
    let _ = writeln!(out, "\n## {workload} ({})\n", figures[0].unit);
    let _ = writeln!(out, "| | {} |\n|---|{}", subjects.join(" | "), "---:|".repeat(subjects.len()));
    for trace in traces {
        let of = |subject: &str| figures.iter().find(|f| f.trace == trace && f.subject == subject);
        let own = of("inklog").map(|figure| figure.value);
        let cells = subjects.iter().map(|subject| match of(subject) {
            None => "–".to_owned(),
            Some(figure) => {
                let ratio = own
                    .filter(|_| *subject != "inklog")
                    .map(|own| format!(" (×{})", number(figure.value / own)));
                let wrong = if figure.ok { "" } else { " **text wrong**" };
                format!("{}{}{wrong}", number(figure.value), ratio.unwrap_or_default())
            }
        });
        let _ = writeln!(out, "| {trace} | {} |", cells.collect::<Vec<_>>().join(" | "));
    }
    for absent in results.absent.iter().filter(|absent| absent.workload == workload) {
        let _ = writeln!(out, "\n{}: {}.", absent.subject, absent.why);
    }
}

/// Three digits or so, with thousands set apart.
pub fn number(value: f64) -> String {
    let digits = match value {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}
