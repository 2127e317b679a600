//! The functions of a destination, one to a token.

use super::cut::{Cut, write_split};
use super::error::{DestinationProblem, TransformError};
use super::{Shape, tokens};
use crate::decimal;

/// What one token of a destination becomes.
///
/// Fresh from [`parse`] the sources are wildcard numbers as written; after [`Function::bind`] they are token indexes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Function {
    /// Itself.
    Literal(Box<[u8]>),
    /// What a wildcard matched.
    Wildcard(usize),
    /// A hash of what wildcards matched, or of the subject if there are none.
    Partition { buckets: u32, sources: Box<[usize]> },
    /// A random number.
    Random { ceiling: i32 },
    /// What a wildcard matched, cut.
    Cut { cut: Cut, source: usize, size: i32 },
    /// What a wildcard matched, cut at delimiters.
    Split { source: usize, delimiter: Box<[u8]> },
}

/// Reads one token of a destination.
pub(super) fn parse(token: &str) -> Result<Function, TransformError> {
    if let Some(number) = token.strip_prefix('$') {
        // Other tokens that start with a dollar sign have meanings of their own.
        return Ok(number
            .parse()
            .map_or_else(|_| literal(token), |n| Function::Wildcard(wildcard_number(n))));
    }
    if !looks_like_call(token) {
        return Ok(literal(token));
    }
    let (name, args) = name_and_args(token)?;
    let args: Vec<&str> = split_args(args).collect();
    Call { token, args: &args }.read(name)
}

/// Whether a token is in double braces.
pub(super) fn looks_like_call(token: &str) -> bool {
    token.len() > 4 && token.starts_with("{{") && token.ends_with("}}")
}

/// An error if a call is to no function there is.
pub(super) fn check_name(token: &str) -> Result<(), TransformError> {
    name_and_args(token).map(|_| ())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Wildcard,
    Partition,
    Random,
    Split,
    Cut(Cut),
}

/// Names in words: the first letter of each may have either case.
const NAMES: [(&[&str], Name); 10] = [
    (&["wildcard"], Name::Wildcard),
    (&["partition"], Name::Partition),
    (&["random"], Name::Random),
    (&["split"], Name::Split),
    (&["split", "from", "left"], Name::Cut(Cut::SplitFromLeft)),
    (&["split", "from", "right"], Name::Cut(Cut::SplitFromRight)),
    (&["slice", "from", "left"], Name::Cut(Cut::SliceFromLeft)),
    (&["slice", "from", "right"], Name::Cut(Cut::SliceFromRight)),
    (&["left"], Name::Cut(Cut::Left)),
    (&["right"], Name::Cut(Cut::Right)),
];

fn name_and_args(token: &str) -> Result<(Name, &str), TransformError> {
    let unknown = || DestinationProblem::UnknownFunction.at(token);
    let inner = token.strip_prefix("{{").and_then(|t| t.strip_suffix("}}")).ok_or_else(unknown)?;
    let call = inner.trim_matches(is_whitespace).strip_suffix(')').ok_or_else(unknown)?;
    let (name, args) = call.split_once('(').ok_or_else(unknown)?;
    let name = name.trim_end_matches(is_whitespace);
    let known = NAMES.iter().find(|(words, _)| is_name(name, words));
    known.map(|(_, function)| (*function, args)).ok_or_else(unknown)
}

fn is_whitespace(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0c')
}

fn is_name(text: &str, words: &[&str]) -> bool {
    let rest = words.iter().try_fold(text.as_bytes(), |text, word| {
        let (head, rest) = text.split_at_checked(word.len())?;
        let (first, tail) = head.split_first()?;
        let (word_first, word_tail) = word.as_bytes().split_first()?;
        (first.eq_ignore_ascii_case(word_first) && tail == word_tail).then_some(rest)
    });
    rest.is_some_and(<[u8]>::is_empty)
}

/// Blanks are dropped after a comma, not before.
fn split_args(args: &str) -> impl Iterator<Item = &str> {
    let mut first = true;
    args.split(',').map(move |arg| {
        let arg = if first { arg } else { arg.trim_start_matches(is_whitespace) };
        first = false;
        arg
    })
}

fn literal(token: &str) -> Function {
    Function::Literal(token.as_bytes().into())
}

/// A wildcard number; what is below 1 stands for the first token of the source, as it does with nats-server.
fn wildcard_number(written: i64) -> usize {
    usize::try_from(written).unwrap_or(0)
}

/// A call, by its arguments.
struct Call<'a> {
    token: &'a str,
    args: &'a [&'a str],
}

impl Call<'_> {
    fn read(&self, name: Name) -> Result<Function, TransformError> {
        match name {
            Name::Wildcard => self.wildcard(),
            Name::Partition => self.partition(),
            Name::Random => self.random(),
            Name::Split => self.split(),
            Name::Cut(cut) => self.cut(cut),
        }
    }

    fn wildcard(&self) -> Result<Function, TransformError> {
        match self.args {
            [""] => Err(self.problem(DestinationProblem::NotEnoughArgs)),
            [number] => Ok(Function::Wildcard(self.wildcard_arg(number)?)),
            _ => Err(self.problem(DestinationProblem::TooManyArgs)),
        }
    }

    fn partition(&self) -> Result<Function, TransformError> {
        let Some((buckets, sources)) = self.args.split_first() else {
            return Err(self.problem(DestinationProblem::NotEnoughArgs));
        };
        // A negative number of buckets wraps round, as it does with nats-server.
        let buckets = self.limit_arg(buckets)? as u32;
        let sources: Result<_, _> = sources.iter().map(|arg| self.wildcard_arg(arg)).collect();
        Ok(Function::Partition { buckets, sources: sources? })
    }

    fn random(&self) -> Result<Function, TransformError> {
        match self.args {
            [ceiling] => Ok(Function::Random { ceiling: self.limit_arg(ceiling)? }),
            _ => Err(self.problem(DestinationProblem::NotEnoughArgs)),
        }
    }

    fn split(&self) -> Result<Function, TransformError> {
        let (source, delimiter) = self.two_args()?;
        let source = self.wildcard_arg(source)?;
        if delimiter.contains([' ', '.']) {
            return Err(self.problem(DestinationProblem::InvalidArg));
        }
        Ok(Function::Split { source, delimiter: delimiter.as_bytes().into() })
    }

    fn cut(&self, cut: Cut) -> Result<Function, TransformError> {
        let (source, size) = self.two_args()?;
        let source = self.wildcard_arg(source)?;
        let size = size.trim_matches(' ').parse();
        let size = size.map_err(|_| self.problem(DestinationProblem::InvalidArg))?;
        Ok(Function::Cut { cut, source, size })
    }

    fn two_args(&self) -> Result<(&str, &str), TransformError> {
        match self.args {
            [first, second] => Ok((first, second)),
            [_, _, ..] => Err(self.problem(DestinationProblem::TooManyArgs)),
            _ => Err(self.problem(DestinationProblem::NotEnoughArgs)),
        }
    }

    fn wildcard_arg(&self, arg: &str) -> Result<usize, TransformError> {
        self.number(arg).map(wildcard_number)
    }

    /// A number of at most `i32::MAX`. Below `i32::MIN` it wraps round, as it does with nats-server.
    fn limit_arg(&self, arg: &str) -> Result<i32, TransformError> {
        match self.number(arg)? {
            number if number > i64::from(i32::MAX) => Err(self.problem(DestinationProblem::InvalidArg)),
            number => Ok(number as i32),
        }
    }

    fn number(&self, arg: &str) -> Result<i64, TransformError> {
        arg.trim_matches(' ').parse().map_err(|_| self.problem(DestinationProblem::InvalidArg))
    }

    fn problem(&self, problem: DestinationProblem) -> TransformError {
        problem.at(self.token)
    }
}

impl Function {
    /// Turns wildcard numbers into token indexes of the source.
    pub fn bind(self, token: &str, source: &Shape) -> Result<Function, TransformError> {
        if source.wildcards.is_empty() && !source.open_ended {
            return self.without_wildcards(token);
        }
        let index_of = |number: usize| match number.checked_sub(1) {
            None => Ok(0),
            Some(index) => source
                .wildcards
                .get(index)
                .copied()
                .ok_or_else(|| DestinationProblem::IndexOutOfRange.at(format!("{token}: [{number}]"))),
        };
        Ok(match self {
            Function::Wildcard(number) => Function::Wildcard(index_of(number)?),
            Function::Partition { buckets, sources } => {
                let sources: Result<_, _> = sources.iter().map(|number| index_of(*number)).collect();
                Function::Partition { buckets, sources: sources? }
            }
            Function::Cut { cut, source, size } => Function::Cut { cut, source: index_of(source)?, size },
            Function::Split { source, delimiter } => Function::Split { source: index_of(source)?, delimiter },
            Function::Literal(_) | Function::Random { .. } => self,
        })
    }

    /// Without wildcards in the source a partition is of the whole subject, whatever it names.
    fn without_wildcards(self, token: &str) -> Result<Function, TransformError> {
        match self {
            Function::Literal(_) | Function::Random { .. } => Ok(self),
            Function::Partition { buckets, .. } => {
                Ok(Function::Partition { buckets, sources: Box::default() })
            }
            _ => Err(DestinationProblem::IndexOutOfRange.at(token)),
        }
    }

    pub fn write(&self, out: &mut Vec<u8>, subject: &[u8], random: u64) {
        let token = |index: usize| tokens(subject).nth(index).unwrap_or_default();
        match self {
            Function::Literal(text) => out.extend_from_slice(text),
            Function::Wildcard(source) => out.extend_from_slice(token(*source)),
            Function::Partition { buckets, sources } if sources.is_empty() => {
                write_bucket(out, fnv1a(FNV_START, subject), *buckets);
            }
            Function::Partition { buckets, sources } => {
                let hash = sources.iter().fold(FNV_START, |hash, source| fnv1a(hash, token(*source)));
                write_bucket(out, hash, *buckets);
            }
            Function::Random { ceiling } => write_bucket(out, (random >> 33) as u32, ceiling.unsigned_abs()),
            Function::Cut { cut, source, size } => cut.write(out, token(*source), *size),
            Function::Split { source, delimiter } => write_split(out, token(*source), delimiter),
        }
    }
}

fn write_bucket(out: &mut Vec<u8>, number: u32, buckets: u32) {
    decimal::push_u64(out, u64::from(number.checked_rem(buckets).unwrap_or(0)));
}

const FNV_START: u32 = 0x811c_9dc5;
const FNV_PRIME: u32 = 0x0100_0193;

/// FNV-1a, 32 bits: known to clients, who compute partitions too.
fn fnv1a(start: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(start, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(FNV_PRIME))
}
