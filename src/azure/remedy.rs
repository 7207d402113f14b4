//! What to do about errors of Azure that are known: rows, no rules.

/// One known error: all that is given must match.
struct Row {
    /// Azure's code, in any case; empty: any.
    code: &'static str,
    /// A part of the message, in any case; empty: any.
    text: &'static str,
    remedy: &'static str,
}

const fn row(code: &'static str, text: &'static str, remedy: &'static str) -> Row {
    Row { code, text, remedy }
}

/// What to do about an error, where known. The first row that matches tells.
pub(super) fn remedy(code: Option<&str>, message: &str) -> Option<&'static str> {
    let code = code.unwrap_or_default();
    let message = message.to_ascii_lowercase();
    ROWS.iter()
        .find(|row| {
            (row.code.is_empty() || row.code.eq_ignore_ascii_case(code))
                && message.contains(&row.text.to_ascii_lowercase())
        })
        .map(|row| row.remedy)
}

/// Specific rows come before general ones. Messages are as users reported or tests recorded them.
const ROWS: &[Row] = &[
    row(
        "RestoreFailed",
        "SKU",
        "restore into a service of the same tier as the one that was backed up, or change the target's tier first",
    ),
    row("", "backup expired", "restore a newer backup: Azure guarantees a backup for 30 days only"),
    row(
        "InvalidParameters",
        "was not found.\r\nParameter name: backupStorageAccount",
        "remove the CORS rules (PATCH above all) from the storage account's blob service, or use a managed \
         identity as accessType",
    ),
    row(
        "InvalidParameters",
        "backupContainerName",
        "give the name of a blob container: 3 to 63 lower-case letters, digits and single dashes",
    ),
    row(
        "InvalidParameters",
        "backupStorageAccount",
        "check the storage account: its name, its key, its firewall, and that its blob service has no CORS rules",
    ),
    row(
        "ScopeLocked",
        "",
        "remove the resource lock from the service, its resource group or its subscription for the time of the operation",
    ),
    row("ServiceLocked", "", "wait: another change of the service is still running"),
    row(
        "ServiceAlreadyExistsInSoftDeletedState",
        "",
        "purge or recover the soft-deleted service of that name first",
    ),
    row("ServiceNotFound", "", "check subscription, resource group and name of the API Management service"),
    row("ResourceNotFound", "", "check subscription, resource group and name of the API Management service"),
    row("ResourceGroupNotFound", "", "check subscription and resource group"),
    row("SubscriptionNotFound", "", "check the subscription's id, and that the caller's tenant owns it"),
    row("InvalidSubscriptionId", "", "give the subscription's id, a GUID"),
    row(
        "InvalidAuthenticationToken",
        "",
        "check APIM_DR_CLOUD and APIM_DR_ARM_AUDIENCE: the token is not one for this host",
    ),
    row("InvalidAuthenticationTokenTenant", "", "ask for the token in the tenant that owns the subscription"),
    row(
        "AuthorizationFailed",
        "operationresults",
        "grant the caller Microsoft.ApiManagement/service/operationresults/read, for instance by the role API \
         Management Service Operator Role; without it the operation runs but cannot be followed",
    ),
    row(
        "AuthorizationFailed",
        "",
        "grant the caller the role API Management Service Operator Role on the service: it needs \
         Microsoft.ApiManagement/service/read, backup/action, restore/action and operationresults/read",
    ),
    row(
        "LinkedAuthorizationFailed",
        "",
        "grant the caller access to the linked resource that the message names",
    ),
    row(
        "KeyBasedAuthenticationNotPermitted",
        "",
        "the storage account takes no keys: use a managed identity as accessType, or allow shared key access",
    ),
    row("NoRegisteredProviderFound", "", "set APIM_DR_API_VERSION to a version that this cloud offers"),
    row("InvalidApiVersionParameter", "", "set APIM_DR_API_VERSION to a version that this cloud offers"),
    row("InvalidResourceType", "", "set APIM_DR_API_VERSION to a version that this cloud offers"),
    row(
        "AADSTS700016",
        "",
        "check that the application (client) id belongs to this tenant; it may be of another tenant or cloud",
    ),
    row(
        "AADSTS7000215",
        "",
        "give the client secret's value, not its id, and check that it belongs to this application",
    ),
    row("AADSTS7000222", "", "the client secret has expired: create a new client secret and set it"),
    row("AADSTS7000112", "", "the application is disabled: enable it in Entra ID"),
    row("AADSTS90002", "", "no such tenant: check the tenant's id and APIM_DR_CLOUD"),
    row("AADSTS900023", "", "the tenant must be a GUID or one of the tenant's domain names"),
    row(
        "AADSTS700024",
        "",
        "the federated token is not valid now: check AZURE_FEDERATED_TOKEN_FILE and this machine's clock",
    ),
    row(
        "AADSTS53003",
        "",
        "a Conditional Access policy blocks this sign-in: exempt the application or run from an allowed place",
    ),
    row("invalid_client", "", "check the application's id and client secret"),
    row("unauthorized_client", "", "check that the application exists in this tenant"),
    row("invalid_request", "", "check the tenant, and the audience if APIM_DR_ARM_AUDIENCE is set"),
    row(
        "",
        "identity has not been assigned",
        "assign the managed identity to this app, or correct AZURE_CLIENT_ID",
    ),
    row(
        "",
        "No User Assigned or Delegated Managed Identity found",
        "assign the managed identity to this app, or correct AZURE_CLIENT_ID",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_errors_have_a_remedy() {
        let check = |code: &str, message: &str, part: Option<&str>| {
            let told = remedy(Some(code), message);
            match part {
                Some(part) => assert!(told.unwrap_or_default().contains(part), "{code} {message}: {told:?}"),
                None => assert_eq!(told, None, "{code} {message}"),
            }
        };
        check(
            "RestoreFailed",
            "Cannot restore: current SKU is 'StandardV2', backup SKU is 'Standard'",
            Some("same tier"),
        );
        check("RestoreFailed", "Cannot restore: backup expired", Some("30 days"));
        check("RestoreFailed", "something else", None);
        let cors = "Invalid parameter: Requested value 'GET,HEAD,POST,PUT,DELETE,OPTIONS,PATCH' was not found.\r\nParameter name: backupStorageAccount";
        check("InvalidParameters", cors, Some("CORS"));
        check(
            "InvalidParameters",
            "Invalid parameter.\r\n\r\nParameter name: backupContainerName",
            Some("container"),
        );
        check("authorizationfailed", "over scope '/x/operationresults/y'", Some("cannot be followed"));
        check("AuthorizationFailed", "no", Some("service/read"));
        check("AADSTS7000215", "", Some("not its id"));
        check("Whatever", "", None);
        assert_eq!(remedy(None, ""), None);
    }

    #[test]
    fn every_row_can_be_reached() {
        for row in ROWS {
            assert_eq!(remedy(Some(row.code), row.text), Some(row.remedy), "{} {}", row.code, row.text);
        }
    }
}
