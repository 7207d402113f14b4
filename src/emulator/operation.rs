//! Long-running operations and what comes of them, judged when their time is over. Knows nothing of
//! HTTP.
//!
//! What a successful backup or restore answers is as recorded from 2016 to 2023. Of the failures
//! only the tier mismatch and the text of an expired backup were ever seen; codes, status and texts
//! of the others are unverified.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::body::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::accounts;
use super::service::{Entities, Service};
use super::storage::{Use, container_id};
use super::transfer::Transfer;
use super::world::World;

/// A backup is guaranteed to be restorable for this long, by the service's documentation.
const BACKUP_LIFETIME: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Real backups are larger; this is enough to be a body of several reads.
const PADDING_BYTES: usize = 4046;

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
    /// `x-ms-client-request-id` of the request that started it.
    pub client_request_id: Option<String>,
    pub began: Timestamp,
    /// `None` while running.
    pub ended: Option<Timestamp>,
    /// `None` while running.
    pub outcome: Option<Result<(), Failure>>,
}

/// A backup or a restore that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// `Backup` or `Restore`.
    pub word: &'static str,
    /// Name of the service in small letters.
    pub service: String,
    pub blob: String,
    /// `x-ms-client-request-id` of the POST that started it.
    pub client_request_id: Option<String>,
    pub began: Timestamp,
    /// `None` while it runs.
    pub ended: Option<Timestamp>,
    pub succeeded: bool,
    /// A fault scripted its end.
    pub scripted: bool,
}

impl Run {
    /// Of an operation that is one.
    pub(super) fn of(operation: &Operation) -> Option<Self> {
        let (Kind::Backup(place) | Kind::Restore(place)) = &operation.kind else { return None };
        Some(Self {
            word: operation.kind.word(),
            service: operation.service.clone(),
            blob: place.blob.clone(),
            client_request_id: operation.client_request_id.clone(),
            began: operation.began,
            ended: operation.ended,
            succeeded: matches!(operation.outcome, Some(Ok(()))),
            scripted: operation.script.is_some(),
        })
    }
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

/// A scripted end. What is said of blobs concerns backups only.
#[derive(Debug, Clone)]
pub(super) enum Script {
    /// At the poll after `after_polls` others, or when its time is over.
    Fail {
        after_polls: u32,
        failure: Failure,
    },
    NoBlob,
    EmptyBlob,
    /// Success, and the blob so much later.
    LateBlob(Duration),
    /// Half of the blob, and a failure.
    PartialBlob,
}

/// An error as the poll reports it.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub status: u16,
    pub code: String,
    pub message: String,
}

/// The content of an emulated backup. One made by hand may have no counts: those of the service stay.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BackupFile {
    service: String,
    sku: String,
    created_at: Timestamp,
    content: String,
    apis: Option<u64>,
    products: Option<u64>,
    subscriptions: Option<u64>,
    users: Option<u64>,
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

    fn gone(&self) -> Failure {
        self.failed("The service no longer exists")
    }

    fn failed(&self, message: impl Into<String>) -> Failure {
        Failure { status: 400, code: format!("{}Failed", self.word()), message: message.into() }
    }
}

/// What is to be done in storage when an operation's time is over; `None`: nothing, and it succeeded.
pub(super) fn carry_out(
    world: &mut World,
    service: &str,
    kind: &Kind,
    script: Option<&Script>,
    at: Timestamp,
) -> Result<Option<Transfer>, Failure> {
    if let Some(Script::Fail { failure, .. }) = script {
        return Err(failure.clone());
    }
    let found = world.services.get(service).ok_or_else(|| kind.gone())?;
    match kind {
        Kind::Backup(place) => {
            check_access(world, found, place).map_err(|message| kind.failed(message))?;
            let whole = backup_of(found, at).map_err(|error| kind.failed(error.to_string()))?;
            let content = match script {
                Some(Script::NoBlob) => return Ok(None),
                Some(Script::EmptyBlob) => Bytes::new(),
                Some(Script::PartialBlob) => whole.slice(..whole.len() / 2),
                _ => whole,
            };
            let write = Transfer::Write { place: place.clone(), content };
            let Some(Script::LateBlob(late)) = script else { return Ok(Some(write)) };
            world.write_later(write, at, *late);
        }
        Kind::Restore(place) => {
            check_access(world, found, place).map_err(|message| kind.failed(message))?;
            return Ok(Some(Transfer::Read { place: place.clone() }));
        }
        Kind::Update(identity) => {
            let service = world.services.get_mut(service).ok_or_else(|| kind.gone())?;
            let kept = service.system_identity.take();
            service.system_identity =
                identity.system.then(|| kept.unwrap_or_else(|| Uuid::new_v4().to_string()));
            service.user_identities.clone_from(&identity.user);
        }
    }
    Ok(None)
}

/// What comes of an operation whose transfer is done: `transferred` is what was read, or why nothing was
/// read or written.
pub(super) fn conclude(
    world: &mut World,
    service: &str,
    kind: &Kind,
    script: Option<&Script>,
    transferred: Result<Bytes, String>,
    at: Timestamp,
) -> Result<(), Failure> {
    let content = transferred.map_err(|message| kind.failed(message))?;
    if matches!(script, Some(Script::PartialBlob)) {
        return Err(kind.failed("The backup could not be written to its end"));
    }
    if matches!(kind, Kind::Restore(_)) {
        let service = world.services.get_mut(service).ok_or_else(|| kind.gone())?;
        let BackupFile { content, apis, products, subscriptions, users, .. } =
            restored(service, &content, at).map_err(|message| kind.failed(message))?;
        service.content = content;
        let old = service.entities;
        service.entities = Entities {
            apis: apis.unwrap_or(old.apis),
            products: products.unwrap_or(old.products),
            subscriptions: subscriptions.unwrap_or(old.subscriptions),
            users: users.unwrap_or(old.users),
            workspaces: old.workspaces,
        };
    }
    Ok(())
}

fn backup_of(service: &Service, at: Timestamp) -> serde_json::Result<Bytes> {
    let Entities { apis, products, subscriptions, users, .. } = service.entities;
    let file = BackupFile {
        service: service.name.clone(),
        sku: service.tier.clone(),
        created_at: at,
        content: service.content.clone(),
        apis: Some(apis),
        products: Some(products),
        subscriptions: Some(subscriptions),
        users: Some(users),
        padding: ".".repeat(PADDING_BYTES),
    };
    serde_json::to_vec(&file).map(Bytes::from)
}

/// Whether the service may use the account in the way it was told; the texts are unverified.
fn check_access(world: &World, service: &Service, place: &Place) -> Result<(), String> {
    // A real service says for itself whom it lets in.
    if world.stores_outside {
        return Ok(());
    }
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
    // A firewall lets trusted services and named resources in, which takes the system-assigned identity,
    // by the documentation.
    let trusted = matches!(place.access, Access::SystemIdentity) && account.trusts(&service.id());
    if account.is_closed() && !trusted {
        return Err("AuthorizationFailure: the storage account's firewall refused the request".to_owned());
    }
    Ok(())
}

/// What a backup brings to this service, if it may be restored from it.
fn restored(service: &Service, backup: &[u8], at: Timestamp) -> Result<BackupFile, String> {
    let file: BackupFile =
        serde_json::from_slice(backup).map_err(|_| "Cannot restore: the blob is not a backup")?;
    if file.sku != service.tier {
        return Err(format!(
            "Cannot restore: current SKU is '{}', backup SKU is '{}'",
            service.tier, file.sku
        ));
    }
    if at.duration_since(file.created_at) > BACKUP_LIFETIME {
        return Err("Cannot restore: backup expired".to_owned());
    }
    Ok(file)
}
