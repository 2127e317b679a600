//! `$SYS.REQ.USER.INFO`: a client asks who it is.

use std::sync::{Arc, Weak};

use serde::Serialize;

use super::{Envelope, ServerInfo};
use crate::account::Account;
use crate::auth::{PermissionSettings, SubjectRules, TokenIdentity};
use crate::router::{ClientInfo, Dispatch, InTrace, Message, Service};
use crate::server::Server;

/// What to send a request to.
pub(super) const SUBJECT: &str = "$SYS.REQ.USER.INFO";

/// The service in one account.
pub(super) struct UserInfo {
    server: Weak<Server>,
    account: Weak<Account>,
}

impl UserInfo {
    pub(super) fn new(server: &Arc<Server>, account: &Arc<Account>) -> Self {
        Self { server: Arc::downgrade(server), account: Arc::downgrade(account) }
    }

    fn answer(&self, cx: &mut Dispatch, reply: &[u8]) -> Option<()> {
        let (server, account) = (self.server.upgrade()?, self.account.upgrade()?);
        let answer = Envelope { server: ServerInfo::now(&server), data: describe(&server, cx.origin()?) };
        let payload = serde_json::to_vec(&answer).ok()?;
        account.publish(cx, &Message { subject: reply, payload: &payload, ..Message::default() });
        Some(())
    }
}

impl Service for UserInfo {
    fn deliver(&self, cx: &mut Dispatch, message: &Message<'_>) -> bool {
        if !message.reply.is_empty() {
            let answered = self.answer(cx, message.reply);
            log::trace!("user info answered: {}", answered.is_some());
        }
        true
    }

    /// In nats-server a service of the system account.
    fn in_trace(&self, _: &Message<'_>) -> InTrace {
        let Some(account) = self.account.upgrade() else { return InTrace::Unseen };
        let to = format!("$SYS.REQ.USER.{}.INFO", account.name()).into_bytes();
        InTrace::Import { account: account.system_account().clone(), to }
    }
}

#[derive(Debug, Serialize)]
struct User {
    user: String,
    account: String,
    account_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    user_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<Permissions>,
    /// Nanoseconds until the login ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<i64>,
}

#[derive(Debug, Serialize)]
struct Permissions {
    #[serde(skip_serializing_if = "Option::is_none")]
    publish: Option<Rules>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscribe: Option<Rules>,
    #[serde(skip_serializing_if = "Option::is_none")]
    responses: Option<Responses>,
}

#[derive(Debug, Serialize)]
struct Rules {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allow: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    deny: Vec<String>,
}

/// `max` of -1 is no limit; `ttl` is in nanoseconds, -1 for ever.
#[derive(Debug, Serialize)]
struct Responses {
    max: i64,
    ttl: i64,
}

fn describe(server: &Server, client: &ClientInfo) -> User {
    if let Some(token) = &client.token {
        return describe_token(server, client, token);
    }
    let options = server.options();
    let configured = options.auth.users.iter().find(|user| user.identity.name() == &*client.user);
    User {
        user: client.user.to_string(),
        account: client.account.to_string(),
        account_name: client.account.to_string(),
        user_name: String::new(),
        permissions: configured.and_then(|user| user.permissions.as_ref()).map(permissions),
        expires: None,
    }
}

fn describe_token(server: &Server, client: &ClientInfo, token: &TokenIdentity) -> User {
    let restricted = token.permissions != PermissionSettings::default();
    User {
        user: client.user.to_string(),
        account: client.account.to_string(),
        account_name: token.account_name.to_string(),
        user_name: token.name.to_string(),
        permissions: restricted.then(|| permissions(&token.permissions)),
        expires: token.expires.map(|end| end.saturating_sub(server.clock().now()).max(0)),
    }
}

fn permissions(settings: &PermissionSettings) -> Permissions {
    Permissions {
        publish: rules(&settings.publish),
        subscribe: rules(&settings.subscribe),
        responses: settings.responses.map(|responses| Responses {
            max: responses.messages_max.map_or(-1, i64::from),
            ttl: responses.expires_after_nanos.unwrap_or(-1),
        }),
    }
}

fn rules(rules: &SubjectRules) -> Option<Rules> {
    let any = !rules.allow.is_empty() || !rules.deny.is_empty();
    any.then(|| Rules { allow: rules.allow.clone(), deny: rules.deny.clone() })
}
