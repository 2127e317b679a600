//! The protocol in the log, as nats-server prints it.

use std::fmt::Write;

use headwater_protocol::client::{ClientOp, ConnectOptions};

use super::Session;

impl Session {
    pub(super) fn trace_wanted(&self) -> bool {
        log::log_enabled!(log::Level::Trace)
    }

    /// Logs an operation from the client.
    pub(super) fn trace_in(&self, op: &ClientOp<'_>) {
        let (line, payload) = describe(op);
        log::trace!("{} - <<- [{line}]", self.client.log_name());
        if let Some(payload) = payload.filter(|payload| !payload.is_empty()) {
            log::trace!(
                "{} - <<- MSG_PAYLOAD: [{:?}]",
                self.client.log_name(),
                String::from_utf8_lossy(&payload)
            );
        }
    }

    /// Logs a CONNECT, without its secrets.
    pub(super) fn trace_connect(&self, options: &ConnectOptions) {
        if !self.settings.traced {
            return;
        }
        let hidden = |secret: &Option<String>| secret.as_ref().map(|_| "[REDACTED]".to_owned());
        let shown = ConnectOptions {
            pass: hidden(&options.pass),
            auth_token: hidden(&options.auth_token),
            nkey: hidden(&options.nkey),
            sig: hidden(&options.sig),
            proxy_sig: hidden(&options.proxy_sig),
            jwt: hidden(&options.jwt),
            ..options.clone()
        };
        let json = shown.to_json();
        log::trace!("{} - <<- [CONNECT {}]", self.client.log_name(), String::from_utf8_lossy(&json));
    }

    /// Logs an answer to the client.
    pub(super) fn trace_out(&self, verb: &str, argument: &[u8]) {
        if self.settings.traced {
            let blank = if argument.is_empty() { "" } else { " " };
            let argument = String::from_utf8_lossy(argument);
            log::trace!("{} - ->> [{verb}{blank}{argument}]", self.client.log_name());
        }
    }

    pub(super) fn trace_end_of_subscription(&self, sid: &[u8]) {
        if self.settings.traced {
            log::trace!("{} - <-> [DELSUB {}]", self.client.log_name(), String::from_utf8_lossy(sid));
        }
    }
}

/// The control line, and the payload if there is one.
fn describe(op: &ClientOp<'_>) -> (String, Option<Vec<u8>>) {
    let words = |words: &[&[u8]]| {
        words.iter().filter(|word| !word.is_empty()).fold(String::new(), |mut line, word| {
            let blank = if line.is_empty() { "" } else { " " };
            let _ = write!(line, "{blank}{}", String::from_utf8_lossy(word));
            line
        })
    };
    match op {
        ClientOp::Connect(_) => ("CONNECT".to_owned(), None),
        ClientOp::Ping => ("PING".to_owned(), None),
        ClientOp::Pong => ("PONG".to_owned(), None),
        ClientOp::Info => ("INFO".to_owned(), None),
        ClientOp::Ok => ("+OK".to_owned(), None),
        ClientOp::Err => ("-ERR".to_owned(), None),
        ClientOp::Sub { subject, queue: None, sid } => (words(&[b"SUB", subject, sid]), None),
        ClientOp::Sub { subject, queue: Some(queue), sid } => (words(&[b"SUB", subject, queue, sid]), None),
        ClientOp::Unsub { sid, max: None } => (words(&[b"UNSUB", sid]), None),
        ClientOp::Unsub { sid, max: Some(max) } => {
            (words(&[b"UNSUB", sid, max.to_string().as_bytes()]), None)
        }
        ClientOp::Pub { subject, reply, size_text, payload } => {
            let line = words(&[b"PUB", subject, reply.unwrap_or_default(), size_text]);
            (line, Some(payload.to_vec()))
        }
        ClientOp::HPub { subject, reply, header_size_text, total_text, headers, payload } => {
            let line = words(&[b"HPUB", subject, reply.unwrap_or_default(), header_size_text, total_text]);
            (line, Some([*headers, *payload].concat()))
        }
    }
}
