//! The outcome of a login.

use std::fmt;
use std::sync::Arc;

use super::permissions::Permissions;
use super::settings::PermissionSettings;
use crate::callout::Delegated;
use crate::clock::UnixNanos;

/// The account of users outside `accounts`.
pub(super) const GLOBAL_ACCOUNT: &str = "$G";

/// A client that may stay.
#[derive(Debug, Clone, Default)]
pub struct Login {
    /// Name of the account whose subjects the client sees.
    pub account: Arc<str>,
    /// The user as monitoring shows it (`authorized_user`): name, nkey or `[REDACTED]` for a token; may be empty.
    pub user: Arc<str>,
    /// The user as log lines show it: `user:joe`, `nkey:U…`, `token`; may be empty.
    pub label: Arc<str>,
    /// `None` allows all.
    pub permissions: Option<Arc<Permissions>>,
    /// When the login ends; never for users of the configuration file.
    pub expires: Option<UnixNanos>,
    /// Limits of its own, besides those of account and server.
    pub limits: LoginLimits,
    /// What its token says about it, if it came with one.
    pub token: Option<Arc<TokenIdentity>>,
    /// Set if somebody else has let it in.
    pub delegated: Option<Delegated>,
}

/// What one user may use at most; `None` where there is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LoginLimits {
    /// Subscriptions of its connection.
    pub subscriptions_max: Option<usize>,
    /// Bytes of one message.
    pub payload_bytes_max: Option<usize>,
}

/// What a user token says about its user, for those who are told.
#[derive(Debug, Clone, Default)]
pub struct TokenIdentity {
    /// The user's name.
    pub name: Box<str>,
    /// The user's tags.
    pub tags: Vec<String>,
    /// The key that signed the token.
    pub issuer_key: Box<str>,
    /// The account's name; its id is a key.
    pub account_name: Box<str>,
    /// What the user may do.
    pub permissions: PermissionSettings,
    /// When the login ends.
    pub expires: Option<UnixNanos>,
}

impl Login {
    /// The same login, which may not publish to this subject.
    pub fn denying_publish(self, subject: &str) -> Result<Self, AuthError> {
        let permissions = self.permissions.as_deref().cloned().unwrap_or_default();
        match permissions.denying_publish(subject) {
            Ok(permissions) => Ok(Self { permissions: Some(Arc::new(permissions)), ..self }),
            Err(_) => Err(AuthError::Refused("permissions are not valid")),
        }
    }
}

/// Why a client was turned away. The client is told nothing but [`AuthError::reply`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthError {
    UnknownUser,
    WrongSecret,
    MissingSignature,
    BadSignature,
    ConnectionTypeNotAllowed,
    NoUserInCertificate,
    CertificateRequired,
    /// The token is void.
    Revoked,
    /// A token that does not let anybody in; why.
    Refused(&'static str),
}

impl AuthError {
    /// The text for the client's `-ERR`.
    pub fn reply(self) -> &'static str {
        "Authorization Violation"
    }

    /// The reason monitoring and events give for the closed connection.
    pub fn close_reason(self) -> &'static str {
        "Authentication Failure"
    }
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownUser => "unknown user",
            Self::WrongSecret => "wrong password or token",
            Self::MissingSignature => "signature missing",
            Self::BadSignature => "signature not verified",
            Self::ConnectionTypeNotAllowed => "connection type not allowed",
            Self::NoUserInCertificate => "no user found in the client certificate",
            Self::CertificateRequired => "user requires a client certificate",
            Self::Revoked => "user authentication revoked",
            Self::Refused(reason) => reason,
        })
    }
}

impl std::error::Error for AuthError {}
