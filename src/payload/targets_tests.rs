//! Targets as people write them, and what is told of those that are wrong.

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
    let schedule = "0 0 1 * * *".parse().ok();
    let defaults = Defaults { schedule: schedule.as_ref(), rpo: SignedDuration::from_hours(26) };
    super::parse(text.as_bytes(), defaults, &StartPolicy::default(), &variables)
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
    assert_eq!((primary.name.as_str(), primary.schedule.to_string().as_str()), ("primary", "0 0 1 * * *"));
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
        element("more", &json!({ "rpo": "-1h", "standby": "a/x", "drill": true, "drillSchedule": "@daily",
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
    targets[7] (more).rpo: not valid; give a duration, such as 26h, 90m or PT6H
    targets[7] (more).standby: not valid; give the name of an API Management instance in the target's resource group, or the resource id of any: /subscriptions/<id>/resourceGroups/<name>/providers/Microsoft.ApiManagement/service/<name>
    targets[7] (more).drill: true or false where a text belongs; write it in quotes, as one text
    targets[7] (more).drillSchedule: not valid; give an NCRONTAB schedule in UTC that fires: second, minute, hour, day, month, weekday (0 to 6, Sunday is 0), such as 0 0 1 * * *; with numbers, English names, * , - and / only
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
fn a_target_has_what_the_day_of_a_disaster_needs_or_the_defaults() {
    let west = "/subscriptions/bbbbbbbb-bbbb-cccc-dddd-eeeeeeeeeeee/resourcegroups/west/providers/microsoft.apimanagement/service/west";
    let own =
        json!({ "rpo": "90m", "standby": west, "drill": "sampleapim-drill", "drillSchedule": "0 3 * * SUN" });
    let iso = json!({ "rpo": "PT6H", "drill": "sampleapim-drill" });
    let elements = [element("primary", &json!({})), element("whole", &own), element("iso", &iso)];
    let read = read(&elements);
    assert_eq!((read.problems, read.warnings), (vec![], vec![]));
    let told: Vec<_> = read
        .targets
        .iter()
        .map(|target| {
            let drill = target.drill.as_ref();
            let standby = target.standby.as_ref().map(|it| format!("{}/{}", it.resource_group, it.name));
            let service = drill.map(|it| format!("{}/{}", it.service.resource_group, it.service.name));
            let schedule = drill.and_then(|it| it.schedule.as_ref()).map(ToString::to_string);
            format!("{} {standby:?} {service:?} {schedule:?}", target.rpo)
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    PT26H None None None
    PT1H30M Some("west/west") Some("apimdrresourcegroup/sampleapim-drill") Some("0 3 * * SUN")
    PT6H None Some("apimdrresourcegroup/sampleapim-drill") None
    "#);
}

#[test]
fn a_drill_goes_nowhere_where_a_target_rests_whatever_else_is_wrong_with_that() {
    let own = element("own", &json!({ "standby": "SampleAPIM", "drill": "sampleAPIM" }));
    let taken = element("taken", &json!({ "standby": "west", "drill": "West" }));
    let nowhere = element("nowhere", &json!({ "drillSchedule": "0 0 1 * * *" }));
    let drill = |name: &str, instance: &str, into: &str| {
        element(name, &json!({ "apimInstance": instance, "drill": into }))
    };
    let broken =
        element("broken", &json!({ "apimInstance": "apim-b", "standby": "standby-b", "accessKey": 7 }));
    let read = read(&[
        own,
        taken,
        nowhere,
        drill("a", "apim-a", "standby-B"),
        broken,
        drill("c", "apim-c", "APIM-A"),
        drill("d", "apim-d", "apim-b"),
        drill("e", "apim-e", "for-drills"),
        drill("f", "apim-f", "for-drills"),
    ]);
    let lines: Vec<_> = read.problems.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    targets[0] (own).standby: the target's own instance; give the instance that is to take over, or leave it out
    targets[0] (own).drill: the target's own instance: a drill would overwrite it; declare an instance that is there for drills alone, of the same tier, or leave it out
    targets[1] (taken).drill: the target's standby: a drill would overwrite it, and it may be in use; declare an instance that is there for drills alone, of the same tier, or leave it out
    targets[2] (nowhere).drillSchedule: says when, and nothing says where; add drill, the instance that drills restore into, or leave it out
    targets[4] (broken).accessKey: a number where a text belongs; write it in quotes, as one text
    targets[3] (a).drill: an instance of targets[4] (broken), or its standby: a drill would overwrite it; declare an instance that is there for drills alone, of the same tier, or leave it out
    targets[5] (c).drill: an instance of targets[3] (a), or its standby: a drill would overwrite it; declare an instance that is there for drills alone, of the same tier, or leave it out
    targets[6] (d).drill: an instance of targets[4] (broken), or its standby: a drill would overwrite it; declare an instance that is there for drills alone, of the same tier, or leave it out
    ");
    // Those whose drill is refused are backed up all the same.
    let drills: Vec<_> =
        read.targets.iter().map(|target| (target.name.as_str(), target.drill.is_some())).collect();
    assert_eq!(drills, [("a", false), ("c", false), ("d", false), ("e", true), ("f", true)]);
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
    assert!(read.warnings.iter().all(|line| line.starts_with("targets[0] (open).") && line.contains("env:")));
    assert!(!read.warnings.concat().contains(KEY) && !read.warnings.concat().contains(SECRET));
    assert!(!format!("{:?}", read.targets).contains(KEY));
}

#[test]
fn what_is_no_array_is_one_problem() {
    for text in ["{}", "", "[", "null", "\"s3cr+t/=&~\""] {
        let defaults = Defaults { schedule: None, rpo: SignedDuration::from_hours(26) };
        let read = super::parse(text.as_bytes(), defaults, &StartPolicy::default(), &|_| None);
        assert_eq!((read.problems.len(), read.targets.len()), (1, 0), "{text}");
        assert!(!read.problems[0].to_string().contains(SECRET));
    }
}

#[test]
fn the_schema_of_the_targets_has_exactly_the_fields_that_are_read() {
    let schema = crate::payload::targets_schema();
    let properties = schema["items"]["properties"].as_object().unwrap();
    let nulls: serde_json::Map<_, _> = properties.keys().map(|name| (name.clone(), Value::Null)).collect();
    let told = lines(&[Value::Object(nulls)]).join("\n");
    assert!(!told.contains("not a field") && !told.contains("not carried out"), "{told}");
    let required: Vec<_> = schema["items"]["required"].as_array().unwrap().iter().collect();
    assert_eq!(required.len(), 7, "{required:?}");
    for field in required {
        assert!(told.contains(&format!("{}: missing or empty", field.as_str().unwrap())), "{field}: {told}");
    }
    let whole =
        element("primary", &json!({ "operation": null, "schedule": "0 0 1 * * *", "timeZone": "UTC" }));
    for (name, value) in whole.as_object().unwrap() {
        assert!(value.is_null() || properties.contains_key(name), "{name}");
    }
}
