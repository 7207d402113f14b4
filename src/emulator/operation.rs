//! Long-running operations and what comes of them, judged when their time is over. Knows nothing of
//! HTTP.
//!
//! What a successful backup or restore answers is as recorded from 2016 to 2023. Of the failures
//! only the tier mismatch and the text of an expired backup were ever seen; codes, status and texts
//! of the others are unverified.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::accounts;
use super::service::Service;
use super::storage::{Use, container_id};
use super::world::World;

/// A backup is guaranteed to be restorable for this long, by the service's documentation.
const BACKUP_LIFETIME: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Real backups are larger; this is enough to be a body of several reads.
const PADDING_BYTES: usize = 4096;

/// One operation, running or ended.
#[derive(Debug)]
pub(super) struct Operation {
    /// Key of the service in the world.
    pub service: String,
    /// That of the request which started it; its poll URLs keep it.
    pub api_version: String,
    pub kind: Kind,
    /// How often it was polled while running.
    pub polls: u32,
    pub script: Option<Script>,
    /// `None` while running.
    pub outcome: Option<Result<(), Failure>>,
}

/// What an operation does.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    Backup(Place),
    Restore(Place),
    Update(Identity),
}

/// Where a backup is written or read, and as whom.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub account: String,
    pub container: String,
    pub blob: String,
    pub access: Access,
}

/// How the service opens the storage account: ARM's `accessType`.
#[derive(Debug, Clone)]
pub(super) enum Access {
    Key(String),
    SystemIdentity,
    /// The client id.
    UserIdentity(String),
}

/// The identities that an update leaves the service with.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub system: bool,
    /// Resource ids.
    pub user: BTreeSet<String>,
}

/// A scripted end.
#[derive(Debug, Clone)]
pub(super) struct Script {
    pub after_polls: u32,
    pub failure: Failure,
}

/// An error as the poll reports it.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub status: u16,
    pub code: String,
    pub message: String,
}

/// The content of an emulated backup.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BackupFile {
    service: String,
    sku: String,
    created_at: Timestamp,
    content: String,
    padding: String,
}

impl Kind {
    /// The word that operation ids hold.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Backup(_) => "Backup",
            Self::Restore(_) => "Restore",
            Self::Update(_) => "Update",
        }
    }

    fn failed(&self, message: impl Into<String>) -> Failure {
        Failure { status: 400, code: format!("{}Failed", self.word()), message: message.into() }
    }
}

/// Does what the operation is for, at the instant when it ends.
pub(super) fn carry_out(world: &mut World, service: &str, kind: &Kind, at: Timestamp) -> Result<(), Failure> {
    let gone = || kind.failed("The service no longer exists");
    let found = world.services.get(service).ok_or_else(gone)?;
    match kind {
        Kind::Backup(place) => {
            check_access(world, found, place).map_err(|message| kind.failed(message))?;
            let file = BackupFile {
                service: found.name.clone(),
                sku: found.tier.clone(),
                created_at: at,
                content: found.content.clone(),
                padding: ".".repeat(PADDING_BYTES),
            };
            let content = serde_json::to_vec(&file).map_err(|error| kind.failed(error.to_string()))?;
            let account = world.accounts.get_mut(&place.account).ok_or_else(gone)?;
            let refused =
                |code| kind.failed(format!("{code}: the storage account refused to write the backup"));
            account.put_backup(&place.container, &place.blob, content.into(), at).map_err(refused)?;
        }
        Kind::Restore(place) => {
            check_access(world, found, place).map_err(|message| kind.failed(message))?;
            let content = read_backup(world, found, place, at).map_err(|message| kind.failed(message))?;
            let service = world.services.get_mut(service).ok_or_else(gone)?;
            service.content = content;
        }
        Kind::Update(identity) => {
            let service = world.services.get_mut(service).ok_or_else(gone)?;
            let kept = service.system_identity.take();
            service.system_identity =
                identity.system.then(|| kept.unwrap_or_else(|| Uuid::new_v4().to_string()));
            service.user_identities.clone_from(&identity.user);
        }
    }
    Ok(())
}

/// Whether the service may use the account in the way it was told; the texts are unverified.
fn check_access(world: &World, service: &Service, place: &Place) -> Result<(), String> {
    let account = world.accounts.get(&place.account);
    let account = account.ok_or_else(|| format!("Storage account '{}' was not found", place.account))?;
    let resource = container_id(&place.account, &place.container);
    let may =
        |principal: &str| world.roles.iter().any(|role| role.allows_blobs(Use::Write, principal, &resource));
    let (allowed, why) = match &place.access {
        Access::Key(_) if account.allow_shared_key == Some(false) => (
            false,
            "KeyBasedAuthenticationNotPermitted: key based authentication is not permitted on this storage account",
        ),
        Access::Key(key) => {
            (account.keys.contains(key), "AuthenticationFailed: the storage account key is wrong")
        }
        Access::SystemIdentity => {
            let allowed = service.system_identity.as_deref().is_some_and(may);
            (
                allowed,
                "AuthorizationPermissionMismatch: the system-assigned identity is missing or may not write blobs",
            )
        }
        Access::UserIdentity(client) => {
            let assigned =
                service.user_identities.iter().any(|id| id.eq_ignore_ascii_case(accounts::USER_IDENTITY_ID));
            let allowed = assigned
                && client == accounts::USER_IDENTITY_CLIENT_ID
                && may(accounts::USER_IDENTITY_PRINCIPAL_ID);
            (
                allowed,
                "AuthorizationPermissionMismatch: the user-assigned identity is missing or may not write blobs",
            )
        }
    };
    if !allowed {
        return Err(why.to_owned());
    }
    // A firewalled account lets trusted services in, which takes the system-assigned identity, by
    // the documentation.
    if account.firewall && !matches!(place.access, Access::SystemIdentity) {
        return Err("AuthorizationFailure: the storage account's firewall refused the request".to_owned());
    }
    Ok(())
}

/// The content of a backup that this service may be restored from.
fn read_backup(world: &World, service: &Service, place: &Place, at: Timestamp) -> Result<String, String> {
    let account = world.accounts.get(&place.account);
    let blob = account.and_then(|account| account.blob(&place.container, &place.blob));
    let blob = blob.ok_or("Cannot restore: the specified backup does not exist")?;
    if blob.is_archived() {
        return Err("BlobArchived: this operation is not permitted on an archived blob".to_owned());
    }
    let file: BackupFile =
        serde_json::from_slice(&blob.content).map_err(|_| "Cannot restore: the blob is not a backup")?;
    if file.sku != service.tier {
        return Err(format!(
            "Cannot restore: current SKU is '{}', backup SKU is '{}'",
            service.tier, file.sku
        ));
    }
    if at.duration_since(file.created_at) > BACKUP_LIFETIME {
        return Err("Cannot restore: backup expired".to_owned());
    }
    Ok(file.content)
}
