//! Rules between directives; they hold once flags have been applied, right before a server starts or reloads.

use super::defaults;
use super::duration::show;
use super::model::Config;
use super::not_served;
use super::report::ConfigError;
use super::subject;

type Rule = fn(&Config) -> Result<(), String>;

/// The first rule that `config` breaks.
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    let rules: [Rule; 11] = [
        lame_duck,
        payload,
        system_account,
        no_auth_user,
        cluster,
        leafnodes,
        mqtt,
        jetstream,
        websocket,
        monitoring,
        served,
    ];
    rules.iter().try_for_each(|rule| rule(config)).map_err(ConfigError::Invalid)
}

fn lame_duck(config: &Config) -> Result<(), String> {
    let (grace, duration) = (config.lame_duck.grace_period, config.lame_duck.duration);
    if grace < duration {
        return Ok(());
    }
    let (grace, duration) = (show(grace), show(duration));
    Err(format!(
        "lame duck grace period ({grace}) should be strictly lower than lame duck duration ({duration})"
    ))
}

fn payload(config: &Config) -> Result<(), String> {
    let (payload, pending) = (config.limits.payload_bytes_max, config.limits.pending_bytes_max);
    if u64::from(payload) <= pending {
        return Ok(());
    }
    Err(format!("max_payload ({payload}) cannot be higher than max_pending ({pending})"))
}

fn system_account(config: &Config) -> Result<(), String> {
    let is_defined = |name: &String| {
        name == defaults::GLOBAL_ACCOUNT || config.accounts.iter().any(|account| &account.name == name)
    };
    match &config.system_account {
        Some(name) if !config.operator.is_used() && !is_defined(name) => {
            Err("error resolving system account: account missing".to_owned())
        }
        _ => Ok(()),
    }
}

fn no_auth_user(config: &Config) -> Result<(), String> {
    config.no_auth_user.as_deref().map_or(Ok(()), |name| is_user(config, name))
}

fn is_user(config: &Config, name: &str) -> Result<(), String> {
    if config.operator.is_used() {
        return Err("no_auth_user not compatible with Trusted Operator".to_owned());
    }
    if config.authorization.users.is_none() && config.users().next().is_none() {
        return Err(format!("no_auth_user: \"{name}\" present, but users/nkeys are not defined"));
    }
    if config.users().any(|(_, user)| user.login.name() == name) {
        return Ok(());
    }
    let place = "authorization block or account configuration";
    Err(format!("no_auth_user: \"{name}\" not present as user or nkey in {place}"))
}

fn cluster(config: &Config) -> Result<(), String> {
    match config.cluster.foreign_route() {
        Some(route) => Err(super::cluster::routes_refused(route)),
        None => Ok(()),
    }
}

fn leafnodes(config: &Config) -> Result<(), String> {
    let known = |name: &str| {
        name == defaults::GLOBAL_ACCOUNT
            || config.accounts.iter().any(|account| account.name == name)
            || (config.system_account.is_none() && config.system_account_name() == Some(name))
    };
    let check = |account: Option<&String>, place: &str| match account {
        Some(name) if !config.operator.is_used() && !known(name) => {
            Err(format!("cannot find local account {name:?} specified in leafnode {place}"))
        }
        _ => Ok(()),
    };
    let auth = &config.leafnodes.authorization;
    check(auth.account.as_ref(), "authorization")?;
    auth.users.iter().try_for_each(|user| check(user.account.as_ref(), "authorization"))?;
    config.leafnodes.remotes.iter().try_for_each(|remote| check(remote.account.as_ref(), "remote"))
}

fn mqtt(config: &Config) -> Result<(), String> {
    let mqtt = &config.mqtt;
    if mqtt.port.is_none() {
        return Ok(());
    }
    if config.server.name.is_none() && config.cluster.port.is_some() {
        return Err("mqtt requires server name to be explicitly set".to_owned());
    }
    mqtt.no_auth_user.as_deref().map_or(Ok(()), |name| is_user(config, name))?;
    let has_users = config.users().next().is_some();
    if has_users && mqtt.authorization.user.is_some() {
        return Err("mqtt authentication username not compatible with presence of users/nkeys".to_owned());
    }
    if has_users && mqtt.authorization.token.is_some() {
        return Err("mqtt authentication token not compatible with presence of users/nkeys".to_owned());
    }
    let has_leafs = config.leafnodes.port.is_some() || !config.leafnodes.remotes.is_empty();
    if !config.jetstream.enabled && !has_leafs {
        return Err("mqtt requires JetStream to be enabled if running in standalone mode".to_owned());
    }
    Ok(())
}

fn jetstream(config: &Config) -> Result<(), String> {
    if let Some(domain) = &config.jetstream.domain {
        let derived = format!("$JS.{domain}.API.>");
        if !subject::is_valid(&derived) {
            return Err(format!("invalid domain name: derived {derived:?} is not a valid subject"));
        }
        if domain.contains(['.', '*', '>']) {
            return Err("invalid domain name: may not contain ., * or >".to_owned());
        }
    }
    config.server.default_js_domains.keys().try_for_each(|name| default_js_domain(config, name))
}

fn default_js_domain(config: &Config, name: &str) -> Result<(), String> {
    if config.system_account_name() == Some(name) {
        return Err(format!("system account {name:?} can not be in default_js_domain"));
    }
    let account = config.accounts.iter().find(|account| account.name == name);
    match account {
        Some(account) if account.jetstream.is_some() => {
            Err(format!("default_js_domain contains account name {name:?} with enabled JetStream"))
        }
        None if name != defaults::GLOBAL_ACCOUNT => {
            Err(format!("in non operator mode, `default_js_domain` references non existing account {name:?}"))
        }
        _ => Ok(()),
    }
}

fn monitoring(config: &Config) -> Result<(), String> {
    let monitor = &config.monitor;
    let wants_certificate = monitor.auth.as_ref().is_some_and(|auth| auth.client_certificate);
    if wants_certificate && monitor.http_port.is_some() {
        return Err("http_auth: client_certificate needs https, and http would be open".to_owned());
    }
    let has_ca = config.client.tls.as_ref().is_some_and(|tls| tls.ca_file.is_some());
    if wants_certificate && !has_ca {
        return Err("http_auth: client_certificate needs a tls block with a ca_file".to_owned());
    }
    Ok(())
}

fn websocket(config: &Config) -> Result<(), String> {
    let ws = &config.websocket;
    if ws.port.is_none() {
        return Ok(());
    }
    if ws.tls.is_none() && !ws.no_tls {
        return Err("websocket requires TLS configuration".to_owned());
    }
    ws.allowed_origins.iter().try_for_each(|origin| is_origin(origin))?;
    ws.no_auth_user.as_deref().map_or(Ok(()), |name| is_user(config, name))?;
    let has_users = config.users().next().is_some();
    if has_users && ws.authorization.user.is_some() {
        return Err(
            "websocket authentication username not compatible with presence of users/nkeys".to_owned()
        );
    }
    if has_users && ws.authorization.token.is_some() {
        return Err("websocket authentication token not compatible with presence of users/nkeys".to_owned());
    }
    match &ws.jwt_cookie {
        Some(cookie) if !config.operator.is_used() => {
            let what = "trusted operators or trusted keys configuration is required";
            return Err(format!("{what} for JWT authentication via cookie {cookie:?}"));
        }
        _ => {}
    }
    ws.headers.keys().try_for_each(|name| is_free_header(name))
}

fn is_origin(origin: &str) -> Result<(), String> {
    let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    match host {
        None => {
            let rule = "allowed origins must be absolute URLs with http or https scheme";
            Err(format!("unable to parse allowed origin {origin:?}: {rule}"))
        }
        Some("") => Err(format!("unable to parse allowed origin {origin:?}: host is required")),
        Some(_) => Ok(()),
    }
}

fn is_free_header(name: &str) -> Result<(), String> {
    let lower = name.to_lowercase();
    if ["host", "content-length", "connection", "upgrade", "nats-no-masking"].contains(&lower.as_str()) {
        return Err(format!("websocket: invalid header {name:?} not allowed"));
    }
    if lower.starts_with("sec-websocket-") {
        return Err(format!("websocket: invalid header {name:?}, \"Sec-WebSocket-\" prefix not allowed"));
    }
    Ok(())
}

fn served(config: &Config) -> Result<(), String> {
    not_served::refusal(config).map_or(Ok(()), Err)
}
