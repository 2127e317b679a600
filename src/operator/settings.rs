//! What operator mode needs to know.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use crate::jwt::OperatorClaims;

/// What operator mode needs to know.
#[derive(Debug, Clone, Default)]
pub struct OperatorSettings {
    /// The operators; the first one's keys may delete accounts.
    pub operators: Vec<OperatorClaims>,
    /// Keys that sign accounts, besides the operators'.
    pub trusted_keys: Vec<String>,
    /// Where account tokens come from.
    pub resolver: ResolverSettings,
    /// Only users of these accounts may log in.
    pub pinned_accounts: Option<BTreeSet<String>>,
    /// A bearer token for clients that bring none.
    pub default_sentinel: Option<String>,
}

/// Where account tokens come from.
#[derive(Debug, Clone)]
pub enum ResolverSettings {
    /// Account to token.
    Memory(BTreeMap<String, String>),
    /// `GET <url><account>`
    Url(String),
    /// Files.
    Directory(DirectorySettings),
}

/// A directory of account tokens.
#[derive(Debug, Clone)]
pub struct DirectorySettings {
    /// Where.
    pub dir: PathBuf,
    /// Holds all accounts; otherwise those that were asked for.
    pub full: bool,
    /// Accounts may be deleted on request.
    pub allow_delete: bool,
    /// What is deleted is gone, not renamed.
    pub hard_delete: bool,
    /// 0 for what is usual.
    pub accounts_max: usize,
    /// Forgets an account that was not asked for for so long.
    pub ttl: Option<Duration>,
    /// How long other servers may take to answer.
    pub fetch_timeout: Duration,
    /// Account to token, stored if they are newer.
    pub preload: BTreeMap<String, String>,
}

impl Default for ResolverSettings {
    fn default() -> Self {
        Self::Memory(BTreeMap::new())
    }
}

impl OperatorSettings {
    /// Whether accounts signed by `issuer` are taken.
    pub fn trusts(&self, issuer: &str) -> bool {
        let of_operators = self.operators.iter().flat_map(OperatorClaims::trusted_keys);
        let others = self.trusted_keys.iter().map(String::as_str);
        of_operators.chain(others).any(|key| key == issuer)
    }

    /// Whether the first operator, who manages accounts, signs with this key.
    pub fn is_managed_by(&self, key: &str) -> bool {
        self.operators.first().is_some_and(|operator| operator.trusted_keys().any(|known| known == key))
    }

    /// Whether `issuer` is an operator's own key where a signing key has to be used.
    pub fn needs_signing_key(&self, issuer: &str) -> bool {
        self.operators
            .first()
            .is_some_and(|operator| operator.strict_signing_key_usage && operator.claims.subject == issuer)
    }
}
