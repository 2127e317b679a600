//! NATS JWTs, versions 1 and 2: what operators, accounts and users are allowed, signed with nkeys.
//!
//! Pure: a token is decoded and its signature verified; whose signature counts, and what time it is, is up to the caller. Claims
//! are read from a JSON tree and not by derived code, which would be many times as large.

mod account;
mod activation;
mod claims;
mod doc;
mod error;
mod operator;
mod response;
mod rights;
mod source_net;
mod template;
mod times;
mod token;
mod user;
mod validate;

pub use self::account::{
    AccountClaims, AccountLimits, ExportClaim, ExternalAuth, ImportClaim, JetStreamLimits, Scope, TraceClaim,
};
pub use self::activation::ActivationClaims;
pub use self::claims::Claims;
pub use self::error::JwtError;
pub use self::operator::OperatorClaims;
pub use self::response::ResponseClaims;
pub use self::rights::UserRights;
pub use self::source_net::SourceNet;
pub use self::times::ConnectTimes;
pub use self::token::{Kind, is_public_key, sign};
pub use self::user::UserClaims;

pub(crate) use self::doc::Doc;
