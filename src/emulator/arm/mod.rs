//! Azure Resource Manager: authorization, api-versions, routes, and the headers of every answer.
//!
//! Answers are what sessions recorded from 2016 to 2023 show; where none was seen, the doc comment
//! says unverified.

mod backup;
mod directory;
mod entities;
mod error;
mod identity;
mod network;
mod results;
mod roles;
mod service;
mod storage;

use axum::http::{Method, StatusCode};
use axum::response::Response;
use uuid::Uuid;

use self::error::ArmError;
use super::accounts;
use super::call::Call;
use super::reply;
use super::world::World;

/// An answer, or ARM's error body.
type Answer = Result<Response, ArmError>;

/// Versions of Microsoft.ApiManagement that have backup and restore, oldest first. 2014-02-14 is
/// left out: it has other paths and another service resource.
const API_VERSIONS: [&str; 27] = [
    "2016-07-07",
    "2016-10-10",
    "2017-03-01",
    "2018-01-01",
    "2018-06-01-preview",
    "2019-01-01",
    "2019-12-01",
    "2019-12-01-preview",
    "2020-06-01-preview",
    "2020-12-01",
    "2021-01-01-preview",
    "2021-04-01-preview",
    "2021-08-01",
    "2021-12-01-preview",
    "2022-04-01-preview",
    "2022-08-01",
    "2022-09-01-preview",
    "2023-03-01-preview",
    "2023-05-01-preview",
    "2023-09-01-preview",
    "2024-05-01",
    "2024-06-01-preview",
    "2024-10-01-preview",
    "2025-03-01-preview",
    "2025-09-01-preview",
    "2026-03-01-preview",
    "2026-09-01-preview",
];

/// How long and how often a caller should wait: what [`super::Config`] says of operations.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    pub operation: std::time::Duration,
    /// Seconds.
    pub retry_after: u32,
}

/// Answers any request below `/subscriptions`.
pub(super) fn answer(world: &mut World, call: &Call, timing: Timing) -> Response {
    let response = authorize(world, call).and_then(|()| route(world, call, timing));
    let response = response.unwrap_or_else(|error| error.into_response(call));
    with_headers(world, call, response)
}

/// Forgets the caller's token and says that it expired.
pub(super) fn expire_token(world: &mut World, call: &Call) -> Response {
    call.bearer().map(|token| world.tokens.remove(token));
    with_headers(world, call, ArmError::expired_token().into_response(call))
}

/// Whether the token is good, and its caller may do what it asks for.
fn authorize(world: &World, call: &Call) -> Result<(), ArmError> {
    let Some(bearer) = call.bearer() else {
        return Err(ArmError::unauthorized(
            "AuthenticationFailed",
            "Authentication failed. The 'Authorization' header is missing.",
        ));
    };
    let Some(token) = world.tokens.get(bearer) else {
        return Err(ArmError::unauthorized("InvalidAuthenticationToken", "The access token is invalid."));
    };
    if !["https://management.azure.com", "https://management.core.windows.net"]
        .contains(&token.audience.as_str())
    {
        let text = format!(
            "The access token has been obtained for wrong audience or resource '{}'.",
            token.audience
        );
        return Err(ArmError::unauthorized("InvalidAuthenticationTokenAudience", text));
    }
    if token.expires <= call.at {
        return Err(ArmError::expired_token());
    }
    roles::check(world, call, token.principal)
}

/// Matches the path without case, as ARM does.
fn route(world: &mut World, call: &Call, timing: Timing) -> Answer {
    let lower: Vec<String> = call.segments.iter().map(|segment| segment.to_ascii_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    let Some(version) = call.query("api-version").filter(|version| !version.is_empty()) else {
        let text = "The api-version query parameter (?api-version=) is required for all requests.";
        return Err(ArmError::gateway(400, "MissingApiVersionParameter", text));
    };
    let (group, resource) = match lower.as_slice() {
        ["subscriptions", subscription, rest @ ..] => {
            check_subscription(subscription)?;
            match rest {
                ["resourcegroups", group, rest @ ..] => (Some(*group), rest),
                rest => (None, rest),
            }
        }
        _ => return Err(ArmError::no_route()),
    };
    // Role assignments hang below any scope.
    if let [.., "providers", "microsoft.authorization", "roleassignments"] = lower.as_slice() {
        return roles::assignments(world, call);
    }
    if let Some(group) = group.filter(|group| *group != accounts::RESOURCE_GROUP) {
        check_group(world, group)?;
    }
    match resource {
        // Other providers' versions are their own.
        ["providers", "microsoft.apimanagement", "service", name, "providers", extension @ ..] => {
            service::find(world, group.unwrap_or_default(), name, call)?;
            entities::extension(world, call, name, extension)
        }
        ["providers", "microsoft.apimanagement", rest @ ..] => {
            check_version(version)?;
            api_management(world, call, version, timing, group, rest)
        }
        ["providers", "microsoft.storage", rest @ ..] => storage_provider(world, call, version, group, rest),
        _ => Err(ArmError::no_route()),
    }
}

fn api_management(
    world: &mut World,
    call: &Call,
    version: &str,
    timing: Timing,
    group: Option<&str>,
    path: &[&str],
) -> Answer {
    let (Some(group), ["service", name, rest @ ..]) = (group, path) else {
        return match (call.method.as_str(), path) {
            ("GET", ["service"]) => Ok(service::list(world, call, group)),
            ("GET", ["deletedservices"]) => directory::deleted_services(world, call, version, None),
            ("GET", ["locations", location, "deletedservices", name]) => {
                directory::deleted_services(world, call, version, Some((*location, *name)))
            }
            _ => Err(ArmError::no_route()),
        };
    };
    let service = service::find(world, group, name, call)?;
    check_constraint(version, service.min_api_version.as_deref())?;
    match (call.method.as_str(), rest) {
        ("GET", []) => service::get(world, call, name),
        ("PATCH", []) => identity::patch(world, call, name, version, timing),
        ("GET", ["networkstatus"]) => network::status(world, call, name, None),
        ("GET", ["locations", location, "networkstatus"]) => {
            network::status(world, call, name, Some(location))
        }
        ("GET", ["portalrevisions"]) => entities::portal_revisions(world, name, version),
        ("GET", [kind]) => entities::list(world, call, name, version, kind),
        ("POST", ["backup"]) => backup::start(world, call, name, version, timing, false),
        ("POST", ["restore"]) => backup::start(world, call, name, version, timing, true),
        // Ids are base64: the only segment whose case counts.
        ("GET", ["operationresults", _]) => results::poll(world, call, name, timing),
        _ => Err(ArmError::no_route()),
    }
}

fn storage_provider(world: &World, call: &Call, version: &str, group: Option<&str>, path: &[&str]) -> Answer {
    match (call.method.as_str(), group, path) {
        ("GET", None, ["storageaccounts"]) => Ok(directory::storage_accounts(world, call, version)),
        ("POST", None, ["checknameavailability"]) => directory::check_name(world, call),
        (_, Some(accounts::RESOURCE_GROUP), ["storageaccounts", account, rest @ ..]) => {
            storage::account(world, call, account, rest)
        }
        _ => Err(ArmError::no_route()),
    }
}

fn check_subscription(subscription: &str) -> Result<(), ArmError> {
    if subscription == accounts::SUBSCRIPTION_ID {
        return Ok(());
    }
    if Uuid::try_parse(subscription).is_err() {
        let text = format!("The provided subscription identifier '{subscription}' is malformed or invalid.");
        return Err(ArmError::gateway(400, "InvalidSubscriptionId", text));
    }
    let text = format!("The subscription '{subscription}' could not be found.");
    Err(ArmError::gateway(404, "SubscriptionNotFound", text))
}

/// Besides the default group there are those of the services that were added.
fn check_group(world: &World, group: &str) -> Result<(), ArmError> {
    if world.services.values().any(|service| service.resource_group.eq_ignore_ascii_case(group)) {
        return Ok(());
    }
    let text = format!("Resource group '{group}' could not be found.");
    Err(ArmError::gateway(404, "ResourceGroupNotFound", text))
}

fn check_version(version: &str) -> Result<(), ArmError> {
    if API_VERSIONS.contains(&version) { Ok(()) } else { Err(unregistered(version, "service", "")) }
}

/// A type that only younger versions know; that others refuse it like a version that nobody knows is
/// unverified.
fn check_type(version: &str, kind: &str, since: &str) -> Result<(), ArmError> {
    if age(version) >= age(since) { Ok(()) } else { Err(unregistered(version, kind, since)) }
}

/// `minApiVersion` of a service; code and text are unverified.
fn check_constraint(version: &str, least: Option<&str>) -> Result<(), ArmError> {
    let Some(least) = least.filter(|least| age(version) < age(least)) else { return Ok(()) };
    let text =
        format!("API version '{version}' is older than '{least}', the oldest that this service takes.");
    Err(ArmError::provider(400, "ApiVersionNotAllowed", text))
}

fn unregistered(version: &str, kind: &str, since: &str) -> ArmError {
    let supported = API_VERSIONS.into_iter().filter(|version| age(version) >= age(since));
    let text = format!(
        "No registered resource provider found for location 'global' and API version '{version}' for type '{kind}'. The supported api-versions are '{}'.",
        supported.collect::<Vec<_>>().join(", ")
    );
    ArmError::gateway(400, "NoRegisteredProviderFound", text)
}

/// Orders versions: a preview comes before the stable version of its day.
fn age(version: &str) -> (&str, bool) {
    version.strip_suffix("-preview").map_or((version, true), |date| (date, false))
}

/// The headers of every recorded answer. The caller's `x-ms-client-request-id` is never echoed.
fn with_headers(world: &mut World, call: &Call, mut response: Response) -> Response {
    let id = Uuid::new_v4().to_string();
    let headers = response.headers_mut();
    reply::set(headers, "cache-control", "no-cache");
    reply::set(headers, "pragma", "no-cache");
    reply::set(headers, "expires", "-1");
    reply::set(headers, "server", "Microsoft-HTTPAPI/2.0");
    reply::set(headers, "strict-transport-security", "max-age=31536000; includeSubDomains");
    reply::set(headers, "x-content-type-options", "nosniff");
    reply::set(headers, "x-ms-request-id", &id);
    reply::set(headers, "x-ms-correlation-request-id", &id);
    reply::set(
        headers,
        "x-ms-routing-request-id",
        &format!("AUSTRALIAEAST:{}:{id}", call.at.strftime("%Y%m%dT%H%M%SZ")),
    );
    if call.method == Method::GET {
        let left = 11_999 - world.reads % 12_000;
        world.reads = world.reads.wrapping_add(1);
        reply::set(headers, "x-ms-ratelimit-remaining-subscription-reads", &left.to_string());
    } else {
        let left = 1_199 - world.writes % 1_200;
        world.writes = world.writes.wrapping_add(1);
        reply::set(headers, "x-ms-ratelimit-remaining-subscription-writes", &left.to_string());
    }
    response
}

/// An accepted operation: `Location` and `Retry-After`, no body.
fn accepted(location: &str, timing: Timing) -> Response {
    let mut response = reply::empty(StatusCode::ACCEPTED);
    reply::set(response.headers_mut(), "location", location);
    reply::set(response.headers_mut(), "retry-after", &timing.retry_after.to_string());
    response
}
