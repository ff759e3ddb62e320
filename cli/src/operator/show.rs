//! The jobs' results, for people.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat};
use inklog_crdt::{Event, Op, Origin};
use inklog_operator::{Compacted, Listed, ListedEvent, LiveCheck, Present, Rebuilt, Revoked, Verified};
use inklog_protocol::DocId;

/// Characters of an insert's text that the log shows.
const EXCERPT: usize = 40;

/// Milliseconds since the epoch, as a time.
fn time(ms: u64) -> String {
    match i64::try_from(ms).ok().and_then(DateTime::from_timestamp_millis) {
        Some(time) => time.to_rfc3339_opts(SecondsFormat::Millis, true),
        None => ms.to_string(),
    }
}

/// The catalogue, one line per document.
pub(super) fn docs(docs: &[Listed]) -> String {
    let width = docs.iter().map(|listed| listed.doc.len()).max().unwrap_or(0).max("DOCUMENT".len());
    let mut text = format!("{:<width$}  {:<24}  {:<24}  SNAPSHOT\n", "DOCUMENT", "CREATED", "LAST EDIT");
    for listed in docs {
        let snapshot = match (&listed.snapshot, listed.dirty) {
            _ if listed.damaged.is_some() => "the catalogue entry is damaged",
            (None, _) => "none",
            (Some(_), true) => "older than the last edit",
            (Some(_), false) => "up to date",
        };
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{:<width$}  {:<24}  {:<24}  {snapshot}",
            listed.doc,
            time(listed.created),
            time(listed.last_edit)
        );
    }
    text
}

/// The events, one line each.
pub(super) fn events(events: &[ListedEvent]) -> String {
    let mut text = String::new();
    for listed in events {
        let user = listed.event.user.as_deref().unwrap_or("-");
        let place = if listed.compacted { " (history)" } else { "" };
        let what = match listed.event.clone().into_event() {
            Ok(logged) => event(&logged.event),
            Err(error) => format!("cannot be read: {error}"),
        };
        let _ = writeln!(text, "{} {user} {}{place}: {what}", time(listed.event.at), listed.event.agent);
    }
    text
}

fn event(event: &Event) -> String {
    let ops: Vec<String> = event.ops().iter().map(op).collect();
    format!("{}..{} {}", event.after(), event.end(), ops.join("; "))
}

fn op(op: &Op) -> String {
    match op {
        Op::Insert { text, origin, .. } => {
            let excerpt: String = text.chars().take(EXCERPT).collect();
            let more = if excerpt.len() < text.len() { "…" } else { "" };
            let place = match origin {
                Origin::Left(None) => "at the start".to_owned(),
                Origin::Left(Some(id)) => format!("after {id}"),
                Origin::Right(id) => format!("before {id}"),
            };
            format!("insert {excerpt:?}{more} {place}")
        }
        Op::Delete { target, len, .. } => format!("delete {len} from {target}"),
    }
}

/// Whether a document is sound.
pub(super) fn verified(of: &Verified) -> String {
    let mut wrong = Vec::new();
    match of.live {
        LiveCheck::Equal | LiveCheck::Missing | LiveCheck::Behind => {}
        LiveCheck::Damaged => wrong.push(format!(
            "the live state is damaged: the next reader makes it anew, and so does `inklog rebuild {}`",
            of.doc
        )),
        LiveCheck::Lacking => wrong.push("the live state lacks events that are in the log".to_owned()),
        LiveCheck::Different => wrong.push("the live state differs from the log".to_owned()),
    }
    if !of.history_equals_snapshot {
        wrong.push("the snapshot differs from a replay of the history".to_owned());
    }
    wrong.extend(of.damaged.iter().map(|item| format!("cannot be read: {item}")));
    if wrong.is_empty() && !of.ok {
        wrong.push("something is wrong that this version of inklog does not know".to_owned());
    }
    let live = match of.live {
        LiveCheck::Missing => "no live state",
        LiveCheck::Behind => "live state behind: the latest edits have not reached it yet",
        _ => "live state read",
    };
    let figures = format!(
        "{} characters, {} events in the log, {} in history, {} waiting, {live}",
        of.chars, of.events_in_log, of.events_in_history, of.waiting
    );
    match wrong.is_empty() {
        true => format!("{}: ok ({figures})", of.doc),
        false => format!("{}: WRONG: {} ({figures})", of.doc, wrong.join("; ")),
    }
}

/// What a rebuild read.
pub(super) fn rebuilt(of: &Rebuilt) -> String {
    format!("{}: rebuilt from {} events, {} characters", of.doc, of.events, of.chars)
}

/// What a compaction did.
pub(super) fn compacted(doc: &str, of: &Compacted) -> String {
    let mut text = match &of.snapshot {
        Some(key) => {
            format!("{doc}: {} events into {key} ({} bytes)", of.events_compacted, of.snapshot_bytes)
        }
        None => format!("{doc}: nothing new"),
    };
    if of.events_deleted > 0 {
        let _ = write!(text, ", {} events deleted from the log", of.events_deleted);
    }
    if of.snapshots_deleted > 0 {
        let _ = write!(text, ", {} older snapshots deleted", of.snapshots_deleted);
    }
    if of.live_dropped {
        text.push_str(", a live state that lacked events, or was damaged, dropped");
    }
    text
}

/// Who is connected, one line per connection.
pub(super) fn present(doc: &DocId, all: &[Present]) -> String {
    if all.is_empty() {
        return format!("nobody is connected to {doc}\n");
    }
    let user = |one: &Present| match (&one.user, &one.name) {
        (None, _) => "(anybody)".to_owned(),
        (Some(user), None) => user.clone(),
        (Some(user), Some(name)) => format!("{user} ({name})"),
    };
    let width = all.iter().map(|one| user(one).chars().count()).max().unwrap_or(0).max("USER".len());
    let mut text = format!("{:<width$}  RIGHT   TOKEN ENDS  CONNECTION\n", "USER");
    for one in all {
        let ends = one.expires_in.map_or_else(|| "never".to_owned(), |seconds| format!("in {seconds} s"));
        let (user, right) = (user(one), one.right.as_str());
        let _ = writeln!(text, "{user:<width$}  {right:<6}  {ends:<10}  {}", one.connection);
    }
    text
}

/// What a revocation did.
pub(super) fn revoked(of: &Revoked) -> String {
    let docs = of.doc.as_ref().map_or_else(|| "all documents".to_owned(), |doc| format!("document {doc}"));
    let connections = match of.closed {
        1 => "1 connection closed".to_owned(),
        closed => format!("{closed} connections closed"),
    };
    let at = time(of.at.saturating_mul(1_000));
    let mut text = format!("{}: tokens issued up to {at} are void for {docs}; {connections}\n", of.user);
    for line in &of.failed {
        let _ = writeln!(text, "{line}");
    }
    if !of.failed.is_empty() {
        text.push_str("run it again for what failed\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> Verified {
        Verified {
            doc: "d".into(),
            ok: true,
            chars: 1,
            events_in_log: 1,
            events_in_history: 0,
            waiting: 0,
            live: LiveCheck::Missing,
            history_equals_snapshot: true,
            damaged: Vec::new(),
        }
    }

    #[test]
    fn whatever_is_wrong_is_named() {
        assert!(verified(&sound()).starts_with("d: ok ("));
        let lacking = Verified { ok: false, live: LiveCheck::Lacking, ..sound() };
        assert!(verified(&lacking).starts_with("d: WRONG: the live state lacks"));
        let broken = Verified { ok: false, live: LiveCheck::Damaged, ..sound() };
        assert!(verified(&broken).contains("`inklog rebuild d`"));
        let behind = verified(&Verified { live: LiveCheck::Behind, ..sound() });
        assert!(behind.starts_with("d: ok (") && behind.contains("behind"), "{behind}");
        let damaged = Verified { ok: false, damaged: vec!["item a#0".into()], ..sound() };
        assert!(verified(&damaged).contains("cannot be read: item a#0"));
        assert!(verified(&Verified { ok: false, ..sound() }).contains("WRONG"));
    }

    #[test]
    fn who_is_there_is_a_table_and_what_failed_is_said() {
        let doc = DocId::new("notes").unwrap();
        assert_eq!(present(&doc, &[]), "nobody is connected to notes\n");
        let ann = Present {
            connection: "c1=".into(),
            user: Some("ann".into()),
            name: Some("Ann Ö".into()),
            right: inklog_protocol::Right::Read,
            expires_in: Some(17),
        };
        let anybody = Present { user: None, name: None, expires_in: None, ..ann.clone() };
        let table = present(&doc, &[anybody, ann]);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[0], "USER         RIGHT   TOKEN ENDS  CONNECTION");
        assert_eq!(lines[1], "(anybody)    read    never       c1=");
        assert_eq!(lines[2], "ann (Ann Ö)  read    in 17 s     c1=");
        let done = Revoked { user: "ann".into(), doc: None, at: 0, closed: 1, failed: Vec::new() };
        assert!(revoked(&done).ends_with("are void for all documents; 1 connection closed\n"));
        let failed = Revoked { doc: Some("d".into()), failed: vec!["c1 is not closed".into()], ..done };
        assert!(revoked(&failed).ends_with("c1 is not closed\nrun it again for what failed\n"));
    }

    #[test]
    fn times_are_readable() {
        assert_eq!(time(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(time(u64::MAX), u64::MAX.to_string());
    }
}
