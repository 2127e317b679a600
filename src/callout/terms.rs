//! Who decides instead of the server, and about whom.

use std::sync::Arc;

use crate::account::{Account, GLOBAL_ACCOUNT};
use crate::jwt::AccountClaims;
use crate::server::Server;

/// `authorization { auth_callout { … } }`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CalloutSettings {
    /// Public account key that signs the answers.
    pub issuer: String,
    /// The account the service lives in.
    pub account: String,
    /// Users that log in without being asked about.
    pub auth_users: Vec<String>,
    /// Public curve key that requests are encrypted with.
    pub xkey: Option<String>,
    /// Accounts whose users are asked about; empty: all.
    pub allowed_accounts: Vec<String>,
}

/// Whom to ask about one login.
pub(super) struct Terms {
    /// The account the service lives in.
    pub account: Arc<Account>,
    /// The key that has to sign user tokens.
    pub issuer: String,
    pub auth_users: Vec<String>,
    pub xkey: Option<String>,
    pub place: Place,
}

/// Where a user may be placed.
pub(super) enum Place {
    /// In the account that its token names as its audience.
    Configured,
    /// In the account that has signed its token.
    Operator,
}

impl CalloutSettings {
    /// Whether users of this account are asked about. Those nobody knows belong to the global one.
    pub(super) fn concerns(&self, account: &str) -> bool {
        account == GLOBAL_ACCOUNT
            || self.allowed_accounts.is_empty()
            || self.allowed_accounts.iter().any(|allowed| allowed == account)
    }
}

impl Terms {
    pub fn configured(server: &Server, settings: &CalloutSettings) -> Self {
        Self {
            account: server.account(&settings.account),
            issuer: settings.issuer.clone(),
            auth_users: settings.auth_users.clone(),
            xkey: settings.xkey.clone(),
            place: Place::Configured,
        }
    }

    pub fn of_account(account: Arc<Account>, claims: &AccountClaims) -> Self {
        let auth = &claims.external_auth;
        Self {
            account,
            issuer: claims.claims.subject.clone(),
            auth_users: auth.auth_users.clone(),
            xkey: Some(auth.xkey.clone()).filter(|key| !key.is_empty()),
            place: Place::Operator,
        }
    }
}
