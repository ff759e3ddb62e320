//! The rules of CONTRIBUTING.md's table: every test that it names is there.

use std::fs;
use std::path::Path;

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
