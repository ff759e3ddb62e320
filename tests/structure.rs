//! Which crate may use which: ARCHITECTURE.md's table, held against `cargo metadata`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// What only the local stack is made of: stores that are embedded, and the emulators' servers.
const EMULATORS: [&str; 5] = ["dynoxide-rs", "s3s", "s3s-fs", "aws-sdk-dynamodbstreams", "axum"];
/// The command's files that meet the local stack. All others run against AWS as well.
const MEETS_LOCAL: [&str; 4] = ["args/meant.rs", "dev.rs", "operator/stopped.rs", "server.rs"];

/// What cargo knows of our crates, each with its manifest's dependencies and features.
fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked", "--offline"])
        .current_dir(ROOT)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

fn name(value: &Value) -> String {
    value["name"].as_str().expect("a name").to_owned()
}

/// What each crate of ours depends on, development apart.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    packages()
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("dependencies");
            let dependencies = dependencies.iter().filter(|one| one["kind"] != "dev");
            (name(package), dependencies.map(name).collect())
        })
        .collect()
}

#[test]
fn a_crate_uses_those_above_it_only() {
    let architecture = fs::read_to_string(Path::new(ROOT).join("ARCHITECTURE.md")).expect("it is there");
    let table = architecture.split("## Where things are").nth(1).expect("there is a table of folders");
    let rows =
        table.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    // Two folders of a row are neighbours and know nothing of each other.
    let mut heights = BTreeMap::new();
    for (height, row) in rows.enumerate() {
        let folders = row.split('|').nth(1).expect("a first cell");
        for folder in folders.split('`').filter_map(|word| word.strip_suffix('/')) {
            let name = folder.rsplit('/').next().expect("a name");
            heights.insert(format!("inklog-{name}"), height);
        }
    }
    let dependencies = dependencies();
    let mut checked = 0;
    for (user, used) in &dependencies {
        let height = heights.get(user).unwrap_or_else(|| panic!("ARCHITECTURE.md does not tell of {user}"));
        for one in used.iter().filter(|one| one.starts_with("inklog-")) {
            assert!(heights[one] < *height, "{user} uses {one}, which is not above it in ARCHITECTURE.md");
            checked += 1;
        }
    }
    println!("{checked} dependencies among {} crates", dependencies.len());
    assert!(checked > 20);
}

#[test]
fn emulators_are_of_the_local_stack_only() {
    let dependencies = dependencies();
    for (user, used) in &dependencies {
        let emulators = used.iter().any(|one| EMULATORS.contains(&one.as_str()));
        assert_eq!(emulators, user == "inklog-local", "{user}: {used:?}");
    }
    // So nothing of them is linked by whatever stands above `local`: the operator, and the functions.
    let users = dependencies.iter().filter(|(_, used)| used.iter().any(|one| one == "inklog-local"));
    assert_eq!(users.map(|(user, _)| user.as_str()).collect::<Vec<_>>(), ["inklog-cli"]);
}

#[test]
fn the_command_meets_the_local_stack_in_few_places() {
    let sources = Path::new(ROOT).join("cli/src");
    let mut folders = vec![sources.clone()];
    let mut meeting = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(&sources).expect("it is below").to_string_lossy().into_owned();
            match path.is_dir() {
                true => folders.push(path),
                false if name.ends_with("_tests.rs") => {}
                false => {
                    let source = fs::read_to_string(&path).expect("text");
                    meeting.extend(source.contains("inklog_local").then_some(name));
                }
            }
        }
    }
    meeting.sort();
    assert_eq!(meeting, MEETS_LOCAL);
}

#[test]
fn bugs_are_planted_where_a_command_says_so_only() {
    let mut has_bugs = Vec::new();
    for package in packages() {
        let features = package["features"].as_object().expect("features");
        for (feature, turns_on) in features {
            let plants = turns_on.as_array().expect("a list").iter().any(is_planted);
            assert!(feature == "planted" || !plants, "{}: {feature} plants bugs", name(&package));
        }
        for one in package["dependencies"].as_array().expect("dependencies") {
            let plants = one["features"].as_array().expect("a list").iter().any(is_planted);
            assert!(!plants, "{} uses {} with bugs", name(&package), name(one));
        }
        has_bugs.extend(features.contains_key("planted").then(|| name(&package)));
    }
    assert_eq!(has_bugs, ["inklog-crdt", "inklog-sim"]);
}

fn is_planted(feature: &Value) -> bool {
    feature.as_str().is_some_and(|feature| feature.rsplit('/').next() == Some("planted"))
}
