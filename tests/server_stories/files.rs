//! Story files, read; what is not understood is refused. The format is described in `tests/stories/README.md`.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/stories/server");

/// All stories of the server: their names and steps.
pub fn stories() -> Vec<(String, Vec<Value>)> {
    let folder = fs::read_dir(FOLDER).expect("the stories are there");
    let mut paths: Vec<_> = folder.map(|entry| entry.expect("it can be read").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    paths.iter().flat_map(|path| stories_in(path)).collect()
}

fn stories_in(path: &Path) -> Vec<(String, Vec<Value>)> {
    let text = fs::read_to_string(path).expect("it can be read");
    let mut file: Map<String, Value> =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let define = file.remove("define").unwrap_or_default();
    let file = defined(&Value::Object(file), &define);
    check(&file, &["about", "stories"], &[]);
    let stories = file["stories"].as_array().expect("a list of stories");
    stories.iter().map(story).collect()
}

fn story(story: &Value) -> (String, Vec<Value>) {
    check(story, &["name", "rule", "steps"], &[]);
    let steps = story["steps"].as_array().expect("a list of steps");
    assert!(!steps.is_empty(), "nothing happens: {story}");
    for step in steps {
        check(step, &["by"], &["send", "bytes", "close", "get"]);
        assert!(step["send"].is_null() != step["close"].is_null(), "not one action: {step}");
    }
    (story["name"].as_str().expect("a name").to_owned(), steps.clone())
}

/// Whether an object has these fields, and no others than these and those that it may have.
fn check(value: &Value, must: &[&str], may: &[&str]) {
    let fields = value.as_object().unwrap_or_else(|| panic!("not understood: {value}"));
    let known = |name: &String| must.contains(&name.as_str()) || may.contains(&name.as_str());
    let is_whole = must.iter().all(|name| fields.contains_key(*name));
    assert!(is_whole && fields.keys().all(known), "not understood: {value}");
}

/// Puts definitions in the place of their names, and a list that is named inside a list, element by element.
fn defined(value: &Value, define: &Value) -> Value {
    match value {
        Value::String(text) => match text.strip_prefix('@') {
            Some(name) => {
                defined(define.get(name).unwrap_or_else(|| panic!("@{name} is not defined")), define)
            }
            None => value.clone(),
        },
        Value::Array(list) => {
            let whole = list.iter().flat_map(|one| match (one, defined(one, define)) {
                (Value::String(_), Value::Array(named)) => named,
                (_, whole) => vec![whole],
            });
            whole.collect()
        }
        Value::Object(fields) => match (fields.get("repeat"), fields.get("times")) {
            (Some(Value::String(text)), Some(Value::Number(times))) if fields.len() == 2 => {
                let times = times.as_u64().and_then(|times| usize::try_from(times).ok());
                Value::String(text.repeat(times.expect("a count")))
            }
            _ => {
                let fields = fields.iter().map(|(name, field)| (name.clone(), defined(field, define)));
                Value::Object(fields.collect::<Map<_, _>>())
            }
        },
        _ => value.clone(),
    }
}
