//! Messages that ask for a trace (`Nats-Trace-Dest`, `traceparent`).

use headwater_protocol::client::ParseError;
use headwater_protocol::subject;

use super::Session;
use super::publish::{GATEWAY_PREFIX, RAFT_PREFIX};
use crate::router::{Dispatch, Message};
use crate::system::ServerInfo;
use crate::trace::{Asked, Published, Trace, disabled};

/// What becomes of a wish to have a message traced.
enum Begun {
    /// It is traced.
    Trace(Box<Trace>),
    /// It is not, and goes its way.
    NoTrace,
    /// It is not, and nobody is to trace it later.
    Never,
    /// It is not even published.
    Refused,
}

/// Where a trace goes.
enum Destination {
    Subject(String),
    /// The account traces no such messages.
    Nowhere,
    /// The account does, but not this one.
    NotSampled,
}

impl Session {
    /// Publishes a message that may ask for a trace, and sends the trace.
    #[cold]
    pub(super) fn publish_asking_for_trace(&mut self, message: &Message<'_>, sizes: (&[u8], &[u8])) {
        match self.begin_trace(message.subject, message.headers, message.content_bytes()) {
            Begun::NoTrace => self.publish_as_is(message, sizes),
            Begun::Refused => {}
            Begun::Never => {
                let headers = disabled(message.headers);
                self.publish_as_is(&Message { headers: &headers, ..*message }, (b"", b""));
            }
            Begun::Trace(trace) => {
                self.dispatch.begin_trace(trace);
                self.publish_as_is(message, sizes);
                if let Some(trace) = self.dispatch.end_trace() {
                    self.send_trace(*trace);
                }
            }
        }
    }

    /// Sends the trace of a message that is refused for its size, if what has come of it asks for one.
    #[cold]
    pub(super) fn trace_too_large(&mut self, rest: &[u8], error: &ParseError) {
        let Some(refused) = Refused::read(rest) else { return };
        if let Begun::Trace(mut trace) =
            self.begin_trace(refused.subject, refused.headers, refused.total_bytes)
        {
            trace.refused(&error.to_string());
            self.send_trace(*trace);
        }
    }

    fn begin_trace(&mut self, subject: &[u8], headers: &[u8], bytes: usize) -> Begun {
        let Some(mut asked) = Asked::read(headers) else { return Begun::NoTrace };
        let only = asked.only;
        let instead = |begun| if only { Begun::Refused } else { begun };
        if let Some(value) = &asked.origin_account {
            let name = self.client.log_name();
            log::error!(
                "{name} - Message tracing disabled because of header \"Nats-Trace-Origin-Account\" with value={value:?}"
            );
            return instead(Begun::Never);
        }
        let destination = match self.trace_destination(asked.destination.take()) {
            Destination::Subject(destination) => destination,
            Destination::Nowhere => return Begun::NoTrace,
            Destination::NotSampled => return Begun::Never,
        };
        if !subject::is_literal(destination.as_bytes()) {
            let name = self.client.log_name();
            log::error!("{name} - Destination {destination:?} is not valid, won't be able to trace events");
            return instead(Begun::NoTrace);
        }
        if !self.may_trace_to(destination.as_bytes()) {
            self.refuse_publish(destination.as_bytes());
            return Begun::Refused;
        }
        let published = Published { by: &self.info, subject, bytes };
        let clock = self.server.clock().clone();
        Begun::Trace(Box::new(Trace::begin(asked, destination, &published, self.account.name(), clock)))
    }

    /// The destination that was asked for, or the account's.
    fn trace_destination(&mut self, asked: Option<String>) -> Destination {
        if let Some(destination) = asked {
            return Destination::Subject(destination);
        }
        match self.account.trace_terms() {
            None => Destination::Nowhere,
            Some(terms) if terms.samples(|bound| self.dispatch.random_below(bound)) => {
                Destination::Subject(terms.destination.to_string())
            }
            Some(_) => Destination::NotSampled,
        }
    }

    fn may_trace_to(&self, destination: &[u8]) -> bool {
        let reserved = destination.starts_with(GATEWAY_PREFIX)
            || destination.starts_with(RAFT_PREFIX) && !self.settings.system_account;
        let rights = self.rights.as_ref();
        !reserved && rights.is_none_or(|rights| rights.permissions().can_publish(destination))
    }

    /// Publishes a trace in the broker's own name: whoever wants no echo hears of its own messages all the same.
    fn send_trace(&mut self, trace: Trace) {
        let destination = trace.destination().to_owned();
        let find = |cid| self.server.clients().get(cid).map(|client| client.info());
        let report = trace.report(&ServerInfo::now(&self.server), &find);
        let message = Message {
            subject: destination.as_bytes(),
            headers: &report.headers,
            payload: &report.body,
            ..Message::default()
        };
        let mut cx = Dispatch::internal();
        self.account.publish(&mut cx, &message);
        cx.take_gates().iter().for_each(|gate| self.dispatch.pause_on(gate));
    }
}

/// A message that is too large, as far as it has come.
struct Refused<'a> {
    subject: &'a [u8],
    headers: &'a [u8],
    total_bytes: usize,
}

impl<'a> Refused<'a> {
    /// Reads the control line of an HPUB, and the header lines that are whole.
    fn read(input: &'a [u8]) -> Option<Self> {
        let end = input.windows(2).position(|two| two == b"\r\n")?;
        let (line, rest) = (input.get(..end)?, input.get(end + 2..)?);
        let words: Vec<&[u8]> =
            line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty()).collect();
        let (verb, subject, header_bytes, total_bytes) = match words.as_slice() {
            [verb, subject, headers, total] | [verb, subject, _, headers, total] => {
                (verb, subject, headers, total)
            }
            _ => return None,
        };
        if !verb.eq_ignore_ascii_case(b"HPUB") {
            return None;
        }
        let number = |word: &[u8]| std::str::from_utf8(word).ok()?.parse::<usize>().ok();
        let headers = rest.get(..rest.len().min(number(header_bytes)?))?;
        let whole = headers.windows(2).rposition(|two| two == b"\r\n").map_or(0, |at| at + 2);
        Some(Self { subject, headers: headers.get(..whole)?, total_bytes: number(total_bytes)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_come_of_a_message_that_is_too_large_is_read() {
        let refused = Refused::read(b"HPUB  a.b  reply 40 2000000\r\nNATS/1.0\r\nA: b\r\nC: d").unwrap();
        assert_eq!(refused.subject, b"a.b");
        assert_eq!(refused.headers, b"NATS/1.0\r\nA: b\r\n");
        assert_eq!(refused.total_bytes, 2_000_000);
        assert!(Refused::read(b"PUB a.b 2000000\r\nNATS/1.0\r\n").is_none());
        assert!(Refused::read(b"HPUB a.b 12").is_none());
    }
}
