//! `$SYS.REQ.ACCOUNT.<account>.<what>`: operators ask about one account, or with `PING` about all.

use std::sync::Arc;

use serde::Deserialize;

use super::desk::{Desk, Json, NoOptions, Outcome, json, read};
use super::{events, subscribers};
use crate::account::Account;
use crate::monitor::{BadRequest, accountz, accstatz, connz, jsz, leafz, subsz};
use crate::router::{Dispatch, Message, Service};

/// What to subscribe to.
pub(super) const SUBJECT: &str = "$SYS.REQ.ACCOUNT.*.*";

/// How many subscriptions there are for a subject.
pub(super) const COUNT_SUBJECT: &str = "$SYS.REQ.ACCOUNT.NSUBS";

const PREFIX: &str = "$SYS.REQ.ACCOUNT.";

/// The service, in the system account.
pub(super) struct AccountRequests {
    pub(super) desk: Arc<Desk>,
    pub(super) account: Arc<Account>,
}

/// What is counted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CountOptions {
    acc: String,
    subject: String,
    queue: String,
}

impl Service for AccountRequests {
    fn deliver(&self, cx: &mut Dispatch, request: &Message<'_>) -> bool {
        match self.outcome(request) {
            Outcome::Unknown => return false,
            Outcome::Answer(answer) if !request.reply.is_empty() => {
                self.account
                    .publish(cx, &Message { subject: request.reply, payload: &answer, ..Message::default() });
            }
            Outcome::Answer(_) | Outcome::Silence => {}
        }
        true
    }
}

impl AccountRequests {
    fn outcome(&self, request: &Message<'_>) -> Outcome {
        let asked = std::str::from_utf8(request.subject).ok().and_then(|text| text.strip_prefix(PREFIX));
        match asked.map(|asked| asked.split_once('.').unwrap_or(("", asked))) {
            Some(("", "NSUBS")) => self.count(request.payload),
            Some(("PING", "STATZ")) => statz(&self.desk, None, request.payload),
            Some((account, what)) => answer(&self.desk, account, what, request.payload),
            None => Outcome::Unknown,
        }
    }

    /// A bare number, for accounts that somebody is connected to.
    fn count(&self, body: &[u8]) -> Outcome {
        let Ok(CountOptions { acc, subject: wanted, queue }) = read(body) else { return Outcome::Silence };
        let account = self.desk.server.accounts().get(&acc);
        let Some(account) = account.filter(|account| account.connection_count() > 0) else {
            return Outcome::Silence;
        };
        let queue = (!queue.is_empty()).then_some(queue.as_bytes());
        Outcome::Answer(json(&subscribers::count(&account, wanted.as_bytes(), queue)))
    }
}

/// What `what` says about one account.
pub(super) fn answer(desk: &Desk, account: &str, what: &str, body: &[u8]) -> Outcome {
    let source = &*desk.source;
    let name = || account.to_owned();
    match what {
        "CONNZ" => desk.with(body, |options| {
            Ok(json(&connz::connz(source, &connz::ConnzOptions { acc: name(), ..options })?))
        }),
        "SUBSZ" => desk.with(body, |options| {
            let options = subsz::SubszOptions { account: name(), subscriptions: true, ..options };
            Ok(json(&subsz::subsz(source, &options)?))
        }),
        "LEAFZ" => desk.with(body, |options| {
            Ok(json(&leafz::leafz(source, &leafz::LeafzOptions { account: name(), ..options })))
        }),
        "JSZ" => desk.with(body, |options| jetstream(desk, jsz::JszOptions { account: name(), ..options })),
        "INFO" => desk.with(body, |NoOptions {}| {
            let found = accountz::accountz(source, &accountz::AccountzOptions { account: name() })?;
            Ok(json(&found.account_detail))
        }),
        "STATZ" => statz(desk, Some(account), body),
        "CONNS" => match events::connections_of(desk, account) {
            Some(event) => Outcome::Answer(event),
            None => Outcome::Silence,
        },
        _ => Outcome::Unknown,
    }
}

fn jetstream(desk: &Desk, options: jsz::JszOptions) -> Result<Json, BadRequest> {
    if let Some(detail) = jsz::jsz_of_account(&*desk.source, &options) {
        return Ok(json(&detail));
    }
    let account = &options.account;
    Err(BadRequest(match desk.server.accounts().get(account) {
        Some(_) => format!("account {account:?} not jetstream enabled"),
        None => format!("account {account:?} not found"),
    }))
}

/// Of one account, or of all. Unused ones are shown only if that is asked for.
pub(super) fn statz(desk: &Desk, account: Option<&str>, body: &[u8]) -> Outcome {
    let body_options = |options: accstatz::AccstatzOptions| match account {
        Some(account) => accstatz::AccstatzOptions { accounts: vec![account.to_owned()], ..options },
        None => options,
    };
    desk.answering(body, |options| {
        let options = body_options(options);
        let found = accstatz::accstatz(&*desk.source, &options);
        if found.account_statz.is_empty() && !options.include_unused {
            return Outcome::Silence;
        }
        Outcome::Answer(desk.enveloped(&[("data", json(&found))]))
    })
}
