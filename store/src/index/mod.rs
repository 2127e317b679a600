//! The index of one stream: where its messages lie and which subjects they have.

mod candidates;
mod directory;
pub mod filter;
#[cfg(test)]
mod kept_tests;
mod open_page;
pub mod pages;
pub mod plan;
pub mod postings;
pub mod seeker;
pub mod seq;
mod seq_checkpoint;
pub mod seq_page;
pub mod subject;
mod subject_checkpoint;
pub mod subject_page;
pub mod subjects;
pub mod tags;
mod tally;
pub mod varint;
mod window;

pub use postings::{Bound, Bounds, Postings};
pub use seq::SeqIndex;
pub use seq_page::{Entry, PAGE_SEQS};
pub use subject::SubjectIndex;
pub use subjects::{Messages, Subjects};
pub use tags::{TagSet, subject_tag};
