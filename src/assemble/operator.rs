//! `operator`, `resolver` and what belongs to them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::Config;
use crate::config::operator::{DirectoryResolver, Resolver};
use crate::jwt::{OperatorClaims, UserClaims, is_public_key};
use crate::operator::{DirectorySettings, OperatorSettings, ResolverSettings};
use crate::version::NATS_VERSION;

/// How long other servers may take to answer, unless it is said.
const FETCH_TIMEOUT: Duration = Duration::from_millis(1900);

/// What operator mode needs of the configuration; nothing if it is not used.
pub fn operator_settings(config: &Config) -> Result<Option<OperatorSettings>, String> {
    let configured = &config.operator;
    if !configured.trusts_anybody() {
        return Ok(None);
    }
    let operators = operators(config)?;
    if !operators.is_empty() {
        check_alone(config)?;
        check_system_account(config, &operators)?;
    }
    check_sentinel(configured.default_sentinel.as_deref())?;
    operators.iter().try_for_each(check_version)?;
    let keys = operators.iter().flat_map(OperatorClaims::trusted_keys);
    let keys = keys.chain(configured.trusted_keys.iter().map(String::as_str));
    if let Some(key) = keys.into_iter().find(|key| !is_public_key(key, 'O')) {
        return Err(format!("trusted Keys {key:?} are required to be a valid public operator nkey"));
    }
    let mut pinned = configured.pinned_accounts.clone();
    if let Some(key) = pinned.iter().find(|key| !is_public_key(key, 'A')) {
        return Err(format!("pinned account key {key:?} is not a valid public account nkey"));
    }
    // The operator's own account can always connect.
    pinned.extend(system_account(config).filter(|_| !configured.pinned_accounts.is_empty()));
    Ok(Some(OperatorSettings {
        operators,
        trusted_keys: configured.trusted_keys.clone(),
        resolver: resolver(config),
        pinned_accounts: (!pinned.is_empty()).then_some(pinned),
        default_sentinel: configured.default_sentinel.clone(),
    }))
}

/// The account that the server itself speaks in: the configured one, or that of the first operator.
pub(super) fn system_account(config: &Config) -> Option<String> {
    let of_operator = || {
        let claims = OperatorClaims::decode(config.operator.jwts.first()?).ok()?;
        Some(claims.system_account).filter(|account| !account.is_empty())
    };
    config.system_account.clone().or_else(of_operator)
}

fn operators(config: &Config) -> Result<Vec<OperatorClaims>, String> {
    let decode = |token: &String| {
        OperatorClaims::decode(token).map_err(|error| format!("error parsing operator JWT: {error}"))
    };
    config.operator.jwts.iter().map(decode).collect()
}

fn check_alone(config: &Config) -> Result<(), String> {
    let refusal = match () {
        () if config.operator.resolver.is_none() => "operators require an account resolver to be configured",
        () if !config.accounts.is_empty() => "operators do not allow Accounts to be configured directly",
        () if config.users().next().is_some() => "operators do not allow users to be configured directly",
        () if !config.operator.trusted_keys.is_empty() => {
            "conflicting options for 'TrustedKeys' and 'TrustedOperators'"
        }
        () if config.authorization.callout.is_some() => {
            "operators do not allow authorization callouts to be configured directly"
        }
        () => return Ok(()),
    };
    Err(refusal.to_owned())
}

fn check_system_account(config: &Config, operators: &[OperatorClaims]) -> Result<(), String> {
    let named = || operators.iter().map(|operator| &operator.system_account).filter(|name| !name.is_empty());
    let refusal = match &config.system_account {
        Some(account) if named().next().is_some() && !named().any(|name| name == account) => {
            "system_account in config and operator JWT must be identical"
        }
        None if system_account(config).is_none()
            && matches!(config.operator.resolver, Some(Resolver::Directory(_))) =>
        {
            "using nats based account resolver - the system account needs to be specified in configuration or the operator jwt"
        }
        _ => return Ok(()),
    };
    Err(refusal.to_owned())
}

/// A user of a scope looks like one without a bearer token, and is decided about when it logs in.
fn check_sentinel(sentinel: Option<&str>) -> Result<(), String> {
    let Some(sentinel) = sentinel else { return Ok(()) };
    let claims = UserClaims::decode(sentinel).map_err(|_| "default sentinel JWT not valid".to_owned())?;
    let may_be_scoped = !claims.issuer_account.is_empty() && claims.rights.is_empty();
    match claims.rights.bearer_token || may_be_scoped {
        true => Ok(()),
        false => Err("default sentinel must be a bearer token".to_owned()),
    }
}

fn check_version(operator: &OperatorClaims) -> Result<(), String> {
    let wanted = operator.assert_server_version.as_str();
    let read = |text: &str| -> Option<Vec<u32>> { text.split('.').map(|part| part.parse().ok()).collect() };
    let subject = &operator.claims.subject;
    match (read(wanted), read(NATS_VERSION)) {
        _ if wanted.is_empty() => Ok(()),
        (Some(wanted), Some(own)) if wanted.len() == 3 && wanted <= own => Ok(()),
        _ => Err(format!("operator {subject} expected version {wanted} > server version {NATS_VERSION}")),
    }
}

fn resolver(config: &Config) -> ResolverSettings {
    let preload = config.operator.preload.clone();
    match &config.operator.resolver {
        None | Some(Resolver::Memory) => ResolverSettings::Memory(preload),
        Some(Resolver::Url(url)) => ResolverSettings::Url(url.clone()),
        Some(Resolver::Directory(resolver)) => ResolverSettings::Directory(directory(resolver, preload)),
    }
}

fn directory(resolver: &DirectoryResolver, preload: BTreeMap<String, String>) -> DirectorySettings {
    DirectorySettings {
        dir: resolver.dir.clone(),
        full: resolver.full,
        allow_delete: resolver.allow_delete,
        hard_delete: resolver.hard_delete || !resolver.full,
        accounts_max: usize::try_from(resolver.accounts_max).unwrap_or(usize::MAX),
        ttl: resolver.ttl,
        fetch_timeout: resolver.fetch_timeout.unwrap_or(FETCH_TIMEOUT),
        preload,
    }
}
