//! The client's rules: the stories of `tests/stories`, replayed by the core. The web client replays the
//! same (`web/client/test/stories.test.ts`).

#[path = "stories/frames.rs"]
mod frames;
#[path = "stories/names.rs"]
mod names;
#[path = "stories/player.rs"]
mod player;

use std::path::Path;

use inklog_tests::stories::{Story, stories};
use names::Names;
use player::Player;
use serde_json::{Map, Value, json};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/stories");

/// Where this client does something else, and why. A story that is told as it stands is to leave this list.
const DIFFERENCES: &[(&str, &str)] = &[
    ("where the store fails, what is typed is sent all the same, under another agent", ENDS),
    ("where the store works again, it gets what it missed", ENDS),
    ("the server says who is signed in", ONE_USER),
    ("what was typed before it was known who is signed in is theirs", ONE_USER),
    ("what somebody else left unsent on this device is not sent under another name, nor put aside", ONE_USER),
];
const ENDS: &str = "a program whose store fails is told so by an error and ends: somebody restarts it, whereas a \
                    person goes on typing in a page";
const ONE_USER: &str = "a program says who it is: with the token of somebody else, what it types is kept, and refused \
                        as forbidden until the token is its own";

#[test]
fn the_client_does_what_the_stories_tell() {
    let stories = stories(Path::new(FOLDER), is_step);
    let is_different = |name: &str| DIFFERENCES.iter().any(|(story, _)| *story == name);
    for (name, _) in DIFFERENCES {
        assert!(stories.iter().any(|story| story.name == *name), "there is no story {name}");
    }
    let mut failures = Vec::new();
    for story in &stories {
        match replay(story) {
            Err(failure) if !is_different(&story.name) => failures.push(format!("{}: {failure}", story.name)),
            Ok(()) if is_different(&story.name) => {
                failures.push(format!("{}: no difference any more", story.name))
            }
            _ => {}
        }
    }
    println!("{} stories, {} differences", stories.len(), DIFFERENCES.len());
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn replay(story: &Story) -> Result<(), String> {
    let mut player = Player::new();
    let mut names = Names::default();
    for (at, step) in story.steps.iter().enumerate() {
        let done = player.happens(&names.filled(step)).and_then(|()| check(step, &mut player, &mut names));
        done.map_err(|otherwise| format!("step {}: {step}\n{otherwise}", at + 1))?;
    }
    Ok(())
}

fn check(step: &Value, player: &mut Player, names: &mut Names) -> Result<(), String> {
    let list = |name: &str| step[name].as_array().cloned().unwrap_or_default();
    let send: Vec<Value> = list("send").into_iter().map(frames::to_server).collect();
    let mut sent = player.sent();
    for (expected, frame) in send.iter().zip(&mut sent) {
        player.name_request(expected, frame);
    }
    equal("sends", &names.met(&json!(send), &json!(sent)), &json!(sent))?;
    equal("tells", &json!(in_order(list("tell"))), &json!(in_order(player.told())))?;
    let state = player.state();
    for (name, actual) in state.as_object().into_iter().flatten() {
        if let Some(expected) = step.get(name) {
            equal(name, &names.met(expected, actual), actual)?;
        }
    }
    equal("the text as the changes tell it", &state["text"], &json!(player.shown()))
}

fn equal(what: &str, expected: &Value, actual: &Value) -> Result<(), String> {
    if expected == actual { Ok(()) } else { Err(format!("{what}: {actual}\nand not: {expected}")) }
}

/// In which order the application is told of what happens in one step is no part of the story.
fn in_order(mut told: Vec<Value>) -> Vec<Value> {
    told.sort_by_key(Value::to_string);
    told
}

/// One thing happens, and what follows is said in words that are known.
fn is_step(step: &Map<String, Value>) -> bool {
    let is_action = |name: &str, value: &Value| match name {
        "connect" | "disconnect" | "restart" | "wake" => value == true,
        "receive" => value.is_string() || value.is_object(),
        "edit" => value.as_object().is_some_and(|edit| {
            edit.iter().all(|(name, value)| match name.as_str() {
                "at" | "del" => value.is_u64(),
                "ins" => value.is_string(),
                _ => false,
            })
        }),
        "time" => value.is_u64(),
        "store" => ["slow", "done", "fails", "works"].iter().any(|how| value == how),
        "look" => value.is_boolean(),
        _ => false,
    };
    let is_expectation = |name: &str, value: &Value| match name {
        "send" | "tell" => value.as_array().is_some_and(|list| list.iter().all(Value::is_object)),
        "text" | "agent" => value.is_string(),
        "unsaved" | "sending" => value.is_u64(),
        "synced" | "gap" => value.is_boolean(),
        "access" => {
            value.is_null() || ["none", "read", "write", "manage"].iter().any(|access| value == access)
        }
        _ => false,
    };
    step.iter().filter(|(name, value)| is_action(name, value)).count() == 1
        && step.iter().all(|(name, value)| is_action(name, value) || is_expectation(name, value))
}
