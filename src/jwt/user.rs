//! A user's token.

use super::claims::Claims;
use super::doc::Doc;
use super::error::JwtError;
use super::rights::UserRights;
use super::token::{self, Kind, is_public_key};

/// What a user's token says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserClaims {
    pub claims: Claims,
    pub rights: UserRights,
    /// The account, if the token was signed with one of its signing keys; may be empty.
    pub issuer_account: String,
}

impl UserClaims {
    /// Decodes and verifies a token.
    pub fn decode(text: &str) -> Result<Self, JwtError> {
        let value = token::decode(text, Kind::User)?;
        let doc = Doc(Some(&value));
        let nats = doc.object("nats")?;
        let user = Self {
            claims: Claims::read(doc)?,
            rights: UserRights::read(nats, 0)?,
            issuer_account: nats.text("issuer_account")?,
        };
        if !is_public_key(&user.claims.subject, 'U') {
            return Err(JwtError::Field("sub"));
        }
        Ok(user)
    }

    /// The account it belongs to.
    pub fn account(&self) -> &str {
        if self.issuer_account.is_empty() { &self.claims.issuer } else { &self.issuer_account }
    }
}
