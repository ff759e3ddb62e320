//! The rules of CONTRIBUTING.md: every test that its table names is there, and no store is doubled. Links lead somewhere.

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

/// The files below a folder whose names end so, but for what was built or installed.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_one = path.extension().is_some_and(|extension| extension == ending);
        match path.is_dir() {
            true if !matches!(&*name, "target" | "node_modules") && !name.starts_with('.') => {
                found.extend(files(&path, ending));
            }
            false if is_one => found.push(path),
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
    for path in files(&root, "rs") {
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

/// The name that a heading has in a link, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    kept.chars()
        .filter(|char| char.is_alphanumeric() || matches!(char, ' ' | '-' | '_'))
        .map(|char| if char == ' ' { '-' } else { char })
        .collect()
}

/// Text without its blocks of code, whose lines may look like headings and links.
fn prose(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.split("```").step_by(2).collect()
}

#[test]
fn every_link_of_the_documents_leads_somewhere() {
    let root = fs::canonicalize(ROOT).expect("it is there");
    let (mut checked, mut broken) = (0, Vec::new());
    for document in files(&root, "md") {
        let prose = prose(&document);
        let links = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link);
        for link in links.filter(|link| !link.contains("://")) {
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => document.clone(),
                path => document.parent().expect("a file is in a folder").join(path),
            };
            let is_there = target.exists()
                && (heading.is_empty()
                    || self::prose(&target).lines().any(|line| {
                        line.starts_with('#') && anchor(line.trim_start_matches('#')) == heading
                    }));
            if !is_there {
                broken.push(format!("{}: {link}", document.display()));
            }
            checked += 1;
        }
    }
    println!("{checked} links");
    assert!(checked > 30);
    assert_eq!(broken, [""; 0], "a link leads nowhere");
}

#[test]
fn every_start_in_the_map_is_there() {
    let architecture = fs::read_to_string(Path::new(ROOT).join("ARCHITECTURE.md")).expect("it is there");
    let map = architecture.split("## Where things are").nth(1).expect("there is a map");
    let rows = map.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let mut checked = 0;
    for row in rows.skip(2) {
        let cells: Vec<_> = row.split('|').collect();
        let folders: Vec<_> = cells[1].split('`').skip(1).step_by(2).collect();
        // A name without a folder stands beside the file or in the folder that was named last.
        let mut last = PathBuf::new();
        for start in cells[3].split('`').skip(1).step_by(2) {
            for folder in &folders {
                let near = [Path::new(""), Path::new(folder), &last];
                let found = near.into_iter().map(|base| Path::new(ROOT).join(base).join(start));
                let found = found.into_iter().find(|path| path.exists());
                assert!(
                    found.is_some() || start.contains(['*', '…']),
                    "ARCHITECTURE.md sends its readers to {start} of {folder}"
                );
                if let Some(path) = found.filter(|path| path.is_dir()) {
                    last = path;
                }
                checked += 1;
            }
        }
    }
    println!("{checked} places to start");
    assert!(checked > 30);
}
