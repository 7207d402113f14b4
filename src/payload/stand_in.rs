//! `"target": "primary"`: a configured target in place of fields, so that a caller need send no secret.

use super::fields::{Fields, Noted};
use crate::domain::{Caller, Kind, Secret, StorageAccess, Target};

/// Lets the target that the body names stand in for the fields that the body leaves out.
///
/// A secret stands in only where it belongs: the target's client secret is never sent for another application or
/// tenant, nor its key for another account, nor on behalf of anybody but the target's own caller: whoever signs in
/// otherwise could hand it to a service of their own.
pub(super) fn stand_in<'a>(
    kind: Kind,
    fields: &mut Fields,
    targets: &'a [Target],
) -> Result<Option<&'a Target>, Noted> {
    let Some(name) = fields.text("target")? else { return Ok(None) };
    let Some(target) = targets.iter().find(|target| target.name.as_str() == name) else {
        let names: Vec<_> = targets.iter().map(|target| target.name.as_str()).collect();
        let remedy = match names.as_slice() {
            [] => "leave it out and give all fields: the setting APIM_DR_TARGETS has no targets".to_owned(),
            names => format!("take one of {}", names.join(", ")),
        };
        return Err(fields.note("target", "not a configured target", &remedy));
    };
    let Target { plan, credentials, zone, .. } = target;
    let account = plan.blob.account.as_str();
    let lend = |fields: &mut Fields, name, secret: &Option<Secret>| {
        if let Some(secret) = secret {
            fields.fill(name, secret.expose());
        }
    };
    let same_caller = match &plan.caller {
        Caller::Application { tenant, client_id } => {
            fields.agrees("applicationId", client_id.as_str()) && fields.agrees("tenantId", tenant.as_str())
        }
        Caller::App => !["applicationId", "clientSecret", "tenantId"].iter().any(|name| fields.gives(name)),
    };
    if let Caller::Application { tenant, client_id } = &plan.caller {
        if same_caller {
            lend(fields, "clientSecret", &credentials.client_secret);
        }
        fields.fill("applicationId", client_id.as_str());
        fields.fill("tenantId", tenant.as_str());
    }
    match &plan.access {
        StorageAccess::AccessKey if fields.agrees("accessType", "AccessKey") && !fields.gives("clientId") => {
            fields.fill("accessType", "AccessKey");
            if same_caller && fields.agrees("storageAccount", account) {
                lend(fields, "accessKey", &credentials.access_key);
            }
        }
        StorageAccess::UserAssignedManagedIdentity { client_id }
            if fields.agrees("accessType", "UserAssignedManagedIdentity") && !fields.gives("accessKey") =>
        {
            fields.fill("clientId", client_id.as_str());
        }
        _ => {}
    }
    fields.fill("subscriptionId", plan.service.subscription.as_str());
    fields.fill("resourceGroup", plan.service.resource_group.as_str());
    fields.fill("apimInstance", plan.service.name.as_str());
    fields.fill("storageAccount", account);
    fields.fill("containerName", plan.blob.container.as_str());
    if kind == Kind::Backup {
        fields.fill("backupName", plan.blob.name.as_str());
    } else {
        fields.fill("source", plan.service.name.as_str());
        if !fields.gives("backup") && !fields.gives("at") {
            fields.fill("backupName", plan.blob.name.as_str());
        }
    }
    let ignored: Vec<_> = plan.ignore.iter().cloned().collect();
    fields.fill("ignore", &ignored.join(","));
    if fields.gives("nameSuffix")
        && let Some(zone) = zone.iana_name()
    {
        fields.fill("timeZone", zone);
    }
    Ok(Some(target))
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        domain::{CallbackHosts, Choice, Kind},
        payload::{
            Parsed, Problem, StartPolicy, TargetDefaults, parse, parse_targets,
            samples::{self, KEY, SECRET, check},
        },
    };

    fn targets() -> Vec<Target> {
        let identity = json!({ "name": "by-identity", "accessKey": null, "applicationId": null, "clientSecret": null,
            "tenantId": null, "clientId": "66666666-7777-8888-9999-000000000000", "backupName": "other" });
        let elements = [json!({ "name": "primary" }), identity].map(|edits| samples::body(&edits));
        let text = format!("[{}]", elements.join(","));
        let schedule = "0 0 1 * * *".parse().ok();
        let defaults =
            TargetDefaults { schedule: schedule.as_ref(), rpo: jiff::SignedDuration::from_hours(26) };
        let read = parse_targets(text.as_bytes(), defaults, &StartPolicy::default(), &|_| None);
        assert_eq!(read.problems, []);
        read.targets
    }

    fn asked(kind: Kind, body: &Value) -> Result<Parsed, Vec<Problem>> {
        parse(kind, body.to_string().as_bytes(), &StartPolicy::default(), &targets())
    }

    #[test]
    fn a_target_alone_is_a_whole_order_with_its_secrets() {
        let [primary, by_identity] = targets().try_into().unwrap();
        for target in [primary, by_identity] {
            let whole =
                asked(Kind::Backup, &json!({ "Target": target.name, "accessKey": "", "tenantId": null }));
            let Parsed { payload, warnings } = whole.unwrap();
            assert_eq!(warnings, Vec::<String>::new());
            assert_eq!((payload.plan, payload.credentials), (target.plan, target.credentials));
        }
    }

    #[test]
    fn what_the_body_gives_wins_and_the_secrets_follow_what_they_belong_to() {
        let restore = json!({ "target": "primary", "apimInstance": "standby", "backupName": "apimbackup_20261121",
            "operation": "restore", "applicationId": "11111111-2222-3333-4444-555555555555" });
        let payload = asked(Kind::Restore, &restore).unwrap().payload;
        assert_eq!(payload.plan.service.name.as_str(), "standby");
        assert_eq!(payload.plan.blob.name.as_str(), "apimbackup_20261121");
        assert_eq!(payload.credentials.client_secret, Some(Secret::new(SECRET)));
        assert_eq!(payload.credentials.access_key, Some(Secret::new(KEY)));

        let other = "00000000-1111-2222-3333-444444444444";
        let rows: &[(Value, &[(&str, &str)])] = &[
            (json!({ "applicationId": other }), &[("clientSecret", "add it"), ("accessKey", "add the key")]),
            (
                json!({ "tenantId": "contoso.com" }),
                &[("clientSecret", "add it"), ("accessKey", "add the key")],
            ),
            (
                json!({ "applicationId": other, "tenantId": "contoso.com", "clientSecret": "another" }),
                &[("accessKey", "add the key")],
            ),
            (json!({ "storageAccount": "another" }), &[("accessKey", "add the key")]),
            (json!({ "accessType": "AccessKey", "clientSecret": "another" }), &[]),
            (json!({ "accessType": "SystemAssignedManagedIdentity", "storageAccount": "another" }), &[]),
            (json!({ "clientId": other, "storageAccount": "another" }), &[]),
        ];
        for (edits, expected) in rows {
            let mut body = edits.clone();
            body["target"] = json!("primary");
            check(asked(Kind::Backup, &body), expected);
        }
    }

    #[test]
    fn a_name_stays_as_it_is_unless_the_body_has_a_suffix_which_goes_by_the_targets_zone() {
        let mut targets = targets();
        targets[0].zone = TimeZone::get("Pacific/Auckland").unwrap();
        let naming = |edits: &Value| {
            let mut body = edits.clone();
            body["target"] = json!("primary");
            let parsed = parse(Kind::Backup, body.to_string().as_bytes(), &StartPolicy::default(), &targets);
            let Parsed { payload, warnings } = parsed.unwrap();
            assert_eq!(warnings, Vec::<String>::new());
            match payload.into_order(&CallbackHosts::default()).unwrap().choice {
                Choice::Dated(naming) => naming.zone.iana_name().map(str::to_owned),
                _ => None,
            }
        };
        assert_eq!(naming(&json!({})), None);
        assert_eq!(naming(&json!({ "nameSuffix": "date" })).as_deref(), Some("Pacific/Auckland"));
        assert_eq!(naming(&json!({ "nameSuffix": "date", "timeZone": "UTC" })).as_deref(), Some("UTC"));
    }

    #[test]
    fn a_target_does_not_say_that_a_restore_is_meant() {
        check(
            asked(Kind::Restore, &json!({ "target": "primary" })),
            &[("operation", "RESTORE <apimInstance>")],
        );
        let phrase = json!({ "target": "primary", "confirm": "RESTORE sampleapim" });
        assert!(asked(Kind::Restore, &phrase).is_ok());
    }

    #[test]
    fn an_unknown_target_is_the_one_problem_and_the_known_ones_are_named() {
        check(
            asked(Kind::Backup, &json!({ "target": "prymary" })),
            &[("target", "take one of primary, by-identity")],
        );
        let none = parse(Kind::Backup, br#"{"target":"primary"}"#, &StartPolicy::default(), &[]);
        check(none, &[("target", "APIM_DR_TARGETS has no targets")]);
    }
}
