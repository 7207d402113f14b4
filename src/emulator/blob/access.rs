//! Who may do what with blobs.
//!
//! Tokens are held against role assignments. Signatures, whether of a key or of a SAS, are not
//! verified, and what a SAS allows is not looked at.

use super::error::{
    BAD_AUTHENTICATION, BlobError, FIREWALL, KEYS_ARE_OFF, NO_ACCOUNT, NO_AUTHENTICATION, NO_PERMISSION,
};
use crate::emulator::call::Call;
use crate::emulator::storage::{Use, container_id};
use crate::emulator::world::World;

const AUDIENCE: &str = "https://storage.azure.com";

/// Whether the caller may use the container in this way. An account's firewall comes before its keys
/// and roles, which is unverified.
pub(super) fn check(
    world: &World,
    call: &Call,
    account: &str,
    container: &str,
    wanted: Use,
) -> Result<(), BlobError> {
    let by_sas = call.query("sig").is_some();
    if call.header("authorization").is_none() && !by_sas {
        return Err(NO_AUTHENTICATION);
    }
    let found = world.accounts.get(account).ok_or(NO_ACCOUNT)?;
    if found.is_closed() {
        return Err(FIREWALL);
    }
    let Some(token) = call.bearer() else {
        // A user delegation SAS names the key that signs it, which is not the account's.
        let by_key = !(by_sas && call.query("skoid").is_some());
        return if by_key && found.allow_shared_key == Some(false) { Err(KEYS_ARE_OFF) } else { Ok(()) };
    };
    let token = world.tokens.get(token).filter(|token| token.audience == AUDIENCE && token.expires > call.at);
    let principal = token.ok_or(BAD_AUTHENTICATION)?.principal;
    let resource = container_id(account, container);
    let allowed = world.roles.iter().any(|role| role.allows_blobs(wanted, principal, &resource));
    allowed.then_some(()).ok_or(NO_PERMISSION)
}
