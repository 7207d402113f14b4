//! Names of Azure things, checked once where they enter.
//!
//! Shapes come from the REST specifications: `ServiceNameParameter` of API Management, the storage
//! resource provider's account and container names, Blob storage's naming rules, Azure Resource
//! Manager's resource groups.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A name that Azure would refuse: what is expected instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{remedy}")]
pub struct InvalidName {
    pub remedy: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:expr, $remedy:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// What a valid value looks like.
            pub const REMEDY: &str = $remedy;

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.to_owned())) } else { Err(InvalidName { remedy: $remedy }) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// Id of an Azure subscription: a GUID.
    SubscriptionId,
    is_guid,
    "give the subscription's id, a GUID such as aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
);
name!(
    /// Id of an application or of a managed identity in Entra ID: a GUID.
    ClientId,
    is_guid,
    "give the application (client) id, a GUID such as 11111111-2222-3333-4444-555555555555"
);
name!(
    /// An Entra ID tenant: a GUID or one of its domain names.
    TenantId,
    |text| is_guid(text) || is_domain(text),
    "give the tenant's id (a GUID) or one of its domain names, such as contoso.onmicrosoft.com"
);
name!(
    /// Name of a resource group: 1 to 90 letters, digits, `_ - . ( )`, not ending in a dot.
    ResourceGroup,
    |text| {
        (1..=90).contains(&text.chars().count())
            && text.chars().all(|c| c.is_alphanumeric() || "_-.()".contains(c))
            && !text.ends_with('.')
    },
    "give the resource group's name: 1 to 90 letters, digits or _ - . ( ), not ending in a dot"
);
name!(
    /// Name of an API Management service: 1 to 50 letters, digits and dashes, beginning with a letter.
    ServiceName,
    |text| {
        (1..=50).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.ends_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    },
    "give the API Management instance's name: 1 to 50 letters, digits and dashes, beginning with a letter and not ending in a dash"
);
name!(
    /// Name of a storage account: 3 to 24 lower-case letters and digits.
    StorageAccount,
    |text| (3..=24).contains(&text.len()) && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()),
    "give the storage account's name (not its address or id): 3 to 24 lower-case letters and digits"
);
name!(
    /// Name of a blob container: 3 to 63 lower-case letters, digits and single dashes.
    ContainerName,
    |text| {
        (3..=63).contains(&text.len())
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && !text.starts_with('-')
            && !text.ends_with('-')
            && !text.contains("--")
    },
    "give the container's name: 3 to 63 lower-case letters, digits and single dashes, beginning and ending with a letter or digit"
);
name!(
    /// Name of a blob: 1 to 1,024 characters, no control characters, not ending in a dot or slash.
    BlobName,
    |text| {
        (1..=BlobName::LONGEST).contains(&text.chars().count())
            && !text.chars().any(char::is_control)
            && !text.ends_with(['.', '/'])
            && !text.starts_with('/')
            && !text.contains(['\\', '?', '#'])
            && text.split('/').all(|segment| !segment.is_empty() && segment != "." && segment != "..")
            && text.split('/').count() <= 254
    },
    "give the backup's blob name: 1 to 1,024 characters, without control characters, \\ ? #, empty or dot segments, not ending in a dot or slash"
);

name!(
    /// Name of a configured target: 1 to 40 lower-case letters, digits and dashes.
    TargetName,
    |text| {
        (1..=40).contains(&text.len())
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && !text.starts_with('-')
            && !text.ends_with('-')
    },
    "give the target a name: 1 to 40 lower-case letters, digits and dashes, beginning and ending with a letter or digit"
);

impl BlobName {
    /// The longest name that Azure takes, in characters.
    pub const LONGEST: usize = 1024;

    /// The name that a template gives. Whoever calls this has checked the template.
    pub(super) fn filled(name: String) -> Self {
        Self(name)
    }
}

impl ServiceName {
    /// The name in lower case: API Management names are unique in all of Azure, whatever their case.
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

fn is_guid(text: &str) -> bool {
    text.len() == 36 && Uuid::try_parse(text).is_ok()
}

fn is_domain(text: &str) -> bool {
    text.len() <= 253
        && text.contains('.')
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: FromStr>(good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(text.parse::<T>().is_ok(), "should be taken: {text:?}");
        }
        for text in bad {
            assert!(text.parse::<T>().is_err(), "should be refused: {text:?}");
        }
    }

    #[test]
    fn names_have_the_shapes_that_azure_takes() {
        check::<SubscriptionId>(
            &["aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "AAAAAAAA-BBBB-CCCC-DDDD-EEEEEEEEEEEE"],
            &[
                "",
                "aaaaaaaabbbbccccddddeeeeeeeeeeee",
                "{aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee}",
                "my subscription",
            ],
        );
        check::<TenantId>(
            &["99999999-8888-7777-6666-555555555555", "contoso.onmicrosoft.com", "a.b"],
            &["", "contoso", "contoso..com", "-x.com", "contoso.com/", "a b.com"],
        );
        check::<ResourceGroup>(
            &["rg", "Rg_1.(x)-y", "gruppe-ü"],
            &["", "rg.", "a/b", "a b", &"x".repeat(91)],
        );
        check::<ServiceName>(
            &["a", "sampleapim", "Sample-Apim-1", &"x".repeat(50)],
            &["", "1apim", "-apim", "apim-", "ap_im", "apim.azure-api.net", &"x".repeat(51)],
        );
        check::<StorageAccount>(
            &["abc", "apimdrstorage", "0123456789"],
            &["ab", "Storage", "a-b", "x.blob.core.windows.net", &"x".repeat(25)],
        );
        check::<ContainerName>(
            &["backup", "a-b", "$root1".trim_start_matches('$'), "123"],
            &["ab", "Backup", "-ab", "ab-", "a--b", "a_b", &"x".repeat(64)],
        );
        check::<TargetName>(
            &["a", "primary", "eu-west-1"],
            &["", "-a", "a-", "A", "a_b", "a/b", &"x".repeat(41)],
        );
        check::<BlobName>(
            &["apimbackup", "a/b/c.apimbackup", "with blank", "ünï", &"x".repeat(1024)],
            &["", "a.", "a/", "/a", "a//b", "a/../b", "./a", "a\\b", "a?b", "a#b", "a\nb", &"x".repeat(1025)],
        );
    }

    #[test]
    fn a_name_is_checked_when_it_is_read_back_too() {
        assert!(serde_json::from_str::<StorageAccount>("\"NOT-an-account\"").is_err());
        assert_eq!(serde_json::to_string(&"abc".parse::<StorageAccount>().unwrap()).unwrap(), "\"abc\"");
    }
}
