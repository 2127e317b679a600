//! Reading traces as their reader gets them.
#![allow(dead_code)] // Not every test file uses everything.

use regex::Regex;
use serde_json::Value;

use crate::kit::Peer;

/// A peer that is sent traces on `trace.to`.
pub struct Tracer(pub Peer);

impl Tracer {
    pub fn over(mut peer: Peer) -> Self {
        peer.send("SUB trace.to 9\r\n");
        peer.fence();
        Self(peer)
    }

    /// The next trace, without the server, times and connection numbers: `request` and `events` to the letter.
    #[track_caller]
    pub fn next(&mut self) -> String {
        let text = self.raw();
        let trace: Value = serde_json::from_str(&text).unwrap();
        let server = trace["server"].as_object().unwrap();
        for key in ["name", "host", "id", "ver", "jetstream", "flags", "seq", "time"] {
            assert!(server.contains_key(key), "{key} is missing: {text}");
        }
        for event in trace["events"].as_array().unwrap() {
            assert!(event["ts"].as_str().unwrap().ends_with('Z'), "{text}");
        }
        let (_, told) = text.split_once("},\"request\":").unwrap();
        let varying = Regex::new(r#""ts":"[^"]*",|"kind":0,"cid":\d+,"#).unwrap();
        format!("{{\"request\":{}", varying.replace_all(told, ""))
    }

    #[track_caller]
    pub fn raw(&mut self) -> String {
        let line = self.0.line();
        let len = line.strip_prefix("MSG trace.to 9 ").unwrap_or_else(|| panic!("no trace: {line:?}"));
        self.0.take(len.parse().unwrap())
    }

    /// The events of the next trace, comma-separated, whose header is of no interest.
    #[track_caller]
    pub fn events(&mut self) -> String {
        let told = self.next();
        let (_, events) = told.split_once("\"events\":[").unwrap();
        events.strip_suffix("]}").unwrap().to_owned()
    }
}

/// An HPUB of these header lines, each with its CRLF.
pub fn hpub(subject_and_reply: &str, headers: &str, body: &str) -> String {
    let block = format!("NATS/1.0\r\n{headers}\r\n");
    let (size, total) = (block.len(), block.len() + body.len());
    format!("HPUB {subject_and_reply} {size} {total}\r\n{block}{body}\r\n")
}

/// An HPUB that is traced.
pub fn traced(subject_and_reply: &str) -> String {
    hpub(subject_and_reply, "Nats-Trace-Dest: trace.to\r\n", "hi")
}

/// An HPUB that is traced and nothing else.
pub fn only_traced(subject_and_reply: &str) -> String {
    hpub(subject_and_reply, "Nats-Trace-Dest: trace.to\r\nNats-Trace-Only: true\r\n", "hi")
}
