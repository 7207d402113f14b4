//! The identity settings, and which identity they make.
//!
//! Decides only; asks nobody.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
};

use crate::{
    azure::InvalidSetting,
    domain::{AzureError, Caller, ClientId, Secret, TenantId},
    ports::Access,
};

/// What [`Credential::Auto`] found before it came to the Azure CLI.
pub(super) const NOT_SET_UP: &str = "no credential for Azure: neither AZURE_CLIENT_SECRET, \
    AZURE_FEDERATED_TOKEN_FILE nor IDENTITY_ENDPOINT is set";

/// `APIM_DR_CREDENTIAL`: where the app's own tokens come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Credential {
    /// The first that is set up: client secret, workload identity, managed identity, Azure CLI (which is not
    /// tried under the Functions host).
    #[default]
    Auto,
    ClientSecret,
    ManagedIdentity,
    WorkloadIdentity,
    AzureCli,
}

impl FromStr for Credential {
    type Err = InvalidSetting;

    fn from_str(text: &str) -> Result<Self, InvalidSetting> {
        match text.to_ascii_lowercase().as_str() {
            "auto" => Ok(Self::Auto),
            "client-secret" => Ok(Self::ClientSecret),
            "managed-identity" => Ok(Self::ManagedIdentity),
            "workload-identity" => Ok(Self::WorkloadIdentity),
            "azure-cli" => Ok(Self::AzureCli),
            _ => Err(InvalidSetting {
                setting: "APIM_DR_CREDENTIAL",
                must: "must be auto, client-secret, managed-identity, workload-identity or azure-cli",
            }),
        }
    }
}

/// `APIM_DR_TOKEN_ENDPOINT`: which dialect client credentials are sent in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TokenEndpoint {
    /// `/oauth2/v2.0/token` with a `scope`.
    #[default]
    V2,
    /// `/oauth2/token` with a `resource`.
    V1,
}

impl FromStr for TokenEndpoint {
    type Err = InvalidSetting;

    fn from_str(text: &str) -> Result<Self, InvalidSetting> {
        match text.to_ascii_lowercase().as_str() {
            "v2" => Ok(Self::V2),
            "v1" => Ok(Self::V1),
            _ => Err(InvalidSetting { setting: "APIM_DR_TOKEN_ENDPOINT", must: "must be v2 or v1" }),
        }
    }
}

/// The identity settings, as the environment has them.
#[derive(Debug, Clone, Default)]
pub struct TokenConfig {
    pub credential: Credential,
    pub endpoint: TokenEndpoint,
    /// `AZURE_TENANT_ID`
    pub tenant: Option<TenantId>,
    /// `AZURE_CLIENT_ID`; alone, it names a user-assigned managed identity.
    pub client_id: Option<ClientId>,
    /// `AZURE_CLIENT_SECRET`
    pub client_secret: Option<Secret>,
    /// Whether the Functions host runs us.
    pub under_host: bool,
    /// `AZURE_FEDERATED_TOKEN_FILE`
    pub federated_token_file: Option<PathBuf>,
    /// Whether `IDENTITY_ENDPOINT` is set.
    pub has_managed_identity: bool,
}

/// Who asks for a token, with all that it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Identity<'a> {
    ClientSecret { tenant: &'a TenantId, client_id: &'a ClientId, secret: &'a Secret },
    Ambient(Ambient<'a>),
}

/// An identity that the place where we run provides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ambient<'a> {
    Workload { tenant: &'a TenantId, client_id: &'a ClientId, token_file: &'a Path },
    Managed { client_id: Option<&'a ClientId> },
    AzureCli { tenant: Option<&'a TenantId> },
}

impl TokenConfig {
    /// The identity of `access`, or which settings are missing.
    pub(super) fn identity<'a>(&'a self, access: &'a Access) -> Result<Identity<'a>, AzureError> {
        if let Caller::Application { tenant, client_id } = &access.caller {
            let secret = access.credentials.client_secret.as_ref().ok_or_else(|| {
                AzureError::local(format!("the secret of application {client_id} is not at hand"))
                    .with_remedy(
                        "send the request again with its clientSecret, or without any credential field",
                    )
            })?;
            return Ok(Identity::ClientSecret { tenant, client_id, secret });
        }
        match self.credential {
            Credential::Auto => self.first_identity(),
            Credential::ClientSecret => self.environment_secret(),
            Credential::WorkloadIdentity => self.workload(),
            Credential::ManagedIdentity => Ok(self.managed()),
            Credential::AzureCli => Ok(self.azure_cli()),
        }
    }

    fn first_identity(&self) -> Result<Identity<'_>, AzureError> {
        if self.client_secret.is_some() {
            self.environment_secret()
        } else if self.federated_token_file.is_some() {
            self.workload()
        } else if self.has_managed_identity {
            Ok(self.managed())
        } else if self.under_host {
            let reason = format!("{NOT_SET_UP}, and the Azure CLI is not tried under the Functions host");
            Err(AzureError::local(reason).with_remedy(
                "enable the function app's managed identity, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and \
                 AZURE_CLIENT_SECRET",
            ))
        } else {
            Ok(self.azure_cli())
        }
    }

    fn environment_secret(&self) -> Result<Identity<'_>, AzureError> {
        match (&self.tenant, &self.client_id, &self.client_secret) {
            (Some(tenant), Some(client_id), Some(secret)) => {
                Ok(Identity::ClientSecret { tenant, client_id, secret })
            }
            (tenant, client_id, secret) => Err(missing(
                "a client secret",
                &[
                    ("AZURE_TENANT_ID", tenant.is_some()),
                    ("AZURE_CLIENT_ID", client_id.is_some()),
                    ("AZURE_CLIENT_SECRET", secret.is_some()),
                ],
            )),
        }
    }

    fn workload(&self) -> Result<Identity<'_>, AzureError> {
        match (&self.tenant, &self.client_id, &self.federated_token_file) {
            (Some(tenant), Some(client_id), Some(token_file)) => {
                Ok(Identity::Ambient(Ambient::Workload { tenant, client_id, token_file }))
            }
            (tenant, client_id, token_file) => Err(missing(
                "workload identity",
                &[
                    ("AZURE_TENANT_ID", tenant.is_some()),
                    ("AZURE_CLIENT_ID", client_id.is_some()),
                    ("AZURE_FEDERATED_TOKEN_FILE", token_file.is_some()),
                ],
            )),
        }
    }

    fn managed(&self) -> Identity<'_> {
        Identity::Ambient(Ambient::Managed { client_id: self.client_id.as_ref() })
    }

    fn azure_cli(&self) -> Identity<'_> {
        Identity::Ambient(Ambient::AzureCli { tenant: self.tenant.as_ref() })
    }
}

fn missing(what: &str, settings: &[(&str, bool)]) -> AzureError {
    let unset: Vec<&str> = settings.iter().filter(|(_, is_set)| !is_set).map(|(name, _)| *name).collect();
    AzureError::local(format!("{what} also needs {}", unset.join(" and ")))
        .with_remedy(format!("set {}, or choose another APIM_DR_CREDENTIAL", unset.join(" and ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "99999999-8888-7777-6666-555555555555";
    const CLIENT: &str = "11111111-2222-3333-4444-555555555555";

    fn access(caller: Caller, secret: Option<&str>) -> Access {
        let credentials =
            crate::domain::Credentials { client_secret: secret.map(Secret::new), ..Default::default() };
        Access { caller, credentials }
    }

    #[test]
    fn the_identity_is_the_first_that_is_set_up() {
        let full = TokenConfig {
            tenant: Some(TENANT.parse().unwrap()),
            client_id: Some(CLIENT.parse().unwrap()),
            client_secret: Some(Secret::new("s")),
            federated_token_file: Some("token".into()),
            has_managed_identity: true,
            ..TokenConfig::default()
        };
        let check = |config: &TokenConfig, access: &Access, expected: Result<&str, &str>| match (
            config.identity(access),
            expected,
        ) {
            (Ok(identity), Ok(kind)) => assert!(format!("{identity:?}").contains(kind), "{identity:?}"),
            (Err(error), Err(part)) => assert!(error.message.contains(part), "{error}"),
            (outcome, expected) => panic!("{outcome:?} instead of {expected:?}"),
        };
        let with = |change: &dyn Fn(&mut TokenConfig)| {
            let mut config = full.clone();
            change(&mut config);
            config
        };
        let application =
            Caller::Application { tenant: TENANT.parse().unwrap(), client_id: CLIENT.parse().unwrap() };
        let app = access(Caller::App, None);
        check(&full, &access(application.clone(), Some("theirs")), Ok("ClientSecret"));
        check(&full, &access(application, None), Err("not at hand"));
        check(&full, &app, Ok("ClientSecret"));
        check(&with(&|config| config.tenant = None), &app, Err("AZURE_TENANT_ID"));
        let no_secret = with(&|config| config.client_secret = None);
        check(&no_secret, &app, Ok("Workload"));
        let no_file = TokenConfig { federated_token_file: None, ..no_secret.clone() };
        check(&no_file, &app, Ok("Managed"));
        let nothing = TokenConfig { has_managed_identity: false, ..no_file.clone() };
        check(&nothing, &app, Ok("AzureCli"));
        check(&TokenConfig { under_host: true, ..nothing.clone() }, &app, Err("IDENTITY_ENDPOINT"));
        let by = |credential, config: &TokenConfig| TokenConfig { credential, ..config.clone() };
        check(&by(Credential::ClientSecret, &no_secret), &app, Err("AZURE_CLIENT_SECRET"));
        check(&by(Credential::WorkloadIdentity, &no_file), &app, Err("AZURE_FEDERATED_TOKEN_FILE"));
        check(&by(Credential::ManagedIdentity, &full), &app, Ok("Managed"));
        check(&by(Credential::AzureCli, &full), &app, Ok("AzureCli"));
    }

    #[test]
    fn settings_are_read_as_documented() {
        for (text, credential) in [
            ("auto", Credential::Auto),
            ("client-secret", Credential::ClientSecret),
            ("Managed-Identity", Credential::ManagedIdentity),
            ("workload-identity", Credential::WorkloadIdentity),
            ("azure-cli", Credential::AzureCli),
        ] {
            assert_eq!(text.parse(), Ok(credential));
        }
        assert_eq!("v1".parse(), Ok(TokenEndpoint::V1));
        assert_eq!("V2".parse(), Ok(TokenEndpoint::V2));
        assert_eq!("msi".parse::<Credential>().unwrap_err().setting, "APIM_DR_CREDENTIAL");
        assert_eq!("v3".parse::<TokenEndpoint>().unwrap_err().setting, "APIM_DR_TOKEN_ENDPOINT");
    }
}
