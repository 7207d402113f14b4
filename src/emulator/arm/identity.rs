//! Change of a service's identity.

use axum::http::StatusCode;
use serde_json::{Map, Value};

use super::error::ArmError;
use super::{Answer, Timing, results, service};
use crate::emulator::accounts;
use crate::emulator::call::Call;
use crate::emulator::operation::{Identity, Kind};
use crate::emulator::reply;
use crate::emulator::service::{Hostname, Service};
use crate::emulator::world::World;

/// By the documentation.
const MOST_USER_IDENTITIES: usize = 10;

/// `PATCH` of the identity, and of nothing else. No such PATCH was recorded: the answer is that of
/// a recorded PUT which updates, 200 with the status URL twice since 2022-08-01, 202 with
/// `Location` before.
pub(super) fn patch(world: &mut World, call: &Call, name: &str, version: &str, timing: Timing) -> Answer {
    let body: Value = super::backup::json_body(call)?;
    let service = service::seen(world, name)?;
    if !service.is_idle() {
        return Err(ArmError::service_locked(&service.name));
    }
    let identity = read_identity(service, &body)
        .ok_or_else(|| ArmError::invalid_parameter("only 'identity' can be changed here"))?;
    check(service, &identity)?;
    let script = results::script(call);
    let id = world.start(name, Kind::Update(identity), version, call.at, timing.operation, script);
    let service = service::seen(world, name)?;
    let asynchronous = version >= "2022-08-01";
    let status = if asynchronous { StatusCode::OK } else { StatusCode::ACCEPTED };
    let mut response = reply::json(status, &service::resource(world, call, service));
    let url = results::url(call, service, &id, version, asynchronous);
    results::point_to(&mut response, &url, asynchronous, timing);
    Ok(response)
}

/// The identities that `identity` of the body would leave; types match without case, with or without a space
/// after the comma.
fn read_identity(service: &Service, body: &Value) -> Option<Identity> {
    let identity = body.get("identity")?;
    let kind = identity.get("type")?.as_str()?.replace(' ', "").to_ascii_lowercase();
    let changes = identity.get("userAssignedIdentities").and_then(Value::as_object);
    let (system, user) = match kind.as_str() {
        "systemassigned" => (true, false),
        "userassigned" => (false, true),
        "systemassigned,userassigned" => (true, true),
        "none" => (false, false),
        _ => return None,
    };
    let mut left = Identity { system, user: std::collections::BTreeSet::default() };
    if user {
        left.user.clone_from(&service.user_identities);
        for (id, change) in changes.into_iter().flat_map(Map::iter) {
            left.user.retain(|had| !had.eq_ignore_ascii_case(id));
            if !change.is_null() {
                left.user.insert(id.clone());
            }
        }
    }
    Some(left)
}

/// What the documentation says is refused; codes and texts are unverified.
fn check(service: &Service, left: &Identity) -> Result<(), ArmError> {
    if left.user.len() > MOST_USER_IDENTITIES {
        let text = format!("at most {MOST_USER_IDENTITIES} user-assigned identities are possible");
        return Err(ArmError::invalid_parameter(&text));
    }
    let default = |ids: &std::collections::BTreeSet<String>| {
        ids.iter().any(|id| id.eq_ignore_ascii_case(accounts::USER_IDENTITY_ID))
    };
    let orphaned = |own: &&Hostname| {
        own.key_vault_id.is_some()
            && match own.identity_client_id.as_deref() {
                None => service.system_identity.is_some() && !left.system,
                Some(accounts::USER_IDENTITY_CLIENT_ID) => {
                    default(&service.user_identities) && !default(&left.user)
                }
                Some(_) => false,
            }
    };
    if let Some(own) = service.hostnames.iter().find(orphaned) {
        let text =
            format!("the certificate of '{}' comes from Key Vault through this identity", own.host_name);
        return Err(ArmError::invalid_parameter(&text));
    }
    Ok(())
}
