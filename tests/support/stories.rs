//! Story files, read; what is not understood is refused. The format is described in
//! `tests/stories/README.md`.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

/// What happens, step by step, and what follows.
pub struct Story {
    /// Its name, of which there is one.
    pub name: String,
    /// JSON objects, as the step's kind has them.
    pub steps: Vec<Value>,
}

/// The stories of all files of a folder, with definitions in the place of their names. Panics on what is
/// not understood; `is_step` says whether a step is.
pub fn stories(folder: &Path, is_step: fn(&Map<String, Value>) -> bool) -> Vec<Story> {
    let entries = fs::read_dir(folder).expect("the stories are there");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let mut stories: Vec<Story> = Vec::new();
    for story in paths.iter().flat_map(|path| stories_in(path)) {
        for step in &story.steps {
            assert!(step.as_object().is_some_and(is_step), "{}: not understood: {step}", story.name);
        }
        assert!(
            stories.iter().all(|other| other.name != story.name),
            "two stories are called {}",
            story.name
        );
        stories.push(story);
    }
    assert!(!stories.is_empty(), "there are no stories in {}", folder.display());
    stories
}

fn stories_in(path: &Path) -> Vec<Story> {
    let text = fs::read_to_string(path).expect("it can be read");
    let mut file: Map<String, Value> =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let define = file.remove("define").unwrap_or_default();
    let file = defined(&Value::Object(file), &define);
    assert!(has_fields(&file, &["about", "stories"]), "{} is no file of stories", path.display());
    let stories = file["stories"].as_array().expect("a list of stories");
    stories.iter().map(|story| story_of(story).unwrap_or_else(|| panic!("not understood: {story}"))).collect()
}

fn story_of(story: &Value) -> Option<Story> {
    let steps = story["steps"].as_array().filter(|steps| !steps.is_empty())?;
    let name = story["name"].as_str().filter(|_| story["rule"].is_string())?;
    has_fields(story, &["name", "rule", "steps"])
        .then(|| Story { name: name.to_owned(), steps: steps.clone() })
}

/// Whether an object has these fields and no others.
fn has_fields(value: &Value, names: &[&str]) -> bool {
    let fields = value.as_object();
    fields.is_some_and(|fields| {
        fields.len() == names.len() && names.iter().all(|name| fields.contains_key(*name))
    })
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
