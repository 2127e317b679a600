//! Values without structure: numbers, words, strings, dates, variables.

use std::borrow::Cow;

use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{is_not, tag, take, take_while, take_while_m_n};
use nom::character::complete::{char, digit1};
use nom::combinator::{opt, peek, recognize, verify};

use super::syntax::{Fault, Parsed, Raw, fail};

/// A value that starts with something other than a bracket.
pub(super) fn scalar(input: &str) -> Parsed<'_, Raw<'_>> {
    match input.chars().next() {
        Some('\'') => single_quoted(input),
        Some('"') => double_quoted(input),
        Some('(') => block(input),
        Some('-') => negative(input),
        Some('.') => fail(input, "Floats must start with a digit"),
        Some('\n' | '\r') => fail(input, "Expected value but found new line"),
        Some('0'..='9') => number_date_or_word(input),
        _ => word(input),
    }
}

/// Whether a number or a word may end here.
fn ends_number(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(['\n', '\r', '\0', '}', ']', ';', ',', ' ', '\t'])
}

fn number_date_or_word(input: &str) -> Parsed<'_, Raw<'_>> {
    let (rest, digits) = digit1(input)?;
    match rest.chars().next() {
        Some('-') if digits.len() == 4 => date(input),
        Some('-') => fail(rest, "All ISO8601 dates must be in full Zulu form."),
        Some('.') => float_or_address(input),
        _ => integer_or_word(input),
    }
}

fn negative(input: &str) -> Parsed<'_, Raw<'_>> {
    let (rest, _) = char('-')(input)?;
    match rest.chars().next() {
        Some('0'..='9') => {}
        Some('.') => return fail(rest, "Floats must start with a digit, not '.'."),
        other => {
            return fail(rest, format!("Expected a digit but got '{}'.", shown(other)));
        }
    }
    let (rest, _) = digit1(rest)?;
    if rest.starts_with('.') { float(input) } else { integer_or_word(input) }
}

/// `8`, `8k`, `8MiB`; anything else that starts with digits (`10s`, `2ms`) is a word.
fn integer_or_word(input: &str) -> Parsed<'_, Raw<'_>> {
    let (rest, text) = recognize((opt(char('-')), digit1, size_suffix)).parse_complete(input)?;
    let is_negative_without_suffix = text.starts_with('-') && text.ends_with(|c: char| c.is_ascii_digit());
    if ends_number(rest) || is_negative_without_suffix {
        return match integer(text) {
            Ok(number) => Ok((rest, Raw::Integer(number))),
            Err(reason) => Err(nom::Err::Failure(Fault::number(reason))),
        };
    }
    word(input)
}

/// A size as a file writes it, such as `64MB`, from elsewhere.
pub(crate) fn size(text: &str) -> Result<i64, String> {
    integer(text).map_err(|_| format!("{text:?} is no size"))
}

fn size_suffix(input: &str) -> Parsed<'_, &str> {
    let unit = take_while_m_n(1, 1, |c: char| "kmgtpeKMGTPE".contains(c));
    let (rest, suffix) =
        opt(recognize((unit, take_while(|c: char| "bBiI".contains(c))))).parse_complete(input)?;
    Ok((rest, suffix.unwrap_or("")))
}

fn integer(text: &str) -> Result<i64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let out_of_range = || format!("integer '{text}' is out of the range");
    let number: i64 = digits.parse().map_err(|_| out_of_range())?;
    let suffix = text.get(digits.len()..).unwrap_or("").to_ascii_lowercase();
    let factor = factor(&suffix).ok_or_else(|| format!("expected integer, but got '{text}'"))?;
    number.checked_mul(factor).ok_or_else(out_of_range)
}

/// `k` counts in thousands, `kb`, `ki` and `kib` in units of 1,024.
fn factor(suffix: &str) -> Option<i64> {
    let mut letters = suffix.chars();
    let Some(unit) = letters.next() else {
        return Some(1);
    };
    let power = u32::try_from("kmgtpe".find(unit)?).ok()? + 1;
    match letters.as_str() {
        "" => Some(1000_i64.pow(power)),
        "b" | "i" | "ib" => Some(1024_i64.pow(power)),
        _ => None,
    }
}

/// `1.5` is a float; a second dot makes it an address such as `127.0.0.1:4222`.
fn float_or_address(input: &str) -> Parsed<'_, Raw<'_>> {
    let two_dots: Parsed<'_, _> = recognize((digit1, char('.'), digit1, char('.'))).parse_complete(input);
    if two_dots.is_err() {
        return float(input);
    }
    let (rest, text) = take_while(|c: char| c.is_ascii_digit() || ".:-".contains(c))(input)?;
    Ok((rest, Raw::Text(text.into())))
}

fn float(input: &str) -> Parsed<'_, Raw<'_>> {
    let (rest, _) = (opt(char('-')), digit1, char('.')).parse_complete(input)?;
    let next = rest.chars().next();
    if !next.is_some_and(|c| c.is_ascii_digit()) {
        return fail(
            rest,
            format!("Floats must have a digit after the '.', but got '{}' instead.", shown(next)),
        );
    }
    let (rest, text) = recognize((opt(char('-')), digit1, char('.'), digit1)).parse_complete(input)?;
    match text.parse() {
        Ok(number) => Ok((rest, Raw::Float(number))),
        Err(_) => Err(nom::Err::Failure(Fault::number(format!("expected float, but got '{text}'")))),
    }
}

/// `2006-01-02T15:04:05Z`
fn date(input: &str) -> Parsed<'_, Raw<'_>> {
    let mut rest = input;
    for expected in "0000-00-00T00:00:00Z".chars() {
        let next = rest.chars().next();
        match (expected, next) {
            ('0', Some(c)) if c.is_ascii_digit() => {}
            ('0', _) => {
                return fail(
                    rest,
                    format!("Expected digit in ISO8601 datetime, but found '{}' instead.", shown(next)),
                );
            }
            (wanted, Some(c)) if c == wanted => {}
            (wanted, _) => {
                let got = shown(next);
                return fail(
                    rest,
                    format!("Expected '{wanted}' in ISO8601 datetime, but found '{got}' instead."),
                );
            }
        }
        rest = take(1_usize)(rest)?.0;
    }
    let text = input.get(..input.len() - rest.len()).unwrap_or("");
    match text.parse::<jiff::Timestamp>() {
        Ok(_) => Ok((rest, Raw::DateTime(text))),
        Err(_) => Err(nom::Err::Failure(Fault::number(format!(
            "expected Zulu formatted DateTime, but got '{text}'"
        )))),
    }
}

/// An unquoted string, a boolean word or a `$variable`.
fn word(input: &str) -> Parsed<'_, Raw<'_>> {
    let (rest, text) = text_with_escapes(input, |c| "\n\r\0;,]} \t'".contains(c))?;
    let closed_by_quote = rest.starts_with('\'');
    let rest = rest.strip_prefix('\'').unwrap_or(rest);
    let raw = match text {
        Cow::Borrowed(text) if !closed_by_quote => boolean_variable_or_text(text),
        text => Raw::Text(text),
    };
    Ok((rest, raw))
}

fn boolean_variable_or_text(text: &str) -> Raw<'_> {
    let is = |words: [&str; 3]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(["true", "on", "yes"]) {
        Raw::Bool(true)
    } else if is(["false", "off", "no"]) {
        Raw::Bool(false)
    } else if let Some(name) = text.strip_prefix('$') {
        Raw::Variable(name)
    } else {
        Raw::Text(text.into())
    }
}

fn single_quoted(input: &str) -> Parsed<'_, Raw<'_>> {
    let (rest, _) = char('\'')(input)?;
    let (rest, text) = take_while(|c| c != '\'')(rest)?;
    match rest.strip_prefix('\'') {
        Some(rest) => Ok((rest, Raw::Text(text.into()))),
        None => fail(rest, "Unexpected EOF."),
    }
}

fn double_quoted(input: &str) -> Parsed<'_, Raw<'_>> {
    let (rest, _) = char('"')(input)?;
    let (rest, text) = text_with_escapes(rest, |c| c == '"')?;
    match rest.strip_prefix('"') {
        Some(rest) => Ok((rest, Raw::Text(text))),
        None => fail(rest, "Unexpected EOF."),
    }
}

/// `(` and then all text up to a line that holds nothing but `)`.
fn block(input: &str) -> Parsed<'_, Raw<'_>> {
    let (inside, _) = char('(')(input)?;
    let mut searched = 0;
    while let Some(found) = inside.get(searched..).and_then(|text| text.find("\n)")) {
        let end = searched + found + 1;
        let rest = inside.get(end + 1..).unwrap_or("");
        if rest.is_empty() || rest.starts_with('\n') {
            return Ok((rest, Raw::Text(inside.get(..end).unwrap_or("").into())));
        }
        searched = end;
    }
    fail("", "Unexpected EOF processing block.")
}

/// Text up to a character that `ends` it, with its backslash escapes replaced.
fn text_with_escapes(input: &str, ends: impl Fn(char) -> bool) -> Parsed<'_, Cow<'_, str>> {
    let plain = |input| take_while(|c| c != '\\' && !ends(c))(input);
    let (mut rest, first) = plain(input)?;
    if !rest.starts_with('\\') {
        return Ok((rest, first.into()));
    }
    let mut bytes = first.as_bytes().to_vec();
    while rest.starts_with('\\') {
        let (after, byte) = escape(rest)?;
        bytes.push(byte);
        let (after, more) = plain(after)?;
        bytes.extend_from_slice(more.as_bytes());
        rest = after;
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok((rest, text.into())),
        Err(_) => fail(rest, "Escapes do not form UTF-8 text"),
    }
}

fn escape(input: &str) -> Parsed<'_, u8> {
    let (rest, _) = char('\\')(input)?;
    match rest.chars().next() {
        Some('x') => hex_byte(rest),
        Some('t') => Ok((take(1_usize)(rest)?.0, b'\t')),
        Some('n') => Ok((take(1_usize)(rest)?.0, b'\n')),
        Some('r') => Ok((take(1_usize)(rest)?.0, b'\r')),
        Some('"') => Ok((take(1_usize)(rest)?.0, b'"')),
        Some('\\') => Ok((take(1_usize)(rest)?.0, b'\\')),
        other => {
            let got = shown(other);
            let allowed = r#"\xXX, \t, \n, \r, \", \\."#;
            let reason = "Only the following escape characters are allowed:";
            fail(rest, format!("Invalid escape character '{got}'. {reason} {allowed}"))
        }
    }
}

fn hex_byte(input: &str) -> Parsed<'_, u8> {
    let (rest, _) = tag("x")(input)?;
    let two = take_while_m_n(2, 2, |c: char| c.is_ascii_hexdigit());
    let parsed: Parsed<'_, &str> = verify(two, |digits: &str| digits.len() == 2).parse_complete(rest);
    match parsed {
        Ok((rest, digits)) => Ok((rest, u8::from_str_radix(digits, 16).unwrap_or_default())),
        Err(_) => {
            let seen: Parsed<'_, &str> = alt((peek(is_not("\r\n")), tag(""))).parse_complete(rest);
            let seen: String = seen.map_or("", |(_, text)| text).chars().take(2).collect();
            fail(rest, format!("Expected two hexadecimal digits after '\\x', but got '{seen}'"))
        }
    }
}

/// A character as messages show it; the end of the text shows as nothing.
pub(super) fn shown(c: Option<char>) -> String {
    match c {
        Some('\n') => "\\n".to_owned(),
        Some(c) => c.to_string(),
        None => String::new(),
    }
}
