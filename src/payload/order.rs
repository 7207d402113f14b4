//! The order itself: who calls, which service, which blob, and how API Management reaches it.

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{
    StartPolicy,
    fields::{Fields, Read},
};
use crate::domain::{
    BlobRef, Caller, ClientId, Credentials, Kind, Pick, Plan, Secret, ServiceId, StorageAccess, TenantId,
};

/// With a `pick` the blob's name is not known yet.
pub(super) fn read(
    kind: Kind,
    policy: &StartPolicy,
    pick: &Read<Option<Pick>>,
    fields: &mut Fields,
) -> Read<(Plan, Credentials)> {
    let mut application = fields.optional("applicationId");
    let client_secret = fields.secret("clientSecret");
    let tenant = fields.optional("tenantId");
    let mut client_id = fields.optional("clientId");
    if is_given(&client_secret) && is_given(&client_id) && !is_given(&application) {
        let noted = fields.note(
            "clientId",
            "this is the identity with which API Management reaches the storage account, not the application that clientSecret belongs to",
            "send the application's id as applicationId",
        );
        (application, client_id) = (Err(noted), Err(noted));
    }
    let caller = caller(fields, application, client_secret, tenant);
    let subscription = fields.required("subscriptionId");
    let resource_group = fields.required("resourceGroup");
    let instance = fields.required("apimInstance");
    let name = match pick {
        Ok(None) => fields.required("backupName"),
        // It is blank; nobody need be told that it is passed over.
        Ok(Some(_)) => fields.text("backupName").map(|_| Pick::stand_in()),
        Err(noted) => Err(*noted),
    };
    let operation = operation(kind, fields);
    let container = fields.required("containerName");
    let account = fields.required("storageAccount");
    if let Some(finding) = account.as_ref().ok().and_then(|name| policy.bounds.against_account(name)) {
        fields.note("storageAccount", &finding.text, &finding.remedy);
    }
    let access = access(fields, client_id);
    let confirm = fields.text("confirm");
    match kind {
        Kind::Restore => policy.check_restore(fields, confirm, operation, &instance),
        // A backup under the same name would overwrite what was to be restored.
        Kind::Backup if matches!(confirm, Ok(Some(_))) => {
            fields.note(
                "confirm",
                "confirms a restore, and backups start here",
                "send it to the restore route, or leave it out",
            );
        }
        Kind::Backup => {}
    }
    let (caller, client_secret) = caller?;
    let (access, access_key) = access?;
    let plan = Plan {
        kind,
        service: ServiceId { subscription: subscription?, resource_group: resource_group?, name: instance? },
        blob: BlobRef { account: account?, container: container?, name: name? },
        access,
        caller,
        retention: None,
        source: None,
        e_tag: None,
        ignore: std::collections::BTreeSet::new(),
        safety_backup: false,
        safety_for: None,
        drill: None,
    };
    Ok((plan, Credentials { client_secret, access_key, callback: None }))
}

/// Whether the caller sent it, understood or not.
fn is_given<T>(read: &Read<Option<T>>) -> bool {
    !matches!(read, Ok(None))
}

fn operation(kind: Kind, fields: &mut Fields) -> Read<Option<Kind>> {
    /// What the Logic App's sample has in this place.
    const SAMPLE: &str = "backup|restore";
    let Some(text) = fields.text("operation")? else { return Ok(None) };
    let text = text.to_ascii_lowercase();
    if text == kind.as_str() {
        return Ok(Some(kind));
    }
    if text == SAMPLE && kind == Kind::Backup {
        fields.warn(format!("operation: the sample's `{SAMPLE}` was taken as backup, as the route says"));
        return Ok(None);
    }
    let remedy = format!(r#"write "{kind}", or send it to the other route"#);
    Err(fields.note("operation", &format!("not {kind}, which is all that starts here"), &remedy))
}

/// Who calls Azure Resource Manager, and its secret: all three fields, or none.
fn caller(
    fields: &mut Fields,
    application: Read<Option<ClientId>>,
    client_secret: Read<Option<Secret>>,
    tenant: Read<Option<TenantId>>,
) -> Read<(Caller, Option<Secret>)> {
    if !is_given(&application) && !is_given(&client_secret) {
        if tenant?.is_some() {
            fields.warn("tenantId: not used without applicationId and clientSecret; the app calls with its own identity");
        }
        return Ok((Caller::App, None));
    }
    let client_id = together(fields, "applicationId", application);
    let client_secret = together(fields, "clientSecret", client_secret);
    let tenant = together(fields, "tenantId", tenant);
    Ok((Caller::Application { tenant: tenant?, client_id: client_id? }, Some(client_secret?)))
}

fn together<T>(fields: &mut Fields, name: &str, read: Read<Option<T>>) -> Read<T> {
    read?.ok_or_else(|| {
        fields.note(
            name,
            "missing or empty, though applicationId, clientSecret and tenantId belong together",
            "add it, or leave out all three to use the app's own identity",
        )
    })
}

#[derive(Clone, Copy)]
enum AccessType {
    Key,
    System,
    User,
}

impl AccessType {
    const NAMES: [(&str, Self); 3] = [
        ("AccessKey", Self::Key),
        ("SystemAssignedManagedIdentity", Self::System),
        ("UserAssignedManagedIdentity", Self::User),
    ];

    fn read(text: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, found)| found)
    }
}

/// How API Management reaches the storage account, and the key if it takes one.
fn access(fields: &mut Fields, client_id: Read<Option<ClientId>>) -> Read<(StorageAccess, Option<Secret>)> {
    let key = access_key(fields);
    let access_type = fields.parsed(
        "accessType",
        "write AccessKey, SystemAssignedManagedIdentity or UserAssignedManagedIdentity, or leave it out",
        AccessType::read,
    );
    let (name, detail, remedy) = match (access_type?, key?, client_id?) {
        (None | Some(AccessType::Key), Some(key), None) => return Ok((StorageAccess::AccessKey, Some(key))),
        (None | Some(AccessType::User), None, Some(client_id)) => {
            return Ok((StorageAccess::UserAssignedManagedIdentity { client_id }, None));
        }
        (None | Some(AccessType::System), None, None) => {
            return Ok((StorageAccess::SystemAssignedManagedIdentity, None));
        }
        (None, Some(_), Some(_)) => (
            "accessType",
            "missing, and accessKey and clientId name two ways to the storage account",
            "leave out accessKey or clientId",
        ),
        (Some(AccessType::Key), None, _) => (
            "accessKey",
            "missing or empty, and accessType is AccessKey",
            "add the key of the storage account, or give the accessType of a managed identity",
        ),
        (Some(AccessType::User), None, None) => (
            "clientId",
            "missing or empty, and accessType is UserAssignedManagedIdentity",
            "add the client id of the user-assigned identity",
        ),
        (Some(AccessType::System | AccessType::User), Some(_), _) => (
            "accessKey",
            "not used, since accessType is a managed identity",
            "leave accessKey out, or make accessType AccessKey",
        ),
        (Some(AccessType::Key | AccessType::System), _, Some(_)) => (
            "clientId",
            "not used, since accessType is not UserAssignedManagedIdentity",
            "leave clientId out, or make accessType UserAssignedManagedIdentity",
        ),
    };
    Err(fields.note(name, detail, remedy))
}

fn access_key(fields: &mut Fields) -> Read<Option<Secret>> {
    let Some(key) = fields.secret("accessKey")? else { return Ok(None) };
    if key.expose().starts_with('<') {
        return Err(fields.note(
            "accessKey",
            "still the placeholder of the documentation",
            "replace the placeholder by the key of the storage account",
        ));
    }
    if BASE64_STANDARD.decode(key.expose()).is_err() {
        return Err(fields.note(
            "accessKey",
            "not base64",
            "copy the key of the storage account whole, without white space or line breaks",
        ));
    }
    Ok(Some(key))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::payload::samples::{KEY, backup, check};

    #[test]
    fn the_operation_agrees_with_the_route() {
        for operation in [json!("Backup"), json!(""), json!(null)] {
            assert_eq!(backup(&json!({ "operation": operation })), backup(&json!({})));
        }
        let sample = backup(&json!({ "operation": "backup|restore" })).unwrap();
        assert_eq!(
            sample.warnings,
            ["operation: the sample's `backup|restore` was taken as backup, as the route says"]
        );
    }

    #[test]
    fn the_credentials_of_an_application_come_together_or_not_at_all() {
        let rows: &[(Value, &[(&str, &str)])] = &[
            (json!({ "applicationId": null }), &[("applicationId", "add it")]),
            (json!({ "clientSecret": "" }), &[("clientSecret", "add it")]),
            (
                json!({ "tenantId": null, "clientSecret": null }),
                &[("clientSecret", "add it"), ("tenantId", "add it")],
            ),
            (
                json!({ "applicationId": null, "clientId": "11111111-2222-3333-4444-555555555555" }),
                &[("clientId", "send the application's id as applicationId")],
            ),
        ];
        for (edits, expected) in rows {
            check(backup(edits), expected);
        }
        let own = backup(&json!({ "applicationId": null, "clientSecret": null })).unwrap();
        assert_eq!(own.payload.plan.caller, Caller::App);
        assert!(own.warnings[0].starts_with("tenantId: not used"), "{:?}", own.warnings);
    }

    #[test]
    fn the_way_to_the_storage_account_is_plain_or_asked_for() {
        let id = "66666666-7777-8888-9999-000000000000";
        let user = StorageAccess::UserAssignedManagedIdentity { client_id: id.parse().unwrap() };
        let system = StorageAccess::SystemAssignedManagedIdentity;
        let good = [
            (json!(null), json!(KEY), json!(null), StorageAccess::AccessKey),
            (json!("accesskey"), json!(KEY), json!(null), StorageAccess::AccessKey),
            (json!(null), json!(null), json!(id), user.clone()),
            (json!("UserAssignedManagedIdentity"), json!(null), json!(id), user),
            (json!(null), json!(null), json!(null), system.clone()),
            (json!("systemAssignedManagedIdentity"), json!(""), json!(null), system),
        ];
        for (access_type, key, client_id, expected) in good {
            let edits = json!({ "accessType": access_type, "accessKey": key, "clientId": client_id });
            assert_eq!(backup(&edits).unwrap().payload.plan.access, expected);
        }
        let bad = [
            (json!(null), json!(KEY), json!(id), ("accessType", "leave out")),
            (json!("AccessKey"), json!(null), json!(null), ("accessKey", "add the key")),
            (json!("AccessKey"), json!(KEY), json!(id), ("clientId", "leave clientId out")),
            (
                json!("UserAssignedManagedIdentity"),
                json!(null),
                json!(null),
                ("clientId", "add the client id"),
            ),
            (
                json!("UserAssignedManagedIdentity"),
                json!(KEY),
                json!(id),
                ("accessKey", "leave accessKey out"),
            ),
            (
                json!("SystemAssignedManagedIdentity"),
                json!(KEY),
                json!(null),
                ("accessKey", "leave accessKey out"),
            ),
            (
                json!("SystemAssignedManagedIdentity"),
                json!(null),
                json!(id),
                ("clientId", "leave clientId out"),
            ),
            (json!("ManagedIdentity"), json!(null), json!(null), ("accessType", "write AccessKey")),
        ];
        for (access_type, key, client_id, expected) in bad {
            check(
                backup(&json!({ "accessType": access_type, "accessKey": key, "clientId": client_id })),
                &[expected],
            );
        }
    }
}
