//! Rules of the form `"subject queue"`: a subject for one queue group, or for those a queue pattern names.

use headwater_protocol::subject::is_valid;

use super::subject_set::SubjectSet;

/// A short list: few configurations have any such rule.
#[derive(Debug, Default, Clone)]
pub(super) struct QueueRules(Vec<QueueRule>);

#[derive(Debug, Clone)]
struct QueueRule {
    subject: SubjectSet,
    queue: Box<[u8]>,
    queue_pattern: SubjectSet,
}

impl QueueRules {
    /// Adds a rule; false if the subject or the queue is not valid.
    pub fn insert(&mut self, subject: &[u8], queue: &[u8]) -> bool {
        if !is_valid(subject) || !is_valid(queue) {
            return false;
        }
        let mut rule = QueueRule {
            subject: SubjectSet::default(),
            queue: queue.into(),
            queue_pattern: SubjectSet::default(),
        };
        rule.subject.insert(subject);
        rule.queue_pattern.insert(queue);
        self.0.push(rule);
        true
    }

    /// Whether the rules whose subject covers `subject` name `queue`; `None` if there is no such rule.
    pub fn verdict_for_subset(&self, subject: &[u8], queue: &[u8]) -> Option<bool> {
        let mut covering = self.0.iter().filter(|rule| rule.subject.covers(subject)).peekable();
        covering.peek()?;
        Some(covering.any(|rule| rule.names(queue)))
    }

    /// Whether a rule matches the literal `subject` and names `queue`.
    pub fn matches(&self, subject: &[u8], queue: &[u8]) -> bool {
        self.0.iter().any(|rule| rule.subject.matches(subject) && rule.names(queue))
    }

    /// Whether a rule's subject shares a subject with `subject`.
    pub fn overlap(&self, subject: &[u8]) -> bool {
        self.0.iter().any(|rule| rule.subject.overlaps(subject))
    }
}

impl QueueRule {
    fn names(&self, queue: &[u8]) -> bool {
        *self.queue == *queue || self.queue_pattern.covers(queue)
    }
}
