//! Whether a restore is really meant: it overwrites a whole service.

use super::fields::{Fields, Read};
use crate::domain::{Bounds, Kind, ServiceName};

/// What this app asks of whatever is to begin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StartPolicy {
    /// Of a restore.
    pub confirm: Confirmation,
    pub bounds: Bounds,
}

/// How a body says that it means a restore (`APIM_DR_RESTORE_CONFIRM`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Confirmation {
    /// `"operation": "restore"` will do, and so will the phrase.
    #[default]
    Operation,
    /// Only `"confirm": "RESTORE <apimInstance>"`.
    Phrase,
    /// Not at all: nothing is restored, somebody only wants to know what would be.
    None,
}

impl StartPolicy {
    /// Notes what speaks against a restore. An `instance` or `operation` that was not understood is a
    /// problem already.
    pub(super) fn check_restore(
        &self,
        fields: &mut Fields,
        confirm: Read<Option<String>>,
        operation: Read<Option<Kind>>,
        instance: &Read<ServiceName>,
    ) {
        const PHRASE: &str = r#"write "confirm": "RESTORE <apimInstance>", with the instance's name"#;
        if let Some(finding) = instance.as_ref().ok().and_then(|name| self.bounds.against_restore_into(name))
        {
            fields.note("apimInstance", &finding.text, &finding.remedy);
        }
        match (confirm, instance, self.confirm) {
            (Ok(Some(phrase)), Ok(instance), _) if !is_phrase(&phrase, instance) => {
                fields.note("confirm", "not the phrase for this instance", PHRASE);
            }
            (Ok(None), _, Confirmation::Phrase) => {
                fields.note("confirm", "missing, and the setting APIM_DR_RESTORE_CONFIRM demands it", PHRASE);
            }
            (Ok(None), _, Confirmation::Operation) if matches!(operation, Ok(None)) => {
                fields.note(
                    "operation",
                    "missing: nothing in the body says that a restore is meant",
                    r#"write "operation": "restore", or "confirm": "RESTORE <apimInstance>""#,
                );
            }
            _ => {}
        }
    }
}

/// Names of instances do not differ by case.
fn is_phrase(text: &str, instance: &ServiceName) -> bool {
    text.strip_prefix("RESTORE ").is_some_and(|name| name.eq_ignore_ascii_case(instance.as_str()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::payload::{
        parse,
        samples::{body, check},
    };

    #[test]
    fn a_restore_has_to_be_meant() {
        type Row<'a> = (&'a StartPolicy, Value, Value, &'a [(&'a str, &'a str)]);
        const MISSING: &[(&str, &str)] = &[("operation", r#""RESTORE <apimInstance>""#)];
        const NO_PHRASE: &[(&str, &str)] = &[("confirm", r#""RESTORE <apimInstance>""#)];
        let any = StartPolicy::default();
        let phrase = StartPolicy { confirm: Confirmation::Phrase, ..StartPolicy::default() };
        let only = |name: &str| {
            let bounds = Bounds { restore_targets: Some(vec![name.parse().unwrap()]), ..Bounds::default() };
            StartPolicy { bounds, ..any.clone() }
        };
        let rows: &[Row] = &[
            (&any, json!("restore"), json!(null), &[]),
            (&any, json!("Restore"), json!("RESTORE sampleapim"), &[]),
            (&any, json!(null), json!("RESTORE SampleApim"), &[]),
            (&any, json!(null), json!(null), MISSING),
            (&any, json!("backup"), json!(null), &[("operation", r#"write "restore""#)]),
            (&any, json!("backup"), json!("RESTORE sampleapim"), &[("operation", r#"write "restore""#)]),
            (&any, json!("backup|restore"), json!(null), &[("operation", r#"write "restore""#)]),
            (&any, json!("restore"), json!("RESTORE otherapim"), NO_PHRASE),
            (&any, json!("restore"), json!("restore sampleapim"), NO_PHRASE),
            (&phrase, json!("restore"), json!(null), NO_PHRASE),
            (&phrase, json!("restore"), json!("yes"), NO_PHRASE),
            (&phrase, json!(null), json!("RESTORE sampleapim"), &[]),
            (&only("SAMPLEAPIM"), json!("restore"), json!(null), &[]),
            (&only("standby"), json!("restore"), json!(null), &[("apimInstance", "APIM_DR_RESTORE_TARGETS")]),
        ];
        for (policy, operation, confirm, expected) in rows {
            let body = body(&json!({ "operation": operation, "confirm": confirm }));
            check(parse(Kind::Restore, body.as_bytes(), policy, &[]), expected);
        }
    }
}
