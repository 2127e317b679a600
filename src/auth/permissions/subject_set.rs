//! A set of subject patterns, asked for every publish that is not cached.

use std::collections::BTreeMap;

use headwater_protocol::subject;

/// Patterns kept as a trie of tokens; a question costs no allocation.
#[derive(Debug, Default, Clone)]
pub(super) struct SubjectSet {
    root: Level,
    patterns: usize,
}

#[derive(Debug, Default, Clone)]
struct Level {
    literal: BTreeMap<Box<[u8]>, Level>,
    any_token: Option<Box<Level>>,
    any_tail: bool,
    ends_here: bool,
}

/// How a wildcard in the question is read.
#[derive(Clone, Copy)]
enum Reading {
    /// As a token like any other: the question is the subject of a message.
    Literal,
    /// As a wildcard: the whole of it must lie inside one pattern.
    Subset,
    /// As a wildcard: sharing one subject with a pattern is enough.
    Overlap,
}

impl SubjectSet {
    /// Adds a pattern; false if it is not a valid subject.
    pub fn insert(&mut self, pattern: &[u8]) -> bool {
        if !subject::is_valid(pattern) {
            return false;
        }
        self.root.insert(pattern);
        self.patterns += 1;
        true
    }

    pub fn is_empty(&self) -> bool {
        self.patterns == 0
    }

    /// Whether the literal `subject` matches a pattern. A subject with an empty token matches none.
    pub fn matches(&self, subject: &[u8]) -> bool {
        !self.is_empty() && !has_empty_token(subject) && self.root.find(Some(subject), Reading::Literal)
    }

    /// Whether all that `subject` (with wildcards) stands for lies inside one pattern.
    pub fn covers(&self, subject: &[u8]) -> bool {
        !has_empty_token(subject) && self.root.find(Some(subject), Reading::Subset)
    }

    /// Whether `subject` (with wildcards) shares a subject with a pattern.
    pub fn overlaps(&self, subject: &[u8]) -> bool {
        !has_empty_token(subject) && self.root.find(Some(subject), Reading::Overlap)
    }
}

impl Level {
    fn insert(&mut self, pattern: &[u8]) {
        let (token, rest) = split_token(pattern);
        let next = match token {
            b">" => {
                self.any_tail = true;
                return;
            }
            b"*" => &mut **self.any_token.get_or_insert_default(),
            literal => self.literal.entry(literal.into()).or_default(),
        };
        match rest {
            Some(rest) => next.insert(rest),
            None => next.ends_here = true,
        }
    }

    fn find(&self, subject: Option<&[u8]>, reading: Reading) -> bool {
        let Some(subject) = subject else {
            return self.ends_here;
        };
        let (token, rest) = split_token(subject);
        if self.any_tail {
            return true;
        }
        match (reading, token) {
            (Reading::Subset, b">") => false,
            (Reading::Overlap, b">") => !self.is_leaf(),
            (Reading::Subset, b"*") => self.through_any_token(rest, reading),
            (Reading::Overlap, b"*") => {
                self.through_any_token(rest, reading)
                    || self.literal.values().any(|next| next.find(rest, reading))
            }
            (_, literal) => {
                self.literal.get(literal).is_some_and(|next| next.find(rest, reading))
                    || self.through_any_token(rest, reading)
            }
        }
    }

    fn through_any_token(&self, rest: Option<&[u8]>, reading: Reading) -> bool {
        self.any_token.as_ref().is_some_and(|next| next.find(rest, reading))
    }

    fn is_leaf(&self) -> bool {
        self.literal.is_empty() && self.any_token.is_none()
    }
}

fn has_empty_token(subject: &[u8]) -> bool {
    subject.first().is_none_or(|byte| *byte == b'.')
        || subject.last() == Some(&b'.')
        || memchr::memmem::find(subject, b"..").is_some()
}

fn split_token(subject: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b'.', subject) {
        Some(dot) => (subject.get(..dot).unwrap_or_default(), subject.get(dot + 1..)),
        None => (subject, None),
    }
}
