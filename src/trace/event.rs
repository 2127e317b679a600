//! What traces tell, as JSON.

use headwater_protocol::jetstream::timestamp::Timestamp;
use serde::Serialize;

use super::{Published, text};
use crate::router::ClientInfo;

/// nats-server's number for clients, whatever they are connected by.
const CLIENT: u8 = 0;

/// One step of a message.
#[derive(Debug, Serialize)]
#[serde(tag = "type")]
pub(super) enum Event {
    #[serde(rename = "in")]
    Ingress {
        ts: Timestamp,
        kind: u8,
        cid: u64,
        #[serde(skip_serializing_if = "String::is_empty")]
        name: String,
        acc: String,
        subj: String,
        #[serde(skip_serializing_if = "String::is_empty")]
        error: String,
    },
    #[serde(rename = "sm")]
    SubjectMapping { ts: Timestamp, to: String },
    #[serde(rename = "se")]
    StreamExport { ts: Timestamp, acc: String, to: String },
    #[serde(rename = "si")]
    ServiceImport { ts: Timestamp, acc: String, from: String, to: String },
    #[serde(rename = "js")]
    JetStream {
        ts: Timestamp,
        stream: String,
        #[serde(skip_serializing_if = "String::is_empty")]
        subject: String,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        nointerest: bool,
        #[serde(skip_serializing_if = "String::is_empty")]
        error: String,
    },
    #[serde(rename = "eg")]
    Egress {
        ts: Timestamp,
        kind: u8,
        cid: u64,
        #[serde(skip_serializing_if = "String::is_empty")]
        name: String,
        #[serde(skip_serializing_if = "String::is_empty")]
        acc: String,
        #[serde(skip_serializing_if = "String::is_empty")]
        sub: String,
        #[serde(skip_serializing_if = "String::is_empty")]
        queue: String,
        #[serde(skip_serializing_if = "str::is_empty")]
        error: &'static str,
    },
}

/// What a stream made of a traced message.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Storing {
    /// The subject it is stored under; empty if it was refused before that was of interest.
    pub subject: Vec<u8>,
    /// Under interest retention: nobody wants it, so it is not stored.
    pub no_interest: bool,
    /// Why it was not stored; empty if it was.
    pub error: String,
}

/// Why a client did not get a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undelivered {
    /// It published the message itself and does not want to hear that.
    NoEcho,
    /// Its permissions deny it.
    Denied,
    /// The subscription has ended.
    SubscriptionClosed,
    /// The subscription has had as many messages as it wanted.
    AutoUnsubscribed,
    /// Too much waits for it, and the publisher is not held back.
    Crowded,
    /// The connection has ended.
    ClientClosed,
}

impl Undelivered {
    fn text(self) -> &'static str {
        match self {
            Self::NoEcho => "Not delivered because of no echo",
            Self::Denied => "Not delivered because subscription denies this subject",
            Self::SubscriptionClosed => "Not delivered because subscription is closed",
            Self::AutoUnsubscribed => "Not delivered because auto-unsubscribe exceeded",
            Self::Crowded => "Not delivered because fast producer not stalled and consumer is slow",
            Self::ClientClosed => "Not delivered because client is closed",
        }
    }
}

impl Event {
    pub(super) fn ingress(ts: Timestamp, message: &Published<'_>, account: &str) -> Self {
        Self::Ingress {
            ts,
            kind: CLIENT,
            cid: message.by.cid,
            name: message.by.name.to_string(),
            acc: account.to_owned(),
            subj: text(message.subject),
            error: String::new(),
        }
    }

    pub(super) fn jetstream(ts: Timestamp, stream: &str, storing: Storing) -> Self {
        let Storing { subject, no_interest: nointerest, error } = storing;
        Self::JetStream { ts, stream: stream.to_owned(), subject: text(&subject), nointerest, error }
    }

    /// Whose connection it is, is looked up when the trace is sent.
    pub(super) fn egress(
        ts: Timestamp,
        cid: u64,
        subscription: &[u8],
        queue: Option<&[u8]>,
        undelivered: Option<Undelivered>,
    ) -> Self {
        Self::Egress {
            ts,
            kind: CLIENT,
            cid,
            name: String::new(),
            acc: String::new(),
            sub: text(subscription),
            queue: queue.map(text).unwrap_or_default(),
            error: undelivered.map_or("", Undelivered::text),
        }
    }

    pub(super) fn refuse(&mut self, why: &str) {
        if let Self::Ingress { error, .. } = self {
            why.clone_into(error);
        }
    }

    /// The account the message was published in.
    pub(super) fn origin(&self) -> Option<&str> {
        match self {
            Self::Ingress { acc, .. } => Some(acc),
            _ => None,
        }
    }

    /// The connection the message went to.
    pub(super) fn receiver(&self) -> Option<u64> {
        match self {
            Self::Egress { cid, .. } => Some(*cid),
            _ => None,
        }
    }

    /// Says who the message went to; the account only where it is not the `origin`.
    pub(super) fn identify(&mut self, client: &ClientInfo, origin: &str) {
        if let Self::Egress { name, acc, .. } = self {
            client.name.as_ref().clone_into(name);
            if *client.account != *origin {
                client.account.as_ref().clone_into(acc);
            }
        }
    }
}
