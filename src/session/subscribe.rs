//! SUB.

use std::sync::Arc;

use headwater_protocol::subject;

use super::Session;
use super::publish::quoted;
use crate::router::{Sink, Subscription};

/// A queue group of the server's own.
const RESERVED_QUEUE: &[u8] = b"_sys_";

impl Session {
    pub(super) fn subscribe(&mut self, subject: &[u8], queue: Option<&[u8]>, sid: &[u8]) {
        if !self.may_subscribe(subject, queue) {
            return self.refuse_subscription(subject, queue, sid);
        }
        if self.has_too_many_tokens(subject) {
            return self.refuse_tokens(subject, sid);
        }
        if self.is_at_subscription_limit() {
            log::error!("{} - maximum subscriptions exceeded", self.client.log_name());
            return self.send_error("maximum subscriptions exceeded");
        }
        let sink = Sink::Client { subscriber: self.subscriber().clone(), sid: sid.into() };
        let subscription = Arc::new(Subscription::new(subject, queue, sink));
        // A sid that is in use keeps its subscription, without an error.
        let added = self.subscriber().add(&subscription);
        if added && !self.account.subscribe(&subscription) {
            self.subscriber().forget(&subscription);
            return self.send_error("Invalid Subject");
        }
        if self.settings.verbose {
            self.send_ok();
        }
    }

    pub(super) fn may_subscribe(&self, subject: &[u8], queue: Option<&[u8]>) -> bool {
        if queue == Some(RESERVED_QUEUE) {
            return false;
        }
        let Some(rights) = &self.rights else { return true };
        let permissions = rights.permissions();
        let allowed = permissions.can_subscribe(subject, queue);
        if allowed && (queue.is_some() || permissions.needs_delivery_filter(subject)) {
            self.subscriber().set_filter(Some(rights.clone()));
        }
        allowed
    }

    fn has_too_many_tokens(&self, subject: &[u8]) -> bool {
        let max = self.options.subscription_tokens_max;
        max > 0 && subject::token_count(subject) > max
    }

    fn is_at_subscription_limit(&self) -> bool {
        let max = self.settings.subscriptions_max;
        self.subscriber().subscription_count() >= max
    }

    fn refuse_subscription(&mut self, subject: &[u8], queue: Option<&[u8]>, sid: &[u8]) {
        let (subject, sid) = (quoted(subject), String::from_utf8_lossy(sid));
        let name = self.client.log_name();
        match queue.map(quoted) {
            Some(queue) => {
                log::error!("{name} - Subscription Violation - Subject {subject}, Queue: {queue}, SID {sid}");
                self.send_error(&format!(
                    "Permissions Violation for Subscription to {subject} using queue {queue}"
                ));
            }
            None => {
                log::error!("{name} - Subscription Violation - Subject {subject}, SID {sid}");
                self.send_error(&format!("Permissions Violation for Subscription to {subject}"));
            }
        }
    }

    fn refuse_tokens(&mut self, subject: &[u8], sid: &[u8]) {
        let (subject, sid) = (quoted(subject), String::from_utf8_lossy(sid));
        log::error!(
            "{} - Subscription Violation Too Many Tokens - Subject {subject}, SID {sid}",
            self.client.log_name()
        );
        self.send_error(&format!("Permissions Violation for Subscription to {subject}, too many tokens"));
    }
}
