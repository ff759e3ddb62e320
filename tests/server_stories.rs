//! The server's stories (`tests/stories/server`), told to the whole stack over real sockets. The simulated
//! server of the web client's random sessions is told the same (`web/client/test/server-stories.test.ts`).

mod answers;
mod room;
mod watcher;

use std::collections::HashMap;
use std::path::Path;

use inklog_local::Stack;
use inklog_tests::stories::stories;
use serde_json::{Map, Value};

use crate::pipeline::memory_stack;
use room::Room;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/stories/server");

/// What the server chose, by the names that a story gives it.
type Names = HashMap<String, Value>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_does_what_its_stories_tell() {
    let stack = memory_stack().await;
    let stories = stories(Path::new(FOLDER), is_step);
    let mut failures = Vec::new();
    for (at, story) in stories.iter().enumerate() {
        if let Err(failure) = tell(&stack, &format!("story-{at}"), &story.steps).await {
            failures.push(format!("{}: {failure}", story.name));
        }
    }
    println!("{} stories", stories.len());
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    stack.stop().await;
}

/// A step is by somebody, who sends something or closes, and has no other fields than these.
fn is_step(step: &Map<String, Value>) -> bool {
    let known = |name: &String| ["by", "send", "bytes", "close", "get"].contains(&name.as_str());
    let does = |name: &str| step.get(name).is_some_and(|value| !value.is_null());
    step.contains_key("by") && step.keys().all(known) && does("send") != does("close")
}

async fn tell(stack: &Stack, doc: &str, steps: &[Value]) -> Result<(), String> {
    let mut room = Room::open(stack, doc).await;
    let mut names = Names::new();
    for (at, step) in steps.iter().enumerate() {
        let done = room.step(step, &mut names).await;
        done.map_err(|otherwise| format!("step {}: {step}\n{otherwise}", at + 1))?;
    }
    Ok(())
}

/// Whether the fields that are expected are there. A name in braces that is met for the first time stands
/// for what is there.
fn matches(expected: &Value, actual: &Value, names: &mut Names) -> bool {
    match expected {
        Value::String(text) => match (named(text), actual) {
            (Some(name), Value::String(_)) => {
                names.entry(name.to_owned()).or_insert(actual.clone()) == actual
            }
            (Some(_), _) => false,
            (None, _) => expected == actual,
        },
        Value::Array(list) => actual.as_array().is_some_and(|all| {
            all.len() == list.len() && list.iter().zip(all).all(|(one, other)| matches(one, other, names))
        }),
        Value::Object(fields) => {
            actual.is_object()
                && fields.iter().all(|(name, field)| matches(field, &actual[name.as_str()], names))
        }
        _ => expected == actual,
    }
}

/// A value in which names stand for what they stand for.
fn filled(value: &Value, names: &Names) -> Value {
    match value {
        Value::String(text) => named(text).map_or(value, |name| &names[name]).clone(),
        Value::Array(list) => list.iter().map(|one| filled(one, names)).collect(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, field)| (name.clone(), filled(field, names)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        _ => value.clone(),
    }
}

fn named(text: &str) -> Option<&str> {
    let name = text.strip_prefix('{')?.strip_suffix('}')?;
    name.starts_with(|first: char| first.is_ascii_lowercase()).then_some(name)
}
