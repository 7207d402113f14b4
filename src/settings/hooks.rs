//! Those who are told, and whom a request may have us call.

use super::{Problem, Reader};
use crate::{
    domain::{CallbackHosts, Secret, Target},
    hooks::HookSettings,
    payload,
};

const NOTIFY: &str = "APIM_DR_NOTIFY";
const CALLBACKS: &str = "APIM_DR_CALLBACK_HOSTS";

pub(super) fn is_about_hooks(problem: &Problem) -> bool {
    [NOTIFY, CALLBACKS].contains(&problem.setting.as_str())
}

impl Reader<'_> {
    pub(super) fn hooks(
        &mut self,
        targets: &[Target],
        public_url: Option<String>,
        allow_http_loopback: bool,
    ) -> HookSettings {
        let variables = |name: &str| self.environment.get(name).map(Secret::new);
        let text = self.environment.get(NOTIFY);
        let read = text.map(|text| payload::parse_hooks(text.as_bytes(), allow_http_loopback, &variables));
        let read = read.unwrap_or_default();
        self.problems.extend(read.problems.iter().map(|problem| Problem::new(NOTIFY, problem.to_string())));
        self.warnings.extend(read.warnings.iter().map(|warning| format!("{NOTIFY}: {warning}")));
        for hook in &read.hooks {
            let unknown =
                hook.targets.iter().filter(|name| targets.iter().all(|target| target.name != **name));
            let warning = |name| {
                format!(
                    "{NOTIFY}: the hook {} names the target {name}, and none that can be read has that name",
                    hook.name
                )
            };
            self.warnings.extend(unknown.map(warning));
        }
        let hosts = self.environment.get(CALLBACKS).unwrap_or(CallbackHosts::DEFAULT);
        let callbacks = CallbackHosts::read(hosts, allow_http_loopback).unwrap_or_else(|| {
            self.problem(CALLBACKS, CallbackHosts::REMEDY);
            // Those that were meant are not known: none may be called.
            CallbackHosts::default()
        });
        HookSettings { hooks: read.hooks, callbacks, public_url, allow_http_loopback }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::read;

    #[test]
    fn what_is_wrong_with_a_hook_stops_neither_the_others_nor_a_backup() {
        let hooks =
            r#"[{"name": "ops", "type": "slack", "url": "env:OPS"}, {"name": "s3cret.x", "type": "slack"}]"#;
        let settings =
            read(&[(NOTIFY, hooks), ("OPS", "https://hooks.example.com/s3cret"), (CALLBACKS, "s3cret/")]);
        let named: Vec<_> = settings.problems.iter().map(|problem| problem.setting.as_str()).collect();
        assert_eq!(named, [NOTIFY, NOTIFY, CALLBACKS], "{:?}", settings.problems);
        assert_eq!((settings.fatal_problems().count(), settings.schedule_problems().count()), (0, 0));
        assert_eq!(settings.hooks.hooks.len(), 1);
        assert!(
            settings.hooks.callbacks.check("https://dev.azure.com/").is_err(),
            "nobody knows who was meant"
        );
        assert!(!format!("{settings:?}").contains("s3cret"), "{settings:?}");
    }

    #[test]
    fn a_hook_of_a_target_that_there_is_not_is_pointed_out() {
        let hooks =
            r#"[{"name": "ops", "type": "slack", "url": "https://x.example", "targets": ["prymary"]}]"#;
        let settings = read(&[(NOTIFY, hooks)]);
        assert_eq!((settings.problems.len(), settings.hooks.hooks.len()), (0, 1));
        let [plain, unknown] = settings.warnings.as_slice() else { panic!("{:?}", settings.warnings) };
        assert!(plain.starts_with("APIM_DR_NOTIFY: hooks[0] (ops).url: a secret in plain text"), "{plain}");
        assert!(unknown.contains("the hook ops names the target prymary"), "{unknown}");
    }

    #[test]
    fn nobody_is_told_and_the_usual_hosts_are_called_unless_something_is_set() {
        let settings = read(&[]);
        assert!(settings.hooks.hooks.is_empty());
        assert!(settings.hooks.callbacks.check("https://dev.azure.com/").is_ok());
    }
}
