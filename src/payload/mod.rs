//! What callers send to start a backup or a restore: read once, and a typed value ever after.
//!
//! Takes the Logic App's eleven fields, Azure Resource Manager's `accessType` and `clientId`, and
//! fields of our own. Reports all problems at once; no problem and no warning holds a value of the
//! body. Knows no HTTP: length and content type are checked before.

mod disaster;
mod fields;
mod hooks;
mod instance;
mod json;
mod options;
mod order;
mod pick;
mod problem;
#[cfg(test)]
mod properties;
mod restore;
#[cfg(test)]
mod samples;
mod schema;
mod stand_in;
mod targets;

use crate::domain::{CallbackHosts, Choice, Credentials, Kind, Plan, Policy, Retention, Target};
use fields::Fields;
pub use fields::KEY_VAULT_REMEDY;
pub use hooks::{Hooks, parse as parse_hooks};
pub use instance::{instance, resource_id};
use jiff::tz::TimeZone;
pub use options::Options;
pub use problem::Problem;
pub use restore::{Confirmation, StartPolicy};
pub use schema::{schema, targets_schema};
pub use targets::{Defaults as TargetDefaults, Targets, parse as parse_targets};

/// How many unknown names are told, at most.
const MOST_UNKNOWN: usize = 16;

/// A body that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    pub payload: Payload,
    /// What was passed over.
    pub warnings: Vec<String>,
}

/// What a body asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    pub plan: Plan,
    pub credentials: Credentials,
    pub options: Options,
}

/// What is carried out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub plan: Plan,
    /// Which blob is meant, once the time and the catalogue are looked at.
    pub choice: Choice,
    pub credentials: Credentials,
}

/// Reads the body of a request for `kind`. What `policy` does not let begin is a problem. Where the body
/// names one of `targets`, that stands in for what the body leaves out.
pub fn parse(
    kind: Kind,
    body: &[u8],
    policy: &StartPolicy,
    targets: &[Target],
) -> Result<Parsed, Vec<Problem>> {
    let entries = json::object(body).map_err(|problem| vec![problem])?;
    let mut fields = Fields::new("", entries);
    // Without its target, what the body lacks would all be told as missing.
    let target =
        stand_in::stand_in(kind, &mut fields, targets).map_err(|_| std::mem::take(&mut fields.problems))?;
    let pick = pick::read(kind, &mut fields);
    let order = order::read(kind, policy, &pick, &mut fields);
    let mut options = Options::read(kind, pick, &mut fields);
    if let (Some(target), Ok((plan, _))) = (target, &order) {
        options.stand_in(plan, target);
    }
    if let Ok((plan, _)) = &order {
        options.check_retention(plan, targets, &mut fields);
    }
    if let (Ok((plan, _)), Some(suffix)) = (&order, &options.name_suffix)
        && let Err(error) = suffix.check(plan)
    {
        fields.note("nameSuffix", "makes no name of a blob with this backupName", error.remedy);
    }
    match order {
        Ok((plan, credentials)) if fields.problems.is_empty() => {
            let payload = Payload { plan, credentials, options };
            Ok(Parsed { payload, warnings: warnings(fields) })
        }
        _ => Err(fields.problems),
    }
}

/// Reads the rules of a retention, as `retention` has them in a body.
pub fn retention(text: &str) -> Result<Retention, Vec<Problem>> {
    let entries = json::object(text.as_bytes()).map_err(|problem| vec![problem])?;
    let mut fields = Fields::new("", vec![("retention".to_owned(), json::Json::Object(entries))]);
    match options::retention(&mut fields) {
        Ok(Some(retention)) if fields.problems.is_empty() => Ok(retention),
        _ => Err(fields.problems),
    }
}

/// The secrets that a body brings, each as a problem. A body that cannot be read brings none.
pub fn secrets(body: &[u8]) -> Vec<Problem> {
    const REFUSED: [(&str, &str); 2] = [
        (
            "clientSecret",
            "leave out applicationId, clientSecret and tenantId: the app calls with its own identity, or as a configured target says",
        ),
        (
            "accessKey",
            "leave it out: API Management reaches the storage account with a managed identity, or as a configured target says",
        ),
    ];
    let mut fields = Fields::new("", json::object(body).unwrap_or_default());
    for (name, remedy) in REFUSED {
        if fields.gives(name) {
            fields.note(name, "secrets are not taken here (APIM_DR_REFUSE_PAYLOAD_SECRETS)", remedy);
        }
    }
    fields.problems
}

impl Payload {
    /// The order, if all of it may be carried out.
    pub fn into_order(self, callbacks: &CallbackHosts) -> Result<Order, Vec<Problem>> {
        let Self { mut plan, mut credentials, options } = self;
        credentials.callback = options.callback(callbacks).map_err(|problem| vec![problem])?;
        let choice = options.choice();
        let Options { retention, time_zone, source, safety_backup, ignore, .. } = options;
        let time_zone = time_zone.unwrap_or(TimeZone::UTC);
        plan.retention = retention.map(|rules| Policy { rules, time_zone });
        plan.source = source;
        plan.safety_backup = safety_backup.unwrap_or_default();
        plan.ignore = ignore;
        Ok(Order { plan, choice, credentials })
    }
}

fn warnings(mut fields: Fields) -> Vec<String> {
    let mut unknown = fields.unknown();
    let named: Vec<String> = unknown
        .by_ref()
        .take(MOST_UNKNOWN)
        .map(|name| format!("{name}: not a known field; ignored"))
        .collect();
    let more = unknown.count();
    fields.warnings.extend(named);
    if more > 0 {
        fields.warn(format!("unknown fields beyond these: {more}; ignored"));
    }
    fields.warnings
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        samples::{KEY, SECRET, backup, body, check},
        *,
    };
    use crate::domain::{Callback, Occasion, Secret};

    #[test]
    fn the_logic_apps_body_is_a_backup_with_its_credentials() {
        let Parsed { payload, warnings } = backup(&json!({})).unwrap();
        let Order { plan, choice, credentials } = payload.into_order(&CallbackHosts::default()).unwrap();
        assert_eq!((warnings, choice), (vec![], Choice::Plain));
        insta::assert_json_snapshot!(plan, @r#"
        {
          "kind": "backup",
          "service": {
            "subscription": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
            "resourceGroup": "apimdrresourcegroup",
            "name": "sampleapim"
          },
          "blob": {
            "account": "apimdrstorage",
            "container": "backup",
            "name": "apimbackup"
          },
          "access": {
            "type": "accessKey"
          },
          "caller": {
            "type": "application",
            "tenant": "99999999-8888-7777-6666-555555555555",
            "clientId": "11111111-2222-3333-4444-555555555555"
          }
        }
        "#);
        assert_eq!(credentials.client_secret, Some(Secret::new(SECRET)));
        assert_eq!(credentials.access_key, Some(Secret::new(KEY)));
    }

    #[test]
    fn names_match_without_case() {
        let published =
            body(&json!({})).replace("backupName", "backupname").replace("accessKey", "ACCESSKEY");
        let policy = StartPolicy::default();
        assert_eq!(parse(Kind::Backup, published.as_bytes(), &policy, &[]), backup(&json!({})));
    }

    #[test]
    fn a_name_that_is_given_twice_is_a_problem_whatever_its_case() {
        for (edits, field) in [
            (json!({ "Operation": "restore" }), "operation"),
            (json!({ "Target": null, "target": "a" }), "target"),
            (json!({ "retention": { "minKeep": 1, "minkeep": 2 } }), "retention.minKeep"),
        ] {
            let answer = backup(&edits);
            let problem = &answer.unwrap_err()[0];
            assert_eq!((problem.field.as_deref(), &*problem.detail), (Some(field), "given more than once"));
        }
        let same = body(&json!({})).replacen('{', r#"{"accessKey":"","#, 1);
        check(
            parse(Kind::Backup, same.as_bytes(), &StartPolicy::default(), &[]),
            &[("accessKey", "leave one")],
        );
    }

    #[test]
    fn every_shape_is_checked_and_every_problem_told() {
        let rows = [
            (json!({ "subscriptionId": null }), "subscriptionId", "GUID"),
            (json!({ "apimInstance": "" }), "apimInstance", "instance's name"),
            (json!({ "apimInstance": " sampleapim" }), "apimInstance", "remove the white space"),
            (json!({ "backupName": "apimbackup\n" }), "backupName", "remove the white space"),
            (json!({ "storageAccount": "x.blob.core.windows.net" }), "storageAccount", "not its address"),
            (json!({ "containerName": 7 }), "containerName", "write it in quotes"),
            (json!({ "resourceGroup": ["rg"] }), "resourceGroup", "write it in quotes"),
            (json!({ "clientSecret": true }), "clientSecret", "write it in quotes"),
            (json!({ "tenantId": "contoso" }), "tenantId", "domain"),
            (json!({ "accessKey": "<base64>" }), "accessKey", "replace the placeholder"),
            (json!({ "accessKey": "ZW11bGF0b3It a2V5" }), "accessKey", "without white space"),
            (json!({ "accessKey": "ZW11bGF0b3Ita2V5\n" }), "accessKey", "without white space"),
            (json!({ "accessKey": "ZW11bGF0b3Ita2V" }), "accessKey", "copy the key"),
            (json!({ "operation": "restore" }), "operation", "the other route"),
            (json!({ "operation": "bakcup" }), "operation", r#"write "backup""#),
            (json!({ "confirm": "RESTORE sampleapim" }), "confirm", "restore route"),
            (json!({ "nameSuffix": 1 }), "nameSuffix", "write it in quotes"),
            (json!({ "nameSuffix": "_{day}" }), "nameSuffix", "{instance}"),
            (json!({ "nameSuffix": "{time}" }), "nameSuffix", "backupName alone"),
            (json!({ "nameSuffix": "{date}/" }), "nameSuffix", "dot or slash"),
            (
                json!({ "nameSuffix": "date", "backupName": "x".repeat(1008) }),
                "nameSuffix",
                "shorten backupName",
            ),
            (json!({ "timeZone": "Auckland" }), "timeZone", "Pacific/Auckland"),
            (json!({ "timeZone": "Kamchatka Standard Time" }), "timeZone", "New Zealand Standard Time"),
            (json!({ "callbackUrl": "http://callback.example" }), "callbackUrl", "https"),
            (json!({ "callbackUrl": "callback.example" }), "callbackUrl", "https"),
            (json!({ "source": "a_b" }), "source", "instance's name"),
            (json!({ "at": "yesterday" }), "at", "2026-11-30T01:00:00Z"),
            (json!({ "safetyBackup": "true" }), "safetyBackup", "without quotes"),
            (json!({ "safetyBackup": true }), "safetyBackup", "restore route"),
            (json!({ "ignore": ["tier.unsupported"] }), "ignore", "write it in quotes"),
            (json!({ "ignore": "tier.unsupported,,role" }), "ignore", "commas"),
            (json!({ "ignore": "Tier" }), "ignore", "commas"),
            (json!({ "retention": 7 }), "retention", "{ }"),
            (json!({ "retention": { "keepLast": -1 } }), "retention.keepLast", "0 or more"),
            (json!({ "retention": { "keepLast": 1.5 } }), "retention.keepLast", "0 or more"),
            (json!({ "retention": { "keepLast": "1" } }), "retention.keepLast", "without quotes"),
            (json!({ "retention": { "keepWithin": "-1d" } }), "retention.keepWithin", "14d"),
            (json!({ "retention": { "keepWithin": "soon" } }), "retention.keepWithin", "14d"),
            (json!({ "retention": { "keepLats": 1 } }), "retention.keepLats", "apim-dr schema"),
        ];
        for (edits, field, remedy) in rows {
            let problems = backup(&edits).unwrap_err();
            assert!(problems[0].remedy.contains(remedy), "{remedy:?} in {problems:#?}");
            assert_eq!(problems[0].field.as_deref(), Some(field));
        }
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let edits = json!({
            "applicationId": "me",
            "tenantId": null,
            "resourceGroup": 7,
            "containerName": "Backup",
            "accessKey": "<base64>",
            "retention": { "keepLast": 3, "keepDayly": 7 },
        });
        let lines: Vec<String> = backup(&edits).unwrap_err().iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        applicationId: not valid; give the application (client) id, a GUID such as 11111111-2222-3333-4444-555555555555
        tenantId: missing or empty, though applicationId, clientSecret and tenantId belong together; add it, or leave out all three to use the app's own identity
        resourceGroup: a number where a text belongs; write it in quotes, as one text
        containerName: not valid; give the container's name: 3 to 63 lower-case letters, digits and single dashes, beginning and ending with a letter or digit
        accessKey: still the placeholder of the documentation; replace the placeholder by the key of the storage account
        retention.keepDayly: not a rule of retention; take one of those that `apim-dr schema` prints
        "#);
    }

    #[test]
    fn unknown_fields_are_named_and_never_shown() {
        let mut edits = json!({ "note\u{1b}[2J": "value", "x".repeat(70): { "deep": ["value"] } });
        let warnings = backup(&edits).unwrap().warnings;
        let expected = [r"note\u{1b}[2J", &format!("{}…", "x".repeat(64))]
            .map(|name| format!("{name}: not a known field; ignored"));
        assert_eq!(warnings, expected);
        for n in 0..100 {
            edits[format!("f{n}")] = json!("value");
        }
        let warnings = backup(&edits).unwrap().warnings;
        assert_eq!(
            (warnings.len(), &*warnings[MOST_UNKNOWN]),
            (17, "unknown fields beyond these: 86; ignored")
        );
    }

    #[test]
    fn a_caller_reads_nothing_of_our_environment() {
        // In a target these name a variable, or were not resolved; over HTTP they are what they say.
        for text in ["env:PATH", "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/n/)"] {
            let parsed = backup(&json!({ "clientSecret": text })).unwrap();
            assert_eq!(parsed.payload.credentials.client_secret, Some(Secret::new(text)));
            let problems = backup(&json!({ "accessKey": text })).unwrap_err();
            assert_eq!(problems[0].detail, "not base64");
        }
    }

    #[test]
    fn secrets_are_found_whatever_their_case_and_shape_and_none_where_none_is() {
        let fields = |body: &str| -> Vec<String> {
            secrets(body.as_bytes()).into_iter().map(|problem| problem.field.unwrap()).collect()
        };
        assert_eq!(fields(&body(&json!({}))), ["clientSecret", "accessKey"]);
        assert_eq!(fields(r#"{"ACCESSKEY":7}"#), ["accessKey"]);
        assert_eq!(fields(r#"{"client\u0053ecret":"x"}"#), ["clientSecret"]);
        assert_eq!(fields(r#"{"accessKey":"x","accesskey":null}"#), ["accessKey"]);
        for none in [r#"{"accessKey":null,"clientSecret":"","note":{"accessKey":"x"}}"#, "[]", "{", ""] {
            assert_eq!(fields(none), Vec::<String>::new(), "{none}");
        }
    }

    #[test]
    fn a_backup_is_named_by_the_time_at_which_it_is_opened_and_without_a_suffix_as_it_is() {
        let rows = [
            (json!({}), "apimbackup"),
            (json!({ "timeZone": "Pacific/Auckland" }), "apimbackup"),
            (json!({ "nameSuffix": "", "timeZone": null }), "apimbackup"),
            (json!({ "nameSuffix": "date" }), "apimbackup_20261121"),
            (json!({ "nameSuffix": "date", "timeZone": "pacific/auckland" }), "apimbackup_20261122"),
            (
                json!({ "nameSuffix": "-{date}-{time}.apimbackup", "timeZone": "New Zealand Standard Time" }),
                "apimbackup-20261122-080405.apimbackup",
            ),
            (json!({ "nameSuffix": "{instance}/{utc}/{name}" }), "sampleapim/20261121T190405Z/apimbackup"),
        ];
        for (edits, expected) in rows {
            let Order { plan, choice, .. } =
                backup(&edits).unwrap().payload.into_order(&CallbackHosts::default()).unwrap();
            let opened = "2026-11-21T19:04:05Z".parse().unwrap();
            let named = match choice {
                Choice::Dated(naming) => naming.plan_at(&plan, opened, Occasion::First),
                _ => plan.clone(),
            };
            assert_eq!(named.blob.name.as_str(), expected, "{edits}");
            assert_eq!(Plan { blob: plan.blob.clone(), ..named }, plan);
        }
    }

    #[test]
    fn a_time_zone_that_says_nothing_is_told_and_a_restore_has_no_suffix() {
        let warnings = |edits| backup(&edits).unwrap().warnings;
        let told = ["timeZone: not used without nameSuffix or retention"];
        assert_eq!(warnings(json!({ "timeZone": "UTC" })), told);
        assert_eq!(warnings(json!({ "timeZone": "UTC", "nameSuffix": "date" })), [""; 0]);
        assert_eq!(warnings(json!({ "timeZone": "UTC", "retention": {} })), [""; 0]);
        let restore = |edits| {
            let mut edits: serde_json::Value = edits;
            edits["operation"] = json!("restore");
            parse(Kind::Restore, body(&edits).as_bytes(), &StartPolicy::default(), &[])
        };
        assert_eq!(restore(json!({ "timeZone": "UTC" })).unwrap().warnings, told);
        check(restore(json!({ "nameSuffix": "date" })), &[("nameSuffix", "the whole name as backupName")]);
    }

    #[test]
    fn a_callback_is_one_of_the_secrets_if_its_host_may_be_called() {
        let url = "https://prod-1.westeurope.logic.azure.com/x?sig=s3cret";
        let hosts = CallbackHosts::read(CallbackHosts::DEFAULT, false).unwrap();
        let order = backup(&json!({ "callbackUrl": url })).unwrap().payload.into_order(&hosts).unwrap();
        assert_eq!(order.credentials.callback, Some(Callback::Url(Secret::new(url))));
        assert!(!format!("{order:?}").contains("s3cret"), "{order:?}");
        for url in ["https://callback.example/?sig=s3cret", "http://127.0.0.1/?sig=s3cret"] {
            let payload = backup(&json!({ "callbackUrl": url })).unwrap().payload;
            let problems = payload.into_order(&hosts).unwrap_err();
            assert_eq!(problems[0].field.as_deref(), Some("callbackUrl"));
            assert!(!problems[0].to_string().contains("s3cret"), "{problems:?}");
        }
    }
}
