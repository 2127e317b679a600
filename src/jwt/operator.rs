//! The operator: whose signature on accounts counts.

use super::claims::Claims;
use super::doc::Doc;
use super::error::JwtError;
use super::token::{self, Kind};

/// What an operator's token says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OperatorClaims {
    pub claims: Claims,
    pub signing_keys: Vec<String>,
    /// Only the signing keys sign, not the operator's own.
    pub strict_signing_key_usage: bool,
    /// Empty if it names none.
    pub system_account: String,
    /// `major.minor.update` that the server has to have at least; may be empty.
    pub assert_server_version: String,
}

impl OperatorClaims {
    /// Decodes and verifies a token.
    pub fn decode(text: &str) -> Result<Self, JwtError> {
        let value = token::decode(text, Kind::Operator)?;
        let doc = Doc(Some(&value));
        let nats = doc.object("nats")?;
        Ok(Self {
            claims: Claims::read(doc)?,
            signing_keys: nats.texts("signing_keys")?,
            strict_signing_key_usage: nats.flag("strict_signing_key_usage")?,
            system_account: nats.text("system_account")?,
            assert_server_version: nats.text("assert_server_version")?,
        })
    }

    /// The keys that may sign accounts.
    pub fn trusted_keys(&self) -> impl Iterator<Item = &str> {
        let own = (!self.strict_signing_key_usage).then_some(self.claims.subject.as_str());
        own.into_iter().chain(self.signing_keys.iter().map(String::as_str))
    }
}
