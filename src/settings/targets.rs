//! The schedule, the targets that it is for, and secrets by reference.

use std::{fs, io};

use super::{Problem, Reader, SETTINGS, Setting};
use crate::{
    domain::{InvalidName, Schedule, Secret, Target},
    payload::{self, StartPolicy, TargetDefaults},
};

const SCHEDULE: &str = "APIM_DR_BACKUP_SCHEDULE";
const DEFAULT_SCHEDULE: &str = "0 0 1 * * *";
const SETTING: &str = "APIM_DR_TARGETS";
/// Beside host.json; read if nothing else is said.
const DEFAULT_FILE: &str = "targets.json";

pub(super) fn is_about_targets(problem: &Problem) -> bool {
    // A key of an account that cannot be resolved is of the same kind: with the key in the body a restore needs none.
    [SETTING, SCHEDULE, "APIM_DR_BLOB_CONNECTION"].contains(&problem.setting.as_str())
}

impl Reader<'_> {
    pub(super) fn schedule(&mut self) -> Option<Schedule> {
        let parsed = self.environment.get(SCHEDULE).unwrap_or(DEFAULT_SCHEDULE).parse();
        parsed.map_err(|InvalidName { remedy }| self.problem(SCHEDULE, remedy)).ok()
    }

    /// The targets that are fit to be used; what is wrong with the others is among the problems.
    pub(super) fn targets(&mut self, defaults: TargetDefaults<'_>, policy: &StartPolicy) -> Vec<Target> {
        let text = match self.environment.get(SETTING) {
            Some(text) if text.trim_start().starts_with(['[', '{']) => Ok(text.as_bytes().to_vec()),
            Some(path) => fs::read(path),
            None => match fs::read(DEFAULT_FILE) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
                read => read,
            },
        };
        let text = match text {
            Ok(text) => text,
            Err(error) => {
                let why = error.kind();
                self.problem(
                    SETTING,
                    format!("the file cannot be read ({why}): give its path, or a JSON array"),
                );
                return Vec::new();
            }
        };
        let variables = |name: &str| self.environment.get(name).map(Secret::new);
        let read = payload::parse_targets(&text, defaults, policy, &variables);
        let problems = read.problems.iter().map(|problem| Problem::new(SETTING, problem.to_string()));
        self.problems.extend(problems);
        self.warnings.extend(read.warnings.iter().map(|warning| format!("{SETTING}: {warning}")));
        read.targets
    }

    /// The platform hands a Key Vault reference over as it is when it cannot resolve it. What else was said of such
    /// a setting follows from that.
    pub(super) fn unresolved_references(&mut self) {
        for Setting { name, .. } in SETTINGS.iter().filter(|setting| setting.secret) {
            if self
                .environment
                .get(name)
                .map(Secret::new)
                .is_some_and(|value| value.is_unresolved_reference())
            {
                self.problems.retain(|problem| problem.setting != *name);
                let remedy =
                    format!("a Key Vault reference that was not resolved: {}", payload::KEY_VAULT_REMEDY);
                self.problem(name, remedy);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::read;

    #[test]
    fn a_key_vault_reference_that_was_not_resolved_is_told_as_such_once() {
        for setting in SETTINGS.iter().filter(|setting| setting.secret) {
            let problems =
                read(&[(setting.name, "@Microsoft.KeyVault(VaultName=hidden;SecretName=s)")]).problems;
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert_eq!(problems[0].setting, setting.name);
            assert!(problems[0].remedy.starts_with("a Key Vault reference"), "{problems:?}");
        }
    }

    #[test]
    fn a_wrong_schedule_is_the_only_problem_of_targets_that_would_have_it() {
        let target = r#"[{"name": "a", "subscriptionId": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "resourceGroup": "rg",
            "apimInstance": "a", "storageAccount": "abc", "containerName": "abc", "backupName": "a"}]"#;
        let settings = read(&[("APIM_DR_TARGETS", target), ("APIM_DR_BACKUP_SCHEDULE", "@daily")]);
        assert_eq!((settings.problems.len(), settings.targets.len()), (1, 0), "{:?}", settings.problems);
        let settings = read(&[("APIM_DR_TARGETS", target)]);
        assert_eq!((settings.problems, settings.targets.len()), (vec![], 1));
    }
}
