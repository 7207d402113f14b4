//! Errors of Azure Resource Manager and of API Management.

use super::Row;
use crate::domain::Phase;

const BACKUP: &str =
    "https://learn.microsoft.com/azure/api-management/api-management-howto-disaster-recovery-backup-restore";
const SOFT_DELETE: &str = "https://learn.microsoft.com/azure/api-management/soft-delete";
const LOCKS: &str = "https://learn.microsoft.com/azure/azure-resource-manager/management/lock-resources";
const NOT_FOUND: &str =
    "https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-not-found";
const ROLES: &str = "https://learn.microsoft.com/azure/role-based-access-control/troubleshooting";
const POLICY: &str = "https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-policy-requestdisallowedbypolicy";

const MAY_NOT_FOLLOW: &str = "the caller may start the operation, but not read its results";
const LET_FOLLOW: &str = "grant the caller Microsoft.ApiManagement/service/operationresults/read, for instance by the role \
                          API Management Service Operator Role; without it the operation runs but cannot be followed";
pub(super) const MAY_NOT: &str =
    "the caller may not do this to the service; a role that was just granted takes minutes to work";
pub(super) const GRANT: &str = "grant the caller the role API Management Service Operator Role on the service: it needs \
     Microsoft.ApiManagement/service/read, backup/action, restore/action and operationresults/read";
pub(super) const NOT_TAKEN: &str = "Azure Resource Manager does not take the access token";
pub(super) const CHECK_TOKEN: &str =
    "check APIM_DR_CLOUD and APIM_DR_ARM_AUDIENCE: the token is not one for this host";
pub(super) const CHECK_NAMES: &str =
    "check subscription, resource group and name of the API Management service";
const NO_VERSION: &str = "this cloud or region does not offer the api-version";
const SET_VERSION: &str = "set APIM_DR_API_VERSION to a version that this cloud offers";

pub(super) const ROWS: &[Row] = &[
    Row::code(
        "RestoreFailed",
        "the backup is of another tier than the service",
        "restore into a service of the same tier as the one that was backed up, or change the target's tier first",
    )
    .saying("SKU")
    .see(BACKUP),
    // Its text is documented; its code, likely this one, is unverified.
    Row::text(
        "RestoreFailed",
        "backup expired",
        "the backup is older than 30 days",
        "restore a newer backup: Azure guarantees a backup for 30 days only",
    )
    .see(BACKUP),
    // Documented as unsupported; what Azure says then is unverified.
    Row::code(
        "RestoreFailed",
        "the service has workspaces, which backups and restores do not know",
        "restore into a service without workspaces",
    )
    .saying("workspace")
    .see(BACKUP),
    Row::code(
        "RestoreFailed",
        "API Management cannot read the backup, or takes it for unfit",
        "compare the tier and age of the recovery point with the service (apim-dr list), and check that the service may \
         read the blob: its key, or its identity's role and the account's firewall",
    )
    .saying("Cannot restore")
    .see(BACKUP),
    // Documented as unsupported; what Azure says then is unverified.
    Row::code(
        "BackupFailed",
        "the service has workspaces, which backups and restores do not know",
        "take its configuration out by other means, such as APIOps",
    )
    .saying("workspace")
    .see(BACKUP),
    // No answer of Azure with this code is recorded: unverified.
    Row::code(
        "BackupFailed",
        "API Management could not make the backup, or not write its blob",
        "check the storage account: its key and whether it takes keys, its firewall, the role Storage Blob Data Contributor \
         of the service's identity, and the container; then start again",
    )
    .see(BACKUP),
    Row::code(
        "MethodNotAllowedInPricingTier",
        "the service's tier has no backups and restores",
        "use the tiers Developer, Basic, Standard or Premium: Consumption and the v2 tiers have none; take their \
         configuration out by other means, such as APIOps",
    )
    .see(BACKUP),
    // That CORS is the reason follows from the list of methods: unverified.
    Row::code(
        "InvalidParameters",
        "API Management cannot read the account's CORS rules, a method such as PATCH in them, when it has the account's key",
        "remove the CORS rules (PATCH above all) from the storage account's blob service, or use a managed \
         identity as accessType",
    )
    .saying("was not found. Parameter name: backupStorageAccount")
    .see(BACKUP),
    Row::code(
        "InvalidParameters",
        "the container's name is not one",
        "give the name of a blob container: 3 to 63 lower-case letters, digits and single dashes",
    )
    .saying("backupContainerName"),
    Row::code(
        "InvalidParameters",
        "API Management cannot use the storage account",
        "check the storage account: its name, its key, its firewall, and that its blob service has no CORS rules",
    )
    .saying("backupStorageAccount")
    .see(BACKUP),
    // Recorded for a service that was to have one region twice.
    Row::code(
        "InvalidParameters",
        "API Management takes a parameter for wrong",
        "correct the parameter that the message names",
    ),
    // Reported by users of PowerShell, which hides what Azure says.
    Row::code(
        "BadRequest",
        "Azure does not say more; behind it were storage accounts that take no keys, and firewalls",
        "use SystemAssignedManagedIdentity as accessType, with the role Storage Blob Data Contributor on the account",
    ),
    Row::code(
        "ScopeLocked",
        "a resource lock forbids the operation",
        "remove the resource lock from the service, its resource group or its subscription for the time of the operation",
    )
    .see(LOCKS),
    // Recorded for PATCH and DELETE; that backups and restores get the same is likely, unverified.
    Row::code(
        "ServiceLocked",
        "the service is in the middle of another change",
        "wait: another change of the service is still running",
    ),
    Row::code(
        "PessimisticConcurrencyConflict",
        "two changes of the service met",
        "wait: another change of the service is still running; the same request works later",
    ),
    Row::code(
        "ServiceAlreadyExistsInSoftDeletedState",
        "a service of that name was deleted less than 48 hours ago, and is kept",
        "purge or recover the soft-deleted service of that name first",
    )
    .see(SOFT_DELETE),
    Row::code(
        "ServiceNotFound",
        "API Management has no such service, or has just deleted it",
        CHECK_NAMES,
    ),
    Row::code(
        "ResourceNotFound",
        "the resource group has no such service",
        CHECK_NAMES,
    )
    .see(NOT_FOUND),
    Row::code(
        "ResourceGroupNotFound",
        "the subscription has no such resource group",
        "check subscription and resource group",
    )
    .see(NOT_FOUND),
    Row::code(
        "SubscriptionNotFound",
        "there is no such subscription in the caller's tenant",
        "check the subscription's id, and that the caller's tenant owns it",
    ),
    Row::code("InvalidSubscriptionId", "the subscription's id is not a GUID", "give the subscription's id, a GUID"),
    Row::code(
        "ExpiredAuthenticationToken",
        "the access token has expired",
        "check this machine's clock: tokens are renewed before they expire",
    ),
    Row::code(
        "InvalidAuthenticationToken",
        NOT_TAKEN,
        CHECK_TOKEN,
    ),
    Row::code(
        "InvalidAuthenticationTokenTenant",
        "the access token is of another tenant than the subscription",
        "ask for the token in the tenant that owns the subscription",
    ),
    Row::code(
        "AuthenticationFailed",
        NOT_TAKEN,
        CHECK_TOKEN,
    )
    .with(&[401]),
    // Whatever the code: only a look at the results is refused while it runs.
    Row::status("403", &[403], MAY_NOT_FOLLOW, LET_FOLLOW).during(Phase::Running).see(ROLES),
    Row::code("AuthorizationFailed", MAY_NOT_FOLLOW, LET_FOLLOW).saying("operationresults").see(ROLES),
    Row::code(
        "AuthorizationFailed",
        MAY_NOT,
        GRANT,
    )
    .see(ROLES),
    Row::code(
        "LinkedAuthorizationFailed",
        "the caller may do this to the service, but not use a resource that it is linked with",
        "grant the caller access to the linked resource that the message names",
    )
    .see(ROLES),
    Row::code(
        "RequestDisallowedByPolicy",
        "an Azure Policy forbids the request",
        "exempt the service from the policy that the message names, or fulfil it",
    )
    .see(POLICY),
    Row::code("NoRegisteredProviderFound", NO_VERSION, SET_VERSION),
    Row::code("InvalidApiVersionParameter", NO_VERSION, SET_VERSION),
    Row::code("InvalidResourceType", NO_VERSION, SET_VERSION),
];
