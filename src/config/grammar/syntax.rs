//! Text to raw items: keys, separators, maps, arrays, comments and includes, with nom.
//!
//! Every parser works on the rest of the text; how much rest there is tells the place, so nothing else needs to be
//! carried along.

use std::borrow::Cow;

use nom::bytes::complete::{take_till, take_while};
use nom::error::{ErrorKind, ParseError};
use nom::{IResult, Parser};

use super::NESTING_MAX;
use super::scalar::{scalar, shown};

pub(super) type Parsed<'a, T> = IResult<&'a str, T, Fault>;

/// Why the text is no configuration, and where.
#[derive(Debug, PartialEq)]
pub(super) struct Fault {
    /// Bytes left when the fault was seen, or none if the message names no line.
    pub(super) remaining: Option<usize>,
    pub(super) kind: FaultKind,
}

#[derive(Debug, PartialEq)]
pub(super) enum FaultKind {
    Syntax(Cow<'static, str>),
    Number(String),
    KeyWithoutValue,
}

impl Fault {
    pub(super) fn number(reason: String) -> Self {
        Self { remaining: None, kind: FaultKind::Number(reason) }
    }
}

impl ParseError<&str> for Fault {
    fn from_error_kind(input: &str, _: ErrorKind) -> Self {
        Self { remaining: Some(input.len()), kind: FaultKind::Syntax("Unexpected text".into()) }
    }

    fn append(_: &str, _: ErrorKind, other: Self) -> Self {
        other
    }
}

/// Fails for good at the character that `input` starts with; nothing else is tried.
pub(super) fn fail<T>(input: &str, reason: impl Into<Cow<'static, str>>) -> Parsed<'_, T> {
    let seen = input.chars().next().map_or(0, char::len_utf8);
    let remaining = Some(input.len() - seen);
    Err(nom::Err::Failure(Fault { remaining, kind: FaultKind::Syntax(reason.into()) }))
}

/// One thing at the level of keys.
#[derive(Debug, PartialEq)]
pub(super) enum Item<'a> {
    Entry { key: &'a str, remaining: usize, value: RawNode<'a> },
    Include { path: &'a str, remaining: usize },
}

/// A value as written; `remaining` is where it starts.
#[derive(Debug, PartialEq)]
pub(super) struct RawNode<'a> {
    pub(super) remaining: usize,
    pub(super) raw: Raw<'a>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Raw<'a> {
    Bool(bool),
    Integer(i64),
    Float(f64),
    DateTime(&'a str),
    Text(Cow<'a, str>),
    Variable(&'a str),
    Array(Vec<RawNode<'a>>),
    Map(Vec<Item<'a>>),
}

/// A whole text.
pub(super) fn document(text: &str) -> Result<Vec<Item<'_>>, Fault> {
    let mut items = Vec::new();
    let mut rest = text;
    loop {
        rest = blanks_and_comments(rest);
        if rest.is_empty() || rest.trim_end() == "}" {
            return Ok(items);
        }
        rest = match rest.strip_prefix('{') {
            Some(inside) => braced(inside, &mut items, 0),
            None => item(rest, Level::Top, 0).map(|(rest, item)| {
                items.push(item);
                rest
            }),
        }
        .map_err(settle)?;
    }
}

fn settle(error: nom::Err<Fault>) -> Fault {
    match error {
        nom::Err::Error(fault) | nom::Err::Failure(fault) => fault,
        nom::Err::Incomplete(_) => {
            Fault { remaining: Some(0), kind: FaultKind::Syntax("Unexpected EOF.".into()) }
        }
    }
}

/// What surrounds an entry; it decides how the entry may end and what a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Top,
    /// Inside braces that stand alone around the top level, as JSON has them.
    Braced,
    Map,
}

/// The inside of braces around the top level; the closing brace may be missing at the end of the text.
fn braced<'a>(
    mut rest: &'a str,
    items: &mut Vec<Item<'a>>,
    depth: usize,
) -> Result<&'a str, nom::Err<Fault>> {
    if depth >= NESTING_MAX {
        return fail(rest, too_deep()).map(|(rest, ())| rest);
    }
    loop {
        rest = blanks_and_comments(rest);
        if rest.is_empty() {
            return Ok(rest);
        }
        if let Some(after) = rest.strip_prefix('}') {
            return Ok(after);
        }
        if let Some(inside) = rest.strip_prefix('{') {
            rest = braced(inside, items, depth + 1)?;
            rest = blanks_and_comments(rest).trim_start_matches([',', ';']);
            continue;
        }
        let (after, item) = item(rest, Level::Braced, depth)?;
        items.push(item);
        rest = after;
    }
}

/// An entry or an include, with what ends it; a closing brace is left for whoever opened it.
fn item(input: &str, level: Level, depth: usize) -> Parsed<'_, Item<'_>> {
    let start = input.len();
    let (rest, (key, quoted)) = key(input, level)?;
    let remaining = if quoted { start - 1 } else { start };
    if !quoted && key.eq_ignore_ascii_case("include") && rest.starts_with(char::is_whitespace) {
        let (rest, path) = include_path(rest)?;
        return end_of_item(rest, level).map(|(rest, ())| (rest, Item::Include { path, remaining }));
    }
    let rest = before_value(rest, level)?.0;
    let (rest, value) = value(rest, depth)?;
    let (rest, ()) = end_of_item(rest, level)?;
    Ok((rest, Item::Entry { key, remaining, value }))
}

fn key(input: &str, level: Level) -> Parsed<'_, (&str, bool)> {
    match input.chars().next() {
        Some(c @ ('=' | ':')) if level == Level::Map => {
            fail(input, format!("Unexpected key separator '{c}'."))
        }
        Some(c @ ('=' | ':')) => fail(input, format!("Unexpected key separator '{c}'")),
        Some(']') if level == Level::Map => fail(input, "Unexpected array end ']' processing map."),
        Some('/') if level != Level::Map => fail(input, "Unexpected EOF."),
        Some(quote @ ('"' | '\'')) => quoted_key(input, quote, level),
        _ => bare_key(input, level),
    }
}

fn quoted_key(input: &str, quote: char, level: Level) -> Parsed<'_, (&str, bool)> {
    let (rest, key) = take_till(|c| c == quote)(input.strip_prefix(quote).unwrap_or(input))?;
    match (rest.strip_prefix(quote), level, quote) {
        (Some(rest), ..) => Ok((rest, (key, true))),
        (None, Level::Map, '"') => fail(rest, "Unexpected EOF processing double quoted map key."),
        (None, Level::Map, _) => fail(rest, "Unexpected EOF processing quoted map key."),
        (None, ..) => fail(rest, "Unexpected EOF."),
    }
}

fn bare_key(input: &str, level: Level) -> Parsed<'_, (&str, bool)> {
    let (rest, key) = take_till(|c: char| c.is_whitespace() || c == '=' || c == ':')(input)?;
    if rest.is_empty() && level == Level::Map {
        return fail(rest, "Unexpected EOF processing map key.");
    }
    Ok((rest, (key, false)))
}

/// Blanks and at most one separator; below the top level a value may start on a later line than its separator.
fn before_value(input: &str, level: Level) -> Parsed<'_, ()> {
    let (rest, _) = blanks(input)?;
    let (rest, separated) = match rest.strip_prefix(['=', ':']) {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    if rest.is_empty() && !separated && level != Level::Map {
        let kind = FaultKind::KeyWithoutValue;
        return Err(nom::Err::Failure(Fault { remaining: Some(0), kind }));
    }
    let (rest, _) = if level == Level::Map { blanks(rest)? } else { spaces(rest)? };
    match rest.chars().next() {
        Some(c @ (',' | '}')) if level == Level::Map => {
            fail(rest, format!("Unexpected map value terminator \"{c}\"."))
        }
        _ => Ok((rest, ())),
    }
}

fn end_of_item(input: &str, level: Level) -> Parsed<'_, ()> {
    let rest = spaces_and_comment(input);
    match (rest.chars().next(), level) {
        (Some('\n' | '\r' | ',' | ';'), _) | (Some('}'), Level::Top) => Ok((rest.get(1..).unwrap_or(""), ())),
        (None, Level::Top) | (Some('}'), _) => Ok((rest, ())),
        (other, Level::Top) => fail(rest, expected_end("top-level value", other)),
        (other, Level::Braced) => fail(rest, expected_end("block-level value", other)),
        (other, Level::Map) => {
            fail(rest, expected_terminator("a map value terminator \",\" or a map terminator \"}\"", other))
        }
    }
}

fn expected_end(what: &str, got: Option<char>) -> String {
    format!("Expected a {what} to end with a new line, comment or EOF, but got '{}' instead.", shown(got))
}

fn expected_terminator(what: &str, got: Option<char>) -> String {
    format!("Expected {what}, but got '{}' instead.", shown(got))
}

fn include_path(input: &str) -> Parsed<'_, &str> {
    let (rest, _) = spaces(input)?;
    let not_a = |what| fail(rest, format!("Expected include value but found {what}"));
    match rest.chars().next() {
        Some('\'') => quoted_path(rest, '\'', "Unexpected EOF in quoted include"),
        Some('"') => quoted_path(rest, '"', "Unexpected EOF in double quoted include"),
        Some('[') => not_a("start of an array"),
        Some('{') => not_a("start of a map"),
        Some('(') => not_a("start of a block"),
        Some('0'..='9' | '-') => not_a("start of a number"),
        Some('\\') => not_a("escape sequence"),
        Some('\n' | '\r') => not_a("new line"),
        _ => take_till(|c| "\n\r;} \t'".contains(c)).parse_complete(rest),
    }
}

fn quoted_path<'a>(input: &'a str, quote: char, unclosed: &'static str) -> Parsed<'a, &'a str> {
    let (rest, path) = take_till(|c| c == quote)(input.strip_prefix(quote).unwrap_or(input))?;
    match rest.strip_prefix(quote) {
        Some(rest) => Ok((rest, path)),
        None => fail(rest, unclosed),
    }
}

fn value(input: &str, depth: usize) -> Parsed<'_, RawNode<'_>> {
    let (input, _) = spaces(input)?;
    let quoted = input.starts_with(['"', '\'']);
    let remaining = input.len() - usize::from(quoted);
    let (rest, raw) = match input.chars().next() {
        Some('{' | '[') if depth >= NESTING_MAX => return fail(input, too_deep()),
        Some('{') => map(input, depth + 1)?,
        Some('[') => array(input, depth + 1)?,
        _ => scalar(input)?,
    };
    Ok((rest, RawNode { remaining, raw }))
}

fn too_deep() -> String {
    format!("Maps and arrays are nested deeper than {NESTING_MAX}")
}

fn map(input: &str, depth: usize) -> Parsed<'_, Raw<'_>> {
    let mut items = Vec::new();
    let mut rest = input.strip_prefix('{').unwrap_or(input);
    loop {
        rest = blanks_and_comments(rest);
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((after, Raw::Map(items)));
        }
        if rest.is_empty() {
            return fail(rest, "Unexpected EOF processing map.");
        }
        let (after, item) = item(rest, Level::Map, depth)?;
        items.push(item);
        rest = after;
    }
}

fn array(input: &str, depth: usize) -> Parsed<'_, Raw<'_>> {
    let mut values = Vec::new();
    let mut rest = input.strip_prefix('[').unwrap_or(input);
    loop {
        rest = blanks_and_comments(rest);
        if let Some(after) = rest.strip_prefix(']') {
            return Ok((after, Raw::Array(values)));
        }
        if rest.starts_with(',') {
            return fail(rest, "Unexpected array value terminator ','.");
        }
        let (after, node) = value(rest, depth)?;
        values.push(node);
        rest = end_of_element(after)?.0;
    }
}

/// A closing bracket is left for the array.
fn end_of_element(input: &str) -> Parsed<'_, ()> {
    let rest = spaces_and_comment(input);
    match rest.chars().next() {
        Some(',' | '\n' | '\r') => Ok((rest.get(1..).unwrap_or(""), ())),
        Some(']') => Ok((rest, ())),
        other => fail(
            rest,
            expected_terminator("an array value terminator \",\" or an array terminator \"]\"", other),
        ),
    }
}

fn blanks(input: &str) -> Parsed<'_, &str> {
    take_while(char::is_whitespace)(input)
}

fn spaces(input: &str) -> Parsed<'_, &str> {
    take_while(|c| c == ' ' || c == '\t')(input)
}

fn comment(input: &str) -> Option<&str> {
    let inside = input.strip_prefix('#').or_else(|| input.strip_prefix("//"))?;
    Some(inside.trim_start_matches(|c| c != '\n' && c != '\r'))
}

fn blanks_and_comments(input: &str) -> &str {
    let mut rest = input.trim_start();
    while let Some(after) = comment(rest) {
        rest = after.trim_start();
    }
    rest
}

fn spaces_and_comment(input: &str) -> &str {
    let rest = input.trim_start_matches([' ', '\t']);
    comment(rest).unwrap_or(rest)
}
