//! The direction rule: which room may name which.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Each room, and the rooms that it may name. `docs/ARCHITECTURE.md` says why.
const RULE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("emulator", &[]),
    ("telemetry", &[]),
    ("keys", &["domain"]),
    ("ports", &["domain"]),
    ("payload", &["domain"]),
    ("view", &["domain"]),
    ("metrics", &["domain"]),
    ("azure", &["domain", "ports"]),
    ("records", &["domain", "keys", "ports"]),
    ("workflows", &["domain", "ports", "view"]),
    ("hooks", &["domain", "ports", "view"]),
    ("clock", &["domain", "ports"]),
    ("settings", &["azure", "domain", "hooks", "keys", "payload", "ports"]),
    ("package", &["domain", "settings"]),
    ("app", &["azure", "domain", "hooks", "keys", "payload", "ports", "records", "settings", "workflows"]),
    ("status_page", &["domain", "view"]),
    ("triggers", &["app", "domain", "metrics", "payload", "settings", "status_page", "view", "workflows"]),
    ("serve", &["app", "triggers"]),
    ("demo", &["emulator", "serve", "settings"]),
    ("fuzz", &["azure", "domain", "keys", "payload", "ports", "records", "triggers", "view"]),
    (
        "cli",
        &[
            "app",
            "clock",
            "demo",
            "domain",
            "hooks",
            "package",
            "payload",
            "ports",
            "serve",
            "settings",
            "view",
            "workflows",
        ],
    ),
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

pub(crate) fn files_below(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let mut files: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().flat_map(|path| files_below(path)).collect()
}

/// Which room a file is in: its first folder, or its own name.
fn room(file: &Path) -> String {
    let below = file.strip_prefix(source()).unwrap();
    below.components().next().unwrap().as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// The rooms that a text names: what follows `crate::`, alone or in braces.
fn named(text: &str) -> BTreeSet<String> {
    let ident =
        |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut rooms = BTreeSet::new();
    for (at, found) in text.match_indices("crate::") {
        let rest = &text[at + found.len()..];
        match rest.strip_prefix('{') {
            None => drop(rooms.insert(ident(rest))),
            Some(group) => {
                let mut depth = 0;
                for (at, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        c if depth == 0 && c.is_alphabetic() => {
                            let before = group[..at].trim_end();
                            if before.is_empty() || before.ends_with(',') {
                                rooms.insert(ident(&group[at..]));
                            }
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    rooms
}

#[test]
fn no_room_names_one_that_it_may_not_know() {
    let rule: BTreeMap<_, _> = RULE.iter().copied().collect();
    let mut broken = Vec::new();
    for file in files_below(&source()) {
        let room = room(&file);
        if room == "main" || room == "lib" {
            continue;
        }
        let allowed = rule.get(room.as_str()).unwrap_or_else(|| panic!("{room} is not in the rule"));
        for other in named(&fs::read_to_string(&file).unwrap()) {
            if other != room && !allowed.contains(&other.as_str()) {
                broken.push(format!("{} names {other}", file.display()));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn every_room_of_the_rule_exists_and_names_what_it_may() {
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files_below(&source()) {
        used.entry(room(&file)).or_default().extend(named(&fs::read_to_string(&file).unwrap()));
    }
    for (room, allowed) in RULE {
        let used = used.get(*room).unwrap_or_else(|| panic!("there is no room {room}"));
        for other in *allowed {
            assert!(used.contains(*other), "{room} no longer needs {other}: narrow the rule");
        }
    }
}

#[test]
fn the_rule_reads_imports_as_they_are_written() {
    let text = "use crate::{\n    app::{App, Gate},\n    domain::{self, X}, ports,\n};\ncrate::keys::StateKey::generate();";
    let rooms: Vec<_> = named(text).into_iter().collect();
    assert_eq!(rooms, ["app", "domain", "keys", "ports"]);
}

#[test]
fn nine_files_in_ten_are_under_four_hundred_lines() {
    let lengths: Vec<_> =
        files_below(&source()).iter().map(|file| fs::read_to_string(file).unwrap().lines().count()).collect();
    let long = lengths.iter().filter(|lines| **lines >= 400).count();
    assert!(long * 10 <= lengths.len(), "{long} of {} files", lengths.len());
}

#[test]
fn the_document_tells_the_rule_as_it_is_held() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ARCHITECTURE.md");
    let document = fs::read_to_string(document).unwrap();
    let table = document.split("| module | may import |").nth(1).unwrap().split("\n\n").next().unwrap();
    let rooms =
        |cell: &str| -> Vec<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    let mut told = BTreeMap::new();
    for row in table.lines().filter(|row| row.contains('`')) {
        let cells: Vec<_> = row.split('|').collect();
        for room in rooms(cells[1]) {
            told.insert(room, rooms(cells[2]));
        }
    }
    told.remove("main");
    let held = RULE
        .iter()
        .map(|(room, allowed)| ((*room).to_owned(), allowed.iter().map(ToString::to_string).collect()));
    assert_eq!(told, held.collect::<BTreeMap<String, Vec<String>>>());
}
