//! Another API Management instance: by its name, if it is in the same resource group, or by its resource id.

use std::str::FromStr;

use crate::domain::{InvalidName, ServiceId, ServiceName};

/// Which instance is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Instance {
    /// In the resource group of whoever names it.
    Near(ServiceName),
    Anywhere(ServiceId),
}

impl Instance {
    /// The instance, as `neighbour` means it.
    pub(super) fn beside(self, neighbour: &ServiceId) -> ServiceId {
        match self {
            Self::Near(name) => ServiceId { name, ..neighbour.clone() },
            Self::Anywhere(service) => service,
        }
    }
}

const INVALID: InvalidName = InvalidName {
    remedy: "give the name of an API Management instance in the target's resource group, or the resource id of any: /subscriptions/<id>/resourceGroups/<name>/providers/Microsoft.ApiManagement/service/<name>",
};

impl FromStr for Instance {
    type Err = InvalidName;

    /// Azure writes the fixed parts of a resource id in any case.
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if !text.contains('/') {
            return text.parse().map(Self::Near).map_err(|_| INVALID);
        }
        let parts: Vec<_> = text.split('/').collect();
        let &["", subscriptions, subscription, groups, group, providers, provider, service, name] =
            parts.as_slice()
        else {
            return Err(INVALID);
        };
        let fixed = [
            (subscriptions, "subscriptions"),
            (groups, "resourceGroups"),
            (providers, "providers"),
            (provider, "Microsoft.ApiManagement"),
            (service, "service"),
        ];
        if fixed.iter().any(|(given, known)| !given.eq_ignore_ascii_case(known)) {
            return Err(INVALID);
        }
        match (subscription.parse(), group.parse(), name.parse()) {
            (Ok(subscription), Ok(resource_group), Ok(name)) => {
                Ok(Self::Anywhere(ServiceId { subscription, resource_group, name }))
            }
            _ => Err(INVALID),
        }
    }
}

/// Another instance, by its name in `neighbour`'s resource group or by its resource id.
pub fn instance(text: &str, neighbour: &ServiceId) -> Result<ServiceId, InvalidName> {
    text.parse().map(|instance: Instance| instance.beside(neighbour))
}

/// An instance by its resource id.
pub fn resource_id(text: &str) -> Result<ServiceId, InvalidName> {
    match text.parse()? {
        Instance::Anywhere(service) => Ok(service),
        Instance::Near(_) => Err(INVALID),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples::plan;

    #[test]
    fn an_instance_is_a_name_in_the_same_resource_group_or_a_resource_id() {
        let neighbour = plan("sampleapim").service;
        let other = "/subscriptions/bbbbbbbb-bbbb-cccc-dddd-eeeeeeeeeeee/resourceGroups/west/providers/Microsoft.ApiManagement/service/apim-west";
        let rows = [
            ("standby", neighbour.to_string().replace("/sampleapim", "/standby")),
            (other, other.to_owned()),
            (
                &other.replace("resourceGroups", "resourcegroups").replace("Microsoft.A", "microsoft.a"),
                other.to_owned(),
            ),
            (&other.replace("/subscriptions/", "/SUBSCRIPTIONS/"), other.to_owned()),
        ];
        for (text, expected) in rows {
            let instance: Instance = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(instance.beside(&neighbour).to_string(), expected, "{text}");
        }
        let short = &other[1..];
        for text in [
            "",
            "a b",
            "west/standby",
            short,
            &format!("{other}/"),
            &format!("{other}/apis/x"),
            &format!("https://management.azure.com{other}"),
            &other.replace("bbbbbbbb-bbbb", "bbbb"),
            &other.replace("ApiManagement/service", "Storage/storageAccounts"),
            &other.replace("resourceGroups", "resource-groups"),
        ] {
            assert!(text.parse::<Instance>().is_err(), "{text}");
        }
    }
}
