//! What the configuration says about users, in the form the authenticator is built from.

use std::collections::BTreeSet;
use std::fmt;

use super::credentials::ConnectionType;
use super::permissions::PermissionsError;
use super::secret::SecretVerifier;
use crate::callout::CalloutSettings;
use crate::clock::UnixNanos;

/// Everything that decides who may log in on one kind of listener.
#[derive(Debug, Default, Clone)]
pub struct AuthSettings {
    /// `authorization { token }`.
    pub token: Option<SecretVerifier>,
    /// `authorization { user, password }`.
    pub single_user: Option<(String, SecretVerifier)>,
    /// All users and nkeys of `authorization` and of all accounts.
    pub users: Vec<UserSettings>,
    /// `no_auth_user`: whom a client without credentials is logged in as.
    pub no_auth_user: Option<String>,
    /// `tls { verify_and_map }`: the user is named by the client certificate.
    pub map_certificate: bool,
    /// Who names nobody is let into the global account although users exist, as when only the system account has some.
    pub global_account_is_open: bool,
    /// Who decides instead.
    pub callout: Option<CalloutSettings>,
    /// Everybody needs a user token, about which others decide.
    pub tokens_required: bool,
}

/// One entry of a `users` list.
#[derive(Debug, Clone)]
pub struct UserSettings {
    /// The account the user belongs to; `$G` outside `accounts`.
    pub account: String,
    /// How the user is recognised.
    pub identity: Identity,
    /// The user's own permissions, or the defaults that apply to it; `None` allows all.
    pub permissions: Option<PermissionSettings>,
    /// Kinds of connection the user may come by; empty allows all.
    pub connection_types: BTreeSet<ConnectionType>,
}

/// How a user is recognised.
#[derive(Debug, Clone)]
pub enum Identity {
    /// By name and password; an empty password is one too.
    Password { user: String, password: SecretVerifier },
    /// By a signature with this user nkey (`U…`).
    Nkey(String),
}

impl Identity {
    /// The name by which `no_auth_user` and error messages refer to the user.
    pub fn name(&self) -> &str {
        match self {
            Self::Password { user, .. } => user,
            Self::Nkey(key) => key,
        }
    }
}

/// `permissions { publish, subscribe, allow_responses }`.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct PermissionSettings {
    /// Subjects.
    pub publish: SubjectRules,
    /// Subjects, or `"subject queue"`.
    pub subscribe: SubjectRules,
    /// Set by `allow_responses`.
    pub responses: Option<ResponseSettings>,
}

/// Allowed and denied subjects; an empty allow list allows all, and deny wins.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct SubjectRules {
    /// The allow list.
    pub allow: Vec<String>,
    /// The deny list.
    pub deny: Vec<String>,
}

/// `allow_responses { max, expires }`; the default is one message within two minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseSettings {
    /// Messages per reply subject; `None` is no limit.
    pub messages_max: Option<u32>,
    /// Nanoseconds after which a reply subject is forgotten; `None` is never.
    pub expires_after_nanos: Option<UnixNanos>,
}

impl Default for ResponseSettings {
    fn default() -> Self {
        Self { messages_max: Some(1), expires_after_nanos: Some(2 * 60 * 1_000_000_000) }
    }
}

/// Why no authenticator can be built from the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingsError {
    /// Two users of the same name.
    DuplicateUser(String),
    /// A string that is not a public user nkey.
    BadNkey(String),
    /// `no_auth_user` names nobody.
    UnknownNoAuthUser(String),
    /// A permission of this user is not a subject.
    BadPermission { user: String, error: PermissionsError },
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DuplicateUser(user) => write!(f, "duplicate user {user:?} detected"),
            Self::BadNkey(_) => f.write_str("not a valid public nkey for a user"),
            Self::UnknownNoAuthUser(user) => write!(
                f,
                "no_auth_user: {user:?} not present as user or nkey in authorization block or account configuration"
            ),
            Self::BadPermission { user, error } => {
                write!(f, "invalid permissions for user {user:?}: {error}")
            }
        }
    }
}

impl std::error::Error for SettingsError {}
