//! PUB and HPUB.

use headwater_protocol::{client, subject};

use super::Session;
use crate::account::{Mapped, Mappings};
use crate::router::Message;
use crate::trace::{self, Trace};

/// Replies that only the server itself may ask for.
const RESERVED_REPLIES: [&[u8]; 3] = [b"_R_.", b"$JS.ACK.", b"_GR_."];

/// Subjects that belong to the server.
pub(super) const GATEWAY_PREFIX: &[u8] = b"_GR_.";
pub(super) const RAFT_PREFIX: &[u8] = b"$NRG.";

impl Session {
    /// Publishes a message. `sizes` are as the client wrote them, headers and total, which receivers are told.
    #[inline]
    pub(super) fn publish(&mut self, message: &Message<'_>, sizes: (&[u8], &[u8])) {
        self.batch.messages += 1;
        self.batch.bytes += message.content_bytes() as u64;
        if self.settings.pedantic && !subject::is_literal(message.subject) {
            self.send_error("Invalid Publish Subject");
        }
        if !message.headers.is_empty() && trace::may_ask(message.headers) {
            return self.publish_asking_for_trace(message, sizes);
        }
        self.publish_as_is(message, sizes);
    }

    #[inline]
    pub(super) fn publish_as_is(&mut self, message: &Message<'_>, sizes: (&[u8], &[u8])) {
        match self.account.mappings() {
            None => self.publish_unmapped(message, sizes),
            Some(mappings) => self.publish_mapped(message, sizes, &mappings),
        }
    }

    /// The subject a message is mapped to is the one that permissions are about.
    fn publish_mapped(&mut self, message: &Message<'_>, sizes: (&[u8], &[u8]), mappings: &Mappings) {
        let mapped = mappings.apply(message.subject, |bound| self.dispatch.random_below(bound));
        if let Some(trace) = self.dispatch.trace_mut() {
            trace_mapping(trace, &mapped);
        }
        match mapped {
            Mapped::Unchanged => self.publish_unmapped(message, sizes),
            Mapped::To(subject) => self.publish_unmapped(&Message { subject: &subject, ..*message }, sizes),
            Mapped::Lost if self.settings.verbose => self.send_ok(),
            Mapped::Lost => {}
        }
    }

    #[inline]
    fn publish_unmapped(&mut self, message: &Message<'_>, sizes: (&[u8], &[u8])) {
        if self.is_reserved(message) {
            return;
        }
        if !self.is_permitted(message.subject) {
            return self.refuse_publish(message.subject);
        }
        if self.settings.verbose {
            self.send_ok();
        }
        if has_leading_zero(sizes.0) || has_leading_zero(sizes.1) {
            self.dispatch.echo_sizes(sizes.0, sizes.1);
        }
        self.route(message);
    }

    #[inline]
    fn is_permitted(&mut self, subject: &[u8]) -> bool {
        let Some(rights) = &self.rights else { return true };
        let allowed = self.permits.check(subject, |subject| rights.permissions().can_publish(subject));
        allowed || rights.may_respond(subject)
    }

    #[inline]
    fn route(&mut self, message: &Message<'_>) {
        let delivered = self.account.publish_cached(&mut self.dispatch, &mut self.routes, message);
        if !delivered && self.settings.no_responders && !message.reply.is_empty() {
            self.tell_no_responders(message);
        }
    }

    /// Whether the message may be published by nobody but the server, which the client is told.
    fn is_reserved(&mut self, message: &Message<'_>) -> bool {
        let is_raft = message.subject.starts_with(RAFT_PREFIX) && !self.settings.system_account;
        if is_raft || message.subject.starts_with(GATEWAY_PREFIX) {
            self.refuse_publish(message.subject);
            return true;
        }
        let reserved_reply =
            |prefix: &&[u8]| message.reply.len() > prefix.len() && message.reply.starts_with(prefix);
        if message.reply.is_empty() || !RESERVED_REPLIES.iter().any(reserved_reply) {
            return false;
        }
        let reply = quoted(message.reply);
        self.deny(&format!("Permissions Violation for Publish with Reply of {reply}"));
        log::error!("{} - Publish Violation - Reply {reply}", self.client.log_name());
        true
    }

    pub(super) fn refuse_publish(&mut self, subject: &[u8]) {
        let subject = quoted(subject);
        self.deny(&format!("Permissions Violation for Publish to {subject}"));
        log::error!("{} - Publish Violation - Subject {subject}", self.client.log_name());
    }

    fn deny(&mut self, text: &str) {
        if let Some(trace) = self.dispatch.trace_mut() {
            trace.refused(text);
        }
        self.send_error(text);
    }

    /// Answers a request that nobody got, if the client listens for the answer with a plain subscription.
    fn tell_no_responders(&mut self, message: &Message<'_>) {
        if let Some(subscription) = self.account.plain_subscription_of(self.subscriber().cid(), message.reply)
        {
            let mut answer = Vec::new();
            client::no_responders(&mut answer, message.reply, subscription.sid(), message.subject);
            self.send(&answer);
        }
    }
}

fn trace_mapping(trace: &mut Trace, mapped: &Mapped) {
    match mapped {
        Mapped::Unchanged => {}
        Mapped::To(subject) => trace.mapped(subject),
        Mapped::Lost => trace.mapped(b""),
    }
}

/// Whether receivers would be told another text than the server writes of its own.
fn has_leading_zero(size: &[u8]) -> bool {
    matches!(size, [b'0', _, ..])
}

/// As error texts quote what a client sent.
pub(super) fn quoted(text: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(text))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn quotes_are_escaped() {
        assert_eq!(quoted(b"a.\"b\""), r#""a.\"b\"""#);
    }
}
