//! The `NATS/1.0` header block.
//!
//! ```text
//! NATS/1.0[ <status>[ <description>]]␍␊
//! Name: value␍␊   (any number)
//! ␍␊
//! ```
//!
//! Names are compared byte for byte. A block comes from a client and is never checked as a whole: every function here takes any
//! bytes and does the sensible thing.

mod edit;
pub mod names;
pub mod statuses;

pub use edit::{HeaderBuilder, append, append_u64, remove, remove_prefix, set, strip_status};

use memchr::memchr_iter;

/// The first bytes of every block.
pub const VERSION: &[u8] = b"NATS/1.0";

/// The first header of that name: its value without leading spaces. The name's case matters.
#[inline]
pub fn get<'a>(block: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    lines_after_first(block).find_map(|line| value_of(line, name))
}

/// All headers in order, as name and value without leading spaces. Lines without a colon are skipped.
pub fn iter(block: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    lines_after_first(block).filter_map(|line| {
        let colon = memchr::memchr(b':', line)?;
        Some((&line[..colon], trim_leading_spaces(&line[colon + 1..])))
    })
}

/// The status code and its description (empty if there is none) of the first line.
pub fn status(block: &[u8]) -> Option<(u16, &[u8])> {
    let first_line = lines(block).next()?;
    let rest = first_line.strip_prefix(VERSION)?.trim_ascii();
    let (code, description) = rest.split_at_checked(3)?;
    let code = crate::decimal::parse_size(code)?;
    Some((u16::try_from(code).ok()?, description.trim_ascii()))
}

/// The value of a line (without its CRLF) if it is a header of that name.
#[inline]
fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    match line.strip_prefix(name)? {
        [b':', value @ ..] => Some(trim_leading_spaces(value)),
        _ => None,
    }
}

/// The header lines, without the version line. Blank lines are passed on as empty slices.
fn lines_after_first(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    lines(block).skip(1)
}

fn lines(block: &[u8]) -> Lines<'_> {
    Lines { rest: Some(block) }
}

/// Lines end at CR LF: a lone LF belongs to the line. A last line needs no end.
struct Lines<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let (line, after) = match line_end(rest) {
            Some(end) => (&rest[..end], Some(&rest[end + 2..])),
            None => (rest, None),
        };
        self.rest = after;
        Some(line)
    }
}

/// Where the first CR LF is.
#[inline]
fn line_end(bytes: &[u8]) -> Option<usize> {
    memchr_iter(b'\n', bytes).filter_map(|at| at.checked_sub(1)).find(|at| bytes[*at] == b'\r')
}

fn trim_leading_spaces(value: &[u8]) -> &[u8] {
    let spaces = value.iter().take_while(|b| **b == b' ').count();
    &value[spaces..]
}

#[cfg(test)]
mod tests;
