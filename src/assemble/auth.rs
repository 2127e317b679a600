//! `authorization { … }` and the users of accounts.

use std::collections::BTreeSet;

use crate::auth::{
    AuthSettings, ConnectionType, Identity, PermissionSettings, ResponseSettings, SecretVerifier,
    SubjectRules, UserSettings,
};
use crate::callout::CalloutSettings;
use crate::clock::UnixNanos;
use crate::config::tls::Tls;
use crate::config::{Config, Secret, SimpleAuth, authorization, permissions};

/// Who may log in on the client port.
pub fn auth_settings(config: &Config) -> AuthSettings {
    let auth = &config.authorization;
    AuthSettings {
        token: auth.token.as_ref().map(|token| SecretVerifier::new(token.expose())),
        single_user: single_user(auth.user.as_deref(), auth.password.as_ref()),
        users: config.users().map(|(account, user)| user_settings(account, user)).collect(),
        no_auth_user: config.no_auth_user.clone(),
        map_certificate: maps_certificates(config.client.tls.as_ref()),
        global_account_is_open: is_only_system_account_guarded(config),
        callout: auth.callout.as_ref().map(callout),
        tokens_required: config.operator.trusts_anybody(),
    }
}

fn callout(configured: &authorization::AuthCallout) -> CalloutSettings {
    CalloutSettings {
        issuer: configured.issuer.clone(),
        account: configured.account.clone(),
        auth_users: configured.auth_users.clone(),
        xkey: configured.xkey.clone(),
        allowed_accounts: configured.allowed_accounts.clone(),
    }
}

/// Who may log in over WebSocket: the same, unless the `websocket` block says otherwise.
pub fn websocket_auth_settings(config: &Config) -> AuthSettings {
    let websocket = &config.websocket;
    let tls = websocket.tls.as_ref();
    overridden(auth_settings(config), &websocket.authorization, websocket.no_auth_user.as_deref(), tls)
}

/// Who may log in over MQTT: the same, unless the `mqtt` block says otherwise.
pub fn mqtt_auth_settings(config: &Config) -> AuthSettings {
    let mqtt = &config.mqtt;
    overridden(auth_settings(config), &mqtt.authorization, mqtt.no_auth_user.as_deref(), mqtt.tls.as_ref())
}

/// A listener's own single user, token and `no_auth_user` replace the general ones as soon as one of them is set. Its
/// own TLS block alone says whether certificates name users.
fn overridden(
    general: AuthSettings,
    own: &SimpleAuth,
    no_auth_user: Option<&str>,
    tls: Option<&Tls>,
) -> AuthSettings {
    let general = AuthSettings { map_certificate: maps_certificates(tls), ..general };
    if own.user.is_none() && own.token.is_none() && no_auth_user.is_none() {
        return general;
    }
    AuthSettings {
        token: own.token.as_ref().map(|token| SecretVerifier::new(token.expose())),
        single_user: single_user(own.user.as_deref(), own.password.as_ref()),
        no_auth_user: no_auth_user.map(str::to_owned),
        ..general
    }
}

fn single_user(user: Option<&str>, password: Option<&Secret>) -> Option<(String, SecretVerifier)> {
    user.map(|user| (user.to_owned(), SecretVerifier::new(password.map_or("", Secret::expose))))
}

fn maps_certificates(tls: Option<&Tls>) -> bool {
    tls.is_some_and(|tls| tls.verify_and_map)
}

/// Whether the only thing guarded is the system account: then nats-server lets everyone else into the global account.
fn is_only_system_account_guarded(config: &Config) -> bool {
    let [account] = config.accounts.as_slice() else { return false };
    let is_system = config.system_account_name() == Some(account.name.as_str());
    let says_nothing_else =
        config.authorization == authorization::Authorization::default() && config.no_auth_user.is_none();
    is_system && !account.users.is_empty() && says_nothing_else && !config.operator.is_used()
}

fn user_settings(account: &str, user: &authorization::User) -> UserSettings {
    let identity = match &user.login {
        authorization::Login::Password { name, password } => {
            Identity::Password { user: name.clone(), password: SecretVerifier::new(password.expose()) }
        }
        authorization::Login::Nkey(nkey) => Identity::Nkey(nkey.clone()),
    };
    UserSettings {
        account: account.to_owned(),
        identity,
        permissions: user.permissions.as_ref().map(permission_settings),
        connection_types: user.connection_types.as_ref().map(connection_types).unwrap_or_default(),
    }
}

fn connection_types(configured: &BTreeSet<authorization::ConnectionType>) -> BTreeSet<ConnectionType> {
    use authorization::ConnectionType as Configured;
    let translate = |kind: &Configured| match kind {
        Configured::Standard => ConnectionType::Standard,
        Configured::WebSocket => ConnectionType::Websocket,
        Configured::LeafNode => ConnectionType::Leafnode,
        Configured::LeafNodeWebSocket => ConnectionType::LeafnodeWs,
        Configured::Mqtt => ConnectionType::Mqtt,
        Configured::MqttWebSocket => ConnectionType::MqttWs,
        Configured::InProcess => ConnectionType::InProcess,
    };
    configured.iter().map(translate).collect()
}

fn permission_settings(configured: &permissions::Permissions) -> PermissionSettings {
    PermissionSettings {
        publish: configured.publish.as_ref().map(subject_rules).unwrap_or_default(),
        subscribe: configured.subscribe.as_ref().map(subject_rules).unwrap_or_default(),
        responses: configured.responses.as_ref().map(response_settings),
    }
}

/// An empty allow list is one that `allow_responses` brought about, which the compiled form knows by itself.
fn subject_rules(configured: &permissions::SubjectRules) -> SubjectRules {
    let text = |rule: &permissions::SubjectRule| match &rule.queue {
        Some(queue) => format!("{} {queue}", rule.subject),
        None => rule.subject.clone(),
    };
    SubjectRules {
        allow: configured.allow.iter().flatten().map(text).collect(),
        deny: configured.deny.iter().map(text).collect(),
    }
}

fn response_settings(configured: &permissions::ResponsePermission) -> ResponseSettings {
    let nanos = |time: std::time::Duration| UnixNanos::try_from(time.as_nanos()).unwrap_or(UnixNanos::MAX);
    ResponseSettings {
        messages_max: configured.messages_max.map(|max| u32::try_from(max).unwrap_or(u32::MAX)),
        expires_after_nanos: configured.expires.map(nanos),
    }
}
