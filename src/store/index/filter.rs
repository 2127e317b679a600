//! Filters against subjects, and the part of the subject index a filter can touch.

use std::ops::ControlFlow;

pub use headwater_protocol::subject::{has_wildcards, matches};

use super::postings::Postings;
use super::subject::SubjectIndex;
use crate::store::StoreError;

/// What every subject that matches begins with.
pub fn literal_prefix(filter: &[u8]) -> &[u8] {
    let mut len = 0;
    for token in filter.split(|byte| *byte == b'.') {
        if token == b"*" || token == b">" {
            return filter.get(..len).unwrap_or_default();
        }
        len += token.len() + 1;
    }
    filter
}

/// Visits the subjects that match, in byte order, with their encoded postings.
pub fn visit_matching(
    index: &mut SubjectIndex,
    filter: &[u8],
    visit: &mut dyn FnMut(&[u8], &[u8]),
) -> Result<(), StoreError> {
    index.visit(literal_prefix(filter), None, &mut |subject, state| {
        if matches(filter, subject) {
            visit(subject, state);
        }
        ControlFlow::Continue(())
    })
}

/// Visits all subjects until `visit` says false.
pub fn visit_all(
    index: &mut SubjectIndex,
    visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
) -> Result<(), StoreError> {
    index.visit(b"", None, &mut |subject, state| {
        if visit(subject, state) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })
}

/// Decodes postings a visitor was handed.
pub fn decode(state: &[u8]) -> Result<Postings, StoreError> {
    Postings::decode(state).ok_or_else(|| StoreError::Io("subject index page is damaged".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_is_bounded_by_the_tokens_before_the_first_wildcard() {
        assert_eq!(literal_prefix(b"a.b.>"), b"a.b.");
        assert_eq!(literal_prefix(b"a.*.c"), b"a.");
        assert_eq!(literal_prefix(b">"), b"");
        assert_eq!(literal_prefix(b"a.b"), b"a.b");
    }
}
