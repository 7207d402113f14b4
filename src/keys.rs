//! The state key: seals credentials at rest and signs links to operations.
//!
//! One key of 32 bytes; what is used for what is a subkey by HKDF-SHA256 (RFC 5869), so that a seal
//! can never pass for a link. Knows no storage.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, Generate, KeyInit, Payload},
};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::domain::OperationId;

/// The state key.
#[derive(Clone)]
pub struct StateKey(Zeroizing<[u8; 32]>);

/// Something sealed under a state key: XChaCha20-Poly1305 with the operation's id as associated data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seal {
    /// Which key sealed it; says nothing about the key.
    pub key_id: String,
    /// Base64 of 24 random bytes.
    nonce: String,
    /// Base64.
    ciphertext: String,
}

/// A state key that is not 32 bytes in base64.
#[derive(Debug, thiserror::Error)]
#[error("not 32 bytes in base64: make one with `openssl rand -base64 32`")]
pub struct NotAStateKey;

/// Why a seal did not open.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("it was sealed with another state key ({sealed_with}, ours is {ours})")]
    OtherKey { sealed_with: String, ours: String },
    #[error("it was changed, or belongs to another operation")]
    Broken,
}

impl StateKey {
    /// A new random key.
    pub fn generate() -> Self {
        Self(Zeroizing::new(<[u8; 32]>::generate()))
    }

    /// Reads 32 bytes in base64, as `APIM_DR_STATE_KEY` and the stored key have them.
    pub fn from_base64(text: &str) -> Result<Self, NotAStateKey> {
        let bytes = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| NotAStateKey)?);
        let bytes = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| NotAStateKey)?;
        Ok(Self(Zeroizing::new(bytes)))
    }

    /// The key as it is stored.
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.0.as_slice()))
    }

    /// A name for the key that does not give it away.
    pub fn id(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.subkey::<6>("apim-dr key id").as_slice())
    }

    /// Seals `plain` for one operation.
    pub fn seal(&self, operation: OperationId, plain: &[u8]) -> Result<Seal, SealError> {
        let nonce = XNonce::generate();
        let aad = operation.to_string();
        let sealed = self.cipher().encrypt(&nonce, Payload { msg: plain, aad: aad.as_bytes() });
        let ciphertext = sealed.map_err(|_| SealError::Broken)?;
        Ok(Seal { key_id: self.id(), nonce: STANDARD.encode(nonce), ciphertext: STANDARD.encode(ciphertext) })
    }

    /// Opens what was sealed for the same operation.
    pub fn open(&self, operation: OperationId, seal: &Seal) -> Result<Zeroizing<Vec<u8>>, SealError> {
        if seal.key_id != self.id() {
            return Err(SealError::OtherKey { sealed_with: seal.key_id.clone(), ours: self.id() });
        }
        let nonce = STANDARD.decode(&seal.nonce).map_err(|_| SealError::Broken)?;
        let nonce = XNonce::try_from(nonce.as_slice()).map_err(|_| SealError::Broken)?;
        let ciphertext = STANDARD.decode(&seal.ciphertext).map_err(|_| SealError::Broken)?;
        let aad = operation.to_string();
        let plain = self.cipher().decrypt(&nonce, Payload { msg: &ciphertext, aad: aad.as_bytes() });
        Ok(Zeroizing::new(plain.map_err(|_| SealError::Broken)?))
    }

    /// The token `t` that lets its bearer read one operation, and nothing else.
    pub fn link_token(&self, operation: OperationId) -> String {
        URL_SAFE_NO_PAD.encode(self.link_mac(operation).finalize().into_bytes())
    }

    /// Whether `token` is the one for this operation; compared in constant time.
    pub fn verify_link_token(&self, operation: OperationId, token: &str) -> bool {
        URL_SAFE_NO_PAD.decode(token).is_ok_and(|token| self.link_mac(operation).verify_slice(&token).is_ok())
    }

    /// A mark of a request's body, which tells whether two bodies are equal and nothing of what is in them: they may
    /// bring secrets.
    pub fn body_mark(&self, body: &[u8]) -> String {
        let mut mac = <Hmac<Sha256> as KeyInit>::new((&*self.subkey::<64>("apim-dr request body")).into());
        mac.update(body);
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }

    fn link_mac(&self, operation: OperationId) -> Hmac<Sha256> {
        let mut mac = <Hmac<Sha256> as KeyInit>::new((&*self.subkey::<64>("apim-dr operation link")).into());
        mac.update(operation.to_string().as_bytes());
        mac
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.subkey::<32>("apim-dr sealed credentials")).into())
    }

    fn subkey<const N: usize>(&self, purpose: &str) -> Zeroizing<[u8; N]> {
        let mut subkey = Zeroizing::new([0; N]);
        // Fails only for more than 255 blocks of 32 bytes (RFC 5869, section 2.3).
        let expanded = Hkdf::<Sha256>::new(None, self.0.as_slice()).expand(purpose.as_bytes(), &mut *subkey);
        debug_assert!(expanded.is_ok());
        subkey
    }
}

impl fmt::Debug for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StateKey({})", self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation() -> OperationId {
        OperationId::at("2026-11-21T01:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_seal_opens_only_for_its_operation_and_under_its_key() {
        let (key, id) = (StateKey::generate(), operation());
        let seal = key.seal(id, b"s3cr+t/=&~").unwrap();
        assert_eq!(key.open(id, &seal).unwrap().as_slice(), b"s3cr+t/=&~");
        assert!(matches!(key.open(operation(), &seal), Err(SealError::Broken)));
        assert!(matches!(StateKey::generate().open(id, &seal), Err(SealError::OtherKey { .. })));
        let again = StateKey::from_base64(&key.to_base64()).unwrap();
        assert!(again.open(id, &seal).is_ok());
    }

    #[test]
    fn a_link_token_opens_one_operation_only() {
        let (key, id) = (StateKey::generate(), operation());
        let token = key.link_token(id);
        assert!(key.verify_link_token(id, &token));
        assert!(!key.verify_link_token(operation(), &token));
        assert!(!StateKey::generate().verify_link_token(id, &token));
        for token in ["", "x", &token[1..], &format!("{token}AA")] {
            assert!(!key.verify_link_token(id, token), "{token:?}");
        }
    }

    #[test]
    fn a_state_key_is_32_bytes_and_is_not_shown() {
        for text in ["", "AAAA", "not base64!", &STANDARD.encode([0; 33])] {
            assert!(StateKey::from_base64(text).is_err(), "{text:?}");
        }
        let key = StateKey::generate();
        assert!(!format!("{key:?}").contains(key.to_base64().as_str()));
    }
}
