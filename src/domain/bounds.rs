//! What an operator allows by name: the services that are restored into, and the storage accounts that backups lie in.

use super::{Finding, Kind, Plan, ServiceName, StorageAccount};

/// The only names that settings allow; `None` is all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bounds {
    /// `APIM_DR_RESTORE_TARGETS`
    pub restore_targets: Option<Vec<ServiceName>>,
    /// `APIM_DR_STORAGE_ACCOUNTS`
    pub storage_accounts: Option<Vec<StorageAccount>>,
}

impl Bounds {
    /// What speaks against a plan, whoever ordered it and whenever.
    pub fn objection(&self, plan: &Plan) -> Option<Finding> {
        let service = Some(&plan.service.name).filter(|_| plan.kind == Kind::Restore);
        let restore = service.and_then(|service| self.against_restore_into(service));
        restore.or_else(|| self.against_account(&plan.blob.account))
    }

    pub fn against_restore_into(&self, service: &ServiceName) -> Option<Finding> {
        let names = self.restore_targets.as_ref()?;
        (!names.iter().any(|name| name.key() == service.key())).then(|| {
            let text = "this instance is not one that may be restored into";
            let remedy = "take one that the setting APIM_DR_RESTORE_TARGETS lists, or add it there";
            Finding::blocks("restore.not-allowed", text, remedy)
        })
    }

    pub fn against_account(&self, account: &StorageAccount) -> Option<Finding> {
        let names = self.storage_accounts.as_ref()?;
        (!names.contains(account)).then(|| {
            let text = "this storage account is not one that backups may lie in";
            let remedy = "take one that the setting APIM_DR_STORAGE_ACCOUNTS lists, or add it there";
            Finding::blocks("account.not-allowed", text, remedy)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{BlobRef, samples::plan};

    #[test]
    fn a_plan_stays_within_the_names_that_are_allowed() {
        type Row<'a> = (Kind, Option<&'a str>, Option<&'a str>, Option<&'a str>);
        const RESTORE: Option<&str> = Some("restore.not-allowed");
        const ACCOUNT: Option<&str> = Some("account.not-allowed");
        let rows: &[Row] = &[
            (Kind::Backup, None, None, None),
            (Kind::Restore, None, None, None),
            (Kind::Restore, Some("standby,SampleApim"), None, None),
            (Kind::Restore, Some("standby,sampleapim2"), None, RESTORE),
            (Kind::Backup, Some("standby"), None, None),
            (Kind::Backup, None, Some("other,backups"), None),
            (Kind::Restore, None, Some("other,backups"), None),
            (Kind::Backup, None, Some("other,backups2"), ACCOUNT),
            (Kind::Restore, Some("sampleapim"), Some("other"), ACCOUNT),
            (Kind::Restore, Some("standby"), Some("other"), RESTORE),
        ];
        for (kind, services, accounts, expected) in rows {
            let bounds = Bounds {
                restore_targets: services
                    .map(|names| names.split(',').map(|name| name.parse().unwrap()).collect()),
                storage_accounts: accounts
                    .map(|names| names.split(',').map(|name| name.parse().unwrap()).collect()),
            };
            let plan = plan("sampleapim");
            let blob = BlobRef { account: "backups".parse().unwrap(), ..plan.blob };
            let found = bounds.objection(&Plan { kind: *kind, blob, ..plan });
            let code = found.as_ref().map(|finding| &*finding.code);
            assert_eq!(code, *expected, "{kind} {services:?} {accounts:?}");
            assert!(found.is_none_or(|finding| finding.remedy.contains("APIM_DR_")));
        }
    }
}
