//! Where Azure is: the hosts of each cloud, and what overrides them.
//!
//! Does not know what is asked of them.

use std::{net::IpAddr, str::FromStr};

use url::Url;

use super::InvalidSetting;
use crate::domain::{StorageAccount, is_loopback};

/// A cloud of Azure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Cloud {
    #[default]
    Public,
    UsGovernment,
    China,
}

impl FromStr for Cloud {
    type Err = InvalidSetting;

    fn from_str(text: &str) -> Result<Self, InvalidSetting> {
        match text.to_ascii_lowercase().as_str() {
            "public" => Ok(Self::Public),
            "usgov" => Ok(Self::UsGovernment),
            "china" => Ok(Self::China),
            _ => Err(InvalidSetting { setting: "APIM_DR_CLOUD", must: "must be public, usgov or china" }),
        }
    }
}

impl Cloud {
    /// Hosts of Entra ID, of Azure Resource Manager and of an account's blobs, as in the Azure CLI's table of clouds.
    fn hosts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Public => (
                "https://login.microsoftonline.com",
                "https://management.azure.com",
                "https://{account}.blob.core.windows.net",
            ),
            Self::UsGovernment => (
                "https://login.microsoftonline.us",
                "https://management.usgovcloudapi.net",
                "https://{account}.blob.core.usgovcloudapi.net",
            ),
            Self::China => (
                "https://login.chinacloudapi.cn",
                "https://management.chinacloudapi.cn",
                "https://{account}.blob.core.chinacloudapi.cn",
            ),
        }
    }
}

/// What takes the place of a cloud's own hosts, as it was set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `AZURE_AUTHORITY_HOST`
    pub authority: Option<String>,
    /// `APIM_DR_ARM_ENDPOINT`
    pub arm: Option<String>,
    /// `APIM_DR_ARM_AUDIENCE`
    pub audience: Option<String>,
    /// `APIM_DR_BLOB_ENDPOINT`
    pub blob: Option<String>,
}

/// Where tokens come from, and where they may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// Entra ID.
    pub authority: Url,
    /// Azure Resource Manager: the only host that gets its tokens.
    pub arm: Url,
    /// For whom Azure Resource Manager's tokens are issued.
    pub audience: String,
    /// A storage account's blobs, with `{account}` in place of its name.
    blob: String,
    allow_http_loopback: bool,
}

impl Endpoints {
    /// The hosts of `cloud`, unless overridden. Only `https`; with `allow_http_loopback` also `http`, to this
    /// machine.
    pub fn new(
        cloud: Cloud,
        overrides: &Overrides,
        allow_http_loopback: bool,
    ) -> Result<Self, InvalidSetting> {
        let (authority, arm, blob) = cloud.hosts();
        let endpoint = |setting, text: Option<&str>, default| {
            secure(text.unwrap_or(default), allow_http_loopback)
                .map_err(|must| InvalidSetting { setting, must })
        };
        let authority = endpoint("AZURE_AUTHORITY_HOST", overrides.authority.as_deref(), authority)?;
        let audience = match &overrides.audience {
            Some(audience) if Url::parse(audience).is_err() => {
                return Err(InvalidSetting {
                    setting: "APIM_DR_ARM_AUDIENCE",
                    must: "must be a URI, such as https://management.azure.com/",
                });
            }
            Some(audience) => audience.clone(),
            None => format!("{arm}/"),
        };
        let arm = endpoint("APIM_DR_ARM_ENDPOINT", overrides.arm.as_deref(), arm)?;
        let blob = overrides.blob.as_deref().unwrap_or(blob);
        endpoint("APIM_DR_BLOB_ENDPOINT", Some(&of_account(blob, "account")), "")?;
        Ok(Self { authority, arm, audience, blob: blob.to_owned(), allow_http_loopback })
    }

    /// The address of a gateway, as Azure told it, if it is fit to be asked.
    pub(super) fn gateway(&self, url: &str) -> Result<Url, &'static str> {
        secure(url, self.allow_http_loopback)
    }

    /// Where the blobs of a storage account are.
    pub(super) fn blobs_of(&self, account: &StorageAccount) -> Result<Url, &'static str> {
        // Whether plain http is allowed at all was checked above.
        secure(&of_account(&self.blob, account.as_str()), true)
    }
}

fn of_account(template: &str, account: &str) -> String {
    template.replace("{account}", account)
}

/// Whether the URL names this machine or its link-local neighbor, as the endpoints of managed identities do:
/// no proxy can reach them.
pub(super) fn is_nearby(url: &Url) -> bool {
    let link_local = url
        .host_str()
        .and_then(|host| host.parse().ok())
        .is_some_and(|address: IpAddr| matches!(address, IpAddr::V4(address) if address.is_link_local()));
    is_loopback(url) || link_local
}

/// A URL that is fit to carry secrets: `https`, or `http` to this machine if that is allowed, and nothing in it but
/// scheme, host, port and path. Otherwise what it must be.
pub fn secure(text: &str, allow_http_loopback: bool) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "must be a URL, such as https://management.azure.com")?;
    if !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err("must have no user, password, query or fragment");
    }
    match url.scheme() {
        "http" if !is_loopback(&url) => Err("must begin with https://"),
        "http" if !allow_http_loopback => Err(
            "must begin with https://; for an emulator on this machine set APIM_DR_ALLOW_HTTP_LOOPBACK=true",
        ),
        "https" | "http" => Ok(url),
        _ => Err("must begin with https://"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cloud_has_its_own_hosts_and_audience() {
        for (name, authority, arm, blobs) in [
            ("public", "https://login.microsoftonline.com/", "https://management.azure.com/", "windows.net"),
            (
                "USGov",
                "https://login.microsoftonline.us/",
                "https://management.usgovcloudapi.net/",
                "usgovcloudapi.net",
            ),
            (
                "china",
                "https://login.chinacloudapi.cn/",
                "https://management.chinacloudapi.cn/",
                "chinacloudapi.cn",
            ),
        ] {
            let endpoints = Endpoints::new(name.parse().unwrap(), &Overrides::default(), false).unwrap();
            assert_eq!(endpoints.authority.as_str(), authority);
            assert_eq!(endpoints.arm.as_str(), arm);
            assert_eq!(endpoints.audience, arm);
            let account = endpoints.blobs_of(&"abc".parse().unwrap()).unwrap();
            assert_eq!(account.as_str(), format!("https://abc.blob.core.{blobs}/"));
        }
        assert!("azure".parse::<Cloud>().is_err());
    }

    #[test]
    fn an_override_is_https_or_this_machine_by_permission() {
        let check = |arm: &str, allow: bool, expected: Result<(), &str>| {
            let overrides = Overrides { arm: Some(arm.to_owned()), ..Overrides::default() };
            match (Endpoints::new(Cloud::Public, &overrides, allow), expected) {
                (Ok(_), Ok(())) => {}
                (Err(error), Err(part)) => {
                    let error = error.to_string();
                    assert!(
                        error.starts_with("APIM_DR_ARM_ENDPOINT ") && error.contains(part),
                        "{arm}: {error}"
                    );
                }
                (outcome, _) => panic!("{arm}: {outcome:?}"),
            }
        };
        check("https://management.private.example/arm", false, Ok(()));
        check("http://127.0.0.1:8787", true, Ok(()));
        check("http://[::1]:8787", true, Ok(()));
        check("http://localhost:8787", true, Ok(()));
        check("http://localhost:8787", false, Err("APIM_DR_ALLOW_HTTP_LOOPBACK"));
        check("http://management.azure.com", true, Err("https"));
        check("http://localhost.example.com", true, Err("https"));
        check("ftp://127.0.0.1", true, Err("https"));
        check("https://user:password@management.azure.com", false, Err("user"));
        check("management.azure.com", false, Err("URL"));
    }

    #[test]
    fn an_audience_need_not_be_a_place() {
        let overrides =
            |audience: &str| Overrides { audience: Some(audience.into()), ..Overrides::default() };
        let endpoints = Endpoints::new(Cloud::Public, &overrides("api://arm"), false).unwrap();
        assert_eq!(endpoints.audience, "api://arm");
        let error = Endpoints::new(Cloud::Public, &overrides("arm"), false).unwrap_err();
        assert_eq!(error.setting, "APIM_DR_ARM_AUDIENCE");
    }

    #[test]
    fn an_accounts_blobs_are_where_the_override_has_its_name() {
        let endpoints = |blob: &str, allow| {
            let overrides = Overrides { blob: Some(blob.to_owned()), ..Overrides::default() };
            Endpoints::new(Cloud::Public, &overrides, allow)
        };
        for (blob, expected) in [
            ("https://{account}.blob.private.example", "https://abc.blob.private.example/"),
            ("http://127.0.0.1:10000/{account}", "http://127.0.0.1:10000/abc"),
        ] {
            let endpoints = endpoints(blob, true).unwrap();
            assert_eq!(endpoints.blobs_of(&"abc".parse().unwrap()).unwrap().as_str(), expected);
        }
        for blob in ["http://{account}.blob.core.windows.net", "https://x/{account}?sig=s", "{account}"] {
            assert_eq!(endpoints(blob, true).unwrap_err().setting, "APIM_DR_BLOB_ENDPOINT", "{blob}");
        }
        assert!(endpoints("http://127.0.0.1:10000/{account}", false).is_err());
    }

    #[test]
    fn no_proxy_stands_between_us_and_what_is_near() {
        let nearby = |url: &str| is_nearby(&Url::parse(url).unwrap());
        assert!(nearby("http://169.254.169.254/metadata"));
        assert!(nearby("http://127.0.0.1:41741/msi/token"));
        assert!(!nearby("https://management.azure.com"));
    }
}
