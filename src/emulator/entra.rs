//! Entra ID and the App Service identity endpoint: who gets a token. Knows nothing of what tokens
//! open.
//!
//! Success bodies and error bodies are as recorded (v2: numbers; v1: strings). Statuses and texts
//! of `AADSTS` codes other than 7000215 are as documented, not recorded.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::accounts;
use super::call::Call;
use super::reply;
use super::world::World;

/// The resources that tokens are issued for, without the slash some end in.
const RESOURCES: [&str; 3] =
    ["https://management.azure.com", "https://management.core.windows.net", "https://storage.azure.com"];

/// What an issued token stands for. The token itself is an opaque random string.
#[derive(Debug)]
pub(super) struct Token {
    /// The resource, without a slash at its end.
    pub audience: String,
    /// Whose it is, as role assignments name it.
    pub principal: &'static str,
    pub expires: Timestamp,
}

/// A refusal of the token endpoint.
struct Refusal {
    status: StatusCode,
    error: &'static str,
    code: u32,
    text: String,
}

fn refused(status: u16, error: &'static str, code: u32, text: impl Into<String>) -> Refusal {
    Refusal {
        status: StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST),
        error,
        code,
        text: text.into(),
    }
}

/// `POST /{tenant}/oauth2/v2.0/token` when `v2`, else `POST /{tenant}/oauth2/token`.
pub(super) fn token(world: &mut World, call: &Call, tenant: &str, v2: bool, lifetime: Duration) -> Response {
    if call.method != Method::POST {
        return reply::empty(StatusCode::METHOD_NOT_ALLOWED);
    }
    match grant(call, tenant, v2) {
        Ok(resource) => {
            let principal = accounts::APPLICATION_PRINCIPAL_ID;
            let token = issue(world, &resource, principal, call.at, lifetime);
            let body =
                if v2 { v2_body(&token, lifetime) } else { v1_body(&token, &resource, call.at, lifetime) };
            reply::json(StatusCode::OK, &body)
        }
        Err(refusal) => refusal_body(&refusal, call.at),
    }
}

/// Checks a client-credentials grant; answers the resource it is for, as the caller wrote it.
fn grant(call: &Call, tenant: &str, v2: bool) -> Result<String, Refusal> {
    check_tenant(tenant)?;
    // Anything but a form reads as an empty one.
    let form = call.media_type().is_some_and(|kind| kind == "application/x-www-form-urlencoded");
    let form: Vec<_> = url::form_urlencoded::parse(if form { &call.body } else { b"" }).collect();
    let field = |name: &str| {
        form.iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_ref())
            .filter(|value| !value.is_empty())
    };
    let needed = |name: &'static str| {
        let text = format!("The request body must contain the following parameter: '{name}'.");
        field(name).ok_or_else(|| refused(400, "invalid_request", 900_144, text))
    };
    if needed("grant_type")? != "client_credentials" {
        let text = "The app requested an unsupported grant type.";
        return Err(refused(400, "unsupported_grant_type", 70_003, text));
    }
    let client = needed("client_id")?;
    if client != accounts::APPLICATION_ID {
        let text =
            format!("Application with identifier '{client}' was not found in the directory 'emulator'.");
        return Err(refused(400, "unauthorized_client", 700_016, text));
    }
    check_credential(
        client,
        field("client_secret"),
        field("client_assertion_type").zip(field("client_assertion")),
    )?;
    if v2 {
        let scope = needed("scope")?;
        let resource = scope.strip_suffix("/.default").filter(|resource| is_known(resource));
        let text = format!(
            "The provided request must include a 'scope' input parameter. The scope '{scope}' is not valid."
        );
        return resource.map(str::to_owned).ok_or_else(|| refused(400, "invalid_scope", 70_011, text));
    }
    let resource = needed("resource")?;
    let text = format!("The resource principal named {resource} was not found in the tenant named emulator.");
    is_known(resource)
        .then(|| resource.to_owned())
        .ok_or_else(|| refused(400, "invalid_resource", 500_011, text))
}

fn check_tenant(tenant: &str) -> Result<(), Refusal> {
    if tenant == accounts::TENANT_ID || tenant == accounts::TENANT_DOMAIN {
        return Ok(());
    }
    let domain = tenant.contains('.')
        && tenant.chars().all(|letter| letter.is_ascii_alphanumeric() || ".-".contains(letter));
    if Uuid::try_parse(tenant).is_ok() || domain {
        let text = format!("Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID.");
        return Err(refused(400, "invalid_request", 90_002, text));
    }
    let text = format!(
        "Specified tenant identifier '{tenant}' is neither a valid DNS name, nor a valid external domain."
    );
    Err(refused(400, "invalid_request", 900_023, text))
}

/// A secret must be right; a workload identity's assertion is not verified, only wanted.
fn check_credential(
    client: &str,
    secret: Option<&str>,
    assertion: Option<(&str, &str)>,
) -> Result<(), Refusal> {
    const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    match (secret, assertion) {
        (Some(accounts::CLIENT_SECRET), _) | (None, Some((JWT_BEARER, _))) => Ok(()),
        (Some(_), _) => {
            let text = format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{client}'."
            );
            Err(refused(401, "invalid_client", 7_000_215, text))
        }
        (None, _) => {
            let text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
            Err(refused(401, "invalid_client", 7_000_218, text))
        }
    }
}

/// `GET /msi/token`, as App Service and Functions have it since 2019-08-01.
pub(super) fn managed_identity(world: &mut World, call: &Call, lifetime: Duration) -> Response {
    let refuse = |status: StatusCode, message: &str| {
        reply::json(status, &json!({ "statusCode": status.as_u16(), "message": message }))
    };
    if call.header("x-identity-header") != Some(accounts::IDENTITY_HEADER) {
        return refuse(StatusCode::UNAUTHORIZED, "Missing or wrong X-IDENTITY-HEADER");
    }
    if call.method != Method::GET || call.query("api-version") != Some("2019-08-01") {
        return refuse(StatusCode::BAD_REQUEST, "Unsupported method or api-version");
    }
    let client = call.query("client_id").unwrap_or(accounts::SYSTEM_IDENTITY_CLIENT_ID);
    let principal = match client {
        accounts::SYSTEM_IDENTITY_CLIENT_ID => accounts::SYSTEM_IDENTITY_PRINCIPAL_ID,
        accounts::USER_IDENTITY_CLIENT_ID => accounts::USER_IDENTITY_PRINCIPAL_ID,
        _ => {
            return refuse(
                StatusCode::BAD_REQUEST,
                "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.",
            );
        }
    };
    // A wrong resource ends in a vague 500 there.
    let Some(resource) = call.query("resource").filter(|resource| is_known(resource)) else {
        return refuse(
            StatusCode::INTERNAL_SERVER_ERROR,
            "An unexpected error occured while fetching the AAD Token.",
        );
    };
    let token = issue(world, resource, principal, call.at, lifetime);
    reply::json(
        StatusCode::OK,
        &json!({
            "access_token": token,
            "expires_on": seconds_at(call.at, lifetime),
            "resource": resource,
            "token_type": "Bearer",
            "client_id": client
        }),
    )
}

fn is_known(resource: &str) -> bool {
    RESOURCES.contains(&audience(resource))
}

/// Some resources end in a slash; a v2 scope made from one has two before `.default`.
fn audience(resource: &str) -> &str {
    resource.strip_suffix('/').unwrap_or(resource)
}

fn issue(
    world: &mut World,
    resource: &str,
    principal: &'static str,
    at: Timestamp,
    lifetime: Duration,
) -> String {
    let token = format!("emulator.{}.{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let expires = at.checked_add(lifetime_of(lifetime)).unwrap_or(Timestamp::MAX);
    world.tokens.insert(token.clone(), Token { audience: audience(resource).to_owned(), principal, expires });
    token
}

fn lifetime_of(lifetime: Duration) -> SignedDuration {
    SignedDuration::try_from(lifetime).unwrap_or(SignedDuration::MAX)
}

/// Seconds since 1970 at the end of a token's life, as text.
fn seconds_at(at: Timestamp, lifetime: Duration) -> String {
    at.as_second().saturating_add(lifetime_of(lifetime).as_secs()).to_string()
}

fn v2_body(token: &str, lifetime: Duration) -> Value {
    let seconds = lifetime.as_secs();
    json!({ "token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token })
}

fn v1_body(token: &str, resource: &str, at: Timestamp, lifetime: Duration) -> Value {
    let seconds = lifetime.as_secs().to_string();
    json!({
        "token_type": "Bearer",
        "expires_in": seconds,
        "ext_expires_in": seconds,
        "expires_on": seconds_at(at, lifetime),
        "not_before": at.as_second().to_string(),
        "resource": resource,
        "access_token": token
    })
}

fn refusal_body(refusal: &Refusal, at: Timestamp) -> Response {
    let Refusal { status, error, code, text } = refusal;
    let (trace, correlation) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
    let time = at.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
    let description =
        format!("AADSTS{code}: {text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {time}");
    reply::json(
        *status,
        &json!({
            "error": error,
            "error_description": description,
            "error_codes": [code],
            "timestamp": time,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("https://login.microsoftonline.com/error?code={code}")
        }),
    )
}
