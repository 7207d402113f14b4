//! The Bicep files, by the community's grammar: not by the compiler, so neither types nor scopes are checked.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tree_sitter::{Node, Parser};

use super::{Deployment, file, guids, lines, role_name, snake, text, texts};

const MAIN: &str = "infra/main.bicep";
const MODULES: [&str; 2] = ["infra/modules/apim-access.bicep", "infra/modules/backup-storage-access.bicep"];

/// What a file declares, by kind and name.
struct Declaration {
    kind: String,
    name: String,
    /// Of a resource its type, of a module its file.
    of: String,
    is_secret: bool,
    /// Whether it is only referred to.
    exists: bool,
    /// Objects and lists as such; any other expression as it is written.
    value: Value,
}

fn children(node: Node<'_>) -> Vec<Node<'_>> {
    (0..node.named_child_count()).filter_map(|at| node.named_child(u32::try_from(at).unwrap())).collect()
}

fn written<'a>(node: Node<'_>, source: &'a str) -> &'a str {
    &source[node.byte_range()]
}

fn value(node: Node<'_>, source: &str) -> Value {
    let children = children(node);
    let written = written(node, source);
    match node.kind() {
        "object" => children
            .into_iter()
            .filter(|child| child.kind() == "object_property")
            .map(|property| {
                let key = property.named_child(0).unwrap();
                let key = self::written(key, source).trim_matches('\'').to_owned();
                (key, value(property.named_child(1).unwrap(), source))
            })
            .collect(),
        "array" => children.into_iter().map(|child| value(child, source)).collect(),
        "string" => match written.strip_prefix("'''") {
            Some(rest) => Value::from(rest.trim_end_matches("'''")),
            None => Value::from(written[1..written.len() - 1].replace("\\'", "'")),
        },
        // A condition, or a loop, around an object.
        "if_statement" | "for_statement" => value(*children.last().unwrap(), source),
        _ => Value::from(written),
    }
}

fn declarations(path: &str) -> Vec<Declaration> {
    let source = file(path);
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_bicep::LANGUAGE.into()).unwrap();
    let tree = parser.parse(&source, None).unwrap();
    assert!(!tree.root_node().has_error(), "{path}: {}", tree.root_node().to_sexp());
    let mut declarations = Vec::new();
    let mut decorators = "";
    for node in children(tree.root_node()) {
        let inside = children(node);
        let Some(kind) = node.kind().strip_suffix("_declaration") else {
            decorators = if node.kind() == "decorators" { written(node, &source) } else { "" };
            continue;
        };
        declarations.push(Declaration {
            kind: kind.to_owned(),
            name: written(inside[0], &source).to_owned(),
            of: inside
                .get(1)
                .map(|node| written(*node, &source).trim_matches('\'').to_owned())
                .unwrap_or_default(),
            is_secret: decorators.contains("@secure()"),
            exists: written(node, &source).lines().next().unwrap().contains(" existing ="),
            value: value(*inside.last().unwrap(), &source),
        });
        decorators = "";
    }
    declarations
}

pub(super) fn deployment() -> Deployment {
    let main = declarations(MAIN);
    let of = |kind: &str| main.iter().filter(move |it| it.kind == kind).collect::<Vec<_>>();
    let variables: BTreeMap<&str, &Value> =
        of("variable").into_iter().map(|variable| (variable.name.as_str(), &variable.value)).collect();
    let modules: BTreeSet<_> =
        of("module").into_iter().map(|module| format!("infra/{}", module.of)).collect();
    assert_eq!(modules, MODULES.map(str::to_owned).into());
    let everything = MODULES.iter().flat_map(|path| declarations(path)).collect::<Vec<_>>();
    let made = everything.iter().chain(&main).filter(|it| it.kind == "resource" && !it.exists);
    let made = made.map(|it| (it.of.split('@').next().unwrap(), &it.value["properties"])).collect::<Vec<_>>();
    let properties =
        |kind: &str| made.iter().filter(move |(of, _)| *of == kind).map(|(_, it)| *it).collect::<Vec<_>>();
    let role = |role: &Value| {
        let name = role_name(text(variables[text(&role["roleName"])]));
        (name, texts(&role["permissions"][0]["actions"]))
    };
    let alert = |rule: &Value| {
        let query = text(&rule["criteria"]["allOf"][0]["query"]);
        (text(&rule["displayName"]).to_owned(), lines(query))
    };
    let window = |rule: &Value| {
        let window = ["evaluationFrequency", "windowSize"].map(|name| text(&rule[name]).to_owned());
        (text(&rule["displayName"]).to_owned(), window.into())
    };
    let app = properties("Microsoft.Web/sites")[0];
    let settings = app["siteConfig"]["appSettings"].as_array().unwrap();
    let sources = [MAIN].iter().chain(&MODULES).map(|path| file(path)).collect::<String>();
    Deployment {
        types: made.iter().map(|(kind, _)| (*kind).to_owned()).collect(),
        settings: settings.iter().map(|setting| text(&setting["name"]).to_owned()).collect(),
        roles: properties("Microsoft.Authorization/roleDefinitions").into_iter().map(role).collect(),
        parameters: of("parameter").into_iter().map(|it| (snake(&it.name), it.is_secret)).collect(),
        outputs: of("output").into_iter().map(|it| snake(&it.name)).collect(),
        alerts: properties("Microsoft.Insights/scheduledQueryRules").into_iter().map(alert).collect(),
        windows: properties("Microsoft.Insights/scheduledQueryRules").into_iter().map(window).collect(),
        guids: guids(&sources),
    }
}

#[test]
fn a_backup_is_not_deleted_before_it_expires() {
    assert!(file(MAIN).contains("@minValue(31)\n@description('After how many days"));
}

#[test]
fn without_a_standby_nothing_may_be_restored_into() {
    let main = declarations(MAIN);
    let targets = main.iter().find(|it| it.name == "restoreTargets").unwrap();
    assert!(text(&targets.value).starts_with("empty(standbyResourceIds) ? 'none' : "), "{}", targets.value);
}

#[test]
fn the_restore_role_is_for_standbys_and_the_backup_role_for_primaries() {
    let (main, module) = (declarations(MAIN), declarations(MODULES[0]));
    let named = |declarations: &[Declaration], name: &str| {
        declarations.iter().find(|it| it.name == name).unwrap().value.clone()
    };
    let (given, source) = (named(&main, "apimAccess")["params"].clone(), file(MODULES[0]));
    for (role, instances, assigned) in
        [("backupRole", "apimResourceIds", "mayBackUp"), ("restoreRole", "standbyResourceIds", "mayRestore")]
    {
        assert_eq!(given[role], format!("contains({instances}, id) ? {role}.name : ''"));
        assert_eq!(named(&main, role)["properties"]["roleName"], format!("{role}Name"));
        let definition = &named(&module, assigned)["properties"]["roleDefinitionId"];
        assert!(text(definition).ends_with(&format!(", {role})")), "{definition}");
        let head = source.lines().find(|line| line.starts_with(&format!("resource {assigned} "))).unwrap();
        assert!(head.ends_with(&format!(" = if (!empty({role})) {{")), "{head}");
    }
}
