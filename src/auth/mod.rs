//! Who may connect, and what they may do.
//!
//! [`Authenticator`] turns the options of a CONNECT into a [`Login`]: an account, a name and compiled [`Permissions`].
//! The session asks [`Authenticator::is_slow`] first: a check against a bcrypt hash takes hundreds of milliseconds and
//! belongs on a blocking thread. Secrets are kept as digests or bcrypt hashes and never appear in `Debug` output.
//!
//! Operator mode ([`crate::operator`]) is a further source of a [`Login`].

mod authenticator;
pub mod certificate;
mod certificate_user;
mod credentials;
mod login;
mod nkey;
mod permissions;
mod secret;
mod settings;

pub use authenticator::Authenticator;
pub use credentials::{ConnectionType, Credentials, Peer, UnknownConnectionType};
pub use login::{AuthError, Login, LoginLimits, TokenIdentity};
pub use nkey::verify_user_signature;
pub use permissions::{Permissions, PermissionsError, ResponsePermits};
pub use secret::SecretVerifier;
pub use settings::{
    AuthSettings, Identity, PermissionSettings, ResponseSettings, SettingsError, SubjectRules, UserSettings,
};
