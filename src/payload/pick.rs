//! `"backup": "latest"`: a restore that leaves it to the catalogue which recovery point it reads.

use jiff::Timestamp;

use super::fields::{Fields, Read};
use crate::domain::{BlobName, Kind, Pick};

/// Which recovery point a restore means, if not one by its name. `backup` may also be a name: then it is `backupName`.
pub(super) fn read(kind: Kind, fields: &mut Fields) -> Read<Option<Pick>> {
    let until: Read<Option<Timestamp>> =
        fields.parsed("at", "give an instant such as 2026-11-30T01:00:00Z", |text| text.parse().ok());
    let backup = fields.text("backup");
    let (until, backup) = (until?, backup?);
    let verified = match backup.as_deref() {
        None => None,
        Some("latest") => Some(false),
        Some("latest-verified") => Some(true),
        Some(name) => {
            if until.is_some() {
                let remedy = "leave out at, or make backup latest or latest-verified";
                return Err(fields.note("at", "names one recovery point, and backup another", remedy));
            }
            if kind == Kind::Restore {
                return as_name(name, fields).map(|()| None);
            }
            Some(false)
        }
    };
    if verified.is_none() && until.is_none() {
        return Ok(None);
    }
    let field = if verified.is_some() { "backup" } else { "at" };
    if kind == Kind::Backup {
        let remedy = "leave it out, and name the blob as backupName";
        return Err(fields.note(field, "chooses what a restore reads, and backups start here", remedy));
    }
    if fields.gives("backupName") {
        let remedy = &format!("leave out backupName or {field}");
        return Err(fields.note(field, "names one recovery point, and backupName another", remedy));
    }
    Ok(Some(Pick { verified: verified.unwrap_or_default(), until }))
}

fn as_name(name: &str, fields: &mut Fields) -> Read<()> {
    if let Err(error) = name.parse::<BlobName>() {
        return Err(fields.note("backup", "not valid", error.remedy));
    }
    if fields.gives("backupName") && !fields.agrees("backupName", name) {
        let remedy = "leave out backupName or backup";
        return Err(fields.note("backup", "names one recovery point, and backupName another", remedy));
    }
    fields.fill("backupName", name);
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        domain::{CallbackHosts, Choice},
        payload::{
            StartPolicy, parse,
            samples::{body, check},
        },
    };

    /// What is asked for, with these edits, and the problems with it.
    #[test]
    fn a_restore_takes_a_name_or_the_newest_recovery_point_that_is_meant() {
        let until = "2026-11-20T00:00:00Z";
        let pick = |verified, until: Option<&str>| {
            Choice::Pick(Pick { verified, until: until.map(|until| until.parse().unwrap()) })
        };
        let rows = [
            (json!({}), Choice::Plain, "apimbackup"),
            (json!({ "backup": "other", "backupName": null }), Choice::Plain, "other"),
            (json!({ "backup": "apimbackup" }), Choice::Plain, "apimbackup"),
            (json!({ "backup": "latest", "backupName": "" }), pick(false, None), "latest"),
            (json!({ "backup": "latest-verified", "backupName": null }), pick(true, None), "latest"),
            (json!({ "at": until, "backupName": null }), pick(false, Some(until)), "latest"),
            (
                json!({ "backup": "latest-verified", "at": until, "backupName": null }),
                pick(true, Some(until)),
                "latest",
            ),
        ];
        for (edits, choice, name) in rows {
            let mut edits: Value = edits;
            edits["operation"] = json!("restore");
            let parsed = parse(Kind::Restore, body(&edits).as_bytes(), &StartPolicy::default(), &[]);
            let order = parsed.unwrap().payload.into_order(&CallbackHosts::default()).unwrap();
            assert_eq!((order.choice, order.plan.blob.name.as_str()), (choice, name), "{edits}");
        }
    }

    #[test]
    fn what_names_two_recovery_points_is_a_problem_and_a_backup_chooses_none() {
        type Row<'a> = (Kind, Value, &'a [(&'a str, &'a str)]);
        let until = "2026-11-20T00:00:00Z";
        let rows: [Row; 9] = [
            (Kind::Restore, json!({ "backup": "latest" }), &[("backup", "leave out backupName or backup")]),
            (Kind::Restore, json!({ "backup": "other" }), &[("backup", "leave out backupName or backup")]),
            (Kind::Restore, json!({ "at": until }), &[("at", "leave out backupName or at")]),
            (
                Kind::Restore,
                json!({ "at": until, "backup": "other", "backupName": null }),
                &[("at", "make backup latest")],
            ),
            (
                Kind::Restore,
                json!({ "backup": "a//b", "backupName": null }),
                &[("backup", "1,024 characters")],
            ),
            (Kind::Restore, json!({ "at": "yesterday" }), &[("at", "2026-11-30T01:00:00Z")]),
            (Kind::Backup, json!({ "backup": "latest" }), &[("backup", "as backupName")]),
            (Kind::Backup, json!({ "backup": "other" }), &[("backup", "as backupName")]),
            (Kind::Backup, json!({ "at": until }), &[("at", "as backupName")]),
        ];
        for (kind, edits, expected) in rows {
            let mut edits: Value = edits;
            edits["operation"] = json!(kind);
            check(parse(kind, body(&edits).as_bytes(), &StartPolicy::default(), &[]), expected);
        }
    }
}
