//! The bodies of API Management's requests and answers, in the versions of its API that have backups.
//!
//! Does not know where they are sent.

use std::{fmt, str::FromStr};

use bytes::Bytes;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    azure::{InvalidSetting, http::Response},
    domain::{AzureError, Phase, Plan, Secret, ServiceStatus, StorageAccess, Tier, explain},
};

/// Characters of an error's message that are kept.
const MESSAGE_LENGTH: usize = 2_000;

/// An api-version of Azure Resource Manager: `yyyy-mm-dd`, or `yyyy-mm-dd-preview`, which comes before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion {
    date: Date,
    stable: bool,
}

impl ApiVersion {
    /// The newest stable one when this was written.
    pub const DEFAULT: Self = Self { date: Date::constant(2024, 5, 1), stable: true };
    /// The first whose backups and restores take an `accessType`.
    const WITH_ACCESS_TYPE: Self = Self { date: Date::constant(2021, 4, 1), stable: false };
}

impl FromStr for ApiVersion {
    type Err = InvalidSetting;

    fn from_str(text: &str) -> Result<Self, InvalidSetting> {
        let (date, stable) = text.strip_suffix("-preview").map_or((text, true), |date| (date, false));
        let version = Date::strptime("%Y-%m-%d", date).ok().map(|date| Self { date, stable });
        version.filter(|version| version.to_string() == text).ok_or(InvalidSetting {
            setting: "APIM_DR_API_VERSION",
            must: "must be a version such as 2024-05-01 or 2024-06-01-preview",
        })
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.date, if self.stable { "" } else { "-preview" })
    }
}

/// `ApiManagementServiceBackupRestoreParameters`. Without `Debug`: it holds the account's key.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StartBody<'a> {
    storage_account: &'a str,
    container_name: &'a str,
    backup_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
}

/// The body of a backup or restore.
pub(super) fn start_body(
    plan: &Plan,
    access_key: Option<&Secret>,
    version: ApiVersion,
) -> Result<Bytes, AzureError> {
    check_access(plan, version)?;
    let access_type = match plan.access {
        StorageAccess::AccessKey => "AccessKey",
        StorageAccess::SystemAssignedManagedIdentity => "SystemAssignedManagedIdentity",
        StorageAccess::UserAssignedManagedIdentity { .. } => "UserAssignedManagedIdentity",
    };
    let (access_key, client_id) = match (&plan.access, access_key) {
        (StorageAccess::AccessKey, None) => {
            return Err(AzureError::local("the key of the storage account is not at hand")
                .with_remedy("send the request again with its accessKey, or use a managed identity"));
        }
        (StorageAccess::AccessKey, Some(key)) => (Some(key.expose()), None),
        (StorageAccess::SystemAssignedManagedIdentity, _) => (None, None),
        (StorageAccess::UserAssignedManagedIdentity { client_id }, _) => (None, Some(client_id.as_str())),
    };
    let body = StartBody {
        storage_account: plan.blob.account.as_str(),
        container_name: plan.blob.container.as_str(),
        backup_name: plan.blob.name.as_str(),
        access_type: (version >= ApiVersion::WITH_ACCESS_TYPE).then_some(access_type),
        access_key,
        client_id,
    };
    let body = serde_json::to_vec(&body).map_err(|error| AzureError::local(error.to_string()))?;
    Ok(body.into())
}

/// Whether this version of the API knows the plan's way to the storage account.
pub(super) fn check_access(plan: &Plan, version: ApiVersion) -> Result<(), AzureError> {
    if plan.access == StorageAccess::AccessKey || version >= ApiVersion::WITH_ACCESS_TYPE {
        return Ok(());
    }
    Err(AzureError::local(format!("api-version {version} reaches a storage account by its key only"))
        .with_remedy(format!("set APIM_DR_API_VERSION to {} or later", ApiVersion::DEFAULT)))
}

/// Whether the body is a resource: a JSON object with an id or a name. Another answer behind a proxy's page
/// or a broken body is not.
pub(super) fn is_resource(body: &Value) -> bool {
    ["id", "name"].iter().any(|field| body.get(field).is_some_and(Value::is_string))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Service {
    sku: Option<Sku>,
    #[serde(default)]
    properties: Properties,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Properties {
    /// Where 2014-02-14 has it.
    sku: Option<Sku>,
    provisioning_state: Option<String>,
    target_provisioning_state: Option<String>,
}

#[derive(Deserialize)]
struct Sku {
    name: Option<String>,
}

/// Reads a service; `None` if the body is none.
pub(super) fn service(body: &[u8]) -> Option<ServiceStatus> {
    let body: Value = serde_json::from_slice(body).ok().filter(is_resource)?;
    let service: Service = serde_json::from_value(body).ok()?;
    let Properties { sku, provisioning_state, target_provisioning_state } = service.properties;
    Some(ServiceStatus {
        tier: service.sku.or(sku).and_then(|sku| sku.name).map(Tier),
        // Without a state it counts as succeeded (ARM RPC, async-api-reference).
        provisioning_state: provisioning_state.unwrap_or_else(|| "Succeeded".to_owned()),
        target_provisioning_state: target_provisioning_state.unwrap_or_default(),
    })
}

/// Reads an error in either of its recorded shapes: `{"error":{"code","message"}}`, as the gateway and most
/// providers send it, and the same without the wrapper, as API Management does too. Anything else is cut
/// short and taken as the message. `phase` is the operation's, if one is asked for.
pub(super) fn azure_error(response: &Response, phase: Option<Phase>) -> AzureError {
    if (300..400).contains(&response.status) {
        return AzureError {
            status: Some(response.status),
            ids: response.ids.clone(),
            attempts: response.attempts,
            ..AzureError::local("a redirect, which is not followed")
                .with_remedy("check APIM_DR_ARM_ENDPOINT, and the proxy if there is one")
        };
    }
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let error = body.get("error").filter(|error| error.is_object()).unwrap_or(&body);
    let said = |pointer: &str| {
        error
            .pointer(pointer)
            .and_then(Value::as_str)
            .filter(|text| !text.trim().is_empty())
            .map(str::to_owned)
    };
    let code =
        said("/code").or_else(|| said("/details/0/code")).or_else(|| response.header("x-ms-error-code"));
    let message = said("/message").or_else(|| said("/details/0/message")).unwrap_or_else(|| {
        let text = String::from_utf8_lossy(&response.body);
        if text.trim().is_empty() { "Azure gave no reason".to_owned() } else { text.trim().to_owned() }
    });
    // An operation's failure may come with 200, which would only mislead.
    let status = (!(200..300).contains(&response.status)).then_some(response.status);
    let known = explain(status, code.as_deref(), &message, phase);
    AzureError {
        status,
        remedy: known.map(|known| known.remedy.to_owned()),
        code,
        message: message.chars().take(MESSAGE_LENGTH).collect(),
        ids: response.ids.clone(),
        attempts: response.attempts,
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
