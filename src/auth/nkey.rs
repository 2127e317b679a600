//! Proof of an nkey: an ed25519 signature over the nonce that INFO carried.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use nkeys::{KeyPair, KeyPairType};

use super::login::AuthError;

/// The key of a user, if `text` is a public user nkey (`U…`).
pub(super) fn user_key(text: &str) -> Option<KeyPair> {
    KeyPair::from_public_key(text).ok().filter(|key| key.key_pair_type() == KeyPairType::User)
}

/// Checks the signature of the user with this public key.
pub fn verify_user_signature(user: &str, nonce: &[u8], signature: &str) -> Result<(), AuthError> {
    let key = user_key(user).ok_or(AuthError::BadSignature)?;
    verify_signature(&key, nonce, signature)
}

/// Checks the signature a client sent: base64url without padding, or standard base64.
pub(super) fn verify_signature(key: &KeyPair, nonce: &[u8], signature: &str) -> Result<(), AuthError> {
    if signature.is_empty() {
        return Err(AuthError::MissingSignature);
    }
    // A signature over nothing could be replayed for ever.
    if nonce.is_empty() {
        return Err(AuthError::BadSignature);
    }
    let text = signature.as_bytes();
    let raw =
        BASE64URL_NOPAD.decode(text).or_else(|_| BASE64.decode(text)).map_err(|_| AuthError::BadSignature)?;
    key.verify(nonce, &raw).map_err(|_| AuthError::BadSignature)
}
