//! `Nats-Request-Info`: what a service is told about who asks.

use headwater_protocol::headers::{self, names};
use headwater_protocol::jetstream::client_info::ClientInfo;
use headwater_protocol::jetstream::timestamp::Timestamp;

use crate::router::{self, ConnectionKind, ImportStep};

/// What is known about a request on its way into a service.
pub(super) struct Request<'a> {
    /// Who asks; nobody if it is the broker itself.
    pub client: Option<&'a router::ClientInfo>,
    /// The header block of the request; may be empty.
    pub headers: &'a [u8],
    /// The account it comes from now.
    pub importer: &'a str,
    /// Whether this import shares details.
    pub share: bool,
    /// Whether it goes to the system account.
    pub to_system: bool,
    /// The import before this one.
    pub before: Option<&'a ImportStep<'a>>,
    /// The server's name.
    pub server: &'a str,
}

impl Request<'_> {
    /// The header block with the information set.
    pub fn headers(&self) -> Vec<u8> {
        let info = match self.carried() {
            Some(info) => serde_json::to_vec(&info),
            None => match self.described() {
                Some(info) => serde_json::to_vec(&info),
                None => return self.headers.to_vec(),
            },
        };
        let mut block = headers::remove(self.headers, names::REQUEST_INFO);
        if let Ok(info) = info {
            headers::append(&mut block, names::REQUEST_INFO, &info);
        }
        block
    }

    /// What an earlier import has set, with the account in between.
    fn carried(&self) -> Option<serde_json::Map<String, serde_json::Value>> {
        let before = self.before?;
        let known = headers::get(self.headers, names::REQUEST_INFO)?;
        let mut info: serde_json::Map<_, _> = serde_json::from_slice(known).ok()?;
        info.insert("svc".to_owned(), self.importer.into());
        if !before.share && (self.share || self.to_system) {
            info.insert("server".to_owned(), self.server.into());
        }
        Some(info)
    }

    fn described(&self) -> Option<ClientInfo> {
        let client = self.client?;
        if self.before.map_or(self.share, |before| before.share) {
            return Some(detailed(client, self.server));
        }
        let server = if self.to_system { self.server.to_owned() } else { String::new() };
        Some(ClientInfo { server, ..brief(client, self.server) })
    }
}

/// What a requestor who shares nothing is known by.
pub(super) fn brief(client: &router::ClientInfo, _: &str) -> ClientInfo {
    ClientInfo {
        acc: client.account.to_string(),
        rtt: i64::try_from(client.rtt_nanos()).unwrap_or(i64::MAX),
        ..ClientInfo::default()
    }
}

/// All there is to know about a client.
pub(super) fn detailed(client: &router::ClientInfo, server: &str) -> ClientInfo {
    let (kind, client_type) = match client.kind {
        ConnectionKind::Nats => ("Client", "nats"),
        ConnectionKind::WebSocket => ("Client", "websocket"),
        ConnectionKind::Mqtt => ("Client", "mqtt"),
        ConnectionKind::Leafnode => ("Leafnode", ""),
    };
    let token = client.token.as_deref();
    ClientInfo {
        issuer_key: token.map(|token| token.issuer_key.to_string()).unwrap_or_default(),
        name_tag: token.map(|token| token.name.to_string()).unwrap_or_default(),
        tags: token.map(|token| token.tags.clone()).unwrap_or_default(),
        start: Some(Timestamp(client.start)),
        host: client.host.to_string(),
        id: client.cid,
        user: client.user.to_string(),
        name: client.name.to_string(),
        lang: client.lang.to_string(),
        ver: client.version.to_string(),
        server: server.to_owned(),
        kind: kind.to_owned(),
        client_type: client_type.to_owned(),
        ..brief(client, server)
    }
}
