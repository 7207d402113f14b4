//! What docs/security.md and docs/live.md say of tests, and what the program is built of.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The names of the tests in a source, as they follow on the attribute.
fn tests_of(text: &str) -> Vec<&str> {
    let parts = text.split("#[test]").skip(1).chain(text.split("#[tokio::test").skip(1));
    parts.filter_map(|part| part.split_once("fn ")?.1.split('(').next()).collect()
}

/// The full name of a test without what names only the place of tests: `payload::json::tests::name` is
/// `payload::json::name`, wherever its source is.
fn plain(name: &str) -> String {
    let parts = name.split("::").map(|part| part.strip_suffix("_tests").unwrap_or(part));
    parts.filter(|part| !["tests", "mod", "lib"].contains(part)).collect::<Vec<_>>().join("::")
}

/// All tests below a folder, by their plain names.
fn tests_below(folder: &str) -> BTreeSet<String> {
    let folder = root().join(folder);
    let mut names = BTreeSet::new();
    for file in sources(&folder) {
        let place = file.strip_prefix(&folder).unwrap().with_extension("");
        let place: Vec<_> = place.iter().map(|part| part.to_str().unwrap()).collect();
        let text = fs::read_to_string(&file).unwrap();
        names.extend(tests_of(&text).iter().map(|name| plain(&format!("{}::{name}", place.join("::")))));
    }
    names
}

/// What stands in backticks and is the name of a test.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('`').skip(1).step_by(2);
    let is_part =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    quoted.filter(move |name| name.contains("::") && name.split("::").all(is_part))
}

#[test]
fn every_threat_has_a_test_and_every_test_that_is_named_exists() {
    let known = &tests_below("tests/it") | &tests_below("src");
    let document = read("docs/security.md");
    // Below the two lines of each table's head.
    let tables = document.split("\n| threat |").skip(1);
    let rows = tables.flat_map(|table| table.lines().skip(2).take_while(|line| line.starts_with('|')));
    let threats: Vec<Vec<&str>> = rows.map(|row| row.split(" | ").collect()).collect();
    assert!(threats.len() >= 60, "{} threats are read", threats.len());
    for cells in threats {
        assert_eq!(cells.len(), 4, "{cells:?}");
        let names: Vec<_> = named(cells[2]).collect();
        assert!(!names.is_empty(), "no test holds this: {}", cells[0]);
        for name in names {
            assert!(known.contains(&plain(name)), "there is no test {name}");
        }
    }
}

#[test]
fn the_list_of_live_checks_is_the_one_that_is_run() {
    let document = read("docs/live.md");
    let told: BTreeSet<_> =
        named(&document).filter_map(|name| name.strip_prefix("live::")).map(str::to_owned).collect();
    let mut written = BTreeSet::new();
    for file in sources(&root().join("tests/live")) {
        let text = fs::read_to_string(file).unwrap();
        written.extend(tests_of(&text).into_iter().map(str::to_owned));
    }
    assert!(!written.is_empty());
    assert_eq!(told, written);
}

#[test]
fn every_chapter_of_the_readme_that_is_named_is_there() {
    let (readme, document) = (read("README.md"), read("docs/live.md"));
    let named: Vec<_> =
        document.split("README, \"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(named.len() >= 5, "{named:?}");
    for chapter in named {
        let is_it =
            |line: &str| line.starts_with("##") && line.trim_start_matches('#') == format!(" {chapter}");
        assert!(readme.lines().any(is_it), "the README has no chapter {chapter}");
    }
}

#[test]
fn names_of_tests_are_read_as_they_are_written() {
    let text =
        "#[test]\nfn one() {}\n#[tokio::test(flavor = \"x\")]\nasync fn two(bed: Bed) {}\nfn three() {}";
    assert_eq!(tests_of(text), ["one", "two"]);
    assert_eq!(plain("azure::http_tests::one"), plain("azure::http::tests::one"));
    let names: Vec<_> = named("`a::b_c` and `GET /x::y`, `a`, `::`").collect();
    assert_eq!(names, ["a::b_c"]);
}

#[test]
fn everything_that_others_wrote_is_locked_with_its_digest() {
    for (file, ours) in [("Cargo.lock", &["apim-dr"][..]), ("fuzz/Cargo.lock", &["apim-dr", "apim-dr-fuzz"])]
    {
        let lock = read(file);
        let packages = lock.split("[[package]]\nname = \"").skip(1);
        let open = packages.filter(|package| {
            !(package.contains("\nsource = \"registry+") && package.contains("\nchecksum = \""))
        });
        let names: Vec<_> = open.map(|package| package.split('"').next().unwrap()).collect();
        assert_eq!(names, ours, "{file}");
    }

    let lock: Value = serde_json::from_str(&read("tests/azurite/package-lock.json")).unwrap();
    for (name, package) in lock["packages"].as_object().unwrap() {
        assert!(name.is_empty() || package["integrity"].is_string(), "{name}");
    }
}
