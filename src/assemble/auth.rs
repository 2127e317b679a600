//! `authorization { … }` and the users of accounts.

use std::collections::BTreeSet;

use crate::auth::{
    AuthSettings, ConnectionType, Identity, PermissionSettings, ResponseSettings, SecretVerifier, SubjectRules,
    UserSettings,
};
use crate::config::authorization::{self, Login, User};
use crate::config::permissions::{self, Permissions, ResponsePermission, SubjectRule};
use crate::config::{Config, Secret};

/// Who may log in on the client port.
pub(super) fn auth_settings(config: &Config) -> AuthSettings {
    let auth = &config.authorization;
    let single = auth.user.clone().map(|user| (user, verifier(auth.password.as_ref())));
    AuthSettings {
        token: auth.token.as_ref().map(|token| SecretVerifier::new(token.expose())),
        single_user: single,
        users: config.users().map(|(account, user)| user_settings(account, user)).collect(),
        no_auth_user: config.no_auth_user.clone(),
        map_certificate: config.client.tls.as_ref().is_some_and(|tls| tls.verify_and_map),
    }
}

fn verifier(secret: Option<&Secret>) -> SecretVerifier {
    SecretVerifier::new(secret.map_or("", Secret::expose))
}

fn user_settings(account: &str, user: &User) -> UserSettings {
    UserSettings {
        account: account.to_owned(),
        identity: match &user.login {
            Login::Password { name, password } => {
                Identity::Password { user: name.clone(), password: verifier(Some(password)) }
            }
            Login::Nkey(nkey) => Identity::Nkey(nkey.clone()),
        },
        permissions: user.permissions.as_ref().map(permission_settings),
        connection_types: user.connection_types.iter().flatten().filter_map(connection_type).collect::<BTreeSet<_>>(),
    }
}

/// There are no in-process connections; a user limited to them cannot connect, which an unknown kind ensures.
fn connection_type(kind: &authorization::ConnectionType) -> Option<ConnectionType> {
    use authorization::ConnectionType as Configured;
    Some(match kind {
        Configured::Standard => ConnectionType::Standard,
        Configured::WebSocket => ConnectionType::Websocket,
        Configured::LeafNode => ConnectionType::Leafnode,
        Configured::LeafNodeWebSocket => ConnectionType::LeafnodeWs,
        Configured::Mqtt => ConnectionType::Mqtt,
        Configured::MqttWebSocket => ConnectionType::MqttWs,
        Configured::InProcess => ConnectionType::InProcess,
    })
}

fn permission_settings(permissions: &Permissions) -> PermissionSettings {
    PermissionSettings {
        publish: rules(permissions.publish.as_ref()),
        subscribe: rules(permissions.subscribe.as_ref()),
        responses: permissions.responses.as_ref().map(responses),
    }
}

/// An allow list that is there and empty allows nothing, which the compiled form says by denying everything.
fn rules(rules: Option<&permissions::SubjectRules>) -> SubjectRules {
    let Some(rules) = rules else { return SubjectRules::default() };
    let mut deny: Vec<String> = rules.deny.iter().map(rule).collect();
    let allow: Vec<String> = rules.allow.iter().flatten().map(rule).collect();
    if rules.allow.is_some() && allow.is_empty() {
        deny.push(">".to_owned());
    }
    SubjectRules { allow, deny }
}

fn rule(rule: &SubjectRule) -> String {
    match &rule.queue {
        Some(queue) => format!("{} {queue}", rule.subject),
        None => rule.subject.clone(),
    }
}

fn responses(responses: &ResponsePermission) -> ResponseSettings {
    ResponseSettings {
        messages_max: responses.messages_max.map(|max| u32::try_from(max).unwrap_or(u32::MAX)),
        expires_after_nanos: responses
            .expires
            .map(|expires| i64::try_from(expires.as_nanos()).unwrap_or(i64::MAX)),
    }
}
