//! The pages of `docs/` say what is there: their tables agree with their programs, and the tests they name exist.

use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Without white space, so that line breaks do not matter.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect()
}

/// What stands between back quotes.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

#[test]
fn every_rust_line_of_the_pytorch_table_is_part_of_a_tested_program() {
    let page = read("docs/coming-from-pytorch.md");
    let programs: String =
        page.split("```rust").skip(1).filter_map(|rest| rest.split("```").next()).map(squeezed).collect();
    let (tables, _) = page.split_once("## The tutorial's programs").expect("the last section");
    let rows: Vec<_> = tables.lines().filter(|line| line.starts_with("| `")).collect();
    assert!(rows.len() > 100);
    for row in rows {
        let rust = quoted(row).last().expect("a row has code").replace("\\|", "|");
        assert!(programs.contains(&squeezed(&rust)), "no program has {rust}");
    }
}

#[test]
fn every_divergence_is_pinned_by_a_test_that_exists() {
    let page = read("docs/divergences.md");
    let entries = page.split("\n\n").filter(|paragraph| paragraph.starts_with("**"));
    for entry in entries {
        let (_, pins) = entry.rsplit_once("Pinned by").unwrap_or_else(|| panic!("not pinned: {entry}"));
        let names: Vec<_> = quoted(pins).collect();
        assert!(!names.is_empty() && names.len().is_multiple_of(2), "a test and its file: {pins}");
        for pin in names.chunks_exact(2) {
            assert!(read(pin[1]).contains(&format!("fn {}(", pin[0])), "{} has no {}", pin[1], pin[0]);
        }
    }
}

#[test]
fn the_readme_shows_what_the_tutorials_program_prints() {
    let (page, printed) = (read("README.md"), read("tests/tutorial/cross_entropy.0.txt"));
    let shown = page.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block");
    for line in shown.lines() {
        assert!(printed.lines().any(|other| other == line), "Python does not print {line}");
    }
}

#[test]
fn the_line_counts_of_the_tutorial_are_those_of_the_examples() {
    let page = read("docs/coming-from-pytorch.md");
    let (_, table) = page.split_once("only closing brackets").expect("the table");
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(rows.len(), 7);
    for row in rows {
        let cells: Vec<_> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let program = read(&format!("examples/{}.rs", cells[1]));
        let code = program.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
        let closing = |line: &str| line.trim_end_matches(';').chars().all(|c| ")]}".contains(c));
        assert_eq!(cells[3], code.clone().count().to_string(), "{row}");
        assert_eq!(cells[4], code.filter(|line| closing(line)).count().to_string(), "{row}");
    }
}
