//! Control lines: a verb, its arguments, and a line feed.

use super::ParseError;
use memchr::{memchr, memchr2_iter};
use nom::IResult;

/// The most bytes that mean nothing and are still waited through on one line: blanks before arguments, and whatever follows
/// `PING`, `PONG` or `+OK`.
pub const IGNORED_BYTES_MAX: usize = 64 * 1024;

/// The most arguments any operation takes (`HMSG`).
pub(super) const ARGS_MAX: usize = 5;

/// What may follow a verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Anything up to the line feed, ignored.
    Bare,
    /// At least one blank, then arguments.
    Args,
    /// Blanks or none, then JSON.
    Json,
}

/// A verb of one side of the protocol.
pub(super) trait Verb: Copy {
    /// Recognizes a verb at the start of the input, in any case. Says `Incomplete` while a longer input could be one.
    fn parse(input: &[u8]) -> IResult<&[u8], Self>;

    /// What follows it.
    fn shape(self) -> Shape;
}

/// A whole control line.
pub(super) struct Line<'a, V> {
    pub verb: V,
    /// Without blanks at the front and without the line end; empty for [`Shape::Bare`].
    pub args: &'a [u8],
    /// Length with the line end.
    pub consumed: usize,
}

/// Finds control lines, and remembers how far it has looked in one that is not whole yet.
#[derive(Debug, Clone, Default)]
pub(super) struct LineReader {
    scanned: usize,
}

impl LineReader {
    /// The line at the start of the input, or `None` while it is not whole.
    #[inline]
    pub fn read<'a, V: Verb>(
        &mut self,
        input: &'a [u8],
        args_bytes_max: usize,
    ) -> Result<Option<Line<'a, V>>, ParseError> {
        let (rest, verb) = match V::parse(input) {
            Ok(found) => found,
            Err(nom::Err::Incomplete(_)) => return Ok(None),
            Err(_) => return Err(ParseError::UnknownOperation),
        };
        let after_verb = input.len() - rest.len();
        match verb.shape() {
            Shape::Bare => self.bare(input, after_verb, verb),
            shape => self.with_args(input, after_verb, verb, shape, args_bytes_max),
        }
    }

    fn bare<'a, V: Verb>(
        &mut self,
        input: &'a [u8],
        after_verb: usize,
        verb: V,
    ) -> Result<Option<Line<'a, V>>, ParseError> {
        let line_feed = self.line_feed(input, after_verb);
        if line_feed.unwrap_or(input.len()) > IGNORED_BYTES_MAX {
            return Err(ParseError::ControlLineTooLong);
        }
        Ok(line_feed.map(|at| Line { verb, args: &[], consumed: at + 1 }))
    }

    #[inline]
    fn with_args<'a, V: Verb>(
        &mut self,
        input: &'a [u8],
        after_verb: usize,
        verb: V,
        shape: Shape,
        args_bytes_max: usize,
    ) -> Result<Option<Line<'a, V>>, ParseError> {
        let Some(start) = args_start(input, after_verb, shape)? else {
            return Ok(None);
        };
        // The first byte of the arguments is one whatever it is, even a line feed: so it is with nats-server.
        let line_feed = self.line_feed(input, start + 1);
        let args = without_carriage_return(&input[start..line_feed.unwrap_or(input.len())]);
        if args.len() > args_bytes_max {
            return Err(ParseError::ControlLineTooLong);
        }
        Ok(line_feed.map(|at| Line { verb, args, consumed: at + 1 }))
    }

    /// The first line feed from `from` on, not looking again at what was looked at before.
    #[inline]
    fn line_feed(&mut self, input: &[u8], from: usize) -> Option<usize> {
        let from = from.max(self.scanned);
        let found = memchr(b'\n', input.get(from..)?);
        self.scanned = if found.is_some() { 0 } else { input.len() };
        found.map(|at| from + at)
    }
}

/// Where the arguments start; `None` while there is nothing but blanks.
#[inline]
fn args_start(input: &[u8], after_verb: usize, shape: Shape) -> Result<Option<usize>, ParseError> {
    let rest = &input[after_verb..];
    match rest.first() {
        None => return Ok(None),
        Some(byte) if shape == Shape::Args && !is_blank(*byte) => {
            return Err(ParseError::UnknownOperation);
        }
        Some(_) => {}
    }
    let blanks = rest.iter().take_while(|b| is_blank(**b)).count();
    if blanks > IGNORED_BYTES_MAX {
        return Err(ParseError::ControlLineTooLong);
    }
    Ok((blanks < rest.len()).then_some(after_verb + blanks))
}

fn without_carriage_return(args: &[u8]) -> &[u8] {
    args.strip_suffix(b"\r").unwrap_or(args)
}

/// Space and tab separate arguments.
#[inline]
fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Arguments, split.
#[derive(Debug, Default)]
pub(super) struct Args<'a> {
    items: [&'a [u8]; ARGS_MAX],
    count: usize,
}

impl<'a> Args<'a> {
    /// Splits at runs of separators. An error if there are more than any operation takes.
    /// Splits at runs of blanks. An error if there are more arguments than any operation takes.
    #[inline]
    pub fn split(&mut self, text: &'a [u8]) -> Result<(), ParseError> {
        let mut start = 0;
        for end in memchr2_iter(b' ', b'\t', text).chain(std::iter::once(text.len())) {
            if end > start {
                self.push(&text[start..end])?;
            }
            start = end + 1;
        }
        Ok(())
    }

    /// As `split`, for `SUB` and `UNSUB`, where a stray CR or LF separates too.
    #[inline]
    pub fn split_at_line_ends(&mut self, text: &'a [u8]) -> Result<(), ParseError> {
        let separator = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        for item in text.split(separator).filter(|item| !item.is_empty()) {
            self.push(item)?;
        }
        Ok(())
    }

    /// Adds one at the end.
    #[inline]
    pub fn push(&mut self, item: &'a [u8]) -> Result<(), ParseError> {
        *self.items.get_mut(self.count).ok_or(ParseError::BadArguments)? = item;
        self.count += 1;
        Ok(())
    }

    /// The argument at `index`, empty if there is none.
    #[inline]
    pub fn get(&self, index: usize) -> &'a [u8] {
        self.as_slice().get(index).copied().unwrap_or_default()
    }

    /// The argument at `index` counted from the end, empty if there is none.
    #[inline]
    pub fn get_from_end(&self, index: usize) -> &'a [u8] {
        self.as_slice().iter().nth_back(index).copied().unwrap_or_default()
    }

    #[inline]
    pub fn as_slice(&self) -> &[&'a [u8]] {
        &self.items[..self.count]
    }
}
