//! The decision whether a user token lets a client in. Pure.

use std::net::IpAddr;
use std::sync::Arc;

use super::held::Held;
use super::{NANOS_PER_SECOND, UnixNanos};
use crate::auth::{
    AuthError, ConnectionType, Credentials, Login, LoginLimits, Peer, PermissionSettings, Permissions,
    TokenIdentity, verify_user_signature,
};
use crate::jwt::{AccountClaims, UserClaims, UserRights};

/// Decides about a user whose token is valid at `now`, in an account whose token is.
pub(super) fn check(
    user: &UserClaims,
    held: &Held,
    credentials: &Credentials<'_>,
    peer: &Peer<'_>,
    now: UnixNanos,
) -> Result<Login, AuthError> {
    let account = &held.claims;
    let rights = account.rights_of(user)?;
    if rights.bearer_token && account.limits.disallow_bearer {
        return Err(AuthError::Refused("account does not allow bearer tokens"));
    }
    if rights.proxy_required {
        return Err(AuthError::Refused("user has to connect through a proxy"));
    }
    check_connection_type(&rights, peer.connection_type)?;
    if !rights.bearer_token {
        verify_user_signature(&user.claims.subject, peer.nonce, credentials.signature)?;
    }
    admit(user, account, rights, peer.addr.map(|addr| addr.ip()), now)
}

/// What is left to decide when the user has proved who it is; a login without a signature is decided by this alone.
pub(super) fn admit(
    user: &UserClaims,
    account: &AccountClaims,
    rights: UserRights,
    address: Option<IpAddr>,
    now: UnixNanos,
) -> Result<Login, AuthError> {
    if account.is_revoked(&user.claims.subject, user.claims.issued_at) {
        return Err(AuthError::Revoked);
    }
    if !comes_from_allowed(&rights, address) {
        return Err(AuthError::Refused("source address not allowed"));
    }
    let times_end = rights.times.until(now).ok_or(AuthError::Refused("outside connect times"))?;
    let token_end = match user.claims.expires {
        0 => UnixNanos::MAX,
        seconds => seconds.saturating_mul(NANOS_PER_SECOND),
    };
    let end = times_end.min(token_end);
    login(user, account, rights, (end < UnixNanos::MAX).then_some(end))
}

/// Kinds that are not known are passed over, unless nothing else is allowed.
fn check_connection_type(rights: &UserRights, kind: ConnectionType) -> Result<(), AuthError> {
    let mut known = rights.connection_types.iter().filter_map(|name| name.parse().ok());
    match rights.connection_types.is_empty() || known.any(|allowed: ConnectionType| allowed == kind) {
        true => Ok(()),
        false => Err(AuthError::ConnectionTypeNotAllowed),
    }
}

fn comes_from_allowed(rights: &UserRights, address: Option<IpAddr>) -> bool {
    rights.sources.is_empty()
        || address.is_some_and(|address| rights.sources.iter().any(|net| net.contains(address)))
}

fn login(
    user: &UserClaims,
    account: &AccountClaims,
    rights: UserRights,
    expires: Option<UnixNanos>,
) -> Result<Login, AuthError> {
    let own = rights.permissions;
    let settings =
        if own == PermissionSettings::default() { account.default_permissions.clone() } else { own };
    let permissions = match settings == PermissionSettings::default() {
        true => None,
        false => Some(Arc::new(
            Permissions::compile(&settings).map_err(|_| AuthError::Refused("permissions are not valid"))?,
        )),
    };
    let claims = &user.claims;
    Ok(Login {
        account: user.account().into(),
        user: claims.subject.as_str().into(),
        label: format!("jwt:{}", claims.subject).into(),
        permissions,
        expires,
        limits: LoginLimits {
            subscriptions_max: usize::try_from(rights.subscriptions_max).ok(),
            payload_bytes_max: usize::try_from(rights.payload_bytes_max).ok(),
        },
        token: Some(Arc::new(TokenIdentity {
            name: claims.name.as_str().into(),
            tags: claims.tags.clone(),
            issuer_key: claims.issuer.as_str().into(),
            account_name: account.claims.name.as_str().into(),
            permissions: settings,
            expires,
        })),
        delegated: None,
    })
}
