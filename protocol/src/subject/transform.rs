//! Subject transforms: a filter, and a destination built from what its wildcards matched.
//!
//! A token of the destination is taken as it is, or is one of
//!
//! | function | gives |
//! |---|---|
//! | `$n`, `{{wildcard(n)}}` | what the n-th `*` of the source matched, from 1 |
//! | `{{partition(buckets[,n…])}}` | FNV-1a of those tokens run together (of the whole subject if none are named), modulo `buckets` |
//! | `{{random(ceiling)}}` | a random number below `ceiling` |
//! | `{{split(n,delimiter)}}` | the token, cut at each delimiter |
//! | `{{splitFromLeft(n,at)}}`, `{{splitFromRight(n,at)}}` | the token, cut once |
//! | `{{sliceFromLeft(n,size)}}`, `{{sliceFromRight(n,size)}}` | the token, cut into pieces of that size |
//! | `{{left(n,len)}}`, `{{right(n,len)}}` | the first or last bytes of the token |
//!
//! The first letter of each word may have either case. A `>` at the end of the source needs one at the end of the destination,
//! which takes what it matched. The rules are nats-server's, down to the texts of errors.

mod cut;
mod error;
mod function;

pub use error::{DestinationProblem, TransformError};

use super::{is_literal, is_subset, matches, tokens};
use function::Function;
use std::fmt;

/// A source filter and a destination.
#[derive(Clone, PartialEq, Eq)]
pub struct Transform {
    source: Box<str>,
    destination: Box<str>,
    /// One per token of the destination, without a `>` at its end.
    parts: Box<[Function]>,
    tail: Tail,
}

/// What follows the parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tail {
    /// Nothing.
    None,
    /// The tokens of the subject from this index on.
    From(usize),
    /// There is no destination: the subject stays as it is.
    Identity,
}

impl Transform {
    /// Reads a transform. An empty source is `>`, an empty destination leaves the subject as it is.
    pub fn new(src: &str, dest: &str) -> Result<Transform, TransformError> {
        Self::build(src, dest, function::parse)
    }

    /// As `new`, for imports, whose subjects must be known from both sides: only wildcards, and each of them used.
    pub fn new_strict(src: &str, dest: &str) -> Result<Transform, TransformError> {
        let mut used = 0;
        let transform = Self::build(src, dest, |token| {
            let function = function::parse(token)?;
            used += usize::from(matches!(function, Function::Wildcard(_)));
            match function {
                Function::Literal(_) | Function::Wildcard(_) => Ok(function),
                _ => Err(DestinationProblem::NotSupportedForImport.at(token)),
            }
        })?;
        let wildcards = src.split('.').filter(|token| *token == "*").count();
        match used < wildcards && transform.tail != Tail::Identity {
            true => Err(DestinationProblem::NotUsingAllWildcards.at(dest)),
            false => Ok(transform),
        }
    }

    /// What the filter is.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The destination as it was written.
    pub fn destination(&self) -> &str {
        &self.destination
    }

    /// Whether the result depends on chance, see [`Transform::apply_with`].
    pub fn uses_random(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Function::Random { .. }))
    }

    /// The new subject, or `None` if the source does not match or the subject is no valid literal. Where the destination wants
    /// a random number it gets 0.
    pub fn apply(&self, subject: &[u8]) -> Option<Vec<u8>> {
        self.apply_with(subject, || 0)
    }

    /// As `apply`; `random` is called once if the destination [wants it](Transform::uses_random).
    pub fn apply_with(&self, subject: &[u8], random: impl FnOnce() -> u64) -> Option<Vec<u8>> {
        if &*self.source == ">" && &*self.destination == ">" {
            return Some(subject.to_vec());
        }
        if !is_literal(subject) || !matches(self.source.as_bytes(), subject) {
            return None;
        }
        if self.tail == Tail::Identity {
            return Some(subject.to_vec());
        }
        let random = if self.uses_random() { random() } else { 0 };
        Some(self.write(subject, random))
    }

    /// As `apply`, for a subject that may have wildcards and lies within the source. Only for a transform that takes tokens as they
    /// are, as those of [`Transform::new_strict`] do.
    pub fn apply_to_filter(&self, filter: &[u8]) -> Option<Vec<u8>> {
        let plain = |part: &Function| matches!(part, Function::Literal(_) | Function::Wildcard(_));
        if !is_subset(filter, self.source.as_bytes()) || !self.parts.iter().all(plain) {
            return None;
        }
        Some(if self.tail == Tail::Identity { filter.to_vec() } else { self.write(filter, 0) })
    }

    /// The transform back, for one made of wildcards that are each used once; else `None`.
    pub fn reverse(&self) -> Option<Transform> {
        if self.tail == Tail::Identity {
            return Some(self.clone());
        }
        let source = self.destination_as_filter()?;
        let destination = self.source_as_destination()?;
        Transform::new_strict(&source, &destination).ok()
    }

    /// The destination with a `*` for each wildcard function; `None` if there are other functions.
    pub fn destination_as_filter(&self) -> Option<String> {
        let tokens = self.parts.iter().zip(self.destination.split('.'));
        let tokens = tokens.map(|(part, token)| match part {
            Function::Wildcard(_) => Some("*"),
            Function::Literal(_) => Some(token),
            _ => None,
        });
        let rest = matches!(self.tail, Tail::From(_)).then_some(Some(">"));
        Some(tokens.chain(rest).collect::<Option<Vec<_>>>()?.join("."))
    }

    /// The source with a `$n` for each `*`, n being where the destination puts it; `None` if it does not.
    fn source_as_destination(&self) -> Option<String> {
        let wildcards = self.parts.iter().filter_map(|part| match part {
            Function::Wildcard(source) => Some(*source),
            _ => None,
        });
        let wildcards: Vec<usize> = wildcards.collect();
        let tokens = self.source.split('.').enumerate().map(|(index, token)| match token {
            "*" => wildcards.iter().position(|w| *w == index).map(|at| format!("${}", at + 1)),
            _ => Some(token.to_owned()),
        });
        Some(tokens.collect::<Option<Vec<_>>>()?.join("."))
    }

    fn build(
        src: &str,
        dest: &str,
        mut parse: impl FnMut(&str) -> Result<Function, TransformError>,
    ) -> Result<Transform, TransformError> {
        let source = if src.is_empty() { ">" } else { src };
        if dest.is_empty() {
            return Ok(Self::assemble(source, dest, Vec::new(), Tail::Identity));
        }
        let from = Shape::of(source).ok_or(TransformError::InvalidSubject)?;
        let to = Shape::of(dest).ok_or(TransformError::InvalidSubject)?;
        if !to.wildcards.is_empty() || from.open_ended != to.open_ended {
            return Err(TransformError::InvalidSubject);
        }
        let own_tokens = to.token_count - usize::from(to.open_ended);
        let mut parts = Vec::with_capacity(own_tokens);
        for token in dest.split('.').take(own_tokens) {
            parts.push(parse(token)?.bind(token, &from)?);
        }
        let tail = if to.open_ended { Tail::From(from.token_count - 1) } else { Tail::None };
        Ok(Self::assemble(source, dest, parts, tail))
    }

    fn assemble(source: &str, dest: &str, parts: Vec<Function>, tail: Tail) -> Transform {
        Transform { source: source.into(), destination: dest.into(), parts: parts.into(), tail }
    }

    fn write(&self, subject: &[u8], random: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.destination.len() + subject.len());
        for (index, part) in self.parts.iter().enumerate() {
            if index > 0 {
                out.push(b'.');
            }
            part.write(&mut out, subject, random);
        }
        if let Tail::From(first) = self.tail {
            for token in tokens(subject).skip(first) {
                if !out.is_empty() {
                    out.push(b'.');
                }
                out.extend_from_slice(token);
            }
        }
        out
    }
}

impl fmt::Debug for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transform({:?} -> {:?})", self.source, self.destination)
    }
}

/// Checks a mapping of a stream or an account: stricter than [`Transform::new`] about what stands in the destination.
pub fn validate_mapping(src: &str, dest: &str) -> Result<(), TransformError> {
    if dest.is_empty() {
        return Ok(());
    }
    let mut ended = false;
    for token in dest.split('.') {
        if token.is_empty() || ended {
            return Err(DestinationProblem::InvalidTransform.at(token));
        }
        if function::looks_like_call(token) {
            function::check_name(token)?;
        } else if token.contains([' ', '\t', '\n', '\r', '\x0c']) {
            return Err(DestinationProblem::InvalidTransform.at(""));
        }
        ended = token == ">";
    }
    Transform::new(src, dest).map(|_| ())
}

/// The destination that keeps all a filter's wildcards in place: `a.*.*` gives `a.$1.$2`.
pub fn placeholders(filter: &str) -> String {
    let mut wildcard = 0;
    let tokens = filter.split('.').map(|token| {
        if token != "*" {
            return token.to_owned();
        }
        wildcard += 1;
        format!("${wildcard}")
    });
    tokens.collect::<Vec<_>>().join(".")
}

/// What a transform needs to know about a subject.
struct Shape {
    token_count: usize,
    /// At which tokens a `*` stands.
    wildcards: Vec<usize>,
    /// Whether the last token is `>`.
    open_ended: bool,
}

impl Shape {
    /// `None` if there is an empty token or a `>` that is not last. Blanks are no matter here.
    fn of(subject: &str) -> Option<Shape> {
        let mut shape = Shape { token_count: 0, wildcards: Vec::new(), open_ended: false };
        for token in subject.split('.') {
            if token.is_empty() || shape.open_ended {
                return None;
            }
            if token == "*" {
                shape.wildcards.push(shape.token_count);
            }
            shape.open_ended = token == ">";
            shape.token_count += 1;
        }
        Some(shape)
    }
}

#[cfg(test)]
mod tests;
