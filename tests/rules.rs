//! The rules of CONTRIBUTING.md: every test that its table names is there, and no store is doubled.

use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

#[test]
fn every_rule_has_the_tests_that_its_row_names() {
    let contributing = fs::read_to_string(Path::new(ROOT).join("CONTRIBUTING.md")).expect("it is there");
    let section = contributing.split("## Rules that keep text").nth(1).expect("there is a table of rules");
    let section = section.split("\n## ").next().expect("a section ends");
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    let mut named = 0;
    for row in rows {
        let cell =
            row.trim_end_matches(" |").rsplit_once(" | ").unwrap_or_else(|| panic!("no cell: {row}")).1;
        for of_file in cell.split("; ") {
            // `path`: `test`, `test`
            let mut words = of_file.split('`').filter(|word| word.len() > 2);
            let path = words.next().unwrap_or_else(|| panic!("no file: {row}"));
            let source = fs::read_to_string(Path::new(ROOT).join(path));
            let source = source.unwrap_or_else(|error| panic!("{path}: {error}"));
            let before = named;
            for test in words {
                let test_is = match path.rsplit('.').next() {
                    Some("ts") => format!("test(\"{test}\""),
                    Some("json") => format!("\"name\": \"{test}\""),
                    _ => format!("fn {test}("),
                };
                assert!(source.contains(&test_is), "{path} has no test {test}");
                named += 1;
            }
            assert!(named > before, "{path} is named without a test: {row}");
        }
    }
    println!("{named} tests named by the rules");
    assert!(named > 20);
}

/// The sources of all crates.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_source = path.extension().is_some_and(|extension| extension == "rs");
        match path.is_dir() {
            true if !matches!(&*name, "target" | "node_modules") && !name.starts_with('.') => {
                found.extend(sources(&path));
            }
            false if is_source => found.push(path),
            _ => {}
        }
    }
    found
}

/// The trait that a line begins to implement.
fn implemented(line: &str) -> Option<&str> {
    let (head, _) = line.trim_start().strip_prefix("impl")?.split_once(" for ")?;
    head.rsplit([' ', ':', '>']).next()
}

#[test]
fn no_store_is_doubled() {
    const STORES: [&str; 7] =
        ["OpLog", "Catalogue", "Objects", "LiveState", "Connections", "Presence", "Push"];
    let root = fs::canonicalize(ROOT).expect("it is there");
    let store = root.join("store/src");
    let (mut within, mut outside) = (0, Vec::new());
    for path in sources(&root) {
        let source = fs::read_to_string(&path).expect("UTF-8");
        for line in source.lines().filter(|line| implemented(line).is_some_and(|of| STORES.contains(&of))) {
            match path.starts_with(&store) {
                true => within += 1,
                false => outside.push(format!("{}: {line}", path.display())),
            }
        }
    }
    // The real one, one in memory, and the tap's.
    assert_eq!(within, 3 * STORES.len(), "the traits are known by other names");
    assert_eq!(outside, [""; 0], "a store of a test's own: a tap, or what is in memory, would do");
}
