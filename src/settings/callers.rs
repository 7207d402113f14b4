//! Who may call a server that has no Functions host in front of it: one key for each use.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::domain::Secret;

/// The shortest key that is taken.
const SHORTEST: usize = 16;

/// What a key opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyUse {
    Backup,
    Restore,
    /// Reading what is not one operation by its link.
    Status,
}

impl KeyUse {
    const ALL: [Self; 3] = [Self::Backup, Self::Restore, Self::Status];

    /// As `APIM_DR_KEYS` spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Restore => "restore",
            Self::Status => "status",
        }
    }
}

/// The value of `APIM_DR_KEYS`. What has no key is open to nobody.
#[derive(Debug, Clone)]
pub struct CallerKeys(Vec<(KeyUse, CallerKey)>);

impl CallerKeys {
    pub(super) const REMEDY: &str = "give backup=<key>,restore=<key>,status=<key>, or some of them: each key at least \
                                     16 visible characters without a comma, and no two alike";

    /// Reads `<use>=<key>` pairs. A key may hold `=`, as base64 does.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut keys: Vec<(KeyUse, CallerKey)> = Vec::new();
        for pair in text.split(',') {
            let (name, key) = pair.trim().split_once('=')?;
            let key_use = KeyUse::ALL.into_iter().find(|key_use| key_use.as_str() == name)?;
            let taken = keys.iter().any(|(other, known)| *other == key_use || known.is(key));
            if taken || key.len() < SHORTEST || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
                return None;
            }
            keys.push((key_use, CallerKey(Secret::new(key))));
        }
        Some(Self(keys))
    }

    pub fn of(&self, key_use: KeyUse) -> Option<&CallerKey> {
        self.0.iter().find(|(other, _)| *other == key_use).map(|(_, key)| key)
    }
}

/// A key that callers have to bring.
#[derive(Debug, Clone)]
pub struct CallerKey(Secret);

impl CallerKey {
    /// Whether this is the key. The time that it takes says nothing about where the two differ: what is compared,
    /// in constant time, are their codes under the key.
    pub fn is(&self, given: &str) -> bool {
        let code = |text: &str| {
            let key = Hmac::<Sha256>::new_from_slice(self.0.expose().as_bytes()).ok()?;
            Some(key.chain_update(text.as_bytes()))
        };
        let Some((ours, theirs)) = code(self.0.expose()).zip(code(given)) else { return false };
        theirs.verify(&ours.finalize().into_bytes()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKUP: &str = "backup-key-0123456789";
    const RESTORE: &str = "cmVzdG9yZS1rZXktMDEyMw==";

    #[test]
    fn each_use_has_its_own_key_or_none() {
        let keys = CallerKeys::read(&format!("backup={BACKUP}, restore={RESTORE}")).unwrap();
        assert!(keys.of(KeyUse::Backup).unwrap().is(BACKUP));
        assert!(keys.of(KeyUse::Restore).unwrap().is(RESTORE));
        assert!(keys.of(KeyUse::Status).is_none());
        for wrong in ["", RESTORE, &BACKUP[1..], &BACKUP[..20], &format!("{BACKUP}0")] {
            assert!(!keys.of(KeyUse::Backup).unwrap().is(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn what_would_protect_less_than_it_seems_is_refused() {
        for text in [
            BACKUP,
            "backup",
            "backup=",
            "backup=fifteen-letters",
            "backup=a key with blanks in it",
            "backup=a-kéy-beyond-ascii-0123",
            "Backup=backup-key-0123456789",
            "operations=backup-key-0123456789",
            "backup=backup-key-0123456789,",
            "backup=backup-key-0123456789,restore=backup-key-0123456789",
            "backup=backup-key-0123456789,backup=another-key-0123456789",
        ] {
            assert!(CallerKeys::read(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn keys_are_never_shown() {
        let keys = CallerKeys::read(&format!("status={BACKUP}")).unwrap();
        assert!(!format!("{keys:?} {keys:#?}").contains(BACKUP));
    }
}
