//! What must not be deployed with a package: secrets.

use serde_json::Value;

use super::File;

/// Where a secret is written out, if one is. Never the secret.
pub(super) fn found(file: &File) -> Option<String> {
    let name = file.path.rsplit('/').next().unwrap_or(&file.path).to_ascii_lowercase();
    let is_settings = name.starts_with("local.settings") || name.starts_with(".env") || name == "state-key";
    let is_key = [".pem", ".pfx", ".p12", ".key"].iter().any(|end| name.ends_with(end));
    if is_settings || is_key {
        return Some("its name is that of a file with secrets".to_owned());
    }
    let text = std::str::from_utf8(&file.bytes).ok()?;
    if let Ok(json) = serde_json::from_str(text)
        && let Some(field) = written_out(&json)
    {
        return Some(format!("the field {field} has a secret written out"));
    }
    let marks = ["AccountKey=", "SharedAccessKey=", "&sig=", "?sig=", "PRIVATE KEY-----"];
    let mark = marks.into_iter().find(|mark| text.contains(mark))?;
    Some(format!("it has {mark:?} in it"))
}

/// The first field that is called as secrets are, and is no reference.
fn written_out(json: &Value) -> Option<String> {
    match json {
        Value::Array(items) => items.iter().find_map(written_out),
        Value::Object(fields) => fields.iter().find_map(|(name, value)| match value {
            Value::String(text) if is_secret(name) && !is_reference(text) => Some(name.clone()),
            value => written_out(value),
        }),
        _ => None,
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let called = ["secret", "accesskey", "accountkey", "password", "connectionstring", "sastoken"];
    called.iter().any(|end| name.ends_with(end))
}

fn is_reference(text: &str) -> bool {
    text.is_empty() || text.starts_with("env:") || text.starts_with("@Microsoft.KeyVault(")
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let found = found(&File::new(path, 0o644, text));
            assert_eq!(found.as_deref(), expected, "{path} {text}");
            assert!(!found.is_some_and(|told| told.contains("hush")), "{path}");
        }
        assert_eq!(found(&File::new("apim-dr", 0o755, *b"\x7fELF\xffAccountKey=")), None, "no text");
    }
}
