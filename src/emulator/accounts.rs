//! The default world: every name, id and secret that the emulator knows at start.
//!
//! All of it is invented and obviously so; the tests and the demo print and use these constants.

use serde_json::{Value, json};

/// The only tenant.
pub const TENANT_ID: &str = "99999999-8888-7777-6666-555555555555";
/// The same tenant by its domain; Entra takes either in its paths.
pub const TENANT_DOMAIN: &str = "apimdr.onmicrosoft.com";
/// The application (service principal) that may sign in with [`CLIENT_SECRET`].
pub const APPLICATION_ID: &str = "11111111-2222-3333-4444-555555555555";
/// Principal of the application, which may write blobs.
pub const APPLICATION_PRINCIPAL_ID: &str = "51511111-0000-4000-8000-000000000004";
/// Its secret. Full of characters that a form must encode, so that a hand-made form is caught.
pub const CLIENT_SECRET: &str = "s3cr+t/=&~";

/// The only subscription.
pub const SUBSCRIPTION_ID: &str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
/// The only resource group.
pub const RESOURCE_GROUP: &str = "apimdrresourcegroup";
/// The primary API Management service: Developer tier, one unit, idle.
pub const SERVICE: &str = "sampleapim";
/// Where [`SERVICE`] is.
pub const LOCATION: &str = "Australia East";
/// Its standby, alike but for the region.
pub const STANDBY: &str = "sampleapim-standby";
/// Where [`STANDBY`] is.
pub const STANDBY_LOCATION: &str = "Australia Southeast";

/// The only storage account.
pub const STORAGE_ACCOUNT: &str = "apimdrstorage";
/// Its only container: there, and empty.
pub const CONTAINER: &str = "backup";
/// Its first key: base64 of 64 bytes that say what they are.
pub const ACCOUNT_KEY: &str =
    "ZW11bGF0b3Ita2V5LW5vdC1hLXNlY3JldC1lbXVsYXRvci1rZXktbm90LWEtc2VjcmV0LWVtdWxhdG9yLWtleQ==";

/// The account that Azurite has unless it is told another.
pub const AZURITE_ACCOUNT: &str = "devstoreaccount1";
/// Its key, which is public.
pub const AZURITE_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// The value that the App Service identity endpoint wants in `X-IDENTITY-HEADER`.
pub const IDENTITY_HEADER: &str = "emulator-identity-header-not-a-secret";
/// Client id of the app's system-assigned identity.
pub const SYSTEM_IDENTITY_CLIENT_ID: &str = "51511111-0000-4000-8000-000000000001";
/// Principal of the app's system-assigned identity, which may write blobs.
pub const SYSTEM_IDENTITY_PRINCIPAL_ID: &str = "51511111-0000-4000-8000-000000000005";
/// Client id of the user-assigned identity.
pub const USER_IDENTITY_CLIENT_ID: &str = "51511111-0000-4000-8000-000000000002";
/// Principal of the user-assigned identity, which may write blobs.
pub const USER_IDENTITY_PRINCIPAL_ID: &str = "51511111-0000-4000-8000-000000000003";
/// Resource id of the user-assigned identity, as ARM gives it back (`resourcegroups` in small
/// letters).
pub const USER_IDENTITY_ID: &str = "/subscriptions/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/resourcegroups/apimdrresourcegroup\
     /providers/Microsoft.ManagedIdentity/userAssignedIdentities/apimdridentity";

/// Role definition of Storage Blob Data Contributor.
pub const BLOB_DATA_CONTRIBUTOR: &str = "ba92f5b4-2d11-453d-a403-e96b0029c9fe";
/// Role definition of Storage Blob Data Reader.
pub const BLOB_DATA_READER: &str = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1";
/// Role definition of Storage Blob Data Owner.
pub const BLOB_DATA_OWNER: &str = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b";

/// The eleven fields that a Logic App would send, for the default world.
pub fn body(operation: &str, instance: &str) -> Value {
    json!({
        "applicationId": APPLICATION_ID,
        "clientSecret": CLIENT_SECRET,
        "tenantId": TENANT_ID,
        "subscriptionId": SUBSCRIPTION_ID,
        "resourceGroup": RESOURCE_GROUP,
        "apimInstance": instance,
        "backupName": "apimbackup",
        "operation": operation,
        "containerName": CONTAINER,
        "storageAccount": STORAGE_ACCOUNT,
        "accessKey": ACCOUNT_KEY,
    })
}
