//! What one user may publish and subscribe to, compiled from the configuration.

#[cfg(test)]
mod matrix_test;
mod queue_rules;
mod responses;
mod subject_set;

use std::fmt;

use headwater_protocol::subject::has_wildcards;
use queue_rules::QueueRules;
pub use responses::ResponsePermits;
use subject_set::SubjectSet;

use super::settings::{PermissionSettings, ResponseSettings};

/// A permission entry that is not a subject (or, for subscriptions, `subject queue`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermissionsError {
    /// The entry as it was configured.
    pub entry: String,
}

impl fmt::Display for PermissionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "subject {:?} is not a valid subject", self.entry)
    }
}

impl std::error::Error for PermissionsError {}

/// The compiled rights of one user; immutable and shared by all its connections.
#[derive(Debug, Default, Clone)]
pub struct Permissions {
    publish_allow: Option<SubjectSet>,
    publish_deny: SubjectSet,
    subscribe_allow: Option<(SubjectSet, QueueRules)>,
    subscribe_deny: (SubjectSet, QueueRules),
    responses: Option<ResponseSettings>,
}

impl Permissions {
    /// Compiles configured permissions.
    ///
    /// An absent or empty allow list allows everything, except that `allow_responses` without a publish allow list
    /// allows nothing but responses.
    pub fn compile(settings: &PermissionSettings) -> Result<Self, PermissionsError> {
        let publish_allow = match (settings.publish.allow.as_slice(), settings.responses) {
            ([], None) => None,
            (entries, _) => Some(subjects(entries)?),
        };
        let subscribe_allow = match settings.subscribe.allow.as_slice() {
            [] => None,
            entries => Some(subjects_and_queues(entries)?),
        };
        Ok(Self {
            publish_allow,
            publish_deny: subjects(&settings.publish.deny)?,
            subscribe_allow,
            subscribe_deny: subjects_and_queues(&settings.subscribe.deny)?,
            responses: settings.responses,
        })
    }

    /// The same permissions, without leave to publish to `subject`.
    pub fn denying_publish(mut self, subject: &str) -> Result<Self, PermissionsError> {
        match self.publish_deny.insert(subject.as_bytes()) {
            true => Ok(self),
            false => Err(PermissionsError { entry: subject.to_owned() }),
        }
    }

    /// Whether no publish rule exists, so that [`Self::can_publish`] need not be asked.
    pub fn publish_unrestricted(&self) -> bool {
        self.publish_allow.is_none() && self.publish_deny.is_empty()
    }

    /// Whether a message may be published to `subject`. Responses are decided by [`ResponsePermits`] when this refuses.
    pub fn can_publish(&self, subject: &[u8]) -> bool {
        let allowed = self.publish_allow.as_ref().is_none_or(|allow| allow.matches(subject));
        allowed && !self.publish_deny.matches(subject)
    }

    /// Whether `subject` may be subscribed to, in `queue` if given.
    ///
    /// The subject must be a subset of one allowed subject. A queue rule (`"subject queue"`) for the subject decides
    /// alone when a queue group is asked for.
    pub fn can_subscribe(&self, subject: &[u8], queue: Option<&[u8]>) -> bool {
        self.subscribe_allowed(subject, queue) && !self.subscribe_denied(subject, queue)
    }

    /// Whether messages of a subscription to `subject` must be passed through [`Self::may_deliver`]: it is a wildcard
    /// that overlaps a denied subject.
    pub fn needs_delivery_filter(&self, subject: &[u8]) -> bool {
        let (deny, queues) = &self.subscribe_deny;
        has_wildcards(subject) && (deny.overlaps(subject) || queues.overlap(subject))
    }

    /// Whether a message on `subject` may reach a subscription of this user that is in `queue` (if in one).
    pub fn may_deliver(&self, subject: &[u8], queue: Option<&[u8]>) -> bool {
        !self.subscribe_denied(subject, queue)
    }

    /// The limits for responses, when `allow_responses` is set: make a [`ResponsePermits`] of it per connection.
    pub fn responses(&self) -> Option<ResponseSettings> {
        self.responses
    }

    /// Whether delivering a message with this reply subject grants a [`ResponsePermits::grant`].
    pub fn reply_needs_permit(&self, reply: &[u8]) -> bool {
        self.responses.is_some() && !self.can_publish(reply)
    }

    fn subscribe_allowed(&self, subject: &[u8], queue: Option<&[u8]>) -> bool {
        let Some((allow, queues)) = &self.subscribe_allow else {
            return true;
        };
        let by_queue = queue.and_then(|queue| queues.verdict_for_subset(subject, queue));
        by_queue.unwrap_or_else(|| allow.covers(subject))
    }

    fn subscribe_denied(&self, subject: &[u8], queue: Option<&[u8]>) -> bool {
        let (deny, queues) = &self.subscribe_deny;
        // Tokens are taken literally: `foo.>` is refused where `foo.*` is denied, as in nats-server.
        deny.matches(subject) || queue.is_some_and(|queue| queues.matches(subject, queue))
    }
}

fn subjects(entries: &[String]) -> Result<SubjectSet, PermissionsError> {
    let mut set = SubjectSet::default();
    for entry in entries {
        if !set.insert(entry.as_bytes()) {
            return Err(PermissionsError { entry: entry.clone() });
        }
    }
    Ok(set)
}

fn subjects_and_queues(entries: &[String]) -> Result<(SubjectSet, QueueRules), PermissionsError> {
    let mut set = SubjectSet::default();
    let mut queues = QueueRules::default();
    for entry in entries {
        let mut words = entry.split_ascii_whitespace();
        let valid = match (words.next(), words.next(), words.next()) {
            (Some(subject), None, None) => set.insert(subject.as_bytes()),
            (Some(subject), Some(queue), None) => queues.insert(subject.as_bytes(), queue.as_bytes()),
            _ => false,
        };
        if !valid {
            return Err(PermissionsError { entry: entry.clone() });
        }
    }
    Ok((set, queues))
}
