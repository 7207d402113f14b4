//! A string that is never shown.

use std::fmt;

use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

/// A secret: a client secret, a storage key, a token.
///
/// `Debug`, `Display` and `Serialize` write a fixed word instead; only [`Secret::expose`] gives the
/// value, so that every place which uses it can be found. Wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// What is written in place of the value.
    pub const HIDDEN: &str = "[hidden]";

    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// Whether it is a Key Vault reference that the platform left as it was: it resolves whole app settings only,
    /// and those it cannot resolve it hands over unresolved.
    pub fn is_unresolved_reference(&self) -> bool {
        const REFERENCE: &str = "@Microsoft.KeyVault(";
        self.0.trim_start().get(..REFERENCE.len()).is_some_and(|start| start.eq_ignore_ascii_case(REFERENCE))
    }

    /// The value itself, for the one request that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self::new(value)
    }
}

impl From<Zeroizing<String>> for Secret {
    fn from(value: Zeroizing<String>) -> Self {
        Self(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::HIDDEN)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::HIDDEN)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(Self::HIDDEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_vault_reference_is_told_from_a_secret() {
        for (text, is_reference) in [
            ("@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/s)", true),
            (" @microsoft.keyvault(VaultName=v;SecretName=s)", true),
            ("@Microsoft.KeyVault", false),
            ("s3cr+t/=&~", false),
            ("ü@Microsoft.KeyVaul", false),
            ("", false),
        ] {
            assert_eq!(Secret::new(text).is_unresolved_reference(), is_reference, "{text:?}");
        }
    }

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::new("s3cr+t/=&~");
        assert_eq!(
            format!("{secret} {secret:?} {:#?}", Some(&secret)),
            "[hidden] [hidden] Some(\n    [hidden],\n)"
        );
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"[hidden]\"");
        assert_eq!(secret.expose(), "s3cr+t/=&~");
    }
}
