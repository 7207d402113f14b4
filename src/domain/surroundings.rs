//! What lies around a service: its storage account, roles, network, soft-deleted services. Read for a preflight only.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A storage account as Azure Resource Manager tells of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountFacts {
    /// Resource id.
    pub id: String,
    /// In the form that the account has it: `australiaeast`.
    pub location: String,
    /// `Standard_GRS`.
    pub sku: String,
    /// `None` means true.
    pub shared_key_allowed: Option<bool>,
    /// `Enabled`, `Disabled`, `SecuredByPerimeter`; `None` means `Enabled`.
    pub public_network_access: Option<String>,
    pub hierarchical_namespace: bool,
    pub firewall: Firewall,
}

/// `networkAcls` of a storage account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Firewall {
    /// `defaultAction` is `Deny`.
    pub denies: bool,
    /// The parts of `bypass`: `AzureServices`, `Logging`, `Metrics`.
    pub bypass: Vec<String>,
    pub ip_rules: usize,
    pub network_rules: usize,
    /// Resource ids that are let in; one may end in `/*`.
    pub resources: Vec<String>,
}

/// One role assignment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleAssignment {
    pub scope: String,
    /// The last part of `roleDefinitionId`: a GUID.
    pub role: String,
    /// It may narrow what the role gives.
    pub has_condition: bool,
}

/// What a service in a virtual network says of one thing that it needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connectivity {
    /// In display form, if Azure told.
    pub location: String,
    /// Usually a host name.
    pub name: String,
    /// `success`, `initializing`, `failure`.
    pub status: String,
    pub error: String,
    /// `BlobStorage`; older api-versions tell none.
    pub resource_type: Option<String>,
    /// Older api-versions do not tell.
    pub optional: Option<bool>,
    pub updated: Option<Timestamp>,
}

/// A service that was deleted, and whose name is kept for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedService {
    pub location: String,
    /// When it goes for good.
    pub purged: Option<Timestamp>,
}

/// The identities that a service has from then on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdentityChange {
    pub system_assigned: bool,
    /// Resource ids of all that it is to have.
    pub user_assigned: Vec<String>,
    /// Resource ids of those that it has and is to lose; where it is to have none at all they need not be named.
    pub removed: Vec<String>,
}

/// What a gateway said when it was asked whether it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Probe {
    Up,
    /// It answered with this status.
    Answered {
        status: u16,
    },
    NoAnswer {
        reason: String,
    },
}
