//! Errors of Entra ID and of the endpoints of managed identities.

use super::Row;

const CODES: &str = "https://learn.microsoft.com/entra/identity-platform/reference-error-codes";
const IDENTITY: &str =
    "https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/managed-identities-status";

const NO_TRUST: &str = "the application trusts no federated token of this issuer, subject and audience";
const TRUST: &str =
    "compare the application's federated credentials with the token: issuer, subject and audience";
const NOT_ASSIGNED: &str = "the app does not have this managed identity";
const ASSIGN: &str = "assign the managed identity to this app, or correct AZURE_CLIENT_ID";

pub(super) const ROWS: &[Row] = &[
    Row::code(
        "AADSTS700016",
        "the tenant knows no such application",
        "check that the application (client) id belongs to this tenant; it may be of another tenant or cloud",
    )
    .see(CODES),
    Row::code(
        "AADSTS7000215",
        "the client secret is wrong",
        "give the client secret's value, not its id, and check that it belongs to this application",
    )
    .see(CODES),
    Row::code(
        "AADSTS7000222",
        "the client secret has expired",
        "create a new client secret and set it: the old one has expired",
    )
    .see(CODES),
    Row::code("AADSTS7000112", "the application is disabled", "enable the application in Entra ID")
        .see(CODES),
    Row::code(
        "AADSTS7000229",
        "the application has no service principal in this tenant",
        "create the service principal: az ad sp create --id with the application (client) id",
    )
    .see(CODES),
    Row::code(
        "AADSTS90002",
        "there is no such tenant in this cloud",
        "check the tenant's id and APIM_DR_CLOUD",
    )
    .see(CODES),
    Row::code(
        "AADSTS900023",
        "the tenant's id is neither a GUID nor a domain name",
        "give the tenant as a GUID or as one of its domain names",
    )
    .see(CODES),
    Row::code(
        "AADSTS500011",
        "the tenant does not know the service that the token is for",
        "check APIM_DR_CLOUD and APIM_DR_ARM_AUDIENCE",
    )
    .see(CODES),
    Row::code(
        "AADSTS700024",
        "the federated token is not valid now: those of pipelines live for a few minutes only",
        "check AZURE_FEDERATED_TOKEN_FILE, that the token in it is fresh, and this machine's clock",
    )
    .see(CODES),
    Row::code("AADSTS70021", NO_TRUST, TRUST).see(CODES),
    Row::code("AADSTS700213", NO_TRUST, TRUST).see(CODES),
    Row::code(
        "AADSTS53003",
        "a Conditional Access policy blocks this sign-in",
        "exempt the application from the policy, or run from an allowed place",
    )
    .see(CODES),
    Row::code(
        "invalid_client",
        "Entra ID does not take the application's credentials",
        "check the application's id and client secret",
    ),
    Row::code(
        "unauthorized_client",
        "Entra ID does not know the application, or does not let it ask so",
        "check that the application exists in this tenant",
    ),
    // A managed identity that is not there is told so, too.
    Row::code("invalid_request", NOT_ASSIGNED, ASSIGN).saying("Identity not found").see(IDENTITY),
    Row::text("invalid_request", "identity has not been assigned", NOT_ASSIGNED, ASSIGN).see(IDENTITY),
    Row::text(
        "invalid_request",
        "No User Assigned or Delegated Managed Identity found",
        NOT_ASSIGNED,
        ASSIGN,
    )
    .see(IDENTITY),
    Row::code(
        "invalid_request",
        "the token endpoint cannot read what is asked of it",
        "check the tenant, and the audience if APIM_DR_ARM_AUDIENCE is set",
    ),
    // What stands between, such as a proxy, refuses without a code.
    Row::bare(
        "token endpoint",
        &[400, 401, 403, 404],
        "something other than Entra ID answers in its place, or it refuses without a reason",
        "check APIM_DR_CLOUD, the addresses that are set, and the proxy if there is one",
    )
    .saying("the token endpoint gave no reason"),
];
