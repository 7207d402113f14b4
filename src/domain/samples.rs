//! A plan for the tests.

use super::{BlobRef, Caller, Kind, Plan, ServiceId, StorageAccess};

/// A backup by key, called by the app itself.
pub(crate) fn plan(instance: &str) -> Plan {
    Plan {
        kind: Kind::Backup,
        service: ServiceId {
            subscription: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee".parse().unwrap(),
            resource_group: "apimdrresourcegroup".parse().unwrap(),
            name: instance.parse().unwrap(),
        },
        blob: BlobRef {
            account: "apimdrstorage".parse().unwrap(),
            container: "backup".parse().unwrap(),
            name: "apimbackup".parse().unwrap(),
        },
        access: StorageAccess::AccessKey,
        caller: Caller::App,
    }
}
