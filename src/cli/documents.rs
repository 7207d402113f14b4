//! What the documents have one type into a shell, held to the command line.

use clap::Parser as _;

use super::Cli;

/// The words of every command in the blocks for a shell, of which a line may be continued.
pub(super) fn commands(document: &str) -> Vec<Vec<String>> {
    let blocks = document.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let blocks = blocks.map(|block| block.replace("\\\n", " "));
    let all: Vec<_> = blocks.flat_map(|block| block.lines().map(words).collect::<Vec<_>>()).collect();
    all.into_iter().filter(|words| !words.is_empty()).collect()
}

/// As a shell has them: with quotes of both kinds, and no escapes.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if matches!(c, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Those of this program.
pub(super) fn ours(document: &str) -> Vec<Vec<String>> {
    commands(document).into_iter().filter(|words| words[0] == "apim-dr").collect()
}

#[test]
fn every_command_of_the_way_from_other_tools_is_one_that_we_take() {
    let document = include_str!("../../docs/migration.md");
    let commands = ours(document);
    assert!(commands.len() >= 12, "{commands:?}");
    for words in commands {
        Cli::try_parse_from(&words).unwrap_or_else(|error| panic!("{words:?}: {error}"));
    }
    for command in document.split('`').filter(|text| text.starts_with("apim-dr ")) {
        Cli::try_parse_from(words(command)).unwrap_or_else(|error| panic!("{command}: {error}"));
    }
}

#[test]
fn whoever_makes_a_package_gives_options_that_we_have() {
    let mut found = 0;
    for document in [
        include_str!("../../.github/workflows/package.yml"),
        include_str!("../../README.md"),
        include_str!("../../azure.yaml"),
        include_str!("../../infra/README.md"),
        include_str!("../../samples/README.md"),
    ] {
        for line in document.lines().filter(|line| line.contains("apim-dr package")) {
            let words = words(line.split('`').find(|part| part.contains("apim-dr package")).unwrap_or(line));
            let start = words.iter().position(|word| word.ends_with("apim-dr")).unwrap();
            Cli::try_parse_from(&words[start..]).unwrap_or_else(|error| panic!("{line}: {error}"));
            found += 1;
        }
    }
    assert!(found >= 9, "{found}");
}

#[test]
fn words_are_told_apart_as_in_a_shell() {
    for (line, expected) in [
        ("  a  b ", &["a", "b"][..]),
        (r#"--yes "RESTORE a" b"#, &["--yes", "RESTORE a", "b"]),
        (r#"--retention '{"keepLast": 2}'"#, &["--retention", r#"{"keepLast": 2}"#]),
        (r#"a="b c"d '' "it's""#, &["a=b cd", "", "it's"]),
        ("", &[]),
    ] {
        assert_eq!(words(line), expected, "{line}");
    }
}
