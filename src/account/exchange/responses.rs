//! Answers that exported services owe: which reply subject stands for which requestor.
//!
//! Pure. One map per exporting account; what it holds is bounded in number and in time.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::export::{Export, ExportKind, Responses};
use super::latency::Measured;
use crate::clock::UnixNanos;

/// Requests that one account's services may have unanswered; the one that has waited longest makes room.
pub const RESPONSES_MAX: usize = 64 * 1024;

/// An answer that is owed.
pub(super) struct Owed<A> {
    /// The account that asked.
    pub requestor: A,
    /// The reply subject of the request.
    pub reply: Box<[u8]>,
    /// What was asked.
    pub export: Arc<Export>,
    /// Whether the requestor shares details.
    pub share: bool,
    /// When it was asked.
    pub asked: UnixNanos,
    /// Set if the request is measured.
    pub measured: Option<Measured>,
}

/// The answers one account owes, by the reply subjects its services see.
pub(super) struct ResponseMap<A> {
    by_subject: HashMap<Box<[u8]>, Entry<A>>,
    /// The earliest first.
    by_deadline: BTreeMap<(UnixNanos, u64), Box<[u8]>>,
    last_serial: u64,
}

/// An answer that did not come, and the subject it should have come on.
type Expired<A> = (Box<[u8]>, Arc<Owed<A>>);

struct Entry<A> {
    owed: Arc<Owed<A>>,
    deadline: (UnixNanos, u64),
}

impl<A> Owed<A> {
    /// Whether one answer settles it.
    pub fn is_single(&self) -> bool {
        matches!(&self.export.kind, ExportKind::Service(terms) if terms.responses == Responses::Single)
    }

    fn threshold(&self) -> UnixNanos {
        match &self.export.kind {
            ExportKind::Service(terms) => terms.threshold_nanos,
            ExportKind::Stream => super::export::RESPONSE_THRESHOLD,
        }
    }
}

impl<A> Default for ResponseMap<A> {
    fn default() -> Self {
        Self { by_subject: HashMap::new(), by_deadline: BTreeMap::new(), last_serial: 0 }
    }
}

impl<A> ResponseMap<A> {
    /// Notes an answer that will be given on `subject`. Returns what had to make room.
    pub fn insert(&mut self, subject: &[u8], owed: Owed<A>) -> Option<Arc<Owed<A>>> {
        let oldest = self.by_deadline.first_key_value().filter(|_| self.by_subject.len() >= RESPONSES_MAX);
        let oldest = oldest.map(|(_, subject)| subject.clone());
        let evicted = oldest.and_then(|subject| self.remove(&subject));
        let at = owed.asked.saturating_add(owed.threshold());
        let deadline = self.schedule(at, subject);
        self.by_subject.insert(subject.into(), Entry { owed: Arc::new(owed), deadline });
        evicted
    }

    /// What is owed on `subject`.
    pub fn get(&self, subject: &[u8]) -> Option<Arc<Owed<A>>> {
        self.by_subject.get(subject).map(|entry| entry.owed.clone())
    }

    /// Forgets what is owed on `subject`.
    pub fn remove(&mut self, subject: &[u8]) -> Option<Arc<Owed<A>>> {
        let entry = self.by_subject.remove(subject)?;
        self.by_deadline.remove(&entry.deadline);
        if self.by_subject.is_empty() {
            self.by_subject.shrink_to(KEPT_MAX);
        }
        Some(entry.owed)
    }

    /// Part of an answer came: the wait for the next part starts.
    pub fn touch(&mut self, subject: &[u8], now: UnixNanos) {
        let Some(entry) = self.by_subject.get(subject) else { return };
        let (old, at) = (entry.deadline, now.saturating_add(entry.owed.threshold()));
        self.by_deadline.remove(&old);
        let deadline = self.schedule(at, subject);
        if let Some(entry) = self.by_subject.get_mut(subject) {
            entry.deadline = deadline;
        }
    }

    /// Takes out what has waited too long.
    pub fn expire(&mut self, now: UnixNanos) -> Vec<Expired<A>> {
        let mut expired = Vec::new();
        while let Some((_, subject)) = self.by_deadline.first_key_value().filter(|((at, _), _)| *at <= now) {
            let subject = subject.clone();
            expired.extend(self.remove(&subject).map(|owed| (subject, owed)));
        }
        expired
    }

    /// When the first of them has waited too long.
    pub fn next_deadline(&self) -> Option<UnixNanos> {
        self.by_deadline.first_key_value().map(|((at, _), _)| *at)
    }

    /// How many answers are owed.
    pub fn len(&self) -> usize {
        self.by_subject.len()
    }

    fn schedule(&mut self, at: UnixNanos, subject: &[u8]) -> (UnixNanos, u64) {
        self.last_serial += 1;
        let deadline = (at, self.last_serial);
        self.by_deadline.insert(deadline, subject.into());
        deadline
    }
}

/// Room that an empty map keeps.
const KEPT_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::super::export::{Approval, ServiceTerms};
    use super::*;

    fn owed(threshold_nanos: UnixNanos, asked: UnixNanos) -> Owed<&'static str> {
        let kind = ExportKind::Service(ServiceTerms { threshold_nanos, ..ServiceTerms::default() });
        let export = Arc::new(Export { subject: "s".into(), approval: Approval::Everyone, kind });
        Owed {
            requestor: "A",
            reply: b"inbox".as_slice().into(),
            export,
            share: false,
            asked,
            measured: None,
        }
    }

    #[test]
    fn an_answer_is_owed_until_it_is_given() {
        let mut map = ResponseMap::default();
        map.insert(b"_R_.1", owed(10, 0));
        assert_eq!(&*map.get(b"_R_.1").unwrap().reply, b"inbox");
        assert!(map.remove(b"_R_.1").is_some() && map.get(b"_R_.1").is_none());
        assert_eq!(map.next_deadline(), None);
    }

    #[test]
    fn what_waits_too_long_is_given_up_in_its_own_time() {
        let mut map = ResponseMap::default();
        map.insert(b"slow", owed(100, 0));
        map.insert(b"quick", owed(10, 0));
        assert_eq!(map.next_deadline(), Some(10));
        assert!(map.expire(9).is_empty());
        assert_eq!(map.expire(10).len(), 1);
        assert!(map.get(b"slow").is_some());
    }

    #[test]
    fn part_of_an_answer_starts_the_wait_anew() {
        let mut map = ResponseMap::default();
        map.insert(b"r", owed(10, 0));
        map.touch(b"r", 5);
        assert!(map.expire(14).is_empty());
        assert_eq!(map.expire(15).len(), 1);
    }

    #[test]
    fn the_number_of_answers_owed_is_bounded_and_the_oldest_make_room() {
        let mut map = ResponseMap::default();
        for n in 0..RESPONSES_MAX {
            assert!(map.insert(format!("r.{n}").as_bytes(), owed(10, n as i64)).is_none());
        }
        assert!(map.insert(b"new", owed(10, i64::from(u32::MAX))).is_some());
        assert_eq!(map.len(), RESPONSES_MAX);
        assert!(map.get(b"r.0").is_none() && map.get(b"r.1").is_some());
    }
}
