//! The answer: a signed user token, or an error.

use std::sync::Arc;

use super::terms::{Place, Terms};
use crate::auth::{AuthError, Login, LoginLimits, PermissionSettings, Permissions, TokenIdentity};
use crate::clock::UnixNanos;
use crate::jwt::{AccountClaims, ResponseClaims, UserClaims, UserRights};
use crate::server::Server;

const NANOS_PER_SECOND: UnixNanos = 1_000_000_000;

/// What the answer has to be about.
pub(super) struct Expected<'a> {
    /// The user key that was made up for the request.
    pub user: &'a str,
    /// Only the service could have written it.
    pub encrypted: bool,
}

/// Whom the service has let in, for when the account changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegated {
    /// The made-up user key.
    pub user: Box<str>,
    /// When its token was written, in Unix seconds.
    pub issued_at: i64,
}

type Refusal = AuthError;

/// Reads an answer; an error says why the client is not let in.
pub(super) async fn read(
    server: &Arc<Server>,
    terms: &Terms,
    expected: &Expected<'_>,
    answer: &[u8],
) -> Result<Login, Refusal> {
    if answer.is_empty() {
        return Err(AuthError::Refused("auth callout violation: no reason supplied"));
    }
    let text = std::str::from_utf8(answer).map_err(|_| AuthError::Refused("auth callout: not a token"))?;
    let response = ResponseClaims::decode(text.trim())
        .map_err(|_| AuthError::Refused("auth callout: not a response"))?;
    check_response(server, terms, expected, &response)?;
    let user = UserClaims::decode(&response.jwt)
        .map_err(|_| AuthError::Refused("auth callout: user JWT not valid"))?;
    let now = server.clock().now();
    if !user.claims.is_valid_at(now / NANOS_PER_SECOND) || user.claims.subject != expected.user {
        return Err(AuthError::Refused("auth callout: user JWT is not for the expected user"));
    }
    match terms.place {
        Place::Configured => place_configured(server, terms, &user, now),
        Place::Operator => place_in_account(server, terms, &user, now).await,
    }
}

fn check_response(
    server: &Server,
    terms: &Terms,
    expected: &Expected<'_>,
    response: &ResponseClaims,
) -> Result<(), Refusal> {
    let now = server.clock().now() / NANOS_PER_SECOND;
    if !response.claims.is_valid_at(now) || response.claims.subject != expected.user {
        return Err(AuthError::Refused("auth callout response is not for expected user"));
    }
    if response.claims.audience != server.id() {
        return Err(AuthError::Refused("auth callout response is not for server"));
    }
    if !response.error.is_empty() {
        log::warn!("Auth callout service returned an error: {:?}", response.error);
        return Err(AuthError::Refused("auth callout service returned an error"));
    }
    let by =
        if response.issuer_account.is_empty() { &response.claims.issuer } else { &response.issuer_account };
    let known = || {
        let held = server.operator().and_then(|operator| operator.held(&terms.issuer));
        held.is_some_and(|held| held.claims.scope_of(by).is_some())
    };
    match terms.place {
        Place::Operator if !expected.encrypted && !known() => {
            Err(AuthError::Refused("auth callout signing key is unknown"))
        }
        _ => Ok(()),
    }
}

/// The user's token names the account as its audience.
fn place_configured(
    server: &Server,
    terms: &Terms,
    user: &UserClaims,
    now: UnixNanos,
) -> Result<Login, Refusal> {
    if !user.issuer_account.is_empty() {
        return Err(AuthError::Refused("auth callout: attempted to use issuer_account"));
    }
    if user.claims.issuer != terms.issuer {
        return Err(AuthError::Refused("wrong issuer for auth callout response"));
    }
    let account = &user.claims.audience;
    if server.accounts().get(account).is_none() {
        return Err(AuthError::Refused("no valid account for auth callout response"));
    }
    login(user, account, user.rights.clone(), None, now)
}

/// The user belongs to the account that has signed its token, if the service may place users there.
async fn place_in_account(
    server: &Arc<Server>,
    terms: &Terms,
    user: &UserClaims,
    now: UnixNanos,
) -> Result<Login, Refusal> {
    let operator = server.operator().ok_or(AuthError::Refused("auth callout: no operator"))?;
    let asked = operator.held(&terms.issuer).ok_or(AuthError::Refused("auth callout: account is gone"))?;
    let account = user.account();
    let allowed = &asked.claims.external_auth.allowed_accounts;
    if account != terms.issuer && !allowed.iter().any(|name| name == "*" || name == account) {
        return Err(AuthError::Refused("account not permitted as valid account option for auth callout"));
    }
    let target = operator.account(account).await;
    let target = target.ok_or(AuthError::Refused("no valid account for auth callout response"))?;
    let rights = target.claims.rights_of(user)?;
    login(user, account, rights, Some(&target.claims), now)
}

fn login(
    user: &UserClaims,
    account: &str,
    rights: UserRights,
    target: Option<&AccountClaims>,
    now: UnixNanos,
) -> Result<Login, Refusal> {
    let end = rights.times.until(now).ok_or(AuthError::Refused("outside connect times"))?;
    let end = end.min(match user.claims.expires {
        0 => UnixNanos::MAX,
        seconds => seconds.saturating_mul(NANOS_PER_SECOND),
    });
    let expires = (end < UnixNanos::MAX).then_some(end);
    let none = PermissionSettings::default();
    let defaults = target.map(|claims| claims.default_permissions.clone()).unwrap_or_default();
    let settings = if rights.permissions == none { defaults } else { rights.permissions };
    let compiled = (settings != none).then(|| Permissions::compile(&settings)).transpose();
    let permissions = compiled.map_err(|_| AuthError::Refused("permissions are not valid"))?;
    let claims = &user.claims;
    let name = if claims.name.is_empty() { &claims.subject } else { &claims.name };
    Ok(Login {
        account: account.into(),
        user: name.as_str().into(),
        label: format!("user:{name}").into(),
        permissions: permissions.map(Arc::new),
        expires,
        limits: LoginLimits::default(),
        token: Some(Arc::new(TokenIdentity {
            name: claims.name.as_str().into(),
            tags: claims.tags.clone(),
            issuer_key: claims.issuer.as_str().into(),
            account_name: target.map_or("", |target| &target.claims.name).into(),
            permissions: settings,
            expires,
        })),
        delegated: Some(Delegated { user: claims.subject.as_str().into(), issued_at: claims.issued_at }),
    })
}
