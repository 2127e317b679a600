//! A whole trace, as it is sent.

use std::sync::Arc;

use serde::Serialize;

use super::Trace;
use super::asked::Asked;
use super::event::Event;
use crate::router::ClientInfo;

/// The bytes of a trace.
#[derive(Debug, PartialEq, Eq)]
pub struct Report {
    /// The header block; empty if none is needed.
    pub headers: Vec<u8>,
    /// JSON, perhaps compressed.
    pub body: Vec<u8>,
}

#[derive(Serialize)]
struct Json<'a, S> {
    server: &'a S,
    request: Request<'a>,
    events: &'a [Event],
}

#[derive(Serialize)]
struct Request<'a> {
    header: &'a std::collections::BTreeMap<String, Vec<String>>,
    msgsize: usize,
}

impl Trace {
    /// The trace in the name of `server`. `find` knows the clients.
    pub fn report(
        mut self,
        server: &impl Serialize,
        find: &dyn Fn(u64) -> Option<Arc<ClientInfo>>,
    ) -> Report {
        self.identify_receivers(find);
        let Asked { headers, encoding, .. } = &self.asked;
        let request = Request { header: headers, msgsize: self.message_bytes };
        let json = serde_json::to_vec(&Json { server, request, events: &self.events }).unwrap_or_default();
        encoding.encode(as_go_writes(&json))
    }

    fn identify_receivers(&mut self, find: &dyn Fn(u64) -> Option<Arc<ClientInfo>>) {
        let origin = self.events.first().and_then(Event::origin).unwrap_or_default().to_owned();
        for event in &mut self.events {
            if let Some(client) = event.receiver().and_then(find) {
                event.identify(&client, &origin);
            }
        }
    }
}

/// With the characters escaped that mean something in HTML; outside of texts JSON has none of them.
fn as_go_writes(json: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(json.len());
    for byte in json {
        match byte {
            b'<' => escaped.extend_from_slice(br"\u003c"),
            b'>' => escaped.extend_from_slice(br"\u003e"),
            b'&' => escaped.extend_from_slice(br"\u0026"),
            other => escaped.push(*other),
        }
    }
    escaped
}
