//! The answer of a service that decides about logins (ADR-26).

use super::claims::Claims;
use super::doc::Doc;
use super::error::JwtError;
use super::token::{self, Kind};

/// What an authorization response says: a user token or an error.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResponseClaims {
    pub claims: Claims,
    /// The user's token; empty if there is an error.
    pub jwt: String,
    /// Why the user is not let in; empty if it is.
    pub error: String,
    /// The account, if the response was signed with one of its signing keys; may be empty.
    pub issuer_account: String,
}

impl ResponseClaims {
    /// Decodes and verifies a token.
    pub fn decode(text: &str) -> Result<Self, JwtError> {
        let value = token::decode(text, Kind::AuthorizationResponse)?;
        let doc = Doc(Some(&value));
        let nats = doc.object("nats")?;
        let response = Self {
            claims: Claims::read(doc)?,
            jwt: nats.text("jwt")?,
            error: nats.text("error")?,
            issuer_account: nats.text("issuer_account")?,
        };
        match response.jwt.is_empty() == response.error.is_empty() {
            true => Err(JwtError::Field("jwt")),
            false => Ok(response),
        }
    }
}
