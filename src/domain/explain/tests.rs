use std::collections::HashSet;

use super::*;
use crate::domain::{AttemptId, AzureError, Failure, Kind, samples::operation};

/// An error as it was reported, and parts of the cause and the remedy that it is to have.
struct Example {
    status: Option<u16>,
    code: Option<&'static str>,
    message: &'static str,
    phase: Option<Phase>,
    cause: &'static str,
    remedy: &'static str,
}

/// `said` as it is printed: `400 RestoreFailed: Cannot restore: backup expired`; `-` where there is no code.
fn example((said, cause, remedy): &(&'static str, &'static str, &'static str)) -> Example {
    let (head, message) = said.split_once(": ").unwrap_or((said, ""));
    let (status, code) = match head.split_once(' ') {
        Some((status, code)) => (status.parse().ok(), Some(code)),
        None => (None, Some(head)),
    };
    Example { status, code: code.filter(|code| *code != "-"), message, phase: None, cause, remedy }
}

/// Each with a part of its cause and of its remedy.
const EXAMPLES: &[(&str, &str, &str)] = &[
    // Azure Resource Manager and API Management.
    (
        "400 RestoreFailed: Cannot restore: current SKU is 'StandardV2', backup SKU is 'Standard'",
        "another tier",
        "same tier",
    ),
    ("400 RestoreFailed: Cannot restore: backup expired", "older than 30 days", "30 days only"),
    ("400 RestoreFailed: Cannot restore: the service has workspaces", "workspaces", "without workspaces"),
    ("400 RestoreFailed: Cannot restore: x", "cannot read the backup", "apim-dr list"),
    ("400 BackupFailed: Workspaces are not supported", "workspaces", "APIOps"),
    ("400 BackupFailed: x", "could not make the backup", "whether it takes keys"),
    (
        "400 MethodNotAllowedInPricingTier: Method not allowed in Consumption pricing tier",
        "tier has no backups",
        "Developer, Basic",
    ),
    (
        "400 InvalidParameters: Invalid parameter: Requested value 'GET,HEAD,POST,PUT,DELETE,OPTIONS,PATCH' was not found.\r\nParameter name: backupStorageAccount",
        "CORS rules",
        "remove the CORS rules",
    ),
    (
        "400 InvalidParameters: Invalid parameter: The specifed resource name contains invalid characters.\r\n\r\nParameter name: backupContainerName",
        "the container's name",
        "lower-case",
    ),
    (
        "400 InvalidParameters: Invalid parameter: x\r\nParameter name: backupStorageAccount",
        "cannot use the storage account",
        "its key, its firewall",
    ),
    ("400 InvalidParameters: Parameter name: additionalLocations", "a parameter for wrong", "message names"),
    ("400 BadRequest: ", "does not say more", "SystemAssignedManagedIdentity"),
    (
        "409 ScopeLocked: The scope cannot perform write operation",
        "a resource lock",
        "remove the resource lock",
    ),
    (
        "409 ServiceLocked: The API Service n is transitioning at this time. Please try the request again later.",
        "in the middle of another change",
        "wait",
    ),
    ("409 PessimisticConcurrencyConflict: x", "two changes", "works later"),
    ("409 ServiceAlreadyExistsInSoftDeletedState: x", "48 hours", "purge or recover"),
    ("404 ServiceNotFound: Api service does not exist: n", "no such service", "check subscription"),
    (
        "404 ResourceNotFound: The Resource 'Microsoft.ApiManagement/service/n' under resource group 'g' was not found.",
        "resource group has no such service",
        "check subscription",
    ),
    ("404 ResourceGroupNotFound: x", "no such resource group", "resource group"),
    ("404 SubscriptionNotFound: x", "no such subscription", "tenant owns it"),
    ("400 InvalidSubscriptionId: x", "not a GUID", "a GUID"),
    ("401 ExpiredAuthenticationToken: The access token expiry UTC time has passed.", "has expired", "clock"),
    ("401 InvalidAuthenticationToken: x", "does not take the access token", "APIM_DR_ARM_AUDIENCE"),
    ("401 InvalidAuthenticationTokenTenant: x", "another tenant", "tenant that owns"),
    ("401 AuthenticationFailed: Authentication failed.", "does not take the access token", "APIM_DR_CLOUD"),
    ("403 authorizationfailed: over scope '/x/operationresults/y'", "not read its", "cannot be followed"),
    ("403 AuthorizationFailed: no", "may not do this to the service", "service/read"),
    ("403 LinkedAuthorizationFailed: x", "linked with", "linked resource"),
    ("403 RequestDisallowedByPolicy: x", "an Azure Policy", "exempt"),
    ("404 NoRegisteredProviderFound: x", "api-version", "APIM_DR_API_VERSION"),
    ("400 InvalidApiVersionParameter: x", "api-version", "APIM_DR_API_VERSION"),
    ("404 InvalidResourceType: x", "api-version", "APIM_DR_API_VERSION"),
    // Entra ID and managed identities.
    ("400 AADSTS700016: Application with identifier 'x' was not found", "no such application", "tenant"),
    ("401 AADSTS7000215: Invalid client secret is provided.", "secret is wrong", "not its id"),
    (
        "401 AADSTS7000222: The provided client secret keys for app 'x' are expired.",
        "expired",
        "create a new",
    ),
    ("401 AADSTS7000112: Application 'x' is disabled.", "disabled", "enable"),
    ("400 AADSTS7000229: x", "no service principal", "az ad sp create"),
    ("400 AADSTS90002: Tenant 'x' not found.", "no such tenant", "APIM_DR_CLOUD"),
    ("400 AADSTS900023: Specified tenant identifier 'x' is neither", "neither a GUID", "domain names"),
    (
        "400 AADSTS500011: The resource principal named x was not found",
        "token is for",
        "APIM_DR_ARM_AUDIENCE",
    ),
    (
        "401 AADSTS700024: Client assertion is not within its valid time range.",
        "not valid now",
        "AZURE_FEDERATED_TOKEN_FILE",
    ),
    ("400 AADSTS70021: No matching federated identity record found", "trusts no", "issuer"),
    ("401 AADSTS700213: No matching federated identity record found", "trusts no", "issuer"),
    ("400 AADSTS53003: Access has been blocked by Conditional Access policies.", "Conditional", "exempt"),
    ("401 invalid_client: x", "application's credentials", "client secret"),
    ("400 unauthorized_client: x", "does not know the application", "exists in this tenant"),
    ("400 invalid_request: Identity not found", "managed identity", "AZURE_CLIENT_ID"),
    ("400 -: The requested identity has not been assigned to this resource.", "managed identity", "assign"),
    (
        "400 -: No User Assigned or Delegated Managed Identity found for specified ClientId",
        "managed identity",
        "assign",
    ),
    ("400 invalid_request: x", "cannot read what is asked", "check the tenant"),
    ("403 -: the token endpoint gave no reason", "other than Entra ID", "proxy"),
    // Storage accounts.
    (
        "404 ContainerNotFound: The specified container does not exist.",
        "does not exist",
        "create the container",
    ),
    ("409 ContainerBeingDeleted: x", "being deleted", "name another"),
    (
        "403 AuthorizationPermissionMismatch: This request is not authorized to perform this operation using this permission.",
        "may not do this",
        "grant the role",
    ),
    ("403 AuthorizationProtocolMismatch: x", "another protocol", "https"),
    ("403 AuthorizationSourceIPMismatch: x", "another address", "address"),
    ("403 AuthorizationServiceMismatch: x", "another service", "blobs"),
    ("403 AuthorizationResourceTypeMismatch: x", "does not cover", "does"),
    (
        "403 AuthorizationFailure: This request is not authorized by network security perimeter to perform this operation.",
        "inside a network security perimeter",
        "access rule",
    ),
    ("403 Whatever: publicNetworkAccess is SecuredByPerimeter", "perimeter", "access rule"),
    ("403 AuthorizationFailure: This request is not authorized", "its firewall", "trusted services"),
    ("400 NetworkAclsValidationFailure: x", "network rules", "correct"),
    (
        "403 AuthenticationFailed: Server failed to authenticate the request.",
        "does not take the key",
        "valid",
    ),
    ("401 InvalidAuthenticationInfo: x", "does not take the token", "APIM_DR_CLOUD"),
    ("401 NoAuthenticationInformation: x", "does not take what was sent", "identity"),
    ("409 PublicAccessNotPermitted: x", "without a key", "identity"),
    (
        "403 KeyBasedAuthenticationNotPermitted: Key based authentication is not permitted on this storage account.",
        "takes no keys",
        "accessType",
    ),
    ("403 InsufficientAccountPermissions: x", "may not do this", "grant the role"),
    ("403 AccountIsDisabled: x", "is disabled", "enable"),
    ("400 BadName: The remote name could not be resolved: 'x.blob.core.windows.net'", "DNS", "endpoint"),
    ("400 BadName: No such host is known. (x.blob.core.windows.net:443)", "DNS", "endpoint"),
    // Known by their status.
    ("429 SubscriptionRequestsThrottled: x", "too many requests", "wait"),
    ("429 ResourceRequestsThrottled: x", "too many requests", "wait"),
    ("503 TooManyRequests: The request is being throttled.", "too many requests", "wait"),
    ("429 -: the token endpoint gave no reason", "too many requests", "wait"),
    ("504 GatewayTimeout: x", "did not answer Azure Resource Manager", "looked at again"),
    ("502 -: <html>bad gateway</html>", "nothing is wrong with the request", "by itself"),
    ("401 -: Azure gave no reason", "does not take the access token", "APIM_DR_CLOUD"),
    ("403 -: Azure gave no reason", "may not do this", "service/read"),
    ("404 -: Azure gave no reason", "no such service", "check subscription"),
];

/// What is said while the operation runs.
const WHILE_RUNNING: &[(&str, &str, &str)] = &[
    ("403 -: Azure gave no reason", "not read its results", "operationresults/read"),
    ("403 AuthorizationFailed: x", "not read its results", "operationresults/read"),
    ("404 NotFound: x", "no longer knows the operation", "activity log"),
];

fn examples() -> impl Iterator<Item = Example> {
    let running = WHILE_RUNNING.iter().map(|row| Example { phase: Some(Phase::Running), ..example(row) });
    EXAMPLES.iter().map(example).chain(running)
}

impl Example {
    fn row(&self) -> Option<&'static Row> {
        let message = words(self.message);
        rows().find(|row| row.matches(self.status, self.code, &message, self.phase))
    }
}

#[test]
fn every_known_error_has_its_cause_and_its_remedy() {
    for Example { status, code, message, phase, cause, remedy } in examples() {
        let known = explain(status, code, message, phase);
        let told = known.map(|known| (known.cause, known.remedy)).unwrap_or_default();
        assert!(told.0.contains(cause) && told.1.contains(remedy), "{status:?} {code:?} {message}: {told:?}");
    }
}

#[test]
fn every_row_is_reached_by_an_example() {
    let reached: Vec<_> = examples().filter_map(|example| example.row()).collect();
    for row in rows() {
        // What a storage account says of itself.
        let by_its_code =
            explain_storage(&[row.explanation.code]).is_some_and(|known| *known == row.explanation);
        assert!(by_its_code || reached.iter().any(|reached| std::ptr::eq(*reached, row)), "{row:?}");
    }
}

#[test]
fn what_is_not_in_the_table_is_not_explained() {
    for (status, code, message) in [
        (None, None, ""),
        (Some(400), None, "Azure gave no reason"),
        (Some(400), Some("RestoreFailed"), "something else"),
        (Some(403), Some("SomethingNew"), "no"),
        (Some(404), Some("SomethingNew"), "no"),
        (Some(418), Some("Whatever"), ""),
    ] {
        assert_eq!(explain(status, code, message, None), None, "{status:?} {code:?} {message}");
    }
}

#[test]
fn no_cause_and_no_remedy_is_empty_or_ends_as_a_sentence() {
    for Explanation { code, cause, remedy, document } in explanations() {
        for text in [code, cause, remedy] {
            assert!(
                !text.is_empty() && !text.ends_with(['.', ' ']) && !text.contains("  "),
                "{code}: {text:?}"
            );
        }
        let is_page =
            |page: &str| page.starts_with("https://learn.microsoft.com/") && !page.contains("en-us");
        assert!(document.is_none_or(is_page), "{code}: {document:?}");
    }
}

#[test]
fn no_two_rows_of_a_service_ask_for_the_same() {
    for table in [arm::ROWS, entra::ROWS, storage::ROWS, status::ROWS] {
        let mut seen = HashSet::new();
        for row in table {
            let code = if let Code::Is(code) = row.code { code } else { "" };
            assert!(seen.insert((row.status, code, row.text, row.phase)), "{row:?}");
        }
    }
}

#[test]
fn a_code_is_found_as_people_write_it() {
    let causes = |code: &str| explain_code(code).into_iter().map(|known| known.cause).collect::<Vec<_>>();
    for code in ["AADSTS700016", "aadsts700016", "700016"] {
        assert_eq!(causes(code), ["the tenant knows no such application"], "{code}");
    }
    assert_eq!(causes("RESTOREFAILED").len(), 4);
    assert_eq!(causes("503"), causes("5xx"));
    assert!(causes("403").len() == 2 && causes("404").len() == 2, "{:?}", causes("403"));
    for code in ["", "400", "16", "AADSTS", "Whatever"] {
        assert!(causes(code).is_empty(), "{code}");
    }
}

#[test]
fn a_storage_account_is_explained_by_a_code_anywhere_in_the_words() {
    let check = |texts: &[&str], cause: Option<&str>| {
        let told = explain_storage(texts).map(|known| known.cause);
        assert_eq!(told.is_some(), cause.is_some(), "{texts:?}: {told:?}");
        assert!(told.unwrap_or_default().contains(cause.unwrap_or_default()), "{texts:?}: {told:?}");
    };
    check(&["the list failed", "status 410: ContainerNotFound"], Some("container does not exist"));
    check(&["ResourceNotFound"], Some("no such storage account"));
    check(&["AuthorizationFailure"], Some("its firewall"));
    check(&["RestoreFailed"], None);
    check(&[""], None);
}

#[test]
fn an_operation_is_explained_by_how_far_it_came() {
    let refused = AzureError { status: Some(403), ..AzureError::local("Azure gave no reason") };
    let check = |kind: FailureKind, followed: bool, cause: &str| {
        let mut operation = operation(Kind::Backup);
        assert_eq!(operation.explanation(), None);
        operation.failure = Some(Failure { kind, error: refused.clone() });
        operation.followed = followed.then(AttemptId::random);
        let told = operation.explanation().map(|known| known.cause).unwrap_or_default();
        assert!(told.contains(cause), "{kind:?} {followed}: {told}");
    };
    check(FailureKind::Refused, false, "may not do this to the service");
    check(FailureKind::OutcomeUnknown, false, "may not do this to the service");
    check(FailureKind::OutcomeUnknown, true, "not read its results");
}
