//! Each function with its seeds, with what becomes of them by chance, and with bytes that mean nothing.

use std::{collections::BTreeSet, fs, path::PathBuf};

use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
    test_runner::{Config, TestError, TestRunner},
};

/// A function, by the name that its target and the folder of its seeds have.
type Entry = (&'static str, fn(&[u8]));

const ENTRIES: [Entry; 8] = [
    ("answers", super::answers),
    ("entries", super::entries),
    ("envelope", super::envelope),
    ("payload", super::payload),
    ("retention", super::retention),
    ("schedule", super::schedule),
    ("targets", super::targets),
    ("zone", super::zone),
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The names in a folder, without what comes behind the dot.
fn names(folder: &str) -> BTreeSet<String> {
    let names = fs::read_dir(self::folder().join(folder)).unwrap();
    names.map(|name| name.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// One thing that is done to the bytes of a seed.
#[derive(Debug, Clone)]
enum Change {
    Cut(Index),
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    /// What stands between two places is there once more, or no more.
    Repeat(Index, Index),
    Drop(Index, Index),
    /// Goes on as another seed does.
    Splice(Index, Vec<u8>, Index),
}

impl Change {
    fn any(seeds: &[Vec<u8>]) -> impl Strategy<Value = Self> + use<> {
        let index = any::<Index>;
        let piece = prop_oneof![
            vec(any::<u8>(), 1..4),
            "[0-9]{1,20}|[{}\\[\\],:\" *-]{1,3}".prop_map(String::into_bytes)
        ];
        prop_oneof![
            index().prop_map(Self::Cut),
            (index(), 1..=u8::MAX).prop_map(|(at, bits)| Self::Flip(at, bits)),
            (index(), piece).prop_map(|(at, piece)| Self::Insert(at, piece)),
            (index(), index()).prop_map(|(from, to)| Self::Repeat(from, to)),
            (index(), index()).prop_map(|(from, to)| Self::Drop(from, to)),
            (index(), select(seeds.to_vec()), index())
                .prop_map(|(at, other, from)| Self::Splice(at, other, from)),
        ]
    }

    fn apply(self, bytes: &mut Vec<u8>) {
        let length = bytes.len();
        let place = |at: Index| at.index(length + 1);
        let between = |a: Index, b: Index| place(a).min(place(b))..place(a).max(place(b));
        match self {
            Self::Cut(at) => bytes.truncate(place(at)),
            Self::Flip(at, bits) if length > 0 => bytes[at.index(length)] ^= bits,
            Self::Flip(..) => {}
            Self::Insert(at, piece) => drop(bytes.splice(place(at)..place(at), piece)),
            Self::Repeat(from, to) => bytes.extend_from_within(between(from, to)),
            Self::Drop(from, to) => drop(bytes.drain(between(from, to))),
            Self::Splice(at, other, from) => {
                bytes.truncate(place(at));
                bytes.extend(&other[from.index(other.len() + 1)..]);
            }
        }
    }
}

fn check(name: &str) {
    let (_, entry) = ENTRIES.into_iter().find(|(known, _)| *known == name).unwrap();
    let mut seeds = Vec::new();
    for seed in fs::read_dir(folder().join("seeds").join(name)).unwrap() {
        let path = seed.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        // A test that fails says which.
        eprintln!("{}", path.display());
        entry(&bytes);
        seeds.push(bytes);
    }
    let changed = (select(seeds.clone()), vec(Change::any(&seeds), 1..4)).prop_map(|(mut bytes, changes)| {
        for change in changes {
            change.apply(&mut bytes);
        }
        bytes
    });
    let bytes = prop_oneof![1 => vec(any::<u8>(), 0..200), 9 => changed];
    // `PROPTEST_CASES` says how many.
    let config = Config { failure_persistence: None, ..Config::default() };
    let ran = TestRunner::new(config).run(&bytes, |bytes| {
        entry(&bytes);
        Ok(())
    });
    match ran {
        Ok(()) => {}
        Err(TestError::Fail(reason, bytes)) => panic!("{name}: {reason} by \"{}\"", bytes.escape_ascii()),
        Err(TestError::Abort(reason)) => panic!("{name}: {reason}"),
    }
}

#[test]
fn whatever_azure_answers_is_taken_for_what_it_is() {
    check("answers");
}

#[test]
fn an_entry_that_was_tampered_with_is_an_error_or_an_entry() {
    check("entries");
}

#[test]
fn whatever_the_host_posts_goes_to_its_route_or_nowhere() {
    check("envelope");
}

#[test]
fn whatever_a_body_holds_its_secrets_stay_hidden() {
    check("payload");
}

#[test]
fn whatever_the_rules_and_the_points_are_the_newest_verified_stays() {
    check("retention");
}

#[test]
fn whatever_schedule_is_taken_goes_on_firing() {
    check("schedule");
}

#[test]
fn whatever_the_targets_file_holds_its_secrets_stay_hidden() {
    check("targets");
}

#[test]
fn whatever_zone_is_taken_is_the_same_in_any_case() {
    check("zone");
}

#[test]
fn each_function_has_its_target_and_its_seeds_and_a_line_that_says_what_it_holds() {
    let functions: BTreeSet<_> = ENTRIES.iter().map(|(name, _)| (*name).to_owned()).collect();
    let source = fs::read_to_string(folder().join("../src/fuzz/mod.rs")).unwrap();
    let public = source.lines().filter_map(|line| line.strip_prefix("pub use ")?.split("::").next());
    assert_eq!(public.map(str::to_owned).collect::<BTreeSet<_>>(), functions);
    assert_eq!(names("fuzz_targets"), functions);
    assert_eq!(names("seeds"), functions);
    let manifest = fs::read_to_string(folder().join("Cargo.toml")).unwrap();
    let told = fs::read_to_string(folder().join("README.md")).unwrap();
    for name in &functions {
        let target = format!("[[bin]]\nname = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"\n");
        assert!(manifest.contains(&target), "{name}");
        let call = format!("apim_dr::fuzz::{name}(bytes)");
        let source = fs::read_to_string(folder().join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(source.contains(&call), "{name}");
        assert!(told.contains(&format!("| `{name}` |")), "{name}");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), functions.len());
}
