//! What a client may publish, remembered.

use crate::router::SubjectHash;

/// Answers remembered at a time; a power of two.
const SLOTS: usize = 64;

/// Remembers answers about publish subjects. Direct-mapped and bounded; empty until something is asked.
#[derive(Default)]
pub(super) struct Permits(Vec<Option<Permit>>);

struct Permit {
    subject: Box<[u8]>,
    allowed: bool,
}

impl Permits {
    /// The answer for `subject`: the one remembered, or what `ask` says.
    pub(super) fn check(&mut self, subject: &[u8], ask: impl FnOnce(&[u8]) -> bool) -> bool {
        if self.0.is_empty() {
            self.0.resize_with(SLOTS, || None);
        }
        let Some(slot) = self.0.get_mut(SubjectHash::of(subject) as usize % SLOTS) else {
            return ask(subject);
        };
        match slot {
            Some(permit) if *permit.subject == *subject => permit.allowed,
            _ => slot.insert(Permit { subject: subject.into(), allowed: ask(subject) }).allowed,
        }
    }

    /// Forgets everything and gives the memory back.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_subject_keeps_its_own_answer() {
        let mut permits = Permits::default();
        let odd = |subject: &[u8]| subject.last().is_some_and(|digit| digit % 2 == 1);
        for _ in 0..2 {
            for number in 0..1000 {
                let subject = format!("s.{number}");
                assert_eq!(permits.check(subject.as_bytes(), odd), number % 2 == 1);
            }
        }
    }

    #[test]
    fn a_repeated_subject_is_asked_for_once() {
        let mut permits = Permits::default();
        assert!(permits.check(b"a", |_| true));
        assert!(permits.check(b"a", |_| false));
        permits.clear();
        assert!(!permits.check(b"a", |_| false));
    }
}
