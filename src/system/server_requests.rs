//! `$SYS.REQ.SERVER.PING[.<what>]` and `$SYS.REQ.SERVER.<id>.<what>`: operators' tools ask the server about itself, and tell it
//! what to do.
//!
//! The answers are those of monitoring over HTTP, in an envelope that says who gives them.

use std::collections::BTreeMap;
use std::sync::Arc;

use headwater_protocol::client::encode_info;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::desk::{Desk, NoOptions, Outcome, json, read};
use super::events;
use super::reload::ReloadRequest;
use super::statsz::statsz;
use crate::account::Account;
use crate::monitor::{accountz, connz, expvarz, gatewayz, healthz, jsz, leafz, routez, subsz, varz};
use crate::router::{CloseReason, Dispatch, Message, Receiver, Service};
use crate::session::Client;

/// What the subjects begin with.
pub(super) const PREFIX: &str = "$SYS.REQ.SERVER.";

/// The service, in the system account.
pub(super) struct ServerRequests {
    pub(super) desk: Arc<Desk>,
    pub(super) account: Arc<Account>,
    pub(super) reloads: mpsc::Sender<ReloadRequest>,
}

/// Which client an order is about.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ClientOrder {
    cid: u64,
}

/// Profiles are something of Go's.
#[derive(Debug, Serialize)]
struct NoProfile {
    profile: Option<()>,
    error: &'static str,
}

impl Service for ServerRequests {
    fn deliver(&self, cx: &mut Dispatch, request: &Message<'_>) -> bool {
        let Some((what, to_all)) = self.asked(request.subject) else { return false };
        let reply = match request.reply {
            // Without somewhere to answer, the summary is for everyone.
            b"" if what == "STATSZ" => events::statsz_subject(self.desk.server.id()).into_bytes(),
            reply => reply.to_vec(),
        };
        let outcome = match self.order(what, request).filter(|_| !to_all) {
            Some(outcome) => outcome,
            None => self.answer(what, request.payload),
        };
        match outcome {
            Outcome::Unknown => return false,
            Outcome::Answer(answer) if !reply.is_empty() => {
                self.account
                    .publish(cx, &Message { subject: &reply, payload: &answer, ..Message::default() });
            }
            Outcome::Answer(_) | Outcome::Silence => {}
        }
        true
    }
}

impl ServerRequests {
    /// What is asked, if it is this server that is asked, and whether all servers are.
    fn asked<'a>(&self, subject: &'a [u8]) -> Option<(&'a str, bool)> {
        let rest = std::str::from_utf8(subject).ok()?.strip_prefix(PREFIX)?;
        match rest.split_once('.') {
            None if rest == "PING" => Some(("STATSZ", true)),
            Some(("PING", what)) => Some((what, true)),
            Some((to, what)) if to == self.desk.server.id() => Some((what, false)),
            _ => None,
        }
    }

    fn answer(&self, what: &str, body: &[u8]) -> Outcome {
        let (desk, source) = (&*self.desk, &*self.desk.source);
        match what {
            "IDZ" => desk.answering(body, |NoOptions {}| Outcome::Answer(self.identity())),
            "STATSZ" => desk.answering(body, |NoOptions {}| {
                Outcome::Answer(desk.enveloped(&[("statsz", json(&statsz(source)))]))
            }),
            "VARZ" => desk.with(body, |NoOptions {}| Ok(json(&varz::varz(source, BTreeMap::new())))),
            "ROUTEZ" => desk.with(body, |NoOptions {}| Ok(json(&routez::routez(source)))),
            "GATEWAYZ" => desk.with(body, |NoOptions {}| Ok(json(&gatewayz::gatewayz(source)))),
            "CONNZ" => desk.with(body, |options| Ok(json(&connz::connz(source, &options)?))),
            "SUBSZ" => desk.with(body, |options| Ok(json(&subsz::subsz(source, &options)?))),
            "LEAFZ" => desk.with(body, |options| Ok(json(&leafz::leafz(source, &options)))),
            "ACCOUNTZ" => desk.with(body, |options| Ok(json(&accountz::accountz(source, &options)?))),
            "JSZ" => desk.with(body, |options| Ok(json(&jsz::jsz(source, &options)))),
            "HEALTHZ" => desk.with(body, |options| Ok(json(&healthz::healthz(source, &options)))),
            "EXPVARZ" => desk.with(body, |NoOptions {}| Ok(json(&expvarz::expvarz(source)))),
            "IPQUEUESZ" | "RAFTZ" => desk.with(body, |NoOptions {}| Ok(json(&varz::Absent {}))),
            "PROFILEZ" => desk.with(body, |NoOptions {}| {
                Ok(json(&NoProfile { profile: None, error: "this server has no profiles" }))
            }),
            _ => Outcome::Unknown,
        }
    }

    /// What only one server at a time is told to do.
    fn order(&self, what: &str, request: &Message<'_>) -> Option<Outcome> {
        Some(match what {
            "RELOAD" => self.reload(request),
            "KICK" => self.client_order(request.payload, "no such client or leafnode id", &|client| {
                client.subscriber().outbound().close_after_flush(CloseReason::Kicked);
            }),
            "LDM" => self.client_order(request.payload, "no such client id", &|client| {
                let mut line = Vec::new();
                let info = self.desk.server.info_for(client, "");
                encode_info(&mut line, &headwater_protocol::client::Info { ldm: true, ..info });
                client.send_line(&line);
            }),
            _ => return None,
        })
    }

    fn client_order(&self, body: &[u8], unknown: &str, order: &dyn Fn(&Client)) -> Outcome {
        // What cannot be read is not answered, as in nats-server.
        let Ok(ClientOrder { cid }) = read(body) else { return Outcome::Silence };
        self.desk.order(body, &mut || {
            let client = self.desk.server.clients().get(cid).ok_or_else(|| unknown.to_owned())?;
            order(&client);
            Ok(())
        })
    }

    /// The reload itself takes its time elsewhere; its outcome is answered then.
    fn reload(&self, request: &Message<'_>) -> Outcome {
        self.desk.answering(request.payload, |NoOptions {}| {
            let desk = self.desk.clone();
            match self.reloads.try_send(ReloadRequest::new(desk, self.account.clone(), request.reply)) {
                Ok(()) => Outcome::Silence,
                Err(_) => Outcome::Answer(self.desk.done(Err("a reload is under way already".to_owned()))),
            }
        })
    }

    fn identity(&self) -> Vec<u8> {
        let server = &self.desk.server;
        let host = server.options().host.clone();
        json(&Identity { name: server.name(), host: &host, id: server.id() })
    }
}

#[derive(Serialize)]
struct Identity<'a> {
    name: &'a str,
    host: &'a str,
    id: &'a str,
}
