//! What all tokens say.

use super::doc::Doc;
use super::error::JwtError;
use super::token::{self, Kind};

/// What all tokens say. Times are Unix seconds, 0 if there is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claims {
    pub issuer: String,
    /// Whom or what it is about.
    pub subject: String,
    pub name: String,
    pub audience: String,
    pub tags: Vec<String>,
    pub issued_at: i64,
    pub expires: i64,
    pub not_before: i64,
}

impl Claims {
    /// Decodes whatever `token` is, with its own claims handed to `read` as they are.
    pub fn decode_generic(token: &str) -> Result<(Self, serde_json::Value), JwtError> {
        let value = token::decode(token, Kind::Generic)?;
        Ok((Self::read(Doc(Some(&value)))?, value))
    }

    pub(super) fn read(doc: Doc<'_>) -> Result<Self, JwtError> {
        Ok(Self {
            issuer: doc.text("iss")?,
            subject: doc.text("sub")?,
            name: doc.text("name")?,
            audience: doc.text("aud")?,
            tags: doc.object("nats")?.texts("tags")?,
            issued_at: doc.number("iat")?,
            expires: doc.number("exp")?,
            not_before: doc.number("nbf")?,
        })
    }

    /// Whether it is valid at this moment, in Unix seconds.
    pub fn is_valid_at(&self, now: i64) -> bool {
        let expired = self.expires > 0 && now > self.expires;
        let early = self.not_before > now;
        !expired && !early
    }
}
