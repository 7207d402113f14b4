//! The request for client credentials, in both dialects of Entra ID.

use bytes::Bytes;
use url::Url;

use super::config::TokenEndpoint;
use crate::{
    azure::http::{Repeat, Request},
    domain::{AzureError, ClientId, Secret, TenantId},
};

/// A token request is idempotent: asked twice, Entra ID issues two tokens, and either will do.
pub(super) fn client_credentials(
    authority: &Url,
    endpoint: TokenEndpoint,
    tenant: &TenantId,
    client_id: &ClientId,
    secret: &Secret,
    audience: &str,
) -> Result<Request, AzureError> {
    let scope = scope(audience);
    let (path, target) = match endpoint {
        TokenEndpoint::V2 => ("oauth2/v2.0/token", ("scope", scope.as_str())),
        TokenEndpoint::V1 => ("oauth2/token", ("resource", audience)),
    };
    let url = format!(
        "{}/{}/{path}",
        authority.as_str().trim_end_matches('/'),
        urlencoding::encode(tenant.as_str())
    );
    let url = Url::parse(&url).map_err(|_| AzureError::local("the token address is not a URL"))?;
    let form = form(&[
        ("grant_type", "client_credentials"),
        ("client_id", client_id.as_str()),
        ("client_secret", secret.expose()),
        target,
    ]);
    let mut request = Request::post(url, "application/x-www-form-urlencoded", form, Repeat::Idempotent);
    request.hide([secret]);
    Ok(request)
}

/// The v2 name of an audience. One slash only: a resource that ends in one would get two.
pub(super) fn scope(audience: &str) -> String {
    format!("{}/.default", audience.trim_end_matches('/'))
}

fn form(fields: &[(&str, &str)]) -> Bytes {
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{}={}", urlencoding::encode(name), urlencoding::encode(value)))
        .collect();
    pairs.join("&").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_of_a_secret_arrives() {
        for secret in ["a+b/c=d&e~f%g", "pässwörd ☃", "100%25", "a b\t\"'\\"] {
            let form =
                String::from_utf8(form(&[("client_secret", secret), ("scope", "x")]).to_vec()).unwrap();
            // Read back by another implementation.
            let read: Vec<(String, String)> =
                url::form_urlencoded::parse(form.as_bytes()).into_owned().collect();
            assert_eq!(
                read,
                [("client_secret".to_owned(), secret.to_owned()), ("scope".to_owned(), "x".to_owned())]
            );
        }
    }

    #[test]
    fn a_scope_has_one_slash() {
        assert_eq!(scope("https://management.azure.com/"), "https://management.azure.com/.default");
        assert_eq!(scope("https://management.azure.com"), "https://management.azure.com/.default");
    }
}
