//! `$SYS.REQ.CLAIMS.*` and `$SYS.REQ.ACCOUNT.<account>.CLAIMS.*`: how tools push, list and delete account tokens.
//!
//! Requests touch files, so they are answered on threads that may block, one at a time.

mod ask;
mod delete;
mod list;
mod lookup;
mod pack;
mod update;

use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use serde::Serialize;

pub(super) use self::ask::ask_others;

use super::{Operator, Untaken};
use crate::account::Account;
use crate::router::{Dispatch, Message, Service};
use crate::server::Server;
use crate::system::ServerInfo;

/// What the services are subscribed to.
const CLAIMS: &str = "$SYS.REQ.CLAIMS.*";
const OF_ACCOUNT: &str = "$SYS.REQ.ACCOUNT.*.CLAIMS.*";
const OF_ACCOUNT_OLD: &str = "$SYS.ACCOUNT.*.CLAIMS.UPDATE";

/// The longest request that is looked at: a token, and some.
const REQUEST_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Requests that may wait; further ones stay unanswered.
const WAITING_MAX: usize = 64;

/// Offers the services in the system account.
pub(super) fn serve(operator: &Arc<Operator>, server: &Arc<Server>) {
    let account = server.accounts().system();
    let service = Arc::new(ClaimsApi {
        operator: Arc::downgrade(operator),
        server: Arc::downgrade(server),
        turn: Arc::default(),
    });
    for subject in [CLAIMS, OF_ACCOUNT, OF_ACCOUNT_OLD] {
        match account.subscribe_service(subject, None, service.clone()) {
            Ok(subscription) => operator.services.lock().push(subscription),
            Err(error) => log::error!("{error}"),
        }
    }
}

struct ClaimsApi {
    operator: Weak<Operator>,
    server: Weak<Server>,
    /// Held by the request that is being answered.
    turn: Arc<Mutex<()>>,
}

/// What is asked.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Update,
    UpdateOf(String),
    LookUp(String),
    Delete,
    List,
    Pack,
}

/// One request, and where its answers go.
struct Request {
    operator: Arc<Operator>,
    server: Arc<Server>,
    account: Arc<Account>,
    body: Vec<u8>,
    reply: Vec<u8>,
}

impl Service for ClaimsApi {
    fn deliver(&self, _: &mut Dispatch, message: &Message<'_>) -> bool {
        let Some((operator, server)) = self.operator.upgrade().zip(self.server.upgrade()) else {
            return false;
        };
        let Some(asked) = asked(message.subject).filter(|asked| asked.is_served(&operator)) else {
            return false;
        };
        if message.payload.len() > REQUEST_BYTES_MAX || Arc::strong_count(&self.turn) > WAITING_MAX {
            return true;
        }
        let request = Request {
            account: server.accounts().system().clone(),
            operator,
            server,
            body: message.payload.to_vec(),
            reply: message.reply.to_vec(),
        };
        let turn = self.turn.clone();
        tokio::task::spawn_blocking(move || {
            let _turn = turn.lock();
            request.answer(asked);
        });
        true
    }
}

fn asked(subject: &[u8]) -> Option<Asked> {
    let subject = std::str::from_utf8(subject).ok()?;
    let tokens: Vec<&str> = subject.split('.').collect();
    match *tokens.as_slice() {
        ["$SYS", "REQ", "CLAIMS", "UPDATE"] => Some(Asked::Update),
        ["$SYS", "REQ", "CLAIMS", "DELETE"] => Some(Asked::Delete),
        ["$SYS", "REQ", "CLAIMS", "LIST"] => Some(Asked::List),
        ["$SYS", "REQ", "CLAIMS", "PACK"] => Some(Asked::Pack),
        ["$SYS", "REQ", "ACCOUNT", id, "CLAIMS", "UPDATE"] | ["$SYS", "ACCOUNT", id, "CLAIMS", "UPDATE"] => {
            Some(Asked::UpdateOf(id.to_owned()))
        }
        ["$SYS", "REQ", "ACCOUNT", id, "CLAIMS", "LOOKUP"] => Some(Asked::LookUp(id.to_owned())),
        _ => None,
    }
}

impl Asked {
    /// Only a directory holds accounts for others; a cache leaves it to those that hold all.
    fn is_served(&self, operator: &Operator) -> bool {
        let directory = operator.resolver.directory();
        match self {
            Self::UpdateOf(_) => true,
            Self::Update | Self::Delete | Self::List => directory.is_some(),
            Self::LookUp(_) | Self::Pack => directory.is_some_and(super::Directory::is_full),
        }
    }
}

impl Request {
    fn answer(&self, asked: Asked) {
        match asked {
            Asked::Update => update::answer(self, None),
            Asked::UpdateOf(id) => update::answer(self, Some(&id)),
            Asked::LookUp(id) => lookup::answer(self, &id),
            Asked::Delete => delete::answer(self),
            Asked::List => list::answer(self),
            Asked::Pack => pack::answer(self),
        }
    }

    fn body_text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_default().trim()
    }

    fn send(&self, payload: &[u8]) {
        if !self.reply.is_empty() {
            let message = Message { subject: &self.reply, payload, ..Message::default() };
            self.account.publish(&mut Dispatch::internal(), &message);
        }
    }

    fn send_json(&self, answer: &impl Serialize) {
        self.send(&serde_json::to_vec(answer).unwrap_or_default());
    }

    /// Tells that something was done.
    fn succeed(&self, account: &str, message: &str) {
        log::debug!("{message}{}", named(account));
        let data = Status { account, code: 200, message: Some(message), description: None };
        self.send_json(&Answer { server: ServerInfo::now(&self.server), data: Some(data), error: None });
    }

    /// Tells that something was not done, and why.
    fn fail(&self, account: &str, what: &str, reason: &str) {
        log::error!("{what}{} - {reason}", named(account));
        let description = format!("{what} - {reason}");
        let error = Status { account, code: 500, message: None, description: Some(description) };
        self.send_json(&Answer { server: ServerInfo::now(&self.server), data: None, error: Some(error) });
    }
}

/// As log lines name an account, if it is about one.
fn named(account: &str) -> String {
    if account.is_empty() { String::new() } else { format!(" - {account}") }
}

#[derive(Serialize)]
struct Answer<'a> {
    server: ServerInfo,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Status<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Status<'a>>,
}

#[derive(Serialize)]
struct Status<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    account: &'a str,
    code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

/// Why an account was not taken, in nats-server's words.
fn reason(untaken: &Untaken) -> String {
    match untaken {
        Untaken::Jwt(error) => error.to_string(),
        Untaken::Invalid => "account validation failed".to_owned(),
        Untaken::OtherAccount => "subject does not match jwt content".to_owned(),
    }
}
