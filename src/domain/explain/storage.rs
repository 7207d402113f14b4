//! Errors of storage accounts, whoever opens them: API Management or this app.
//!
//! Where a remedy names a role it is the one that writes; who only reads needs less.

use super::Row;

const CODES: &str = "https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes";
const COMMON_CODES: &str = "https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes";
const NO_KEYS: &str = "https://learn.microsoft.com/azure/storage/common/shared-key-authorization-prevent";
const FIREWALL: &str = "https://learn.microsoft.com/azure/storage/common/storage-network-security";
const PERIMETER: &str = "https://learn.microsoft.com/azure/private-link/network-security-perimeter-concepts";
const ROLES: &str = "https://learn.microsoft.com/azure/storage/blobs/assign-azure-role-data-access";
const SAS: &str = "https://learn.microsoft.com/azure/storage/common/storage-sas-overview";
const ANONYMOUS: &str = "https://learn.microsoft.com/azure/storage/blobs/anonymous-read-access-prevent";

const OUTSIDE: &str = "the account is inside a network security perimeter, and the caller is not";
const LET_IN: &str = "let the caller in by an access rule of the perimeter, or take it into the perimeter";
const NO_HOST: &str = "no such storage account is known to DNS";
const CHECK_HOST: &str =
    "check the account's name, its endpoint and the cloud, and the DNS of its private endpoint if it has one";

pub(super) const ROWS: &[Row] = &[
    Row::code("ContainerNotFound", "the container does not exist", "create the container").see(CODES),
    Row::code(
        "ContainerBeingDeleted",
        "the container is being deleted",
        "create it again, or name another",
    )
    .see(CODES),
    Row::code(
        "AuthorizationPermissionMismatch",
        "what opens the account may not do this",
        "grant the role Storage Blob Data Contributor, or give a SAS that allows as much",
    )
    .see(ROLES),
    Row::code(
        "AuthorizationProtocolMismatch",
        "the SAS is for another protocol",
        "give one that allows https",
    )
    .see(SAS),
    Row::code(
        "AuthorizationSourceIPMismatch",
        "the SAS is for another address",
        "give one for the address of who uses it",
    )
    .see(SAS),
    Row::code("AuthorizationServiceMismatch", "the SAS is for another service", "give one for blobs").see(SAS),
    Row::code(
        "AuthorizationResourceTypeMismatch",
        "the SAS does not cover the blobs of a container",
        "give one that does",
    )
    .see(SAS),
    Row::code("AuthorizationFailure", OUTSIDE, LET_IN).saying("network security perimeter").see(PERIMETER),
    // The setting's value, by which a perimeter is meant; that an error names it is unverified.
    Row::text("SecuredByPerimeter", "SecuredByPerimeter", OUTSIDE, LET_IN).see(PERIMETER),
    Row::code(
        "AuthorizationFailure",
        "the account refuses the caller: its firewall keeps it out, or its key or SAS is wrong",
        "check both; API Management passes a firewall by its system-assigned identity, with trusted services let through, \
         not by a user-assigned one",
    )
    .see(FIREWALL),
    Row::code(
        "NetworkAclsValidationFailure",
        "the account's network rules name a network that they may not",
        "correct the network rules of the storage account, as the message says",
    )
    .see(FIREWALL),
    Row::code(
        "AuthenticationFailed",
        "the account does not take the key, SAS or token",
        "check whether it is of this account and still valid, and whether this machine's clock is right",
    )
    .see(COMMON_CODES),
    Row::code(
        "InvalidAuthenticationInfo",
        "the account does not take the token",
        "check APIM_DR_CLOUD and the identity's tenant",
    )
    .see(COMMON_CODES),
    Row::code(
        "NoAuthenticationInformation",
        "the account does not take what was sent",
        "check the key, SAS or identity",
    )
    .see(COMMON_CODES),
    Row::code(
        "PublicAccessNotPermitted",
        "the account lets nobody in without a key, SAS or identity, and none was sent",
        "give a key or SAS, or an identity with the role Storage Blob Data Contributor",
    )
    .see(ANONYMOUS),
    Row::code(
        "KeyBasedAuthenticationNotPermitted",
        "the account takes no keys",
        "use an identity with the role Storage Blob Data Contributor (in an order: a managed identity as accessType), or \
         allow shared key access",
    )
    .see(NO_KEYS),
    Row::code(
        "InsufficientAccountPermissions",
        "what opens the account may not do this",
        "grant the role Storage Blob Data Contributor",
    )
    .see(COMMON_CODES),
    Row::code("AccountIsDisabled", "the account is disabled", "enable the storage account").see(COMMON_CODES),
    // Of an account only where its own answer is meant: Azure Resource Manager says it of services.
    Row::code("ResourceNotFound", "there is no such storage account", "check its name and its endpoint")
        .see(COMMON_CODES),
    // As .NET says it, so likely what API Management passes on: unverified.
    Row::text("NameResolutionFailure", "remote name could not be resolved", NO_HOST, CHECK_HOST),
    Row::text("NameResolutionFailure", "No such host is known", NO_HOST, CHECK_HOST),
];
