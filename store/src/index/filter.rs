//! Filters against subjects.

use std::ops::ControlFlow;

use bytes::Bytes;
pub use headwater_protocol::subject::{has_wildcards, matches};

use super::seeker::Seeker;
use super::subject::SubjectIndex;
use crate::StoreError;

/// Whether a subject matches one of the filters.
pub fn matches_any(filters: &[Bytes], subject: &[u8]) -> bool {
    filters.iter().any(|filter| matches(filter, subject))
}

/// Visits the subjects that match, in byte order, with their encoded postings.
pub fn visit_matching(
    index: &mut SubjectIndex,
    filter: &[u8],
    visit: &mut dyn FnMut(&[u8], &[u8]),
) -> Result<(), StoreError> {
    index.visit(Seeker::new(filter, None), &mut |subject, state| {
        visit(subject, state);
        ControlFlow::Continue(())
    })
}

/// Visits all subjects until `visit` says false.
pub fn visit_all(
    index: &mut SubjectIndex,
    visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
) -> Result<(), StoreError> {
    index.visit(Seeker::everything(), &mut |subject, state| {
        if visit(subject, state) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })
}
