//! What must not be deployed with a package: secrets.

use serde_json::Value;

use super::File;
use crate::settings::SETTINGS;

/// Where a secret is written out, or why nobody can tell, and what helps. Never the secret.
pub(super) fn fault(file: &File) -> Option<(String, &'static str)> {
    const LEAVE_OUT: &str = "leave it out; keep secrets in app settings, or in a vault that they refer to";
    let written_out = |what| Some((what, LEAVE_OUT));
    let name = file.path.rsplit('/').next().unwrap_or(&file.path).to_ascii_lowercase();
    let is_settings = name.starts_with("local.settings") || name.starts_with(".env") || name == "state-key";
    let is_key = [".pem", ".pfx", ".p12", ".key"].iter().any(|end| name.ends_with(end));
    if is_settings || is_key {
        return written_out("its name is that of a file with secrets".to_owned());
    }
    match serde_json::from_slice(&file.bytes) {
        Ok(json) => {
            if let Some(field) = secret_field(&json) {
                return written_out(format!("the field {field} has a secret written out"));
            }
        }
        // Windows PowerShell writes UTF-16, or a byte order mark.
        Err(_) if name.rsplit_once('.').is_some_and(|(_, kind)| kind == "json") => {
            let what = "is no JSON in UTF-8 without a byte order mark, so nobody can tell what it holds";
            return Some((what.to_owned(), "save it so, or leave it out if it is your own"));
        }
        Err(_) => {}
    }
    let text = std::str::from_utf8(&file.bytes).ok()?;
    let marks = ["AccountKey=", "SharedAccessKey=", "&sig=", "?sig=", "PRIVATE KEY-----"];
    let mark = marks.into_iter().find(|mark| text.contains(mark))?;
    written_out(format!("it has {mark:?} in it"))
}

/// The first field that is called as secrets are, and is no reference.
fn secret_field(json: &Value) -> Option<String> {
    match json {
        Value::Array(items) => items.iter().find_map(secret_field),
        Value::Object(fields) => fields.iter().find_map(|(name, value)| match value {
            Value::String(text) if is_secret(name) && !is_reference(text) => Some(name.clone()),
            value => secret_field(value),
        }),
        _ => None,
    }
}

fn is_secret(name: &str) -> bool {
    let is_setting = SETTINGS.iter().any(|setting| setting.secret && setting.name.eq_ignore_ascii_case(name));
    let name = name.to_ascii_lowercase();
    let called = ["secret", "accesskey", "accountkey", "password", "connectionstring", "sastoken"];
    is_setting || called.iter().any(|end| name.ends_with(end))
}

fn is_reference(text: &str) -> bool {
    text.is_empty() || text.starts_with("env:") || text.starts_with("@Microsoft.KeyVault(")
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNREADABLE: &str =
        "is no JSON in UTF-8 without a byte order mark, so nobody can tell what it holds";

    fn told(path: &str, bytes: impl Into<Vec<u8>>) -> Option<String> {
        fault(&File::new(path, 0o644, bytes)).map(|(what, _)| what)
    }

    #[test]
    fn secrets_are_found_by_the_name_of_their_file_or_field_or_by_how_they_begin() {
        for (path, text, expected) in [
            ("local.settings.json", "{}", Some("its name is that of a file with secrets")),
            ("deep/LOCAL.settings.prod.json", "{}", Some("its name is that of a file with secrets")),
            ("site.pfx", "", Some("its name is that of a file with secrets")),
            (
                "targets.json",
                r#"[{"clientSecret": "hush"}]"#,
                Some("the field clientSecret has a secret written out"),
            ),
            (
                "targets.json",
                r#"[{"AccessKey": "hush"}]"#,
                Some("the field AccessKey has a secret written out"),
            ),
            ("hooks.json", r#"{"a": {"secret": "hush"}}"#, Some("the field secret has a secret written out")),
            (
                "settings.json",
                r#"{"Values": {"apim_dr_state_key": "hush"}}"#,
                Some("the field apim_dr_state_key has a secret written out"),
            ),
            ("settings.json", r#"{"AzureWebJobsStorage__accountName": "a", "APIM_DR_LOG": "info"}"#, None),
            ("targets.json", "\u{feff}[{\"clientSecret\": \"hush\"}]", Some(UNREADABLE)),
            ("Targets.JSON", r#"[{"clientSecret": "hush"}"#, Some(UNREADABLE)),
            ("targets.json", r#"[{"clientSecret": "env:NAME", "accessKey": ""}]"#, None),
            ("targets.json", r#"{"secret": "@Microsoft.KeyVault(VaultName=v;SecretName=s)"}"#, None),
            (
                "notes.txt",
                "DefaultEndpointsProtocol=https;AccountKey=hush",
                Some("it has \"AccountKey=\" in it"),
            ),
            ("notes.txt", "https://a.blob.core.windows.net/c?sv=1&sig=hush", Some("it has \"&sig=\" in it")),
            ("notes.txt", "a line", None),
        ] {
            let told = told(path, text);
            assert_eq!(told.as_deref(), expected, "{path} {text}");
            assert!(!told.is_some_and(|told| told.contains("hush")), "{path}");
        }
        assert_eq!(told("apim-dr", *b"\x7fELF\xffAccountKey="), None, "no text");
        let utf16: Vec<u8> =
            r#"[{"clientSecret": "hush"}]"#.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(told("targets.json", utf16).as_deref(), Some(UNREADABLE));
    }

    #[test]
    fn a_setting_that_is_secret_is_so_as_a_field() {
        for setting in SETTINGS.iter().filter(|setting| setting.secret) {
            let json = format!(r#"{{"{}": "hush"}}"#, setting.name);
            assert!(told("settings.json", json).is_some(), "{}", setting.name);
        }
    }
}
