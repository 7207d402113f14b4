//! The configured targets: a JSON array with the payload's own field names, a name, and a schedule.

use jiff::tz::TimeZone;

use super::{
    MOST_UNKNOWN, Problem, RestorePolicy,
    fields::{Fields, Noted, Read, Variables},
    json::{self, Json},
    options::Options,
    order,
};
use crate::domain::{Kind, NameSuffix, Policy, Schedule, Target, TargetName, zone};

/// Fields that later versions carry out.
const NOT_YET: [&str; 4] = ["rpo", "standby", "drill", "drillSchedule"];

/// The targets that could be read, and what is wrong with the others.
#[derive(Debug, Default)]
pub struct Targets {
    pub targets: Vec<Target>,
    /// Their fields begin with the element: `targets[2] (eu-west).accessKey`.
    pub problems: Vec<Problem>,
    pub warnings: Vec<String>,
}

/// Reads the targets. Secrets may be given as `env:NAME`. Those without a schedule have `default`, and are passed over
/// if that is `None`: its own problem is told elsewhere.
pub fn parse(text: &[u8], default: Option<&Schedule>, variables: Variables) -> Targets {
    let mut read = Targets::default();
    let items = json::array(text).unwrap_or_else(|problem| {
        read.problems.push(problem);
        Vec::new()
    });
    // With its place, for whoever is told of two that are alike.
    let mut good: Vec<(String, Target)> = Vec::new();
    for (at, item) in items.into_iter().enumerate() {
        let place = format!("targets[{at}]");
        let Json::Object(entries) = item else {
            let detail = format!("{} where an object belongs", item.what());
            let remedy = "write one object in { } for each target".to_owned();
            read.problems.push(Problem { field: Some(place), detail, remedy });
            continue;
        };
        let mut fields = Fields::referring(entries, variables);
        let name = fields.required("name");
        let place = name.as_ref().map_or(place.clone(), |name: &TargetName| format!("{place} ({name})"));
        let target = target(name, default, &mut fields);
        let field = |name: Option<String>| Some(name.map_or(place.clone(), |name| format!("{place}.{name}")));
        let problems = fields.problems.into_iter();
        read.problems.extend(problems.map(|problem| Problem { field: field(problem.field), ..problem }));
        read.warnings.extend(fields.warnings.into_iter().map(|warning| format!("{place}.{warning}")));
        if let Ok(target) = target {
            read.problems.extend(good.iter().filter_map(|(other, good)| alike(&target, &place, good, other)));
            good.push((place, target));
        }
    }
    read.targets = good.into_iter().map(|(_, target)| target).collect();
    read
}

fn target(name: Read<TargetName>, default: Option<&Schedule>, fields: &mut Fields) -> Read<Target> {
    let schedule = fields.optional("schedule");
    let zone = fields.checked("timeZone", zone::parse);
    let suffix = fields.optional::<NameSuffix>("nameSuffix");
    let order = order::read(Kind::Backup, &RestorePolicy::default(), &Ok(None), fields);
    if let (Ok((plan, _)), Ok(suffix)) = (&order, &suffix)
        && let Err(error) = suffix.clone().unwrap_or_default().check(plan)
    {
        let (name, detail) = match suffix {
            Some(_) => ("nameSuffix", "makes no name of a blob with this backupName"),
            None => ("backupName", "too long for a backup with its date"),
        };
        fields.note(name, detail, error.remedy);
    }
    let options = Options::read(Kind::Backup, Ok(None), fields);
    fields.problems.extend(options.not_carried_out());
    for later in NOT_YET {
        fields.not_yet(later);
    }
    // A schedule that was passed over for its spelling would not be missed before it was needed.
    let unknown: Vec<String> = fields.unknown().take(MOST_UNKNOWN).collect();
    for name in unknown {
        fields.note(
            &name,
            "not a field of a target",
            "take one of those that `apim-dr schema --targets` prints",
        );
    }
    let (mut plan, credentials) = order?;
    let zone = zone?.unwrap_or(TimeZone::UTC);
    plan.ignore = options.ignore;
    plan.retention = options.retention.map(|rules| Policy { rules, time_zone: zone.clone() });
    let target = Target {
        name: name?,
        schedule: schedule?.or_else(|| default.cloned()).ok_or(Noted)?,
        zone,
        suffix: suffix?.unwrap_or_default(),
        plan,
        credentials,
    };
    if fields.problems.is_empty() { Ok(target) } else { Err(Noted) }
}

/// What two targets must not have in common.
fn alike(target: &Target, place: &str, other: &Target, elsewhere: &str) -> Option<Problem> {
    let (field, detail, remedy) = if target.name == other.name {
        (format!("{place}.name"), format!("the name of {elsewhere}, too"), "give each target its own name")
    } else if target.overwrites(other) {
        let detail = format!("names its backups as {elsewhere} does, in the same account and container");
        (
            place.to_owned(),
            detail,
            "give one of the two another backupName, or their backups overwrite each other",
        )
    } else if target.plan.retention != other.plan.retention
        && target.plan.service.name.key() == other.plan.service.name.key()
        && target.plan.blob.place() == other.plan.blob.place()
    {
        (
            format!("{place}.retention"),
            format!("not that of {elsewhere}, though both back up the same instance to the same container"),
            "give both the same, or one another container: rules are for all recovery points of an instance in a container",
        )
    } else {
        return None;
    };
    Some(Problem { field: Some(field), detail, remedy: remedy.to_owned() })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        domain::Secret,
        payload::samples::{self, KEY, SECRET},
    };

    fn read(elements: &[Value]) -> Targets {
        let variables = |name: &str| match name {
            "KEY" => Some(Secret::new(KEY)),
            "SECRET" | "NOT_BASE64" => Some(Secret::new(SECRET)),
            "UNRESOLVED" => Some(Secret::new("@Microsoft.KeyVault(VaultName=v;SecretName=hidden)")),
            _ => None,
        };
        let text = Value::from(elements).to_string();
        super::parse(text.as_bytes(), "0 0 1 * * *".parse().ok().as_ref(), &variables)
    }

    /// A whole element with `edits`; null takes a field out.
    fn element(name: &str, edits: &Value) -> Value {
        let mut element: Value = serde_json::from_str(&samples::body(edits)).unwrap();
        element["name"] = json!(name);
        for (field, reference) in [("accessKey", "env:KEY"), ("clientSecret", "env:SECRET")] {
            if edits.get(field).is_none() {
                element[field] = json!(reference);
            }
        }
        if edits.get("backupName").is_none() {
            element["backupName"] = json!(name);
        }
        element
    }

    #[track_caller]
    fn lines(elements: &[Value]) -> Vec<String> {
        let lines: Vec<_> = read(elements).problems.iter().map(ToString::to_string).collect();
        let shown = lines.join("\n");
        assert!(![KEY, SECRET, "hidden"].iter().any(|secret| shown.contains(secret)), "{shown}");
        lines
    }

    #[test]
    fn a_target_has_the_payloads_fields_a_name_and_a_schedule() {
        let own = json!({ "schedule": "0 30 2 * * MON", "timeZone": "New Zealand Standard Time",
            "nameSuffix": "-{utc}", "operation": null });
        let read = read(&[element("primary", &json!({})), element("eu-west", &own)]);
        assert_eq!((read.problems, read.warnings), (vec![], vec![]));
        let [primary, west] = read.targets.try_into().unwrap();
        assert_eq!(
            (primary.name.as_str(), primary.schedule.to_string().as_str()),
            ("primary", "0 0 1 * * *")
        );
        assert_eq!(
            (west.schedule.to_string().as_str(), west.zone.iana_name()),
            ("0 30 2 * * MON", Some("Pacific/Auckland"))
        );
        assert_eq!(west.plan.blob.to_string(), "apimdrstorage/backup/eu-west");
        assert_eq!(west.credentials.access_key, Some(Secret::new(KEY)));
        assert_eq!(west.credentials.client_secret, Some(Secret::new(SECRET)));
        assert_eq!((primary.zone, primary.suffix), (TimeZone::UTC, NameSuffix::default()));
        assert_eq!(west.suffix.to_string(), "-{utc}");
    }

    #[test]
    fn all_problems_of_all_targets_are_told_at_once_each_with_its_place() {
        let vault = "@Microsoft.KeyVault(VaultName=v;SecretName=hidden)";
        insta::assert_snapshot!(lines(&[
            element("good", &json!({})),
            element("late", &json!({ "schedule": "0 0 1 L * *", "timeZone": "Auckland" })),
            element("Bad", &json!({ "accessKey": "env:KEY", "resourceGroup": 7 })),
            json!("primary"),
            element("refs", &json!({ "accessKey": "env:MISSING", "clientSecret": "env:UNRESOLVED" })),
            element("vault", &json!({ "accessKey": vault, "clientSecret": "env:s3cr+t/=&~" })),
            element("key", &json!({ "accessKey": "env:NOT_BASE64" })),
            element("more", &json!({ "rpo": "26h", "standby": "x", "drill": true, "drillSchedule": "0 0 1 * * *",
                "retention": { "keepLast": 3 }, "nameSuffix": "_{day}", "confirm": "RESTORE x", "schdule": "x" })),
            element("restores", &json!({ "operation": "restore" })),
            element("long", &json!({ "backupName": "x".repeat(1008) })),
            element("longer", &json!({ "backupName": "x".repeat(1000), "nameSuffix": "{utc}/{instance}.x" })),
            element("fixed", &json!({ "nameSuffix": "_{instance}" })),
        ]).join("\n"), @r#"
        targets[1] (late).schedule: not valid; give an NCRONTAB schedule in UTC that fires: second, minute, hour, day, month, weekday (0 to 6, Sunday is 0), such as 0 0 1 * * *; with numbers, English names, * , - and / only
        targets[1] (late).timeZone: not valid; give an IANA name such as Pacific/Auckland, or a name that Windows has today such as New Zealand Standard Time
        targets[2].name: not valid; give the target a name: 1 to 40 lower-case letters, digits and dashes, beginning and ending with a letter or digit
        targets[2].resourceGroup: a number where a text belongs; write it in quotes, as one text
        targets[3]: a text where an object belongs; write one object in { } for each target
        targets[4] (refs).clientSecret: the variable UNRESOLVED holds a Key Vault reference that was not resolved; let the app's identity read that vault, check the names in the reference, and restart the app
        targets[4] (refs).accessKey: the variable MISSING is not set; set it, or name another
        targets[5] (vault).clientSecret: refers to no variable; write env: and the name: letters, digits and _
        targets[5] (vault).accessKey: a Key Vault reference, and the platform resolves only those that are a whole app setting; make it an app setting of its own, and write env:<name of that setting> here
        targets[6] (key).accessKey: not base64; copy the key of the storage account whole, without white space or line breaks
        targets[7] (more).nameSuffix: not valid; write date, or a template of {name}, {instance}, {date}, {time} and {utc}; braces have no other use
        targets[7] (more).confirm: confirms a restore, and backups start here; send it to the restore route, or leave it out
        targets[7] (more).rpo: known, but not carried out by this version; leave it out
        targets[7] (more).standby: known, but not carried out by this version; leave it out
        targets[7] (more).drill: known, but not carried out by this version; leave it out
        targets[7] (more).drillSchedule: known, but not carried out by this version; leave it out
        targets[7] (more).schdule: not a field of a target; take one of those that `apim-dr schema --targets` prints
        targets[8] (restores).operation: not backup, which is all that starts here; write "backup", or send it to the other route
        targets[9] (long).backupName: too long for a backup with its date; shorten backupName or nameSuffix: with its date, and a time if need be, a blob's name has at most 1,024 characters
        targets[10] (longer).nameSuffix: makes no name of a blob with this backupName; shorten backupName or nameSuffix: with its date, and a time if need be, a blob's name has at most 1,024 characters
        targets[11] (fixed).nameSuffix: not valid; add {date} or {utc}, or each backup would overwrite the last; use backupName alone for a fixed name
        "#);
    }

    #[test]
    fn two_targets_with_one_name_or_one_blob_are_refused_and_both_are_named() {
        let twin = json!({ "backupName": "first" });
        insta::assert_snapshot!(lines(&[
            element("first", &json!({})),
            element("second", &twin),
            element("first", &json!({ "backupName": "another" })),
            element("third", &json!({ "backupName": "first", "containerName": "elsewhere" })),
            element("fourth", &json!({ "backupName": "another_", "nameSuffix": "{date}" })),
        ]).join("\n"), @r#"
        targets[1] (second): names its backups as targets[0] (first) does, in the same account and container; give one of the two another backupName, or their backups overwrite each other
        targets[2] (first).name: the name of targets[0] (first), too; give each target its own name
        targets[4] (fourth): names its backups as targets[2] (first) does, in the same account and container; give one of the two another backupName, or their backups overwrite each other
        "#);
    }

    #[test]
    fn two_targets_with_the_same_recovery_points_have_the_same_retention() {
        let keeping = |name: &str, last: u32, more: &Value| {
            let mut fields = json!({ "retention": { "keepLast": last } });
            fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            element(name, &fields)
        };
        let first = keeping("first", 3, &json!({}));
        let fine = [
            first.clone(),
            keeping("same", 3, &json!({})),
            keeping("elsewhere", 2, &json!({ "containerName": "elsewhere" })),
            keeping("another", 2, &json!({ "apimInstance": "another" })),
        ];
        assert_eq!(lines(&fine), [""; 0]);
        let other = [
            keeping("other", 2, &json!({ "apimInstance": "SampleAPIM" })),
            keeping("in-its-zone", 3, &json!({ "timeZone": "Pacific/Auckland" })),
            element("without", &json!({})),
        ];
        let told: Vec<_> = other.into_iter().flat_map(|other| lines(&[first.clone(), other])).collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        targets[1] (other).retention: not that of targets[0] (first), though both back up the same instance to the same container; give both the same, or one another container: rules are for all recovery points of an instance in a container
        targets[1] (in-its-zone).retention: not that of targets[0] (first), though both back up the same instance to the same container; give both the same, or one another container: rules are for all recovery points of an instance in a container
        targets[1] (without).retention: not that of targets[0] (first), though both back up the same instance to the same container; give both the same, or one another container: rules are for all recovery points of an instance in a container
        ");
    }

    #[test]
    fn a_secret_in_plain_text_is_taken_with_a_warning_that_does_not_show_it() {
        let read = read(&[element("open", &json!({ "accessKey": KEY, "clientSecret": SECRET }))]);
        assert_eq!((read.problems, read.targets.len()), (vec![], 1));
        assert_eq!(read.warnings.len(), 2);
        assert!(
            read.warnings.iter().all(|line| line.starts_with("targets[0] (open).") && line.contains("env:"))
        );
        assert!(!read.warnings.concat().contains(KEY) && !read.warnings.concat().contains(SECRET));
        assert!(!format!("{:?}", read.targets).contains(KEY));
    }

    #[test]
    fn what_is_no_array_is_one_problem() {
        for text in ["{}", "", "[", "null", "\"s3cr+t/=&~\""] {
            let read = super::parse(text.as_bytes(), None, &|_| None);
            assert_eq!((read.problems.len(), read.targets.len()), (1, 0), "{text}");
            assert!(!read.problems[0].to_string().contains(SECRET));
        }
    }

    #[test]
    fn the_schema_of_the_targets_has_exactly_the_fields_that_are_read() {
        let schema = crate::payload::targets_schema();
        let properties = schema["items"]["properties"].as_object().unwrap();
        let nulls: serde_json::Map<_, _> =
            properties.keys().map(|name| (name.clone(), Value::Null)).collect();
        let told = lines(&[Value::Object(nulls)]).join("\n");
        assert!(!told.contains("not a field") && !told.contains("not carried out"), "{told}");
        let required: Vec<_> = schema["items"]["required"].as_array().unwrap().iter().collect();
        assert_eq!(required.len(), 7, "{required:?}");
        for field in required {
            assert!(
                told.contains(&format!("{}: missing or empty", field.as_str().unwrap())),
                "{field}: {told}"
            );
        }
        let whole =
            element("primary", &json!({ "operation": null, "schedule": "0 0 1 * * *", "timeZone": "UTC" }));
        for (name, value) in whole.as_object().unwrap() {
            assert!(value.is_null() || properties.contains_key(name), "{name}");
        }
    }
}
