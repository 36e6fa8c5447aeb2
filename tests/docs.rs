//! The pages of `docs/` say what is there: their tables agree with their programs, and the tests they name exist.

use crate::tutorial::run;
use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path))
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

/// The first block of a page that begins with ```` ```language ````.
fn block<'a>(page: &'a str, language: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("```{language}\n")).expect("a block");
    rest.split_once("```").expect("its end").0
}

#[test]
fn the_readme_shows_its_program_and_what_it_prints() {
    let (page, example) = (read("README.md"), read("examples/readme.rs"));
    let (_, program) = example.split_once('\n').expect("a line that says what it is");
    assert_eq!(block(&page, "rust"), program, "examples/readme.rs is another program");
    assert_eq!(block(&page, "text"), run("readme", &[]));
}

#[test]
fn the_line_counts_of_the_tutorial_are_those_of_the_examples() {
    let page = read("docs/coming-from-pytorch.md");
    let (_, table) = page.split_once("only closing brackets").expect("the table");
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(rows.len(), 7);
    for row in rows {
        let cells: Vec<_> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let counts = line_counts(&read(&format!("examples/{}.rs", cells[1])), &["//"]);
        assert_eq!(cells[3..5], counts, "{row}");
    }
}

/// Lines of code, and how many of them are only closing brackets.
fn line_counts(program: &str, comments: &[&str]) -> [String; 2] {
    let lines = program.lines().map(str::trim);
    let code = lines.filter(|line| !line.is_empty() && !comments.iter().any(|c| line.starts_with(c)));
    let closing = |line: &str| line.trim_end_matches(';').chars().all(|c| ")]}".contains(c));
    [code.clone().count(), code.filter(|line| closing(line)).count()].map(|count| count.to_string())
}

#[test]
fn the_line_counts_of_the_programs_are_theirs() {
    let page = read("docs/programs.md");
    let (_, table) = page.split_once("only closing brackets").expect("the table");
    let (table, _) = table.split_once("\n\n").expect("its end");
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(rows.len(), 7);
    for row in rows {
        let cells: Vec<_> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let name = cells[1];
        let alone = if name == "pinn" { String::new() } else { format!("{name}/") };
        let python = line_counts(&read(&format!("docs/programs/{name}.py")), &["#", "\"\"\""]);
        let rust = line_counts(&read(&format!("examples/{alone}{name}.rs")), &["//"]);
        assert_eq!(cells[2..5], [&python[0], &rust[0], &rust[1]], "{row}");
    }
}

#[test]
fn every_loss_is_found_from_the_guide_and_has_its_picture() {
    let (module, guide) = (read("crates/nn/src/loss/mod.rs"), read("docs/losses.md"));
    let names = module.lines().filter_map(|line| line.strip_prefix("//! | [`")?.split('`').next());
    let names: Vec<_> = names.collect();
    assert!(names.len() > 20);
    for name in names {
        let anchor = name.to_lowercase();
        let (page, _) = guide
            .split(&format!("[{name}](losses/"))
            .nth(1)
            .and_then(|rest| rest.split_once(&format!(".md#{anchor})")))
            .unwrap_or_else(|| panic!("docs/losses.md has no link to {name}"));
        let page = read(&format!("docs/losses/{page}.md"));
        let section =
            page.split(&format!("\n## {name}\n")).nth(1).unwrap_or_else(|| panic!("no section {name}"));
        let section = section.split("\n## ").next().expect("text");
        let (_, picture) = section
            .split_once("](")
            .filter(|(before, _)| before.trim().starts_with("!["))
            .unwrap_or_else(|| panic!("{name} has no picture"));
        let picture = picture.split(')').next().expect("a name");
        assert!(read(&format!("docs/losses/{picture}")).starts_with("<svg"), "{picture}");
        assert!(
            guide.contains(&format!("src=\"losses/{picture}\"")),
            "docs/losses.md does not show {picture}"
        );
    }
}

#[test]
fn the_index_of_operations_names_them_all() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/tensor/src/ops");
    let index = read("crates/tensor/src/ops/mod.rs");
    for path in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("readable").path()) {
        let file = path.file_stem().and_then(|name| name.to_str()).expect("a name");
        let row = index.lines().find(|line| line.starts_with(&format!("//! | `{file}` | ")));
        let named: Vec<_> = row.into_iter().flat_map(quoted).collect();
        assert!(file == "mod" || named.first() == Some(&file), "{file} has no row");
        let code = fs::read_to_string(&path).expect("text");
        for function in code.lines().filter_map(|line| line.strip_prefix("    pub fn ")) {
            let name = function.split(['(', '<']).next().expect("a name");
            // The form of a method that returns an error stands with the method.
            let name = name.strip_prefix("try_").unwrap_or(name);
            assert!(named.contains(&name), "the row of {file} lacks {name}");
        }
    }
}

#[test]
fn every_file_on_the_map_exists() {
    let page = read("docs/architecture.md");
    let (map, _) = page.split_once("## What must stay true").expect("the second section");
    for section in map.split("**`crates/").skip(1) {
        let (folder, table) = section.split_once('`').expect("a folder");
        let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
        for name in rows.filter_map(|row| row.split(" | ").next()).flat_map(str::split_whitespace) {
            read(&format!("crates/{folder}/{}", name.trim_matches('`')));
        }
    }
}

/// All programs, or texts, of a page: the blocks that begin with ```` ```language ````.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let start = format!("```{language}\n");
    page.split(&start).skip(1).map(|rest| rest.split_once("```").expect("its end").0).collect()
}

/// The text without its numbers, and the numbers, which depend on the processor in their last digits.
fn text_and_numbers(text: &str) -> (String, Vec<f64>) {
    let words = text.split_inclusive([' ', ',', '\n']);
    words.fold((String::new(), Vec::new()), |(mut text, mut numbers), word| {
        match word.trim_end_matches([' ', ',', '\n']).parse() {
            Ok(number) => numbers.push(number),
            Err(_) => text.push_str(word),
        }
        (text, numbers)
    })
}

#[test]
fn the_quick_start_is_the_programs_that_it_names_and_what_they_print() {
    let page = read("docs/quick-start.md");
    let (programs, outputs) = (blocks(&page, "rust"), blocks(&page, "text"));
    let names = ["first_gradient", "quick_start"];
    assert_eq!((programs.len(), outputs.len()), (names.len(), names.len()));
    for (name, (program, output)) in names.into_iter().zip(programs.into_iter().zip(outputs)) {
        let example = read(&format!("examples/{name}.rs"));
        let (_, example) = example.split_once('\n').expect("a line that says what it is");
        assert_eq!(program, example, "examples/{name}.rs is another program");
        let ((text, numbers), (printed, values)) =
            (text_and_numbers(output), text_and_numbers(&run(name, &[])));
        assert_eq!(text, printed);
        for (number, value) in numbers.iter().zip(&values) {
            assert!((number - value).abs() < 0.011, "{name} prints {value}, the page has {number}");
        }
        assert_eq!(numbers.len(), values.len());
    }
    // The dependency is this repository.
    let manifest = read("Cargo.toml");
    let (_, repository) = manifest.split_once("\nrepository = ").expect("a repository");
    let repository = repository.lines().next().expect("a line");
    assert_eq!(blocks(&page, "toml"), [format!("downhill = {{ git = {repository} }}\n")]);
}

/// The files of a folder and of those in it whose names end so, by their paths from the repository's root.
fn files(folder: &str, extension: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let entries = fs::read_dir(root).expect("a folder").map(|entry| entry.expect("readable"));
    let names = entries.flat_map(|entry| {
        let path = format!("{folder}/{}", entry.file_name().into_string().expect("text"));
        match entry.path() {
            within if within.is_dir() => files(&path, extension),
            file => file.extension().filter(|e| *e == extension).map(|_| path).into_iter().collect(),
        }
    });
    names.collect()
}

/// Every page of the site, without its table of contents.
fn pages() -> Vec<String> {
    files("docs", "md").into_iter().filter(|path| !path.ends_with("SUMMARY.md")).collect()
}

const REPOSITORY: &str = "https://github.com/downhill-rs/downhill/blob/main/";

#[test]
fn every_page_is_in_the_table_of_contents_and_on_the_front_page() {
    let (contents, front) = (read("docs/SUMMARY.md"), read("src/lib.rs"));
    let pages = pages();
    assert!(pages.len() > 10);
    for page in &pages {
        let name = page.strip_prefix("docs/").expect("a page");
        assert!(contents.contains(&format!("]({name})")), "docs/SUMMARY.md lacks {name}");
        assert!(front.contains(&format!("]({REPOSITORY}{page})")), "the front page of the docs lacks {page}");
    }
    let folder = format!("{REPOSITORY}docs/");
    for page in front.split(&folder).skip(1).map(|rest| rest.split([')', '\n']).next().expect("a name")) {
        assert!(pages.contains(&format!("docs/{page}")), "there is no page {page}");
    }
}

#[test]
fn the_front_page_has_every_loss_layer_optimizer_and_schedule() {
    let front = read("src/lib.rs");
    // The names that a file makes public, from the modules that begin so.
    let public = |file: &str, module: &str| -> Vec<String> {
        let (code, start) = (read(file), format!("\npub use {module}"));
        let lists = code.split(&start).skip(1).filter_map(|rest| rest.split(';').next());
        lists.flat_map(|list| list.split(|c: char| !c.is_alphanumeric())).map(str::to_string).collect()
    };
    let mut names = public("crates/nn/src/loss/mod.rs", "");
    names.retain(|name| name.ends_with("Loss") && name != "Loss");
    let rates = public("crates/nn/src/optim/mod.rs", "schedule");
    names.extend(
        rates.into_iter().filter(|name| ["LR", "Restarts", "Plateau"].iter().any(|e| name.ends_with(e))),
    );
    names.extend(["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"].map(str::to_string));
    let activations = public("crates/nn/src/lib.rs", "activation");
    names.extend(activations.into_iter().filter(|name| name.starts_with(char::is_uppercase)));
    // A layer is what has a forward pass of one input.
    for code in files("crates/nn/src", "rs").iter().map(|path| read(path)) {
        let layers = code.lines().filter_map(|line| line.strip_prefix("impl Forward for "));
        names.extend(layers.filter_map(|rest| rest.split([' ', '<']).next()).map(str::to_string));
    }
    assert!(names.len() > 50, "{names:?}");
    for name in names {
        assert!(front.contains(&format!("[`{name}`](nn::")), "the front page of the docs lacks {name}");
    }
}

/// The anchors that GitHub and mdBook give a page's headings.
fn anchors(page: &str) -> Vec<String> {
    let mut code = false;
    let headings = page.lines().filter(|line| {
        code ^= line.starts_with("```");
        !code && line.starts_with('#')
    });
    let anchor = |heading: &str| {
        let text = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        text.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
    };
    headings.map(anchor).collect()
}

/// The targets of a page's links and pictures, but for those outside of the repository.
fn links(page: &str) -> Vec<&str> {
    let mut code = false;
    let lines = page.lines().filter(|line| {
        code ^= line.starts_with("```");
        !code
    });
    let targets = lines.flat_map(|line| {
        let markdown = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let html = ["href=\"", "src=\""].map(|start| line.split(start).skip(1));
        markdown.chain(html.into_iter().flatten().filter_map(|rest| rest.split('"').next()))
    });
    let targets = targets.map(|target| target.split(' ').next().expect("a word"));
    targets.filter(|target| target.starts_with(REPOSITORY) || !target.contains("://")).collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut seen = 0;
    let more = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/SUMMARY.md"];
    for page in pages().into_iter().chain(more.map(str::to_string)) {
        let (text, folder) = (read(&page), Path::new(&page).parent().expect("a folder"));
        for link in links(&text) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let path = match file.strip_prefix(REPOSITORY) {
                Some(path) => path.into(),
                None if file.is_empty() => Path::new(&page).to_path_buf(),
                None => folder.join(file),
            };
            let there = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(&path);
            assert!(there.exists(), "{page} links to {link}");
            let path = path.to_str().expect("text");
            assert!(
                anchor.is_empty() || anchors(&read(path)).iter().any(|a| a == anchor),
                "{page}: no heading {link}"
            );
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen} links");
}

#[test]
fn a_dependency_may_have_another_name() {
    let net = renamed::net().expect("memory");
    assert_eq!(
        net.to_string(),
        "Net(\n  outputs=3\n  (fc): Linear(in_features=2, out_features=3, bias=True)\n)"
    );
}
