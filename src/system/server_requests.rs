//! `$SYS.REQ.SERVER.PING[.<what>]` and `$SYS.REQ.SERVER.<id>.<what>`: operators' tools ask the server about itself.
//!
//! The answers are those of monitoring over HTTP, in an envelope that says who gives them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::envelope::ServerInfo;
use super::statsz::statsz;
use crate::account::Account;
use crate::monitor::{BadRequest, Source};
use crate::monitor::{accountz, connz, gatewayz, healthz, jsz, leafz, routez, subsz, varz};
use crate::router::{Dispatch, Message, Service};
use crate::server::Server;

/// What the subjects begin with.
pub(super) const PREFIX: &str = "$SYS.REQ.SERVER.";

/// The service, in the system account.
pub(super) struct ServerRequests {
    pub(super) server: Arc<Server>,
    pub(super) source: Arc<dyn Source>,
    pub(super) account: Arc<Account>,
}

/// Which servers are meant; what is left out matches all.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Filter {
    server_name: String,
    cluster: String,
    host: String,
    domain: String,
    tags: Vec<String>,
    exact_match: bool,
}

/// Of requests that have none besides the filter.
#[derive(Debug, Default, Deserialize)]
struct NoOptions {}

/// What is wrong with a request.
#[derive(Debug, Serialize)]
struct Problem {
    code: u16,
    description: String,
}

impl Service for ServerRequests {
    fn deliver(&self, cx: &mut Dispatch, request: &Message<'_>) -> bool {
        let Some(what) = self.asked(request.subject) else { return false };
        let answer = match self.answer(what, request.payload) {
            Some(Ok(Some(answer))) => answer,
            Some(Ok(None)) => return true,
            Some(Err(problem)) => self.enveloped("error", &problem),
            None => return false,
        };
        if !request.reply.is_empty() {
            self.account
                .publish(cx, &Message { subject: request.reply, payload: &answer, ..Message::default() });
        }
        true
    }
}

impl ServerRequests {
    /// What is asked, if it is this server that is asked.
    fn asked<'a>(&self, subject: &'a [u8]) -> Option<&'a str> {
        let rest = std::str::from_utf8(subject).ok()?.strip_prefix(PREFIX)?;
        match rest.split_once('.') {
            None if rest == "PING" => Some("STATSZ"),
            Some((to, what)) if to == "PING" || to == self.server.id() => Some(what),
            _ => None,
        }
    }

    /// `None` for what nobody knows; nothing to say where the filter means others.
    fn answer(&self, what: &str, body: &[u8]) -> Option<Result<Option<Vec<u8>>, Problem>> {
        let source = &*self.source;
        let answer = match what {
            "IDZ" => self.with(body, |NoOptions {}| Ok(self.identity())),
            "STATSZ" => self.with(body, |NoOptions {}| Ok(self.enveloped("statsz", &statsz(source)))),
            "VARZ" => self.with(body, |NoOptions {}| Ok(self.data(&varz::varz(source, BTreeMap::new())))),
            "ROUTEZ" => self.with(body, |NoOptions {}| Ok(self.data(&routez::routez(source)))),
            "GATEWAYZ" => self.with(body, |NoOptions {}| Ok(self.data(&gatewayz::gatewayz(source)))),
            "CONNZ" => self.with(body, |options| Ok(self.data(&connz::connz(source, &options)?))),
            "SUBSZ" => self.with(body, |options| Ok(self.data(&subsz::subsz(source, &options)?))),
            "LEAFZ" => self.with(body, |options| Ok(self.data(&leafz::leafz(source, &options)))),
            "ACCOUNTZ" => self.with(body, |options| Ok(self.data(&accountz::accountz(source, &options)?))),
            "JSZ" => self.with(body, |options| Ok(self.data(&jsz::jsz(source, &options)))),
            "HEALTHZ" => self.with(body, |options| Ok(self.data(&healthz::healthz(source, &options)))),
            _ => return None,
        };
        Some(answer)
    }

    fn with<O: DeserializeOwned + Default>(
        &self,
        body: &[u8],
        answer: impl FnOnce(O) -> Result<Vec<u8>, BadRequest>,
    ) -> Result<Option<Vec<u8>>, Problem> {
        let bad = |description: String| Problem { code: 400, description };
        let filter: Filter = read(body).map_err(bad)?;
        if !self.is_meant(&filter) {
            return Ok(None);
        }
        let options = read(body).map_err(bad)?;
        answer(options).map(Some).map_err(|BadRequest(text)| bad(text))
    }

    fn is_meant(&self, filter: &Filter) -> bool {
        let options = self.server.options();
        let fits = |wanted: &str, actual: &str| {
            wanted.is_empty() || if filter.exact_match { wanted == actual } else { actual.contains(wanted) }
        };
        fits(&filter.server_name, self.server.name())
            && fits(&filter.host, &options.host)
            && fits(&filter.domain, &options.jetstream_domain)
            && filter.cluster.is_empty()
            && filter.tags.iter().all(|tag| options.tags.contains(tag))
    }

    fn identity(&self) -> Vec<u8> {
        let host = self.server.options().host.clone();
        let identity = Identity { name: self.server.name(), host: &host, id: self.server.id() };
        serde_json::to_vec(&identity).unwrap_or_default()
    }

    fn data(&self, data: &impl Serialize) -> Vec<u8> {
        self.enveloped("data", data)
    }

    fn enveloped(&self, key: &'static str, data: &impl Serialize) -> Vec<u8> {
        let answer = Enveloped { server: ServerInfo::now(&self.server), key, data };
        serde_json::to_vec(&answer).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Identity<'a> {
    name: &'a str,
    host: &'a str,
    id: &'a str,
}

/// `{"server":{…},"<key>":{…}}`
struct Enveloped<'a, T> {
    server: ServerInfo,
    key: &'static str,
    data: &'a T,
}

impl<T: Serialize> Serialize for Enveloped<'_, T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("server", &self.server)?;
        map.serialize_entry(self.key, self.data)?;
        map.end()
    }
}

/// Nothing at all asks for the defaults.
fn read<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, String> {
    if body.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(|error| error.to_string())
}
