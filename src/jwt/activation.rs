//! An activation token: leave to import a private export.

use super::claims::Claims;
use super::doc::Doc;
use super::error::JwtError;
use super::token::{self, Kind};

/// What an activation token says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ActivationClaims {
    pub claims: Claims,
    /// What may be imported.
    pub import_subject: String,
    /// Whether it is about a service or a stream.
    pub is_service: bool,
    /// The exporting account, if it was signed with one of its signing keys; may be empty.
    pub issuer_account: String,
}

impl ActivationClaims {
    /// Decodes and verifies a token.
    pub fn decode(text: &str) -> Result<Self, JwtError> {
        let value = token::decode(text, Kind::Activation)?;
        let doc = Doc(Some(&value));
        let nats = doc.object("nats")?;
        let is_service = match nats.str("kind")? {
            "service" => true,
            "stream" => false,
            _ => return Err(JwtError::Field("kind")),
        };
        Ok(Self {
            claims: Claims::read(doc)?,
            import_subject: nats.text("subject")?,
            is_service,
            issuer_account: nats.text("issuer_account")?,
        })
    }
}
