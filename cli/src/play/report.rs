//! The results of a run.

use std::fmt::Write as _;

use serde::Serialize;

use crate::stats::Percentiles;

/// Characters of context shown around a difference.
const CONTEXT: usize = 20;

/// A run's measurements and comparisons.
#[derive(Debug, Serialize)]
pub struct PlayReport {
    /// The document.
    pub doc: String,
    /// Clients that typed.
    pub authors: usize,
    /// Clients in all.
    pub clients: usize,
    /// Patches typed.
    pub edits: usize,
    /// Events sent.
    pub events: usize,
    /// From the first edit to the last client's having everything.
    pub seconds: f64,
    /// From an event's first sending to its ack, which means durable.
    pub ack: Option<Percentiles>,
    /// From an event's first sending to its being part of another client's document.
    pub receipt: Option<Percentiles>,
    /// Connections lost and made anew.
    pub reconnects: usize,
    /// Every text that was compared with the trace's end.
    pub texts: Vec<Compared>,
    /// Whether all are equal.
    pub ok: bool,
}

/// A text, compared with the expected one.
#[derive(Debug, Serialize)]
pub struct Compared {
    /// Whose.
    pub name: String,
    /// Whether it is the same.
    pub equal: bool,
    /// How long it is.
    pub chars: usize,
    /// Where it differs first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<Difference>,
}

/// The first difference of two texts.
#[derive(Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Index of the first character that differs.
    pub at: usize,
    /// What was expected from there on.
    pub expected: String,
    /// What is there.
    pub found: String,
}

/// Compares a text with the expected one; `None` for a text that is missing.
pub fn compare(name: String, expected: &str, found: Option<&str>) -> Compared {
    let difference = first_difference(expected, found.unwrap_or_default());
    let equal = found == Some(expected);
    Compared { name, equal, chars: found.map_or(0, |text| text.chars().count()), difference }
}

/// Where two texts differ first.
pub fn first_difference(expected: &str, found: &str) -> Option<Difference> {
    if expected == found {
        return None;
    }
    let at = expected.chars().zip(found.chars()).take_while(|(a, b)| a == b).count();
    let excerpt = |text: &str| text.chars().skip(at).take(CONTEXT).collect();
    Some(Difference { at, expected: excerpt(expected), found: excerpt(found) })
}

impl PlayReport {
    /// For a person.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: String| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name:<18} {value}");
        };
        line("document", self.doc.clone());
        line("clients", format!("{} ({} typing)", self.clients, self.authors));
        line("edits", self.edits.to_string());
        line("events", self.events.to_string());
        line("seconds", format!("{:.2}", self.seconds));
        line("to durable ack", latency(self.ack.as_ref()));
        line("to the other side", latency(self.receipt.as_ref()));
        if self.reconnects > 0 {
            line("reconnects", self.reconnects.to_string());
        }
        for compared in &self.texts {
            line(&compared.name, compared.to_text());
        }
        text
    }
}

fn latency(of: Option<&Percentiles>) -> String {
    match of {
        Some(of) => format!("p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms", of.p50_ms, of.p99_ms, of.max_ms),
        None => "no samples".into(),
    }
}

impl Compared {
    fn to_text(&self) -> String {
        match &self.difference {
            None if self.equal => format!("equal ({} characters)", self.chars),
            None => "DIFFERENT: it is missing".into(),
            Some(Difference { at, expected, found }) => format!(
                "DIFFERENT ({} characters), first at {at}: expected {expected:?}, found {found:?}",
                self.chars
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_found() {
        assert_eq!(first_difference("añb", "añb"), None);
        let difference = |at, expected: &str, found: &str| {
            Some(Difference { at, expected: expected.into(), found: found.into() })
        };
        assert_eq!(first_difference("añb", "añx"), difference(2, "b", "x"));
        assert_eq!(first_difference("añb", "añ"), difference(2, "b", ""));
        assert_eq!(first_difference("", "x"), difference(0, "", "x"));
    }

    #[test]
    fn a_text_that_is_missing_is_not_equal_to_an_empty_one() {
        assert!(!compare("snapshot".into(), "", None).equal);
        assert!(compare("snapshot".into(), "", Some("")).equal);
    }
}
