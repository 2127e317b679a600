//! Subject mappings: what a client publishes may go out under another subject.

use std::fmt;

use headwater_protocol::subject::has_wildcards;
use headwater_protocol::subject::transform::{Transform, TransformError};

/// The mappings of one account. The first whose source matches decides.
#[derive(Debug, Default)]
pub struct Mappings(Vec<Mapping>);

/// One mapping as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingRule {
    /// A subject, with or without wildcards.
    pub source: String,
    /// Where messages go, and how many of a hundred. What is missing to a hundred keeps its subject, or is lost if the source
    /// itself is among the destinations.
    pub destinations: Vec<(String, u8)>,
}

/// A mapping that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingError {
    /// What is mapped.
    pub source: String,
    /// Why not.
    pub error: TransformError,
}

impl fmt::Display for MappingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error adding mapping for {:?}: {}", self.source, self.error)
    }
}

impl std::error::Error for MappingError {}

/// What a mapping does to a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mapped {
    /// No mapping concerns it.
    Unchanged,
    /// The message goes to this subject instead.
    To(Vec<u8>),
    /// The message belongs to the share that is lost.
    Lost,
}

#[derive(Debug)]
struct Mapping {
    source: Box<[u8]>,
    /// Each with the sum of the weights up to and including its own.
    choices: Vec<(u8, Transform)>,
}

impl Mappings {
    /// Compiles configured mappings. A later one for the same source replaces an earlier.
    pub fn new(rules: &[MappingRule]) -> Result<Self, MappingError> {
        let mut mappings: Vec<Mapping> = Vec::new();
        for rule in rules {
            let error = |error| MappingError { source: rule.source.clone(), error };
            let mapping = Mapping::compile(rule).map_err(error)?;
            match mappings.iter_mut().find(|known| known.source == mapping.source) {
                Some(known) => *known = mapping,
                None => mappings.push(mapping),
            }
        }
        Ok(Self(mappings))
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where a message on `subject` goes. `random` gives a number below its argument.
    pub fn apply(&self, subject: &[u8], mut random: impl FnMut(usize) -> usize) -> Mapped {
        let concerns = |mapping: &&Mapping| headwater_protocol::subject::matches(&mapping.source, subject);
        let Some(mapping) = self.0.iter().find(concerns) else { return Mapped::Unchanged };
        let share = random(100);
        match mapping.choices.iter().find(|(up_to, _)| share < usize::from(*up_to)) {
            Some((_, transform)) => {
                let number = || random(RANDOM_BOUND) as u64;
                transform.apply_with(subject, number).map_or(Mapped::Unchanged, Mapped::To)
            }
            None => Mapped::Lost,
        }
    }
}

impl Mapping {
    fn compile(rule: &MappingRule) -> Result<Self, TransformError> {
        let mut choices = Vec::with_capacity(rule.destinations.len() + 1);
        let mut total = 0u8;
        for (destination, weight) in &rule.destinations {
            total = total.saturating_add(*weight);
            choices.push((total, Transform::new(&rule.source, destination)?));
        }
        let may_lose = rule.destinations.iter().any(|(destination, _)| *destination == rule.source);
        if total < 100 && !may_lose {
            choices.push((100, Transform::new(&rule.source, &unchanged(&rule.source))?));
        }
        Ok(Self { source: rule.source.as_bytes().into(), choices })
    }
}

/// Random numbers for transforms are below this.
const RANDOM_BOUND: usize = 1 << 31;

/// The destination that leaves a subject of this source as it is.
fn unchanged(source: &str) -> String {
    if !has_wildcards(source.as_bytes()) {
        return source.to_owned();
    }
    let mut wildcards = 0;
    let tokens = source.split('.').map(|token| match token {
        "*" => {
            wildcards += 1;
            format!("{{{{wildcard({wildcards})}}}}")
        }
        _ => token.to_owned(),
    });
    tokens.collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mappings(rules: &[(&str, &[(&str, u8)])]) -> Mappings {
        let rule = |(source, destinations): &(&str, &[(&str, u8)])| MappingRule {
            source: (*source).to_owned(),
            destinations: destinations
                .iter()
                .map(|(subject, weight)| ((*subject).to_owned(), *weight))
                .collect(),
        };
        Mappings::new(&rules.iter().map(rule).collect::<Vec<_>>()).unwrap()
    }

    fn to(subject: &str) -> Mapped {
        Mapped::To(subject.as_bytes().to_vec())
    }

    #[test]
    fn the_first_that_matches_decides_and_only_once() {
        let mappings = mappings(&[
            ("a.*", &[("b.{{wildcard(1)}}", 100)]),
            ("foo", &[("bar", 100)]),
            ("bar", &[("baz", 100)]),
        ]);
        assert_eq!(mappings.apply(b"a.1", |_| 0), to("b.1"));
        assert_eq!(mappings.apply(b"foo", |_| 0), to("bar"));
        assert_eq!(mappings.apply(b"a.b.c", |_| 0), Mapped::Unchanged);
    }

    #[test]
    fn what_is_missing_to_a_hundred_keeps_its_subject() {
        let mappings = mappings(&[("w.*", &[("x.$1", 30)])]);
        assert_eq!(mappings.apply(b"w.1", |_| 29), to("x.1"));
        assert_eq!(mappings.apply(b"w.1", |_| 30), to("w.1"));
    }

    #[test]
    fn a_source_among_its_destinations_loses_the_rest() {
        let mappings = mappings(&[("w", &[("w", 50)])]);
        assert_eq!(mappings.apply(b"w", |_| 49), to("w"));
        assert_eq!(mappings.apply(b"w", |_| 50), Mapped::Lost);
    }

    #[test]
    fn a_later_rule_for_the_same_source_replaces_the_earlier() {
        let mappings = mappings(&[("a", &[("b", 100)]), ("a", &[("c", 100)])]);
        assert_eq!(mappings.apply(b"a", |_| 0), to("c"));
    }
}
