//! What Inklog is meant to reach, held against the figures of the run.

use std::fmt::Write;

use crate::measure::Figure;
use crate::report::number;

struct Run<'a>(&'a [Figure]);

impl Run<'_> {
    fn of(&self, workload: &str, trace: &str, subject: &str) -> Option<f64> {
        let mut all = self.0.iter();
        let found = all.find(|f| f.workload == workload && f.trace == trace && f.subject == subject);
        found.map(|figure| figure.value)
    }

    /// Inklog's figure and the least of the peers'. The rope is no peer.
    fn beside(&self, workload: &str, trace: &str) -> Option<(f64, f64, &str)> {
        let own = self.of(workload, trace, "inklog")?;
        let peers = self.0.iter().filter(|f| f.workload == workload && f.trace == trace);
        let peers = peers.filter(|f| f.subject != "inklog" && !f.subject.starts_with("jumprope") && f.ok);
        let best = peers.min_by(|a, b| a.value.total_cmp(&b.value))?;
        Some((own, best.value, &best.subject))
    }

    fn traces(&self) -> Vec<&str> {
        let mut traces: Vec<&str> = Vec::new();
        for figure in self.0.iter().filter(|figure| figure.workload == "state") {
            if !traces.contains(&figure.trace.as_str()) {
                traces.push(&figure.trace);
            }
        }
        traces
    }
}

/// A row for every goal that the run has figures for.
pub fn table(figures: &[Figure]) -> String {
    let run = Run(figures);
    let mut rows: Vec<(String, String, bool)> = Vec::new();
    let paper = "automerge-paper";
    let mut share = |what: &str, workload: &str, trace: &str, most: f64| {
        if let Some((own, best, who)) = run.beside(workload, trace) {
            let found = format!("{} beside {} of {who}: {:.2}", number(own), number(best), own / best);
            rows.push((
                format!("{what}, {trace}: at most {most} of the fastest peer's"),
                found,
                own <= most * best,
            ));
        }
    };
    share("remote", "remote", paper, 0.6);
    share("server side", "server", "friendsforever.concurrent", 0.6);
    let local = run.of("local", paper, "inklog");
    for (peer, most) in [("jumprope", 2.0), ("cola+crop", 0.6)] {
        if let (Some(own), Some(other)) = (local, run.of("local", paper, peer)) {
            let found = format!("{} beside {}: {:.2}", number(own), number(other), own / other);
            rows.push((format!("local, {paper}: at most {most} of {peer}'s"), found, own <= most * other));
        }
    }
    if let Some(own) = run.of("load", paper, "inklog") {
        rows.push((format!("load, {paper}: under 1 ms"), format!("{own:.2} ms"), own < 1.0));
    }
    if let Some(own) = run.of("state, zstd", paper, "inklog") {
        rows.push((
            format!("state, zstd, {paper}: at most 52 KB"),
            format!("{} bytes", number(own)),
            own <= 52_000.0,
        ));
    }
    for trace in run.traces() {
        let history = run.of("history, zstd", trace, "inklog");
        if let (Some(own), Some(file)) = (history, run.of("history", trace, "diamond-types")) {
            rows.push((
                format!("history, zstd, {trace}: smaller than the file of diamond-types"),
                format!("{} beside {}", number(own), number(file)),
                own < file,
            ));
        }
    }
    for (what, workload) in [("state", "state, zstd"), ("memory", "memory")] {
        for trace in run.traces() {
            if let Some((own, best, who)) = run.beside(workload, trace) {
                let found = format!("{} beside {} of {who}", number(own), number(best));
                rows.push((format!("{what}, {trace}: smaller than every peer's"), found, own < best));
            }
        }
    }
    let scale = |size| run.of("scale", size, "inklog");
    if let (Some(small), Some(large)) = (scale("10^3 characters"), scale("10^7 characters")) {
        let found = format!("{small:.3} µs and {large:.3} µs: {:.1}", large / small);
        rows.push((
            "one edit, 10^3 to 10^7 characters: at most 4 times".to_owned(),
            found,
            large <= 4.0 * small,
        ));
    }
    let mut out = "\n## Goals\n\n| goal | found | |\n|---|---|---|\n".to_owned();
    for (goal, found, met) in rows {
        let _ = writeln!(out, "| {goal} | {found} | {} |", if met { "met" } else { "**missed**" });
    }
    out
}
