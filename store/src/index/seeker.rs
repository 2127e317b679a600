//! A walk over subjects in byte order that passes over those a filter cannot match.
//!
//! Every subject looked at tells how far the next one that can match is away: `*.b` wants `1.b` after `1.a`, and after
//! `1.c` nothing before `1/`, because `/` follows the separator. So a walk costs about as much as what it finds.

use headwater_protocol::subject::SEPARATOR;

/// What comes right after everything that begins with a token and its separator.
const AFTER_SEPARATOR: u8 = SEPARATOR + 1;

/// What a subject means for the walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It matches; the next one may.
    Match,
    /// It matches; none before [`Seeker::target`] does.
    MatchAndSeek,
    /// It does not; the next one may.
    Next,
    /// It does not, nor does any before [`Seeker::target`].
    Seek,
    /// It does not, nor does any behind it.
    End,
}

/// Judges subjects by a filter.
#[derive(Debug)]
pub struct Seeker<'a> {
    /// Of the filter; none if every subject matches.
    tokens: Vec<&'a [u8]>,
    target: Vec<u8>,
}

impl<'a> Seeker<'a> {
    /// A walk over all subjects that match `filter` and sort after `after`.
    pub fn new(filter: &'a [u8], after: Option<&[u8]>) -> Self {
        let tokens = filter.split(|byte| *byte == SEPARATOR).collect();
        let mut target = after.map_or_else(Vec::new, |after| [after, &[0]].concat());
        let prefix = literal_prefix(filter);
        if *target < *prefix {
            target = prefix.to_vec();
        }
        Self { tokens, target }
    }

    /// A walk over all subjects.
    pub fn everything() -> Self {
        Self { tokens: Vec::new(), target: Vec::new() }
    }

    /// Nothing before it can match; where the walk begins, and where it goes on after [`Verdict::Seek`].
    pub fn target(&self) -> &[u8] {
        &self.target
    }

    /// What `subject` means.
    pub fn judge(&mut self, subject: &[u8]) -> Verdict {
        let mut at = 0;
        let mut wild_end = None;
        for n in 0..self.tokens.len() {
            let (Some(token), Some(rest)) = (self.tokens.get(n).copied(), subject.get(at..)) else { break };
            let is_last = n + 1 == self.tokens.len();
            let end = rest.iter().position(|byte| *byte == SEPARATOR).map_or(subject.len(), |len| at + len);
            if end == at {
                return Verdict::Next;
            }
            let is_wild = token == b"*";
            if is_wild {
                wild_end = Some(end);
            } else if is_last && token == b">" {
                return Verdict::Match;
            } else if subject.get(at..end) != Some(token) {
                return self.seek_token(subject, at, token, is_last, wild_end);
            }
            match (is_last, end == subject.len()) {
                (true, true) => return self.seek_past_match(subject, wild_end.filter(|_| !is_wild)),
                (true, false) => return self.seek(subject, end, &[AFTER_SEPARATOR]),
                // Subjects with the same token and more of them come after others whose token begins with it.
                (false, true) if is_wild => return Verdict::Next,
                (false, true) => return self.seek(subject, end, &[SEPARATOR]),
                (false, false) => at = end + 1,
            }
        }
        Verdict::Match
    }

    /// The token at `at` is not the filter's: the filter's comes further on, or not before the token that the last wildcard
    /// took gives way to another.
    fn seek_token(
        &mut self,
        subject: &[u8],
        at: usize,
        token: &[u8],
        is_last: bool,
        wild_end: Option<usize>,
    ) -> Verdict {
        self.seek(subject, at, token);
        if !is_last {
            self.target.push(SEPARATOR);
        }
        match wild_end {
            _ if *self.target > *subject => Verdict::Seek,
            Some(end) => self.seek(subject, end, &[AFTER_SEPARATOR]),
            None => Verdict::End,
        }
    }

    /// Behind a literal that ends the filter nothing matches before the token that the last wildcard took gives way.
    fn seek_past_match(&mut self, subject: &[u8], wild_end: Option<usize>) -> Verdict {
        let Some(end) = wild_end else { return Verdict::Match };
        self.seek(subject, end, &[AFTER_SEPARATOR]);
        Verdict::MatchAndSeek
    }

    /// On to what begins with `len` bytes of `subject` and goes on with `with`.
    fn seek(&mut self, subject: &[u8], len: usize, with: &[u8]) -> Verdict {
        self.target.clear();
        self.target.extend_from_slice(subject.get(..len).unwrap_or(subject));
        self.target.extend_from_slice(with);
        Verdict::Seek
    }
}

/// What every subject that matches begins with.
fn literal_prefix(filter: &[u8]) -> &[u8] {
    let mut len = 0;
    for token in filter.split(|byte| *byte == SEPARATOR) {
        if token == b"*" || token == b">" {
            return filter.get(..len).unwrap_or_default();
        }
        len += token.len() + 1;
    }
    filter
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use headwater_protocol::subject::matches;
    use proptest::prelude::*;

    use super::*;

    /// What a walk finds, and how many subjects it looks at.
    fn walk(subjects: &BTreeSet<Vec<u8>>, mut seeker: Seeker<'_>) -> (Vec<Vec<u8>>, usize) {
        let (mut found, mut looked_at) = (Vec::new(), 0);
        let mut next = subjects.range(seeker.target().to_vec()..).next();
        while let Some(subject) = next {
            looked_at += 1;
            next = match seeker.judge(subject) {
                Verdict::Match => {
                    found.push(subject.clone());
                    subjects.range(following(subject)..).next()
                }
                Verdict::MatchAndSeek => {
                    found.push(subject.clone());
                    assert!(seeker.target() > subject.as_slice());
                    subjects.range(seeker.target().to_vec()..).next()
                }
                Verdict::Next => subjects.range(following(subject)..).next(),
                Verdict::Seek => {
                    assert!(seeker.target() > subject.as_slice());
                    subjects.range(seeker.target().to_vec()..).next()
                }
                Verdict::End => None,
            };
        }
        (found, looked_at)
    }

    fn following(subject: &[u8]) -> Vec<u8> {
        [subject, &[0]].concat()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2048))]
        #[test]
        fn a_walk_that_seeks_finds_what_one_that_looks_at_everything_finds(
            // With bytes that sort before the separator, right after it, and behind.
            subjects in proptest::collection::btree_set("[a-b\\-/*]{0,2}(\\.[a-b\\-/>]{0,2}){0,3}", 0..60),
            filter in "(\\*|[a-b\\-/]{0,2})(\\.(\\*|[a-b\\-/]{1,2})){0,3}(\\.>)?",
            after in proptest::option::of("[a-b\\-]{0,2}(\\.[a-b/]{0,2}){0,2}"),
        ) {
            let subjects: BTreeSet<Vec<u8>> = subjects.into_iter().map(String::into_bytes).collect();
            let (filter, after) = (filter.as_bytes(), after.as_deref().map(str::as_bytes));
            let wanted = |subject: &&Vec<u8>| {
                matches(filter, subject) && after.is_none_or(|after| subject.as_slice() > after)
            };
            let expected: Vec<Vec<u8>> = subjects.iter().filter(wanted).cloned().collect();
            let (found, looked_at) = walk(&subjects, Seeker::new(filter, after));
            prop_assert_eq!(found, expected);
            prop_assert!(looked_at <= subjects.len());
        }
    }

    #[test]
    fn a_literal_behind_a_wildcard_is_sought_and_not_waited_for() {
        let subject = |n: usize| format!("u.{}.{}", n / 100, n % 100).into_bytes();
        let subjects: BTreeSet<Vec<u8>> = (0..10_000).map(subject).collect();
        let (found, looked_at) = walk(&subjects, Seeker::new(b"u.*.5", None));
        assert_eq!(found.len(), 100);
        assert!(looked_at <= 201, "{looked_at}");
    }

    #[test]
    fn a_walk_begins_behind_what_all_matches_begin_with_and_ends_with_it() {
        assert_eq!(Seeker::new(b"a.b.>", None).target(), b"a.b.");
        assert_eq!(Seeker::new(b"a.*.c", None).target(), b"a.");
        assert_eq!(Seeker::new(b">", None).target(), b"");
        assert_eq!(Seeker::new(b"a.b", None).target(), b"a.b");
        assert_eq!(Seeker::new(b"a.b.>", None).judge(b"a.c"), Verdict::End);
    }
}
