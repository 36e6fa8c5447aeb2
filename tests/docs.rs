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
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| `")).collect();
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
