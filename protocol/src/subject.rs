//! Subjects: validation, tokens and wildcard matching.
//!
//! A subject is a list of tokens separated by `.`. A token that is exactly `*` stands for one token, a last token that is
//! exactly `>` for one or more. A token that holds `*` or `>` among other bytes is an ordinary token.
//!
//! All functions work on bytes: a subject on the wire need not be UTF-8.

pub mod transform;

use memchr::{memchr_iter, memchr2_iter};

/// Separates tokens.
pub const SEPARATOR: u8 = b'.';

const FORM_FEED: u8 = 0x0c;

/// True if the subject may be subscribed to: no empty token, `>` only last, no space, tab, CR, LF or FF. Wildcards are allowed.
pub fn is_valid(subject: &[u8]) -> bool {
    let mut before = SEPARATOR;
    for (at, byte) in subject.iter().enumerate() {
        let starts_token = before == SEPARATOR;
        match *byte {
            b' ' | b'\t' | b'\r' | b'\n' | FORM_FEED => return false,
            b'.' if starts_token => return false,
            b'>' if starts_token && subject.get(at + 1) == Some(&SEPARATOR) => return false,
            other => before = other,
        }
    }
    before != SEPARATOR
}

/// True if the subject is valid and has no wildcard token, as a publish subject should.
pub fn is_literal(subject: &[u8]) -> bool {
    is_valid(subject) && !has_wildcards(subject)
}

/// True if any token is `*` or `>`. A `>` that is not last counts too.
pub fn has_wildcards(subject: &[u8]) -> bool {
    memchr2_iter(b'*', b'>', subject).any(|at| {
        let before = at.checked_sub(1).and_then(|before| subject.get(before));
        [before, subject.get(at + 1)].into_iter().flatten().all(|byte| *byte == SEPARATOR)
    })
}

/// True if `filter`, which may have wildcards, matches the subject `literal`.
///
/// Wildcards in `literal` are ordinary tokens: a message can be published to `a.*`, and `a.b` does not get it. An empty token
/// matches nothing, but what lies under a `>` is not looked at: validate subjects where they come in.
pub fn matches(filter: &[u8], literal: &[u8]) -> bool {
    let (mut filter, mut literal) = (filter, literal);
    loop {
        let taken = match filter {
            b">" => return literal.first().is_some_and(|byte| *byte != SEPARATOR),
            [b'*'] | [b'*', SEPARATOR, ..] => Some((1, token_len(literal))),
            _ => same_token_len(filter, literal).map(|len| (len, len)),
        };
        let Some((filter_taken, taken @ 1..)) = taken else {
            return false;
        };
        match (&filter[filter_taken..], &literal[taken..]) {
            ([], []) => return true,
            ([SEPARATOR, filter_rest @ ..], [SEPARATOR, rest @ ..]) => {
                (filter, literal) = (filter_rest, rest);
            }
            _ => return false,
        }
    }
}

/// True if every subject that `subject` (which may have wildcards) matches is matched by `filter` too.
pub fn is_subset(subject: &[u8], filter: &[u8]) -> bool {
    let (mut subject, mut filter) = (subject, filter);
    loop {
        if subject.is_empty() {
            return false;
        }
        if filter == b">" {
            return true;
        }
        let (filter_token, filter_rest) = split_token(filter);
        let (token, rest) = split_token(subject);
        if !token_is_subset(token, filter_token) {
            return false;
        }
        match (rest, filter_rest) {
            (None, None) => return true,
            (Some(s), Some(f)) => (subject, filter) = (s, f),
            _ => return false,
        }
    }
}

/// True if some literal subject is matched by both `a` and `b`, each of which may have wildcards.
pub fn overlaps(a: &[u8], b: &[u8]) -> bool {
    let (mut a, mut b) = (a, b);
    loop {
        if a.is_empty() || b.is_empty() {
            return false;
        }
        if a == b">" || b == b">" {
            return true;
        }
        let (token_a, rest_a) = split_token(a);
        let (token_b, rest_b) = split_token(b);
        if token_a != token_b && token_a != b"*" && token_b != b"*" {
            return false;
        }
        match (rest_a, rest_b) {
            (None, None) => return true,
            (Some(x), Some(y)) => (a, b) = (x, y),
            _ => return false,
        }
    }
}

/// What both `a` and `b` match, as one subject with wildcards; `None` if that is nothing.
pub fn intersection(a: &[u8], b: &[u8]) -> Option<Vec<u8>> {
    if !overlaps(a, b) {
        return None;
    }
    let (mut a, mut b) = (Some(a), Some(b));
    let mut common: Vec<&[u8]> = Vec::new();
    while let (Some(rest_a), Some(rest_b)) = (a, b) {
        let open = if rest_a == b">" { Some(rest_b) } else { (rest_b == b">").then_some(rest_a) };
        if let Some(rest) = open {
            common.push(rest);
            break;
        }
        let ((token_a, next_a), (token_b, next_b)) = (split_token(rest_a), split_token(rest_b));
        common.push(if token_a == b"*" { token_b } else { token_a });
        (a, b) = (next_a, next_b);
    }
    Some(common.join(&SEPARATOR))
}

/// The tokens of a subject, in order. An empty subject has one empty token.
pub fn tokens(subject: &[u8]) -> impl Iterator<Item = &[u8]> {
    subject.split(|b| *b == SEPARATOR)
}

/// How many tokens a subject has; 0 when it is empty.
pub fn token_count(subject: &[u8]) -> usize {
    match subject {
        [] => 0,
        _ => memchr_iter(SEPARATOR, subject).count() + 1,
    }
}

fn token_len(subject: &[u8]) -> usize {
    // A byte loop, because tokens are shorter than what a vector search needs to pay off.
    subject.iter().position(|byte| *byte == SEPARATOR).unwrap_or(subject.len())
}

/// The length of the first token of `a` if `b` starts with the same bytes.
fn same_token_len(a: &[u8], b: &[u8]) -> Option<usize> {
    let mut others = b.iter();
    for (at, byte) in a.iter().enumerate() {
        if *byte == SEPARATOR {
            return Some(at);
        }
        if others.next() != Some(byte) {
            return None;
        }
    }
    Some(a.len())
}

/// The first token, and what follows its separator if there is one.
fn split_token(subject: &[u8]) -> (&[u8], Option<&[u8]>) {
    let len = token_len(subject);
    (&subject[..len], subject.get(len + 1..))
}

fn token_is_subset(token: &[u8], filter_token: &[u8]) -> bool {
    match token {
        b"" | b">" => false,
        _ => filter_token == b"*" || token == filter_token,
    }
}

#[cfg(test)]
mod tests;
