//! An API Management service, as far as an operation cares.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ResourceGroup, ServiceName, SubscriptionId};

/// Which service: the parts of its Azure resource id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceId {
    pub subscription: SubscriptionId,
    pub resource_group: ResourceGroup,
    pub name: ServiceName,
}

impl fmt::Display for ServiceId {
    /// The Azure resource id, not encoded.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subscription, resource_group, name } = self;
        write!(
            f,
            "/subscriptions/{subscription}/resourceGroups/{resource_group}/providers/Microsoft.ApiManagement/service/{name}"
        )
    }
}

/// Azure Resource Manager's `sku.name`, kept as it was sent: new ones appear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tier(pub String);

/// What a GET of the service said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceStatus {
    pub tier: Option<Tier>,
    pub provisioning_state: String,
    pub target_provisioning_state: String,
}

impl ServiceStatus {
    /// Whether nothing runs on the service: `Succeeded` *and* no target state. An update may run while
    /// the state still says `Succeeded` (recorded in 2019).
    pub fn is_idle(&self) -> bool {
        self.provisioning_state.eq_ignore_ascii_case("Succeeded") && self.target_provisioning_state.is_empty()
    }
}

impl fmt::Display for ServiceStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.provisioning_state)?;
        if !self.target_provisioning_state.is_empty() {
            write!(f, ", going to {}", self.target_provisioning_state)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_idle_only_when_it_succeeded_and_goes_nowhere() {
        let idle = |state: &str, target: &str| {
            ServiceStatus {
                tier: None,
                provisioning_state: state.into(),
                target_provisioning_state: target.into(),
            }
            .is_idle()
        };
        assert!(idle("Succeeded", ""));
        assert!(idle("succeeded", ""));
        assert!(!idle("Succeeded", "Updating"));
        assert!(!idle("Updating", ""));
        assert!(!idle("Activating", "Activating"));
    }
}
